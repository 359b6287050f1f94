"""Measure `retention.verify` on records of 480 bytes: `python bench/bench_verify.py [million records]`.

Makes an archive in a temporary folder (the time of that is not counted), then lets fresh processes verify it and
prints records per second of wall time, records per second of processor time, and the memory of the process.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "retention"))

from ledger_builder import START, Builder, line

from retention.verify import VerifyOptions, verify

PER_SEGMENT = 250_000
RECORD_BYTES = 480
NAME = "olcum"


def main() -> None:
    """Make the archive, then measure with one and with two processes."""
    wanted = int(float(sys.argv[1]) * 1_000_000) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        builder = Builder(Path(folder) / NAME, name=NAME, authority=None)
        for at, start in enumerate(range(0, wanted, PER_SEGMENT)):
            opened = START + timedelta(hours=at)
            count = min(PER_SEGMENT, wanted - start)
            lines = [line(opened + timedelta(milliseconds=n // 100), _message(start + n)) for n in range(count)]
            builder.seal_segments((builder.add_segment(lines),), opened + timedelta(hours=1))
        for workers in ("1", "2"):
            subprocess.run([sys.executable, __file__, "--verify", str(builder.folder), workers], check=True)


def measure(folder: Path, workers: int) -> None:
    """Verify once and print one line."""
    began = time.perf_counter()
    verdict = verify(VerifyOptions(folder, NAME, START + timedelta(days=1), workers=workers))
    took = time.perf_counter() - began
    if not verdict.ok:
        raise SystemExit(str(verdict.findings))
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor = sum(one.ru_utime + one.ru_stime for one in used)
    # VmHWM starts anew with a program, ru_maxrss does not; with one worker all work is done in this process
    status = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text("ascii").splitlines())
    peak = int(status["VmHWM"].split()[0]) // 1024
    print(
        f"{workers} workers: {verdict.records:,} records in {took:.2f} s = {verdict.records / took:,.0f}/s; "
        f"{verdict.records / processor:,.0f} per processor second; this process {peak} MiB"
    )


def _message(number: int) -> bytes:
    start = b'<189>devname="gw" logid="%010d" srcip=10.0.%d.%d ' % (number, number % 251, number % 241)
    varied = b"abcdefghij %08x " % (number * 2654435761 % 2**32)
    return (start + varied * 24)[: RECORD_BYTES - 53]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--verify"]:
        measure(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        main()
