"""A second writer, made from SPEC.md alone: it shares formats with the platform's archive, but no code path.

It writes what a test wants, honest or not: every step can be done again, differently, after the fact.
"""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from small_authority import Authority

from retention import merkle, segment
from retention.checkpoint import Checkpoint, entry_leaf, note_with
from retention.layout import Ledger, manifest_name, token_name
from retention.manifest import ListedFile, Manifest, Note, SealedSegment
from retention.tsa.request import StampRequest
from retention.tsa.trust import Trust, TrustAnchors
from retention.verify import VerifyOptions
from some.clock import to_text
from some.digest import sha256 as digest_of

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


def line(received_at: datetime, message: bytes, source: str = "gw", origin: str = "udp:192.0.2.7:514") -> bytes:
    """Return one segment line without LF."""
    return f"{to_text(received_at)}\t{source}\t{origin}\t".encode() + message


def stored(lines: list[bytes], frame_lines: int = 1000) -> tuple[bytes, bytes]:
    """Return (content, file): frames of `frame_lines` records and the frame table."""
    compressor = segment.compressor(3)
    frames, out, size, first = [], b"", 0, 0
    for start in range(0, len(lines), frame_lines):
        content = b"".join(one + b"\n" for one in lines[start : start + frame_lines])
        frames.append(segment.Frame(len(out), size, first))
        out += segment.compress(content, compressor)
        size, first = size + len(content), first + len(lines[start : start + frame_lines])
    table = segment.FrameTable(tuple(frames), len(out), size, len(lines))
    return b"".join(one + b"\n" for one in lines), out + segment.pack_table(table)


