"""Reads what is durable; never locks, never writes. A `RecordReader` of one ledger, and its proofs."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retention import merkle, published
from retention.layout import Ledger
from retention.seal_facts import SealFacts, Seals
from retention.segment import GROUP, group_paths, leaf, leaves, lines_in, parse_line, salt_of
from retention.segment_reader import SegmentFiles
from some.errors import IntegrityError, NotFound
from some.record import RecordClass, RecordRef, RecordRun

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import Self

    from retention.published import Published
    from retention.segment_reader import Place, SegmentReader
    from some.record import Cursor, StoredRecord

_CACHE_BYTES = 16 * 1024 * 1024


class DamagedSegment(IntegrityError):
    """A segment cannot be read on from record `position`; `number` names it, so that a follower may pass it by."""

    def __init__(self, text: str, number: int, position: int) -> None:
        """Say which segment, and from which record on."""
        super().__init__(text)
        self.number = number
        self.position = position


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Why a record stands in a seal: leaf = SHA-256(0x00 || salt || line); `path` leads from it to `root`.

    `root` is the segment's, as `seal` (the manifest's number) lists it; None while the segment waits for its seal.
    `size` is the number of records in the segment.
    """

    ref: RecordRef
    record_class: RecordClass
    line: bytes
    salt: bytes
    leaf: bytes
    size: int
    path: tuple[bytes, ...]
    root: bytes
    seal: int | None


class ArchiveReader:
    """Reads one ledger below `folder` (DATA/archive); `run` is DATA/run. Safe to share between threads."""

    def __init__(self, folder: Path, run: Path, ledger: str) -> None:
        """Nothing is opened before the first question."""
        self._layout = Ledger(folder / ledger, ledger)
        self._durable = run / "durable"
        self._files = SegmentFiles(self._layout)
        self._frames = _FrameCache(_CACHE_BYTES)
        self._seals = Seals(self._layout)

    def __enter__(self) -> Self:
        """Return the reader."""
        return self

    def __exit__(self, *_: object) -> None:
        """Release the files."""
        self.close()

    def close(self) -> None:
        """Release the files; the reader opens them again when it is asked again."""
        self._files.close()

    @property
    def ledger(self) -> str:
        """The ledger's name."""
        return self._layout.name

    def get(self, ref: RecordRef) -> StoredRecord:
        """Return one record; raises NotFound, or IntegrityError where the segment is damaged."""
        found = self._lookup(ref, self._state())
        if found is None:
            raise NotFound(f"no record {ref}")
        return found

    def get_many(self, refs: Iterable[RecordRef]) -> dict[RecordRef, StoredRecord]:
        """Return those of `refs` that can be read, reading each frame once; what is damaged is left out."""
        found: dict[RecordRef, StoredRecord] = {}
        state = self._state()
        for ref in sorted(set(refs)):
            try:
                record = self._lookup(ref, state)
            except IntegrityError:
                continue
            if record is not None:
                found[ref] = record
        return found

    def follow(self, cursor: Cursor, *, max_bytes: int, classes: frozenset[str] | None = None) -> Iterator[RecordRun]:
        """Yield what is durable after `cursor`, lowest segment first, in runs of at most about `max_bytes`.

        Memory: one run and one frame. Raises DamagedSegment where a segment cannot be read on; a follower that has
        told somebody may go on with a cursor whose position in that segment is beyond its end (e.g. 2**62).
        """
        state = self._state()
        for number in self._files.numbers(cursor.done_below, state):
            position = cursor.next_in(number)
            try:
                with self._files.use(number, state) as segment:
                    wanted = segment is not None and (classes is None or segment.record_class in classes)
                    for run in _runs(segment, position, max_bytes) if segment is not None and wanted else ():
                        yield RecordRun(self.ledger, number, *run)
                        position = run[0] + run[1]
            except IntegrityError as fault:
                raise DamagedSegment(str(fault), number, position) from fault

    def settled(self) -> int:
        """Return the number below which every segment is closed for good (what `Cursor.done_below` may become)."""
        state = self._state()
        if state is not None:
            return state.settled
        numbers = self._files.numbers(0, None)
        for number in numbers:
            with self._files.use(number, None) as segment:
                if segment is None:
                    return number
        return max(numbers, default=0) + 1

    def seals(self, *, limit: int = 100, before: int | None = None) -> list[SealFacts]:
        """Return up to `limit` committed seals, newest first, only those numbered below `before` if given."""
        return self._seals.newest(limit, before)

    def seal(self, number: int) -> SealFacts:
        """Return one seal's facts; raises NotFound, or IntegrityError for a manifest that cannot be read."""
        return self._seals.facts(number)

    def seal_of(self, segment: int) -> int | None:
        """Return the number of the committed seal that lists `segment`, None while there is none."""
        return self._seals.seal_of(segment)

    def proof_of(self, ref: RecordRef) -> InclusionProof:
        """Return the proof of one record; reads its whole segment (about a second for 128 MiB).

        Raises NotFound, and IntegrityError where the tree is not the one that the seal lists. The root of a segment
        that is still open is that of the moment.
        """
        stored = self.get(ref)
        seed = self._seed(ref.segment)
        tree = _Tree(seed, ref.position)
        with self._files.use(ref.segment, self._state()) as segment:
            position = 0
            while segment is not None and (frame := segment.frame(position)) is not None:
                tree.add(lines_in(frame[2]))
                position += frame[1]
        tree.end()
        root, seal = merkle.root(tree.roots), self.seal_of(ref.segment)
        if seal is not None:
            listed = next(one for one in self._seals.manifest(seal).segments if one.number == ref.segment)
            if (listed.tree, listed.records) != (root, tree.size):
                raise IntegrityError(f"segment {ref.segment}: its tree is not the one that seal {seal} lists")
        salt, path = salt_of(seed, ref.position), tuple(group_paths(tree.roots, tree.leaves, ref.position))
        return InclusionProof(
            ref, stored.record_class, tree.line, salt, leaf(salt, tree.line), tree.size, path, root, seal
        )

    def _seed(self, number: int) -> bytes:
        try:
            return self._layout.seed(number).read_bytes()
        except FileNotFoundError as fault:
            raise IntegrityError(f"segment {number}: its seed is missing") from fault

    def _state(self) -> Published | None:
        return published.read(self._durable, self.ledger)

    def _lookup(self, ref: RecordRef, state: Published | None) -> StoredRecord | None:
        if ref.ledger != self.ledger:
            return None
        with self._files.use(ref.segment, state) as segment:
            place = segment.place_of(ref.position) if segment is not None else None
            if segment is None or place is None:
                return None
            lines = self._frames.lines((ref.segment, segment.inode, place.offset), segment, place)
            return parse_line(lines[ref.position - place.first], ref, RecordClass(segment.record_class))


