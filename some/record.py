"""Records and the two protocols by which the neighbours of floor 2 meet.

A *record* is one message as received. Collectors hand over *blocks*: records that arrived together and share reception
time, source, origin and class. A block's payload is already in the archive's escaped form, one line per record, so that
the hot path never makes one Python object per record.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NewType, Protocol

from some.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from concurrent.futures import Future
    from datetime import datetime

RecordClass = NewType("RecordClass", str)

MAX_RECORD_BYTES = 16 * 1024 * 1024
"""A record may be 16 MiB; the smaller limit of syslog belongs to its framing."""

_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,512}")
_CLASS = re.compile(r"[a-z][a-z0-9_]{0,31}")
_REFERENCE = re.compile(r"([a-z0-9][a-z0-9-]{0,62})/([0-9]{6,18})/([0-9]{6,18})")
_ESCAPE = re.compile(rb"\\([\\nr0])")
_PLAIN = {b"\\": b"\\", b"n": b"\n", b"r": b"\r", b"0": b"\x00"}


@dataclass(frozen=True, slots=True, order=True)
class RecordRef:
    """Where a record stands for ever: `dugum1/033637/018273` = ledger, segment, ordinal in the segment (from 0)."""

    ledger: str
    segment: int
    position: int

    def __str__(self) -> str:
        """Return the one printable form that every verb accepts."""
        return f"{self.ledger}/{self.segment:06d}/{self.position:06d}"

    @classmethod
    def parse(cls, text: str) -> RecordRef:
        """Return the reference that `text` spells; raises BadInput."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            msg = f"not a record reference: {text[:80]!r} (expected ledger/segment/position, e.g. dugum1/033637/018273)"
            raise BadInput(msg)
        return cls(match[1], int(match[2]), int(match[3]))


@dataclass(frozen=True, slots=True)
class RecordBlock:
    """Records that arrived together.

    `payload` holds `count` escaped lines, each ended by LF (see `escape`). `origin` says how they came, e.g.
    `udp:192.0.2.7:51234`, `tcp:192.0.2.7:51234`, `file:/var/log/x;id=…;from=0;to=812`, `import:<name>`, `gap:…`;
    marks follow as `;key=value` (`;truncated=70211`, `;cut`). Neither source nor origin may hold control characters.
    """

    received_at: datetime
    source: str
    origin: str
    record_class: RecordClass
    payload: bytes
    count: int

    def __post_init__(self) -> None:
        """Refuse what would break the line format; costs one look per block, not per record."""
        if _NAME.fullmatch(self.source) is None or _NAME.fullmatch(self.origin) is None:
            msg = f"source and origin are 1 to 512 printable characters: {self.source[:80]!r}, {self.origin[:80]!r}"
            raise ValueError(msg)
        if _CLASS.fullmatch(self.record_class) is None:
            msg = f"not a record class: {self.record_class!r}"
            raise ValueError(msg)
        if self.received_at.tzinfo is None:
            msg = "received_at is an aware time"
            raise ValueError(msg)
        if self.count < 1 or not self.payload.endswith(b"\n"):
            msg = "a block has at least one line, and each line ends with LF"
            raise ValueError(msg)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """One record read back from the archive; `raw` is what was received, byte for byte."""

    ref: RecordRef
    received_at: datetime
    source: str
    origin: str
    record_class: RecordClass
    raw: bytes


@dataclass(frozen=True, slots=True)
class Appended:
    """The archive's answer: these records are durable, and this is where they stand."""

    first: RecordRef
    last: RecordRef

    @property
    def records(self) -> int:
        """How many records the answer covers."""
        return self.last.position - self.first.position + 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a follower has read: order is total only inside a segment, so a cursor is a map.

    All segments below `done_below` are read to their end; `positions` gives the next position to read in the others.
    """

    done_below: int = 0
    positions: Mapping[int, int] = field(default_factory=dict)

    def next_in(self, segment: int) -> int:
        """Return the next position to read in `segment` (0 for one never seen)."""
        return self.positions.get(segment, 0)


@dataclass(frozen=True, slots=True)
class RecordRun:
    """Consecutive records of one segment, as their segment lines (retention/SPEC.md), each ended by LF."""

    ledger: str
    segment: int
    first: int
    count: int
    record_class: RecordClass
    lines: bytes


class Sink(Protocol):
    """Where records go: the archive, or the archive process behind its socket."""

    def submit(self, block: RecordBlock) -> Future[Appended]:
        """Hand over `block`; the future is done when every record of it is durable.

        The future fails with Unavailable (nothing retained, try again) or UnknownState. Blocks of one caller become
        durable in the order in which they were submitted. Never blocks for the disk.
        """
        ...


class RecordReader(Protocol):
    """Reads the archive; never locks it, and never sees a record that is not durable."""

    @property
    def ledger(self) -> str:
        """The ledger's name."""
        ...

    def get(self, ref: RecordRef) -> StoredRecord:
        """Return one record; raises NotFound, or IntegrityError where the segment is damaged."""
        ...

    def get_many(self, refs: Iterable[RecordRef]) -> dict[RecordRef, StoredRecord]:
        """Return those of `refs` that can be read, reading each frame once; what is damaged is left out."""
        ...

    def follow(self, cursor: Cursor, *, max_bytes: int, classes: frozenset[str] | None = None) -> Iterator[RecordRun]:
        """Yield what is durable after `cursor`, lowest segment first, in runs of at most about `max_bytes`.

        With `classes`, segments of other classes are not opened.
        """
        ...

    def settled(self) -> int:
        """Return the number below which every segment is closed for good (what `Cursor.done_below` may become)."""
        ...


def escape(raw: bytes) -> bytes:
    r"""Return `raw` without LF, CR and NUL, reversibly: they become \n, \r, \0, and a backslash becomes two."""
    if b"\\" in raw:
        raw = raw.replace(b"\\", b"\\\\")
    if b"\n" in raw:
        raw = raw.replace(b"\n", b"\\n")
    if b"\r" in raw:
        raw = raw.replace(b"\r", b"\\r")
    if b"\x00" in raw:
        raw = raw.replace(b"\x00", b"\\0")
    return raw


def escape_lines(lines: bytes) -> bytes:
    """Escape a whole block of LF-ended messages at once: like `escape`, but LF stays what ends a line."""
    if b"\\" in lines:
        lines = lines.replace(b"\\", b"\\\\")
    if b"\r" in lines:
        lines = lines.replace(b"\r", b"\\r")
    if b"\x00" in lines:
        lines = lines.replace(b"\x00", b"\\0")
    return lines


def unescape(line: bytes) -> bytes:
    """Return the bytes that `escape` was given."""
    if b"\\" not in line:
        return line
    return _ESCAPE.sub(lambda match: _PLAIN[match[1]], line)
