"""Times and how far they can be off: T ± tolerance ± clock error ± rounding; nothing else widens a window.

All times here are microseconds since 1970 UTC, already corrected by their source's clock offset. An error says how far
from the truth they may still be.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime) -> int:
    """Return an aware time in microseconds since 1970 UTC."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def as_datetime(at: int) -> datetime:
    """Return microseconds since 1970 UTC as an aware time."""
    return _EPOCH + timedelta(microseconds=at)


class Grade(IntEnum):
    """How well something is known to hold at a moment; the worse of two is `min`."""

    NO = 0
    ESTIMATED = 1  # only beyond what is attested, because an end is not known
    EDGE = 2  # at an attested interval's edge: closer to it than the clocks tell
    SURE = 3


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment that `source` tells. `offset` is what its clock was corrected by; `error` is the clock's alone."""

    at: int
    source: str
    offset: int
    error: int
    rounding: int


@dataclass(frozen=True, slots=True)
class Held:
    """An interval: attested from `start` to `end`, and where its ends are not known it may reach `earliest`, `latest`.

    Invariant: earliest <= start <= end <= latest. Offset, error and rounding are as for `Moment`.
    """

    start: int
    end: int
    earliest: int
    latest: int
    source: str
    offset: int
    error: int
    rounding: int

    @property
    def estimated(self) -> bool:
        """Say whether an end is not known."""
        return self.earliest < self.start or self.latest > self.end

    def grade(self, moment: Moment) -> Grade:
        """Say how well it is known that the interval holds `moment`."""
        return self.grade_at(moment.at, apart(self, moment))

    def grade_at(self, at: int, error: int) -> Grade:
        """Say how well it is known that the interval holds `at`, which is off by at most `error`."""
        if self.start + error <= at <= self.end - error:
            return Grade.SURE
        if self.start - error <= at <= self.end + error:
            return Grade.EDGE
        if self.earliest - error <= at <= self.latest + error:
            return Grade.ESTIMATED
        return Grade.NO


def apart(one: Held | Moment, other: Held | Moment) -> int:
    """Return how far the times of two facts can be off against each other, microseconds.

    One clock is not off against itself: only what its offset is thought to have changed, and the rounding, remain.
    """
    rounding = one.rounding + other.rounding
    if one.source == other.source:
        return rounding + abs(one.offset - other.offset)
    return rounding + one.error + other.error
