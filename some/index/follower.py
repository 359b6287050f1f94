"""The follower of the embedded index: reads the archive in order and writes each record exactly once.

One process per data directory holds `run/index.lock`. Records are parsed in the calling thread; token texts, encoding,
compression and syncing run in one thread beside it, mostly outside the GIL. The commit point is
`Catalogue.transaction` in `_commit`: files and cursor become visible together.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

import pyarrow as pa

from some.clock import Clock, SystemClock
from some.diagnostics import named
from some.durable import Disk
from some.errors import IntegrityError, Unavailable
from some.index import compaction, files, segments, tables
from some.index.catalogue import Catalogue, StoredFile
from some.index.engine import IndexFinding
from some.index.facts.shapes import shape_of
from some.index.facts.sites import Sites
from some.index.facts.stored import Gathered
from some.index.fields import UNINDEXED_CLASSES
from some.index.lock import IndexLock
from some.index.runs import PAST_END, runs
from some.record import Cursor

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Sequence
    from pathlib import Path

    from ingest.parsing import Batch, SourceHints
    from retention.reading import DamagedSegment
    from some.index.facts.fact import Speaker
    from some.record import RecordClass, RecordReader, RecordRun

FLUSH_ROWS = 122_880
FLUSH_BYTES = 128 * 1024 * 1024
FLUSH_AFTER_S = 1.0
RUN_BYTES = 4 * 1024 * 1024
CROWDED = 64
"""Under full load files are merged only when so many of one pile wait."""

POLL_S = 0.2
GATHER_S = 0.8
"""While records trickle in, how long they are gathered before they become a file: fewer, larger files."""


class Parse(Protocol):
    """`ingest.parsing.parse_block`."""

    def __call__(
        self, messages: Sequence[bytes], received_us: Sequence[int], hints: SourceHints, origins: Sequence[str]
    ) -> list[Batch]:
        """Return batches in which every message stands exactly once."""
        ...


@dataclass(slots=True)
class Steps:
    """CPU seconds by step since the start (waiting: seconds), and records; for the benchmark and for metrics.

    `writing` runs in the thread beside the others; `attesting`, the part of it that facts take, is counted in it.
    """

    records: int = 0
    cutting: float = 0.0
    parsing: float = 0.0
    building: float = 0.0
    writing: float = 0.0
    attesting: float = 0.0
    waiting: float = 0.0


@dataclass(slots=True)
class _Pending:
    """What was read and is not yet committed."""

    parts: dict[str, list[tables.Part]] = field(default_factory=dict)
    rows: int = 0
    size: int = 0
    since: float = 0.0
    findings: list[IndexFinding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Merging:
    """A merge under way: what is read, and the file to come."""

    chosen: list[StoredFile]
    future: Future[StoredFile]


@dataclass(frozen=True, slots=True)
class _Written:
    """What a flush became."""

    files: list[StoredFile]
    speakers: frozenset[Speaker] = frozenset()


class Follower:
    """Follows one ledger. Use as a context manager: it holds the lock and the catalogue."""

    def __init__(
        self,
        reader: RecordReader,
        *,
        folder: Path,
        lock: Path,
        parse: Parse,
        hints: Callable[[str, RecordClass], SourceHints],
        sites: Sites | None = None,
        disk: Disk | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Index what `reader` has into `folder` (`DATA/index/embedded`), holding `lock` (`DATA/run/index.lock`).

        `hints` tells how records of a source and class are to be parsed, `sites` where their addresses are. Nothing is
        touched before `__enter__`.
        """
        self._reader = reader
        self._folder = folder
        self._lock = IndexLock(lock)
        self._parse = parse
        self._hints = hints
        self._sites = sites or Sites()
        self._disk = disk or Disk()
        self._clock = clock or SystemClock()
        self._log = named("index.follower")
        self._catalogue: Catalogue | None = None
        self._cursor = Cursor()
        self._pending = _Pending()
        self._packed = tables.Packed()
        self.steps = Steps()

    def __enter__(self) -> Self:
        """Take the lock, open the catalogue, remove what a crash left; raises Unavailable where another one follows."""
        self._lock.take()
        try:
            self._disk.make_folder(self._folder)
            self._catalogue = Catalogue.open_for_writing(self._folder, self._reader.ledger)
            files.write_schema(self._folder, self._disk)
            strays = files.present(self._folder) - self._catalogue.named()
            files.remove(self._folder, self._disk, sorted(strays))
            self._cursor = self._catalogue.cursor()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Close the catalogue and let the lock go; what was not committed is read again next time."""
        if self._catalogue is not None:
            self._catalogue.close()
            self._catalogue = None
        self._lock.release()

    @property
    def catalogue(self) -> Catalogue:
        """The open catalogue."""
        if self._catalogue is None:
            msg = "the follower is not open"
            raise Unavailable(msg)
        return self._catalogue

    def run(self, stop: threading.Event) -> None:
        """Follow until `stop` is set; a record is searchable within two seconds of its durability.

        Merging runs in a thread of its own, so it delays no record; under full load it waits until files pile up.
        """
        with ThreadPoolExecutor(1, thread_name_prefix="index-merger") as pool:
            merging: _Merging | None = None
            while not stop.is_set():
                done = self.run_once()
                if merging is not None and merging.future.done():
                    self._settle(merging)
                    merging = None
                if merging is None:
                    merging = self._merge(pool, compaction.FAN if done < FLUSH_ROWS else CROWDED)
                stop.wait(POLL_S if not done else 0.0 if done >= FLUSH_ROWS else GATHER_S)
            if merging is not None:
                self._settle(merging)

    def run_once(self) -> int:
        """Index everything that is durable now and return how many records that were; all is committed on return."""
        settled = self._reader.settled()
        before = self.steps.records
        self._pending = _Pending()
        self._cursor = self.catalogue.cursor()
        with ThreadPoolExecutor(1, thread_name_prefix="index-writer") as pool:
            flight: Future[_Written] | None = None
            at_flight = self._cursor
            reported: list[IndexFinding] = []
            for run in runs(self._reader, self._cursor, max_bytes=RUN_BYTES, damaged=self._pass_by):
                self._take(run)
                if self._due():
                    self._land(flight, at_flight, reported)
                    flight, at_flight, reported = self._launch(pool)
            self._land(flight, at_flight, reported)
            self._skip_to(settled)
            if self._pending.parts:
                flight, at_flight, reported = self._launch(pool)
                self._land(flight, at_flight, reported)
            else:
                self._commit(_Written([]), self._cursor, self._pending.findings)
        return self.steps.records - before

    def tidy(self) -> bool:
        """Do one piece of housekeeping here and now; returns whether there was any. Readers notice nothing."""
        with ThreadPoolExecutor(1, thread_name_prefix="index-merger") as pool:
            merging = self._merge(pool, compaction.FAN)
            if merging is not None:
                self._settle(merging)
        return merging is not None

    def forget(self, gone: Collection[int]) -> int:
        """Take the documents and facts of these segments out of the index; returns how many documents they were.

        The rows are out of every answer at once; the old files are removed when their grace is over (`tidy`).
        """
        removed = 0
        now = self._clock.now().timestamp()
        for one in self.catalogue.touching(min(gone, default=0), max(gone, default=-1)):
            try:
                left = compaction.without(self._folder, self._disk, one, frozenset(gone))
            except (pa.ArrowException, OSError) as error:
                msg = f"{one.path} cannot be rewritten ({error}); run `some index rebuild`"
                raise Unavailable(msg) from error
            kept = 0 if left is None else left.rows
            if kept == one.rows:
                continue
            removed += one.rows - kept if shape_of(one.record_class) is None else 0
            with self.catalogue.transaction():
                self.catalogue.retire([one], now)
                self.catalogue.add([left] if left is not None else [])
        return removed

    def _merge(self, pool: ThreadPoolExecutor, at_least: int) -> _Merging | None:
        now = self._clock.now().timestamp()
        compaction.sweep(self._folder, self.catalogue, self._disk, now=now)
        chosen = compaction.choose(self.catalogue, now=now, at_least=at_least)
        if chosen is None:
            return None
        return _Merging(chosen, pool.submit(compaction.merge, self._folder, self._disk, chosen))

    def _settle(self, merging: _Merging) -> None:
        now = self._clock.now().timestamp()
        compaction.settle(self.catalogue, merging.chosen, merging.future, now=now)

    def _due(self) -> bool:
        pending = self._pending
        if pending.rows >= FLUSH_ROWS or pending.size >= FLUSH_BYTES:
            return True
        return pending.rows > 0 and self._clock.monotonic() - pending.since >= FLUSH_AFTER_S

    def _take(self, run: RecordRun) -> None:
        """Cut, parse and build one run; the cursor in memory moves behind it."""
        expected = self._cursor.next_in(run.segment)
        if run.first > expected:
            text = f"records {expected} to {run.first - 1} of the segment cannot be read; they are not in the index"
            self._find("index.unreadable", f"{run.ledger}/{run.segment:06d}/{expected:06d}", text)
        if run.record_class not in UNINDEXED_CLASSES:
            try:
                self._index(run)
            except IntegrityError as error:
                self._find("index.unreadable", f"{run.ledger}/{run.segment:06d}/{run.first:06d}", str(error))
        self._move(run.segment, run.first + run.count)
        self.steps.records += run.count

    def _pass_by(self, fault: DamagedSegment) -> None:
        where = f"{self._reader.ledger}/{fault.number:06d}/{fault.position:06d}"
        self._find("index.unreadable", where, f"{fault}; the segment is not in the index from this record on")
        self._move(fault.number, PAST_END)

    def _move(self, segment: int, position: int) -> None:
        self._cursor = Cursor(self._cursor.done_below, {**self._cursor.positions, segment: position})

    def _index(self, run: RecordRun) -> None:
        started = time.thread_time()
        pending = self._pending
        cut = segments.cut(run)
        self.steps.cutting += time.thread_time() - started
        for one in cut:
            started = time.thread_time()
            hints = self._hints(one.source, run.record_class)
            batches = self._parse(one.messages, one.received_us, hints, one.origins)
            parsed = time.thread_time()
            made = tables.parts(batches, one, run.segment, run.record_class, self._packed)
            self.steps.parsing += parsed - started
            self.steps.building += time.thread_time() - parsed
            pending.parts.setdefault(run.record_class, []).extend(made)
            pending.size += sum(part.size for part in made)
            refused = sum(part.refused for part in made)
            if refused:
                text = f"{refused} values of source {one.source} do not fit their field and were left out"
                self._find("index.value_refused", f"{run.ledger}/{run.segment:06d}/{run.first:06d}", text)
        pending.since = pending.since if pending.rows else self._clock.monotonic()
        pending.rows += run.count

    def _find(self, code: str, where: str, text: str) -> None:
        self._pending.findings.append(IndexFinding(code, "warning", where, text))
        self._log.warning("index.finding_made", code=code, where=where)

    def _skip_to(self, settled: int) -> None:
        """Everything below `settled` has been read to its end: those segments need no position of their own."""
        if settled > self._cursor.done_below:
            positions = {one: place for one, place in self._cursor.positions.items() if one >= settled}
            self._cursor = Cursor(settled, positions)

    def _launch(self, pool: ThreadPoolExecutor) -> tuple[Future[_Written], Cursor, list[IndexFinding]]:
        pending, self._pending = self._pending, _Pending()
        return pool.submit(self._write, pending.parts), self._cursor, pending.findings

    def _write(self, held: dict[str, list[tables.Part]]) -> _Written:
        started = time.thread_time()
        written: list[StoredFile] = []
        gathered = Gathered(self._sites)
        for record_class in sorted(held):
            documents = tables.complete(held.pop(record_class))
            written += files.write(self._folder, self._disk, record_class, documents)
            self.steps.attesting -= time.thread_time()
            gathered.add(record_class, documents)
            self.steps.attesting += time.thread_time()
        self.steps.attesting -= time.thread_time()
        written += gathered.write(self._folder, self._disk)
        self.steps.attesting += time.thread_time()
        self.steps.writing += time.thread_time() - started
        return _Written(written, frozenset(gathered.speakers))

    def _land(self, flight: Future[_Written] | None, cursor: Cursor, findings: Sequence[IndexFinding]) -> None:
        if flight is None:
            return
        started = time.perf_counter()
        try:
            written = flight.result()
        except OSError as error:
            msg = f"the index cannot be written: {error}"
            raise Unavailable(msg) from error
        self.steps.waiting += time.perf_counter() - started
        self._commit(written, cursor, findings)

    def _commit(self, written: _Written, cursor: Cursor, findings: Sequence[IndexFinding]) -> None:
        """Commit point of the index: the files of a flush and the cursor behind their last record, at once."""
        held = self.catalogue.cursor()
        if (
            not written.files
            and not findings
            and (held.done_below, dict(held.positions))
            == (
                cursor.done_below,
                dict(cursor.positions),
            )
        ):
            return
        with self.catalogue.transaction():
            self.catalogue.add(written.files)
            self.catalogue.heard(written.speakers)
            for finding in findings:
                self.catalogue.report(finding)
            self.catalogue.move(cursor)
