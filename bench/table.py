"""The table of docs/benchmarks.md: real processes, one sender on the same machine, everything in one run.

    python bench/table.py [--lines 2000000] [--flat 10000000] [--rounds 3] [--udp-seconds 30]
                          [--sessions 100000000] [--events 10000000]

Rates are records a second of wall time from the first byte sent until the thing measured is done. Ratios compare runs
of the same minute, interleaved. Needs gcc for the sender (else Python's), and rsyslogd for the comparison.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from send import build_sender, write_lines

from retention.remote import RemoteArchive
from some.errors import SomeError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TCP, UDP, RSYSLOG = 15514, 15515, 15516
GIVE_UP_S = 900.0


class Site:
    """A data directory of its own, and `some` on it."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is started."""
        self.folder = folder
        self.environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "SOME_DATA": str(folder),
            "SOME_TEST_LEVEL": "error",
            "SOME_COLLECT__SYSLOG_TCP__PORT": str(TCP),
            "SOME_COLLECT__SYSLOG_UDP__PORT": str(UDP),
            "SOME_COLLECT__SYSLOG_TCP__FRAMING": "newline",
            "SOME_COLLECT__SYSLOG_TCP__HOST": "127.0.0.1",
            "SOME_COLLECT__SYSLOG_UDP__HOST": "127.0.0.1",
        }

    def start(self, *arguments: str, niceness: int = 0) -> subprocess.Popen[bytes]:
        """Start a part."""
        command = [sys.executable, "-m", "some.app.cli", *arguments]
        return subprocess.Popen(["nice", f"-n{niceness}", *command], env=self.environment, cwd=ROOT)

    def run(self, *arguments: str) -> dict[str, object]:
        """Run a verb and return what it told."""
        command = [sys.executable, "-m", "some.app.cli", *arguments, "--json"]
        told: dict[str, object] = json.loads(subprocess.check_output(command, env=self.environment, cwd=ROOT))
        return told

    @contextmanager
    def collecting(self) -> Iterator[tuple[subprocess.Popen[bytes], RemoteArchive]]:
        """Run the collect process."""
        process = self.start("collect")
        while not (self.folder / "run" / "collectors.json").exists():
            time.sleep(0.02)
        remote = RemoteArchive.connect(self.folder / "run" / "archive.sock")
        try:
            yield process, remote
        finally:
            remote.close()
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process in order."""
    process.send_signal(signal.SIGTERM)
    process.wait(120)


def peak_mib(pid: int) -> float:
    """Return the most memory that a process ever held."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(next(line for line in text.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def children(pid: int) -> list[int]:
    """Return the child processes of `pid`."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(one) for task in tasks for one in (task / "children").read_text(encoding="utf-8").split()]


def records(remote: RemoteArchive) -> int:
    """Return how many records are durable since the collect process started."""
    try:
        return remote.status().records
    except SomeError:
        return 0


def until(condition: object, wanted: str) -> None:
    """Wait until `condition()` holds."""
    ends = time.monotonic() + GIVE_UP_S
    while not condition():  # type: ignore[operator]
        if time.monotonic() > ends:
            raise SystemExit(f"gave up waiting for: {wanted}")
        time.sleep(0.01)


def without_table(folder: Path) -> int:
    """Return how many segments have no frame table yet: the open one, and those whose tree is not computed."""
    waiting = 0
    for path in folder.rglob("seg-*.log.zst"):
        with path.open("rb") as stored:
            size = stored.seek(0, os.SEEK_END)
            stored.seek(max(0, size - 4096))
            waiting += b"SOMETBL1" not in stored.read()
    return waiting


def tcp(place: Path, sender: list[str], lines: Path, count: int) -> tuple[float, int, float, float]:
    """Return records/s until durable, segments whose tree is behind then, peak MiB of receiver and of tree process."""
    site = Site(place)
    with site.collecting() as (process, remote):
        started = time.monotonic()
        subprocess.run([*sender, "tcp", "127.0.0.1", str(TCP), str(lines), str(count), "0"], check=True)
        until(lambda: records(remote) >= count, "durable")
        taken = time.monotonic() - started
        behind = without_table(place / "archive") - 1
        memory, tree = peak_mib(process.pid), sum(peak_mib(child) for child in children(process.pid))
    return count / taken, behind, memory, tree


def rsyslog(place: Path, sender: list[str], lines: Path, count: int, size: int) -> float:
    """Return records/s of rsyslog writing the same lines to one plain file."""
    place.mkdir()
    config = place / "rsyslog.conf"
    config.write_text(
        'module(load="imtcp")\n'
        f'input(type="imtcp" port="{RSYSLOG}" address="127.0.0.1" SupportOctetCountedFraming="off" ruleset="r")\n'
        'template(name="t" type="string" string="%rawmsg%\\n")\n'
        f'ruleset(name="r") {{ action(type="omfile" file="{place}/out.log" template="t") }}\n',
        encoding="utf-8",
    )
    process = subprocess.Popen(["rsyslogd", "-n", "-f", str(config), "-i", str(place / "pid")])
    time.sleep(1.0)
    started = time.monotonic()
    subprocess.run([*sender, "tcp", "127.0.0.1", str(RSYSLOG), str(lines), str(count), "0"], check=True)
    out = place / "out.log"
    until(lambda: out.exists() and out.stat().st_size >= size * 0.999, "rsyslog's file")
    taken = time.monotonic() - started
    end(process)
    return count / taken


def pipeline(place: Path, sender: list[str], lines: Path, count: int) -> tuple[float, float]:
    """Return records/s until everything is parsed and searchable, and the follower's peak MiB."""
    site = Site(place)
    with site.collecting() as (_, remote):
        follower = site.start("work", "--only", "index", niceness=5)
        time.sleep(2.0)
        started = time.monotonic()
        subprocess.run([*sender, "tcp", "127.0.0.1", str(TCP), str(lines), str(count), "0"], check=True)
        until(lambda: records(remote) >= count, "durable")
        site.run("index", "wait", "--timeout", "3600")
        taken = time.monotonic() - started
        memory = peak_mib(follower.pid)
        end(follower)
    return count / taken, memory


