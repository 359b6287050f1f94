"""The answer to a prosecutor's request (müzekkere cevabı) as one frozen value, and its words.

Everything that the letter says comes from the answer, the question and the evidence: the letter adds no fact. What is
not needed is left out (KVKK 6698 article 4): persons of the answer and their own records, nobody else's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

MOST_EVIDENCE: Final = 200
"""Records in one package; an answer that leans on more is cut, and says so."""

LONGEST_TEXT: Final = 1200
"""Characters of a record that are printed; the whole record stands in its folder."""

_PRINTED = re.compile("[^\\x20-\\x7e\\xa0-\\u017f\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u20ba]")

VERDICTS: Final = {
    "certain": (
        "KESİN",
        "Kayıtlara göre, sorulan zamanda bu adres ve porttan yapılan bütün bağlantıları aynı kişi açmıştır.",
    ),
    "candidates": (
        "ADAYLAR",
        (
            "Kayıtlar birden çok kişiye uymakta ya da bir husus kanıtlanamamaktadır; uyan kişilerin tümü aşağıdadır. "
            "Bu liste bir kişiyi suçlamaya tek başına yetmez."
        ),
    ),
    "gap": (
        "BOŞLUK",
        "Kayıtlar bu soruyu cevaplamaya yetmemektedir; eksik katman aşağıda adıyla belirtilmiştir.",
    ),
}
LAYERS: Final = {
    "nat": "Adres çevirisi (NAT)",
    "lease": "Adres kirası (DHCP)",
    "identity": "Kimlik",
    "proxy": "Vekil sunucu",
    "vpn": "VPN",
}
KINDS: Final = {
    "username": "kullanıcı adı",
    "phone": "telefon (SMS doğrulama)",
    "national_id": "T.C. kimlik numarası beyanı",
    "mac": "cihaz adresi (MAC)",
    "host": "sabit kayıtlı makine",
}
REASONS: Final = {
    "no_session": "o sırada bu adres ve porttan kayıtlı bir bağlantı yok",
    "source_silent": "bunu gösterecek kayıt yok: kaynak susmuştu",
    "no_public_port": "kaynak genel portu kaydetmiyor; yalnız hedef ve zamanla bulundu",
    "estimated": "bir uç kayıtlı değil, tahmin",
    "no_lease": "bu adresin kirası ya da sabit kaydı yok",
    "lease_unknown": "kiranın sonu bilinmiyor",
    "no_login": "bu adreste ya da cihazda oturum açan yok",
    "logged_out": "orada oturum açan kişi daha önce çıkmıştı",
    "mac_mismatch": "iki kaynak bu adres için ayrı cihaz gösteriyor",
    "shared_host": "bu makineyi aynı anda birden çok kişi kullanıyor",
    "host_only": "sabit kayıtta makine var, kişi yok",
    "several_holders": "aynı adreste aynı anda birden çok kişi",
    "handed_on": "adres, oturum ile bağlantı arasında el değiştirmiş",
    "clock": "olay, saatlerin ayırt edebileceğinden daha yakın bir değişikliğin yanında",
    "loop": "vekil ya da çeviri zinciri döngüde veya çok derin",
}
PRIVACY: Final = (
    "Bu cevap ve ekleri kişisel veri içerir; yalnız talebin konusu için gerekli olan kayıtlar verilmiştir "
    "(6698 sayılı Kanun m. 4)."
)


@dataclass(frozen=True, slots=True)
class Request:
    """What the authority asked for: its number, why, and the question as the API takes it."""

    request_no: str
    purpose: str
    question: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """One record of the package. `seal` and `stamped_at` are what proves it; `folder` holds its one-record bundle."""

    number: int
    ref: str
    source: str
    received_at: datetime
    digest: str
    text: str
    folder: str
    seal: int
    stamped_at: datetime | None


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer to one request, ready to be written down."""

    number: str
    institution: str
    made_at: datetime
    zone: tzinfo
    request: Request
    answer: Mapping[str, Any]
    evidence: Sequence[EvidenceRecord]
    trial: bool = False
    left_out: int = 0
    signatory: str = "Bilgi İşlem Müdürü"
    commands: Sequence[str] = ("sha256sum -c SHA256SUMS", "less deliller/01/DOGRULAMA.md")


def letter(reply: Reply) -> dict[str, Any]:
    """Return the texts of the letter, in Turkish, as the templates take them."""
    answer = reply.answer
    day = reply.made_at.astimezone(reply.zone)
    numbers = {one.ref: one.number for one in reply.evidence}
    verdict = VERDICTS[answer["verdict"]]
    return {
        "number": reply.number,
        "institution": printable(reply.institution or "(kurum adı ayarlanmamış)"),
        "date": {"year": day.year, "month": day.month, "day": day.day, "text": f"{day:%d.%m.%Y}"},
        "subject": "IP adresi kullanım bilgisi",
        "request_no": printable(reply.request.request_no),
        "trial": reply.trial,
        "question": _question(reply),
        "verdict": {"title": verdict[0], "text": verdict[1]},
        "persons": [_person(one, reply.zone, numbers) for one in answer["persons"]],
        "steps": [_step(one, reply.zone, numbers) for one in answer["chain"]],
        "gaps": [printable(_gap(one)) for one in answer["gaps"]],
        "notes": [printable(str(one)) for one in _notes(reply)],
        "clock": _clock(answer),
        "evidence": [_evidence(one, reply.zone) for one in reply.evidence],
        "commands": list(reply.commands),
        "signatory": printable(reply.signatory),
        "privacy": PRIVACY,
    }


