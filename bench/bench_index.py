"""How fast the embedded index follows the archive, and how fast it answers: `python bench/bench_index.py [records]`.

The stream is made here (seeded): firewall, proxy, web, DHCP and syslog lines of the sizes that a municipality's
machines write, 200,000 different lines repeated as often as asked. Prints microseconds per record by step, the rate,
the peak memory, bytes per record on disk, and the time of some questions. Files are in the page cache.
"""
# ruff: noqa: D102, D103, ARG001, ARG002 - small makers of one shape; a fake reader

from __future__ import annotations

import random
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parsing import Parsing, SourceHints
from some import clock
from some.index.embedded import Embedded
from some.index.engine import Query
from some.index.follower import Follower
from some.index.query.bind import Options, understand
from some.record import Cursor, RecordClass, RecordRef, RecordRun, StoredRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

DISTINCT = 200_000
RUN_LINES = 8_192
START = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
ZONE = timezone(timedelta(hours=3))


def fortigate(draw: random.Random, number: int, at: datetime) -> str:
    local = at.astimezone(ZONE)
    return (
        f'date={local:%Y-%m-%d} time={local:%H:%M:%S} devname="FGT-MERKEZ" devid="FGT60ETK00000001" '
        f'eventtime={int(at.timestamp()) * 10**9} tz="+0300" logid="0000000013" type="traffic" subtype="forward" '
        f'level="notice" vd="root" srcip=10.{draw.randrange(8)}.{draw.randrange(256)}.{draw.randrange(1, 255)} '
        f'srcname="PC-{draw.randrange(3000):04d}" srcport={draw.randrange(1024, 65536)} srcintf="lan" '
        'srcintfrole="lan" '
        f"dstip=198.51.100.{draw.randrange(256)} dstport={draw.choice((443, 443, 443, 80, 53, 123))} "
        f'dstintf="wan1" dstintfrole="wan" srccountry="Reserved" dstcountry="Turkey" sessionid={number} proto=6 '
        f'action="{draw.choice(("close", "close", "timeout", "deny"))}" policyid={draw.randrange(40)} '
        f'policytype="policy" service="HTTPS" trandisp="snat" transip=203.0.113.5 '
        f"transport={draw.randrange(1024, 65536)} "
        f'appid=41469 app="Microsoft.Portal" appcat="Collaboration" apprisk="elevated" duration={draw.randrange(600)} '
        f"sentbyte={draw.randrange(10**6)} rcvdbyte={draw.randrange(10**7)} sentpkt={draw.randrange(9000)} "
        f'rcvdpkt={draw.randrange(9000)} user="kullanici{draw.randrange(900)}" group="Personel" '
        f'mastersrcmac="02:00:00:{draw.randrange(256):02x}:{draw.randrange(256):02x}:{draw.randrange(256):02x}"'
    )


def squid(draw: random.Random, number: int, at: datetime) -> str:
    return (
        f"{at.timestamp():.3f} {draw.randrange(3000):6d} 10.0.{draw.randrange(256)}.{draw.randrange(1, 255)} "
        f"TCP_TUNNEL/200 {draw.randrange(10**6)} CONNECT site{draw.randrange(4000)}.example.org:443 "
        f"kullanici{draw.randrange(900)} HIER_DIRECT/198.51.100.{draw.randrange(256)} -"
    )


def web(draw: random.Random, number: int, at: datetime) -> str:
    return (
        f"198.51.100.{draw.randrange(256)} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "
        f'"GET /hizmet/{draw.randrange(500)}?id={number} HTTP/1.1" {draw.choice((200, 200, 200, 304, 404))} '
        f'{draw.randrange(90000)} "https://www.example.org/" "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101"'
    )


def dhcp(draw: random.Random, number: int, at: datetime) -> str:
    mac = f"02:00:00:00:{draw.randrange(256):02x}:{draw.randrange(256):02x}"
    return (
        f"<30>{at:%b %d %H:%M:%S} dhcp1 dhcpd[812]: DHCPACK on 10.0.{draw.randrange(256)}.{draw.randrange(1, 255)} "
        f"to {mac} (PC-{draw.randrange(3000):04d}) via eth0"
    )


def sshd(draw: random.Random, number: int, at: datetime) -> str:
    return (
        f"<38>1 {clock.to_text(at)} sunucu{draw.randrange(20)}.example.org sshd {draw.randrange(30000)} - - "
        f"Failed password for invalid user yönetici{draw.randrange(50)} from 203.0.113.{draw.randrange(256)} port "
        f"{draw.randrange(1024, 65536)} ssh2"
    )


MIX = ((fortigate, 60), (squid, 14), (web, 12), (dhcp, 4), (sshd, 10))


