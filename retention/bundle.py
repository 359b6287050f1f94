"""The offline evidence package: a folder or a zip that a stranger checks with stock tools (SPEC.md, Bundle).

Two kinds: a whole seal (all its segments), and one record (its line, its salt and the path to the tree's root; nobody
else's record). Reads the archive, writes nothing into it, and refuses to make a package that would not pass.
"""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from retention import bundle_guide as guide
from retention import merkle
from retention.layout import manifest_name, segment_name, token_name
from retention.tsa.reply import Form
from some.clock import to_text
from some.errors import BadInput

if TYPE_CHECKING:
    from retention.manifest import SealedSegment
    from retention.proof import RecordProof, Sealed, Source
    from retention.tsa.token import CheckedToken
    from some.record import RecordRef

_PSS = "1.2.840.113549.1.1.10"
_BEGINNING = (1980, 1, 1, 0, 0, 0)
_PIECE = 1024 * 1024
_MODE = 0o100644 << 16


@dataclass(frozen=True, slots=True)
class Bundle:
    """What was written: the place, the names in it, how many steps the guide has, and whether time is proved."""

    path: Path
    files: tuple[str, ...]
    steps: int
    stamped: bool


def export_seal(source: Source, seal: int, out: Path) -> Bundle:
    """Write the bundle of a whole seal to `out` (a new folder, or a file ending in `.zip`).

    Raises NotFound where there is no such seal, IntegrityError where its evidence does not hold, BadInput where `out`
    exists.
    """
    sealed = source.sealed(seal)
    source.check_segments(sealed)
    making = _Making(source, sealed)
    stored = []
    for segment in sealed.manifest.segments:
        path = source.ledger.segment(segment.number, segment.record_class)
        making.files[path.name] = path
        stored.append(path.name)
    for file in sealed.manifest.files:
        making.add_listed(file.name)
    making.add_manifest_step(manifest_name(seal), len(sealed.manifest.listed), tuple(stored), partly=False)
    making.add_seal_steps()
    title = (
        f"Mühür {seal}, defter {source.ledger.name}: doğrulama",
        f"Seal {seal}, ledger {source.ledger.name}: verification",
    )
    return making.write(out, title)


def export_record(source: Source, ref: RecordRef, out: Path) -> Bundle:
    """Write the bundle of one record to `out`; raises as `export_seal` does, and NotFound where it is not sealed."""
    stored = source.record(ref)
    making = _Making(source, stored.sealed)
    seal = stored.sealed.manifest.seal
    making.add_record(stored)
    for file in stored.sealed.manifest.files:
        if file.name in {source.ledger.public_key.name, manifest_name(seal - 1), token_name(seal - 1)}:
            making.add_listed(file.name)
    listed = [file.name for file in stored.sealed.manifest.files if file.name in making.files]
    making.add_manifest_step(manifest_name(seal), len(listed), (), partly=True)
    making.add_seal_steps()
    return making.write(out, (f"Kayıt {ref}: doğrulama", f"Record {ref}: verification"))


