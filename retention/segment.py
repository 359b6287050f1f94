"""Line, leaf, frame and table of a segment (SPEC.md, Segment). Pure: bytes in, bytes out.

A line looks like this, with TAB between the four fields::

    2026-11-23T08:59:59.902113Z	gw-merkez	udp:192.0.2.7:51234	<189>date=2026-11-23 time=11:59:59 devname="gw-merkez" …
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from hashlib import sha256, shake_256
from typing import TYPE_CHECKING

import zstandard

from retention import merkle
from some.clock import from_text, to_text
from some.errors import IntegrityError
from some.record import RecordClass, RecordRef, StoredRecord, unescape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from some.record import RecordBlock

GROUP = 4096
SALT_BYTES = 16
SEED_BYTES = 32
FRAME_BYTES = 1024 * 1024
SEGMENT_BYTES = 128 * 1024 * 1024
MAX_FRAME_CONTENT = 64 * 1024 * 1024
"""A reader refuses to expand a frame beyond this (a record is at most 16 MiB, doubled by escaping, plus its block)."""

_FRAME_MAGIC = b"\x28\xb5\x2f\xfd"
_TABLE_MAGIC = b"\x5e\x2a\x4d\x18"
_TABLE_NAME = b"SOMETBL1"
_HEAD = struct.Struct("<4sI")
_ROW = struct.Struct("<QQQ")
_FIELDS = 4


@dataclass(frozen=True, slots=True)
class Frame:
    """Where one zstd frame stands: its offset in the file, its first byte in the content, its first record."""

    offset: int
    content: int
    first: int


@dataclass(frozen=True, slots=True)
class FrameTable:
    """The ordinal -> frame table at the end of a closed segment, with the totals it was made for."""

    frames: tuple[Frame, ...]
    end: int
    content_bytes: int
    records: int

    def find(self, position: int) -> int:
        """Return the index of the frame that holds record `position`; raises ValueError beyond the end."""
        if not 0 <= position < self.records:
            msg = f"no record {position} among {self.records}"
            raise ValueError(msg)
        low, high = 0, len(self.frames)
        while high - low > 1:
            middle = (low + high) // 2
            if self.frames[middle].first <= position:
                low = middle
            else:
                high = middle
        return low

    def span(self, index: int) -> tuple[int, int]:
        """Return offset and length of frame `index` in the file."""
        start = self.frames[index].offset
        stop = self.frames[index + 1].offset if index + 1 < len(self.frames) else self.end
        return start, stop - start


def lines_of(block: RecordBlock) -> bytes:
    """Return the segment lines of `block`: one prefix for all of them, put in by a single replace."""
    prefix = prefix_of(block)
    body = block.payload.replace(b"\n", b"\n" + prefix)
    return b"".join((prefix, memoryview(body)[: -len(prefix)]))  # one copy: twenty times faster than two large slices


def prefix_of(block: RecordBlock) -> bytes:
    """Return what stands before each of the block's messages: time, source and origin, each ended by TAB."""
    return f"{to_text(block.received_at)}\t{block.source}\t{block.origin}\t".encode()


def parse_line(line: bytes, ref: RecordRef, record_class: RecordClass) -> StoredRecord:
    """Return the record that `line` (without LF) holds; raises IntegrityError where it is not a segment line."""
    fields = line.split(b"\t", _FIELDS - 1)
    if len(fields) != _FIELDS:
        raise IntegrityError(f"{ref}: not a segment line")
    try:
        received_at = from_text(fields[0].decode("ascii"))
        return StoredRecord(ref, received_at, fields[1].decode(), fields[2].decode(), record_class, unescape(fields[3]))
    except ValueError as fault:
        raise IntegrityError(f"{ref}: not a segment line: {fault}") from fault


def received_at_of(line: bytes) -> datetime:
    """Return the reception time that a segment line starts with; raises ValueError."""
    return from_text(line[: line.index(b"\t")].decode("ascii"))


def salts(seed: bytes, group: int) -> bytes:
    """Return the salts of records `group*4096 …`, 16 bytes each: SHAKE256(seed || group as 8 bytes big-endian)."""
    return shake_256(seed + group.to_bytes(8, "big")).digest(GROUP * SALT_BYTES)


def salt_of(seed: bytes, position: int) -> bytes:
    """Return the salt of one record."""
    group, index = divmod(position, GROUP)
    return salts(seed, group)[index * SALT_BYTES : (index + 1) * SALT_BYTES]


def leaf(salt: bytes, line: bytes) -> bytes:
    """Return SHA-256(0x00 || salt || line without LF)."""
    return sha256(b"\x00" + salt + line).digest()


