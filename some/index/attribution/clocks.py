"""How far off a source's clock was: declared, else measured from what arrived around that time, else unknown.

Measured: a record's delay is reception minus device time, which is the time on the way (never negative) minus the
clock's offset. The offset is minus the median delay; the error covers the middle nine tenths of the delays (batches,
polling, a drift or a step within the half hour on either side all spread them) and an allowance for the way itself.
Receive times that an import claims are delays too.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from some.index.attribution.window import HOUR, MINUTE, SECOND, Held, Moment, as_datetime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingest.declared import Sources
    from some.index.attribution.speech import Speech
    from some.index.facts.fact import Fact

_TENTH: Final = SECOND // 10
_WAY: Final = SECOND // 2
"""How long a record is on its way without anybody noticing: a delay that all records share looks like an offset."""
_FEW: Final = 20
"""So many delays make a median; with fewer, one looks farther around."""
_ALONE: Final = 3 * SECOND // 2
"""What is added where even the wider look found few delays."""
_REACHES: Final = (30 * MINUTE, 3 * HOUR, 12 * HOUR)
_PER_HOUR: Final = SECOND // 4
"""What a clock may drift in an hour, added for each hour beyond the first that had to be looked at."""
_STEP: Final = 10 * MINUTE


class Known(StrEnum):
    """How an offset is known."""

    DECLARED = "declared"
    MEASURED = "measured"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reading:
    """A clock at a time: device time minus true time, and how far that may be wrong. Microseconds."""

    offset: int
    error: int
    how: Known


class Clocks:
    """The clocks of all sources, read where facts need them."""

    def __init__(self, speech: Speech, declared: Sources, unknown: int) -> None:
        """Take declarations first, minutes next; `unknown` microseconds is the error where nothing is known."""
        self._speech: Final = speech
        self._declared: Final = declared
        self._unknown: Final = Reading(0, unknown, Known.UNKNOWN)
        self._readings: Final[dict[tuple[str, int], Reading]] = {}

    def at(self, source: str, device_time: int) -> Reading:
        """Return the reading when the source's clock showed `device_time`."""
        declared = self._of_declaration(source, device_time)
        if declared is not None:
            return declared
        key = (source, device_time // _STEP)
        found = self._readings.get(key)
        if found is None:
            found = self._measured(source, key[1] * _STEP + _STEP // 2)
            self._readings[key] = found
        return found

    def device_time(self, source: str, at: int) -> int:
        """Return what the source's clock showed at the true time `at`."""
        shown = at
        for _ in range(3):
            shown = at + self.at(source, shown).offset
        return shown

    def moment(self, fact: Fact, device_time: int) -> Moment:
        """Return the true time of an edge of a fact."""
        reading = self.at(fact.source, device_time)
        return Moment(device_time - reading.offset, fact.source, reading.offset, reading.error, rounding(fact))

    def held(self, source: str, known: tuple[int, int], may: tuple[int, int], rounding: int) -> Held:
        """Return an interval in true time: what is `known`, and how far it `may` reach, both in device time."""
        (start, end), (earliest, latest) = known, may
        first, last = self.at(source, start), self.at(source, end)
        true_start = start - first.offset
        true_end = max(true_start, end - last.offset)
        return Held(
            true_start,
            true_end,
            true_start - max(0, start - earliest),
            true_end + max(0, latest - end),
            source,
            first.offset,
            max(first.error, last.error),
            rounding,
        )

    def _of_declaration(self, source: str, device_time: int) -> Reading | None:
        declared = self._declared.sources.get(source)
        for period in () if declared is None else declared.clock:
            offset = round(period.offset_s * SECOND)
            at = as_datetime(device_time - offset)
            if (period.start is None or period.start <= at) and (period.end is None or at < period.end):
                return Reading(offset, round(period.error_s * SECOND), Known.DECLARED)
        return None

    def _measured(self, source: str, device_time: int) -> Reading:
        delays: Counter[int] = Counter()
        reach = 0
        for reach in _REACHES:
            delays = Counter()
            for minute in self._speech.minutes(source, device_time - reach, device_time + reach):
                delays.update(minute.delays)
            if delays.total() >= _FEW:
                break
        total = delays.total()
        if total == 0:
            return self._unknown
        low, middle, high = (_quantile(delays, total * part // 20) for part in (1, 10, 19))
        spread = max(middle - low, high - middle) * _TENTH
        error = spread + _TENTH + _WAY + max(0, reach - HOUR) * _PER_HOUR // HOUR
        if total < _FEW:
            error += _ALONE
        return Reading(-(middle * _TENTH + _TENTH // 2), error, Known.MEASURED)


def rounding(fact: Fact) -> int:
    """Return how far a fact's times are rounded: a second where its stamps, or its duration, are in whole seconds."""
    lasted = fact.known_to - fact.known_from
    return SECOND if fact.whole_seconds or (lasted and lasted % SECOND == 0) else 0


def _quantile(delays: Mapping[int, int], rank: int) -> int:
    """Return the delay of which `rank` delays are not larger, in tenths of a second."""
    passed = 0
    for delay in sorted(delays):
        passed += delays[delay]
        if passed > rank:
            return delay
    return max(delays)