class _Tree:
    """The tree over one segment, fed line by line; keeps the groups' roots and the leaves of one group."""

    def __init__(self, seed: bytes, position: int) -> None:
        self._seed, self._position = seed, position
        self._waiting: list[bytes] = []
        self.roots: list[bytes] = []
        self.leaves: list[bytes] = []
        self.line = b""
        self.size = 0

    def add(self, lines: list[bytes]) -> None:
        if self.size <= self._position < self.size + len(lines):
            self.line = lines[self._position - self.size]
        self.size += len(lines)
        self._waiting += lines
        while len(self._waiting) >= GROUP:
            self._group(self._waiting[:GROUP])
            del self._waiting[:GROUP]

    def end(self) -> None:
        if self._waiting:
            self._group(self._waiting)

    def _group(self, lines: list[bytes]) -> None:
        hashes = leaves(lines, self._seed, len(self.roots) * GROUP)
        if len(self.roots) == self._position // GROUP:
            self.leaves = hashes
        self.roots.append(merkle.root(hashes))


class _FrameCache:
    """The lines of the frames that were looked into last, up to about `size` bytes of content."""

    def __init__(self, size: int) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[int, int, int], tuple[int, list[bytes]]] = OrderedDict()
        self._left = size

    def lines(self, key: tuple[int, int, int], segment: SegmentReader, place: Place) -> list[bytes]:
        """Return the lines of the frame at `place`; `key` is segment number, inode and offset."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        lines = segment.lines(place)
        size = sum(map(len, lines))
        with self._lock:
            before, _ = self._kept.pop(key, (0, []))  # another thread may have been as fast
            self._kept[key] = size, lines
            self._left += before - size
            while self._left < 0:
                self._left += self._kept.popitem(last=False)[1][0]
        return lines


def _runs(segment: SegmentReader, position: int, max_bytes: int) -> Iterator[tuple[int, int, RecordClass, bytes]]:
    """Yield (first record, records, class, lines) from `position` to the durable end, small frames joined."""
    record_class = RecordClass(segment.record_class)
    first, count, size = position, 0, 0
    parts: list[bytes] = []
    while (frame := segment.frame(first + count)) is not None:
        for records, lines in _pieces(*frame, first + count, max_bytes):
            if parts and size + len(lines) > max_bytes:
                yield first, count, record_class, b"".join(parts)
                first, count, size, parts = first + count, 0, 0, []
            parts.append(lines)
            count, size = count + records, size + len(lines)
    if parts:
        yield first, count, record_class, b"".join(parts)


def _pieces(first: int, records: int, content: bytes, position: int, max_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Yield (records, lines) of one frame from record `position` on, cut at line ends into about `max_bytes`."""
    at = 0
    for _ in range(position - first):
        at = content.index(b"\n", at) + 1
    if len(content) - at <= max_bytes:
        yield records - (position - first), content[at:]
        return
    while at < len(content):
        end = content.rfind(b"\n", at, at + max_bytes) + 1 or content.index(b"\n", at) + 1
        yield content.count(b"\n", at, end), content[at:end]
        at = end
