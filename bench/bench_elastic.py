"""A day of ten million events in both engines, and "who was it?" on Elasticsearch: `python bench/bench_elastic.py`.

    python bench/bench_elastic.py [--events 10000000] [--elastic-events 2000000] [--sessions 10000000] [--only PART]

events     a real archive of invented lines (FortiGate 60 %, proxy, web, hosts), followed by the embedded index; figures
           of dashboards and free text over all of it; the first part of it followed into Elasticsearch
sessions   the facts of `bench_attribution.py` in Elasticsearch, asked the same questions. One document a minute and
           source stands for those behind the facts: from them the server counts who spoke when.

The server is the tests' own (`make es`), with a heap of 2 GB, or the one at SOME_TEST_ES_URL; its indices are removed.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import sys
import threading
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bench_attribution as town
import orjson
from bench_index import fortigate, squid, sshd, web

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "elastic"))
from elastic_server import ElasticServer, distributions

from ingest.parsing import Parsing, SourceHints
from retention.archive import Archive
from retention.options import ArchiveOptions
from retention.reading import ArchiveReader
from some import clock
from some.index.attribution.window import as_datetime
from some.index.elastic import facts, names, templates, writing
from some.index.elastic.documents import Action, shown_time
from some.index.elastic.engine import Elastic
from some.index.elastic.facts import ElasticFacts
from some.index.elastic.follower import ElasticFollower
from some.index.elastic.minutes import DAY_US
from some.index.elastic.names import Period
from some.index.elastic.rollup import RollUps
from some.index.elastic.transport import ElasticSettings, connect
from some.index.embedded import Embedded
from some.index.engine import Query
from some.index.facts.columns import facts_of
from some.index.facts.shapes import PREFIX
from some.index.follower import Follower
from some.index.query.bind import Options, understand
from some.record import RecordBlock, RecordClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from some.index.elastic.transport import Client
    from some.record import Cursor, RecordRun

LEDGER = town.LEDGER
ZONE = timezone(timedelta(hours=3))
DAY = datetime(2026, 11, 22, tzinfo=UTC)
TEMPLATE = datetime(2026, 11, 22, 17, 31, 47, tzinfo=UTC)
SECONDS = 86_400
MIX = ((fortigate, 60), (squid, 15), (web, 13), (sshd, 12))
DISTINCT = 400_000
HEAP = "-Xms2g -Xmx2g"
ROUNDS = 7


class Lines:
    """Lines of one second, made of 400,000 different ones with the time put in."""

    def __init__(self, a_second: int) -> None:
        """Make templates of `a_second` lines each, by source."""
        draw = random.Random(5651)
        self._held: list[list[tuple[str, int, bytes]]] = []
        for second in range(DISTINCT // a_second):
            held = []
            for maker, share in MIX:
                count = max(1, a_second * share // 100)
                made = [maker(draw, second * 1_000 + number, TEMPLATE).encode() + b"\n" for number in range(count)]
                held.append((maker.__name__, count, b"".join(made)))
            self._held.append(held)

    def of(self, second: int) -> Iterator[tuple[str, int, bytes]]:
        """Yield source, count and lines of a second of the day."""
        at = DAY + timedelta(seconds=second)
        changes = [(_forms(TEMPLATE)[number], form) for number, form in enumerate(_forms(at))]
        for source, count, lines in self._held[second % len(self._held)]:
            changed = lines
            for before, after in changes:
                changed = changed.replace(before, after)
            yield source, count, changed


def _forms(at: datetime) -> list[bytes]:
    local = at.astimezone(ZONE)
    return [b"%d" % int(at.timestamp()), f"{at:%H:%M:%S}".encode(), f"{local:%H:%M:%S}".encode()]


def fill(place: Path, events: int) -> tuple[int, int, int]:
    """Write an archive of a day; returns records, bytes received, bytes stored."""
    wall = clock.SimulatedClock(DAY)
    records = size = 0
    lines = Lines(max(10, -(-events // SECONDS) + 2))
    step = max(1, 10 * SECONDS // max(events, 1)) if events < SECONDS * 10 else 1
    waiting: deque[Future[Any]] = deque()
    with Archive.open(
        place / "archive", place / "run", LEDGER, place / "keys", clock=wall, options=ArchiveOptions()
    ) as archive:
        for second in range(0, SECONDS, step):
            wall.advance(step)
            for source, count, payload in lines.of(second):
                block = RecordBlock(wall.now(), source, "tcp:192.0.2.7:51234", RecordClass("access"), payload, count)
                waiting.append(archive.submit(block))
                records, size = records + count, size + len(payload)
            while len(waiting) > 200:  # noqa: PLR2004 - about 1 MiB
                waiting.popleft().result()
        for future in waiting:
            future.result()
        archive.seal()
    stored = sum(path.stat().st_size for path in (place / "archive").rglob("*") if path.is_file())
    return records, size, stored


def hints(source: str, record_class: str) -> SourceHints:
    """Return how lines are parsed."""
    return SourceHints(source, record_class, "auto", ZONE)


def follow(place: Path, reader: ArchiveReader, records: int) -> None:
    """Index the archive, merge, and tell rate and size."""
    with Follower(
        reader, folder=place / "index", lock=place / "lock", parse=Parsing().parse_block, hints=hints
    ) as follower:
        started = time.perf_counter()
        done = follower.run_once()
        taken = time.perf_counter() - started
        while follower.tidy():
            pass
        merged = time.perf_counter() - started - taken
        held = follower.catalogue.every()
    if done != records:
        raise SystemExit(f"{records} records are in the archive, {done} in the index")
    documents = sum(one.size for one in held if not one.record_class.startswith(PREFIX))
    attested = sum(one.size for one in held) - documents
    print(f"embedded: {done / taken:,.0f} records/s followed, merged in {merged:.0f} s to {len(held)} files", end=" ")
    print(f"({town.load()}); index {documents / done:.1f} bytes an event, facts and minutes {attested / done:.1f}")


def questions(engine: Embedded | Elastic) -> None:
    """Time what a dashboard and the search page ask of the day."""
    options = Options(DAY + timedelta(days=1), ZONE)

    def query(text: str) -> Query:
        return Query(text, understand(text, options), DAY, DAY + timedelta(days=1))

    everything = query("")
    asked: list[tuple[str, Callable[[], object]]] = [
        ("histogram, 96 buckets", lambda: engine.histogram(everything, 96)),
        ("histogram by event.action", lambda: engine.histogram(everything, 96, "event.action")),
        ("top 10 destination.ip", lambda: engine.top_values(everything, "destination.ip", 10)),
        ("top 10 source.user.name", lambda: engine.top_values(everything, "source.user.name", 10)),
        ("distinct source.ip", lambda: engine.distinct(everything, "source.ip")),
        ("percentiles of source.bytes", lambda: engine.percentiles(everything, "source.bytes", [50, 95, 99])),
        ("top 10 of a condition", lambda: engine.top_values(query("destination.port:53"), "source.ip", 10)),
        ("free text, common word", lambda: engine.search(query("portal"), limit=50, newest_first=True)),
        ("free text, rare word", lambda: engine.search(query("kullanici777"), limit=50, newest_first=True)),
        ("free text, two words", lambda: engine.search(query("invalid yönetici7"), limit=50, newest_first=True)),
        ("free text, phrase", lambda: engine.search(query('"invalid user yönetici7"'), limit=50, newest_first=True)),
        ("free text, word that is nowhere", lambda: engine.search(query("bulunmayan"), limit=50)),
    ]
    for name, ask in asked:
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            ask()
            times.append(time.perf_counter() - started)
        rest = times[1:]
        print(
            f"  {name:<32} first {times[0] * 1000:7.0f} ms, then median {statistics.median(rest) * 1000:7.0f}", end=""
        )
        print(f", most {max(rest) * 1000:7.0f} ({town.load()})")


class Part:
    """The first records of an archive: what a follower is given when not all is to be followed."""

    def __init__(self, reader: ArchiveReader, records: int) -> None:
        """Give about `records`."""
        self._reader, self._records = reader, records
        self.ledger = reader.ledger
        self.get, self.get_many, self.settled = reader.get, reader.get_many, lambda: 0

    def follow(self, cursor: Cursor, *, max_bytes: int, classes: frozenset[str] | None = None) -> Iterator[RecordRun]:
        """Yield runs until there are enough."""
        given = 0
        for run in self._reader.follow(cursor, max_bytes=max_bytes, classes=classes):
            if given >= self._records:
                return
            given += run.count
            yield run


@contextmanager
def server() -> Iterator[str]:
    """Give the address of a server."""
    standing = os.environ.get("SOME_TEST_ES_URL")
    if standing:
        yield standing
        return
    found = distributions()
    if not found:
        raise SystemExit("no Elasticsearch is prepared here: `make es` says why")
    # the tests' server has a small heap: a script before its own gives it a larger one
    home = Path("/tmp/bench-es-home")  # noqa: S108 - removed below
    shutil.rmtree(home, ignore_errors=True)
    (home / "bin").mkdir(parents=True)
    (home / "config").symlink_to(found[0].home / "config")
    script = home / "bin" / "elasticsearch"
    started = found[0].home / "bin" / "elasticsearch"
    script.write_text(f'#!/bin/sh\nES_JAVA_OPTS="$ES_JAVA_OPTS {HEAP}" exec {started} "$@"\n', encoding="utf-8")
    for path in (home, home / "bin", script):
        path.chmod(0o755)
    try:
        with ElasticServer(replace(found[0], home=home)) as one:
            print(f"Elasticsearch {found[0].version}, {HEAP}")
            yield one.url
    finally:
        shutil.rmtree(home, ignore_errors=True)


def opened(url: str, prefix: str) -> Client:
    """Return a client whose indices begin with `prefix`."""
    return connect(ElasticSettings((url,), prefix=prefix, replicas=0, timeout_s=120.0, period=Period.MONTH))


def stored(client: Client, pattern: str) -> tuple[int, int]:
    """Return documents and bytes of indices."""
    client.request("POST", f"/{pattern}/_refresh")
    told = client.request("GET", f"/{pattern}/_stats/docs,store")["_all"]["primaries"]
    return int(told["docs"]["count"]), int(told["store"]["size_in_bytes"])


def follow_elastic(place: Path, reader: ArchiveReader, client: Client, records: int) -> None:
    """Follow a part of the archive into Elasticsearch, and tell rate, limit and size."""
    part = Part(reader, records)
    with ElasticFollower(
        part, client, folder=place / "elastic", lock=place / "elock", parse=Parsing().parse_block, hints=hints
    ) as follower:
        started, cpu = time.perf_counter(), time.process_time()
        done = follower.run_once()
        taken, cpu = time.perf_counter() - started, time.process_time() - cpu
        steps = follower.steps
    every = steps.created
    print(f"Elasticsearch: {done / taken:,.0f} records/s followed ({every / taken:,.0f} docs/s with facts)", end=" ")
    print(f"in {taken:.0f} s ({town.load()}); our process {cpu / done * 1e6:.0f} µs CPU a record,", end=" ")
    print(f"{steps.preparing / taken:.0%} of the time preparing, {steps.waiting / taken:.0%} waiting for the server")
    for name, pattern in (("events", "some-access-*"), ("facts", "some-fact-*")):
        count, size = stored(client, pattern)
        print(f"  {name}: {count:,} documents, {size / max(count, 1):.0f} bytes each, {size / done:.0f} a record")


def measure_events(place: Path, url: Callable[[], str], events: int, elastic_events: int) -> None:
    """Measure the day in both engines."""
    started = time.perf_counter()
    records, size, kept = fill(place, events)
    print(
        f"{records:,} records in the archive in {time.perf_counter() - started:.0f} s; {size / records:.0f} bytes",
        end=" ",
    )
    print(f"received, {kept / records:.1f} stored, a record (segments, hash tables, seals)")
    reader = ArchiveReader(place / "archive", place / "run", LEDGER)
    follow(place, reader, records)
    town.drop_caches()
    with Embedded(reader, place / "index") as engine:
        questions(engine)
    if elastic_events:
        client = opened(url(), "some")
        follow_elastic(place, reader, client, elastic_events)
        with Elastic(reader, client, place / "elastic") as engine:
            questions(engine)


def load_facts(client: Client, total: int) -> None:
    """Write the town's facts, and one document a minute and source, to Elasticsearch."""
    templates.ensure(client, LEDGER, {"access"})
    prefix, period = client.settings.prefix, client.settings.period
    writer = writing.Writer(client, threading.Event())
    started, count = time.perf_counter(), 0
    with ThreadPoolExecutor(2) as pool:
        waiting: deque[Future[Any]] = deque()
        for day in range(town.DAYS):
            held = town.day_of(day, total // town.DAYS)
            made: list[Action] = []
            for layer, table in held.items():
                rows = zip(*(column.to_pylist() for column in table.columns), strict=True)
                made += facts.actions(facts_of(layer, LEDGER, table.column_names, rows), prefix, period)
            made += spoken(held, prefix, period)
            count += len(made)
            for group in writing.bulks(made, documents=2_000, size=5_000_000):
                waiting.append(pool.submit(writer.write, group))
                while len(waiting) > 4:  # noqa: PLR2004 - two under way, two ready
                    waiting.popleft().result()
        for future in waiting:
            future.result()
    taken = time.perf_counter() - started
    print(f"{count:,} documents written in {taken:.0f} s, {count / taken:,.0f}/s ({town.load()})")


def roll_up(client: Client) -> None:
    """Make the roll-ups of minutes, as a follower does when no record waits."""
    started = time.perf_counter()
    rolls = RollUps(client, clock.SimulatedClock(as_datetime(town.START + town.DAYS * DAY_US)))
    while rolls.turn():
        pass
    count, size = stored(client, "town-fact-minute-*")
    print(f"  {count:,} roll-ups of a source and day made in {time.perf_counter() - started:.0f} s,", end=" ")
    print(f"{size / max(count, 1):,.0f} bytes each ({rolls.made.failed} turns failed; {town.load()})")


def spoken(held: Any, prefix: str, period: Period) -> list[Action]:
    """Return a document for each minute and source."""
    made = []
    once = {(row["source"], row["minute"]): row for row in town.minutes(held).to_pylist()}
    for number, row in enumerate(once.values()):
        index = names.index_of(prefix, "access", period, row["first"])
        ref = f"{LEDGER}/{row['#segment']:06d}/{9_000_000 + number:06d}"
        head = orjson.dumps({"create": {"_index": index, "_id": names._identity(ref)}})  # noqa: SLF001 - a stand-in
        body = {
            "@timestamp": shown_time(row["first"]),
            "some.at": row["first"],
            "some.ref": ref,
            "some.class": "access",
            "some.source": row["source"],
            "some.origin": "bench",
            "some.delay": row["delay"] * 100,
        }
        made.append(Action(index, ref, b"%b\n%b\n" % (head, orjson.dumps(body))))
    return made


def measure_sessions(url: str, total: int, count: int) -> None:
    """Attribution on Elasticsearch."""
    client = opened(url, "town")
    load_facts(client, total)
    for layer in ("nat", "lease", "identity"):
        rows, size = stored(client, f"town-fact-{layer}-*")
        print(f"  {layer}: {rows:,} facts, {size / max(rows, 1):.0f} bytes each")
    stored(client, "town-*")
    roll_up(client)
    asked = town.cases(total, count + 1)
    town.drop_caches()
    print(f"first run: {town.measure(asked, lambda: nullcontext(ElasticFacts(client))).told()} ({town.load()})")
    print(f"once more: {town.measure(asked, lambda: nullcontext(ElasticFacts(client))).told()} ({town.load()})")
    client.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--elastic-events", type=int, default=2_000_000)
    parser.add_argument("--sessions", type=int, default=10_000_000)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--only", choices=("events", "sessions"))
    parser.add_argument("--folder", type=Path, default=Path("/tmp/bench-attribution/events"))  # noqa: S108 - removed
    given = parser.parse_args()
    try:
        with server() as url:
            if given.only != "sessions":
                measure_events(given.folder, lambda: url, given.events, given.elastic_events)
            if given.only != "events":
                measure_sessions(url, given.sessions, given.questions)
    finally:
        shutil.rmtree(given.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
