"""Segment files as readers see them: positions to frames, whether a segment is closed or still takes records."""

from __future__ import annotations

import contextlib
import os
import threading
from array import array
from bisect import bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from retention.layout import parse_segment_name
from retention.segment import expand, lines_in
from retention.segment_file import read_frame, read_table, walk
from some.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retention.layout import Ledger
    from retention.published import OpenPart, Published
    from retention.segment import FrameTable

_FILES_KEPT = 32


class Place(NamedTuple):
    """Where one frame stands: bytes in the file, its first record, how many, and its content's size if known."""

    offset: int
    length: int
    first: int
    records: int
    size: int | None


class SegmentReader:
    """One opened segment file. `inode` says which: closing puts a rewritten file, with the same content, in its place.

    A closed file is read by its table. An open one is walked once, up to the published durable length, and the places
    of its frames are remembered (16 bytes each). Safe to share between threads.
    """

    def __init__(self, path: Path, record_class: str) -> None:
        """Open `path`; raises FileNotFoundError. Nothing is read before `settle` or `grow`."""
        self.path, self.record_class = path, record_class
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.inode = os.fstat(self._descriptor).st_ino
        self.users = 0
        self._lock = threading.Lock()
        self._table: FrameTable | None = None
        self._offsets, self._firsts = array("Q"), array("Q")
        self._end = self._found = self._limit = 0
        self._walk: Iterator[tuple[int, bytes]] = iter(())

    def close(self) -> None:
        """Release the file."""
        os.close(self._descriptor)

    def settle(self) -> bool:
        """Take the file as closed; returns False where it does not end with a whole table."""
        self._table = read_table(self._descriptor)
        return self._table is not None

    def grow(self, part: OpenPart) -> None:
        """Take the file as open, readable up to the durable length that was published."""
        with self._lock:
            if part.size > self._limit:
                self._limit = part.size
                self._walk = walk(self._descriptor, self._end, self._limit)

    def place_of(self, position: int) -> Place | None:
        """Return where the frame that holds `position` stands, None beyond the durable end."""
        with self._lock:
            while self._table is None and position >= self._found and self._step() is not None:
                pass
            return self._place(position)

    def content(self, place: Place) -> bytes:
        """Return the content of one frame; raises IntegrityError naming segment and byte."""
        try:
            content = read_frame(self._descriptor, place.offset, place.length)
        except IntegrityError as fault:
            raise IntegrityError(f"{self.path.name}: the frame at byte {place.offset} is damaged: {fault}") from fault
        if place.size not in {None, len(content)}:
            raise IntegrityError(f"{self.path.name}: the table is wrong about the frame at byte {place.offset}")
        return content

    def lines(self, place: Place) -> list[bytes]:
        """Return the lines of one frame (without LF); raises IntegrityError also where their number is another."""
        lines = lines_in(self.content(place))
        if len(lines) != place.records:
            raise IntegrityError(f"{self.path.name}: the table is wrong about the frame at byte {place.offset}")
        return lines

    def frame(self, position: int) -> tuple[int, int, bytes] | None:
        """Return (first record, records, content) of the frame that holds `position`, None beyond the durable end."""
        with self._lock:
            step = None
            while self._table is None and position >= self._found:
                step = self._step()
                if step is None:
                    return None
            if step is not None:
                return step  # a new frame is expanded once, to count it and to give it
            place = self._place(position)
        return (place.first, place.records, self.content(place)) if place is not None else None

    def _place(self, position: int) -> Place | None:
        table = self._table
        if table is not None:
            if position >= table.records:
                return None
            index = table.find(position)
            row, after = table.frames[index], table.frames[index + 1 : index + 2]
            stop, end = (after[0].first, after[0].content) if after else (table.records, table.content_bytes)
            return Place(*table.span(index), row.first, stop - row.first, end - row.content)
        if position >= self._found:
            return None
        index = bisect_right(self._firsts, position) - 1
        last = index + 1 == len(self._offsets)
        end, stop = (self._end, self._found) if last else (self._offsets[index + 1], self._firsts[index + 1])
        offset, first = self._offsets[index], self._firsts[index]
        return Place(offset, end - offset, first, stop - first, None)

    def _step(self) -> tuple[int, int, bytes] | None:
        """Take the next new frame of an open segment: (first record, records, content); None at the durable end."""
        offset, frame = next(self._walk, (self._end, b""))
        if not frame:
            if self._end < self._limit:
                raise IntegrityError(f"{self.path.name}: byte {self._end} is durable, but no whole frame")
            return None
        try:
            content = expand(frame)
            count = len(lines_in(content))
        except IntegrityError as fault:
            raise IntegrityError(f"{self.path.name}: the frame at byte {offset} is damaged: {fault}") from fault
        first = self._found
        self._offsets.append(offset)
        self._firsts.append(first)
        self._end, self._found = offset + len(frame), first + count
        return first, count, content


