"""Invented rooms below the web edge: an archive, an engine and accounts that live in memory."""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fake_attribution import FakeAttribution

from ingest.ecs import FIELD, flatten
from some.actor import Actor, ActorKind, Permission
from some.app.web.account_port import (
    AccountRow,
    LinkOffer,
    Refused,
    SecondStep,
    SessionRow,
    SignedIn,
    TokenRow,
    TotpOffer,
    Visitor,
    Welcome,
)
from some.app.web.edge import Ports
from some.app.web.ports import (
    ArchiveHealth,
    ArchiveStatus,
    Bundle,
    CollectorRow,
    DiskUse,
    Listener,
    ProofStep,
    RecordPlace,
    SealDetail,
    SealRow,
    SealState,
    StepOutcome,
    WebSettings,
)
from some.clock import SimulatedClock
from some.errors import BadInput, NotFound, Unavailable
from some.index.engine import Bucket, EngineStatus, Histogram, Page, TopValue, TopValues, from_us, grid, to_us
from some.index.query.predicate import predicate
from some.record import RecordClass, RecordRef, StoredRecord
from some.wording import Translator

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from some.app.web.account_port import LinkFilled, Seat
    from some.app.web.ports import Fact
    from some.index.engine import Document, Query

NOW = datetime(2026, 11, 23, 11, 36, tzinfo=UTC)
HOUR = timedelta(hours=1)
PASSWORD = "doğru at pil zımba"
LINK = "kurulum-baglantisi-ornek"
HEAD = 8412
TSA = "Örnek Damga"


def document(position: int) -> Document:
    """Return one invented firewall record, a few seconds older with each position."""
    at = NOW - timedelta(seconds=7 * position + (position * position) % 5, milliseconds=position * 83 % 1000)
    action = ("allow", "allow", "deny", "allow", "reset", "login")[position % 6]
    original = (
        f'<189>date={at:%Y-%m-%d} time={at:%H:%M:%S} devname="gw-merkez" srcip=10.20.14.{position % 9 + 8} '
        f'dstip=203.0.113.{position % 7 + 60} dstport=443 action="{action}"'
    )
    ref = f"dugum1/{33637 - position // 60:06d}/{18273 - position:06d}"
    nested: dict[str, Any] = {
        "@timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "event": {"kind": "event", "original": original, "action": action},
        "source": {"ip": f"10.20.14.{position % 9 + 8}", "port": 50000 + position * 37 % 9000, "bytes": 400 * position},
        "destination": {"ip": f"203.0.113.{position % 7 + 60}", "port": 443},
        "user": {"name": ("svc-sosyal", "s.yilmaz", "m.aydin", "z.demir")[position % 4]},
        "observer": {"name": ("gw-merkez", "gw-ek2")[position % 2]},
        "some": {"ref": ref, "class": "access", "source": "gw-merkez", "origin": "tcp:192.0.2.7:51234"},
    }
    if position % 40 == 13:
        nested["event"] = {"kind": "pipeline_error", "original": "bir <b>satır</b> & \x1b[31m anlaşılmaz " + "x" * 90}
        nested["error"] = {"message": "no parser took it"}
        for name in ("source", "destination", "user"):
            del nested[name]
    if position % 50 == 49:
        nested["some"]["class"] = "audit"
    return nested


