"""What the archive process tells readers: how far each open segment is durable (`run/durable`).

The file is rewritten in place by one `pwrite` after every commit and is not synced: the records are, and a reader that
meets an older state only sees less. Length and checksum let a reader notice that it read in the middle of a write.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ROOM = 64 * 1024
"""Bytes allocated for the file when it is made, so that publishing never needs room on a full disk."""

_HEAD = struct.Struct("<8sII")
_MAGIC = b"SOMEDUR1"
_ATTEMPTS = 50


@dataclass(frozen=True, slots=True)
class OpenPart:
    """One segment that is not closed: `size` compressed bytes and `records` records of file `inode` are durable."""

    number: int
    record_class: str
    inode: int
    size: int
    records: int


@dataclass(frozen=True, slots=True)
class Published:
    """The archive process's word: the next segment's number, the segments not closed, and the last committed seal."""

    ledger: str
    next_number: int
    parts: tuple[OpenPart, ...]
    seals: int

    @property
    def settled(self) -> int:
        """The number below which every segment is closed for good."""
        return min((part.number for part in self.parts), default=self.next_number)

    def find(self, number: int) -> OpenPart | None:
        """Return what is said about segment `number`, None for a closed one."""
        return next((part for part in self.parts if part.number == number), None)

    def to_bytes(self) -> bytes:
        """Return the file's content."""
        parts = [[part.number, part.record_class, part.inode, part.size, part.records] for part in self.parts]
        body = json.dumps([self.ledger, self.next_number, self.seals, parts], separators=(",", ":")).encode()
        return _HEAD.pack(_MAGIC, len(body), zlib.crc32(body)) + body


def parse(content: bytes) -> Published | None:
    """Return the state in `content`, None where it is torn or something else."""
    if len(content) < _HEAD.size:
        return None
    magic, length, checksum = _HEAD.unpack_from(content)
    body = content[_HEAD.size : _HEAD.size + length]
    if magic != _MAGIC or len(body) != length or zlib.crc32(body) != checksum:
        return None
    ledger, next_number, seals, parts = json.loads(body)
    return Published(ledger, next_number, tuple(OpenPart(*part) for part in parts), seals)


def read(path: Path, ledger: str) -> Published | None:
    """Return what `ledger`'s archive process published last, None where there is nothing (or another ledger's)."""
    for _ in range(_ATTEMPTS):
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        state = parse(content)
        if state is not None:
            return state if state.ledger == ledger else None
    return None
