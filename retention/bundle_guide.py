"""The guide in a bundle, `DOGRULAMA.md`: Turkish first, then English, with commands of stock tools only.

The commands stand once, between the Turkish words; the English part refers to the steps by number. Every step ends in
one line, `ADIM n TAMAM` or `ADIM n HATA`. Counts are compared as well as exit codes: `sha256sum -c` passes over a line
that was turned into a comment.
"""

from __future__ import annotations

from dataclasses import dataclass

SUMS = "DOSYALAR.sha256"
GUIDE = "DOGRULAMA.md"
PATH_SCRIPT = "yol.sh"
RECORD_LINE, RECORD_SALT, RECORD_PATH = "kayit.satir", "kayit.tuz", "kayit.yol"
CHECKPOINT_PATH = "checkpoint.yol"
ROOT, CHAIN = "tsa-kok.pem", "zincir.pem"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the guide: what it shows, in both languages, and commands of which the last one decides."""

    turkish: str
    english: str
    commands: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Guide:
    """Everything the guide says: headline and facts in both languages, steps, and what is not proved."""

    title: tuple[str, str]
    facts: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    trial: bool

    def to_text(self) -> str:
        """Return the Markdown text."""
        parts = [f"# {self.title[0]}\n"]
        if self.trial:
            parts.append("**DENEME: bu defterin damgaları deneme damgasıdır, hukuki değeri yoktur.**\n")
        parts += [_TURKISH_START, "\n".join(f"- {turkish}" for turkish, _ in self.facts) + "\n"]
        for number, step in enumerate(self.steps, 1):
            parts.append(f"## Adım {number}\n\n{step.turkish}\n\n{_block(number, step.commands)}\n")
        parts += [_TURKISH_END.format(steps=len(self.steps)), "---\n", f"# {self.title[1]}\n"]
        if self.trial:
            parts.append("**TRIAL: this ledger's stamps are trial stamps and have no standing in law.**\n")
        parts += [_ENGLISH_START, "\n".join(f"- {english}" for _, english in self.facts) + "\n"]
        parts += [f"{number}. {step.english}" for number, step in enumerate(self.steps, 1)]
        parts.append("\n" + _ENGLISH_END.format(steps=len(self.steps)))
        return "\n".join(parts)


def _block(number: int, commands: tuple[str, ...]) -> str:
    last = f'{commands[-1]} && echo "ADIM {number} TAMAM" || echo "ADIM {number} HATA"'
    return "\n".join(("```sh", "export LC_ALL=C", *commands[:-1], last, "```"))


def sums_step(count: int) -> Step:
    """Return the step that checks the transport: every file of the bundle is as it was written."""
    return Step(
        f"Paketin {count} dosyası yazıldığı gibidir (taşıma denetimi; kanıt değeri sonraki adımlardadır).",
        f"The bundle's {count} files are as they were written (a check of the transport; the proof follows).",
        (f"""[ "$(sha256sum --strict -c {SUMS} 2>/dev/null | grep -c ': OK$')" -eq {count} ]""",),
    )


def script_step(digest: str) -> Step:
    """Return the step that pins the script: one that lies would print whatever the manifest says."""
    return Step(
        f"`{PATH_SCRIPT}` ağaç yolunu yürüyen kısa betiktir; okuyun. Bu kılavuzun bildiği betik olmalıdır.",
        f"`{PATH_SCRIPT}` is the short script that walks a path; read it. It must be the one that this guide knows.",
        (f'[ "$(openssl dgst -sha256 -r {PATH_SCRIPT})" = "{digest} *{PATH_SCRIPT}" ]',),
    )


def manifest_step(manifest: str, count: int, segments: tuple[str, ...], *, partly: bool) -> Step:
    """Return the step that checks the files that a manifest lists, by digest and by number."""
    option = " --ignore-missing" if partly else ""
    expanded = " ".join(name.removesuffix(".zst") for name in segments)
    expand = (f"rm -f {expanded}", f"zstd -d -q -k -- {' '.join(segments)}") if segments else ()
    return Step(
        f"`{manifest}` bildirgesinin saydığı ve pakette bulunan {count} dosyanın özetleri tutar. Satır sayısı da "
        f"karşılaştırılır: `sha256sum` bozuk bir satırı sessizce atlayabilir.",
        f"The {count} files of this bundle that `{manifest}` lists have the listed digests. The number of lines is "
        f"compared too: `sha256sum` may pass over a damaged line without a word.",
        (*expand, f"""[ "$(sha256sum --strict -c{option} {manifest} 2>/dev/null | grep -c ': OK$')" -eq {count} ]"""),
    )


def signature_step(manifest: str, signature: str, key: str, key_sha256: str) -> Step:
    """Return the step that checks Ed25519 over a manifest."""
    return Step(
        f"`{manifest}` defterin anahtarıyla imzalanmıştır. Anahtar dosyasının SHA-256 özeti `{key_sha256}` olmalıdır; "
        f"bu değeri kurumdan ayrıca isteyin (`sha256sum {key}`).",
        f"`{manifest}` is signed with the ledger's key. The key file's SHA-256 must be `{key_sha256}`: ask the "
        f"institution for it by another way (`sha256sum {key}`).",
        (f"openssl pkeyutl -verify -pubin -inkey {key} -rawin -in {manifest} -sigfile {signature}",),
    )


def intermediate_name(number: int) -> str:
    """Return the name of one certificate between root and signer, 1 being the one that the root signed."""
    return f"tsa-ara-{number}.pem"


def root_step(fingerprint: str) -> Step:
    """Return the step that shows the pinned root of the time-stamping authority.

    Only the file's first certificate is copied into what `openssl` will trust: `openssl x509` looks at no other, while
    `-CAfile` would believe every certificate that somebody appended.
    """
    return Step(
        "Zaman damgası hizmet sağlayıcısının kök sertifikası. Parmak izini paketten değil, sağlayıcının kendi "
        "yayınından alıp karşılaştırın; bu adım yalnız paketteki dosyanın o sertifika olduğunu gösterir.",
        "The root certificate of the time-stamping authority. Take the fingerprint from the authority's own "
        "publication, not from this bundle; the step only shows that the file is that certificate.",
        (
            f"openssl x509 -in {ROOT} -out {CHAIN}",
            f"openssl x509 -in {CHAIN} -noout -fingerprint -sha256",
            f'[ "$(openssl x509 -in {CHAIN} -outform DER | openssl dgst -sha256 -r)" = "{fingerprint} *stdin" ]',
        ),
    )


def intermediate_step(number: int, epoch: int) -> Step:
    """Return the step that adds a certificate between root and signer, once the root is seen to vouch for it."""
    name, copy = intermediate_name(number), f"ara-{number}.pem"
    return Step(
        f"Ara sertifika `{name}`, köke bağlanır (damganın anında geçerli).",
        f"The intermediate certificate `{name}` leads to the root (valid at the time of the stamp).",
        (
            f"openssl x509 -in {name} -out {copy}",
            f"openssl verify -CAfile {CHAIN} -attime {epoch} {copy} && cat {copy} >> {CHAIN}",
        ),
    )


@dataclass(frozen=True, slots=True)
class TokenWords:
    """What the guide needs to know about one token: names, time (text and epoch), form and kind of signature."""

    manifest: str
    token: str
    time: str
    epoch: int
    bare: bool
    pss: bool


def token_step(words: TokenWords, *, earlier: bool) -> Step:
    """Return the step that checks the time stamp over a manifest; `earlier`: the one before, a lower bound."""
    turkish = (
        f"Zaman damgası `{words.token}`, `{words.manifest}` bildirgesinin {words.time} anında var olduğunu gösterir. "
        "Komut damganın kendi zamanını (`-attime`) kullanır; sertifika bugün bitmiş olsa da denetim geçerlidir."
    )
    english = (
        f"The time stamp `{words.token}` shows that `{words.manifest}` existed at {words.time}. The command uses the "
        "token's own time (`-attime`), so it works after the certificate has ended."
    )
    if earlier:
        turkish += " Bu damga sonraki bildirgede anıldığından, sonraki mühür bu andan önce yapılmış olamaz (alt sınır)."
        english += (
            " The next manifest lists this token, so the next seal cannot have been made before it (lower bound)."
        )
    return Step(turkish, english, _cms(words) if words.pss else _ts(words))


def _ts(words: TokenWords) -> tuple[str, ...]:
    bare = " -token_in" if words.bare else ""
    verify = f"openssl ts -verify -data {words.manifest} -in {words.token}{bare} -CAfile {CHAIN}"
    return (f"{verify} -attime {words.epoch}",)


def _cms(words: TokenWords) -> tuple[str, ...]:
    """`openssl ts -verify` refuses RSA-PSS signatures; `cms` takes them, and the imprint is compared by hand."""
    token, content = f"{words.token}.tst", f"{words.token}.icerik"
    verify = (
        f"openssl cms -verify -cades -binary -inform DER -in {token} -CAfile {CHAIN} -purpose timestampsign "
        f"-attime {words.epoch} -out {content}"
    )
    unwrap = (
        f"cat {words.token} > {token}" if words.bare else f"openssl ts -reply -in {words.token} -token_out -out {token}"
    )
    return (
        f"rm -f {token} {content}",
        unwrap,
        f"{verify} || rm -f {content}",
        f"set -- $(sha256sum {words.manifest})",
        f'openssl asn1parse -inform DER -in {content} | grep -q -i "HEX DUMP\\]:$1\\$"',
    )


def checkpoint_steps(manifest: str, key: str, seal: int, size: int) -> tuple[Step, Step]:
    """Return the steps for the signed checkpoint, and for the way from this manifest to its root."""
    counted = f'[ "$(head -n 2 checkpoint | tail -n 1)" = {size} ]'
    walked = f"$(sh {PATH_SCRIPT} bildirge.ozet {CHECKPOINT_PATH} {seal - 1} {size})"
    signed = Step(
        f"Denetim noktası (`checkpoint`): defterin {size} mührü olduğunu söyleyen, aynı anahtarla imzalı üç satır.",
        f"The checkpoint: three lines, signed with the same key, that say that the ledger has {size} seals.",
        (
            "head -n 3 checkpoint > checkpoint.metin",
            "set -- $(head -n 5 checkpoint | tail -n 1)",
            """printf '%s' "$3" | openssl base64 -d -A | tail -c 64 > checkpoint.imza""",
            f"openssl pkeyutl -verify -pubin -inkey {key} -rawin -in checkpoint.metin -sigfile checkpoint.imza",
        ),
    )
    included = Step(
        f"`{manifest}` bu {size} mührün {seal}. sırasındadır: bildirgenin özetinden ağacın köküne giden yol, denetim "
        f"noktasının üçüncü satırına çıkar (RFC 6962).",
        f"`{manifest}` is number {seal} of these {size} seals: the path from its digest leads to the root in the "
        f"checkpoint's third line (RFC 6962).",
        (
            f"openssl dgst -sha256 -binary -out bildirge.ozet {manifest}",
            "kok=$(head -n 3 checkpoint | tail -n 1 | openssl base64 -d -A | od -An -v -tx1)",
            f"""{counted} && [ "{walked}" = "$(printf '%s' $kok)" ]""",
        ),
    )
    return signed, included


def record_step(manifest: str, start: str, position: int, records: int) -> Step:
    """Return the step that leads from the record to the tree root in the manifest."""
    return Step(
        f"Kaydın satırı (`{RECORD_LINE}`), tuzu ve yolu, `{manifest}` içindeki ağaç köküne çıkar: kayıt, mühürlenen "
        f"bölümün {position}. sıradaki kaydıdır (sıfırdan başlayarak) ve o günden beri değişmemiştir. "
        "Yol başka hiçbir kaydı açığa vurmaz.",
        f"The record's line (`{RECORD_LINE}`), salt and path lead to the tree root in `{manifest}`: it is record "
        f"{position} (from 0) of the sealed segment, unchanged since. The path discloses no other record.",
        (
            f"cat {RECORD_SALT} {RECORD_LINE} > kayit.girdi",
            f"kok=$(sh {PATH_SCRIPT} kayit.girdi {RECORD_PATH} {position} {records})",
            f'grep -q -x "{start} .* tree rfc6962-sha256-salt16 $kok" {manifest}',
        ),
    )


_TURKISH_START = """\
Bu paket, kayıtların mühürlendiği andan beri değişmediğini yazılımımıza güvenmeden göstermek içindir. Gereken araçlar:
`sh`, `sha256sum`, `openssl` (3.0 veya sonrası), `zstd`, `grep`, `od` ve coreutils. Komutları bu dosyanın bulunduğu
klasörde sırayla çalıştırın. Her adım `ADIM n TAMAM` yazmalıdır. Bu kılavuzun kendisi kanıt değildir: komutlarını
okuyun, ne yaptıklarını görün; bilirkişi aynı denetimi kendi sözleriyle de yapabilir (biçimler: SPEC.md).
"""
_TURKISH_END = """\
## Sonuç

