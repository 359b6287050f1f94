"""An archive in memory that keeps the promises of RecordReader, and can be damaged."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

from ingest.parsing import Batch, Parsing, SourceHints
from retention.reading import DamagedSegment
from some import clock
from some.errors import NotFound
from some.index.follower import Follower
from some.record import Cursor, RecordClass, RecordRef, RecordRun, StoredRecord, escape, unescape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
TURKEY = timezone(timedelta(hours=3))


@dataclass
class FakeSegment:
    """One segment: its class, its lines, and what is wrong with it."""

    record_class: str
    lines: list[bytes] = field(default_factory=list)
    closed: bool = False
    unreadable: set[int] = field(default_factory=set)
    broken_from: int | None = None


class FakeArchive:
    """A RecordReader whose records are added with `add`."""

    ledger = "deneme1"

    def __init__(self) -> None:
        """Begin without segments."""
        self.segments: list[FakeSegment] = []
        self.asked = 0

    def open(self, record_class: str) -> int:
        """Begin a segment and return its number."""
        self.segments.append(FakeSegment(record_class))
        return len(self.segments) - 1

    def add(
        self,
        segment: int,
        *raw: bytes,
        received: datetime = START,
        source: str = "fw1",
        origin: str = "udp:192.0.2.7:514",
    ) -> list[RecordRef]:
        """Append records to a segment."""
        held = self.segments[segment]
        prefix = f"{clock.to_text(received)}\t{source}\t{origin}\t".encode()
        first = len(held.lines)
        held.lines += [prefix + escape(one) + b"\n" for one in raw]
        return [RecordRef(self.ledger, segment, first + at) for at in range(len(raw))]

    def get(self, ref: RecordRef) -> StoredRecord:
        """See RecordReader."""
        found = self.get_many([ref])
        if ref not in found:
            raise NotFound(str(ref))
        return found[ref]

    def get_many(self, refs: Iterable[RecordRef]) -> dict[RecordRef, StoredRecord]:
        """See RecordReader."""
        self.asked += 1
        found = {}
        for ref in refs:
            held = self.segments[ref.segment]
            if ref.position in held.unreadable:
                continue
            received, source, origin, raw = held.lines[ref.position].rstrip(b"\n").split(b"\t", 3)
            found[ref] = StoredRecord(
                ref,
                clock.from_text(received.decode()),
                source.decode(),
                origin.decode(),
                RecordClass(held.record_class),
                unescape(raw),
            )
        return found

    def follow(self, cursor: Cursor, *, max_bytes: int) -> Iterator[RecordRun]:
        """See RecordReader."""
        for number, held in enumerate(self.segments):
            if number < cursor.done_below:
                continue
            place = cursor.next_in(number)
            while place < len(held.lines):
                if held.broken_from is not None and place >= held.broken_from:
                    if place < 2**62:
                        raise DamagedSegment(f"segment {number} is broken", number, place)
                    break
                if place in held.unreadable:
                    place += 1
                    continue
                first, size = place, 0
                while (
                    place < len(held.lines)
                    and place not in held.unreadable
                    and size < max_bytes
                    and place != held.broken_from
                ):
                    size += len(held.lines[place])
                    place += 1
                lines = b"".join(held.lines[first:place])
                yield RecordRun(self.ledger, number, first, place - first, RecordClass(held.record_class), lines)

    def settled(self) -> int:
        """See RecordReader."""
        for number, held in enumerate(self.segments):
            if not held.closed:
                return number
        return len(self.segments)


def hints(source: str, record_class: str) -> SourceHints:
    return SourceHints(source, record_class, "auto", TURKEY)


class TableParse:
    """Parses `field=value;…` lines: a stand-in that lets a test say exactly what a document holds."""

    def __init__(self, documents: dict[bytes, dict[str, object]]) -> None:
        """Let `documents` say what each message holds."""
        self.documents = documents

    def __call__(self, messages, received_us, hints, origins) -> list[Batch]:
        """See Parse."""
        batches = []
        for row, message in enumerate(messages):
            flat = {"@timestamp": received_us[row], "event.kind": "event", **self.documents.get(message, {})}
            batches.append(Batch([row], {name: [value] for name, value in flat.items()}))
        return batches


def follower(archive: FakeArchive, data: Path, parse=None, disk=None, wall=None) -> Follower:
    return Follower(
        archive,
        folder=data / "index" / "embedded",
        lock=data / "run" / "index.lock",
        parse=parse or Parsing().parse_block,
        hints=hints,
        disk=disk,
        clock=wall,
    )


def folder(data: Path) -> Path:
    return data / "index" / "embedded"
