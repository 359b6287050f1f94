"""The head of a ledger as text (C2SP tlog-checkpoint) and as a signed note (C2SP signed-note). Pure.

Example::

    dugum1
    8412
    qINS1GRFhWHwdkUeqLEoP4yEMkTBBzxBkGwGQlVlVcs=

    — dugum1 iFPm2…
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature

from retention import merkle
from some.errors import IntegrityError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_TEXT = re.compile(r"([a-z0-9][a-z0-9-]{0,62})\n(0|[1-9][0-9]{0,17})\n([A-Za-z0-9+/]{43}=)\n")
_ED25519 = b"\x01"
_KEY_HASH = 4
_SIGNATURE = 64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """origin = ledger, size = number of seals, root = RFC 6962 root over the manifests' SHA-256 digests."""

    origin: str
    size: int
    root: bytes

    @classmethod
    def empty(cls, origin: str) -> Checkpoint:
        """Return the checkpoint of a ledger without seals."""
        return cls(origin, 0, merkle.EMPTY_ROOT)

    def to_text(self) -> str:
        """Return the three lines."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Checkpoint:
        """Return the checkpoint in `text`; raises IntegrityError."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise IntegrityError("not a checkpoint")
        checkpoint = cls(match[1], int(match[2]), base64.b64decode(match[3]))
        if checkpoint.to_text() != text:
            raise IntegrityError("not a checkpoint: base64 with stray bits")
        return checkpoint


def entry_leaf(manifest: bytes) -> bytes:
    """Return the leaf hash of a manifest in the ledger's tree: the entry is the manifest's SHA-256 digest."""
    return merkle.leaf_hash(sha256(manifest).digest())


def key_hash(name: str, public_key: Ed25519PublicKey) -> bytes:
    """Return the 4-byte key hash of signed notes: SHA-256(name LF 0x01 key)[:4]."""
    return sha256(name.encode() + b"\n" + _ED25519 + public_key.public_bytes_raw()).digest()[:_KEY_HASH]


def note_with(checkpoint: Checkpoint, public_key: Ed25519PublicKey, signature: bytes) -> str:
    """Return the signed note of `checkpoint`; `signature` is Ed25519 over `checkpoint.to_text()`."""
    line = base64.b64encode(key_hash(checkpoint.origin, public_key) + signature).decode()
    return f"{checkpoint.to_text()}\n\u2014 {checkpoint.origin} {line}\n"


def open_note(note: str, public_key: Ed25519PublicKey) -> Checkpoint:
    """Return the checkpoint of a note that `public_key` signed (other lines are left alone); raises IntegrityError."""
    text, separator, lines = note.partition("\n\n")
    checkpoint = Checkpoint.parse(text + "\n")
    start = f"\u2014 {checkpoint.origin} "
    for line in lines.splitlines() if separator else []:
        if not line.startswith(start):
            continue
        try:
            blob = base64.b64decode(line[len(start) :], validate=True)
        except ValueError:
            continue
        if blob[:_KEY_HASH] == key_hash(checkpoint.origin, public_key) and len(blob) == _KEY_HASH + _SIGNATURE:
            try:
                public_key.verify(blob[_KEY_HASH:], checkpoint.to_text().encode())
            except InvalidSignature as fault:
                raise IntegrityError("the checkpoint's signature is wrong") from fault
            return checkpoint
    raise IntegrityError("the checkpoint is not signed by this ledger's key")
