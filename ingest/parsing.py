"""A block of records in, columns out: the only way from bytes to fields.

Parsing follows retention, so it may fail but never lose: every row comes back, if need be as `pipeline_error`. The
answer depends on the record and on its source's settings alone, so that an index rebuilt years later is the same. The
layouts that a `Parsing` learns make it fast and never change an answer.

Steps: decode → syslog header, if any → the formats, in the fixed order of `_PARSERS`, at the place where the header
ends → columns, format by format. A message of no known format under a valid header is format `syslog`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ingest.ecs import nest
from ingest.parsers import audit, gap, ipfix, syslog
from ingest.parsers.access_log import AccessLog
from ingest.parsers.cisco_asa import CiscoAsa
from ingest.parsers.cisco_ise import CiscoIse
from ingest.parsers.dhcpd import Dhcpd
from ingest.parsers.filterlog import Filterlog
from ingest.parsers.fortigate import Fortigate
from ingest.parsers.kea import Kea
from ingest.parsers.lines import Columns, Lines, ParseFailure, Parser, select
from ingest.parsers.mikrotik import Mikrotik
from ingest.parsers.pfsense_portal import PfsensePortal
from ingest.parsers.radius_detail import RadiusDetail
from ingest.parsers.sophos import Sophos
from ingest.parsers.squid import Squid
from ingest.parsers.times import ISO_STAMP, iso, microseconds
from ingest.parsers.windows_dhcp import WindowsDhcp
from ingest.parsers.windows_security import WindowsSecurity
from some.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = ["AUTO", "FORMATS", "Batch", "ParseFailure", "Parsing", "SourceHints", "parse_block", "parse_lines", "zone"]

AUTO: Final = "auto"

_DEFAULT_ZONE = "Europe/Istanbul"
_FALLBACK_ENCODING = "windows-1254"  # Turkish; what older firewalls and Windows write
_SMALL = 64  # parts below this many rows are joined, so that odd lines do not make one batch each
_CHUNK = 1000  # rows that go through all steps together: their values stay in the processor's cache
_CLAIMING = ";received"
_IMPORTED = ("import:", "parse:")
_CLAIMED = re.compile(rf"({ISO_STAMP})\t")
_PARSERS: Final = (
    Fortigate,
    Squid,
    Dhcpd,
    Kea,
    WindowsDhcp,
    Filterlog,
    PfsensePortal,
    RadiusDetail,
    WindowsSecurity,
    AccessLog,
    CiscoAsa,
    CiscoIse,
    Sophos,
    Mikrotik,
)
"""In the order in which they are asked whether a line begins as theirs do."""
FORMATS: Final = (*(parser.name for parser in _PARSERS), syslog.NAME, ipfix.NAME)
"""What a source's `format` may be pinned to, besides `auto`."""
_RECOGNISE = re.compile("|".join(f"({parser.begins})" for parser in _PARSERS))
_ORDER = dict(enumerate((syslog.NAME, *FORMATS)))


def zone(name: str = _DEFAULT_ZONE) -> tzinfo:
    """Return the zone of that IANA name; without zone files UTC+3 stands in for Europe/Istanbul, as since 2016.

    Raises BadInput for a name that is none.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        if name == _DEFAULT_ZONE:
            return timezone(timedelta(hours=3))
        raise BadInput(f"no such time zone: {name!r} (expected an IANA name such as {_DEFAULT_ZONE})") from error


@dataclass(frozen=True, slots=True)
class SourceHints:
    """What is known of a source beforehand; `format` is `auto` or one of FORMATS."""

    name: str
    record_class: str
    format: str = AUTO
    timezone: tzinfo = field(default_factory=zone)
    site: str | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one layout: `columns[field][i]` belongs to the block's row `rows[i]`; None = absent.

    `@timestamp` and `event.kind` are always there. Lists of `many` fields may be shared between rows: read only.
    """

    rows: list[int]
    columns: Columns


@dataclass(frozen=True, slots=True)
class _Block:
    """What the steps of one call share."""

    texts: Sequence[str]
    received: Sequence[int]
    hints: SourceHints
    heads: Sequence[re.Match[str]]
    kinds: Sequence[int]