class FakeEngine:
    """Searches invented documents with the real predicate."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = list(documents)
        self.fault: Exception | None = None
        self.queries: list[Query] = []
        self.lag = 0

    def _found(self, query: Query) -> list[Document]:
        self.queries.append(query)
        if self.fault:
            raise self.fault
        fits = predicate(query.tree, FIELD)
        found = []
        for one in self.documents:
            at = datetime.fromisoformat(one["@timestamp"])
            inside = (query.start is None or at >= query.start) and (query.end is None or at < query.end)
            flat = flatten(one) | {"some.text": one["event"]["original"].lower()}
            if inside and (query.classes is None or one["some"]["class"] in query.classes) and fits(flat):
                found.append(one)
        return sorted(found, key=lambda one: (one["@timestamp"], one["some"]["ref"]))

    def search(self, query: Query, *, limit: int, cursor: str | None = None, newest_first: bool = False) -> Page:
        found = self._found(query)
        if newest_first:
            found.reverse()
        if cursor is not None and not cursor.isdigit():
            raise BadInput("not a cursor of this engine")
        start = int(cursor or 0)
        rest = found[start : start + limit]
        return Page(rest, str(start + limit) if start + limit < len(found) else None)

    def count(self, query: Query) -> int:
        return len(self._found(query))

    def histogram(self, query: Query, buckets: int, by: str | None = None, *, zone: Any = UTC) -> Histogram:
        found = self._found(query)
        first, last = to_us(query.start), to_us(query.end) - 1
        shape = grid(first, last, buckets, zone)
        parts: list[Counter[str]] = [Counter() for _ in range(shape.count)]
        totals = [0] * shape.count
        for one in found:
            place = (to_us(datetime.fromisoformat(one["@timestamp"])) - shape.origin) // shape.width
            totals[place] += 1
            value = flatten(one).get(by or "")
            if value is not None:
                parts[place][str(value)] += 1
        together = sum(parts, Counter())
        values = tuple(value for value, _count in together.most_common(4))
        return Histogram(
            tuple(
                Bucket(from_us(shape.origin + place * shape.width), totals[place], dict(parts[place]))
                for place in range(shape.count)
            ),
            timedelta(microseconds=shape.width),
            by,
            values,
        )

    def top_values(self, query: Query, field: str, size: int) -> TopValues:
        found = self._found(query)
        counts = Counter(str(flatten(one)[field]) for one in found if field in flatten(one))
        return TopValues(tuple(TopValue(value, count) for value, count in counts.most_common(size)), len(found))

    def get(self, ref: RecordRef) -> Document | None:
        return next((one for one in self.documents if one["some"]["ref"] == str(ref)), None)

    def status(self) -> EngineStatus:
        if self.fault:
            raise self.fault
        newest = datetime.fromisoformat(self.documents[0]["@timestamp"]) if self.documents else None
        return EngineStatus(len(self.documents), 9, newest, self.lag, float(self.lag))


def seal_rows() -> list[SealRow]:
    """Return fourteen days of hourly seals with three late stamps, a gap, two that wait and the open one."""
    rows = []
    start = NOW.replace(minute=0) - timedelta(days=13, hours=11)
    hours = int((NOW - start) / HOUR)
    number = HEAD - hours + 2
    for place in range(hours + 1):
        opened = start + place * HOUR
        age = hours - place
        closed = opened + HOUR
        base = SealRow(
            number, SealState.VERIFIED, opened, closed, 4,
            9000 + place * 731 % 60000, 3_000_000 + place * 999_331 % 26_000_000,
            closed + timedelta(seconds=3), closed + timedelta(seconds=8), TSA, 5,
        )  # fmt: skip
        if age == 0:
            base = SealRow(None, SealState.OPEN, opened, None, 4, 61204, 18_200_000)
        elif age in (1, 2):
            base = replace(base, state=SealState.COMMITTED, stamped_at=None, tsa=None, lateness_s=None)
        elif age < 9:
            base = replace(base, state=SealState.STAMPED)
        elif age in (129, 130, 131):
            base = replace(
                base, state=SealState.LATE, lateness_s=13_260, reason="Damga sunucusu 3 sa 41 dk yanıt vermedi."
            )
        elif age == 190:
            base = SealRow(None, SealState.GAP, opened, closed, 0, 0, 0, reason="Düğüm 58 dk kapalıydı.")
            number -= 1
        rows.append(base)
        number += 1
    return rows


class FakeArchive:
    """Shows an invented archive."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = {one["some"]["ref"]: one for one in documents}
        self.rows = seal_rows() if documents else []
        self.sealed = 0
        self.changes: dict[str, Any] = {}
        self.damaged = False

    def status(self) -> ArchiveStatus:
        empty = not self.documents
        status = ArchiveStatus(
            ledger="dugum1",
            health=ArchiveHealth.EMPTY if empty else ArchiveHealth.SOUND,
            head=None if empty else HEAD,
            records=0 if empty else 1_284_306_114,
            open_segments=4,
            open_records=0 if empty else 61_204,
            open_bytes=0 if empty else 18_200_000,
            open_since=None if empty else NOW.replace(minute=0),
            last_seal_at=None if empty else NOW.replace(minute=0),
            next_seal_at=NOW.replace(minute=0) + HOUR,
            waiting_stamps=0 if empty else 2,
            waiting_since=None if empty else NOW - timedelta(minutes=95),
            stamp_limit_s=900,
            tsa=None if empty else TSA,
            trial=not empty,
            key="ed25519 · 7b1e…90c4",
            disk=DiskUse(4_000_000_000_000, 2_400_000_000_000, 10_500_000_000),
            verified_at=None if empty else NOW - timedelta(hours=8, minutes=36),
            verified_findings=None if empty else 0,
            reason=None if empty else f"{TSA} yanıt vermiyor.",
        )
        return replace(status, **self.changes)

    def seals(self, start: datetime, end: datetime) -> list[SealRow]:
        return [row for row in self.rows if start <= row.opened < end]

    def seal(self, number: int) -> SealDetail:
        row = next((row for row in self.rows if row.number == number), None)
        if row is None:
            raise NotFound(f"no seal {number}")
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        name = f"seg-{number:06d}"
        manifest = (
            f"# some-manifest v1\n# ledger dugum1\n# seal {number}\n# closed 2026-11-23T08:00:01.000198Z\n"
            f"# records {row.records}\n# segment {number:06d} access records {row.records} bytes {row.size}\n"
            f"{digest}  {name}.access.log\n{digest}  dugum1.pub.pem\n{digest}  seal-{number - 1:06d}.manifest\n"
        )
        stamped = row.stamped_at is not None
        return SealDetail(
            row, manifest, number - 1, number + 1 if number < HEAD else None, "dugum1.pub.pem",
            digest if stamped else None, "3f9a20c1" if stamped else None,
        )  # fmt: skip

    def collectors(self) -> list[CollectorRow]:
        if not self.documents:
            return [CollectorRow("syslog", "syslog", "access", (), 0, None, 0, "ok")]
        curve = [40 + (place * 7919) % 30 + (25 if place > 40 else 0) for place in range(60)]
        return [
            CollectorRow("syslog-tcp", "syslog", "access", [2140 + one for one in curve], 9_412_880, NOW, 0, "ok"),
            CollectorRow("syslog-udp", "syslog", "access", curve, 1_100_204, NOW, 12, "dropping"),
            CollectorRow("dhcp-merkez", "file", "address", curve, 88_120, NOW, 0, "ok"),
            CollectorRow(
                "eposta-gw", "file", "mail", [*curve[:20], *[0] * 40], 5_021, NOW - 6 * HOUR, 0, "silent",
                "6 sa 52 dk sessiz",
            ),
        ]  # fmt: skip

    def _document(self, ref: RecordRef) -> Document:
        if str(ref) not in self.documents:
            raise NotFound(f"no record {ref}")
        if self.damaged:
            raise Unavailable("the archive process is away")
        return self.documents[str(ref)]

    def record(self, ref: RecordRef) -> StoredRecord:
        one = self._document(ref)
        at = datetime.fromisoformat(one["@timestamp"]) + timedelta(milliseconds=480)
        kind = RecordClass(one["some"]["class"])
        return StoredRecord(ref, at, "gw-merkez", "tcp:192.0.2.7:51234", kind, one["event"]["original"].encode())

    def segment_states(self, segments: Collection[int]) -> Mapping[int, SealState]:
        return {number: SealState.OPEN if number == 33637 else SealState.STAMPED for number in segments}

    def place(self, ref: RecordRef) -> RecordPlace:
        one = self._document(ref)
        digest = hashlib.sha256(one["event"]["original"].encode()).hexdigest()
        seal = self.rows[-3] if ref.segment == 33637 else self.rows[-6]
        name = f"seg-{ref.segment:06d}.access.log.zst"
        return RecordPlace(
            ref, one["some"]["class"], name, digest, 631, seal, NOW + timedelta(days=730), "erişim, 2 yıl"
        )

    def verify_record(self, ref: RecordRef) -> list[ProofStep]:
        self._document(ref)
        steps = [
            ProofStep(name, StepOutcome.PROVED, scope, NOW)
            for name, scope in (
                ("line", "631 baytın özeti yeniden hesaplandı."),
                ("segment", "18.274 satırlık ağacın kökü tutuyor."),
                ("manifest", "Bildirge imzası dugum1.pub.pem ile doğrulandı."),
            )
        ]
        return [*steps, ProofStep("stamp", StepOutcome.WAITING, "Mühür damga bekliyor.", NOW)]

    def verify_seal(self, number: int) -> list[ProofStep]:
        self.seal(number)
        return [ProofStep("signature", StepOutcome.PROVED, "Bildirge imzası tutuyor.", NOW)]

    def seal_now(self) -> int | None:
        self.sealed += 1
        return HEAD if self.sealed == 1 else None

    def export_record(self, ref: RecordRef) -> Bundle:
        self._document(ref)
        return Bundle(f"delil-{ref.segment}-{ref.position}.zip", "application/zip", iter([b"PK", b"..."]))

    def export_seal(self, number: int) -> Bundle:
        self.seal(number)
        return Bundle(f"mühür-{number}.zip", "application/zip", iter([b"PK"]))


