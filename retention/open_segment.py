"""An open segment, and what one commit will add to it."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from retention.segment import FRAME_BYTES, MAX_FRAME_CONTENT, SEED_BYTES, compress, lines_of, prefix_of
from some.durable import PRIVATE
from some.record import Appended, RecordRef

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path

    import zstandard

    from retention.layout import Ledger
    from some.durable import Disk
    from some.record import RecordBlock


@dataclass(slots=True)
class OpenSegment:
    """A segment that takes records: `size` stored bytes, `content` bytes and `records` records of it are durable."""

    number: int
    record_class: str
    path: Path
    descriptor: int
    inode: int
    size: int = 0
    content: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class Waiting:
    """A block on its way to the disk, and the promise that was given for it; `content` is its size as segment lines."""

    block: RecordBlock
    future: Future[Appended]
    content: int

    @classmethod
    def of(cls, block: RecordBlock, future: Future[Appended]) -> Waiting:
        """Return `block` with its size as lines."""
        return cls(block, future, len(block.payload) + block.count * len(prefix_of(block)))


@dataclass(slots=True)
class Addition:
    """What one commit adds to one segment: whole frames, and who waits for which records of them."""

    segment: OpenSegment
    stored: bytes = b""
    content: int = 0
    records: int = 0
    promises: list[tuple[Future[Appended], int, int]] = field(default_factory=list)

    def apply(self) -> None:
        """Count the addition as durable."""
        self.segment.size += len(self.stored)
        self.segment.content += self.content
        self.segment.records += self.records

    def keep_promises(self, ledger: str) -> None:
        """Tell everybody where their records stand."""
        number = self.segment.number
        for future, first, last in self.promises:
            future.set_result(Appended(RecordRef(ledger, number, first), RecordRef(ledger, number, last)))


def open_segment(ledger: Ledger, number: int, record_class: str, disk: Disk) -> OpenSegment:
    """Make a segment: first its seed, durably, then the empty file. Raises OSError with neither of them left."""
    path, seed = ledger.segment(number, record_class), ledger.seed(number)
    disk.make_folder(path.parent)
    disk.write_new(seed, os.urandom(SEED_BYTES), PRIVATE)
    try:
        descriptor = disk.open_append(path)
    except OSError:
        with contextlib.suppress(OSError):
            disk.remove(path)
            disk.remove(seed)
        raise
    return OpenSegment(number, record_class, path, descriptor, os.fstat(descriptor).st_ino)


def addition_of(segment: OpenSegment, waiting: Sequence[Waiting], worker: zstandard.ZstdCompressor) -> Addition:
    """Return what `waiting` adds to `segment`: frames of about 1 MiB of content, no block in two of them."""
    addition = Addition(segment)
    frames: list[bytes] = []
    parts: list[bytes] = []
    size = 0
    for one in waiting:
        if parts and (size >= FRAME_BYTES or size + one.content > MAX_FRAME_CONTENT):
            frames.append(compress(b"".join(parts), worker))
            parts, size = [], 0
        parts.append(lines_of(one.block))
        size += one.content
        first = segment.records + addition.records
        addition.promises.append((one.future, first, first + one.block.count - 1))
        addition.records += one.block.count
        addition.content += one.content
    frames.append(compress(parts[0] if len(parts) == 1 else b"".join(parts), worker))
    addition.stored = frames[0] if len(frames) == 1 else b"".join(frames)
    return addition