class Parsing:
    """The parsers and what they have learned. One per thread; cheap to keep, costly to make for each block."""

    def __init__(self) -> None:
        """Start with nothing learned."""
        self._headers = syslog.Headers()
        self._ipfix = ipfix.Ipfix()
        self._parsers: dict[str, Parser] = {one.name: one for one in (parser() for parser in _PARSERS)}

    def parse_block(
        self,
        messages: Sequence[bytes],
        received_us: Sequence[int],
        hints: SourceHints,
        origins: Sequence[str],
    ) -> list[Batch]:
        """Return batches in which every index of `messages` stands exactly once. Never raises for what a line holds.

        `received_us` in microseconds since 1970 UTC. An origin that begins with `gap:` or `audit:` marks records of our
        own making; `;received` in an `import:` origin says that each line begins with its original receive time
        (RFC 3339) and a tab, which then stands in for ours where a year is missing.
        """
        ours, rows = _split(origins)
        merged = _Merged()
        for row in ours:
            merged.add(Batch([row], self._own(messages[row], received_us[row], origins[row])))
        if hints.format in (AUTO, ipfix.NAME):
            flows, rows = ipfix.chosen(messages, rows, pinned=hints.format == ipfix.NAME)
            undelayed = _undelayed(select(origins, flows), {})
            for part in self._ipfix.parse(select(messages, flows), select(received_us, flows)):
                batch = Batch(list(part.positions), part.columns)
                _forget_delay(batch, undelayed)
                merged.add(Batch([flows[place] for place in batch.rows], batch.columns))
        claiming = any(_CLAIMING in origin for origin in set(origins))
        for at in range(0, len(rows), _CHUNK):
            chunk = rows[at : at + _CHUNK]
            texts, odd = _decode(select(messages, chunk))
            received = select(received_us, chunk)
            claims: dict[int, int] = {}
            if claiming:
                texts, received, claims = _claims(texts, received, select(origins, chunk))
            undelayed = _undelayed(select(origins, chunk), claims)
            for batch in self._formats(texts, received, hints):
                _forget_delay(batch, undelayed)
                if odd:
                    _add(batch, "some.encoding", odd)
                if claims:
                    _add(batch, "some.claimed_received_at", claims)
                merged.add(Batch([chunk[place] for place in batch.rows], batch.columns))
        return merged.batches()

    def _own(self, message: bytes, received: int, origin: str) -> Columns:
        """Return the one row of a record that this platform wrote itself."""
        read = gap.read if origin.startswith(gap.ORIGIN) else audit.read
        answer = read(message)
        if isinstance(answer, ParseFailure):
            return _failed([answer], [received])
        columns: Columns = {name: [value] for name, value in answer.items()}
        return _complete(columns, [received])

    def _formats(self, texts: Sequence[str], received: Sequence[int], hints: SourceHints) -> list[Batch]:
        heads, kinds = self._headers.read(texts)
        block = _Block(texts, received, hints, heads, kinds)
        starts = [head.end() if kind else 0 for head, kind in zip(heads, kinds, strict=True)]
        batches: list[Batch] = []
        unknown: list[int] = []
        for (kind, name), rows in _grouped(block, starts).items():
            if name == syslog.NAME:
                unknown += rows
                continue
            lines = Lines(select(texts, rows), select(starts, rows), select(received, rows), hints.timezone)
            parsed = self._parsers[name].parse(lines)
            unknown += [rows[at] for at in parsed.refused]
            batches += [
                self._finished(block, kind, [rows[at] for at in part.positions], part.columns) for part in parsed.parts
            ]
        return batches + self._unknown(block, unknown)

    def _finished(self, block: _Block, kind: int, rows: list[int], found: Columns) -> Batch:
        """Return the batch of a format's rows with their header's columns."""
        heads = select(block.heads, rows)
        received = select(block.received, rows)
        columns = self._headers.columns(kind, heads)
        columns.update(found)
        times = columns.get("@timestamp")
        if kind and (times is None or None in times):
            own = self._headers.times(kind, heads, received, block.hints.timezone)
            columns["@timestamp"] = own if times is None else _first(times, own)
        return Batch(rows, _complete(columns, received))

    def _unknown(self, block: _Block, rows: list[int]) -> list[Batch]:
        """Return the batches of rows that no format took."""
        by_kind: dict[int, list[int]] = {}
        for row in sorted(rows):
            by_kind.setdefault(block.kinds[row], []).append(row)
        batches: list[Batch] = []
        pinned = block.hints.format not in (AUTO, syslog.NAME)
        zone_ = block.hints.timezone
        for kind, kind_rows in by_kind.items():
            texts, heads = select(block.texts, kind_rows), select(block.heads, kind_rows)
            received = select(block.received, kind_rows)
            if kind == syslog.NO_HEADER:
                batches.append(Batch(kind_rows, _failed([self._why(block, text) for text in texts], received)))
                continue
            columns = self._headers.generic(kind, heads, texts, received, zone_)
            batch = Batch(kind_rows, columns)
            if kind == 1:
                batch = self._cisco(batch, heads, texts, received, zone_)
            if pinned:
                failures = [self._why(block, text[head.end() :]) for text, head in zip(texts, heads, strict=True)]
                batch.columns["error.message"] = [str(failure) for failure in failures]
                batch.columns["event.kind"] = ["pipeline_error"] * len(kind_rows)
                del batch.columns["event.module"]
            batches.append(Batch(batch.rows, _complete(batch.columns, received)))
        return batches

    def _cisco(
        self,
        batch: Batch,
        heads: Sequence[re.Match[str]],
        texts: Sequence[str],
        received: Sequence[int],
        zone_: tzinfo,
    ) -> Batch:
        """Put Cisco's form in the place of rows that seemed to have PRI alone."""
        rows = self._headers.cisco(heads, texts, received, zone_)
        for at, row in enumerate(rows):
            for name, values in (row or {}).items():
                batch.columns.setdefault(name, [None] * len(batch.rows))[at] = values[0]
        return batch

    def _why(self, block: _Block, line: str) -> ParseFailure:
        parser = self._parsers.get(block.hints.format)
        return syslog.failure(line, block.hints.format) if parser is None else parser.failure(line)


