"""The follower of Elasticsearch: reads the archive in order and writes each record's document exactly once.

Exactly once, because index and `_id` are functions of the record and the server refuses a second `create`; so it may
send again whatever was not acknowledged. The commit point is `Standing.commit`: the cursor moves only when every
document before it is acknowledged, or told of as a dead letter. A server that is away, busy or full is waited for; the
rest of the platform notices nothing but the lag.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, Self

from some.clock import Clock, SystemClock
from some.diagnostics import named
from some.durable import Disk
from some.errors import IntegrityError, NotPermitted, SettingsFault, Unavailable
from some.index import segments
from some.index.elastic import documents, facts, templates, writing
from some.index.elastic.cursor import Standing
from some.index.elastic.lag import Lag, lag_behind
from some.index.elastic.rollup import RollUps
from some.index.engine import IndexFinding
from some.index.facts.sites import Sites
from some.index.fields import UNINDEXED_CLASSES
from some.index.lock import IndexLock
from some.index.runs import PAST_END, runs
from some.record import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ingest.parsing import Batch, SourceHints
    from retention.reading import DamagedSegment
    from some.index.elastic.documents import Action
    from some.index.elastic.transport import Client
    from some.record import RecordClass, RecordReader, RecordRun

RUN_BYTES: Final = 1024 * 1024
POLL_S: Final = 0.2
GATHER_S: Final = 0.8
_FIRST_WAIT_S: Final = 1.0
_LONGEST_WAIT_S: Final = 60.0
DEAD: Final = "dead.jsonl"


class Parse(Protocol):
    """`ingest.parsing.parse_block`."""

    def __call__(
        self, messages: Sequence[bytes], received_us: Sequence[int], hints: SourceHints, origins: Sequence[str]
    ) -> list[Batch]:
        """Return batches in which every message stands exactly once."""
        ...


@dataclass(slots=True)
class Steps:
    """Since the start: records read, documents and facts sent, and seconds by step."""

    records: int = 0
    created: int = 0
    there: int = 0
    facts: int = 0
    dead: int = 0
    repeated: int = 0
    bytes: int = 0
    preparing: float = 0.0
    waiting: float = 0.0


@dataclass(slots=True)
class _Pending:
    """What was read and is not yet sent; `cursor` stands behind the last whole run in it."""

    actions: list[Action] = field(default_factory=list)
    size: int = 0
    findings: list[IndexFinding] = field(default_factory=list)


@dataclass(slots=True)
class _Flight:
    """A request under way, and what becomes true when it and all before it have landed."""

    future: Future[writing.Written]
    cursor: Cursor
    findings: list[IndexFinding]
    indices: set[str]


class ElasticFollower:
    """Follows one ledger. Use as a context manager: it holds the lock and the cursor. Needs no server to be entered."""

    def __init__(
        self,
        reader: RecordReader,
        client: Client,
        *,
        folder: Path,
        lock: Path,
        parse: Parse,
        hints: Callable[[str, RecordClass], SourceHints],
        sites: Sites | None = None,
        disk: Disk | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Write what `reader` has through `client`; the cursor stands in `folder` (`DATA/index/elastic`).

        `lock` is `DATA/run/elastic.lock`. `sites` tells at which site the addresses of a source are.
        """
        self._reader = reader
        self._client = client
        self._folder = folder
        self._lock = IndexLock(lock)
        self._parse = parse
        self._hints = hints
        self._sites = sites or Sites()
        self._disk = disk or Disk()
        self._clock = clock or SystemClock()
        self._log = named("index.elastic.follower")
        self._standing: Standing | None = None
        self._stop = threading.Event()
        self._ready: set[str] | None = None
        self._cursor = Cursor()
        self._pending = _Pending()
        self._flights: deque[_Flight] = deque()
        self._known = documents.Addresses()
        self.steps = Steps()

    def __enter__(self) -> Self:
        """Take the lock and open the cursor; raises Unavailable where another one follows."""
        self._lock.take()
        try:
            self._disk.make_folder(self._folder)
            self._standing = Standing.open_for_writing(self._folder, self._reader.ledger)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the cursor and let the lock go; what was not committed is read again next time."""
        if self._standing is not None:
            self._standing.close()
            self._standing = None
        self._lock.release()

    @property
    def standing(self) -> Standing:
        """The open cursor file."""
        if self._standing is None:
            raise Unavailable("the follower is not open")
        return self._standing

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set. A server that does not answer, or refuses us, is asked again with patience."""
        self._stop = stop
        failures = 0
        rollups = RollUps(self._client, self._clock, stop)
        while not stop.is_set():
            try:
                done = self.run_once()
            except (Unavailable, NotPermitted, SettingsFault) as error:
                failures += 1
                self._ready = None
                longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(failures - 1, 10))
                self._log.warning("index.elastic_delayed", reason=str(error), failures=failures)
                stop.wait(longest * (0.5 + random.random() / 2))  # noqa: S311 - spreads repetitions
                continue
            failures = 0
            if not done and rollups.turn():
                continue
            stop.wait(GATHER_S if done else POLL_S)

    def run_once(self) -> int:
        """Write everything that is durable now; returns how many records that were. All is searchable on return.

        Raises Unavailable, NotPermitted or SettingsFault; what was acknowledged until then stays so.
        """
        before = self.steps.records
        self._prepare()
        settled = self._reader.settled()
        self._cursor = self.standing.cursor()
        self._pending, self._flights = _Pending(), deque()
        touched: set[str] = set()
        writer = writing.Writer(self._client, self._stop)
        with ThreadPoolExecutor(self._client.settings.bulk_in_flight, thread_name_prefix="elastic-bulk") as pool:
            for run in runs(self._reader, self._cursor, max_bytes=RUN_BYTES, damaged=self._pass_by):
                self._take(run)
                if self._full():
                    self._launch(pool, writer)
                    touched |= self._land(self._client.settings.bulk_in_flight)
            self._skip_to(settled)
            self._launch(pool, writer)
            touched |= self._land(1)
        for last in self._flights:
            last.future.result()
            # the last commit waits for it, so that whoever waits for the cursor finds the documents
            self._refresh(touched | last.indices)
        self._land(0)
        return self.steps.records - before

    def lag(self) -> Lag:
        """Return how many durable records wait, and how old the first of them is."""
        return lag_behind(self._reader, self.standing.cursor(), self._clock)

    def _prepare(self) -> None:
        """See that the server has our templates, and that it is the one our cursor speaks of."""
        if self._ready is not None:
            return
        cluster = self._client.cluster()
        if not templates.found(self._client) or self.standing.cluster() not in {None, cluster}:
            # another cluster, or one that was emptied: what it has is refused once more, what it lacks is written
            self.standing.commit(Cursor(), (), 0)
        self.standing.belong(cluster)
        templates.ensure(self._client, self._reader.ledger)
        self._ready = set()

    def _full(self) -> bool:
        settings = self._client.settings
        return len(self._pending.actions) >= settings.bulk_documents or self._pending.size >= settings.bulk_bytes

    def _take(self, run: RecordRun) -> None:
        started = time.perf_counter()
        expected = self._cursor.next_in(run.segment)
        where = f"{run.ledger}/{run.segment:06d}/{expected:06d}"
        if run.first > expected:
            text = f"records {expected} to {run.first - 1} of the segment cannot be read; they are not in the index"
            self._find("index.unreadable", where, text)
        if run.record_class not in UNINDEXED_CLASSES:
            try:
                self._index(run)
            except IntegrityError as error:
                self._find("index.unreadable", where, str(error))
        self._move(run.segment, run.first + run.count)
        self.steps.records += run.count
        self.steps.preparing += time.perf_counter() - started

    def _index(self, run: RecordRun) -> None:
        if self._ready is not None and run.record_class not in self._ready:
            templates.ensure(self._client, self._reader.ledger, {*self._ready, run.record_class})
            self._ready.add(run.record_class)
        settings = self._client.settings
        place = documents.Place(run.ledger, run.segment, run.record_class, settings.prefix, settings.period)
        for one in segments.cut(run):
            batches = self._parse(one.messages, one.received_us, self._hints(one.source, run.record_class), one.origins)
            made, refused = documents.actions(batches, one, place, self._known)
            for batch in batches:
                attested = facts.attested(batch, one, run, self._sites)
                made += facts.actions(attested, settings.prefix, settings.period)
                self.steps.facts += len(attested)
            self._pending.actions += made
            self._pending.size += sum(len(action.lines) for action in made)
            if refused:
                text = f"{refused} values of source {one.source} do not fit their field and were left out"
                self._find("index.value_refused", f"{run.ledger}/{run.segment:06d}/{run.first:06d}", text)

    def _pass_by(self, fault: DamagedSegment) -> None:
        where = f"{self._reader.ledger}/{fault.number:06d}/{fault.position:06d}"
        self._find("index.unreadable", where, f"{fault}; the segment is not in the index from this record on")
        self._move(fault.number, PAST_END)

    def _find(self, code: str, where: str, text: str) -> None:
        self._pending.findings.append(IndexFinding(code, "warning", where, text))
        self._log.warning("index.finding_made", code=code, where=where)

    def _move(self, segment: int, position: int) -> None:
        self._cursor = Cursor(self._cursor.done_below, {**self._cursor.positions, segment: position})

    def _skip_to(self, settled: int) -> None:
        """Everything below `settled` has been read to its end: those segments need no position of their own."""
        if settled > self._cursor.done_below:
            positions = {one: place for one, place in self._cursor.positions.items() if one >= settled}
            self._cursor = Cursor(settled, positions)

    def _launch(self, pool: ThreadPoolExecutor, writer: writing.Writer) -> None:
        """Send what is pending, in requests of bounded size; only the last of them moves the cursor."""
        pending, self._pending = self._pending, _Pending()
        settings = self._client.settings
        groups = list(writing.bulks(pending.actions, documents=settings.bulk_documents, size=settings.bulk_bytes))
        before = self._flights[-1].cursor if self._flights else self.standing.cursor()
        if not groups and not pending.findings and _same(before, self._cursor):
            return
        groups = groups or [[]]
        for number, group in enumerate(groups, start=1):
            last = number == len(groups)
            future = pool.submit(writer.write, group) if group else _nothing()
            self._flights.append(
                _Flight(
                    future,
                    self._cursor if last else before,
                    pending.findings if last else [],
                    {action.index for action in group},
                )
            )
        self.steps.bytes += pending.size

    def _land(self, at_most: int) -> set[str]:
        """Wait until at most so many requests are under way; commits behind each that landed. Returns their indices."""
        touched: set[str] = set()
        while len(self._flights) > at_most:
            flight = self._flights.popleft()
            started = time.perf_counter()
            written = flight.future.result()
            self.steps.waiting += time.perf_counter() - started
            self._commit(flight, written)
            touched |= flight.indices
        return touched

    def _commit(self, flight: _Flight, written: writing.Written) -> None:
        findings = flight.findings
        if written.dead:
            self._disk.make_folder(self._folder)
            try:
                unkept = writing.bury(self._folder / DEAD, written.dead)
            except OSError as error:
                raise Unavailable(f"the file of dead letters cannot be written: {error}") from error
            for letter in written.dead:
                text = f"Elasticsearch refuses the document for {letter.index}: {letter.kind} {letter.reason}".strip()
                findings.append(IndexFinding("index.elastic.refused", "warning", letter.ref, text))
            if unkept:
                text = f"{DEAD} is full; {unkept} more documents were refused and are only counted"
                findings.append(IndexFinding("index.elastic.letters_full", "warning", DEAD, text))
        self.standing.commit(flight.cursor, findings, len(written.dead))
        self.steps.created += written.created
        self.steps.there += written.there
        self.steps.dead += len(written.dead)
        self.steps.repeated += written.waited

    def _refresh(self, indices: set[str]) -> None:
        """Make what was written searchable now; the server would do it by itself a little later."""
        names = sorted(indices)
        for at in range(0, len(names), 50):
            path = f"/{','.join(names[at : at + 50])}/_refresh"
            self._client.request("POST", path, params={"ignore_unavailable": True})


def _same(one: Cursor, other: Cursor) -> bool:
    return one.done_below == other.done_below and dict(one.positions) == dict(other.positions)


def _nothing() -> Future[writing.Written]:
    done: Future[writing.Written] = Future()
    done.set_result(writing.Written())
    return done