ALL = frozenset(Permission)
ANALYST = frozenset(
    {
        Permission.SELF_MANAGE,
        Permission.STATUS_READ,
        Permission.RECORDS_SEARCH,
        Permission.SEALS_READ,
        Permission.SEALS_VERIFY,
    }
)


@dataclass
class FakeAccounts:
    """Accounts by name; a session's cookie is `session-<name>`."""

    visitors: dict[str, Visitor] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)
    closed: set[str] = field(default_factory=set)
    used: bool = False
    calls: list[tuple[str, ...]] = field(default_factory=list)

    def add(
        self, name: str, display_name: str, role: str, label: str, permissions: frozenset[Permission], **more: Any
    ) -> None:
        actor = Actor(f"account:{name}", display_name, ActorKind.ACCOUNT, frozenset({role}), permissions)
        self.visitors[name] = Visitor(actor, name, display_name, label, session=f"s-{name}", **more)

    def sign_in(self, name: str, password: str, seat: Seat) -> SignedIn | SecondStep | Refused:
        self.calls.append(("sign_in", name, seat.address))
        if name == "kilitli":
            return Refused("locked", NOW + timedelta(minutes=1))
        if name not in self.visitors or password != PASSWORD:
            return Refused("wrong")
        return SecondStep(f"ticket-{name}") if name in self.codes else SignedIn(f"session-{name}")

    def second_step(self, ticket: str, code: str, seat: Seat) -> SignedIn | Refused:
        name = ticket.removeprefix("ticket-")
        return SignedIn(f"session-{name}") if self.codes.get(name) == code else Refused("wrong_code")

    def visitor(self, token: str, language: str) -> Visitor | None:
        if token in self.closed:
            return None
        return self.visitors.get(token.removeprefix("session-"))

    def bearer(self, token: str, address: str) -> Visitor | None:
        return self.visitors.get(token.removeprefix("token-")) if token.startswith("token-") else None

    def sign_out(self, token: str) -> None:
        self.closed.add(token)

    def link_offer(self, link: str) -> LinkOffer | None:
        if link != LINK or self.used:
            return None
        return LinkOffer("setup", "", "", self.offer_totp(None), code_required=False)

    def use_link(self, link: str, filled: LinkFilled, seat: Seat) -> Welcome:
        if len(filled.password) < 12:
            raise BadInput("The password is too short.")
        self.used = True
        self.add(filled.name, filled.display_name, "yonetici", "Sistem yöneticisi", ALL)
        return Welcome(f"session-{filled.name}", ("aaaa-bbbb", "cccc-dddd") if filled.code else ())

    def change_password(self, actor: Actor, old: str, new: str, seat: Seat) -> SignedIn | Refused:
        return SignedIn(f"session-{actor.id.removeprefix('account:')}") if old == PASSWORD else Refused("wrong")

    def offer_totp(self, actor: Actor | None) -> TotpOffer:
        return TotpOffer("otpauth://totp/SOME:ornek?secret=JBSWY3DPEHPK3PXP&issuer=SOME", "JBSWY3DPEHPK3PXP")

    def confirm_totp(self, actor: Actor, code: str) -> Sequence[str]:
        if code != "123456":
            raise BadInput("The code is wrong.")
        return ("aaaa-bbbb", "cccc-dddd")

    def drop_totp(self, actor: Actor, password: str, seat: Seat) -> Refused | None:
        return None if password == PASSWORD else Refused("wrong")

    def sessions(self, actor: Actor) -> list[SessionRow]:
        name = actor.id.removeprefix("account:")
        agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36"
        return [
            SessionRow(f"s-{name}", NOW - HOUR, NOW, "10.10.4.31", agent),
            SessionRow("s-other", NOW - 30 * HOUR, NOW - 9 * HOUR, "10.10.4.88", agent),
        ]

    def revoke_session(self, actor: Actor, session: str) -> None:
        self.calls.append(("revoke_session", session))

    def tokens(self, actor: Actor) -> list[TokenRow]:
        return [TokenRow("t1", "nagios", NOW - 40 * HOUR, NOW + 900 * HOUR, None, ["status.read"])]

    def create_token(self, actor: Actor, name: str, days: int, permissions: Sequence[str]) -> str:
        self.calls.append(("create_token", name, str(days), *permissions))
        return "some_" + secrets.token_hex(8)

    def revoke_token(self, actor: Actor, token: str) -> None:
        self.calls.append(("revoke_token", token))

    def set_preferences(self, actor: Actor, *, language: str, theme: str, shortcuts: bool) -> None:
        name = actor.id.removeprefix("account:")
        self.visitors[name] = replace(self.visitors[name], language=language, theme=theme, shortcuts=shortcuts)

    def accounts(self, actor: Actor) -> list[AccountRow]:
        return [
            AccountRow(
                one.name, one.display_name, sorted(one.actor.roles), disabled=False, totp=one.totp, last_seen_at=NOW
            )
            for one in self.visitors.values()
        ]

    def roles(self, language: str) -> list[tuple[str, str]]:
        return [("yonetici", "Sistem yöneticisi"), ("analist", "SOME analisti")]

    def create_account(self, actor: Actor, name: str, display_name: str, roles: Sequence[str], reason: str) -> str:
        if not name.islower():
            raise BadInput("Small letters only.")
        self.calls.append(("create_account", name, *roles))
        return "davet-gizlisi"

    def reset_account(self, actor: Actor, name: str) -> str:
        return "sifirlama-gizlisi"

    def set_roles(self, actor: Actor, name: str, roles: Sequence[str], reason: str) -> None:
        self.calls.append(("set_roles", name, *roles))

    def set_disabled(self, actor: Actor, name: str, *, disabled: bool) -> None:
        self.calls.append(("set_disabled", name, str(disabled)))


