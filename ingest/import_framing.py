"""Where one record of an imported file ends. Pure: chunks of bytes in, records out, byte for byte as they stand.

`lines`   a line is a record; its LF is not part of it
`detail`  FreeRADIUS detail: a date line and indented lines, up to a blank line or the next line that is not indented
`xml`     `<Event …>…</Event>` each, one after the other or inside `<Events>…</Events>` (wevtutil, Event Viewer)
`json`    objects: one a line, one after the other however they are indented, or the elements of an array

What stands between records must be white space (or the brackets and commas of an array, the wrapper's tags): anything
else is BadInput with its offset, because nothing may be lost silently. A last record that the file breaks off in is
a record. With `received` a record begins with its receive time (RFC 3339) and a tab, which stay part of it.
Memory: one record, 16 MiB at most, and one chunk.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from some.errors import BadInput
from some.record import MAX_RECORD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FRAMINGS: Final = ("lines", "detail", "xml", "json")

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK = b"\xef\xbb\xbf"
_LINE_SPACE = b"\r\n"
_AHEAD = 8192  # more than any pattern of what may stand between records matches at once
_SPACE = re.compile(rb"[ \t\r\n]++")
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.,+:\-Zz]{0,20}\t")
_BETWEEN_EVENTS = re.compile(
    rb"[ \t\r\n]++|<\?[^<>]{0,1024}\?>|</?Events(?:\s[^<>]{0,1024})?>|<!--(?:(?!-->).){0,4096}-->", re.DOTALL
)
_EVENT_BEGINS = re.compile(rb"<Event(?=[\s/>])")
_EVENT_MARKS = re.compile(rb"<!\[CDATA\[|<!--|<Event(?=[\s/>])[^<>]*>|</Event\s*>")
_CLOSES = {b"<![CDATA[": b"]]>", b"<!--": b"-->"}
_JSON_RUN = re.compile(rb"(?:[^\"{}\[\]]++|\"(?:[^\"\\\n]++|\\.)*+\")*+", re.DOTALL)
_JSON_STRING = re.compile(rb"\"(?:[^\"\\\n]++|\\.)*+", re.DOTALL)
_SHOWN = 40


def cut(name: str, chunks: Iterable[bytes], *, received: bool = False) -> Iterator[bytes]:
    """Yield the records of a file that comes in `chunks`; `name` is one of FRAMINGS.

    Raises BadInput for another name, for text that belongs to no record, and for a record above 16 MiB; what was
    yielded before stays right.
    """
    if name not in FRAMINGS:
        raise BadInput(f"no such framing: {name!r} (expected one of {', '.join(FRAMINGS)})")
    reading = _Reading(chunks, received=received)
    return {"lines": _lines, "detail": _detail, "xml": _xml, "json": _json}[name](reading)


class _Reading:
    """What has been read and not yet cut: `held[at:]`. Lengths are counted from `at`, which `more` moves."""

    def __init__(self, chunks: Iterable[bytes], *, received: bool) -> None:
        self.held = b""
        self.at = 0
        self._offset = 0  # of held in the file
        self._received = received
        self._chunks = iter(chunks)

    @property
    def length(self) -> int:
        """Return how many bytes are held and not yet cut."""
        return len(self.held) - self.at

    def more(self) -> bool:
        """Read a chunk; False at the end of the file."""
        if self.length > MAX_RECORD_BYTES:
            self._too_long()
        chunk = next((one for one in self._chunks if one), b"")
        self._offset += self.at
        self.held = self.held[self.at :] + chunk
        self.at = 0
        return bool(chunk)

    def ahead(self, length: int = _AHEAD) -> None:
        """Read until `length` bytes are held, or the file ends."""
        while self.length < length and self.more():
            pass

    def begin(self) -> None:
        """Skip the mark that says UTF-8; refuse what is UTF-16."""
        self.ahead(len(_UTF8_MARK))
        if self.held.startswith(_UTF16):
            raise BadInput("byte 0: UTF-16 (expected UTF-8; convert with: iconv -f UTF-16 -t UTF-8)")
        if self.held.startswith(_UTF8_MARK):
            self.at = len(_UTF8_MARK)

    def skip(self, between: re.Pattern[bytes]) -> bool:
        """Go on to the next record; False at the end of the file."""
        while True:
            self.ahead()
            found = between.match(self.held, self.at)
            if found is None:
                return self.length > 0
            self.at = found.end()

    def line(self, begin: int) -> bytes:
        """Return the line that begins `begin` bytes on, with its LF; nothing at the end of the file."""
        looked = begin
        while (end := self.held.find(b"\n", self.at + looked)) < 0:
            looked = self.length
            if not self.more():
                return self.held[self.at + begin :]
        return self.held[self.at + begin : end + 1]

    def stamp(self) -> int:
        """Return how long the receive time is that the record begins with; 0 where there is none."""
        found = _STAMP.match(self.held, self.at) if self._received else None
        return 0 if found is None else found.end() - self.at

    def take(self, length: int | None) -> bytes:
        """Return the record of `length` bytes; None: the file has broken off in it."""
        if length is None:
            length = self.length
        if length > MAX_RECORD_BYTES:
            self._too_long()
        record = self.held[self.at : self.at + length]
        self.at += length
        return record

    def fault(self, expected: str, at: int = 0) -> BadInput:
        """Return what is wrong with the text `at` bytes on."""
        found = self.held[self.at + at : self.at + at + _SHOWN]
        return BadInput(f"byte {self._offset + self.at + at}: expected {expected}, found {found!r}")

    def _too_long(self) -> None:
        begins = self._offset + self.at
        raise BadInput(f"byte {begins}: the record that begins here is longer than {MAX_RECORD_BYTES} bytes")


def _lines(reading: _Reading) -> Iterator[bytes]:
    while line := reading.line(0):
        yield reading.take(len(line)).removesuffix(b"\n")


def _detail(reading: _Reading) -> Iterator[bytes]:
    """Blank lines part records; so does a line that is not indented after one that is, where a blank one is missing."""
    reading.begin()
    length, indented = 0, False
    while True:
        line = reading.line(length)
        blank, inner = not line.strip(), line[:1] in (b" ", b"\t")
        if length and (blank or (indented and not inner)):
            yield reading.take(length).rstrip(_LINE_SPACE)
            length, indented = 0, False
        if not line:
            return
        if blank:
            reading.take(len(line))
        else:
            length, indented = length + len(line), indented or inner


def _xml(reading: _Reading) -> Iterator[bytes]:
    reading.begin()
    while reading.skip(_BETWEEN_EVENTS):
        stamp = reading.stamp()
        if _EVENT_BEGINS.match(reading.held, reading.at + stamp) is None:
            raise reading.fault("<Event …>", stamp)
        yield reading.take(_event_length(reading, stamp))


def _event_length(reading: _Reading, looked: int) -> int | None:
    """Return the length of the event that begins `looked` bytes on, with what stands before it."""
    depth = 0
    while True:
        found = _EVENT_MARKS.search(reading.held, reading.at + looked)
        if found is None:
            begun = reading.held.rfind(b"<", reading.at + looked)
            looked = reading.length if begun < 0 else begun - reading.at
        elif found[0] in _CLOSES:
            closed = reading.held.find(_CLOSES[found[0]], found.end())
            looked = (found.start() if closed < 0 else closed) - reading.at
            found = None if closed < 0 else found
        else:
            looked = found.end() - reading.at
            depth += 0 if found[0].endswith(b"/>") else -1 if found[0].startswith(b"</") else 1
            if depth <= 0:
                return looked
        if found is None and not reading.more():
            return None


def _json(reading: _Reading) -> Iterator[bytes]:
    reading.begin()
    listed = False
    while reading.skip(_SPACE):
        sign = reading.held[reading.at : reading.at + 1]
        if (sign == b"[" and not listed) or (sign in {b",", b"]"} and listed):
            listed = sign != b"]"
            reading.take(1)
            continue
        stamp = reading.stamp()
        if not reading.held.startswith(b"{", reading.at + stamp):
            raise reading.fault("{", stamp)
        yield reading.take(_object_length(reading, stamp))


def _object_length(reading: _Reading, looked: int) -> int | None:
    """Return the length of the object that begins `looked` bytes on, with what stands before it."""
    depth = 0
    while True:
        run = _JSON_RUN.match(reading.held, reading.at + looked)
        looked = run.end() - reading.at if run else looked
        sign = reading.held[reading.at + looked : reading.at + looked + 1]
        if sign in {b"", b'"'}:  # the chunk ends here, or in this string
            string = _JSON_STRING.match(reading.held, reading.at + looked)
            if string is not None and string.end() < len(reading.held) - 1:
                raise reading.fault("the end of a string before the end of its line", looked)
            if not reading.more():
                return None
            continue
        depth += 1 if sign in {b"{", b"["} else -1
        looked += 1
        if not depth:
            return looked
