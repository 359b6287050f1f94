"""The one-machine engine: DuckDB over the Parquet files of the follower, records themselves from the archive.

Nothing is locked. What a record said (`event.original`) is not in the index: it is read from the archive for the page
that is shown, so the index holds no second copy of the evidence. Where the archive cannot give it, the document is
served with `some.damaged` and an empty text.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import TYPE_CHECKING

from some import clock
from some.errors import BadInput
from some.index import documents, figures, files, paging, words
from some.index.catalogue import StoredFile, Totals, reading
from some.index.engine import (
    MAX_PAGE,
    DistinctCount,
    Document,
    EngineStatus,
    Histogram,
    IndexFinding,
    Page,
    Percentiles,
    Query,
    TopValues,
    from_us,
    grid,
    to_us,
)
from some.index.facts.embedded import EmbeddedFacts
from some.index.fields import TIME
from some.index.paging import Hit, Key
from some.index.query.sql import Condition, condition, quoted
from some.index.runs import runs
from some.index.scan import Scan
from some.index.steady import Answer, steadily
from some.record import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self

    from retention.reading import DamagedSegment
    from some.record import RecordReader, RecordRef

_LAG_S = 0.25
_LAG_BYTES = 4 * 1024 * 1024


def _known(_: DamagedSegment) -> None:
    """Damage is the follower's to tell."""