def udp(place: Path, sender: list[str], lines: Path, rate: int, seconds: int) -> tuple[int, int, int]:
    """Return datagrams sent, retained, and dropped by the kernel, while a follower works."""
    site = Site(place)
    count = rate * seconds
    with site.collecting() as (_, remote):
        follower = site.start("work", "--only", "index", niceness=5)
        time.sleep(2.0)
        subprocess.run([*sender, "udp", "127.0.0.1", str(UDP), str(lines), str(count), str(rate)], check=True)
        time.sleep(5.0)
        told = json.loads((place / "run" / "collectors.json").read_bytes())
        drops = next(one["kernel_drops"] for one in told["collectors"] if one["listener"] == "syslog_udp")
        kept = records(remote)
        end(follower)
    return count, kept, drops


def verify(place: Path, count: int) -> float:
    """Return records/s of `some verify` over what `tcp` left behind."""
    site = Site(place)
    site.run("seal")
    started = time.monotonic()
    told = site.run("verify", "--offline")
    taken = time.monotonic() - started
    if not told["ok"]:
        raise SystemExit(f"the archive does not verify: {told}")
    return count / taken


def machine() -> str:
    """Return the machine in words."""
    told = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in told if "model name" in line), platform.machine())
    memory = int(Path("/proc/meminfo").read_text(encoding="utf-8").split()[1]) // 2**20
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores ({model}), {memory} GiB, {system}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--flat", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--udp-seconds", type=int, default=30)
    parser.add_argument("--sessions", type=int, default=100_000_000, help="a tenth of them on Elasticsearch; 0: none")
    parser.add_argument("--events", type=int, default=10_000_000, help="a fifth of them on Elasticsearch; 0: none")
    asked = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="some-bench-"))
    try:
        measure(place, asked)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    answers(asked)


