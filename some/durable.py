"""The only writer of files that matter.

Every step that must survive a power cut is a method of `Disk`, so that one look at this file says what is synced when,
and so that a test can make any of them fail, fail although it persisted, or die. A new name is durable only after its
directory is synced too (ext4, xfs: the rename itself may be lost otherwise).
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PRIVATE = 0o600
SHARED = 0o640
STAGE_SUFFIX = ".new"
"""Files `.<name>.<pid>.new` are half-made; whoever owns the folder removes them at its next start."""


class Disk:
    """Durable writes. All methods raise OSError; after an error on `sync` the state of the bytes is unknown."""

    def write_new(self, path: Path, content: bytes, mode: int = SHARED) -> None:
        """Make `path` with `content`, whole or not at all; raises FileExistsError, never overwrites."""
        stage = self._stage(path, content, mode)
        try:
            os.link(stage, path)
        finally:
            stage.unlink()
        self.sync_folder(path.parent)

    def replace(self, path: Path, content: bytes, mode: int = SHARED) -> None:
        """Put `content` in the place of `path` in one step: a reader sees the old or the new, never a mixture."""
        stage = self._stage(path, content, mode)
        self.rename(stage, path)

    def rename(self, old: Path, new: Path) -> None:
        """Give `old` the name `new` (replacing it) and make that durable."""
        old.rename(new)
        self.sync_folder(new.parent)

    def remove(self, path: Path) -> None:
        """Remove `path` (a missing one is fine) and make that durable."""
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            self.sync_folder(path.parent)

    def open_append(self, path: Path, mode: int = SHARED) -> int:
        """Make the new file `path` for appending and return its descriptor; the name is durable on return."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, mode)
        try:
            self.sync_folder(path.parent)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def append(self, descriptor: int, content: bytes) -> None:
        """Write all of `content` at the end; not durable before `sync`."""
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]

    def sync(self, descriptor: int) -> None:
        """Return when everything written to `descriptor` is on the disk."""
        os.fdatasync(descriptor)

    def truncate(self, path: Path, size: int) -> None:
        """Cut `path` to `size` bytes, durably."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def make_folder(self, path: Path, mode: int = 0o750) -> None:
        """Make `path` and its missing parents, each durable in its parent."""
        missing = []
        while not path.exists():
            missing.append(path)
            path = path.parent
        for folder in reversed(missing):
            folder.mkdir(mode=mode, exist_ok=True)
            self.sync_folder(folder.parent)

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in `folder` are on the disk."""
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def write_staged(self, path: Path, mode: int, fill: Callable[[int], None]) -> None:
        """Let `fill(descriptor)` write a large file, then put it at `path` as `replace` does.

        Whatever `fill` raises passes through, and `path` is as it was.
        """
        self.rename(self._fill_stage(path, mode, fill), path)

    def publish(self, descriptor: int, content: bytes) -> None:
        """Write `content` over the start of a file in one call; for readers of the running machine, not synced."""
        os.pwrite(descriptor, content, 0)

    def allocate(self, path: Path, size: int) -> None:
        """Make `path` occupy exactly `size` bytes of the disk; raises OSError (ENOSPC) where there is no room."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, PRIVATE)
        try:
            os.ftruncate(descriptor, min(size, os.fstat(descriptor).st_size))
            if size:
                os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)

    def free(self, folder: Path) -> int:
        """Return how many bytes the file system of `folder` has left for us."""
        room = os.statvfs(folder)
        return room.f_bavail * room.f_frsize

    def _stage(self, path: Path, content: bytes, mode: int) -> Path:
        return self._fill_stage(path, mode, lambda descriptor: self.append(descriptor, content))

    def _fill_stage(self, path: Path, mode: int, fill: Callable[[int], None]) -> Path:
        stage = path.with_name(f".{path.name}.{os.getpid()}{STAGE_SUFFIX}")
        with contextlib.suppress(FileNotFoundError):
            stage.unlink()
        descriptor = os.open(stage, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            fill(descriptor)
            os.fsync(descriptor)
        except OSError:
            stage.unlink(missing_ok=True)  # a full disk must get the room back
            raise
        finally:
            os.close(descriptor)
        return stage
