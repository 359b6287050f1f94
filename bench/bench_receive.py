"""What receiving costs: syslog over TCP and UDP into a sink that keeps nothing, or into the real archive.

    python bench/bench_receive.py [--lines 1000000] [--rates 50000,100000] [--seconds 10] [--archive FOLDER] [--niced]

Each run has its own receiver process (this one) and one sender process; the CPU column is the receiver's user and
system time for each record, the steadier figure where cores are shared. `--archive` writes to a new archive under
FOLDER; `--niced` lets a niced process of pure Python work beside it, as the follower does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from send import build_sender, write_lines

from ingest.collectors.collector import undeclared
from ingest.collectors.syslog_tcp import SyslogTcp
from ingest.collectors.syslog_udp import SyslogUdp
from ingest.framing import Framing, framer
from ingest.intake import Intake
from retention.archive import Archive
from some.clock import SystemClock
from some.diagnostics import configure
from some.record import Appended, RecordBlock, RecordClass, RecordRef

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ingest.collectors.collector import Counters
    from some.record import Sink

ACCESS = RecordClass("access")
LIMIT_BYTES = 64 * 1024 * 1024
BURN = "import os\nos.nice(10)\nx = 0\nwhile os.getppid() != 1:\n    x += sum(range(1000))\n"


class NullSink:
    """Says at once that everything is durable."""

    def __init__(self) -> None:
        """Start at position 0."""
        self._position = 0
        self.blocks = 0

    def submit(self, block: RecordBlock) -> Future[Appended]:
        """Count `block` and forget it."""
        future: Future[Appended] = Future()
        last = self._position + block.count
        future.set_result(Appended(RecordRef("olcum", 1, self._position), RecordRef("olcum", 1, last - 1)))
        self._position = last
        self.blocks += 1
        return future


@dataclass(frozen=True, slots=True)
class Outcome:
    """One line of the table."""

    title: str
    sent: int
    seconds: float
    cpu_s: float
    counters: Counters

    def __str__(self) -> str:
        """Return the line."""
        got = self.counters.received - (1 if self.counters.kernel_drops else 0)
        return (
            f"{self.title:<28}{self.sent:>10,}{self.sent / self.seconds / 1000:>9.1f}"
            f"{self.cpu_s * 1e6 / max(1, got):>9.2f}{self.counters.kernel_drops:>9,}"
            f"{100 * (self.sent - got) / self.sent:>8.3f}{self.counters.buffer_bytes / 2**20:>8.1f}"
        )


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _measure(
    title: str, collector: SyslogTcp | SyslogUdp, program: Sequence[str], file: Path, *, sent: int, rate: int = 0
) -> Outcome:
    await collector.start()
    port = collector.addresses[0][1]
    cpu, begin = _cpu(), time.perf_counter()
    command = [*program, "127.0.0.1", str(port), str(file), str(sent), str(rate)]
    sender = await asyncio.create_subprocess_exec(*command, stdout=subprocess.DEVNULL)
    if await sender.wait():
        raise SystemExit(f"the sender failed ({title})")
    await collector.stop()
    return Outcome(title, sent, time.perf_counter() - begin, _cpu() - cpu, collector.counters())


def _octet_counting(lines: list[bytes]) -> str:
    """Measure the framing alone: frames without a trailer, in reads of 64 KiB."""
    stream = b"".join(b"%d %s" % (len(line), line) for line in lines)
    one = framer(Framing.AUTO)
    begin, count = time.process_time(), 0
    for position in range(0, len(stream), 65_536):
        count += sum(framed.count for framed in one.feed(stream[position : position + 65_536]))
    return f"{'octet counting, no socket':<28}{count:>10,}{'':>9}{(time.process_time() - begin) * 1e6 / count:>9.2f}"


@contextlib.contextmanager
def _sink(folder: Path | None) -> Iterator[Sink]:
    """Give the sink to measure: a new archive under `folder`, or one that keeps nothing."""
    if folder is None:
        yield NullSink()
        return
    place = Path(tempfile.mkdtemp(dir=folder))
    try:
        with Archive.open(place / "archive", place / "run", "olcum", place / "keys", clock=SystemClock()) as archive:
            yield archive
            archive.check()
    finally:
        shutil.rmtree(place)


@contextlib.contextmanager
def _company(*, niced: bool) -> Iterator[None]:
    """Keep a niced process busy meanwhile, if asked for."""
    if not niced:
        yield
        return
    burner = subprocess.Popen([sys.executable, "-c", BURN])
    try:
        yield
    finally:
        burner.kill()
        burner.wait()


async def _runs(options: argparse.Namespace, sink: Sink, folder: Path) -> None:
    program = build_sender(folder)
    if program is None:
        raise SystemExit("this measurement needs gcc; bench/send.py can send without")
    file = folder / "lines"
    size = write_lines(file, 50_000)
    print(f"mean line {size / 50_000:.0f} bytes")
    print(f"{'run':<28}{'records':>10}{'k/s':>9}{'µs CPU':>9}{'dropped':>9}{'loss %':>8}{'MiB':>8}")
    print(_octet_counting(file.read_bytes().splitlines()))
    clock, names, hosts = SystemClock(), undeclared(ACCESS), ["127.0.0.1"]
    for framing in (Framing.AUTO, Framing.NEWLINE):
        tcp = SyslogTcp("syslog_tcp", Intake(sink, LIMIT_BYTES), clock, names, port=0, hosts=hosts, framing=framing)
        print(await _measure(f"tcp {framing}", tcp, [str(program), "tcp"], file, sent=options.lines))
    for rate in [int(text) for text in options.rates.split(",") if text]:
        udp = SyslogUdp("syslog_udp", Intake(sink, LIMIT_BYTES), clock, names, record_class=ACCESS, port=0, hosts=hosts)
        print(
            await _measure(f"udp {rate:,}/s", udp, [str(program), "udp"], file, sent=rate * options.seconds, rate=rate)
        )


def run() -> None:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description="Measure the collectors.")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--rates", default="20000,50000,100000,150000,200000")
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--archive", type=Path)
    parser.add_argument("--niced", action="store_true")
    options = parser.parse_args()
    configure(level="error")
    with tempfile.TemporaryDirectory() as folder, _company(niced=options.niced), _sink(options.archive) as sink:
        asyncio.run(_runs(options, sink, Path(folder)))


if __name__ == "__main__":
    run()
