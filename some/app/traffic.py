"""Records per minute of each collector, for the pages: the last hour, kept in memory."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ingest.collectors.collector import Counters
    from some.clock import Clock

MINUTES = 60
_MINUTE_S = 60.0


class Traffic:
    """Turns growing counters into a series; one object for all collectors, one thread."""

    def __init__(self, clock: Clock) -> None:
        """Start with no past."""
        self._clock = clock
        self._last: dict[str, int] = {}
        self._series: dict[str, deque[int]] = {}
        self._minute: dict[str, int] = {}

    def seen(self, counters: Counters) -> list[int]:
        """Note the counters now; return records per minute, oldest first, the minute under way last."""
        name = counters.listener
        minute = int(self._clock.monotonic() // _MINUTE_S)
        series = self._series.setdefault(name, deque([0], maxlen=MINUTES))
        series.extend([0] * min(minute - self._minute.setdefault(name, minute), MINUTES))
        self._minute[name] = minute
        series[-1] += counters.received - self._last.get(name, 0)
        self._last[name] = counters.received
        return list(series)