@dataclass(slots=True)
class Builder:
    """Writes one ledger under `folder`."""

    folder: Path
    name: str = "dugum1"
    start: datetime = START
    interval_s: int = 3600
    trial: bool = False
    key: Ed25519PrivateKey = field(default_factory=lambda: Ed25519PrivateKey.from_private_bytes(b"\x07" * 32))
    authority: Authority | None = field(default_factory=Authority)
    seed: int = 1
    manifests: list[bytes] = field(default_factory=list)
    parsed: list[Manifest] = field(default_factory=list)
    arrived: list[int] = field(default_factory=list)
    next_segment: int = 1
    heads_at_once: bool = True

    @property
    def ledger(self) -> Ledger:
        """Where its files stand."""
        return Ledger(self.folder, self.name)

    @property
    def now(self) -> datetime:
        """When the last seal closed."""
        return self.parsed[-1].closed_at if self.parsed else self.start

    @property
    def public_pem(self) -> bytes:
        """The public key file."""
        return self.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def put(self, path: Path, content: bytes) -> None:
        """Write a file, its folders too."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def lines(self, count: int, received_at: datetime) -> list[bytes]:
        """Return records in blocks of seven, as a collector delivers them."""
        step = HOUR * 0.9 / max(count, 1)
        return [
            line(received_at + step * (index // 7 * 7), b"<13>message %d of %d \xc5\x9f" % (index, self.seed))
            for index in range(count)
        ]

    def add_segment(self, lines: list[bytes], record_class: str = "access") -> SealedSegment:
        """Write a closed segment with its seed and return what a manifest says about it."""
        number, self.next_segment = self.next_segment, self.next_segment + 1
        content, file = stored(lines)
        secret = random.Random(self.seed * 1000 + number).randbytes(32)
        self.put(self.ledger.segment(number, record_class), file)
        self.put(self.ledger.seed(number), secret)
        return SealedSegment(
            number=number,
            record_class=record_class,
            records=len(lines),
            size=len(content),
            first_received_at=segment.received_at_of(lines[0]),
            last_received_at=segment.received_at_of(lines[-1]),
            tree=segment.tree_root(lines, secret),
            sha256=sha256(content).hexdigest(),
        )

    def seal(
        self,
        *counts: int,
        after: timedelta = HOUR,
        stamp: bool = True,
        notes: tuple[Note, ...] = (),
        files: tuple[ListedFile, ...] = (),
        stamped_after: timedelta = timedelta(seconds=2),
    ) -> Manifest:
        """Seal one segment of each count of records, `after` the last seal."""
        opened = self.now
        segments = tuple(
            self.add_segment(self.lines(count, opened + timedelta(seconds=1)), record_class)
            for count, record_class in zip(counts, ("access", "audit", "hosting"), strict=False)
        )
        return self.seal_segments(
            segments, opened + after, stamp=stamp, notes=notes, files=files, stamped_after=stamped_after
        )

    def seal_segments(
        self,
        segments: tuple[SealedSegment, ...],
        closed_at: datetime,
        *,
        stamp: bool = True,
        notes: tuple[Note, ...] = (),
        files: tuple[ListedFile, ...] = (),
        stamped_after: timedelta = timedelta(seconds=2),
    ) -> Manifest:
        """Write, commit and sign the next manifest, and stamp it."""
        number = len(self.manifests) + 1
        listed = [ListedFile(sha256(self.public_pem).hexdigest(), f"{self.name}.pub.pem")]
        if number > 1:
            listed.append(ListedFile(sha256(self.manifests[-1]).hexdigest(), manifest_name(number - 1)))
        for seal in self.arrived:
            reply = self.ledger.token(seal).read_bytes()
            listed.append(ListedFile(sha256(reply).hexdigest(), token_name(seal)))
        manifest = Manifest(
            self.name, number, self.now, closed_at, self.interval_s, segments, (*listed, *files), notes, self.trial
        )
        self.arrived.clear()
        self.commit(manifest)
        if stamp and self.authority is not None:
            self.stamp(number, closed_at + stamped_after)
        return manifest

    def commit(self, manifest: Manifest) -> None:
        """Write manifest, head, signature and checkpoint."""
        text = manifest.to_bytes()
        self.manifests.append(text)
        self.parsed.append(manifest)
        self.put(self.ledger.public_key, self.public_pem)
        self.put(self.ledger.manifest(manifest.seal), text)
        self.put(self.ledger.signature(manifest.seal), self.key.sign(text))
        if self.heads_at_once:
            self.put_heads()

    def put_heads(self) -> None:
        """Write head and checkpoint over all manifests."""
        root = merkle.root([entry_leaf(one) for one in self.manifests])
        checkpoint = Checkpoint(self.name, len(self.manifests), root)
        self.put(self.ledger.head, checkpoint.to_text().encode())
        note = note_with(checkpoint, self.key.public_key(), self.key.sign(checkpoint.to_text().encode()))
        self.put(self.ledger.checkpoint, note.encode())

    def stamp(
        self, seal: int, at: datetime, authority: Authority | None = None, *, manifest: bytes | None = None
    ) -> None:
        """Stamp a seal; `manifest` stands for what the authority is shown instead."""
        asked = StampRequest(digest_of(self.manifests[seal - 1] if manifest is None else manifest), 4711 + seal)
        self.put(self.ledger.request(seal), asked.der)
        chosen = authority or self.authority
        assert chosen is not None
        self.put(self.ledger.token(seal), chosen.reply(asked, at))
        self.put(self.ledger.arrived / token_name(seal), b"")
        self.arrived.append(seal)

    def options(self, **changes: object) -> VerifyOptions:
        """Return how an honest verifier looks at this ledger ten minutes after its last seal."""
        trust = None
        if self.authority is not None:
            trust = Trust(TrustAnchors.parse(self.authority.root_pem, intermediates=self.authority.intermediate_pem))
        options = VerifyOptions(self.folder, self.name, self.now + timedelta(minutes=10), trust)
        return replace(options, **changes)  # type: ignore[arg-type]  # fields by name, as the test writes them


def base64_of(content: bytes) -> str:
    """Return standard base64."""
    return base64.b64encode(content).decode()
