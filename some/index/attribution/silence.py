"""When a source was silent that would have spoken: learned from how often it speaks, by its own clock.

Between two records lies a gap. It is a silence when it is longer than the floor and longer than chance explains at the
rate of the hours beside it, and of the same hours on the days and in the weeks beside it: so a night's lull is none,
and a dead source is. Of a source that has said too little to learn from, no silence is claimed.
"""

from __future__ import annotations

from itertools import pairwise
from math import log
from statistics import median
from typing import TYPE_CHECKING, Final

from some.index.attribution.window import DAY, HOUR, MINUTE
from some.index.facts.fact import Span

if TYPE_CHECKING:
    from some.index.attribution.speech import Speech

_BESIDE: Final = 2 * HOUR
_FAR: Final = 26 * HOUR
"""How far one looks for the record before and after; beyond that a gap is as good as endless."""
_DAYS: Final = (-7 * DAY, 7 * DAY, -DAY, DAY)
_LEAST: Final = 3
"""Minutes with records that a side needs, to be learned from."""
_CHANCE: Final = -log(1e-4)
"""A gap of this many mean gaps comes by chance once in ten thousand gaps."""
_FULL: Final = 0.999


class Silence:
    """The silences of every source."""

    def __init__(self, speech: Speech, floor: int) -> None:
        """Call nothing a silence that is shorter than `floor` microseconds."""
        self._speech: Final = speech
        self._floor: Final = floor
        self._judged: Final[dict[tuple[str, int, int], bool]] = {}

    def within(self, source: str, start: int, end: int) -> list[Span]:
        """Return the silences that touch `start` to `end` (device time)."""
        return [gap for gap in self._gaps(source, start, end) if self._is_silence(source, gap)]

    def breaks(self, source: str, start: int, end: int) -> bool:
        """Say whether a record about `start` to `end` may be missing: a silence touches it, or begins soon after.

        Sessions are told when they end, so a silence within the floor after the end counts too, unless it is the end of
        all that was ever received.
        """
        silences = self.within(source, start, end + self._floor)
        return any(one.start <= end or one.end - one.start < _FAR for one in silences)

    def spoke_around(self, source: str, start: int, end: int) -> bool:
        """Say whether the source was alive from `start` to `end`: it spoke within the floor of it, or fell not silent.

        Without anything learned about a source, only what it said counts.
        """
        if self.within(source, start, end):
            return False
        near = self._speech.minutes(source, start - self._floor, end + self._floor)
        if any(one.first <= end + self._floor and one.last >= start - self._floor for one in near):
            return True
        return all(self._rate(source, gap) for gap in self._gaps(source, start, end))

    def _gaps(self, source: str, start: int, end: int) -> list[Span]:
        """Return the gaps longer than the floor that touch the span, ends where nothing was found left far away."""
        for reach in (HOUR, _FAR):
            moments: list[int] = []
            for one in self._speech.minutes(source, start - reach, end + reach):
                moments += (one.first, one.last)
            if moments and moments[0] <= start and moments[-1] >= end:
                break
        if not moments or moments[0] > start:
            moments.insert(0, start - _FAR)
        if moments[-1] < end:
            moments.append(end + _FAR)
        pairs = pairwise(moments)
        return [Span(a, b) for a, b in pairs if b - a > self._floor and b >= start and a <= end]

    def _is_silence(self, source: str, gap: Span) -> bool:
        key = (source, gap.start, gap.end)
        found = self._judged.get(key)
        if found is None:
            rate = self._rate(source, gap)
            found = rate is not None and rate > 0 and (gap.end - gap.start) / MINUTE * -log(1 - rate) > _CHANCE
            self._judged[key] = found
        return found

    def _rate(self, source: str, gap: Span) -> float | None:
        """Return in what part of the minutes the source was to be expected to speak; None where nothing is learned."""
        beside = [rate for rate in (self._before(source, gap), self._after(source, gap)) if rate is not None]
        if not beside:
            return None
        days = self._other_days(source, gap)
        return min(*beside, median(days), _FULL) if len(days) > 1 else min(*beside, _FULL)

    def _before(self, source: str, gap: Span) -> float | None:
        spoken = [one.minute for one in self._speech.minutes(source, gap.start - _BESIDE, gap.start)]
        return _part(len(spoken), gap.start // MINUTE - spoken[0] + 1) if len(spoken) >= _LEAST else None

    def _after(self, source: str, gap: Span) -> float | None:
        spoken = [one.minute for one in self._speech.minutes(source, gap.end, gap.end + _BESIDE)]
        return _part(len(spoken), spoken[-1] - gap.end // MINUTE + 1) if len(spoken) >= _LEAST else None

    def _other_days(self, source: str, gap: Span) -> list[float]:
        rates = []
        for shift in _DAYS:
            start, end = gap.start + shift, gap.end + shift
            if start < gap.end and end > gap.start:
                continue
            if self._speech.minutes(source, start - 3 * HOUR, end + 3 * HOUR):
                spoken = len(self._speech.minutes(source, start, end))
                rates.append(_part(spoken, (end - start) // MINUTE + 1))
        return rates


def _part(spoken: int, minutes: int) -> float:
    return spoken / max(spoken, minutes)
