"""Watching live asks the same question every few seconds: one audit entry tells of many of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from some.clock import Clock

SPAN_S = 300.0
_KEPT = 2_000


class TailLog:
    """Remembers which live questions were written down in the last five minutes; safe to share between threads."""

    def __init__(self, clock: Clock) -> None:
        """Start with nothing remembered: after a restart every question is written down again."""
        self._clock = clock
        self._lock = threading.Lock()
        self._written: OrderedDict[tuple[str, ...], float] = OrderedDict()

    def due(self, *question: str) -> bool:
        """Tell whether `question` (actor, query, classes) must be written down now, and remember it as written."""
        now = self._clock.monotonic()
        with self._lock:
            last = self._written.get(question)
            if last is not None and now - last < SPAN_S:
                return False
            self._written[question] = now
            self._written.move_to_end(question)
            while len(self._written) > _KEPT:
                self._written.popitem(last=False)
            return True
