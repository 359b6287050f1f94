"""What a directory tells: somebody signed in at a device. It proves presence only between two sightings.

The same person seen before and after a moment on the same device, and nobody else in between, was there at that moment;
seen only before, he may have been.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from some.index.attribution.window import Grade, apart

if TYPE_CHECKING:
    from collections.abc import Sequence

    from some.index.attribution.logins import Stay
    from some.index.attribution.window import Moment


@dataclass(frozen=True, slots=True)
class Presence:
    """A person between two sightings (`after` None: never seen again)."""

    before: Stay
    after: Stay | None
    start: int
    end: int
    grade: Grade


@dataclass(frozen=True, slots=True)
class _Sight:
    at: int
    stay: Stay
    leaves: bool


def presences(stays: Sequence[Stay], moment: Moment, longest: int) -> list[Presence]:
    """Return who was, or may have been, there at `moment`, of all `stays` on one device."""
    weak = [one for one in stays if one.weak]
    if not weak:
        return []
    error = max(apart(one.held, moment) for one in weak)
    sights = sorted(_sights(stays), key=lambda one: (one.at, one.leaves, one.stay.evidence))
    told = [_presence(sights, at, longest) for at in (moment.at, moment.at - error, moment.at + error)]
    found: dict[str, Presence] = {}
    for one in told:
        if one is not None:
            found.setdefault(one.before.person, one)
    return [
        replace(one, grade=min(Grade.EDGE, one.grade)) if any(_differs(one, other) for other in told) else one
        for one in found.values()
    ]


def _differs(one: Presence, other: Presence | None) -> bool:
    return other is None or (other.before.person, other.grade) != (one.before.person, one.grade)


def _sights(stays: Sequence[Stay]) -> list[_Sight]:
    sights = []
    for one in stays:
        sights.append(_Sight(one.held.start, one, leaves=False))
        if one.held.end > one.held.start:
            sights.append(_Sight(one.held.end, one, leaves=one.closes))
        elif one.closes and not one.opens:
            sights[-1] = _Sight(one.held.start, one, leaves=True)
    return sights


def _presence(sights: Sequence[_Sight], at: int, longest: int) -> Presence | None:
    last = next((one for one in reversed(sights) if one.at <= at), None)
    before = next((one for one in reversed(sights) if one.at <= at and one.stay.weak), None)
    if last is None or before is None or before.leaves or at - before.at > longest:
        return None
    after = next((one for one in sights if one.at > at), None)
    again = next((one for one in sights if one.at > at and one.stay.person == before.stay.person), None)
    if last is not before and last.stay.person != before.stay.person:
        # somebody else signed in there by means that count more; who is seen on both sides of that stays a candidate
        return None if again is None else Presence(before.stay, again.stay, before.at, again.at, Grade.ESTIMATED)
    if last.leaves:
        return None
    if after is not None and after.stay.person == before.stay.person:
        return Presence(before.stay, after.stay, before.at, after.at, Grade.SURE)
    end = before.at + longest if after is None else min(after.at, before.at + longest)
    return Presence(before.stay, None, before.at, end, Grade.ESTIMATED)
