"""How the verifier reads: only regular files inside the ledger's folder, never through a link or without a limit."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from some.errors import IntegrityError

MAX_NAMES = 5_000_000
"""More names than fifty years of segments a minute; beyond that the folder is refused, not listed."""


class FileFault(IntegrityError):
    """A file that cannot be taken as evidence; `code` is the finding's code (`file.missing`, `file.kind`, …)."""

    def __init__(self, code: str, text: str) -> None:
        """Keep the finding's code beside its words."""
        super().__init__(text)
        self.code = code  # type: ignore[misc]  # one class with a code per fault instead of four classes


@dataclass(frozen=True, slots=True)
class Inventory:
    """What stands in a ledger's folder: sizes of regular files, and whatever is no regular file. Names are relative."""

    folder: Path
    sizes: dict[str, int]
    others: tuple[str, ...]

    def holds(self, path: Path) -> bool:
        """Say whether `path` is a regular file of the ledger, reached through real folders only."""
        return self.name_of(path) in self.sizes

    def name_of(self, path: Path) -> str:
        """Return the name of `path` inside the ledger."""
        return path.relative_to(self.folder).as_posix()

    def read(self, path: Path, limit: int) -> bytes:
        """Return the whole of `path`; raises FileFault where it is missing, no regular file or above `limit` bytes."""
        if not self.holds(path):
            name = self.name_of(path)
            kind = "file.kind" if name in self.others else "file.missing"
            raise FileFault(kind, f"{name} is no regular file" if kind == "file.kind" else f"{name} is missing")
        return read_whole(path, limit)


def take_inventory(folder: Path) -> Inventory:
    """Return what stands in `folder`; a folder that does not exist is empty. Links are named, not followed."""
    sizes: dict[str, int] = {}
    others: list[str] = []
    waiting = [folder] if folder.is_dir() else []
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                name = Path(entry.path).relative_to(folder).as_posix()
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    sizes[name] = entry.stat(follow_symlinks=False).st_size
                else:
                    others.append(name)
        if len(sizes) + len(others) > MAX_NAMES:
            raise FileFault("file.count", f"{folder.name} holds more than {MAX_NAMES} files")
    return Inventory(folder, sizes, tuple(sorted(others)))


def read_whole(path: Path, limit: int) -> bytes:
    """Return the content of `path`, a regular file of at most `limit` bytes; raises FileFault."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        code = "file.missing" if fault.errno == errno.ENOENT else "file.unreadable"
        raise FileFault(code, f"{path.name} cannot be opened: {fault.strerror}") from fault
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise FileFault("file.kind", f"{path.name} is no regular file")
        if found.st_size > limit:
            raise FileFault("file.size", f"{path.name} has {found.st_size} bytes; {limit} is the limit")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(limit)
    except OSError as fault:
        raise FileFault("file.unreadable", f"{path.name} cannot be read: {fault.strerror}") from fault
    finally:
        os.close(descriptor)
