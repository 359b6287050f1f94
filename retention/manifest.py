"""The manifest of one seal: text that a person reads and that `sha256sum -c` accepts (SPEC.md, Manifest). Pure.

Example::

    # some-manifest v1
    # ledger dugum1
    # seal 2
    # opened 2026-11-23T10:00:01.000213Z
    # closed 2026-11-23T11:00:01.000198Z
    # interval 3600
    # records 1000
    # segment 000002 access records 1000 bytes 238112 first 2026-… last 2026-… tree rfc6962-sha256-salt16 49c5…f007
    # note dropped 12 udp datagrams lost in the kernel
    271f…ee7e  seg-000002.access.log
    af14…ca3f  dugum1.pub.pem
    369d…0bca  seal-000001.manifest
    7294…5f01  seal-000001.tsr
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retention.layout import segment_name, torn_name
from some.clock import from_text, to_text
from some.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

MAX_MANIFEST_BYTES = 16 * 1024 * 1024
TRIAL_WORDS = "deneme, hukuki degeri yoktur"

_FILE = re.compile(r"([0-9a-f]{64})  ([A-Za-z0-9][A-Za-z0-9._-]{0,199})")
_SEGMENT = re.compile(
    r"([0-9]{6,18}) ([a-z][a-z0-9_]{0,31}) records ([0-9]{1,18}) bytes ([0-9]{1,18}) "
    r"first (\S{27}) last (\S{27}) tree rfc6962-sha256-salt16 ([0-9a-f]{64})"
)
_NOTE = re.compile(r"([a-z][a-z0-9-]{0,31}) ([^\x00-\x1f\x7f]{1,400})")


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One `sha256sum` line: lower-case hexadecimal digest and bare file name."""

    sha256: str
    name: str


@dataclass(frozen=True, slots=True)
class SealedSegment:
    """One segment of a seal: its content (as expanded) and its salted tree root."""

    number: int
    record_class: str
    records: int
    size: int
    first_received_at: datetime
    last_received_at: datetime
    tree: bytes
    sha256: str

    @property
    def name(self) -> str:
        """The name under which the manifest lists the content."""
        return segment_name(self.number, self.record_class)

    @property
    def torn_name(self) -> str:
        """The name under which a torn tail would be listed."""
        return torn_name(self.number, self.record_class)


@dataclass(frozen=True, slots=True)
class Note:
    """Something a reader must know: `dropped`, `torn`, `clock-step`, `outage`, … and words with numbers."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one seal commits to. `files` stand beside the segments: key, previous manifest, tokens, torn tails."""

    ledger: str
    seal: int
    opened_at: datetime
    closed_at: datetime
    interval_s: int
    segments: tuple[SealedSegment, ...]
    files: tuple[ListedFile, ...]
    notes: tuple[Note, ...] = ()
    trial: bool = False

    @property
    def records(self) -> int:
        """How many records the seal covers."""
        return sum(segment.records for segment in self.segments)

    @property
    def listed(self) -> tuple[ListedFile, ...]:
        """Every `sha256sum` line, in order."""
        return (*(ListedFile(segment.sha256, segment.name) for segment in self.segments), *self.files)

    def digest_of(self, name: str) -> str | None:
        """Return the listed digest of `name`, or None."""
        return next((file.sha256 for file in self.listed if file.name == name), None)

    def to_bytes(self) -> bytes:
        """Return the text; the only form that is hashed, signed and stamped."""
        head = [
            "# some-manifest v1",
            f"# ledger {self.ledger}",
            f"# seal {self.seal}",
            *([f"# trial {TRIAL_WORDS}"] if self.trial else []),
            f"# opened {to_text(self.opened_at)}",
            f"# closed {to_text(self.closed_at)}",
            f"# interval {self.interval_s}",
            f"# records {self.records}",
            *(_segment_line(segment) for segment in self.segments),
            *(f"# note {note.key} {note.text}" for note in self.notes),
            *(f"{file.sha256}  {file.name}" for file in self.listed),
        ]
        return ("\n".join(head) + "\n").encode()

    @classmethod
    def parse(cls, text: bytes) -> Manifest:
        """Return the manifest in `text`; raises IntegrityError unless writing it again gives the same bytes."""
        if len(text) > MAX_MANIFEST_BYTES:
            raise IntegrityError(f"a manifest of {len(text)} bytes")
        try:
            manifest = _Lines(text.decode()).manifest()
        except ValueError as fault:
            raise IntegrityError(f"not a manifest: {fault}") from fault
        if manifest.to_bytes() != text:
            raise IntegrityError("not a manifest: it does not read back as it was written")
        return manifest


class _Lines:
    """Reads the lines of a manifest in their fixed order; every surprise is a ValueError with its line number."""

    def __init__(self, text: str) -> None:
        self._lines = text.removesuffix("\n").split("\n")
        self._at = 0

    def manifest(self) -> Manifest:
        """Return the manifest that the lines hold."""
        if self._value("some-manifest") != "v1":
            raise ValueError("unknown version")
        ledger, seal = self._value("ledger"), int(self._value("seal"))
        trial = self._peek("trial") is not None and self._value("trial") == TRIAL_WORDS
        opened_at, closed_at = from_text(self._value("opened")), from_text(self._value("closed"))
        interval_s = int(self._value("interval"))
        self._value("records")
        described = [_match(_SEGMENT, line) for line in self._values("segment")]
        notes = tuple(Note(*_match(_NOTE, line).groups()) for line in self._values("note"))
        listed = [ListedFile(*_match(_FILE, line).groups()) for line in self._lines[self._at :]]
        if len({file.name for file in listed}) != len(listed):
            raise ValueError("a file is listed twice")
        segments = tuple(_segment(match, file) for match, file in zip(described, listed, strict=False))
        if len(segments) != len(described):
            raise ValueError("a segment is not listed")
        return Manifest(
            ledger, seal, opened_at, closed_at, interval_s, segments, tuple(listed[len(segments) :]), notes, trial
        )

    def _peek(self, key: str) -> str | None:
        start = f"# {key} "
        if self._at < len(self._lines) and self._lines[self._at].startswith(start):
            return self._lines[self._at][len(start) :]
        return None

    def _value(self, key: str) -> str:
        value = self._peek(key)
        if value is None:
            msg = f"line {self._at + 1}: expected '# {key} …'"
            raise ValueError(msg)
        self._at += 1
        return value

    def _values(self, key: str) -> Iterable[str]:
        while self._peek(key) is not None:
            yield self._value(key)


def _match(pattern: re.Pattern[str], line: str) -> re.Match[str]:
    match = pattern.fullmatch(line)
    if match is None:
        msg = f"unexpected line {line[:80]!r}"
        raise ValueError(msg)
    return match


def _segment(match: re.Match[str], file: ListedFile) -> SealedSegment:
    segment = SealedSegment(
        int(match[1]), match[2], int(match[3]), int(match[4]), from_text(match[5]), from_text(match[6]),
        bytes.fromhex(match[7]), file.sha256,
    )  # fmt: skip
    if file.name != segment.name:
        msg = f"expected {segment.name}, found {file.name}"
        raise ValueError(msg)
    return segment


def _segment_line(segment: SealedSegment) -> str:
    first, last = to_text(segment.first_received_at), to_text(segment.last_received_at)
    return (
        f"# segment {segment.number:06d} {segment.record_class} records {segment.records} bytes {segment.size} "
        f"first {first} last {last} tree rfc6962-sha256-salt16 {segment.tree.hex()}"
    )
