"""One seal or one record with everything that proves it, read from the archive. Raises where the proof does not hold.

`retention.bundle` packs what stands here for a stranger; `retention.verify_steps` shows it on a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

from retention import merkle
from retention.checkpoint import entry_leaf
from retention.layout import Ledger, manifest_name, parse_token_name, token_name
from retention.manifest import MAX_MANIFEST_BYTES, Manifest
from retention.segment import GROUP, SEED_BYTES, frames_of, leaves, lines_in, salt_of
from retention.tsa.reply import MAX_REPLY_BYTES
from retention.tsa.token import CheckedToken, Expected, check_reply
from retention.verify_chain import open_checkpoint
from retention.verify_files import FileFault, read_whole
from retention.verify_rest import MAX_NOTE_BYTES, torn_path
from retention.verify_seals import MAX_KEY_BYTES, SIGNATURE_BYTES, load_key
from retention.verify_segments import MAX_STORED_BYTES, PartOrder, check_part, expand_bounded, tree_of_groups
from some.digest import sha256
from some.errors import IntegrityError, NotFound

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from retention.manifest import SealedSegment
    from retention.tsa.trust import Trust
    from some.record import RecordRef


@dataclass(frozen=True, slots=True)
class Sealed:
    """A manifest whose signature was checked; `token` is None without a stamp, or without roots to check it against."""

    manifest: Manifest
    text: bytes
    signature: bytes
    reply: bytes
    token: CheckedToken | None


@dataclass(frozen=True, slots=True)
class RecordProof:
    """One record's line (without LF), its salt and its path to the root in the manifest."""

    sealed: Sealed
    segment: SealedSegment
    position: int
    line: bytes
    salt: bytes
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CheckpointProof:
    """The signed note, and the leaves of all manifests that it counts."""

    note: bytes
    leaves: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One ledger to read proofs from. `as_of`: no token may be of a later time; `trust` None: no token is checked."""

    ledger: Ledger
    public_pem: bytes
    key: Ed25519PublicKey
    trust: Trust | None
    as_of: datetime

    @classmethod
    def open(cls, folder: Path, name: str, trust: Trust | None, as_of: datetime) -> Source:
        """Return the ledger in `folder`; raises NotFound without a ledger, IntegrityError with a damaged key."""
        ledger = Ledger(folder, name)
        if not ledger.public_key.is_file():
            raise NotFound(f"there is no ledger {name} here")
        pem = read_whole(ledger.public_key, MAX_KEY_BYTES)
        return cls(ledger, pem, load_key(pem), trust, as_of)

    @property
    def trial(self) -> bool:
        """Whether the authority is a trial one."""
        return self.trust is not None and self.trust.trial

    def sealed(self, seal: int) -> Sealed:
        """Return seal `seal`, signature and token checked; raises NotFound, and IntegrityError where one is wrong."""
        path = self.ledger.manifest(seal)
        if not path.is_file():
            raise NotFound(f"there is no seal {seal} in {self.ledger.name}")
        text = read_whole(path, MAX_MANIFEST_BYTES)
        manifest = Manifest.parse(text)
        if (manifest.ledger, manifest.seal) != (self.ledger.name, seal):
            raise IntegrityError(f"{path.name} is of ledger {manifest.ledger}, seal {manifest.seal}")
        if manifest.digest_of(self.ledger.public_key.name) != sha256(self.public_pem).hex:
            raise IntegrityError(f"{path.name} lists another public key")
        signature = read_whole(self.ledger.signature(seal), SIGNATURE_BYTES)
        try:
            self.key.verify(signature, text)
        except InvalidSignature as fault:
            raise IntegrityError(f"the signature of seal {seal} is wrong") from fault
        reply = self._reply(seal)
        token = None
        if reply and self.trust is not None:
            token = check_reply(reply, Expected(sha256(text)), self.trust.anchors, at=self.as_of)
        return Sealed(manifest, text, signature, reply, token)

    def listed(self, seal: int, name: str) -> Path:
        """Return where a file that the manifest of `seal` lists stands; raises IntegrityError for an unknown name."""
        stamped = parse_token_name(name)
        torn = torn_path(self.ledger, name)
        if name == self.ledger.public_key.name:
            path = self.ledger.public_key
        elif name == manifest_name(seal - 1):
            path = self.ledger.manifest(seal - 1)
        elif stamped is not None:
            path = self.ledger.token(stamped)
        elif torn is not None:
            path = torn
        else:
            raise IntegrityError(f"seal {seal} lists {name}, whose place nobody knows")
        return path

    def check_segments(self, sealed: Sealed) -> None:
        """Raise IntegrityError unless every segment of the seal is as the manifest says."""
        for segment in sealed.manifest.segments:
            path = self.ledger.segment(segment.number, segment.record_class)
            groups = -(-segment.records // GROUP)
            part = check_part(PartOrder(path, self.ledger.seed(segment.number), segment, 0, groups, leading=True))
            if part.faults:
                raise IntegrityError(f"{segment.name}: {part.faults[0][1]}")
            if tree_of_groups(part.groups) != segment.tree:
                raise IntegrityError(f"{segment.name}: the salted tree has another root than the manifest states")

    def seal_of(self, segment: int) -> int:
        """Return the seal that lists segment `segment`; raises NotFound where none does (yet)."""
        mark = f"\n# segment {segment:06d} ".encode()
        seal = 1
        while (path := self.ledger.manifest(seal)).is_file():
            if mark in read_whole(path, MAX_MANIFEST_BYTES):
                return seal
            seal += 1
        raise NotFound(f"segment {segment} of {self.ledger.name} is not sealed")

    def record(self, ref: RecordRef) -> RecordProof:
        """Return the proof of one record; raises NotFound, and IntegrityError where its path misses the root."""
        if ref.ledger != self.ledger.name:
            raise NotFound(f"{ref} is of another ledger")
        sealed = self.sealed(self.seal_of(ref.segment))
        segment = next(one for one in sealed.manifest.segments if one.number == ref.segment)
        if ref.position >= segment.records:
            raise NotFound(f"{ref}: the segment has {segment.records} records")
        seed = read_whole(self.ledger.seed(segment.number), SEED_BYTES)
        lines, hashes, count = self._tree(segment, seed, ref.position)
        if count <= ref.position:
            raise IntegrityError(f"{ref}: the segment's file has {count} records only")
        proof = RecordProof(
            sealed, segment, ref.position, lines, salt_of(seed, ref.position), tuple(merkle.path(hashes, ref.position))
        )
        if merkle.root(hashes) != segment.tree:
            raise IntegrityError(
                f"{ref}: the record's path does not lead to the root that seal {sealed.manifest.seal} states"
            )
        return proof

    def lister_of(self, sealed: Sealed) -> Sealed | None:
        """Return the later seal that lists this seal's token, None where none does yet."""
        mark = f"  {token_name(sealed.manifest.seal)}\n".encode()
        seal = sealed.manifest.seal + 1
        while (path := self.ledger.manifest(seal)).is_file():
            if mark in read_whole(path, MAX_MANIFEST_BYTES):
                return self.sealed(seal)
            seal += 1
        return None

    def checkpoint(self, seal: int) -> CheckpointProof | None:
        """Return the signed checkpoint and its leaves; None where it does not reach as far as `seal`."""
        try:
            note = read_whole(self.ledger.checkpoint, MAX_NOTE_BYTES)
        except FileFault:
            return None
        checkpoint = open_checkpoint(note, self.key)
        if checkpoint.size < seal:
            return None
        hashes = tuple(
            entry_leaf(read_whole(self.ledger.manifest(number), MAX_MANIFEST_BYTES))
            for number in range(1, checkpoint.size + 1)
        )
        if merkle.root(hashes) != checkpoint.root:
            raise IntegrityError("the signed checkpoint's root is not that of the manifests")
        return CheckpointProof(note, hashes)

    def _reply(self, seal: int) -> bytes:
        path = self.ledger.token(seal)
        return read_whole(path, MAX_REPLY_BYTES) if path.is_file() else b""

    def _tree(self, segment: SealedSegment, seed: bytes, position: int) -> tuple[bytes, list[bytes], int]:
        """Return line `position`, all leaf hashes, and how many lines there are."""
        hashes: list[bytes] = []
        pending: list[bytes] = []
        wanted = b""
        count = 0
        for _, frame in frames_of(
            read_whole(self.ledger.segment(segment.number, segment.record_class), MAX_STORED_BYTES)
        ):
            lines = lines_in(expand_bounded(frame))
            if count <= position < count + len(lines):
                wanted = lines[position - count]
            count += len(lines)
            pending += lines
            whole = len(pending) // GROUP * GROUP
            hashes += leaves(pending[:whole], seed, len(hashes))
            del pending[:whole]
        return wanted, hashes + leaves(pending, seed, len(hashes)), count
