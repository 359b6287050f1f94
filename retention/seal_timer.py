"""When the next seal is due. The thread that runs this lives in the process that owns the archive."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from some.diagnostics import named
from some.errors import SomeError

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from some.clock import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIMULATED_PAUSE_S = 0.05
_EARLY_S = 0.001
_log = named("retention.seal_timer")


class SealTimer:
    """Due at every whole interval of the wall clock, and never later than one interval after the last seal.

    Both clocks are asked because either alone lies: a wall clock that was set back an hour would leave an hour without
    a seal, and a monotonic clock alone would drift away from the full hour.
    """

    def __init__(self, clock: Clock, interval_s: int, last_closed_at: datetime | None) -> None:
        """Seal every `interval_s` seconds; `last_closed_at` is the last manifest's, None for a new ledger."""
        self._clock, self._interval = clock, interval_s
        self._period = self._period_of(last_closed_at or clock.now())
        self._since = clock.monotonic()

    def due(self) -> bool:
        """Return whether a seal should be made now."""
        return self.wait_s() <= _EARLY_S

    def wait_s(self) -> float:
        """Return how many seconds are left until the next seal, 0 when it is due."""
        now = self._clock.now()
        period = self._period_of(now)
        to_next = (_EPOCH + timedelta(seconds=(period + 1) * self._interval) - now).total_seconds()
        by_wall = 0.0 if period > self._period else to_next
        by_steady = self._interval - (self._clock.monotonic() - self._since)
        return max(0.0, min(by_wall, by_steady))

    def sealed(self) -> None:
        """Begin a new interval, whether a seal could be made or not."""
        self._period = self._period_of(self._clock.now())
        self._since = self._clock.monotonic()

    def run(self, seal: Callable[[], object], stop: threading.Event) -> None:
        """Call `seal` whenever it is due until `stop` is set; a seal that fails is told and tried at the next one."""
        while True:
            wait = self.wait_s()
            if stop.wait(min(wait, _SIMULATED_PAUSE_S) if self._clock.simulated else wait):
                return
            if self.due():
                self.sealed()
                try:
                    seal()
                except SomeError as fault:
                    _log.error("seal.failed", code=fault.code, text=str(fault))

    def _period_of(self, moment: datetime) -> int:
        return int((moment - _EPOCH).total_seconds() // self._interval)
