"""Where one message ends. Pure: bytes in, blocks of escaped lines out; no socket, no clock.

TCP carries syslog in two ways (RFC 6587): *octet counting* (`123 <134>…`, also the only framing of RFC 5425) and
*non-transparent framing*, where a trailer ends the message: LF nearly always, NUL on some firewalls. A connection's
first bytes tell which one it uses.

What leaves a framer is a list of `Framed`: lines in the archive's escaped form. Plain messages of one read stand in
one `Framed`; a record that needs marks (`;truncated=70211`, `;bad-frame`, `;cut`) stands in its own, because marks
belong to a block's origin. The order on the connection is kept, and any split of the stream into reads gives the same
records with the same marks.

Nothing is dropped, with one stated exception: of a message longer than the limit the first `limit` bytes are kept, and
the mark says how long it was. Separators (the LF, the NUL, the count) are not part of a record; everything else is,
a CR before the LF included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

from some.record import escape, escape_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGE_LIMIT: Final = 65_536
"""Bytes kept of one syslog message; RFC 5424 6.1 asks receivers for 2,048 at least."""

BLOCK_LINES: Final = 16_384
"""Records in one block: each gets a prefix of up to a kilobyte in the archive, and 1 MiB can be a million of them."""

_COUNT_DIGITS: Final = 7
_COUNTED: Final = re.compile(rb"[1-9][0-9]{0,6} <")
_COUNTED_SO_FAR: Final = re.compile(rb"([1-9][0-9]{0,6} ?)?")
_NUL_ENDED: Final = re.compile(rb"\x00(?=<[0-9])")
_FRAME_START: Final = re.compile(rb"(?<![0-9])[1-9][0-9]{0,6} <[0-9]{1,3}>")
_FRAME_START_BYTES: Final = _COUNT_DIGITS + len(" <191>")
_BETWEEN_FRAMES: Final = b"\n\r\x00"


class Framing(StrEnum):
    """How a listener finds the end of a message; AUTO asks each connection's first bytes."""

    AUTO = "auto"
    NEWLINE = "newline"
    OCTET = "octet"
    NUL = "nul"


@dataclass(frozen=True, slots=True)
class Framed:
    """`count` escaped lines, each ended by LF; `marks` is empty or `;key` / `;key=value`, as a block's origin ends.

    `lost_bytes` says how many bytes of the message(s) were over the limit and are not in `payload`.
    """

    payload: bytes
    count: int
    marks: str = ""
    lost_bytes: int = 0


class Framer(Protocol):
    """Cuts one byte stream. Feed it every read in order, then `end` it once."""

    @property
    def held_bytes(self) -> int:
        """Bytes kept of a message that has not ended yet; never more than the limit and one frame header."""
        ...

    def feed(self, chunk: bytes) -> list[Framed]:
        """Return what is complete after `chunk`."""
        ...

    def end(self) -> list[Framed]:
        """Return what is left when the stream ends: a message that had not ended carries the mark `;cut`."""
        ...


def framer(framing: Framing, limit: int = MESSAGE_LIMIT) -> Framer:
    """Return a new framer for one connection; `limit` is the longest message kept whole, in bytes."""
    match framing:
        case Framing.AUTO:
            return AutoFramer(limit)
        case Framing.OCTET:
            return OctetFramer(limit)
        case Framing.NEWLINE:
            return TrailerFramer(limit)
        case Framing.NUL:
            return TrailerFramer(limit, nul_ends=True)


def join_messages(messages: Sequence[bytes]) -> bytes:
    """Return `messages` (at least one) as escaped lines; an LF inside a message is escaped, so it stays one line."""
    lines = b"\n".join(messages) + b"\n"
    if lines.count(b"\n") == len(messages):
        return escape_lines(lines)
    return b"".join([escape(message) + b"\n" for message in messages])