def parse_block(
    messages: Sequence[bytes], received_us: Sequence[int], hints: SourceHints, origins: Sequence[str]
) -> list[Batch]:
    """Return what a new `Parsing` answers; whoever parses block after block keeps a `Parsing` instead."""
    return Parsing().parse_block(messages, received_us, hints, origins)


def parse_lines(
    lines: Iterable[bytes], format_name: str = AUTO, *, now: datetime | None = None, timezone: tzinfo | None = None
) -> Iterator[dict[str, Any]]:
    """Yield one nested document for each line, in order, as `some parse` prints them; raises BadInput for a format.

    `now` stands in for the time of reception (default: 1970, so that a caller who forgets it sees it at once).
    """
    if format_name not in (AUTO, *FORMATS):
        raise BadInput(f"no such format: {format_name!r} (expected {AUTO} or one of {', '.join(FORMATS)})")
    hints = SourceHints("parse", "access", format_name, timezone or zone())
    return _documents(iter(lines), hints, microseconds(now or datetime(1970, 1, 1, tzinfo=UTC)))


def _documents(lines: Iterator[bytes], hints: SourceHints, received: int) -> Iterator[dict[str, Any]]:
    parsing = Parsing()
    while messages := list(islice(lines, _CHUNK)):
        documents: list[dict[str, Any]] = [{} for _ in messages]
        count = len(messages)
        for batch in parsing.parse_block(messages, [received] * count, hints, ["parse:"] * count):
            for at, row in enumerate(batch.rows):
                documents[row] = nest({name: values[at] for name, values in batch.columns.items()})
        yield from documents


def _grouped(block: _Block, starts: Sequence[int]) -> dict[tuple[int, str], Sequence[int]]:
    """Return the rows by kind of header and format."""
    pinned = block.hints.format
    if pinned == AUTO:
        found = map(_RECOGNISE.match, block.texts, starts)
        numbers = [match.lastindex or 0 if match else 0 for match in found]
    else:
        numbers = [0] * len(starts)
    keys = list(zip(block.kinds, numbers, strict=True))
    names = _ORDER if pinned == AUTO else {0: pinned}
    by_key: dict[tuple[int, int], list[int]] = {key: [] for key in set(keys)}
    if len(by_key) == 1:
        kind, number = keys[0]
        return {(kind, names[number]): range(len(keys))}
    for row, key in enumerate(keys):
        by_key[key].append(row)
    # in the order of kind and format, so that the answer never depends on how a set is ordered
    return {(kind, names[number]): by_key[kind, number] for kind, number in sorted(by_key)}


def _split(origins: Sequence[str]) -> tuple[list[int], Sequence[int]]:
    """Return the rows of our own records, and the others."""
    own = {origin for origin in set(origins) if origin.startswith((gap.ORIGIN, audit.ORIGIN))}
    if not own:
        return [], range(len(origins))
    ours = [row for row, origin in enumerate(origins) if origin in own]
    return ours, [row for row, origin in enumerate(origins) if origin not in own]


