"""Keeps a process that moves megabytes from holding on to them: glibc's allocator, told to give memory back.

glibc raises its mmap threshold to 32 MiB by itself and opens an arena for each thread; blocks of a megabyte then
stay in fragmented heaps long after they are freed. Elsewhere (musl) there is no mallopt, and nothing is done.
"""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8
_LARGE = 32 * 1024


def give_back() -> None:
    """Map large blocks one by one, keep two arenas, trim early. Call once, before threads start."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
        mallopt(_M_TRIM_THRESHOLD, 64 * _LARGE)
        mallopt(_M_ARENA_MAX, 2)