def split_lines(lines: bytes, most: int = BLOCK_LINES) -> list[bytes]:
    """Return LF-ended `lines` in pieces of at most `most` lines; nearly always one piece."""
    if lines.count(b"\n") <= most:
        return [lines]
    half = lines.rfind(b"\n", 0, len(lines) // 2) + 1 or lines.index(b"\n") + 1
    return split_lines(lines[:half], most) + split_lines(lines[half:], most)


def _plain(lines: bytes) -> list[Framed]:
    return [Framed(escape_lines(piece), piece.count(b"\n")) for piece in split_lines(lines)]


def _odd(message: bytes | bytearray, marks: str, lost_bytes: int = 0) -> Framed:
    return Framed(escape(bytes(message)) + b"\n", 1, marks, lost_bytes)


def _over(kept: bytes | bytearray, length: int, marks: str = "") -> Framed:
    return _odd(kept, f";truncated={length}{marks}", length - len(kept))


class TrailerFramer:
    """Messages ended by LF; with `nul_ends`, by NUL or LF."""

    def __init__(self, limit: int = MESSAGE_LIMIT, *, nul_ends: bool = False) -> None:
        """Start at the beginning of a stream."""
        self._limit = limit
        self._nul_ends = nul_ends
        self._held = bytearray()
        self._beyond = 0  # bytes of the held message over the limit: seen, counted, not kept

    @property
    def held_bytes(self) -> int:
        """Bytes kept of a message that has not ended yet."""
        return len(self._held)

    def feed(self, chunk: bytes) -> list[Framed]:
        """Return what is complete after `chunk`: usually one `Framed` for all of it."""
        if self._nul_ends:
            chunk = chunk.replace(b"\x00", b"\n")
        found: list[Framed] = []
        start = 0
        if self._beyond:
            end = chunk.find(b"\n")
            if end < 0:
                self._beyond += len(chunk)
                return found
            found.append(_over(self._held, self._limit + self._beyond + end))
            self._held.clear()
            self._beyond = 0
            start = end + 1
        stop = chunk.rfind(b"\n", start) + 1
        if stop > start:
            lines = chunk[start:stop]
            if self._held:
                lines = bytes(self._held) + lines
                self._held.clear()
            self._cut(lines, found)
            start = stop
        if start < len(chunk):
            self._hold(chunk[start:])
        return found

    def end(self) -> list[Framed]:
        """Return the message that had not ended, marked `;cut`."""
        kept, beyond = bytes(self._held), self._beyond
        self._held.clear()
        self._beyond = 0
        if beyond:
            return [_over(kept, self._limit + beyond, ";cut")]
        return [_odd(kept, ";cut")] if kept else []

    def _hold(self, rest: bytes) -> None:
        self._held += rest
        if len(self._held) > self._limit:
            self._beyond = len(self._held) - self._limit
            del self._held[self._limit :]

    def _cut(self, lines: bytes, found: list[Framed]) -> None:
        """Add `lines` (whole, LF-ended); hops from LF to LF by `limit`, so it costs nothing for each message."""
        limit = self._limit
        begin = position = 0
        while len(lines) - position > limit + 1:
            last = lines.rfind(b"\n", position, position + limit + 1)
            if last >= 0:
                position = last + 1
                continue
            if position > begin:
                found += _plain(lines[begin:position])
            end = lines.index(b"\n", position)
            found.append(_over(lines[position : position + limit], end - position))
            begin = position = end + 1
        if begin < len(lines):
            found += _plain(lines[begin:] if begin else lines)


class OctetFramer:
    """Octet counting: `MSG-LEN SP MSG`, MSG-LEN of one to seven digits.

    An LF, CR or NUL between two frames is passed over: some senders add a trailer that they do not count. Anything
    else where a count belongs is kept as it came, in records marked `;bad-frame`, until an LF or something that looks
    like a frame with a priority; there counting starts again. Such a record is split at the limit, never truncated.
    """

    def __init__(self, limit: int = MESSAGE_LIMIT) -> None:
        """Start at the beginning of a stream."""
        self._limit = limit
        self._held = bytearray()  # a piece of a count, of a message, or of what is no frame
        self._length = 0  # of the message that is being received; 0: a count is expected
        self._seen = 0  # bytes of that message received so far
        self._lost = False  # inside something that is no frame
        self._searched = 0  # bytes of it that were looked through already
        self._doubtful = False  # after it: a count is believed only where a priority follows
        self._messages: list[bytes] = []
        self._garbage: list[bytes] = []
        self._found: list[Framed] = []

    @property
    def held_bytes(self) -> int:
        """Bytes kept of a message that has not ended yet."""
        return len(self._held)

    def feed(self, chunk: bytes) -> list[Framed]:
        """Return what is complete after `chunk`: usually one `Framed` for all of it."""
        position, size = 0, len(chunk)
        if self._held and not self._length:
            chunk = bytes(self._held) + chunk
            size = len(chunk)
            self._held.clear()
        while position < size:
            if self._length:
                position = self._receive(chunk, position)
            elif self._lost:
                position = self._find_frame(chunk, position)
            else:
                position = self._frames(chunk, position)
        return self._take()

    def end(self) -> list[Framed]:
        """Return the message that had not ended, marked `;cut`; what is no frame keeps its own mark too."""
        if self._length:
            beyond = self._seen > len(self._held)
            self._add(_over(self._held, self._seen, ";cut") if beyond else _odd(self._held, ";cut"))
        elif self._held:
            self._add(_odd(self._held, ";bad-frame;cut"))
        self._held.clear()
        self._length = self._seen = 0
        return self._take()

    def _frames(self, chunk: bytes, position: int) -> int:
        """Take the frames that begin at `position`; return where counting could not go on."""
        size, limit, messages = len(chunk), self._limit, self._messages
        while position < size:
            space = chunk.find(b" ", position, position + _COUNT_DIGITS + 1)
            digits = chunk[position:space] if space > 0 else b""
            if self._doubtful or not digits.isdigit() or digits[0] == ord("0"):
                if _COUNTED.match(chunk, position) is None:
                    return self._explain(chunk, position)
                self._doubtful = False
            length = int(digits)
            end = space + 1 + length
            if end > size or length > limit:
                self._length = length
                return space + 1
            if self._garbage:
                self._flush(self._garbage)
            messages.append(chunk[space + 1 : end])
            position = end
        return position

    def _explain(self, chunk: bytes, position: int) -> int:
        """At `position` stands no (whole) count: a trailer, a piece of a count, or no frame; return where to go on."""
        if chunk[position] in _BETWEEN_FRAMES:
            return position + 1
        rest = chunk[position : position + _COUNT_DIGITS + 2]
        if len(rest) <= _COUNT_DIGITS + 1 and _COUNTED_SO_FAR.fullmatch(rest):
            self._held += rest
            return len(chunk)
        self._lost = True
        return position

    def _receive(self, chunk: bytes, position: int) -> int:
        """Take the part of a message that stands at `position`; over the limit it is counted, not kept."""
        stop = min(len(chunk), position + self._length - self._seen)
        self._held += chunk[position : min(stop, position + self._limit - len(self._held))]
        self._seen += stop - position
        if self._seen == self._length:
            if self._length > self._limit:
                self._add(_over(self._held, self._length))
            else:
                self._flush(self._garbage)
                self._messages.append(bytes(self._held))
            self._held.clear()
            self._length = self._seen = 0
        return stop

    def _find_frame(self, chunk: bytes, position: int) -> int:
        """Keep what is no frame, up to an LF, the next frame or the limit; return where to go on."""
        edge = position + self._limit
        unseen = position + self._searched
        line_end = chunk.find(b"\n", unseen, edge + 1)
        window = line_end if line_end >= 0 else min(len(chunk), edge + _FRAME_START_BYTES)
        start = _FRAME_START.search(chunk, max(position, unseen - _FRAME_START_BYTES), window)
        self._lost = False
        if start is not None and start.start() <= edge:
            stop = after = start.start()
        elif line_end >= 0:
            stop, after = line_end, line_end + 1
        elif len(chunk) >= edge + _FRAME_START_BYTES:
            stop = after = edge
            self._lost = True
        else:
            self._lost = True
            self._held += chunk[position:]
            self._searched = len(self._held)
            return len(chunk)
        self._doubtful = True
        self._searched = 0
        if stop > position:
            self._flush(self._messages)
            self._garbage.append(chunk[position:stop])
        return after

    def _add(self, odd: Framed) -> None:
        """Put `odd` behind what is complete."""
        self._flush(self._messages)
        self._flush(self._garbage)
        self._found.append(odd)

    def _flush(self, pieces: list[bytes]) -> None:
        """Make one `Framed` of `pieces`, which came one after the other."""
        marks = ";bad-frame" if pieces is self._garbage else ""
        for begin in range(0, len(pieces), BLOCK_LINES):
            some = pieces[begin : begin + BLOCK_LINES]
            self._found.append(Framed(join_messages(some), len(some), marks))
        pieces.clear()

    def _take(self) -> list[Framed]:
        self._flush(self._messages)
        self._flush(self._garbage)
        found, self._found = self._found, []
        return found


class AutoFramer:
    """Lets the first bytes decide: `[1-9][0-9]{0,6} <` is octet counting, else a trailer ends each message.

    The trailer is LF, unless a NUL directly before a new priority, or (no LF within the limit) any NUL, says otherwise:
    a NUL inside an LF-ended message is content and stays.
    """

    def __init__(self, limit: int = MESSAGE_LIMIT) -> None:
        """Start undecided."""
        self._limit = limit
        self._head = bytearray()
        self._chosen: Framer | None = None

    @property
    def held_bytes(self) -> int:
        """Bytes kept of a message that has not ended yet."""
        return len(self._head) if self._chosen is None else self._chosen.held_bytes

    def feed(self, chunk: bytes) -> list[Framed]:
        """Return what is complete after `chunk`; nothing while the framing is not clear."""
        if self._chosen is not None:
            return self._chosen.feed(chunk)
        self._head += chunk
        framing = decide(bytes(self._head[: self._limit + 1]), self._limit)
        return [] if framing is None else self._choose(framing)

    def end(self) -> list[Framed]:
        """Return what is left when the stream ends."""
        found: list[Framed] = []
        if self._chosen is None:
            found = self._choose(Framing.NUL if self._head.endswith(b"\x00") else Framing.NEWLINE)
        return found if self._chosen is None else found + self._chosen.end()

    def _choose(self, framing: Framing) -> list[Framed]:
        self._chosen = framer(framing, self._limit)
        head = bytes(self._head)
        self._head.clear()
        return self._chosen.feed(head)


def decide(head: bytes, limit: int) -> Framing | None:
    """Return the framing that a connection's first bytes show, or None while more are needed.

    `head` is at most `limit + 1` bytes; a longer one could be judged differently after other reads.
    """
    if _COUNTED.match(head):
        return Framing.OCTET
    if _COUNTED_SO_FAR.fullmatch(head):
        return None
    line_end = head.find(b"\n")
    line = head if line_end < 0 else head[:line_end]
    if b"\x00" in line and _NUL_ENDED.search(line):
        return Framing.NUL
    if line_end >= 0:
        return Framing.NEWLINE
    if len(head) > limit:
        return Framing.NUL if b"\x00" in head else Framing.NEWLINE
    return None
