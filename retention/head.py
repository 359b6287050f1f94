"""Compare-and-swap of the ledger's head: the line where a seal becomes *committed* stands here and nowhere else."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from retention.checkpoint import Checkpoint
from retention.reserve import no_room
from some.errors import IntegrityError, UnknownState

if TYPE_CHECKING:
    from pathlib import Path

    from some.durable import Disk


class Head:
    """The file `head`. Only the holder of `run/archive.lock` may have one."""

    def __init__(self, path: Path, ledger: str, disk: Disk) -> None:
        """Stand at `path`, for the ledger named `ledger`."""
        self._path, self._ledger, self._disk = path, ledger, disk
        self._lock = threading.Lock()

    def create(self) -> None:
        """Make the head of a new ledger (no seals) where there is none."""
        if not self._path.exists():
            self._disk.write_new(self._path, Checkpoint.empty(self._ledger).to_text().encode())

    def read(self) -> Checkpoint:
        """Return the last committed checkpoint; raises IntegrityError where it is missing, damaged or another's."""
        try:
            checkpoint = Checkpoint.parse(self._path.read_text("ascii"))
        except FileNotFoundError as fault:
            raise IntegrityError("the head is missing") from fault
        except UnicodeDecodeError as fault:
            raise IntegrityError("the head is not a checkpoint") from fault
        if checkpoint.origin != self._ledger:
            raise IntegrityError(f"the head is of ledger {checkpoint.origin}, not {self._ledger}")
        return checkpoint

    def swap(self, expected: Checkpoint, new: Checkpoint) -> None:
        """Put `new` where `expected` stands.

        Raises IntegrityError where something else stands there, OSError on a full disk with nothing changed, and
        UnknownState where the new head may or may not have persisted.
        """
        with self._lock:
            found = self.read()
            if found != expected:
                raise IntegrityError(
                    f"the head is at seal {found.size}, not at {expected.size}: somebody else moved it"
                )
            try:
                self._disk.replace(self._path, new.to_text().encode())  # COMMITTED when this returns
            except OSError as fault:
                if no_room(fault) and self.read() == expected:
                    raise
                raise UnknownState(f"the head may or may not be at seal {new.size}: {fault}") from fault
