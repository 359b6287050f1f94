"""`run/archive.lock`: whoever holds it owns the open segments, the head and the seal timer."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from some.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path


class ArchiveHeld(Unavailable):
    """Another process has the archive; use its socket."""

    code = "archive.held"


class ArchiveLock:
    """An exclusive flock; the kernel releases it when the process dies, however it dies."""

    def __init__(self, path: Path) -> None:
        """Take the lock at `path`, making the file; raises ArchiveHeld at once where somebody else has it."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as fault:
            os.close(self._descriptor)
            raise ArchiveHeld(f"{path} is held by another process") from fault

    def release(self) -> None:
        """Let the next one in."""
        os.close(self._descriptor)
