"""Limits in time and number, and the arithmetic of lock-out (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class SecondFactor(StrEnum):
    """Who must have a second factor; the others may."""

    OPTIONAL = "optional"
    ADMINISTRATORS = "administrators"
    EVERYONE = "everyone"


@dataclass(frozen=True, slots=True)
class BrakeRule:
    """`free` failures cost nothing; the next locks for `first`, and each one after that for twice as long."""

    free: int
    first: timedelta
    longest: timedelta
    forget_after: timedelta

    def wait_after(self, failures: int) -> timedelta | None:
        """Return how long to lock after that many failures in a row, or None."""
        if failures <= self.free:
            return None
        return min(self.first * (1 << min(failures - self.free - 1, 30)), self.longest)


@dataclass(frozen=True, slots=True)
class AccountRules:
    """What a site may set; the defaults are those of the handbook."""

    idle: timedelta = timedelta(minutes=30)
    absolute: timedelta = timedelta(hours=12)
    half: timedelta = timedelta(minutes=5)
    setup_link: timedelta = timedelta(minutes=30)
    invitation: timedelta = timedelta(hours=72)
    reset_link: timedelta = timedelta(minutes=30)
    step_up: timedelta = timedelta(minutes=10)
    touch_every: timedelta = timedelta(seconds=60)
    known_seat: timedelta = timedelta(days=30)
    longest_token: timedelta = timedelta(days=730)
    second_factor: SecondFactor = SecondFactor.OPTIONAL
    issuer: str = "SOME"
    name_brake: BrakeRule = BrakeRule(4, timedelta(seconds=30), timedelta(minutes=15), timedelta(days=1))
    peer_brake: BrakeRule = BrakeRule(29, timedelta(minutes=1), timedelta(hours=1), timedelta(days=1))
