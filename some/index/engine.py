"""What a search engine does, whichever it is: documents, queries, pages.

Results are ordered by (`@timestamp`, REF), oldest or newest first. Every engine gives the same answers to the same
questions over the same records; only speed and reach differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from some.index.query.tree import Node
    from some.record import RecordRef

Document = dict[str, Any]
"""A nested ECS document with RFC 3339 times; `some.ref`, `some.class` and `event.original` are always there."""

MAX_PAGE = 10_000
"""Documents in one page at most; whoever wants more asks for the next page."""

MAX_TOP = 1_000
"""Values in one list of top values at most."""

MAX_PERCENTS = 100
"""Percentiles in one answer at most."""

SPLIT_TOP = 4
"""A histogram is split by so many values at most; the others are counted together."""

_MINUTES_S = (1, 5, 10, 30, 60, 300, 600, 900, 1_800)
_NICE_S = (*_MINUTES_S, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800, 2_592_000, 31_536_000)


@dataclass(frozen=True, slots=True)
class Query:
    """A question. `start <= @timestamp < end`; `classes` are those the actor may see (None: every class)."""

    text: str = ""
    tree: Node | None = None
    start: datetime | None = None
    end: datetime | None = None
    classes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class IndexFinding:
    """Something wrong with the index, in the shape of every finding: `code` is dotted and stable."""

    code: str
    severity: str
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some documents of an answer.

    `next_cursor` is None on the last page. `total` is known only where the whole answer is on this page. `findings`
    says what is missing from the answer (a damaged file), so an incomplete answer is never silent.
    """

    documents: list[Document]
    next_cursor: str | None = None
    total: int | None = None
    findings: tuple[IndexFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """`total` documents with `start <= @timestamp < start + width`; `parts` counts those of the named values."""

    start: datetime
    total: int
    parts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts over time, without holes: a bucket of zero is a bucket. `values` names the parts, most frequent first."""

    buckets: tuple[Bucket, ...]
    width: timedelta
    by: str | None = None
    values: tuple[str, ...] = ()
    findings: tuple[IndexFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class TopValue:
    """One value of a field and the number of documents that hold it."""

    value: str | int | float | bool
    count: int


@dataclass(frozen=True, slots=True)
class TopValues:
    """The most frequent values of a field; `sample` is the number of documents they were counted in."""

    values: tuple[TopValue, ...]
    sample: int
    findings: tuple[IndexFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class DistinctCount:
    """How many different values a field has among the matches; `exact` is False where an engine estimates.

    A value that does not stand in the index (a keyword beyond an engine's limit) is not counted.
    """

    count: int
    exact: bool
    findings: tuple[IndexFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class Percentiles:
    """`values[p]`: p per cent of a field's values are at most so large (between two values: in proportion).

    Empty where no match has the field. `count` is the number of values; `exact` is False where an engine estimates.
    """

    values: Mapping[float, float]
    count: int
    exact: bool
    findings: tuple[IndexFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How an index stands. `lag_records` is a lower bound where `lag_exact` is False."""

    documents: int
    pipeline_errors: int
    newest: datetime | None
    lag_records: int
    lag_seconds: float
    lag_exact: bool = True
    findings: tuple[IndexFinding, ...] = ()


class Engine(Protocol):
    """A search engine. Every method may raise Unavailable (time limit, files or server not there)."""

    def search(self, query: Query, *, limit: int, cursor: str | None = None, newest_first: bool = False) -> Page:
        """Return at most `limit` documents after `cursor` (from a page of the same query and order)."""
        ...

    def count(self, query: Query) -> int:
        """Return the number of documents that match."""
        ...

    def histogram(self, query: Query, buckets: int, by: str | None = None, *, zone: tzinfo = UTC) -> Histogram:
        """Count matches over time in at most `buckets` + 1 buckets of a nice width, aligned to `zone`."""
        ...

    def top_values(self, query: Query, field: str, size: int) -> TopValues:
        """Return the `size` most frequent values of `field` among the matches."""
        ...

    def distinct(self, query: Query, field: str) -> DistinctCount:
        """Return how many different values `field` has among the matches; raises BadInput as `top_values`."""
        ...

    def percentiles(self, query: Query, field: str, percents: Sequence[float]) -> Percentiles:
        """Return percentiles (each 0 to 100) of a numeric field; raises BadInput for others."""
        ...

    def get(self, ref: RecordRef) -> Document | None:
        """Return the document of one record, None where the index does not hold it."""
        ...

    def status(self) -> EngineStatus:
        """Return documents, errors and lag."""
        ...


@dataclass(frozen=True, slots=True)
class Grid:
    """Buckets of `width` microseconds from `origin` (microseconds since the epoch) on, `count` of them."""

    origin: int
    width: int
    count: int


def grid(first: int, last: int, buckets: int, zone: tzinfo = UTC) -> Grid:
    """Return the finest nice grid of at most `buckets` + 1 buckets that holds `first` to `last` (microseconds).

    Widths are seconds, minutes, hours, days, 7, 30 and 365 days, aligned to the wall clock of `zone` at `first`
    (a change to summer time inside the range is not followed).
    """
    wanted = max(1, buckets)
    span = max(0, last - first)
    width_s = next((nice for nice in _NICE_S if span < nice * 1_000_000 * wanted), 0)
    if not width_s:
        width_s = (span // wanted // 1_000_000 // _NICE_S[-1] + 1) * _NICE_S[-1]
    width = width_s * 1_000_000
    offset = int((from_us(first).astimezone(zone).utcoffset() or timedelta()).total_seconds()) * 1_000_000
    origin = (first + offset) // width * width - offset
    return Grid(origin, width, (last - origin) // width + 1)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST = datetime(1, 1, 1, tzinfo=UTC)
_LATEST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)


def to_us(moment: datetime) -> int:
    """Return microseconds since the epoch."""
    return (moment - _EPOCH) // _MICROSECOND


def from_us(microseconds: int) -> datetime:
    """Return the aware UTC time; what no `datetime` can say is brought to the nearest it can."""
    try:
        return _EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return _LATEST if microseconds > 0 else _EARLIEST
