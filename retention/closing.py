"""Closes one segment: checks every frame, computes digest and salted tree, rewrites small frames, adds the frame table.

Nothing here appends records; digests are over content, so rewriting frames changes nothing that is sealed. `main` is
the tree process: it reads one order a line on stdin, answers a line on stdout, and ends with its parent (end of file).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from retention.manifest import SealedSegment
from retention.segment import (
    FRAME_BYTES,
    SEED_BYTES,
    Frame,
    FrameTable,
    GrowingTree,
    compress,
    compressor,
    expand,
    lines_in,
    pack_table,
    received_at_of,
)
from retention.segment_file import content_size, read_table, walk
from some.clock import from_text, to_text
from some.durable import SHARED, Disk
from some.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

LEAVE_ALONE = FRAME_BYTES // 2
"""Frames with at least this mean content are kept as they are."""


@dataclass(frozen=True, slots=True)
class ClosingOrder:
    """What to close: the file's first `size` bytes hold `records` durable records (None: whatever its table says)."""

    path: Path
    seed: Path
    number: int
    record_class: str
    size: int | None = None
    records: int | None = None
    level: int = 1

    def to_json(self) -> str:
        """Return the order as one line."""
        return json.dumps(
            [str(self.path), str(self.seed), self.number, self.record_class, self.size, self.records, self.level]
        )

    @classmethod
    def from_json(cls, line: str) -> ClosingOrder:
        """Return the order in `line`."""
        path, seed, *others = json.loads(line)
        return cls(Path(path), Path(seed), *others)