class _Making:
    """Collects files and steps in the order of the guide."""

    def __init__(self, source: Source, sealed: Sealed) -> None:
        self._source, self._sealed = source, sealed
        self._steps: list[guide.Step] = []
        self._facts: list[tuple[str, str]] = []
        self.files: dict[str, bytes | Path] = {manifest_name(sealed.manifest.seal): sealed.text}

    def add_listed(self, name: str) -> None:
        """Add a file that the manifest lists, under the name that it has there."""
        self.files[name] = self._source.listed(self._sealed.manifest.seal, name)

    def add_manifest_step(self, manifest: str, count: int, segments: tuple[str, ...], *, partly: bool) -> None:
        """Let the reader compare the digests that a manifest lists."""
        self._steps.append(guide.manifest_step(manifest, count, segments, partly=partly))

    def add_record(self, stored: RecordProof) -> None:
        """Add line, salt and path, and the step that leads to the manifest."""
        self.files[guide.RECORD_LINE] = stored.line
        self.files[guide.RECORD_SALT] = stored.salt
        self.files[guide.RECORD_PATH] = b"".join(stored.path)
        segment, name = stored.segment, manifest_name(self._sealed.manifest.seal)
        self._steps.append(guide.record_step(name, _segment_start(segment), stored.position, segment.records))
        file = segment_name(segment.number, segment.record_class)
        self._facts.append(
            (f"Bölüm `{file}`, {stored.position}. kayıt", f"Segment `{file}`, record {stored.position}"),
        )

    def add_seal_steps(self) -> None:
        """Add signature, tokens, later manifest and checkpoint."""
        sealed, source = self._sealed, self._source
        closed = to_text(sealed.manifest.closed_at)
        self._facts += [
            (f"Mührün kapanışı (yerel saat): {closed}", f"Closed (local clock): {closed}"),
            (f"Mühürdeki kayıt sayısı: {sealed.manifest.records}", f"Records in the seal: {sealed.manifest.records}"),
        ]
        self._add_signature(sealed)
        if sealed.token is None:
            self._facts.append(
                (
                    "**Bu mührün kanıtlanabilir zaman damgası yoktur.**",
                    "**This seal has no time stamp that can be proved.**",
                )
            )
        else:
            self._add_root(sealed.token)
            self._add_token(sealed, sealed.token, earlier=False)
        self._add_previous()
        later = source.lister_of(sealed)
        if later is not None:
            self._add_later(later)
        self._add_checkpoint()

    def _add_signature(self, sealed: Sealed) -> None:
        seal, key = sealed.manifest.seal, self._source.ledger.public_key
        signature = self._source.ledger.signature(seal)
        self.files[key.name], self.files[signature.name] = self._source.public_pem, sealed.signature
        digest = sha256(self._source.public_pem).hexdigest()
        self._steps.append(guide.signature_step(manifest_name(seal), signature.name, key.name, digest))

    def _add_root(self, token: CheckedToken) -> None:
        """Add the root that this token's path ends in, and the certificates between, as PEM."""
        above = reversed(token.path[1:] or token.path)
        root, *between = [x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in above]
        self.files[guide.ROOT] = root
        self._steps.append(guide.root_step(sha256(token.path[-1]).hexdigest()))
        for number, certificate in enumerate(between, 1):
            self.files[guide.intermediate_name(number)] = certificate
            self._steps.append(guide.intermediate_step(number, int(token.gen_time.timestamp())))

    def _token_under_same_root(self, sealed: Sealed) -> CheckedToken | None:
        mine, other = self._sealed.token, sealed.token
        return other if mine is not None and other is not None and other.path[1:] == mine.path[1:] else None

    def _add_token(self, sealed: Sealed, token: CheckedToken, *, earlier: bool) -> None:
        seal = sealed.manifest.seal
        self.files[token_name(seal)] = sealed.reply
        words = guide.TokenWords(
            manifest=manifest_name(seal),
            token=token_name(seal),
            time=to_text(token.gen_time),
            epoch=int(token.gen_time.timestamp()),
            bare=token.form is Form.TOKEN,
            pss=token.signature_algorithm == _PSS,
        )
        self._steps.append(guide.token_step(words, earlier=earlier))

    def _add_previous(self) -> None:
        """Where this manifest lists the token of the seal before, that token is the lower bound of its time."""
        seal = self._sealed.manifest.seal
        if seal > 1 and self._sealed.manifest.digest_of(token_name(seal - 1)) is not None:
            previous = self._source.sealed(seal - 1)
            token = self._token_under_same_root(previous)
            if token is not None:
                self._add_token(previous, token, earlier=True)

    def _add_later(self, later: Sealed) -> None:
        """Add the manifest that lists this token: it makes every byte of it evidence, and its own token renews it."""
        name = manifest_name(later.manifest.seal)
        self.files[name] = later.text
        count = sum(1 for file in later.manifest.listed if file.name in self.files)
        self.add_manifest_step(name, count, (), partly=True)
        self._add_signature(later)
        token = self._token_under_same_root(later)
        if token is not None:
            self._add_token(later, token, earlier=False)

    def _add_checkpoint(self) -> None:
        seal = self._sealed.manifest.seal
        found = self._source.checkpoint(seal)
        if found is None:
            self._facts.append(
                (
                    "Defterin imzalı denetim noktası bu mührü henüz kapsamıyor.",
                    "The ledger's signed checkpoint does not cover this seal yet.",
                )
            )
            return
        self.files["checkpoint"] = found.note
        self.files[guide.CHECKPOINT_PATH] = b"".join(merkle.path(found.leaves, seal - 1))
        key = self._source.ledger.public_key.name
        self._steps += guide.checkpoint_steps(manifest_name(seal), key, seal, len(found.leaves))

    def write(self, out: Path, title: tuple[str, str]) -> Bundle:
        """Write guide, files and their digests; the same evidence gives the same bytes."""
        self.files[guide.PATH_SCRIPT] = Path(__file__).with_name(guide.PATH_SCRIPT).read_bytes()
        script = guide.script_step(_digest(self.files[guide.PATH_SCRIPT]))
        steps = (guide.sums_step(len(self.files) + 1), script, *self._steps)
        text = guide.Guide(title, tuple(self._facts), steps, self._sealed.manifest.trial or self._source.trial)
        self.files[guide.GUIDE] = text.to_text().encode()
        names = sorted(self.files)
        self.files[guide.SUMS] = "".join(f"{_digest(self.files[name])}  {name}\n" for name in names).encode()
        write_files(out, self.files)
        return Bundle(out, tuple(sorted(self.files)), len(steps), self._sealed.token is not None)


def write_files(out: Path, files: dict[str, bytes | Path]) -> None:
    """Write `files` to the new folder or zip `out`; raises BadInput where it exists. Half-made output is removed."""
    if out.exists():
        raise BadInput(f"{out} exists already; a bundle is never written over something")
    stage = out.with_name(f".{out.name}.new")
    try:
        if out.suffix == ".zip":
            _write_zip(stage, files)
        else:
            stage.mkdir()
            for name in sorted(files):
                with (stage / name).open("xb") as target:
                    _copy(files[name], target)
        stage.rename(out)
    finally:
        if stage.is_dir():
            shutil.rmtree(stage)
        stage.unlink(missing_ok=True)


def _write_zip(path: Path, files: dict[str, bytes | Path]) -> None:
    """Write names in order, all of one time and mode, nothing compressed: what is large is zstd already."""
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _BEGINNING)
            entry.create_system, entry.external_attr = 3, _MODE
            with archive.open(entry, "w", force_zip64=True) as target:
                _copy(files[name], target)


def _copy(content: bytes | Path, target: Any) -> None:
    if isinstance(content, bytes):
        target.write(content)
        return
    with content.open("rb") as origin:
        shutil.copyfileobj(origin, target, _PIECE)


def _digest(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return sha256(content).hexdigest()
    running = sha256()
    with content.open("rb") as origin:
        while piece := origin.read(_PIECE):
            running.update(piece)
    return running.hexdigest()


def _segment_start(segment: SealedSegment) -> str:
    return f"# segment {segment.number:06d} {segment.record_class} records {segment.records}"
