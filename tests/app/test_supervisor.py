"""The supervisor: starts, announces once, starts again what died, stops the first part last."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from some.app import supervisor as room
from some.app.supervisor import Part, Supervisor
from some.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

STAND_IN = """
import pathlib, signal, sys, threading
name, folder = sys.argv[-2], pathlib.Path(sys.argv[-1])
with (folder / "started").open("a") as log:
    log.write(name + "\\n")
if name == "frail" and (folder / "started").read_text().count("frail") < 3:
    sys.exit(7)
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
stop.wait()
with (folder / "stopped").open("a") as log:
    log.write(name + "\\n")
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Parts are a small program that writes down its life; the pauses are short."""
    program = tmp_path / "part.py"
    program.write_text(STAND_IN, encoding="utf-8")
    interpreter = tmp_path / "python"
    interpreter.write_text(f'#!/bin/sh\nshift 2\nexec "{sys.executable}" "{program}" "$@"\n', encoding="utf-8")
    interpreter.chmod(0o755)
    monkeypatch.setattr(room.sys, "executable", str(interpreter))
    monkeypatch.setattr(room, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(room, "LOOK_S", 0.01)
    return tmp_path


def test_parts_are_started_again_and_stopped_in_order(stand_in: Path) -> None:
    names = ["archive", "frail", "web"]
    running = Supervisor([Part(name, (name, str(stand_in))) for name in names], SystemClock())
    announced: list[str] = []

    def ready() -> bool:
        started = stand_in / "started"
        return started.exists() and started.read_text().count("frail") == 3

    def announce() -> None:
        announced.append("once")
        running.stop()

    assert running.run(ready, announce) == 0

    assert announced == ["once"]
    started = (stand_in / "started").read_text().split()
    assert started.count("archive") == started.count("web") == 1
    stopped = (stand_in / "stopped").read_text().split()
    assert stopped.index("web") < stopped.index("archive")
    assert stopped[-1] == "archive"