def printable(text: str) -> str:
    r"""Return `text` with what the letter's typefaces may lack written as `\u{…}`, so nothing is dropped silently."""
    return _PRINTED.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)


_ALIVE: Final[Mapping[object, str]] = {
    True: "kaynak o sırada kayıt gönderiyordu",
    False: "kaynak o sırada susmuştu",
    None: "kaynağın o sırada çalışıp çalışmadığı bilinmiyor",
}
_ASKED: Final = {
    "public_ip": "Genel IP adresi",
    "public_port": "Genel port",
    "protocol": "Protokol",
    "at": "Zaman",
    "tolerance": "Tolerans (saniye)",
    "dst": "Hedef",
}


def _question(reply: Reply) -> list[dict[str, str]]:
    asked = dict(reply.request.question)
    if asked.get("at"):
        asked["at"] = f"{_spoken(asked['at'], reply.zone)} Türkiye saati (yazıda: {asked['at']})"
    lines = [
        {"label": label, "value": printable(str(asked[key]))}
        for key, label in _ASKED.items()
        if asked.get(key) not in {None, ""}
    ]
    return [*lines, {"label": "Talebin amacı", "value": printable(reply.request.purpose)}]


def _person(one: Mapping[str, Any], zone: tzinfo, numbers: Mapping[str, int]) -> list[str]:
    return [
        printable(str(one["person"])),
        KINDS.get(one["kind"], str(one["kind"])),
        _period(one, zone),
        _numbers(one["evidence"], numbers),
    ]


def _step(one: Mapping[str, Any], zone: tzinfo, numbers: Mapping[str, int]) -> dict[str, Any]:
    return {
        "layer": LAYERS.get(one["layer"], str(one["layer"])),
        "text": printable(str(one["statement"])),
        "period": _period(one, zone),
        "estimated": bool(one.get("estimated")),
        "evidence": _numbers(one["evidence"], numbers),
    }


def _gap(one: Mapping[str, Any]) -> str:
    alive = _ALIVE[one.get("source_alive")]
    source = f" Kaynak: {one['source']}." if one.get("source") else ""
    text = REASONS.get(one["reason"], str(one["reason"]))
    named = [*one.get("macs", []), *one.get("hosts", []), *([one["address"]] if one.get("address") else [])]
    text += f" [{', '.join(named)}]" if named else ""
    return f"{LAYERS.get(one['layer'], one['layer'])}: {text}.{source} ({alive})"


def _notes(reply: Reply) -> list[str]:
    notes = [str(one) for one in reply.answer.get("notes", [])]
    if reply.left_out:
        whole = len(reply.evidence) + reply.left_out
        notes.append(
            f"Cevap {whole} kayda dayanmaktadır; ilk {len(reply.evidence)} kayıt eklidir, "
            f"kalan {reply.left_out} kayıt talep hâlinde verilir."
        )
    if any(one.stamped_at is None for one in reply.evidence):
        notes.append("Bazı eklerin mührü henüz zaman damgası almamıştır; eklerde belirtilmiştir.")
    return notes


def _clock(answer: Mapping[str, Any]) -> str:
    seconds = f"{float(answer.get('clock_error_s', 0)):g}".replace(".", ",")
    return (
        f"Kullanılan kaynakların saat hatası en çok {seconds} saniye kabul edilmiştir; soru bu pay ile aranmıştır. "
        "Tarih ve saatler Türkiye saatiyledir (UTC+3)."
    )


def _evidence(one: EvidenceRecord, zone: tzinfo) -> dict[str, str]:
    text = one.text if len(one.text) <= LONGEST_TEXT else f"{one.text[:LONGEST_TEXT]} […]"
    return {
        "number": str(one.number),
        "ref": one.ref,
        "source": printable(one.source),
        "received": _moment(one.received_at, zone),
        "digest": one.digest,
        "seal": f"#{one.seal}",
        "stamp": "yok (bekliyor)" if one.stamped_at is None else _moment(one.stamped_at, zone),
        "folder": one.folder,
        "text": printable(text),
    }


def _numbers(refs: Sequence[str], numbers: Mapping[str, int]) -> str:
    return ", ".join(str(numbers[ref]) for ref in refs if ref in numbers)


def _period(one: Mapping[str, Any], zone: tzinfo) -> str:
    start, end = (_spoken(one.get(key), zone) for key in ("from", "to"))
    if not start and not end:
        return ""
    return f"{start or 'başlangıcı bilinmiyor'} – {end or 'sonu bilinmiyor'}"


def _spoken(text: str | None, zone: tzinfo) -> str:
    return "" if not text else _moment(datetime.fromisoformat(text), zone)


def _moment(moment: datetime, zone: tzinfo) -> str:
    return f"{moment.astimezone(zone):%d.%m.%Y %H:%M:%S}"
