"""One segment from its bytes: content digest, salted tree, counts, times and frame table. Runs in worker processes.

A part is the unit of work: it expands the whole segment, but hashes the leaves of some groups of 4,096 records only,
so that two cores share one big segment. The leading part also takes the digest, counts and the table. The roots of the
groups are the level-12 nodes of the tree (RFC 6962 section 2.1: a full group is a complete subtree), so the root over
them is the segment's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

import zstandard

from retention import merkle
from retention.segment import (
    GROUP,
    MAX_FRAME_CONTENT,
    SEED_BYTES,
    SEGMENT_BYTES,
    Frame,
    FrameTable,
    frames_of,
    leaves,
    pack_table,
)
from retention.verify_files import FileFault, read_whole
from some.clock import from_text, to_text
from some.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from retention.manifest import SealedSegment

MAX_STORED_BYTES = 2 * SEGMENT_BYTES
"""No stored segment is larger: 128 MiB and one more block of content, and zstd adds next to nothing."""

MAX_FRAMES = 1_000_000
"""A closed segment has about 128 frames; the cap bounds the memory that a hostile file can take."""

_STAMP = 28
_RECEIVED = re.compile(rb"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9]\.[0-9]{6}Z\t")


@dataclass(frozen=True, slots=True)
class PartOrder:
    """Check groups `first_group` to `last_group` (exclusive) of a sealed segment; the leading part checks the rest."""

    path: Path
    seed: Path | None
    sealed: SealedSegment
    first_group: int
    last_group: int
    leading: bool


@dataclass(frozen=True, slots=True)
class PartResult:
    """Group roots, reception times as text (None where no line was read), and faults as (code, words).

    `stopped`: the pass could not be finished, so the roots say nothing.
    """

    groups: tuple[bytes, ...]
    stopped: bool
    earliest: str | None
    latest: str | None
    faults: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OpenResult:
    """What stands in a segment that no seal covers yet: whole frames, and bytes behind the last of them."""

    name: str
    records: int
    content: int
    trailing: int
    oldest: str | None
    faults: tuple[tuple[str, str], ...]


def check_part(order: PartOrder) -> PartResult:
    """Return what the bytes of one segment say; never raises for what stands in the files."""
    faults: list[tuple[str, str]] = []
    reading = _Reading(order, faults)
    stopped = False
    try:
        stored = read_whole(order.path, MAX_STORED_BYTES)
        reading.seed = _seed(order, faults)
        reading.read(stored)
    except IntegrityError as fault:
        faults.append((fault.code if isinstance(fault, FileFault) else "segment.damaged", str(fault)))
        stopped = True
    earliest, latest = _text(reading.earliest), _text(reading.latest)
    return PartResult(tuple(reading.groups), stopped or reading.seed is None, earliest, latest, tuple(faults))


def check_open(path: Path) -> OpenResult:
    """Return what stands in a segment behind the head: frames are expanded, nothing can be compared with a digest."""
    faults: list[tuple[str, str]] = []
    records = size = end = 0
    oldest: str | None = None
    torn: tuple[int, IntegrityError] | None = None
    try:
        stored = read_whole(path, MAX_STORED_BYTES)
    except FileFault as fault:
        return OpenResult(path.name, 0, 0, 0, None, ((fault.code, str(fault)),))
    for offset, frame in frames_of(stored):
        if torn is not None:
            # a frame that was cut by a crash is the last one; one with frames behind it was damaged later
            faults.append(("unsealed.damaged", f"the frame at byte {torn[0]} is damaged: {torn[1]}"))
            torn = None
        try:
            content = expand_bounded(frame)
        except IntegrityError as fault:
            torn = (offset, fault)
            continue
        oldest = oldest or _text(content[:_STAMP])
        records, size, end = records + content.count(b"\n"), size + len(content), offset + len(frame)
        if size > MAX_STORED_BYTES or len(faults) > _STAMP:
            faults.append(
                ("unsealed.damaged", f"more content than {MAX_STORED_BYTES} bytes, or too many damaged frames")
            )
            break
    return OpenResult(path.name, records, size, len(stored) - end - _table_bytes(stored, end), oldest, tuple(faults))


def tree_of_groups(groups: Sequence[bytes]) -> bytes:
    """Return the segment's root from the roots of its groups of 4,096 leaves."""
    return merkle.root(groups)


def expand_bounded(frame: bytes) -> bytes:
    """Return the content of one zstd frame; never writes more than the size that the frame claims (and we allow)."""
    try:
        size = zstandard.frame_content_size(frame)
        if not 0 <= size <= MAX_FRAME_CONTENT:
            raise IntegrityError(f"a frame claims {size} bytes; {MAX_FRAME_CONTENT} is the limit")
        # one call into a buffer of the claimed size: a stream would grow with what a hostile frame expands to
        return zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as fault:
        raise IntegrityError(f"damaged frame: {fault}") from fault


