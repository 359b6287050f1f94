"""Roll-ups: the minutes of a source and a day counted once, so that questions of attribution need not count them again.

They are made by the follower when it has nothing else to do, newest days first. Nothing depends on them but speed: a
day without one, or with one that is stale, is counted where it is asked for (`minutes`). A stale one is not changed
but left behind (its `_id` names what it was made of), until its month is dropped: so creating is all that is permitted.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import orjson

from some.diagnostics import named
from some.errors import NotPermitted, SettingsFault, Unavailable
from some.index.elastic import asking, minutes, names, writing
from some.index.elastic.documents import Action, shown_time
from some.index.elastic.minutes import DAY_US, WINDOW, Day, Tally
from some.index.elastic.transport import Refused
from some.index.engine import to_us
from some.index.fields import TIME

if TYPE_CHECKING:
    from collections.abc import Callable

    from some.clock import Clock
    from some.index.elastic.transport import Client

SETTLED_US: Final = 6 * 3_600_000_000
"""So long after its end a day is taken for complete; what comes later still makes it count again."""

OLDEST_DAYS: Final = 1_104
"""Days before are counted when asked: some devices say 1970."""

A_TURN: Final = 4
"""Roll-ups that are made before the follower looks for records again."""

REST_S: Final = 900.0
"""Between one look at all days and the next."""


@dataclass(slots=True)
class Made:
    """Since the start: roll-ups made, and turns that failed."""

    days: int = 0
    failed: int = 0


class RollUps:
    """Makes what lacks, a little at each turn. The follower is the only one that does."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        stop: threading.Event | None = None,
        *,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write through `client`; `clock` tells which days are over, `ticks` (seconds) when there was rest enough."""
        self._client: Final = client
        self._clock: Final = clock
        self._stop: Final = stop or threading.Event()
        self._ticks: Final = ticks
        self._window: int | None = None
        self._waiting: list[Tally] = []
        self._rested: float | None = None
        self._log: Final = named("index.elastic.rollup")
        self.made = Made()

    def turn(self) -> bool:
        """Look at some days, or make a few roll-ups; returns whether there is more to do now.

        Never raises because of a server: what failed is tried again after the rest.
        """
        if self._rested is not None and self._ticks() < self._rested:
            return False
        try:
            more = self._work()
        except (Unavailable, NotPermitted, SettingsFault, Refused) as error:
            self.made.failed += 1
            self._log.warning("index.elastic_rollup_delayed", reason=str(error))
            more = False
        if not more:
            self._window, self._waiting = None, []
            self._rested = self._ticks() + REST_S
        return more

    def _work(self) -> bool:
        today = (to_us(self._clock.now()) - SETTLED_US) // DAY_US
        if self._waiting:
            chosen, self._waiting = self._waiting[:A_TURN], self._waiting[A_TURN:]
            for one in chosen:
                if self._stop.is_set():
                    return True
                self._make(one)
            return True
        window = self._window = (today - 1) // WINDOW if self._window is None else self._window - 1
        if window < (today - OLDEST_DAYS) // WINDOW:
            return False
        last = min((window + 1) * WINDOW, today) - 1
        held = minutes.tallies(self._client, self._sources(), window * WINDOW, last)
        there = minutes.rolled(self._client, held, whole=False)
        lacking = [one for one in held if (one.source, one.day) not in there]
        self._waiting = sorted(lacking, key=lambda one: (-one.day, one.source))
        return True

    def _sources(self) -> list[str]:
        """Return the sources that attest facts: no question is about the silence of others."""
        where = names.facts_alias(self._client.settings.prefix)
        found = asking.composite(self._client, where, {"match_all": {}}, [{"source": {"terms": {"field": "source"}}}])
        return [str(one["key"]["source"]) for one in found]

    def _make(self, tally: Tally) -> None:
        day = Day.of(minutes.counted(self._client, tally.source, minutes.of_day(tally.day)))
        if day.counted != tally.counted:
            return  # records came in between: the next look sees them
        written = writing.Writer(self._client, self._stop).write([action(self._client.settings.prefix, tally, day)])
        self.made.days += written.created


def action(prefix: str, tally: Tally, day: Day) -> Action:
    """Return a roll-up as a document to be made."""
    index = names.minutes_index_of(prefix, tally.day)
    head = orjson.dumps({"create": {"_index": index, "_id": tally.identity}})
    body = orjson.dumps(
        {
            TIME: shown_time(tally.day * DAY_US),
            "source": tally.source,
            "day": tally.day,
            "counted": tally.counted,
            "packed": day.packed(),
        }
    )
    return Action(index, f"{tally.source}/{tally.day}", b"%b\n%b\n" % (head, body))
