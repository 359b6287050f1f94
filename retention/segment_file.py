"""Reads one segment file by descriptor: its table, or its frames one after the other. Never writes, never locks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import zstandard

from retention.segment import MAX_FRAME_CONTENT, expand, frame_length, parse_table, table_length
from some.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from retention.segment import FrameTable

_PIECE = 1024 * 1024
_MAGIC = b"\x28\xb5\x2f\xfd"
_LONGEST_TABLE = 512 * 1024 * 1024
_SMALLEST_TABLE = 8 + 8 + 2 * 24 + 4


def walk(descriptor: int, start: int, limit: int) -> Iterator[tuple[int, bytes]]:
    """Yield (offset, frame) of the whole frames between `start` and `limit`; stops at the first other thing."""
    waiting, base = b"", start
    while True:
        at = 0
        while (length := frame_length(waiting, at)) is not None:
            yield base + at, waiting[at : at + length]
            at += length
        waiting, base = waiting[at:], base + at
        if not _MAGIC.startswith(waiting[:4]) or len(waiting) > 2 * MAX_FRAME_CONTENT:
            return
        room = limit - base - len(waiting)
        piece = os.pread(descriptor, min(room, max(_PIECE, len(waiting))), base + len(waiting)) if room > 0 else b""
        if not piece:
            return
        waiting += piece


def read_table(descriptor: int) -> FrameTable | None:
    """Return the table that the file ends with, None for a file without one (an open segment)."""
    size = os.fstat(descriptor).st_size
    if size < _SMALLEST_TABLE:
        return None
    length = table_length(os.pread(descriptor, 4, size - 4))
    if not _SMALLEST_TABLE <= length <= min(size, _LONGEST_TABLE):
        return None
    try:
        table = parse_table(os.pread(descriptor, length, size - length))
    except IntegrityError:
        return None
    return table if table.end == size - length else None


def read_frame(descriptor: int, offset: int, length: int) -> bytes:
    """Return the content of the frame at `offset`; raises IntegrityError."""
    return expand(os.pread(descriptor, length, offset))


def content_size(frame: bytes) -> int:
    """Return the content size that a frame's header claims, without expanding it."""
    return int(zstandard.frame_content_size(frame))
