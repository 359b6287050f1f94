"""One file behind `file_tail`: which file it is, how far it was read, what its origin says.

Plain blocking code for one thread; it knows no event loop and no archive. A block that leaves here says in its origin
which bytes of which file it holds, `file:<path>;id=<identity>;from=<a>;to=<b>;end=<digest>`: the position is durable
with the records themselves, so that a restart, also after a kill, takes each line exactly once.

*Identity* is `<device>-<inode>-<n>-<digest of the first n bytes>`, with n fixed when the first line is handed over
(256, or less for a short file), so that a file keeps its identity while it grows. Because a new file may reuse an
inode, and files of one program begin alike (the headers of Windows DHCP logs), `end` holds the digest of the last 64
bytes before `to`: only a file that still has those bytes there is the same file.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ingest.framing import split_lines
from some.diagnostics import named
from some.record import escape, escape_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

READ_BYTES: Final = 1024 * 1024
FINGERPRINT_BYTES: Final = 256
END_BYTES: Final = 64

_PATH_CHARACTERS: Final = 300
_ORIGIN: Final = re.compile(
    r"file:(?P<path>.*);id=(?P<id>[0-9a-f]+-[0-9a-f]+-[0-9]+-[0-9a-f]{16});from=(?P<from>[0-9]+);to=(?P<to>[0-9]+)"
    r"(?:;end=(?P<end>[0-9a-f]{16}))?(?:;[a-z-]+(?:=[0-9]+)?)*",
    re.DOTALL,
)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f]")

_diagnostics = named("ingest.file_tail")


@dataclass(frozen=True, slots=True)
class TailPosition:
    """How far a file was retained: `offset` bytes; `end` is the digest of the last bytes before it ("" if unknown)."""

    path: str
    offset: int
    end: str = ""


@dataclass(frozen=True, slots=True)
class TailBlock:
    """Lines of one file, escaped; `marks` repeats the marks that `origin` ends with."""

    path: str
    origin: str
    payload: bytes
    count: int
    marks: str = ""
    lost_bytes: int = 0


def tail_positions(origins: Iterable[str]) -> dict[str, TailPosition]:
    """Return where to go on in each file, from the origins of its blocks in the order in which the archive has them.

    Origins of other collectors are passed over. A block that starts behind the known position (one before it is
    missing) moves nothing: its lines would come twice rather than the missing ones never.
    """
    positions: dict[str, TailPosition] = {}
    for origin in origins:
        match = _ORIGIN.fullmatch(origin) if origin.startswith("file:") else None
        if match is None:
            continue
        begin, end = int(match["from"]), int(match["to"])
        known = positions.get(match["id"])
        if known is None or begin == 0 or begin <= known.offset < end:
            positions[match["id"]] = TailPosition(match["path"], end, match["end"] or "")
    return positions


def digest_of(content: bytes) -> str:
    """Return the short digest used in identities (it tells files apart; it proves nothing)."""
    return hashlib.blake2b(content, digest_size=8).hexdigest()


def printable(path: str) -> str:
    """Return `path` as it may stand in an origin: no control characters, valid text, not too long."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    text = _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
    return text if len(text) <= _PATH_CHARACTERS else "..." + text[-_PATH_CHARACTERS + 3 :]


