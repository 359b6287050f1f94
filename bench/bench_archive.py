"""Measure the archive: 1 MiB blocks of mixed 480-byte lines, durable records a second, CPU per record and process.

Run from the repository's root: `.venv/bin/python bench/bench_archive.py [records]`. The block factory's own cost is
taken off; the archive process's CPU is everything else in this process, the tree process tells its own.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from retention.archive import Archive
from retention.options import ArchiveOptions
from some.clock import SystemClock
from some.record import RecordBlock, RecordClass

LINE = 480
BLOCK = 1024 * 1024
IN_FLIGHT = 8
PAYLOADS = 64
FIREWALL = 0.6


def line(rng: random.Random) -> bytes:
    """Return one line of 480 bytes with its LF, in the manner of a firewall or a proxy."""
    inner = f"10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(1, 255)}"
    outer = f"198.51.100.{rng.randrange(1, 255)}"
    if rng.random() < FIREWALL:
        text = (
            f"<189>date=2026-11-23 time=11:{rng.randrange(60):02d}:{rng.randrange(60):02d} devname=gw-merkez "
            f'logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" srcip={inner} '
            f'srcport={rng.randrange(1024, 65536)} srcintf="lan" dstip={outer} dstport=443 dstintf="wan1" '
            f'sessionid={rng.randrange(10**9)} proto=6 action="accept" policyid={rng.randrange(200)} '
            f'service="HTTPS" trandisp="snat" transip=203.0.113.7 transport={rng.randrange(1024, 65536)} '
            f"duration={rng.randrange(600)} sentbyte={rng.randrange(10**6)} rcvdbyte={rng.randrange(10**7)} "
        )
    else:
        text = (
            f"{rng.randrange(10**9)}.{rng.randrange(1000):03d} {rng.randrange(9000)} {inner} TCP_TUNNEL/200 "
            f"{rng.randrange(10**6)} CONNECT site{rng.randrange(5000)}.example.org:443 kullanici{rng.randrange(900)} "
            f"HIER_DIRECT/{outer} - agent={rng.randrange(40)} "
        )
    return text.encode().ljust(LINE - 1, b".")[: LINE - 1] + b"\n"


def blocks(rng: random.Random) -> list[bytes]:
    """Return payloads of about 1 MiB."""
    return [b"".join(line(rng) for _ in range(BLOCK // LINE)) for _ in range(PAYLOADS)]


def resident() -> float:
    """Return this process's resident memory in MB."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def peak(pid: int | str) -> float:
    """Return the highest resident memory that process `pid` ever had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def main() -> None:
    """Print the figures."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 2_000_000
    payloads = blocks(random.Random(5651))
    per_block = BLOCK // LINE
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        archive = Archive.open(
            root / "archive", root / "run", "olcum", root / "keys", clock=SystemClock(), options=ArchiveOptions()
        )
        before = resident()
        waiting: deque = deque()
        memory = []
        started, cpu = time.perf_counter(), time.process_time()
        for number in range(wanted // per_block):
            block = RecordBlock(
                datetime.now(UTC),
                "gw-merkez",
                "tcp:192.0.2.7:51234",
                RecordClass("access"),
                payloads[number % PAYLOADS],
                per_block,
            )
            waiting.append(archive.submit(block))
            if len(waiting) >= IN_FLIGHT:
                waiting.popleft().result()
            if number % 200 == 0:
                memory.append(resident() - before)
        for future in waiting:
            future.result()
        durable_s = time.perf_counter() - started
        commits = archive.status().commits
        made = archive.seal()
        sealed_s = time.perf_counter() - started
        own = time.process_time() - cpu
        closer = archive._cuts._closer  # noqa: SLF001 - a measurement may look inside
        tree, child = closer.cpu_s, closer.child_pid
        child_peak = peak(child) if child else 0.0
        stored = sum(path.stat().st_size for path in root.glob("archive/olcum/segments/*/*.zst"))
        archive.close()
    records = made.records
    print(f"records               {records}, {commits} commits, {made.segments} segments")
    print(f"durable               {records / durable_s:,.0f} records/s")
    print(f"sealed                {records / sealed_s:,.0f} records/s")
    print(f"archive process CPU   {own / records * 1e6:.2f} µs/record")
    print(f"tree process CPU      {tree / records * 1e6:.2f} µs/record")
    print(f"total                 {(own + tree) / records * 1e6:.2f} µs/record")
    print(f"stored                {stored / records:.1f} bytes/record")
    print(f"memory over start     {', '.join(f'{value:.0f}' for value in memory)} MB")
    print(f"peak, archive process {peak('self'):.0f} MB, of which {PAYLOADS} MB are this program's payloads")
    print(f"peak, tree process    {child_peak:.0f} MB")


if __name__ == "__main__":
    main()
