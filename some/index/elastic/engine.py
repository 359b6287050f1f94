"""The engine at scale: the same questions and answers as `some.index.embedded`, asked of Elasticsearch.

Cursors are keys, not open searches: nothing is kept on the server between pages, and a page can be asked for after a
restart of either side. What a record said is read from the archive, never from the index: the server's copy is for
people who look with other tools, and nobody has to trust it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta, tzinfo
from typing import TYPE_CHECKING, Any, Final

from some import clock
from some.errors import BadInput
from some.index import text
from some.index.documents import DAMAGED
from some.index.elastic import asking, documents, figures, names
from some.index.elastic.cursor import reading
from some.index.elastic.facts import ElasticFacts
from some.index.elastic.figures import Asked
from some.index.elastic.lag import lag_behind
from some.index.elastic.templates import POSITION, SEGMENT
from some.index.engine import (
    MAX_PAGE,
    DistinctCount,
    Document,
    EngineStatus,
    Histogram,
    Page,
    Percentiles,
    Query,
    TopValues,
    from_us,
    grid,
    to_us,
)
from some.index.fields import ORIGINAL, REF, TIME
from some.index.figures import countable, measurable
from some.index.paging import Key, cursor_after, read_cursor
from some.index.query.dsl import condition
from some.index.query.tree import And, Node, Op, Range
from some.record import Cursor, RecordRef

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Self

    from some.index.elastic.asking import Hit
    from some.index.elastic.transport import Client
    from some.record import RecordReader

_NS: Final = 1_000
_MAX_CLASSES: Final = 1_000
_ERRORS: Final = {"term": {"event.kind": {"value": "pipeline_error"}}}
_ALL: Final[dict[str, Any]] = {"match_all": {}}


class Elastic:
    """`some.index.engine.Engine` over the indices of one ledger. Safe to use from several threads."""

    def __init__(self, reader: RecordReader, client: Client, folder: Path, *, wall: clock.Clock | None = None) -> None:
        """Search what the follower of `reader` wrote; its cursor stands in `folder` (`DATA/index/elastic`)."""
        self._reader = reader
        self._client = client
        self._folder = folder
        self._wall = wall or clock.SystemClock()

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the connections to the server."""
        self._client.close()

    @property
    def facts(self) -> ElasticFacts:
        """The interval facts beside the documents; usable until this engine is closed."""
        return ElasticFacts(self._client)

    def search(self, query: Query, *, limit: int, cursor: str | None = None, newest_first: bool = False) -> Page:
        """Return a page; raises BadInput for a limit or cursor that makes no sense, Unavailable."""
        if not 1 <= limit <= MAX_PAGE:
            msg = f"a page has 1 to {MAX_PAGE} documents, not {limit}"
            raise BadInput(msg)
        after = None if cursor is None else read_cursor(cursor, newest_first=newest_first)
        if query.classes is not None and not query.classes:
            return Page([], None, 0 if after is None else None)
        order = "desc" if newest_first else "asc"
        body: dict[str, Any] = {
            "query": self._condition(query),
            "sort": [{name: {"order": order}} for name in (TIME, SEGMENT, POSITION)],
            "_source": {"excludes": [ORIGINAL]},
        }
        if after is not None:
            body["search_after"] = [after.at * _NS, after.segment, after.position]
        found = asking.hits(self._client, self._where(query), body, limit + 1)
        more, kept = len(found) > limit, found[:limit]
        return Page(
            documents=self._documents(kept),
            next_cursor=cursor_after(_key(kept[-1]), newest_first=newest_first) if more else None,
            total=None if more or after is not None else len(kept),
        )

    def count(self, query: Query) -> int:
        """Return the number of matches."""
        if query.classes is not None and not query.classes:
            return 0
        return asking.count(self._client, self._where(query), self._condition(query))

    def histogram(self, query: Query, buckets: int, by: str | None = None, *, zone: tzinfo = UTC) -> Histogram:
        """Return matches over time; raises BadInput for a field that cannot split them."""
        field = None if by is None else countable(by)
        asked = self._asked(query)
        if query.start is not None and query.end is not None:
            span: tuple[int, int] | None = (to_us(query.start), max(to_us(query.start), to_us(query.end) - 1))
        else:
            span = None if asked is None else figures.span(asked)
        if span is None:
            return Histogram((), timedelta(seconds=1), by)
        over = grid(*span, buckets, zone)
        if asked is None:
            asked = replace(self._everything(), query={"match_none": {}})
        return figures.histogram(asked, over, field)

    def top_values(self, query: Query, field: str, size: int) -> TopValues:
        """Return the most frequent values among all matches; raises BadInput for a field that is not counted."""
        kind = countable(field)
        asked = self._asked(query)
        if asked is None:
            return TopValues((), 0)
        values, findings = figures.top_values(asked, kind, size)
        return TopValues(values, asking.count(asked.client, asked.where, asked.query), findings)

    def distinct(self, query: Query, field: str) -> DistinctCount:
        """Return how many different values there are; raises BadInput for a field that is not counted."""
        kind = countable(field)
        asked = self._asked(query)
        return DistinctCount(0, exact=True) if asked is None else figures.distinct(asked, kind)

    def percentiles(self, query: Query, field: str, percents: Sequence[float]) -> Percentiles:
        """Return percentiles; raises BadInput for a field without numbers and for percents that are none."""
        kind = measurable(field, percents)
        asked = self._asked(query)
        return Percentiles({}, 0, exact=True) if asked is None else figures.percentiles(asked, kind, percents)

    def get(self, ref: RecordRef) -> Document | None:
        """Return the document of one record."""
        if ref.ledger != self._reader.ledger:
            return None
        body = {
            "query": {"bool": {"filter": [{"term": {REF: {"value": str(ref)}}}]}},
            "_source": {"excludes": [ORIGINAL]},
            "size": 1,
        }
        answer = asking.search(self._client, names.records(self._client.settings.prefix, None), body)
        found = self._documents(answer["hits"]["hits"])
        return found[0] if found else None

    def classes(self) -> frozenset[str]:
        """Return every record class that has a document."""
        asked = self._everything()
        terms = {"terms": {"field": "some.class", "size": _MAX_CLASSES}}
        found = asking.aggregated(asked.client, asked.where, asked.query, {"classes": terms})
        return frozenset(str(one["key"]) for one in found.get("classes", {}).get("buckets", ()))

    def status(self) -> EngineStatus:
        """Return documents, errors, lag, and what the follower found; raises Unavailable where the server is away."""
        asked = self._everything()
        newest = figures.span(asked)
        with reading(self._folder, self._reader.ledger) as standing:
            cursor = standing.cursor() if standing else Cursor()
            kept = standing.findings() if standing else ()
        lag = lag_behind(self._reader, cursor, self._wall)
        return EngineStatus(
            documents=asking.count(asked.client, asked.where, asked.query),
            pipeline_errors=asking.count(asked.client, asked.where, _ERRORS),
            newest=None if newest is None else from_us(newest[1]),
            lag_records=lag.records,
            lag_seconds=lag.seconds,
            lag_exact=lag.exact,
            findings=kept,
        )

    def _everything(self) -> Asked:
        return Asked(self._client, names.records(self._client.settings.prefix, None), _ALL)

    def _asked(self, query: Query) -> Asked | None:
        if query.classes is not None and not query.classes:
            return None
        return Asked(self._client, self._where(query), self._condition(query))

    def _where(self, query: Query) -> str:
        return names.records(self._client.settings.prefix, query.classes)

    def _condition(self, query: Query) -> dict[str, Any]:
        parts: list[Node] = [] if query.tree is None else [query.tree]
        if query.start is not None:
            parts.append(Range(TIME, Op.GTE, to_us(query.start)))
        if query.end is not None:
            parts.append(Range(TIME, Op.LT, to_us(query.end)))
        return condition(And(tuple(parts)), self._reader.ledger)

    def _documents(self, found: Sequence[Hit]) -> list[Document]:
        refs = [RecordRef.parse(hit["_source"][REF]) for hit in found]
        records = self._reader.get_many(sorted(refs)) if refs else {}
        made = []
        for ref, hit in zip(refs, found, strict=True):
            document = documents.nested(hit["_source"])
            record = records.get(ref)
            document.setdefault("event", {})["original"] = "" if record is None else text.decode(record.raw)
            if record is None:
                document["some"][DAMAGED.removeprefix("some.")] = True
            made.append(document)
        return made


def _key(hit: Hit) -> Key:
    at, segment, position = hit["sort"]
    return Key(int(at) // _NS, int(segment), int(position))