@dataclass(slots=True)
class _Reading:
    """The state of one pass over one segment."""

    order: PartOrder
    faults: list[tuple[str, str]]
    seed: bytes | None = None
    groups: list[bytes] = field(default_factory=list)
    earliest: bytes | None = None
    latest: bytes | None = None
    pending: list[bytes] = field(default_factory=list)
    records: int = 0
    size: int = 0
    end: int = 0
    unlike_lines: int = 0

    def read(self, stored: bytes) -> None:
        """Take the whole of `stored` in; faults that do not stop the pass are collected."""
        digest = sha256()
        frames: list[Frame] = []
        first = last = b""
        for offset, content in self._contents(stored):
            frames.append(Frame(offset, self.size, self.records))
            lines = content.split(b"\n")
            if lines.pop() or not lines or len(frames) > MAX_FRAMES:
                raise IntegrityError(f"the frame at byte {offset} does not end with a whole record, or is one too many")
            if self.order.leading:
                digest.update(content)
                first, last = first or lines[0], lines[-1]
            self._take(lines)
            self.size += len(content)
        self._flush(whole=False)
        if self.unlike_lines:
            self.faults.append(("segment.line", f"{self.unlike_lines} lines do not start with a reception time"))
        if self.order.leading:
            self._compare(digest.hexdigest(), first, last)
            table = FrameTable(tuple(frames), self.end, self.size, self.records)
            _compare_table(stored[self.end :], table, self.faults)

    def _contents(self, stored: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (offset, content) of each frame, no further than this part needs and the manifest's size allows."""
        stop = None if self.order.leading else self.order.last_group * GROUP
        for offset, frame in frames_of(stored):
            if stop is not None and self.records >= stop:
                return
            content = expand_bounded(frame)
            if self.size + len(content) > self.order.sealed.size:
                raise IntegrityError(f"more content than the {self.order.sealed.size} bytes that the manifest states")
            self.end = offset + len(frame)
            yield offset, content

    def _take(self, lines: list[bytes]) -> None:
        """Count `lines`, and keep those of this part's groups until a group is full."""
        start, stop = self.order.first_group * GROUP, self.order.last_group * GROUP
        mine = lines[max(0, start - self.records) : max(0, stop - self.records)]
        self.records += len(lines)
        self._note_times(mine)
        self.pending += mine
        self._flush(whole=True)

    def _note_times(self, lines: list[bytes]) -> None:
        """Lines received together share their time, so the set is small; text order is time order at fixed width."""
        found = {line[:_STAMP] for line in lines}
        good = [stamp for stamp in found if _RECEIVED.fullmatch(stamp)]
        if len(good) < len(found):
            self.unlike_lines += sum(1 for line in lines if not _RECEIVED.match(line))
        if good:
            self.earliest = min(*good, self.earliest or good[0])
            self.latest = max(*good, self.latest or good[0])

    def _flush(self, *, whole: bool) -> None:
        if self.seed is None:
            self.pending.clear()
            return
        while len(self.pending) >= GROUP or (self.pending and not whole):
            first = (self.order.first_group + len(self.groups)) * GROUP
            self.groups.append(merkle.root(leaves(self.pending[:GROUP], self.seed, first)))
            del self.pending[:GROUP]

    def _compare(self, digest: str, first: bytes, last: bytes) -> None:
        sealed = self.order.sealed
        if digest != sealed.sha256:
            self.faults.append(("segment.digest", f"content has SHA-256 {digest}, the manifest says {sealed.sha256}"))
        if (self.records, self.size) != (sealed.records, sealed.size):
            found = f"{self.records} records in {self.size} bytes"
            self.faults.append(("segment.counts", f"{found}, the manifest says {sealed.records} in {sealed.size}"))
        stated = [to_text(moment).encode() + b"\t" for moment in (sealed.first_received_at, sealed.last_received_at)]
        if [first[:_STAMP], last[:_STAMP]] != stated:
            self.faults.append(("segment.times", "first and last record have other reception times than the manifest"))


def _seed(order: PartOrder, faults: list[tuple[str, str]]) -> bytes | None:
    """Return the seed, or None with a fault: without it the tree cannot be derived, but all the rest can."""
    if order.seed is None:
        faults.append(("seed.missing", f"the seed of {order.sealed.name} is missing: its tree cannot be derived"))
        return None
    try:
        seed = read_whole(order.seed, SEED_BYTES)
    except FileFault as fault:
        faults.append((fault.code, str(fault)))
        return None
    if len(seed) != SEED_BYTES:
        faults.append(("seed.damaged", f"{order.seed.name} has {len(seed)} bytes instead of {SEED_BYTES}"))
        return None
    return seed


def _compare_table(rest: bytes, derived: FrameTable, faults: list[tuple[str, str]]) -> None:
    """Derive the table anew: it is not signed, and a reader that trusts it must find the same records."""
    if not rest:
        faults.append(("segment.table", "the frame table is missing"))
    elif rest != pack_table(derived):
        faults.append(("segment.table", "the frame table does not fit the frames, or bytes stand behind the frames"))


def _table_bytes(stored: bytes, end: int) -> int:
    """Return how many of the bytes behind the last frame are a frame table (a closed segment that no seal covers)."""
    magic = b"\x5e\x2a\x4d\x18SOMETBL1"
    rest = stored[end : end + 16]
    return len(stored) - end if rest[:4] + rest[8:] == magic else 0


def _text(stamp: bytes | None) -> str | None:
    """Return the time that a line starts with, as text, or None where there is none."""
    if stamp is None or _RECEIVED.fullmatch(stamp) is None:
        return None
    try:
        return to_text(from_text(stamp[:-1].decode("ascii")))
    except ValueError:
        return None