def _claims(
    texts: Sequence[str], received: Sequence[int], origins: Sequence[str]
) -> tuple[list[str], list[int], dict[int, int]]:
    """Return texts without their claimed receive time, the times that count as reception, and the claims."""
    texts, received = list(texts), list(received)
    claims: dict[int, int] = {}
    for at, origin in enumerate(origins):
        found = _CLAIMED.match(texts[at]) if _CLAIMING in origin else None
        moment = iso(found[1], UTC) if found else None
        if found is not None and moment is not None:
            texts[at] = texts[at][found.end() :]
            received[at] = claims[at] = moment
    return texts, received, claims


def _decode(messages: Sequence[bytes]) -> tuple[list[str], dict[int, str]]:
    """Return the texts without what ends a line, and the encodings of those that are not UTF-8."""
    try:
        return [message.decode().rstrip("\r\n\x00 ") for message in messages], {}
    except UnicodeDecodeError:
        pass
    texts: list[str] = []
    odd: dict[int, str] = {}
    for row, message in enumerate(messages):
        try:
            text = message.decode()
        except UnicodeDecodeError as error:
            if error.start >= len(message) - 3:  # cut in the middle of its last character: still UTF-8
                text = message[: error.start].decode() + "\ufffd"
            else:
                text = message.decode(_FALLBACK_ENCODING, "replace")
                odd[row] = _FALLBACK_ENCODING
        texts.append(text.rstrip("\r\n\x00 "))
    return texts, odd


def _failed(failures: Sequence[ParseFailure], received: Sequence[int]) -> Columns:
    return {
        "@timestamp": list(received),
        "event.kind": ["pipeline_error"] * len(failures),
        "error.message": [str(failure) for failure in failures],
    }


def _first(times: Sequence[int | None], others: Sequence[int | None]) -> list[int | None]:
    return [other if at is None else at for at, other in zip(times, others, strict=True)]


def _complete(columns: Columns, received: Sequence[int]) -> Columns:
    """Give every row a time and a kind."""
    times = columns.get("@timestamp")
    if times is None:
        columns["@timestamp"] = list(received)
    elif None in times:
        columns["some.delay"] = [
            None if at is None else (got - at) // 1000 for at, got in zip(times, received, strict=True)
        ]
        columns["@timestamp"] = _first(times, received)
    else:
        columns["some.delay"] = [(got - at) // 1000 for at, got in zip(times, received, strict=True)]
    if "event.kind" not in columns:
        columns["event.kind"] = ["event"] * len(received)
    return columns


def _undelayed(origins: Sequence[str], claims: dict[int, int]) -> frozenset[int] | None:
    """Return the rows of whose delay nothing is known (imports without their receive time); None for every row."""
    imported = {origin for origin in set(origins) if origin.startswith(_IMPORTED)}
    if not imported:
        return frozenset()
    rows = frozenset(row for row, origin in enumerate(origins) if origin in imported and row not in claims)
    return None if len(rows) == len(origins) else rows


def _forget_delay(batch: Batch, rows: frozenset[int] | None) -> None:
    if rows is None:
        batch.columns.pop("some.delay", None)
    elif rows and "some.delay" in batch.columns:
        delays = batch.columns["some.delay"]
        batch.columns["some.delay"] = [
            None if row in rows else delay for row, delay in zip(batch.rows, delays, strict=True)
        ]


def _add(batch: Batch, name: str, values: dict[int, Any]) -> None:
    """Add a field that only some rows have."""
    if any(row in values for row in batch.rows):
        batch.columns[name] = [values.get(row) for row in batch.rows]


class _Merged:
    """Collects batches of the same columns into one, and those that stay small into one for each format."""

    def __init__(self) -> None:
        self._by_columns: dict[tuple[str, ...], list[Batch]] = {}

    def add(self, batch: Batch) -> None:
        self._by_columns.setdefault(tuple(batch.columns), []).append(batch)

    def batches(self) -> list[Batch]:
        large: list[Batch] = []
        small: dict[str, list[Batch]] = {}
        for found in self._by_columns.values():
            if sum(len(batch.rows) for batch in found) >= _SMALL:
                large.append(_joined(found))
            else:
                small.setdefault(found[0].columns.get("event.module", [""])[0], []).extend(found)
        return large + [_joined(found) for found in small.values()]


def _joined(batches: Sequence[Batch]) -> Batch:
    """Return one batch for several; what a batch lacks is None there."""
    if len(batches) == 1:
        return batches[0]
    names = dict.fromkeys(name for batch in batches for name in batch.columns)
    total = sum(len(batch.rows) for batch in batches)
    columns: Columns = {name: [None] * total for name in names}
    start = 0
    for batch in batches:
        end = start + len(batch.rows)
        for name, values in batch.columns.items():
            columns[name][start:end] = values
        start = end
    return Batch([row for batch in batches for row in batch.rows], columns)
