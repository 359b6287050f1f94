"""The only source of now().

Everything that needs the time is given a `Clock`. `SystemClock` is the machine's; `SimulatedClock` lets `some demo`
and the tests live hours in seconds. A ledger that ran on a simulated clock says *deneme* in its manifests.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time twice: for people (`now`) and for durations (`monotonic`)."""

    @property
    def simulated(self) -> bool:
        """True where what is sealed at this time must say *deneme*: simulated, or a trial."""
        ...

    def now(self) -> datetime:
        """Return the wall time, aware, UTC. It may step backwards; callers must live with that."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clocks."""

    simulated = False

    def now(self) -> datetime:
        """Return the machine's wall time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return the machine's monotonic clock in seconds."""
        return time.monotonic()


class TrialClock(SystemClock):
    """The machine's clocks for a ledger that is a trial: what it seals says *deneme*, as on a simulated clock."""

    simulated = True


class SimulatedClock:
    """A clock that moves only when told to; safe to share between threads."""

    simulated = True

    def __init__(self, start: datetime) -> None:
        """Start at `start` (aware)."""
        if start.tzinfo is None:
            msg = "a clock starts at an aware time"
            raise ValueError(msg)
        self._lock = threading.Lock()
        self._now = start.astimezone(UTC)
        self._elapsed = 0.0

    def now(self) -> datetime:
        """Return the simulated wall time in UTC."""
        with self._lock:
            return self._now

    def monotonic(self) -> float:
        """Return simulated seconds since the start; a backward `step` does not touch it."""
        with self._lock:
            return self._elapsed

    def advance(self, seconds: float) -> None:
        """Let `seconds` (not negative) pass on both clocks."""
        if seconds < 0:
            msg = "time does not pass backwards; use step()"
            raise ValueError(msg)
        with self._lock:
            self._now += timedelta(seconds=seconds)
            self._elapsed += seconds

    def step(self, seconds: float) -> None:
        """Correct the wall clock by `seconds` (either sign) without time passing, as NTP or an operator does."""
        with self._lock:
            self._now += timedelta(seconds=seconds)


def to_text(moment: datetime) -> str:
    """Return `moment` as RFC 3339 UTC with microseconds: `2026-11-23T18:35:43.123456Z` (always 27 characters)."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def from_text(text: str) -> datetime:
    """Return the aware time that RFC 3339 `text` names; raises ValueError without a zone, or beyond year 1 to 9999."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = f"no zone in time {text!r}"
        raise ValueError(msg)
    try:
        return moment.astimezone(UTC)
    except OverflowError as fault:
        msg = f"a time that no calendar holds: {text!r}"
        raise ValueError(msg) from fault