class TailedFile:
    """One file that is being followed. Methods that touch the disk raise OSError."""

    def __init__(self, path: str, descriptor: int, now: float, limit: int) -> None:
        """Take over `descriptor` (open for reading); lines over `limit` bytes are truncated."""
        status = os.fstat(descriptor)
        self.path = path
        self.descriptor = descriptor
        self.key = (status.st_dev, status.st_ino)
        self.identity = ""  # none before the first block
        self.offset = 0  # handed over up to here
        self.changed_at = now
        self._limit = limit
        self._rest = bytearray()  # read behind `offset`: a line that has not ended
        self._beyond = 0  # bytes of that line over the limit: seen, not kept
        self._last = b""  # the last bytes before what is to be read next
        self._end = ""  # digest of the last bytes before `offset`
        self._seen = (-1, -1)  # size and time of change at the last look

    @property
    def read_at(self) -> int:
        """Where the next read begins."""
        return self.offset + len(self._rest) + self._beyond

    @property
    def position(self) -> TailPosition:
        """What a restart would need."""
        return TailPosition(printable(self.path), self.offset, self._end)

    def resume(self, identity: str, position: TailPosition) -> bool:
        """Go on at `position` if this still is that file; says whether it is."""
        length = min(END_BYTES, position.offset)
        last = os.pread(self.descriptor, length, position.offset - length)
        if len(last) < length or (position.end and digest_of(last) != position.end):
            return False
        if not self._begins_as(identity):
            return False
        self.identity, self.offset, self._last, self._end = identity, position.offset, last, position.end
        return True

    def read(self, now: float) -> list[TailBlock]:
        """Return the whole lines of the next piece of the file, READ_BYTES at most."""
        status = os.fstat(self.descriptor)
        seen = (status.st_size, status.st_mtime_ns)
        if seen == self._seen and status.st_size == self.read_at:
            return []
        if seen != self._seen:
            self.changed_at = now
        self._seen = seen
        if status.st_size < self.read_at:
            return self._start_over("shrunk") + self.read(now)
        back = len(self._last)
        content = os.pread(self.descriptor, back + min(READ_BYTES, self._limit), self.read_at - back)
        same_size = status.st_size == self.read_at and self.identity != ""
        if content[:back] != self._last or (same_size and not self._begins_as(self.identity)):
            return self._start_over("replaced") + self.read(now)
        return self._take(content[back:])

    def looks_changed(self, status: os.stat_result) -> bool:
        """Say whether `status` differs from what the last read saw."""
        return (status.st_size, status.st_mtime_ns) != self._seen

    @property
    def behind(self) -> bool:
        """True where the last look saw more than was read."""
        return self._seen[0] > self.read_at

    def is_read(self) -> bool:
        """Say whether nothing stands behind what was read."""
        return os.fstat(self.descriptor).st_size <= self.read_at

    def finish(self) -> list[TailBlock]:
        """Return the line that will never end, marked `;cut`."""
        if not self._rest:
            return []
        size = len(self._rest) + self._beyond
        kept, lost = bytes(self._rest), self._beyond
        self._forget_rest()
        self._name_after(kept)
        marks = f";truncated={size};cut" if lost else ";cut"
        return [self._block(escape(kept) + b"\n", size, self._last, marks=marks, lost_bytes=lost)]

    def close(self) -> None:
        """Let go of the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _begins_as(self, identity: str) -> bool:
        _, _, size, digest = identity.split("-")
        first = os.pread(self.descriptor, int(size), 0)
        return len(first) == int(size) and digest_of(first) == digest

    def _start_over(self, why: str) -> list[TailBlock]:
        """Begin again, as with a new file: the content was replaced in place (copytruncate, weekday file)."""
        _diagnostics.info("file_tail.started_over", why=why, offset=self.offset)
        rest = self.finish()
        self.identity, self.offset, self._last, self._end = "", 0, b"", ""
        self._seen = (-1, -1)
        return rest

    def _take(self, content: bytes) -> list[TailBlock]:
        """Cut `content`, which follows what was read before, at its last LF; keep what comes after it."""
        blocks: list[TailBlock] = []
        start, stop = 0, content.rfind(b"\n") + 1
        if stop:
            first = content.index(b"\n")
            length = len(self._rest) + self._beyond + first
            if length > self._limit:
                start = first + 1
                kept = (bytes(self._rest) + content[:first])[: self._limit]
                self._forget_rest()
                self._name_after(kept)
                last, marks = self._before(content, start), f";truncated={length}"
                lost = length - len(kept)
                blocks.append(self._block(escape(kept) + b"\n", length + 1, last, marks=marks, lost_bytes=lost))
            lines = bytes(self._rest) + content[start:stop]
            self._forget_rest()
            if lines:
                self._name_after(lines)
                blocks += self._plain(lines, content, stop)
        self._rest += content[stop:]
        if len(self._rest) > self._limit:
            self._beyond += len(self._rest) - self._limit
            del self._rest[self._limit :]
        self._last = self._before(content, len(content))
        return blocks

    def _plain(self, lines: bytes, content: bytes, stop: int) -> list[TailBlock]:
        """Return blocks of `lines`, which end at `content[stop]`."""
        blocks = []
        behind = len(lines)
        for piece in split_lines(lines):
            behind -= len(piece)
            blocks.append(self._block(escape_lines(piece), len(piece), self._before(content, stop - behind)))
        return blocks

    def _forget_rest(self) -> None:
        self._rest.clear()
        self._beyond = 0

    def _before(self, content: bytes, stop: int) -> bytes:
        """Return the last bytes of the file before `content[stop]`."""
        near = content[max(0, stop - END_BYTES) : stop]
        return near if len(near) == END_BYTES else (self._last + near)[-END_BYTES:]

    def _name_after(self, first: bytes) -> None:
        """Give the file its identity, if it has none, from the bytes that are handed over first."""
        if not self.identity:
            head = first[:FINGERPRINT_BYTES]
            self.identity = f"{self.key[0]:x}-{self.key[1]:x}-{len(head)}-{digest_of(head)}"

    def _block(self, payload: bytes, size: int, last: bytes, *, marks: str = "", lost_bytes: int = 0) -> TailBlock:
        """Return the block of the next `size` bytes of the file, of which `last` are the last."""
        begin, self.offset, self._end = self.offset, self.offset + size, digest_of(last)
        place = f"file:{printable(self.path)};id={self.identity};from={begin};to={self.offset};end={self._end}"
        return TailBlock(self.path, place + marks, payload, payload.count(b"\n"), marks, lost_bytes)
