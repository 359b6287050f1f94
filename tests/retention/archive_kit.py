"""An archive in a temporary folder, disks that misbehave, and what every test asks at its end."""

from __future__ import annotations

import contextlib
import errno
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from retention.archive import Archive
from retention.layout import Ledger
from retention.options import ArchiveOptions
from retention.reading import ArchiveReader
from some.clock import SimulatedClock, SystemClock
from some.durable import Disk
from some.record import Appended, Cursor, RecordBlock, RecordClass, RecordRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

NAME = "dugum1"
TIME = datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC)
SMALL = ArchiveOptions(reserve_bytes=1024 * 1024, retry_s=0.01, inline_bytes=None)
PATIENT_S = 30


class Killed(BaseException):
    """The process dies here: nothing after this line happens."""


class FaultyDisk(Disk):
    """Fails at one step: `failed` before it, `persisted` after it, `killed` and `killed_after` as a dying process."""

    def __init__(self) -> None:
        self.method, self.match, self.mode, self.left = "", "", "", 0
        self.dead = False
        self.hits = 0

    def plan(self, method: str, match: str, mode: str, *, skip: int = 0) -> None:
        self.method, self.match, self.mode, self.left = method, match, mode, skip

    def _around(self, method: str, name: str, step: Callable[[], object]) -> object:
        if self.dead:
            raise Killed
        if method != self.method or self.match not in name or not self.mode:
            return step()
        if self.left:
            self.left -= 1
            return step()
        self.hits += 1
        mode, self.mode = self.mode, ""
        if mode in {"persisted", "killed_after"}:
            step()
        if mode.startswith("killed"):
            self.dead = True
            raise Killed
        raise OSError(errno.EIO, "planned", name)

    def write_new(self, path, content, mode=0o640):
        self._around("write_new", path.name, lambda: super(FaultyDisk, self).write_new(path, content, mode))

    def replace(self, path, content, mode=0o640):
        self._around("replace", path.name, lambda: super(FaultyDisk, self).replace(path, content, mode))

    def remove(self, path):
        self._around("remove", path.name, lambda: super(FaultyDisk, self).remove(path))

    def rename(self, old, new):
        self._around("rename", new.name, lambda: super(FaultyDisk, self).rename(old, new))

    def open_append(self, path, mode=0o640):
        return self._around("open_append", path.name, lambda: super(FaultyDisk, self).open_append(path, mode))

    def append(self, descriptor, content):
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        self._around("append", name, lambda: super(FaultyDisk, self).append(descriptor, content))

    def sync(self, descriptor):
        self._around("sync", "", lambda: super(FaultyDisk, self).sync(descriptor))

    def write_staged(self, path, mode, fill):
        self._around("write_staged", path.name, lambda: super(FaultyDisk, self).write_staged(path, mode, fill))

    def publish(self, descriptor, content):
        self._around("publish", "", lambda: super(FaultyDisk, self).publish(descriptor, content))

    def truncate(self, path, size):
        self._around("truncate", path.name, lambda: super(FaultyDisk, self).truncate(path, size))


class FullDisk(Disk):
    """A disk with `room` bytes left for appends and new files; the reserve's allocation takes and gives room.

    While it is `taken`, somebody else takes at once whatever the archive gives back.
    """

    def __init__(self, room: int) -> None:
        self._room, self.taken = room, False
        self.allocated: dict[Path, int] = {}
        self.truncations = 0

    @property
    def room(self) -> int:
        return 0 if self.taken else self._room

    @room.setter
    def room(self, room: int) -> None:
        self._room = room

    def append(self, descriptor, content):
        if len(content) > self.room:
            part = content[: self.room]
            self.room = 0
            super().append(descriptor, part)  # a disk takes what fits before it says no
            raise OSError(errno.ENOSPC, "full")
        self.room -= len(content)
        super().append(descriptor, content)

    def allocate(self, path, size):
        wanted = size - self.allocated.get(path, 0)
        if wanted > self.room:
            raise OSError(errno.ENOSPC, "full")
        self.room -= wanted
        self.allocated[path] = size
        super().allocate(path, size)

    def free(self, folder):
        return self.room

    def truncate(self, path, size):
        self.truncations += 1
        self.room += path.stat().st_size - size
        super().truncate(path, size)


def block(*messages: str, name: str = "access", origin: str = "udp:192.0.2.7:514", at: datetime = TIME) -> RecordBlock:
    payload = "".join(f"{message}\n" for message in messages).encode()
    return RecordBlock(at, "gw-merkez", origin, RecordClass(name), payload, len(messages))


@dataclass
class Site:
    """One data directory, and what was acknowledged in it."""

    root: Path
    clock: SystemClock | SimulatedClock = field(default_factory=SystemClock)
    disk: Disk = field(default_factory=Disk)
    options: ArchiveOptions = SMALL
    acknowledged: dict[RecordRef, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.root / "archive" / NAME, NAME)

    @property
    def places(self) -> tuple[Path, Path, str, Path]:
        return self.root / "archive", self.root / "run", NAME, self.root / "keys"

    def open(self, **changes) -> Archive:
        wanted = {"clock": self.clock, "disk": self.disk, "options": self.options, **changes}
        return Archive.open(*self.places, **wanted)

    def reader(self) -> ArchiveReader:
        return ArchiveReader(self.root / "archive", self.root / "run", NAME)

    def append(self, archive, *messages: str, name: str = "access") -> Appended:
        """Append and remember; a failure leaves the messages among the unknown ones and is raised."""
        self.unknown += messages
        appended = archive.submit(block(*messages, name=name)).result(PATIENT_S)
        self.remember(appended, messages)
        return appended

    def remember(self, appended: Appended, messages: Iterable[str]) -> None:
        messages = list(messages)
        assert appended.records == len(messages)
        for index, message in enumerate(messages):
            ref = RecordRef(NAME, appended.first.segment, appended.first.position + index)
            assert ref not in self.acknowledged
            self.acknowledged[ref] = message
            with contextlib.suppress(ValueError):
                self.unknown.remove(message)

    def must_hold(self) -> list[str]:
        """Everything acknowledged can be read where it was said to be; returns all messages, in order."""
        with self.reader() as reader:
            found = reader.get_many(self.acknowledged)
            assert {ref: record.raw.decode() for ref, record in found.items()} == self.acknowledged
            messages = []
            for run in reader.follow(Cursor(), max_bytes=1000):
                lines = run.lines.split(b"\n")[:-1]
                assert len(lines) == run.count
                for index, line in enumerate(lines):
                    message = line.split(b"\t", 3)[3].decode()
                    ref = RecordRef(NAME, run.segment, run.first + index)
                    assert self.acknowledged.get(ref, message) == message
                    assert ref in self.acknowledged or message in self.unknown
                    messages.append(message)
        assert len(messages) >= len(self.acknowledged)
        assert len(set(messages)) == len(messages)
        return messages


def abandon(archive: Archive) -> None:
    """Let the process of `archive` be dead: what it holds is released, nothing more reaches the disk."""
    archive._disk.dead = True
    archive.close()


def done(future: Future) -> object:
    return future.result(PATIENT_S)
