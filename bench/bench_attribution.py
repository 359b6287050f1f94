"""How fast "who was it?" is answered by the embedded index: `python bench/bench_attribution.py [--sessions 100000000]`.

An invented town over two simulated years: one firewall with eight public addresses (sessions of 1 to 300 s on random
ports), a DHCP server and a captive portal for 2,000 inside addresses. The facts are written straight to Parquet, one
file for each day and layer with the merge's own code, and look as a follower would have left them, minutes included;
no document stands behind them. Then random questions (public address, port, protocol and time of a session that there
was) are answered through leases and sign-ins, and each answer is compared with the truth.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import shutil
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ingest.declared import Site, Sources
from ingest.fact_words import FactWord, LoginMethod
from some.durable import Disk
from some.index import files
from some.index.attribution.answer import Verdict
from some.index.attribution.answering import Attribution
from some.index.attribution.question import Question
from some.index.attribution.window import DAY, SECOND, as_datetime, microseconds
from some.index.catalogue import Catalogue
from some.index.embedded import Embedded
from some.index.facts.columns import MINUTES, SCHEMAS
from some.index.facts.fact import Layer
from some.index.facts.shapes import class_of, of_class
from some.index.facts.stored import minutes_of, speakers_of
from some.index.fields import POSITION, SEGMENT, TIME
from some.index.storage import pack_ip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from some.index.catalogue import StoredFile
    from some.index.facts.fact import FactStore
    from some.record import Cursor, RecordRef, RecordRun, StoredRecord

LEDGER = "olcum1"
SITE = "merkez"
DAYS = 730
START = microseconds(datetime(2024, 11, 1, tzinfo=UTC))
ADDRESSES = 2_000
HALF_DAY = DAY // 2
LOST = 20
"""Of so many sign-outs one is lost, so an answer has to look farther."""

PUBLIC = [f"203.0.113.{number}" for number in range(1, 9)]
INNER = [f"10.20.{number // 250}.{number % 250 + 1}" for number in range(ADDRESSES)]
TARGETS = [f"198.51.100.{number}" for number in range(256)]
MACS = [f"00-00-5E-00-{number // 256:02X}-{number % 256:02X}" for number in range(ADDRESSES)]
PEOPLE = [f"kullanici{number:04d}" for number in range(ADDRESSES)]
_PACKED = {name: pa.array([pack_ip(one) for one in held], pa.binary()) for name, held in (
    ("public", PUBLIC), ("inner", INNER), ("target", TARGETS),
)}  # fmt: skip


def declared() -> Sources:
    """Return what the town declares: its site. The clocks are measured."""
    public = ip_network("203.0.113.0/28")
    return Sources({SITE: Site(SITE, (ip_network("10.20.0.0/16"),), (public,))}, {}, ())


class Nothing:
    """A reader of an archive that holds no records: no document is asked for."""

    ledger = LEDGER

    def settled(self) -> int:
        """Return that nothing is closed."""
        return 0

    def follow(
        self,
        cursor: Cursor,  # noqa: ARG002 - the protocol's
        *,
        max_bytes: int,  # noqa: ARG002 - as above
        classes: frozenset[str] | None = None,  # noqa: ARG002 - as above
    ) -> Iterator[RecordRun]:
        """Yield nothing."""
        yield from ()

    def get(self, ref: RecordRef) -> StoredRecord:
        """Find nothing."""
        raise KeyError(ref)

    def get_many(self, refs: Iterable[RecordRef]) -> dict[RecordRef, StoredRecord]:  # noqa: ARG002 - as above
        """Find nothing."""
        return {}


class Dice:
    """Random columns; one seed always gives the same."""

    def __init__(self, seed: int, count: int) -> None:
        """Make columns of `count` values."""
        self._seed, self._count = seed * 100, count

    def below(self, limit: int) -> Any:
        """Return whole numbers from 0 below `limit`."""
        self._seed += 1
        return pc.cast(pc.floor(pc.multiply(pc.random(self._count, initializer=self._seed), limit)), pa.int64())


def phase(address: int) -> int:
    """Return when in a day (microseconds) the address changes hands."""
    return address * (DAY // ADDRESSES)


def turn(address: int, at: int) -> int:
    """Return the number of the day, counted from the address's own change of hands."""
    return (at - START - phase(address)) // DAY