{steps} adımın hepsi `TAMAM` yazdıysa paket kanıtlar. Eksik ya da fazla bir satır varsa kanıtlamaz.
Kanıtlamadığı: mühürlenmeden önce söylenmiş bir yalan; zaman damgası sağlayıcısının suç ortaklığı; bu paketin ardından
defterin sonunun silinmesi. Bir kaydın okunuşu: dört alan TAB ile ayrılır (alınma zamanı, kaynak, geliş yolu, ileti);
iletide `\\n`, `\\r`, `\\0` ve `\\\\` sırasıyla satır sonu, satır başı, sıfır baytı ve ters bölüdür.
"""
_ENGLISH_START = """\
This bundle shows, without trusting our software, that records were not changed since they were sealed. Tools: `sh`,
`sha256sum`, `openssl` (3.0 or later), `zstd`, `grep`, `od` and coreutils. Run the commands of the Turkish part in
order, in the folder of this file; every step must print `ADIM n TAMAM`. This guide is no evidence itself: read its
commands.
"""
_ENGLISH_END = """\
All {steps} of {steps} steps must print `TAMAM`; a line too few or too many means that nothing is proved. Not proved: a
lie told before sealing; an authority that takes part in the fraud; removal of the ledger's end after this bundle was
made. A record has four fields separated by TAB (time of reception, source, way of arrival, message); in the message
`\\n`, `\\r`, `\\0` and `\\\\` stand for line feed, carriage return, a zero byte and a backslash.
"""