class Stream:
    """A reader of one endless segment, made of the same lines again and again."""

    ledger = "olcum1"

    def __init__(self, records: int) -> None:
        """Make the distinct lines; the sources are contiguous for some 50 lines, as blocks of one peer are."""
        draw = random.Random(20261123)
        makers = [maker for maker, weight in MIX for _ in range(weight)]
        lines: list[bytes] = []
        self.raw = 0
        while len(lines) < DISTINCT:
            maker = draw.choice(makers)
            at = START + timedelta(milliseconds=len(lines) * 5)
            prefix = f"{clock.to_text(at)}\t{maker.__name__}\ttcp:192.0.2.7:{draw.randrange(50000, 50050)}\t".encode()
            for _ in range(50):
                text = maker(draw, len(lines), at).encode()
                self.raw += len(text)
                lines.append(prefix + text + b"\n")
        self.records = records
        self.runs = [lines[at : at + RUN_LINES] for at in range(0, len(lines), RUN_LINES)]

    def settled(self) -> int:
        return 0

    def follow(self, cursor: Cursor, *, max_bytes: int) -> Iterator[RecordRun]:
        place, number = cursor.next_in(0), 0
        while place < self.records:
            lines = self.runs[number % len(self.runs)]
            yield RecordRun(self.ledger, 0, place, len(lines), RecordClass("access"), b"".join(lines))
            place, number = place + len(lines), number + 1

    def get(self, ref: RecordRef) -> StoredRecord:
        return self.get_many([ref])[ref]

    def get_many(self, refs: Iterable[RecordRef]) -> dict[RecordRef, StoredRecord]:
        return {ref: StoredRecord(ref, START, "x", "x", RecordClass("access"), b"x") for ref in refs}


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(name: str, question: Callable[[], object]) -> None:
    best = min(_once(question) for _ in range(3))
    print(f"  {name:<44} {best * 1000:9.1f} ms")


def _once(question: Callable[[], object]) -> float:
    started = time.perf_counter()
    question()
    return time.perf_counter() - started


def ask(engine: Embedded) -> None:
    options = Options(START, ZONE)

    def query(text: str, minutes: int | None = None) -> Query:
        end = None if minutes is None else START + timedelta(minutes=minutes)
        return Query(text, understand(text, options), START if minutes else None, end)

    print("questions (best of 3, page cache):")
    address = query("source.ip:10.3.7.9 and destination.port:443")
    timed("address and port, 50 newest", lambda: engine.search(address, limit=50, newest_first=True))
    timed("everything, 50 newest", lambda: engine.search(query(""), limit=50, newest_first=True))
    timed("everything, first 1,000", lambda: engine.search(query(""), limit=1000))
    timed("count of a user", lambda: engine.count(query("user.name:kullanici77")))
    timed("count of a phrase", lambda: engine.count(query('"invalid user yönetici7"')))
    timed("histogram, 60 buckets, by event.action", lambda: engine.histogram(query(""), 60, "event.action"))
    timed("top 10 destination.ip", lambda: engine.top_values(query(""), "destination.ip", 10))
    timed("one minute of it, count", lambda: engine.count(query("", 1)))


def main() -> None:
    records = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    stream = Stream(records)
    print(f"{records} records, {stream.raw / DISTINCT:.0f} bytes each")
    with tempfile.TemporaryDirectory() as place:
        data = Path(place)
        follower = Follower(
            stream,
            folder=data / "index",
            lock=data / "lock",
            parse=Parsing().parse_block,
            hints=lambda source, record_class: SourceHints(source, record_class, "auto", ZONE),
        )
        with follower:
            before = peak()
            started, cpu = time.perf_counter(), time.process_time()
            done = follower.run_once()
            wall, cpu = time.perf_counter() - started, time.process_time() - cpu
            steps = follower.steps
            print(
                f"{done / wall:,.0f} records/s; {wall / done * 1e6:.2f} us wall, {cpu / done * 1e6:.2f} us CPU a record"
            )
            for name in ("cutting", "parsing", "building", "writing", "waiting"):
                note = {"writing": "CPU, beside", "waiting": "wall"}.get(name, "CPU")
                print(f"  {name:<10} {getattr(steps, name) / done * 1e6:6.2f} us {note}")
            held = follower.catalogue.files()
            print(f"  {sum(one.size for one in held) / done:.1f} bytes a record in {len(held)} files")
            print(f"  peak memory {peak():.0f} MiB, {before:.0f} of them before the first record")
            with Embedded(stream, data / "index") as engine:
                ask(engine)
            started = time.perf_counter()
            while follower.tidy():
                pass
            spent = time.perf_counter() - started
            held = follower.catalogue.files()
            print(f"merged in {spent:.1f} s ({spent / done * 1e6:.2f} us a record) to {len(held)} files,", end=" ")
            print(f"{sum(one.size for one in held) / done:.1f} bytes a record")
            with Embedded(stream, data / "index") as engine:
                ask(engine)


if __name__ == "__main__":
    main()
