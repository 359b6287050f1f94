"""`run/index.lock`: one follower per data directory. The kernel lets it go when the process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from some.errors import Unavailable

if TYPE_CHECKING:
    from pathlib import Path


class IndexLocked(Unavailable):
    """Another follower works on this index."""

    code = "index.locked"


class IndexLock:
    """An flock on `path`; not for network file systems."""

    def __init__(self, path: Path) -> None:
        """Name the lock; `take` makes the file."""
        self._path = path
        self._descriptor = -1

    def take(self) -> None:
        """Take the lock at once; raises IndexLocked where another follower holds it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            msg = f"another follower holds {self._path}"
            raise IndexLocked(msg) from error
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the lock go; harmless where it is not held."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
