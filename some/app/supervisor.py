"""`some up`: starts the parts as processes of their own, watches them, and stops them in order.

A part that dies is started again after a growing pause; the others go on (the archive does not notice a lost index).
Stopping goes from the outside in: pages first, then jobs and follower, collectors with the archive last, so that
everything that was acknowledged is durable and closed before the command returns.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from some.diagnostics import named

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from some.clock import Clock

LOOK_S = 0.1
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
STEADY_AFTER_S = 60.0
STOP_S = 30.0
_PR_SET_PDEATHSIG = 1

log = named("app.supervisor")


@dataclass(frozen=True, slots=True)
class Part:
    """One process of the platform: its name and the arguments of `some` that run it."""

    name: str
    arguments: tuple[str, ...]
    niceness: int = 0


@dataclass(slots=True)
class _Running:
    part: Part
    child: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    due_at: float = 0.0
    exits: list[int] = field(default_factory=list)


class Supervisor:
    """Runs `parts` until told to stop; the first part is stopped last."""

    def __init__(self, parts: Sequence[Part], clock: Clock) -> None:
        """Remember what to run; `run` starts it."""
        self._clock = clock
        self._running = [_Running(part) for part in parts]
        self._wake = threading.Event()
        self._stopping = False

    def stop(self) -> None:
        """Ask `run` to end; safe in a signal handler."""
        self._stopping = True
        self._wake.set()

    def run(self, ready: Callable[[], bool], announce: Callable[[], None]) -> int:
        """Start all parts, `announce` once they are `ready`, keep them running, return 0 after an orderly stop."""
        for running in self._running:
            self._start(running)
        announced = False
        while not self._stopping:
            for running in self._running:
                self._look_after(running)
            if not announced and ready():
                announced = True
                announce()
            self._wake.wait(LOOK_S)
        for running in reversed(self._running):
            self._end(running)
        return 0

    def _start(self, running: _Running) -> None:
        arguments = [sys.executable, "-m", "some.app.cli", *running.part.arguments]
        niceness = running.part.niceness

        def settle() -> None:
            # A part must not outlive us: without its supervisor nobody would stop it in order. Ctrl-C reaches the whole
            # process group; a part waits for our SIGTERM instead, so that the order of stopping holds.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if niceness:
                os.nice(niceness)

        running.child = subprocess.Popen(arguments, preexec_fn=settle)  # noqa: PLW1509 - this process has one thread
        running.started_at = self._clock.monotonic()
        log.info("part.started", part=running.part.name, pid=running.child.pid)

    def _look_after(self, running: _Running) -> None:
        now = self._clock.monotonic()
        if running.child is None:
            if now >= running.due_at:
                self._start(running)
            return
        code = running.child.poll()
        if code is None:
            if now - running.started_at > STEADY_AFTER_S:
                running.pause_s = FIRST_PAUSE_S
            return
        log.error("part.died", part=running.part.name, exit_code=code, again_in_s=running.pause_s)
        running.child = None
        running.due_at = now + running.pause_s
        running.pause_s = min(running.pause_s * 2, LONGEST_PAUSE_S)

    @staticmethod
    def _end(running: _Running) -> None:
        if running.child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            running.child.terminate()
        try:
            running.child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            log.error("part.killed", part=running.part.name)  # noqa: TRY400 - a slow part is no programming error
            running.child.kill()
            running.child.wait()
        log.info("part.stopped", part=running.part.name, exit_code=running.child.returncode)
