"""Room kept back for audit records and seals, so that a full disk locks nobody out (`<ledger>/reserve`)."""

from __future__ import annotations

import errno
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from some.durable import Disk

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
RESERVE_BYTES = 64 * 1024 * 1024
_STEP = 1024 * 1024
_PIECES = 8

Result = TypeVar("Result")


def no_room(fault: OSError) -> bool:
    """Return whether `fault` says that the disk or a quota is full."""
    return fault.errno in NO_ROOM


class Reserve:
    """A preallocated file that shrinks when a privileged step finds no room, and grows again when there is some."""

    def __init__(self, path: Path, size: int, disk: Disk) -> None:
        """Nothing is allocated before `refill`."""
        self._path, self._full, self._disk = path, size, disk
        self._lock = threading.Lock()
        self._held = path.stat().st_size if path.exists() else 0

    @property
    def held(self) -> int:
        """Bytes that are still kept back."""
        return self._held

    def refill(self) -> bool:
        """Take the whole reserve again; returns False where there is no room for it."""
        with self._lock:
            if self._held == self._full:
                return True
            if self._disk.free(self._path.parent) < self._full - self._held:
                return False  # without trying, which would take the last bytes from others for a moment
            try:
                self._disk.allocate(self._path, self._full)
            except OSError as fault:
                if not no_room(fault):
                    raise
                self._disk.allocate(self._path, self._held)  # gives back what a half-made allocation took
                return False
            self._held = self._full
            return True

    def spend(self, step: Callable[[], Result]) -> Result:
        """Return what `step` returns, giving up the reserve piece by piece while it finds no room."""
        for doubling in range(_PIECES):  # bounded: another thread may refill what is given here
            try:
                return step()
            except OSError as fault:
                if not no_room(fault) or not self._give(_STEP << doubling):
                    raise
        return step()

    def _give(self, size: int) -> bool:
        with self._lock:
            if not self._held:
                return False
            left = max(0, self._held - size)
            self._disk.allocate(self._path, left)
            self._held = left
            return True
