"""`some up` as a process group on free ports, and what a load looks like from outside."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from some.record import Cursor

if TYPE_CHECKING:
    from conftest import Some

    from retention.reading import ArchiveReader

START_S = 60.0
ROOT = Path(__file__).resolve().parents[2]


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago (TCP and UDP alike)."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


class Up:
    """A running platform. `words` is what it has printed."""

    def __init__(self, some: Some, **settings: str) -> None:
        self.some = some
        self.tcp, self.udp, self.web = free_ports(3)
        self._said = some.folder.with_name("up.out")
        environment = some.environment | {
            "SOME_COLLECT__SYSLOG_TCP__PORT": str(self.tcp),
            "SOME_COLLECT__SYSLOG_UDP__PORT": str(self.udp),
            "SOME_COLLECT__SYSLOG_TCP__HOST": "127.0.0.1",
            "SOME_COLLECT__SYSLOG_UDP__HOST": "127.0.0.1",
            "SOME_WEB__PORT": str(self.web),
            **settings,
        }
        self._out = self._said.open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "some.app.cli", "up"], env=environment, stdout=self._out, stderr=self._out,
            start_new_session=True,
        )  # fmt: skip

    @property
    def words(self) -> str:
        return self._said.read_text(encoding="utf-8")

    def wait(self) -> Up:
        """Return once it says that it runs."""
        ends = time.monotonic() + START_S
        while "Ctrl-C" not in self.words:
            assert self.process.poll() is None, self.words
            assert time.monotonic() < ends, self.words
            time.sleep(0.02)
        return self

    def link(self) -> str:
        match = re.search(r"http://\S+/kurulum/\S+", self.words)
        assert match, self.words
        return match.group(0)

    def stop(self) -> int:
        """Press Ctrl-C: the whole foreground group gets it."""
        os.killpg(self.process.pid, signal.SIGINT)
        code = self.process.wait(60)
        self._out.close()
        return code

    def kill(self) -> None:
        """Kill -9 the whole group, and wait until the kernel let its locks go."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
        self._out.close()
        while group_lives(self.process.pid):
            time.sleep(0.01)


def group_lives(group: int) -> bool:
    """Say whether a process of `group` is left that is no zombie."""
    listed = subprocess.run(["ps", "-o", "stat=", "-g", str(group)], capture_output=True, check=False).stdout
    return any(not state.strip().startswith(b"Z") for state in listed.splitlines())


def messages(reader: ArchiveReader) -> list[bytes]:
    """Return the escaped message of every record, gap records apart."""
    found = []
    for run in reader.follow(Cursor(), max_bytes=8 * 1024 * 1024):
        for line in run.lines.splitlines():
            _, _, origin, message = line.split(b"\t", 3)
            if not origin.startswith(b"gap:"):
                found.append(message)
    return found


def write_lines(path: Path, lines: list[str]) -> None:
    """Append whole lines to a followed file."""
    with path.open("a", encoding="utf-8") as target:
        target.write("".join(f"{line}\n" for line in lines))
