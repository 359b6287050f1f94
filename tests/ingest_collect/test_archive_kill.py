"""The real archive under the collectors: kill -9 at any moment, and each line of a file is retained once."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tail_reader import append

from retention.reading import ArchiveReader
from some.record import Cursor, unescape

LEDGER = "deneme"
PROGRAM = """
import asyncio, sys
from pathlib import Path
from ingest.collectors.collector import undeclared
from ingest.collectors.file_tail import FileTail
from ingest.collectors.tailing import tail_positions
from ingest.intake import Intake
from retention.archive import Archive
from retention.options import ArchiveOptions
from retention.reading import ArchiveReader
from some.clock import SystemClock
from some.diagnostics import configure
from some.record import Cursor, RecordClass

place, pattern = Path(sys.argv[1]), sys.argv[2]
parts = place / "archive", place / "run", "deneme"
clock = SystemClock()

async def collect(archive):
    with ArchiveReader(*parts) as reader:
        runs = reader.follow(Cursor(), max_bytes=2**20)
        positions = tail_positions(line.split(b"\\t")[2].decode() for run in runs for line in run.lines.splitlines())
    intake = Intake(archive, 2**20)
    tail = FileTail("dosya", intake, clock, undeclared(RecordClass("access")), paths=[pattern],
                    positions=positions, poll_s=0.001, linger_s=0.05)
    await tail.start()
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, sys.stdin.readline)
    await tail.stop()

configure(level="error")
with Archive.open(*parts, place / "keys", clock=clock, options=ArchiveOptions(inline_bytes=None)) as archive:
    asyncio.run(collect(archive))
    archive.check()
"""


def retained(place):
    """Return every durable line of the archive, as received, in order."""
    if not (place / "run" / "durable").exists():
        return []
    with ArchiveReader(place / "archive", place / "run", LEDGER) as reader:
        runs = list(reader.follow(Cursor(), max_bytes=2**20))
    return [unescape(line.split(b"\t", 3)[3]) for run in runs for line in run.lines.split(b"\n")[:-1]]


@contextlib.contextmanager
def collecting(place, pattern):
    """Run the collector in a process of its own; it stops when its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(place), str(pattern)],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdin.close()


def wait_until_retained(place, process, count):
    deadline = time.monotonic() + 60
    while len(retained(place)) < count:
        assert process.poll() is None, "the collector ended"
        assert time.monotonic() < deadline, f"{len(retained(place))} of {count} lines were retained"
        time.sleep(0.005)


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_9_neither_loses_nor_repeats_a_line(tmp_path, seed):
    rng = random.Random(seed)
    log, place = tmp_path / "kea.log", tmp_path / "place"
    written = []

    def write(count):
        for _ in range(count):
            written.append(b"%06d %s" % (len(written), b"." * rng.randrange(300)))
            line = written[-1] + b"\n"
            half = rng.randrange(len(line))
            append(log, line[:half])
            append(log, line[half:])

    for round_ in range(4):
        with collecting(place, f"{log}*") as process:
            for _ in range(rng.randrange(2, 6)):
                before = len(written)
                write(rng.randrange(1, 200))
                wait_until_retained(place, process, rng.randrange(before, len(written)))
                if rng.random() < 0.5:
                    log.rename(tmp_path / f"kea.log.{round_}.{len(written)}")
                    write(1)
            process.kill()
        write(rng.randrange(50))
    with collecting(place, f"{log}*") as process:
        wait_until_retained(place, process, len(written))
        process.stdin.close()
        assert process.wait(60) == 0
    assert sorted(retained(place)) == written