def close_segment(order: ClosingOrder, disk: Disk) -> SealedSegment:
    """Close the segment, or examine it where it is closed; returns what a manifest says about it.

    Raises IntegrityError where bytes are damaged (the file stays as it is) and OSError. Memory stays below about three
    frames, whatever the size of the segment. A crash leaves the old file or the new one, both with the same content.
    """
    try:
        descriptor = os.open(order.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _close(order, descriptor, disk)
        finally:
            os.close(descriptor)
    except FileNotFoundError as fault:
        raise IntegrityError(f"{order.path.name}: {fault.filename} is missing") from fault


def _close(order: ClosingOrder, descriptor: int, disk: Disk) -> SealedSegment:
    reading = _Reading(order, order.seed.read_bytes())
    table = read_table(descriptor)
    if table is not None:
        rows = tuple(Frame(*place) for *place, _, _ in reading.frames(descriptor, table.end))
        if FrameTable(rows, table.end, reading.size, reading.tree.records) != table:
            raise IntegrityError(f"{order.path.name}: the frame table does not fit the frames")
        return reading.sealed()
    if order.size is None:
        raise IntegrityError(f"{order.path.name}: it is not closed")
    writing = _Writing(reading, descriptor, order.size)
    disk.write_staged(order.path, SHARED, lambda target: writing.fill(disk, target))
    return reading.sealed()


class _Reading:
    """One pass over the content: digest, tree, size and the two times, frame by frame."""

    def __init__(self, order: ClosingOrder, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise IntegrityError(f"{order.seed.name}: a seed has {SEED_BYTES} bytes, not {len(seed)}")
        self.order = order
        self.size = 0
        self.tree = GrowingTree(seed)
        self._digest = sha256()
        self._first: datetime | None = None
        self._last_line = b""

    def frames(self, descriptor: int, limit: int) -> Iterator[tuple[int, int, int, bytes, bytes]]:
        """Yield (offset, content offset, first record, frame, content); raises IntegrityError on anything unwhole."""
        end = 0
        name = self.order.path.name
        for offset, frame in walk(descriptor, 0, limit):
            try:
                content = expand(frame)
                lines = lines_in(content)
                self._first = self._first or received_at_of(lines[0])
            except (IntegrityError, ValueError) as fault:
                raise IntegrityError(f"{name}: the frame at byte {offset} is damaged: {fault}") from fault
            self._last_line = lines[-1]
            before = self.size, self.tree.records
            self._digest.update(content)
            self.tree.add(lines)
            self.size += len(content)
            end = offset + len(frame)
            yield offset, *before, frame, content
        if end != limit:
            raise IntegrityError(f"{name}: only {end} of {limit} bytes are whole frames")
        if self.order.records not in {None, self.tree.records}:
            raise IntegrityError(f"{name}: {self.tree.records} records, not {self.order.records}")

    def sealed(self) -> SealedSegment:
        """Return the result; call after the last frame."""
        if self._first is None:
            raise IntegrityError(f"{self.order.path.name}: no record")
        try:
            last = received_at_of(self._last_line)
        except ValueError as fault:
            raise IntegrityError(f"{self.order.path.name}: the last line is damaged: {fault}") from fault
        return SealedSegment(
            self.order.number, self.order.record_class, self.tree.records, self.size, self._first, last,
            self.tree.root(), self._digest.hexdigest(),
        )  # fmt: skip


class _Writing:
    """Fills the new file: frames as they are or joined to about 1 MiB, then the table."""

    def __init__(self, reading: _Reading, descriptor: int, limit: int) -> None:
        self._reading, self._descriptor, self._limit = reading, descriptor, limit
        self._join = _small(descriptor, limit)
        self._worker = compressor(reading.order.level)
        self._rows: list[Frame] = []
        self._end = 0

    def fill(self, disk: Disk, target: int) -> None:
        """Write frames and table to `target`."""
        waiting = bytearray()
        start = (0, 0)
        for _, content_offset, first, frame, content in self._reading.frames(self._descriptor, self._limit):
            if not self._join:
                self._put(disk, target, frame, content_offset, first)
                continue
            if not waiting:
                start = content_offset, first
            waiting += content
            if len(waiting) >= FRAME_BYTES:
                self._put(disk, target, compress(bytes(waiting), self._worker), *start)
                waiting.clear()
        if waiting:
            self._put(disk, target, compress(bytes(waiting), self._worker), *start)
        self._reading.sealed()  # refuses before anything takes the old file's place
        table = FrameTable(tuple(self._rows), self._end, self._reading.size, self._reading.tree.records)
        disk.append(target, pack_table(table))

    def _put(self, disk: Disk, target: int, frame: bytes, content_offset: int, first: int) -> None:
        disk.append(target, frame)
        self._rows.append(Frame(self._end, content_offset, first))
        self._end += len(frame)


def _small(descriptor: int, limit: int) -> bool:
    sizes = [content_size(frame) for _, frame in walk(descriptor, 0, limit)]
    return sum(sizes) < LEAVE_ALONE * len(sizes)


def to_json(sealed: SealedSegment) -> list[Any]:
    """Return the result as JSON values."""
    first, last = to_text(sealed.first_received_at), to_text(sealed.last_received_at)
    return [
        sealed.number, sealed.record_class, sealed.records, sealed.size, first, last, sealed.tree.hex(), sealed.sha256,
    ]  # fmt: skip


def from_json(values: list[Any]) -> SealedSegment:
    """Return the result that `to_json` wrote."""
    number, record_class, records, size, first, last, tree, digest = values
    return SealedSegment(
        number, record_class, records, size, from_text(first), from_text(last), bytes.fromhex(tree), digest
    )


def answer(line: str, disk: Disk) -> str:
    """Return the tree process's answer to one order: the result, or what went wrong, and CPU seconds used so far."""
    try:
        said: dict[str, Any] = {"sealed": to_json(close_segment(ClosingOrder.from_json(line), disk))}
    except IntegrityError as fault:
        said = {"integrity": str(fault)}
    except OSError as fault:
        said = {"errno": fault.errno or 0, "text": str(fault)}
    return json.dumps({**said, "cpu_s": time.process_time()})


def serve(orders: IO[str], answers: IO[str], disk: Disk) -> None:
    """Answer every order until the end of `orders`."""
    for line in orders:
        answers.write(answer(line, disk) + "\n")
        answers.flush()


def main() -> None:
    """Run as the tree process: Ctrl-C is the parent's business, the end of stdin is ours."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(sys.stdin, sys.stdout, Disk())
