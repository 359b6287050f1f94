"""The set of files behind `file_tail`: found by patterns, kept through rotation, given back after it.

Plain blocking code for one thread, because a file may lie on a network share that hangs.
"""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ingest.collectors.tailing import READ_BYTES, TailBlock, TailedFile, TailPosition, printable
from some.diagnostics import named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from some.clock import Clock

STEP_BYTES: Final = 4 * READ_BYTES
OPEN_FILES: Final = 256
COMPRESSED: Final = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".7z")

_diagnostics = named("ingest.file_tail")


class TailedFiles:
    """All files that match some patterns, and those that did until they were renamed or deleted.

    A file that no longer stands at its path is read until it has not changed for `linger_s` seconds: programs go on
    writing to a renamed log until they are told. Then its unfinished line, if any, is taken with the mark `;cut`.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        clock: Clock,
        positions: Mapping[str, TailPosition],
        *,
        linger_s: float,
        limit: int,
    ) -> None:
        """Keep the settings; nothing is opened before the first `step`."""
        self._patterns = tuple(patterns)
        self._clock = clock
        self._linger_s = linger_s
        self._limit = limit
        self._positions = dict(positions)
        self._files: dict[tuple[int, int], TailedFile] = {}
        self._troubled: set[str] = set()
        self._looked_for_renamed = False
        self.behind = False
        self.faults = 0

    @property
    def count(self) -> int:
        """How many files are being followed."""
        return len(self._files)

    def step(self) -> list[TailBlock]:
        """Look for files and return new lines, about STEP_BYTES at most; `behind` then says whether there is more."""
        now = self._clock.monotonic()
        self._find(now)
        self.behind = False
        blocks: list[TailBlock] = []
        budget = STEP_BYTES
        for file in sorted(self._files.values(), key=lambda file: file.changed_at):
            found = self._read(file, now)
            blocks += found
            budget -= sum(len(block.payload) for block in found)
            if budget <= 0:
                self.behind = True
                break
        self._close_idle()
        return blocks

    def close(self) -> None:
        """Let go of all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _find(self, now: float) -> None:
        """Open what matches and is new."""
        for path, status in self._matching():
            if (status.st_dev, status.st_ino) not in self._files:
                self._open(path, now)
        if not self._looked_for_renamed:
            self._looked_for_renamed = True
            self._find_renamed(now)

    def _matching(self) -> Iterator[tuple[str, os.stat_result]]:
        """Yield the regular files that match, oldest first: a rotated file before the one that took its place."""
        found = []
        for pattern in self._patterns:
            for path in glob.glob(pattern, recursive=True):  # noqa: PTH207 - Path.glob takes no absolute pattern
                if path.endswith(COMPRESSED):
                    continue
                with contextlib.suppress(OSError):
                    status = Path(path).stat()
                    if stat.S_ISREG(status.st_mode):
                        found.append((status.st_mtime_ns, path, status))
        for _, path, status in sorted(found, key=lambda entry: entry[:2]):
            yield path, status

    def _find_renamed(self, now: float) -> None:
        """After a restart: files that were renamed while nobody read them, and may hold lines nobody has."""
        followed = {file.identity for file in self._files.values()}
        missing: dict[str, set[int]] = {}
        for identity, position in self._positions.items():
            if identity not in followed:
                missing.setdefault(str(Path(position.path).parent), set()).add(int(identity.split("-")[1], 16))
        for folder, inodes in missing.items():
            with contextlib.suppress(OSError):
                for entry in list(os.scandir(folder)):
                    wanted = entry.inode() in inodes and entry.is_file() and not entry.name.endswith(COMPRESSED)
                    if wanted and (entry.stat().st_dev, entry.inode()) not in self._files:
                        self._open(entry.path, now, known_only=True)

    def _open(self, path: str, now: float, *, known_only: bool = False) -> None:
        """Follow the file at `path`, from where its position says; with `known_only` not without one."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            self._trouble(path, error)
            return
        try:
            file = TailedFile(path, descriptor, now, self._limit)
            resumed = any(file.resume(identity, position) for identity, position in self._candidates(file))
        except OSError as error:
            os.close(descriptor)
            self._trouble(path, error)
            return
        self._troubled.discard(path)
        if file.key in self._files or (known_only and not resumed):
            file.close()
        else:
            self._files[file.key] = file

    def _candidates(self, file: TailedFile) -> list[tuple[str, TailPosition]]:
        """Return the known positions that may be this file's, the likeliest first.

        A device's number may change when the machine restarts; then inode and path must agree.
        """
        device, inode = (format(number, "x") for number in file.key)
        exact, moved = [], []
        for identity, position in self._positions.items():
            parts = identity.split("-")
            if parts[1] == inode and parts[0] == device:
                exact.append((identity, position))
            elif parts[1] == inode and position.path == printable(file.path):
                moved.append((identity, position))
        exact.sort(key=lambda known: known[1].offset, reverse=True)
        return exact + moved

    def _read(self, file: TailedFile, now: float) -> list[TailBlock]:
        try:
            at_its_path = self._stands(file)
            if file.descriptor < 0 and not self._reopen(file, at_its_path=at_its_path):
                return []
            blocks = file.read(now)
            if not at_its_path and not blocks and now - file.changed_at >= self._linger_s and file.is_read():
                blocks = file.finish()
                self._leave(file)
        except OSError as error:  # a share that went away: come back to it by its position
            self._trouble(file.path, error)
            self._leave(file)
            return []
        if file.identity and blocks:
            self._positions[file.identity] = file.position
        self.behind = self.behind or file.behind
        return blocks

    def _stands(self, file: TailedFile) -> bool:
        """Say whether the path still leads to this file."""
        try:
            status = Path(file.path).stat()
        except FileNotFoundError:
            return False
        return (status.st_dev, status.st_ino) == file.key

    def _reopen(self, file: TailedFile, *, at_its_path: bool) -> bool:
        """Open again a file that was closed for being idle, under its new name if it was renamed since."""
        path = file.path if at_its_path else self._renamed(file)
        if path is None:
            self._leave(file)
            return False
        if at_its_path and not file.looks_changed(Path(path).stat()):
            return False
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        status = os.fstat(descriptor)
        if (status.st_dev, status.st_ino) != file.key:
            os.close(descriptor)
            return False
        file.descriptor = descriptor
        return True

    def _renamed(self, file: TailedFile) -> str | None:
        for entry in list(os.scandir(Path(file.path).parent)):
            if entry.inode() == file.key[1] and not entry.name.endswith(COMPRESSED):
                return entry.path
        return None

    def _leave(self, file: TailedFile) -> None:
        """Stop following; if the file comes back, its position is known."""
        if file.identity:
            self._positions[file.identity] = file.position
        file.close()
        self._files.pop(file.key, None)

    def _close_idle(self) -> None:
        """Keep few descriptors: a folder may hold years of daily files."""
        opened = [file for file in self._files.values() if file.descriptor >= 0]
        excess = len(opened) - OPEN_FILES
        for file in sorted(opened, key=lambda file: file.changed_at)[: max(0, excess)]:
            with contextlib.suppress(OSError):
                if file.is_read():
                    file.close()

    def _trouble(self, path: str, error: OSError) -> None:
        """Count a fault; say it once for each path."""
        self.faults += 1
        if path not in self._troubled:
            self._troubled.add(path)
            _diagnostics.warning("file_tail.unreadable", path=printable(path), error=error.strerror or str(error))