def leaves(lines: Sequence[bytes], seed: bytes, first: int) -> list[bytes]:
    """Return the leaf hashes of consecutive `lines` (without LF); `first` is a multiple of 4,096."""
    if first % GROUP:
        msg = f"{first} does not start a group of {GROUP}"
        raise ValueError(msg)
    hashes: list[bytes] = []
    for start in range(0, len(lines), GROUP):
        group = lines[start : start + GROUP]
        salted = salts(seed, (first + start) // GROUP)
        marked = [b"\x00" + salted[at : at + SALT_BYTES] for at in range(0, len(group) * SALT_BYTES, SALT_BYTES)]
        hashes += [sha256(mark + line).digest() for mark, line in zip(marked, group, strict=True)]
    return hashes


def tree_root(content_lines: Sequence[bytes], seed: bytes) -> bytes:
    """Return the salted RFC 6962 root over all lines of a segment."""
    return merkle.root(leaves(content_lines, seed, 0))


class GrowingTree:
    """The salted tree over a segment's lines, fed piece by piece; keeps one hash for each group of 4,096 lines.

    A group's lines are an aligned, complete subtree of 2**12 leaves (only the last group may be shorter), so the root
    over the groups' roots is the RFC 6962 root over all leaves.
    """

    def __init__(self, seed: bytes) -> None:
        """Start without lines; `seed` is the segment's."""
        self._seed = seed
        self._roots: list[bytes] = []
        self._waiting: list[bytes] = []

    @property
    def records(self) -> int:
        """How many lines were added."""
        return len(self._roots) * GROUP + len(self._waiting)

    def add(self, lines: Sequence[bytes]) -> None:
        """Add lines (without LF) behind those before."""
        self._waiting += lines
        whole = len(self._waiting) // GROUP * GROUP
        for start in range(0, whole, GROUP):
            self._roots.append(self._group_root(self._waiting[start : start + GROUP]))
        del self._waiting[:whole]

    def root(self) -> bytes:
        """Return the root over all lines so far."""
        return merkle.root([*self._roots, self._group_root(self._waiting)] if self._waiting else self._roots)

    def _group_root(self, lines: Sequence[bytes]) -> bytes:
        return merkle.root(leaves(lines, self._seed, len(self._roots) * GROUP))


def group_paths(group_roots: Sequence[bytes], group_leaves: Sequence[bytes], position: int) -> list[bytes]:
    """Return the inclusion path of record `position` from the leaves of its group and the roots of all groups."""
    group, index = divmod(position, GROUP)
    return merkle.path(group_leaves, index) + merkle.path(group_roots, group)


def lines_in(content: bytes) -> list[bytes]:
    """Return the lines (without LF) of expanded content; raises IntegrityError where the last one is cut."""
    lines = content.split(b"\n")
    if lines.pop() or not lines:
        raise IntegrityError("a frame does not end with a whole line")
    return lines


def compress(content: bytes, compressor: zstandard.ZstdCompressor) -> bytes:
    """Return one zstd frame that names its size and carries a checksum (RFC 8878)."""
    return compressor.compress(content)


def compressor(level: int) -> zstandard.ZstdCompressor:
    """Return a compressor whose frames carry content size and checksum; not to be shared between threads."""
    return zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True)


def expand(frame: bytes) -> bytes:
    """Return the content of exactly one zstd frame, in no more memory than it claims; raises IntegrityError."""
    try:
        size = zstandard.frame_content_size(frame)
        if not 0 < size <= MAX_FRAME_CONTENT:
            raise IntegrityError(f"a frame claims {size} bytes")
        content = zstandard.ZstdDecompressor().decompress(frame, allow_extra_data=False)
    except zstandard.ZstdError as fault:
        raise IntegrityError(f"damaged frame: {fault}") from fault
    return content


def frame_length(view: bytes | memoryview, start: int) -> int | None:
    """Return the length of the zstd frame at `start` by walking its block headers (RFC 8878), None if not whole.

    Nothing is expanded: the caller checks the frame by expanding it.
    """
    if bytes(view[start : start + 4]) != _FRAME_MAGIC or start + 5 > len(view):
        return None
    try:
        header = zstandard.frame_header_size(bytes(view[start : start + 18]))
        checksum = 4 if zstandard.get_frame_parameters(bytes(view[start : start + 18])).has_checksum else 0
    except zstandard.ZstdError:
        return None
    at = start + header
    while at + 3 <= len(view):
        block = int.from_bytes(view[at : at + 3], "little")
        last, kind, size = block & 1, (block >> 1) & 3, block >> 3
        at += 3 + (1 if kind == 1 else size)
        if last:
            at += checksum
            return at - start if at <= len(view) else None
    return None


def frames_of(stored: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, frame) of the whole zstd frames of a segment file, stopping at its table or at torn bytes."""
    view = memoryview(stored)
    at = 0
    while (length := frame_length(view, at)) is not None:
        yield at, bytes(view[at : at + length])
        at += length


def pack_table(table: FrameTable) -> bytes:
    """Return `table` as a zstd skippable frame, which `zstd -d` passes over; its last 4 bytes are its whole length."""
    rows = b"".join(_ROW.pack(frame.offset, frame.content, frame.first) for frame in table.frames)
    body = _TABLE_NAME + rows + _ROW.pack(table.end, table.content_bytes, table.records)
    length = _HEAD.size + len(body) + 4
    return _HEAD.pack(_TABLE_MAGIC, len(body) + 4) + body + struct.pack("<I", length)


def table_length(tail: bytes) -> int:
    """Return the length of the table that a file ends with, from its last 4 bytes."""
    return int(struct.unpack("<I", tail[-4:])[0])


def parse_table(packed: bytes) -> FrameTable:
    """Return the table in `packed` (the skippable frame, whole); raises IntegrityError."""
    magic, size = _HEAD.unpack_from(packed) if len(packed) >= _HEAD.size else (b"", 0)
    body = packed[_HEAD.size : -4]
    whole = magic == _TABLE_MAGIC and size == len(packed) - _HEAD.size and table_length(packed) == len(packed)
    if not whole or body[:8] != _TABLE_NAME or (len(body) - 8) % _ROW.size or len(body) < 8 + _ROW.size:
        raise IntegrityError("damaged frame table")
    rows = [_ROW.unpack_from(body, at) for at in range(8, len(body), _ROW.size)]
    table = FrameTable(tuple(Frame(*row) for row in rows[:-1]), *rows[-1])
    starts = [(frame.offset, frame.content, frame.first) for frame in table.frames]
    ends = [*starts[1:], (table.end, table.content_bytes, table.records)]
    if (
        not starts
        or starts[0] != (0, 0, 0)
        or any(a[k] >= b[k] for a, b in zip(starts, ends, strict=True) for k in range(3))
    ):
        raise IntegrityError("damaged frame table")
    return table