def person_of(address: int, number: int) -> str:
    """Return who signs in there on that day."""
    return PEOPLE[(address + 7 * number) % ADDRESSES]


def mac_of(address: int, number: int) -> str:
    """Return whose lease it is: another device each week."""
    return MACS[(address + 13 * (number // 7)) % ADDRESSES]


def sessions(day: int, count: int) -> pa.Table:
    """Return the NAT sessions that ended on a day, in the order in which they were told."""
    dice = Dice(1_000 + day, count)
    told = dice.below(DAY)
    end = pc.add(told.take(pc.sort_indices(told)), START + day * DAY)
    start = pc.subtract(end, pc.multiply(pc.add(dice.below(300), 1), SECOND))
    place = pa.array(range(count), pa.int64())
    udp = pc.equal(dice.below(5), 0)
    return _table(
        Layer.NAT,
        count,
        {
            **_always(FactWord.SESSION, "fw-merkez", "FGT-MERKEZ", count),
            "known_from": start,
            "known_to": end,
            "opens": _all(True, count),
            "closes": _all(True, count),
            "received": pc.add(end, pc.add(50_000, dice.below(200_000))),
            "session": pc.binary_join_element_wise("FGT-MERKEZ/ana/", place.cast(pa.string()), ""),
            "inner_ip": _PACKED["inner"].take(dice.below(ADDRESSES)),
            "inner_port": pc.add(dice.below(64_000), 1_024),
            "public_ip": _PACKED["public"].take(dice.below(len(PUBLIC))),
            "public_port": pc.add(dice.below(64_000), 1_024),
            "target_ip": _PACKED["target"].take(dice.below(len(TARGETS))),
            "target_port": pa.array([443, 443, 443, 80, 53, 993]).take(dice.below(6)),
            "transport": pc.if_else(udp, "udp", "tcp"),
            SEGMENT: _all(3 * day, count),
            POSITION: place,
        },
    )


def leases(day: int) -> pa.Table:
    """Return a day's grants: each address every twelve hours for a day, and a release where a week is over."""
    rows: list[tuple[int, int, bool, str]] = []
    for address in range(ADDRESSES):
        change = START + day * DAY + phase(address)
        if day and day % 7 == 0:
            rows.append((change - 5 * SECOND, address, True, mac_of(address, day - 1)))
        rows += [(change + half, address, False, mac_of(address, day)) for half in (0, HALF_DAY)]
    rows.sort()
    count = len(rows)
    at = pa.array([row[0] for row in rows], pa.int64())
    ended = pa.array([row[2] for row in rows])
    promised = pc.if_else(ended, pa.scalar(None, pa.int64()), pc.add(at, DAY))
    return _table(
        Layer.LEASE,
        count,
        {
            **_always(FactWord.LEASE_GRANTED, "dhcp-merkez", "dhcp1", count),
            "word": pc.if_else(ended, FactWord.LEASE_ENDED.value, FactWord.LEASE_GRANTED.value),
            "known_from": at,
            "known_to": at,
            "opens": _all(False, count),
            "closes": ended,
            "received": pc.add(at, pc.add(20_000, Dice(5_000 + day, count).below(100_000))),
            "inner_ip": _PACKED["inner"].take(pa.array([row[1] for row in rows])),
            "mac": pa.array([row[3] for row in rows]),
            "promised_to": promised,
            "host": pa.array([f"PC-{row[1]:04d}" for row in rows]),
            SEGMENT: _all(3 * day + 1, count),
            POSITION: pa.array(range(count), pa.int64()),
        },
    )


def logins(day: int) -> pa.Table:
    """Return a day's sign-ins and sign-outs; one sign-out in LOST is lost."""
    rows: list[tuple[int, int, bool, int]] = []
    for address in range(ADDRESSES):
        change = START + day * DAY + phase(address)
        if day and not is_lost(address, day - 1):
            rows.append((change - 20 * SECOND, address, True, day - 1))
        rows.append((change + 20 * SECOND, address, False, day))
    rows.sort()
    count = len(rows)
    at = pa.array([row[0] for row in rows], pa.int64())
    out = pa.array([row[2] for row in rows])
    people = pa.array([person_of(row[1], row[3]) for row in rows])
    return _table(
        Layer.IDENTITY,
        count,
        {
            **_always(FactWord.LOGIN, "portal-merkez", "portal1", count),
            "word": pc.if_else(out, FactWord.LOGOUT.value, FactWord.LOGIN.value),
            "known_from": at,
            "known_to": at,
            "opens": pc.invert(out),
            "closes": out,
            "received": pc.add(at, pc.add(20_000, Dice(9_000 + day, count).below(100_000))),
            "session": pa.array([f"portal1//{row[1]}-{row[3]}" for row in rows]),
            "inner_ip": _PACKED["inner"].take(pa.array([row[1] for row in rows])),
            "mac": pa.array([mac_of(row[1], row[3]) for row in rows]),
            "person": people,
            "person_key": people,
            "method": _all(LoginMethod.PORTAL.value, count),
            SEGMENT: _all(3 * day + 2, count),
            POSITION: pa.array(range(count), pa.int64()),
        },
    )


def is_lost(address: int, number: int) -> bool:
    """Say whether the sign-out of that day's stay was lost."""
    return (address * 31 + number * 17) % LOST == 0


def day_of(day: int, count: int) -> dict[Layer, pa.Table]:
    """Return a day's facts by layer."""
    return {Layer.NAT: sessions(day, count), Layer.LEASE: leases(day), Layer.IDENTITY: logins(day)}


def minutes(held: Mapping[Layer, pa.Table]) -> pa.Table:
    """Return who spoke when, had one record stood behind each fact."""
    made = []
    for table in held.values():
        columns = {
            TIME: table.column("known_to"),
            "some.source": table.column("source"),
            "some.delay": pc.divide(pc.subtract(table.column("received"), table.column("known_to")), 1_000),
            SEGMENT: table.column(SEGMENT),
            POSITION: table.column(POSITION),
        }
        made.append(minutes_of(pa.table(columns)))
    return pa.concat_tables(made)


def _always(word: FactWord, source: str, device: str, count: int) -> dict[str, Any]:
    plain = {"word": word.value, "source": source, "site": SITE, "device": device, "whole_seconds": False}
    return {name: _all(value, count) for name, value in plain.items()}


def _all(value: str | int | bool, count: int) -> Any:  # noqa: FBT001 - a column's value, whatever its type
    return pa.repeat(pa.scalar(value), count)


def _table(layer: Layer, count: int, columns: Mapping[str, Any]) -> pa.Table:
    schema = SCHEMAS[layer]
    arrays = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(count, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def write(folder: Path, total: int) -> dict[str, list[StoredFile]]:
    """Write two years of facts and return the files by class."""
    disk = Disk()
    disk.make_folder(folder)
    files.write_schema(folder, disk)
    catalogue = Catalogue.open_for_writing(folder, LEDGER)
    written: dict[str, list[StoredFile]] = {}

    def keep(name: str, pile: int, table: pa.Table) -> None:
        made = files.write_one(folder, disk, (class_of(name), pile), table, 1)
        with catalogue.transaction():
            catalogue.add([made])
            if name in SCHEMAS and name != MINUTES:
                catalogue.heard(speakers_of(Layer(name), table))
        written.setdefault(made.record_class, []).append(made)

    def one_day(day: int) -> dict[str, pa.Table]:
        held = day_of(day, total // DAYS)
        return {**held, MINUTES: minutes(held)}

    piles: dict[tuple[str, int], list[pa.Table]] = {}
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(one_day, 0)
        for day in range(DAYS):
            tables = ahead.result()
            ahead = pool.submit(one_day, min(day + 1, DAYS - 1))
            for name, table in tables.items():
                pile = of_class(class_of(name)).pile(START + day * DAY)
                piles.setdefault((name, pile), []).append(table)
                for over in [key for key in piles if key[0] == name and key[1] < pile]:
                    keep(*over, pa.concat_tables(piles.pop(over)))
    for over, tables_of in piles.items():
        keep(*over, pa.concat_tables(tables_of))
    catalogue.close()
    return written


@dataclass(frozen=True, slots=True)
class Case:
    """A question and who it was (None: nobody had signed in, or it is not surely known)."""

    question: Question
    truth: str
    provable: bool


def cases(total: int, count: int, seed: int = 5651) -> list[Case]:
    """Return questions about sessions that there were, at a random moment of each."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        day = draw.randrange(30, DAYS - 30)
        table = sessions(day, total // DAYS)
        row = table.slice(draw.randrange(table.num_rows), 1).to_pylist()[0]
        address = _PACKED["inner"].index(row["inner_ip"]).as_py()
        number = turn(address, row["known_from"])
        since = row["known_from"] - START - phase(address) - number * DAY
        at = row["known_from"] + round(draw.random() * (row["known_to"] - row["known_from"]))
        question = Question(
            PUBLIC[_PACKED["public"].index(row["public_ip"]).as_py()],
            row["public_port"],
            row["transport"],
            as_datetime(at),
        )
        provable = 30 * SECOND < since < DAY - 30 * SECOND and not is_lost(address, number)
        made.append(Case(question, person_of(address, number), provable))
    return made


@dataclass(slots=True)
class Measured:
    """How long each question took (seconds), the first one apart, and what became of the answers."""

    first: float
    times: list[float]
    verdicts: Counter[str]
    wrong: int
    missed: int

    def told(self) -> str:
        """Return the figures in one line."""
        ranked = sorted(self.times)
        p95 = ranked[max(0, round(0.95 * len(ranked)) - 1)]
        verdicts = ", ".join(f"{count} {name}" for name, count in sorted(self.verdicts.items()))
        return (
            f"p95 {p95 * 1000:.0f} ms, median {statistics.median(ranked) * 1000:.0f}, most {ranked[-1] * 1000:.0f}; "
            f"first {self.first * 1000:.0f}; {verdicts}; {self.wrong} wrong, {self.missed} provable ones not certain"
        )


def measure(asked: Iterable[Case], opened: Callable[[], AbstractContextManager[FactStore]]) -> Measured:
    """Answer each question with everything but the page cache cold: nothing is kept between questions."""
    found = Measured(0.0, [], Counter(), 0, 0)
    for number, one in enumerate(asked):
        started = time.perf_counter()
        with opened() as store:
            answer = Attribution(store, declared()).answer(one.question)
        taken = time.perf_counter() - started
        if number == 0:
            found.first = taken
        else:
            found.times.append(taken)
        certain = answer.verdict is Verdict.CERTAIN
        found.verdicts[answer.verdict.value] += 1
        found.wrong += certain and [person.person for person in answer.persons] != [one.truth]
        found.missed += one.provable and not certain
    return found


def drop_caches() -> bool:
    """Empty the page cache where we may; returns whether."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("3", "ascii")
    except OSError:
        return False
    return True


def load() -> str:
    """Return the machine's load now."""
    return f"load {os.getloadavg()[0]:.1f}"


class Opened:
    """An engine for each question, as the web opens it, or one for all."""

    def __init__(self, folder: Path, engine: Embedded | None = None) -> None:
        """Ask `engine`, or a new one each time."""
        self._folder, self._standing = folder, engine
        self._engine: Embedded | None = None

    def __enter__(self) -> FactStore:
        """Return the store."""
        self._engine = self._standing or Embedded(Nothing(), self._folder)
        return self._engine.facts

    def __exit__(self, *_: object) -> None:
        """Close what was opened."""
        if self._standing is None and self._engine is not None:
            self._engine.close()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=100_000_000)
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/bench-attribution/facts"))  # noqa: S108 - removed
    parser.add_argument("--keep", action="store_true", help="leave the files, and take those that are there")
    given = parser.parse_args()
    if not given.folder.exists():
        started = time.perf_counter()
        written = write(given.folder, given.sessions)
        print(f"{given.sessions:,} sessions written in {time.perf_counter() - started:.0f} s ({load()})")
        for name, held in written.items():
            rows, size = sum(one.rows for one in held), sum(one.size for one in held)
            print(f"  {name:<14} {rows:>12,} rows, {size / 1e6:>9,.1f} MB, {size / rows:5.1f} bytes a row")
    asked = cases(given.sessions, given.questions + 1)
    cold = drop_caches()
    print("cold start: page cache " + ("dropped" if cold else "not dropped (no right to)"))
    print(f"an engine for each question: {measure(asked, lambda: Opened(given.folder)).told()} ({load()})")
    with Embedded(Nothing(), given.folder) as engine:
        print(f"one engine for all: {measure(asked, lambda: Opened(given.folder, engine)).told()} ({load()})")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    if not given.keep:
        shutil.rmtree(given.folder)


if __name__ == "__main__":
    main()