class SegmentFiles:
    """The segment files of one ledger that are open for reading; safe to share between threads."""

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is opened before the first `use`."""
        self._ledger = ledger
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, SegmentReader] = OrderedDict()

    def close(self) -> None:
        """Release every file that nobody uses."""
        with self._lock:
            self._shrink(0)

    def numbers(self, start: int, state: Published | None) -> list[int]:
        """Return the numbers of the segments on the disk from `start` on, in order, as far as they are published."""
        numbers = set()
        root = self._ledger.segments
        for name in os.listdir(root) if root.exists() else []:  # noqa: PTH208 - names only, twice as fast
            if name.isdecimal() and int(name) >= start // 1000:
                numbers |= {found[0] for found in map(parse_segment_name, os.listdir(root / name)) if found}  # noqa: PTH208
        return sorted(one for one in numbers if one >= start and (state is None or one < state.next_number))

    @contextlib.contextmanager
    def use(self, number: int, state: Published | None) -> Iterator[SegmentReader | None]:
        """Give the reader of segment `number`, None where there is nothing to read; raises IntegrityError."""
        with self._lock:
            reader = self._find(number, state)
            if reader is not None:
                reader.users += 1
        try:
            yield reader
        finally:
            if reader is not None:
                with self._lock:
                    reader.users -= 1
                    if not reader.users and self._kept.get(number) is not reader:
                        reader.close()

    def _find(self, number: int, state: Published | None) -> SegmentReader | None:
        part = state.find(number) if state is not None else None
        reader = self._kept.get(number)
        if reader is not None and not _still(reader):
            self._drop(number)
            reader = None
        if reader is None:
            reader = self._open(number, state, part)
        elif part is not None and part.inode == reader.inode:
            reader.grow(part)
        if reader is not None:
            self._kept[number] = reader
            self._kept.move_to_end(number)
            self._shrink(_FILES_KEPT)
        return reader

    def _open(self, number: int, state: Published | None, part: OpenPart | None) -> SegmentReader | None:
        if state is not None and number >= state.next_number:
            return None  # made after `state` was read
        folder = self._ledger.seed(number).parent
        for name in os.listdir(folder) if folder.exists() else []:  # noqa: PTH208 - names only
            found = parse_segment_name(name)
            if found is not None and found[0] == number:
                return self._opened(folder / name, found[1], state, part)
        return None

    def _opened(
        self, path: Path, record_class: str, state: Published | None, part: OpenPart | None
    ) -> SegmentReader | None:
        try:
            reader = SegmentReader(path, record_class)
        except FileNotFoundError:
            return None  # destroyed just now
        if part is not None and part.inode == reader.inode:
            reader.grow(part)
        elif not reader.settle():
            reader.close()
            if state is None:
                return None  # nobody says how far it is durable
            raise IntegrityError(f"{path.name}: the frame table is missing or damaged")
        return reader

    def _shrink(self, size: int) -> None:
        for number in list(self._kept):
            if len(self._kept) <= size:
                return
            self._drop(number)

    def _drop(self, number: int) -> None:
        reader = self._kept.pop(number)
        if not reader.users:
            reader.close()


def _still(reader: SegmentReader) -> bool:
    """Return whether the file in the reader's place is still the one it has open."""
    try:
        return reader.path.stat().st_ino == reader.inode
    except FileNotFoundError:
        return False