@dataclass
class FakeAudit:
    """Remembers what was written down; `away` makes it refuse."""

    entries: list[tuple[str, str, dict[str, Fact], str]] = field(default_factory=list)
    away: bool = False

    def write(self, actor: Actor, kind: str, facts: Mapping[str, Fact], subject: str = "") -> None:
        if self.away:
            raise Unavailable("the audit store does not answer")
        self.entries.append((actor.id, kind, dict(facts), subject))


@dataclass
class World:
    """Everything a test may turn."""

    engine: FakeEngine
    archive: FakeArchive
    accounts: FakeAccounts
    audit: FakeAudit
    clock: SimulatedClock
    ports: Ports
    parts: dict[str, bool]
    attribution: FakeAttribution


def world(translator: Any, records: int = 400, settings: WebSettings | None = None) -> World:
    """Return the fakes joined; `translator(language)` gives the catalogue."""
    documents = [document(position) for position in range(records)]
    accounts = FakeAccounts()
    accounts.add("elif.aksoy", "Elif Aksoy", "yonetici", "Sistem yöneticisi", ALL)
    accounts.add("selim.kurt", "Selim Kurt", "analist", "SOME analisti", ANALYST)
    accounts.add("gozlem", "Gözlem", "gozlemci", "Gözlemci", frozenset({Permission.SELF_MANAGE}))
    engine, archive, audit, clock = FakeEngine(documents), FakeArchive(documents), FakeAudit(), SimulatedClock(NOW)
    attribution = FakeAttribution(clock)
    parts = {"archive": True, "index": True}
    ports = Ports(
        settings=settings
        or WebSettings(
            institution="Örnekşehir Belediyesi",
            hosts=frozenset({"some.example"}),
            listeners=(Listener("udp", "0.0.0.0", 514), Listener("tcp", "0.0.0.0", 514)),  # noqa: S104 - shown only
            help_contact="Bilgi İşlem, dahili 1400",
            version="0.1.0",
        ),
        clock=clock,
        archive=archive,
        engine=engine,
        accounts=accounts,
        audit=audit,
        attribution=attribution,
        translator=translator,
        ready=lambda: parts,
        metrics=lambda: b"some_records_total 1284306\n",
        fields=FIELD,
    )
    return World(engine, archive, accounts, audit, clock, ports, parts, attribution)


def catalogues(po: Sequence[Any]) -> Any:
    """Return `translator(language)` over parsed catalogues."""

    class Read(Translator):
        @property
        def _catalogue(self) -> Any:
            return po[0] if self.language == "tr" else po[1]

    def translator(language: str) -> Translator:
        return Read(language)

    return translator