class Embedded:
    """`some.index.engine.Engine` over the folder of one ledger's follower. Safe to use from several threads."""

    def __init__(
        self,
        reader: RecordReader,
        folder: Path,
        *,
        threads: int = 2,
        memory: str = "512MB",
        time_limit_s: float = 30.0,
        wall: clock.Clock | None = None,
    ) -> None:
        """Search `folder` (`DATA/index/embedded`), which need not exist yet; `memory` is DuckDB's limit."""
        self._reader = reader
        self._folder = folder.absolute()
        self._wall = wall or clock.SystemClock()
        self._scan = Scan(self._folder, threads=threads, memory=memory, time_limit_s=time_limit_s)

    def __enter__(self) -> Self:
        """Return the engine."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Let DuckDB go."""
        self._scan.close()

    @property
    def facts(self) -> EmbeddedFacts:
        """The interval facts beside the documents; usable until this engine is closed."""
        return EmbeddedFacts(self._reader.ledger, self._folder, self._scan)

    def search(self, query: Query, *, limit: int, cursor: str | None = None, newest_first: bool = False) -> Page:
        """Return a page; raises BadInput for a limit or cursor that makes no sense, Unavailable."""
        if not 1 <= limit <= MAX_PAGE:
            msg = f"a page has 1 to {MAX_PAGE} documents, not {limit}"
            raise BadInput(msg)
        after = None if cursor is None else paging.read_cursor(cursor, newest_first=newest_first)
        return self._steadily(lambda: self._page(query, limit, after, newest_first=newest_first))

    def _page(self, query: Query, limit: int, after: Key | None, *, newest_first: bool) -> Page:
        where, held = self._where(query), self._held(query)
        hits = paging.hits(self._scan, held, where, after=after, wanted=limit + 1, newest_first=newest_first)
        more = len(hits) > limit
        hits = [Hit(hit.key, self._scan.relative(hit.path)) for hit in hits[:limit]]
        return Page(
            documents=documents.of_hits(self._scan, self._reader, held, hits),
            next_cursor=paging.cursor_after(hits[-1].key, newest_first=newest_first) if more else None,
            total=None if more or after is not None else len(hits),
            findings=self._scan.findings_in(held),
        )

    def count(self, query: Query) -> int:
        """Return the number of matches."""
        where = self._where(query)
        return self._steadily(lambda: figures.total(self._asker(self._held(query), where), where))

    def histogram(self, query: Query, buckets: int, by: str | None = None, *, zone: tzinfo = UTC) -> Histogram:
        """Return matches over time; raises BadInput for a field that cannot split them."""
        field = None if by is None else figures.countable(by)

        def answer() -> Histogram:
            held, where = self._held(query), self._where(query)
            ask = self._asker(held, where)
            if query.start is not None and query.end is not None:
                span: tuple[int, int] | None = (to_us(query.start), max(to_us(query.start), to_us(query.end) - 1))
            else:
                span = figures.span(ask, where)
            if span is None:
                return Histogram((), timedelta(seconds=1), by, (), self._scan.findings_in(held))
            made = figures.histogram(ask, where, grid(*span, buckets, zone), field)
            return replace(made, findings=self._scan.findings_in(held))

        return self._steadily(answer)

    def top_values(self, query: Query, field: str, size: int) -> TopValues:
        """Return the most frequent values among all matches; raises BadInput for a field that is not counted."""
        kind = figures.countable(field)

        def answer() -> TopValues:
            held, where = self._held(query), self._where(query)
            ask = self._asker(held, where)
            values = figures.top_values(ask, where, kind, size)
            return TopValues(values, figures.total(ask, where), self._scan.findings_in(held))

        return self._steadily(answer)

    def distinct(self, query: Query, field: str) -> DistinctCount:
        """Return the exact number of different values; raises BadInput for a field that is not counted."""
        kind = figures.countable(field)

        def answer() -> DistinctCount:
            held, where = self._held(query), self._where(query)
            count = figures.distinct(self._asker(held, where), where, kind)
            return DistinctCount(count, exact=True, findings=self._scan.findings_in(held))

        return self._steadily(answer)

    def percentiles(self, query: Query, field: str, percents: Sequence[float]) -> Percentiles:
        """Return exact percentiles; raises BadInput for a field without numbers and for percents that are none."""
        kind = figures.measurable(field, percents)

        def answer() -> Percentiles:
            held, where = self._held(query), self._where(query)
            values, count = figures.percentiles(self._asker(held, where), where, kind, percents)
            return Percentiles(values, count, exact=True, findings=self._scan.findings_in(held))

        return self._steadily(answer)

    def get(self, ref: RecordRef) -> Document | None:
        """Return the document of one record."""
        if ref.ledger != self._reader.ledger:
            return None

        def answer() -> Document | None:
            with reading(self._folder, self._reader.ledger) as catalogue:
                held = catalogue.holding(ref.segment, ref.position) if catalogue else []
            hits = [Hit(Key(0, ref.segment, ref.position), one.path) for one in held]
            found = documents.of_hits(self._scan, self._reader, held, hits)
            return found[0] if found else None

        return self._steadily(answer)

    def classes(self) -> frozenset[str]:
        """Return every record class that has a document."""
        with reading(self._folder, self._reader.ledger) as catalogue:
            return catalogue.classes() if catalogue else frozenset()

    def status(self) -> EngineStatus:
        """Return documents, errors, lag, and findings: those of the follower, and files that are not what they were."""
        with reading(self._folder, self._reader.ledger) as catalogue:
            totals = catalogue.totals() if catalogue else Totals(0, 0, None)
            cursor = catalogue.cursor() if catalogue else Cursor()
            kept = catalogue.findings() if catalogue else ()
            held = catalogue.every() if catalogue else []
        for one in held:
            if self._resized(one):
                self._scan.condemn(one)
        records, seconds, exact = self._lag(cursor)
        return EngineStatus(
            documents=totals.rows,
            pipeline_errors=totals.errors,
            newest=None if totals.newest_us is None else from_us(totals.newest_us),
            lag_records=records,
            lag_seconds=seconds,
            lag_exact=exact,
            findings=(*kept, *self._scan.findings_in(held)),
        )

    def check(self) -> tuple[IndexFinding, ...]:
        """Read every file and compare it with its digest; returns what is damaged. Takes as long as the disk takes."""
        with reading(self._folder, self._reader.ledger) as catalogue:
            held = catalogue.every() if catalogue else []
        held += [one.word_list for one in held if one.word_list is not None]
        for one in held:
            try:
                intact = files.digest(self._folder / one.path) == one.sha256
            except OSError:
                intact = self._merged_away(one)
            if not intact:
                self._scan.condemn(one)
        return self._scan.findings_in(held)

    def _resized(self, one: StoredFile) -> bool:
        try:
            return (self._folder / one.path).stat().st_size != one.size
        except OSError:
            return not self._merged_away(one)

    def _merged_away(self, one: StoredFile) -> bool:
        with reading(self._folder, self._reader.ledger) as catalogue:
            return catalogue is None or catalogue.named_as(one.path) is None

    def _lag(self, cursor: Cursor) -> tuple[int, float, bool]:
        """Return how many durable records wait, how old the first of them is, and whether all were counted."""
        records, oldest = 0, None
        started = time.monotonic()
        for run in runs(self._reader, cursor, max_bytes=_LAG_BYTES, damaged=_known):
            records += run.count
            received = clock.from_text(run.lines[:27].decode("ascii"))
            oldest = received if oldest is None else min(oldest, received)
            if time.monotonic() - started > _LAG_S:
                return records, self._age(oldest), False
        return records, 0.0 if oldest is None else self._age(oldest), True

    def _age(self, received: datetime) -> float:
        return max(0.0, (self._wall.now() - received).total_seconds())

    def _held(self, query: Query) -> list[StoredFile]:
        with reading(self._folder, self._reader.ledger) as catalogue:
            if catalogue is None:
                return []
            start = None if query.start is None else to_us(query.start)
            return catalogue.files(query.classes, start, None if query.end is None else to_us(query.end))

    def _where(self, query: Query) -> Condition:
        asked = condition(query.tree, self._reader.ledger)
        text, values = asked.text, [*asked.values]
        if query.start is not None:
            text, values = f"{text} AND {quoted(TIME)} >= ?", [*values, to_us(query.start)]
        if query.end is not None:
            text, values = f"{text} AND {quoted(TIME)} < ?", [*values, to_us(query.end)]
        return replace(asked, text=text, values=tuple(values))

    def _asker(self, held: Sequence[StoredFile], where: Condition) -> figures.Ask:
        left = words.holding(self._scan, held, where.tree)
        return lambda select, values: self._scan.ask(left, select, values)[1]

    def _steadily(self, answer: Callable[[], Answer]) -> Answer:
        return steadily(self._folder, self._reader.ledger, self._scan, answer)