def answers(asked: argparse.Namespace) -> None:
    """Run what measures questions, each in a process of its own, so that nothing is warm."""
    runs: list[list[str]] = []
    if asked.sessions:
        runs.append(["bench_attribution.py", "--sessions", str(asked.sessions)])
        runs.append(["bench_elastic.py", "--only", "sessions", "--sessions", str(asked.sessions // 10)])
    if asked.events:
        share = str(asked.events // 5)
        runs.append(["bench_elastic.py", "--only", "events", "--events", str(asked.events), "--elastic-events", share])
    for script, *arguments in runs:
        print(f"\n{' '.join([script, *arguments])}\n", flush=True)
        command = [sys.executable, str(ROOT / "bench" / script), *arguments]
        subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, cwd=ROOT, check=False)


def measure(place: Path, asked: argparse.Namespace) -> None:
    """Run everything in `place`."""
    lines = place / "lines"
    distinct = 200_000
    size = write_lines(lines, distinct) * asked.lines // distinct
    sender = [str(build_sender(place) or "")]
    if not sender[0]:
        raise SystemExit("gcc is needed for the sender")
    has_rsyslog = shutil.which("rsyslogd", path=os.environ["PATH"] + ":/usr/sbin") is not None
    ours, theirs, checked, behind, memory, tree = [], [], [], 0, 0.0, 0.0
    for number in range(asked.rounds):
        rate, late, used, beside = tcp(place / f"tcp{number}", sender, lines, asked.lines)
        ours.append(rate)
        behind, memory, tree = max(behind, late), max(memory, used), max(tree, beside)
        checked.append(verify(place / f"tcp{number}", asked.lines))
        shutil.rmtree(place / f"tcp{number}")
        if has_rsyslog:
            theirs.append(rsyslog(place / f"rsyslog{number}", sender, lines, asked.lines, size))
            shutil.rmtree(place / f"rsyslog{number}")
    whole = [pipeline(place / f"all{number}", sender, lines, asked.lines // 2) for number in range(asked.rounds)]
    sent, kept, drops = udp(place / "udp", sender, lines, 100_000, asked.udp_seconds)
    flat = tcp(place / "flat", sender, lines, asked.flat) if asked.flat else None
    print(f"\nMachine: {machine()}.")
    print(f"Mean line {size / asked.lines:.0f} bytes, {asked.lines} lines, {asked.rounds} rounds.\n")
    print("| what | figure | goal |\n|---|---|---|")
    print(f"| TCP → durable, records/s (rounds) | {_k(ours)} | ≥ 250 k |")
    print(f"| segments whose tree was behind at that moment | {behind} | ≤ 1 |")
    if theirs:
        ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        print(f"| rsyslog, imtcp → omfile, records/s | {_k(theirs)} | |\n| ratio to rsyslog | {ratio:.2f} | ≥ 1.0 |")
    print(
        f"| UDP, 100 k/s for {asked.udp_seconds} s, follower working: sent, kept, lost | {sent}, {kept}, {drops} | 0 |"
    )
    print(f"| whole pipeline, parsed and searchable, records/s | {_k([rate for rate, _ in whole])} | ≥ 80 k |")
    print(f"| `some verify`, records/s | {_k(checked)} | ≥ 400 k |")
    print(f"| peak memory, receiver (tree process), {asked.lines} records | {memory:.0f} ({tree:.0f}) MiB | ≤ 150 |")
    if flat:
        rate, _, memory, tree = flat
        print(
            f"| the same after {asked.flat} records at {rate / 1000:.0f} k/s | {memory:.0f} ({tree:.0f}) MiB | ≤ 150 |"
        )
    print(f"| peak memory, follower | {max(used for _, used in whole):.0f} MiB | ≤ 600 |")


def _k(rates: list[float]) -> str:
    return f"{statistics.median(rates) / 1000:.0f} k ({', '.join(f'{rate / 1000:.0f}' for rate in rates)})"


if __name__ == "__main__":
    main()
