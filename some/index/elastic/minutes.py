"""Minutes in which a source spoke: counted in the documents, or read where they were counted before.

What is read must be what counting would give now. Documents are only ever created, and go by whole indices; so as long
as each index has as many documents of a source and day as when a roll-up was made of them, they are the same documents.
That number is part of a roll-up's `_id`: one that is stale is not found, and what is not found is counted.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import sys
import threading
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, Final

import orjson

from some.index.elastic import asking, names
from some.index.elastic.templates import AT
from some.index.facts.fact import Minute, Span
from some.index.fields import TIME
from some.index.query.dsl import kept_moment, moment_text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from some.index.elastic.transport import Client

MINUTE_US: Final = 60_000_000
DAY_US: Final = 86_400_000_000
WINDOW: Final = 16
"""Days that are looked at together."""

FORM: Final = 1
"""Of what is packed; a roll-up of another form is not found."""

_DAY_MINUTES: Final = 1_440
_DELAY_MS: Final = 100
_LONGEST: Final = 64 * DAY_US
"""A longer span is counted and not kept: nobody asks for it twice."""
_MANY: Final = 100_000
"""Of a day that has more documents and no roll-up, six hours are counted at a time."""
_PART: Final = DAY_US // 4
_KEPT_DAYS: Final = 768
_KEPT_PARTS: Final = 512
_KEPT_WINDOWS: Final = 2_048
OWN_CLASS: Final = "audit"
OWN_ORIGIN: Final = "gap:"
_TAG: Final = "q"


@dataclass(frozen=True, slots=True)
class Tally:
    """How many documents of a source and day (days since 1970 UTC, device time) each index has."""

    source: str
    day: int
    parts: tuple[tuple[str, int], ...]

    @property
    def counted(self) -> int:
        """How many in all."""
        return sum(count for _, count in self.parts)

    @property
    def identity(self) -> str:
        """The `_id` of the roll-up made of these documents."""
        told = orjson.dumps([FORM, self.source, self.day, sorted(self.parts)])
        return base64.urlsafe_b64encode(hashlib.sha256(told).digest()[:15]).decode("ascii")


class Broken(ValueError):
    """What is packed is not what was packed."""


class Day:
    """The minutes of one source and one day, column by column: small, and made to `Minute` only where asked for."""

    __slots__ = ("_columns", "_delays", "_starts", "_times")

    def __init__(self, columns: Sequence[array[int]], delays: array[int], times: array[int]) -> None:
        """Take minute, first, last, count and number of delays of each minute; then delays and how often each."""
        self._columns, self._delays, self._times = columns, delays, times
        self._starts = array(_TAG, accumulate(columns[4], initial=0))

    @classmethod
    def of(cls, minutes: Sequence[Minute]) -> Day:
        """Return minutes, in order, as columns."""
        rows = [(one.minute, one.first, one.last, one.count, len(one.delays)) for one in minutes]
        columns = [array(_TAG, (row[place] for row in rows)) for place in range(5)]
        delays = [pair for one in minutes for pair in sorted(one.delays.items())]
        return cls(columns, array(_TAG, (pair[0] for pair in delays)), array(_TAG, (pair[1] for pair in delays)))

    @property
    def counted(self) -> int:
        """How many records in all."""
        return sum(self._columns[3])

    def between(self, first: int, last: int) -> list[Minute]:
        """Return the minutes from `first` to `last`, both inclusive."""
        minute, moment, end, count, _ = self._columns
        found = []
        for at in range(bisect_left(minute, first), bisect_right(minute, last)):
            low, high = self._starts[at], self._starts[at + 1]
            told = dict(zip(self._delays[low:high], self._times[low:high], strict=True))
            found.append(Minute(minute[at], moment[at], end[at], count[at], told))
        return found

    def packed(self) -> str:
        """Return all of it as text: numbers of 8 bytes (little-endian), times as differences, zlib, base64."""
        minute, moment, end, *rest = self._columns
        plain = array(_TAG, [len(minute), len(self._delays)])
        for column in (_steps(minute), _less(moment, minute, MINUTE_US), _less(end, moment, 1), *rest):
            plain.extend(column)
        plain.extend(self._delays)
        plain.extend(self._times)
        return base64.b64encode(zlib.compress(_ordered(plain).tobytes(), 6)).decode("ascii")

    @classmethod
    def unpacked(cls, text: str) -> Day:
        """Return what `packed` gave; raises Broken."""
        held = array(_TAG)
        try:
            held.frombytes(zlib.decompress(base64.b64decode(text, validate=True)))
        except (binascii.Error, zlib.error, ValueError) as error:
            raise Broken(str(error)) from error
        plain = _ordered(held)
        if len(plain) < 2 or min(plain[:2]) < 0 or len(plain) != 2 + 5 * plain[0] + 2 * plain[1]:  # noqa: PLR2004 - the two lengths
            raise Broken("its length is not what it says")
        rows, pairs = plain[:2]
        step, moment, end, count, number = (plain[2 + at * rows : 2 + (at + 1) * rows] for at in range(5))
        if sum(number) != pairs or (rows and min(number) < 0):
            raise Broken("its delays are not what it says")
        minute = array(_TAG, accumulate(step))
        first = array(_TAG, (one + minute[at] * MINUTE_US for at, one in enumerate(moment)))
        last = array(_TAG, (one + first[at] for at, one in enumerate(end)))
        delays = plain[2 + 5 * rows :]
        return cls((minute, first, last, count, number), delays[:pairs], delays[pairs:])


def _steps(column: array[int]) -> Iterable[int]:
    return [*column[:1], *(later - earlier for earlier, later in pairwise(column))]


def _less(column: array[int], other: array[int], unit: int) -> Iterable[int]:
    return [one - unit * base for one, base in zip(column, other, strict=True)]


def _ordered(column: array[int]) -> array[int]:
    if sys.byteorder == "big":
        column.byteswap()
    return column


def _spoken(sources: Collection[str], start: int, end: int) -> dict[str, Any]:
    """Return the condition on documents of sources, `start <= @timestamp < end`; our own records tell of no source."""
    bounds = {
        "gte": moment_text(kept_moment(start)),
        "lt": moment_text(kept_moment(end)),
        "format": "strict_date_optional_time_nanos",
    }
    return {
        "bool": {
            "filter": [{"terms": {"some.source": sorted(sources)}}, {"range": {TIME: bounds}}],
            "must_not": [
                {"term": {"some.class": {"value": OWN_CLASS}}},
                {"prefix": {"some.origin": {"value": OWN_ORIGIN}}},
            ],
        }
    }


def counted(client: Client, source: str, span: Span) -> list[Minute]:
    """Return the minutes from the documents themselves."""
    first, last = span.start // MINUTE_US, span.end // MINUTE_US
    sources: list[dict[str, Any]] = [
        {"minute": {"date_histogram": {"field": TIME, "fixed_interval": "1m"}}},
        {"delay": {"histogram": {"field": "some.delay", "interval": _DELAY_MS, "missing_bucket": True}}},
    ]
    inner = {"first": {"min": {"field": AT}}, "last": {"max": {"field": AT}}}
    where = names.records(client.settings.prefix, None)
    query = _spoken((source,), first * MINUTE_US, (last + 1) * MINUTE_US)
    made: dict[int, Minute] = {}
    for bucket in asking.composite(client, where, query, sources, inner):
        _add(made, bucket)
    return [made[minute] for minute in sorted(made)]


def _add(made: dict[int, Minute], bucket: Mapping[str, Any]) -> None:
    minute = int(bucket["key"]["minute"]) * 1_000 // MINUTE_US
    first, last, count = int(bucket["first"]["value"]), int(bucket["last"]["value"]), int(bucket["doc_count"])
    held = made.get(minute, Minute(minute, first, last, 0, {}))
    delay = bucket["key"]["delay"]
    delays = dict(held.delays) if delay is None else {**held.delays, round(delay / _DELAY_MS): count}
    made[minute] = Minute(minute, min(held.first, first), max(held.last, last), held.count + count, delays)


def tallies(client: Client, sources: Collection[str], first: int, last: int) -> list[Tally]:
    """Return how many documents there are of these sources, for each day from `first` to `last` that has any."""
    if not sources:
        return []
    wanted: list[dict[str, Any]] = [
        {"source": {"terms": {"field": "some.source"}}},
        {"day": {"date_histogram": {"field": TIME, "fixed_interval": "1d"}}},
        {"index": {"terms": {"field": "_index"}}},
    ]
    found: dict[tuple[str, int], list[tuple[str, int]]] = {}
    where = names.records(client.settings.prefix, None)
    query = _spoken(sources, first * DAY_US, (last + 1) * DAY_US)
    for bucket in asking.composite(client, where, query, wanted):
        key = bucket["key"]
        place = (str(key["source"]), int(key["day"]) * 1_000 // DAY_US)
        found.setdefault(place, []).append((str(key["index"]), int(bucket["doc_count"])))
    return [Tally(source, day, tuple(sorted(parts))) for (source, day), parts in sorted(found.items())]


def rolled(client: Client, wanted: Sequence[Tally], *, whole: bool = True) -> dict[tuple[str, int], Day | None]:
    """Return the roll-ups that were made of just these documents, by source and day; None unless `whole`."""
    if not wanted:
        return {}
    prefix = client.settings.prefix
    asked = [
        {"_index": names.minutes_index_of(prefix, one.day), "_id": one.identity, "_source": whole} for one in wanted
    ]
    found: dict[tuple[str, int], Day | None] = {}
    for tally, held in zip(wanted, client.request("POST", "/_mget", {"docs": asked})["docs"], strict=True):
        if held.get("found"):
            day = _read(tally, held["_source"]) if whole else None
            if day is not None or not whole:
                found[tally.source, tally.day] = day
    return found


def _read(tally: Tally, held: Mapping[str, Any]) -> Day | None:
    """Return what a roll-up holds, None where it is not about what it should be."""
    if (held.get("source"), held.get("day"), held.get("counted")) != (tally.source, tally.day, tally.counted):
        return None
    try:
        made = Day.unpacked(str(held.get("packed")))
    except Broken:
        return None
    return made if made.counted == tally.counted else None


class Minutes:
    """The minutes of all sources, kept as long as this lives: a snapshot, made where it is first asked for.

    Make one for a question, or for a batch of questions. Safe to use from several threads, one after the other.
    """

    def __init__(self, client: Client) -> None:
        """Ask through `client`."""
        self._client: Final = client
        self._lock: Final = threading.Lock()
        self._windows: Final[OrderedDict[tuple[str, int], dict[int, Tally]]] = OrderedDict()
        self._days: Final[OrderedDict[tuple[str, int], Day | None]] = OrderedDict()
        self._parts: Final[OrderedDict[tuple[str, int], Day]] = OrderedDict()

    def minutes(self, source: str, span: Span) -> list[Minute]:
        """Return the minutes that `span` touches, in order."""
        first, last = span.start // MINUTE_US, span.end // MINUTE_US
        inside = span.start == kept_moment(span.start) and span.end == kept_moment(span.end)
        if not inside or span.end - span.start > _LONGEST:
            return counted(self._client, source, span)
        found: list[Minute] = []
        with self._lock:
            for day in range(first // _DAY_MINUTES, last // _DAY_MINUTES + 1):
                found += self._of_day(source, day, first, last)
        return found

    def _of_day(self, source: str, day: int, first: int, last: int) -> list[Minute]:
        held = self._window(source, day // WINDOW)
        tally = held.get(day)
        if tally is None:
            return []
        key = (source, day)
        if key not in self._days:
            self._load([one for one in held.values() if (source, one.day) not in self._days])
        self._days.move_to_end(key)
        whole = self._days[key]
        if whole is None and tally.counted <= _MANY:
            whole = self._days[key] = Day.of(counted(self._client, source, of_day(day)))
        if whole is not None:
            return whole.between(first, last)
        found: list[Minute] = []
        low, high = max(first * MINUTE_US, day * DAY_US), min(last * MINUTE_US, (day + 1) * DAY_US - 1)
        for part in range(low // _PART, high // _PART + 1):
            found += self._part(source, part).between(first, last)
        return found

    def _window(self, source: str, window: int) -> dict[int, Tally]:
        key = (source, window)
        held = self._windows.get(key)
        if held is None:
            found = tallies(self._client, (source,), window * WINDOW, (window + 1) * WINDOW - 1)
            held = self._windows[key] = {one.day: one for one in found}
            _bound(self._windows, _KEPT_WINDOWS)
        self._windows.move_to_end(key)
        return held

    def _load(self, wanted: Sequence[Tally]) -> None:
        """Read what is rolled up; the rest is None, and counted when it is asked for."""
        found = rolled(self._client, wanted)
        for one in wanted:
            self._days[one.source, one.day] = found.get((one.source, one.day))
        _bound(self._days, _KEPT_DAYS)

    def _part(self, source: str, part: int) -> Day:
        key = (source, part)
        held = self._parts.get(key)
        if held is None:
            span = Span(part * _PART, (part + 1) * _PART - 1)
            held = self._parts[key] = Day.of(counted(self._client, source, span))
            _bound(self._parts, _KEPT_PARTS)
        self._parts.move_to_end(key)
        return held


def of_day(day: int) -> Span:
    """Return the span of a day (days since 1970 UTC)."""
    return Span(day * DAY_US, (day + 1) * DAY_US - 1)


def _bound(held: OrderedDict[tuple[str, int], Any], most: int) -> None:
    while len(held) > most:
        held.popitem(last=False)
