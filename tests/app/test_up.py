"""`some up`: first start, second start, verbs beside it, an orderly stop, and kill -9 at any moment."""

from __future__ import annotations

import collections
import os
import random
import socket
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from running import ROOT, Up, messages, write_lines

from retention.reading import ArchiveReader
from retention.remote import RemoteArchive
from some.errors import SomeError
from some.record import RecordBlock, RecordClass

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Some

KILLS = 50 if os.environ.get("SOME_FULL") else 4


def reader_of(some: Some) -> ArchiveReader:
    return ArchiveReader(some.folder / "archive", some.folder / "run", "dugum1")


def appear(some: Some, query: str, within_s: float = 30.0) -> list[dict[str, object]]:
    ends = time.monotonic() + within_s
    while not (found := some.documents("search", query)) and time.monotonic() < ends:
        pass
    return found


def test_the_first_minutes_and_an_orderly_stop(some: Some) -> None:
    up = Up(some).wait()
    try:
        assert "/kurulum/" in up.link()
        assert f"logger -n 127.0.0.1 -P {up.tcp} -T" in up.words
        subprocess.run(["logger", "-n", "127.0.0.1", "-P", str(up.tcp), "-T", "SOME ilk kayıt"], check=True)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.sendto(b"<134>Nov 23 10:00:00 gw deneme: udp ile gelen", ("127.0.0.1", up.udp))

        assert len(appear(some, '"SOME ilk kayıt"')) == 1
        assert len(appear(some, '"udp ile gelen"')) == 1

        appended = some.told("append", "--source", "yanda", stdin=b"yanindan\n")
        assert appended["records"] == 1
        assert some.told("index", "wait")["documents"] >= 3
        assert len(some.documents("search", "some.source:yanda")) == 1
        assert some.told("seal")["seal"] == 1
        assert some.told("status")["running"]
        assert some.told("verify")["ok"]
        assert b"running here already" in some("up", code=69).stderr
    finally:
        code = up.stop()

    assert code == 0
    assert {oct(path.stat().st_mode & 0o777) for path in (some.folder / "keys").iterdir()} == {"0o600"}
    assert some.told("verify")["ok"]
    assert not any((some.folder / "run").glob("*.sock"))

    again = Up(some).wait()
    try:
        assert "/kurulum/" in again.words, "no administrator was made, so the link is offered again"
        assert len(some.documents("search", '"SOME ilk kayıt"')) == 1
    finally:
        assert again.stop() == 0


class Load:
    """Sends while the platform dies: what was answered durable, what was put on a wire, what was written to a file."""

    def __init__(self, up: Up, followed: Path, round_number: int) -> None:
        self.up, self.followed, self.name = up, followed, f"r{round_number}"
        self.durable: list[bytes] = []
        self.wired: list[bytes] = []
        self.written: list[str] = []
        self._enough = threading.Event()
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=one) for one in (self._append, self._wire, self._write)]

    def run_until(self, answers: int) -> None:
        self._target = answers
        for thread in self._threads:
            thread.start()
        assert self._enough.wait(60), self.up.words

    def stop(self) -> None:
        self._stopped.set()
        for thread in self._threads:
            thread.join(60)

    def _append(self) -> None:
        remote = RemoteArchive.connect(self.up.some.folder / "run" / "archive.sock")
        number = 0
        try:
            while not self._stopped.is_set():
                lines = [f"{self.name} append {number + at}".encode() for at in range(random.randrange(1, 40))]
                number += len(lines)
                payload = b"".join(line + b"\n" for line in lines)
                now = datetime.now(UTC)
                block = RecordBlock(now, "load", "import:load", RecordClass("access"), payload, len(lines))
                remote.submit(block).result(60)
                self.durable += lines
                if number >= self._target:
                    self._enough.set()
        except SomeError:
            pass
        finally:
            remote.close()

    def _wire(self) -> None:
        number = 0
        try:
            with socket.create_connection(("127.0.0.1", self.up.tcp)) as tcp:
                while not self._stopped.is_set():
                    lines = [f"{self.name} tcp {number + at} {'x' * 300}".encode() for at in range(50)]
                    number += len(lines)
                    self.wired += lines
                    tcp.sendall(b"".join(line + b"\n" for line in lines))
                    self._stopped.wait(0.001)
        except OSError:
            pass

    def _write(self) -> None:
        number = 0
        while not self._stopped.is_set() and number < 20_000:
            lines = [f"{self.name} tail {number + at}" for at in range(25)]
            number += len(lines)
            write_lines(self.followed, lines)
            self.written += lines
            self._stopped.wait(0.001)


@pytest.mark.timeout(3000)
def test_kill_nine_loses_and_doubles_nothing_that_was_answered(some: Some, tmp_path: Path) -> None:
    seed = int(os.environ.get("SOME_SEED", "5651"))
    chance = random.Random(seed)
    followed = tmp_path / "izlenen.log"
    followed.touch()
    settings = {"SOME_COLLECT__FILES": f'[{{"path": "{followed}"}}]', "SOME_SEAL__INTERVAL_S": "1"}
    durable: list[bytes] = []
    wired: list[bytes] = []
    written: list[str] = []
    for number in range(KILLS):
        up = Up(some, **settings).wait()
        load = Load(up, followed, number)
        try:
            load.run_until(chance.randrange(1, 3000))
        finally:
            up.kill()
            load.stop()
        durable += load.durable
        wired += load.wired
        written += load.written

    up = Up(some, **settings).wait()
    last = f"son satir {seed}"
    write_lines(followed, [last])
    assert len(appear(some, f'"{last}"', 120)) == 1
    assert up.stop() == 0

    found = collections.Counter(messages(reader_of(some)))
    assert [line for line in durable if found[line] != 1] == []
    assert [line for line in wired if found[line] > 1] == []
    assert [line for line in written if found[line.encode()] != 1] == []
    checked = some.told("verify")
    assert checked["ok"]
    assert {one["severity"] for one in checked["findings"]} <= {"note", "warning"}


def test_a_supervised_part_leaves_ctrl_c_to_the_supervisor() -> None:
    program = "import signal; from some.app.stopping import stop_signals; print([one.name for one in stop_signals()])"
    ignoring = f"import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); {program}"

    def said(text: str) -> str:
        return (
            subprocess.run([sys.executable, "-c", text], capture_output=True, check=True, cwd=ROOT)
            .stdout.decode()
            .strip()
        )

    assert said(program) == "['SIGTERM', 'SIGINT']"
    assert said(ignoring) == "['SIGTERM']"
