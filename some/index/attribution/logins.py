"""Logins become stays: one person at one address (or on one device), from sign-in to sign-out.

A stay whose sign-out nobody told is estimated beyond the last time it was seen: up to the next sign-in of somebody else
there, to a restart of the device, or as far as a login may last. A directory only tells that somebody signed in, so it
ends nothing that a portal, RADIUS, a VPN or a firewall told; those do end what a directory told.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord, LoginMethod
from some.index.attribution.clocks import rounding
from some.index.attribution.window import SECOND
from some.index.facts.persons import Kind, kind, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from some.index.attribution.clocks import Clocks
    from some.index.attribution.window import Held
    from some.index.facts.fact import Fact
    from some.record import RecordRef

WEAK: Final = frozenset({LoginMethod.DIRECTORY, LoginMethod.FSSO})
"""Methods that tell who signed in at a device, and enforce nothing there."""

_AGAIN: Final = 2 * SECOND
"""A login told twice within this is one login."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One person's stay, in true time. `bridged`: attested only because the person was seen before and after."""

    person: str
    kind: Kind
    method: LoginMethod | None
    source: str
    device: str | None
    site: str | None
    address: str | None
    mac: str | None
    host: str | None
    held: Held
    opens: bool
    closes: bool
    evidence: tuple[RecordRef, ...]
    bridged: bool = False

    @property
    def weak(self) -> bool:
        """Say whether it only tells who signed in."""
        return self.method in WEAK


class _Draft:
    """A stay being put together; times are device time."""

    def __init__(self, fact: Fact) -> None:
        self.facts = [fact]
        self.start, self.end = fact.known_from, fact.known_to
        self.opens, self.closes = fact.opens, fact.closes
        self._name, self._mac = _name(fact.person), fact.mac

    def add(self, fact: Fact) -> None:
        self.facts.append(fact)
        self._name = _name(fact.person) if self._name is None else self._name
        self._mac = fact.mac if self._mac is None else self._mac
        self.start, self.end = min(self.start, fact.known_from), max(self.end, fact.known_to)
        self.opens, self.closes = self.opens or fact.opens, self.closes or fact.closes

    def takes(self, fact: Fact, longest: int) -> bool:
        """Say whether `fact` (later or equal in order) tells of this stay."""
        if fact.known_from - self.start > longest or not self._agrees(fact):
            return False
        if self.closes:
            return fact.known_from <= self.end and fact.session is not None
        if fact.session is None and (fact.word == FactWord.LOGIN or _ticket(fact)):
            return fact.known_from - self.start <= _AGAIN
        return True

    def _agrees(self, fact: Fact) -> bool:
        """Say whether the same person is meant: numbers of sessions come again after a restart."""
        pairs = ((self._name, _name(fact.person)), (self._mac, fact.mac))
        return all(held is None or told is None or held == told for held, told in pairs)

    def told(self, name: str) -> str | None:
        """Return the last told value of a field: an address may be told late."""
        return next((value for one in reversed(self.facts) if (value := getattr(one, name)) is not None), None)


def stays(facts: Iterable[Fact], clocks: Clocks, longest: int, *, several: bool = False) -> list[Stay]:
    """Return the stays that identity facts tell, in order of their start.

    `longest` microseconds is how far an unknown end may lie. `several`: people share the host at once, so nobody's
    sign-in ends anybody's stay.
    """
    once = {one.ref: one for one in facts}.values()
    restarts = [one for one in once if one.word == FactWord.RESTART]
    drafts: list[_Draft] = []
    people = sorted((one for one in once if one.word != FactWord.RESTART), key=lambda one: (*_key(one), *_order(one)))
    for _, group in groupby(people, key=_key):
        drafts += _group(list(group), longest)
    _close_by_address(drafts)
    made = []
    for draft in drafts:
        for part in _by_address(draft):
            stay = _finished(part, draft, clocks, restarts, longest)
            if stay is not None:
                made.append(stay)
    made.sort(key=lambda one: (one.held.start, one.evidence))
    return made if several else _cut(made)


def _key(fact: Fact) -> tuple[str, ...]:
    """Return what the facts of one stay share."""
    if fact.session is not None:
        return (fact.source, repr(fact.device), fact.session)
    name = None if fact.person is None else normalised(fact.person)
    return (fact.source, repr(fact.device), "", repr(name), repr(fact.inner_ip), repr(fact.mac))


def _order(fact: Fact) -> tuple[object, ...]:
    return (fact.known_from, not fact.opens, fact.closes, fact.known_to, fact.ref)


def _group(facts: Sequence[Fact], longest: int) -> list[_Draft]:
    own: list[_Draft] = []
    for fact in facts:
        if own and own[-1].takes(fact, longest):
            own[-1].add(fact)
        else:
            own.append(_Draft(fact))
    return own


def _ticket(fact: Fact) -> bool:
    """Say whether it is a ticket of the directory: a sighting of a moment, which goes on with no other."""
    return fact.word == FactWord.LOGIN_SEEN and fact.method in WEAK


def _close_by_address(drafts: list[_Draft]) -> None:
    """Give sign-outs that found no sign-in of their number to the open stay that they can only mean."""
    for out in [one for one in drafts if not one.opens and all(fact.word == FactWord.LOGOUT for fact in one.facts)]:
        fact = out.facts[0]
        fits = [one for one in drafts if one is not out and not one.closes and one.opens and _means(fact, one)]
        if fits:
            max(fits, key=lambda one: one.start).add(fact)
            drafts.remove(out)


def _means(fact: Fact, draft: _Draft) -> bool:
    first = draft.facts[0]
    if first.source != fact.source or draft.end > fact.known_from:
        return False
    if fact.session is not None and draft.told("session") is not None:
        return False
    pairs = [
        (fact.inner_ip, draft.told("inner_ip")),
        (fact.mac, draft.told("mac")),
        (_name(fact.person), _name(draft.told("person"))),
    ]
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    return bool(both) and all(a == b for a, b in both) and (None not in pairs[0] or None not in pairs[1])


def _name(person: str | None) -> str | None:
    return None if person is None else normalised(person)


def _by_address(draft: _Draft) -> list[_Draft]:
    """Cut a stay where its address changed: each part belongs to one address (or to none, where none is told)."""
    addresses = {one.inner_ip for one in draft.facts} - {None}
    if len(addresses) < 2:  # noqa: PLR2004 - one address, or none, all along
        return [draft]
    parts: list[_Draft] = []
    current: str | None = None
    for fact in sorted(draft.facts, key=lambda one: (one.known_to, *_order(one))):
        if parts and fact.inner_ip in {None, current}:
            parts[-1].add(fact)
            continue
        part = _Draft(fact)
        if parts:  # a whole start that the record tells is the stay's, not this address's
            part.start = max(part.start, parts[-1].end)
            if not parts[-1].closes:
                parts[-1].closes = True
        current = fact.inner_ip if current is None or fact.inner_ip is not None else current
        parts.append(part)
    return parts


def _finished(part: _Draft, whole: _Draft, clocks: Clocks, restarts: Sequence[Fact], longest: int) -> Stay | None:
    name = _name(whole.told("person"))
    if not name:
        return None
    first = part.facts[0]
    start, end, closes = part.start, part.end, part.closes
    latest = end if closes else max(end, start + longest)
    seen = max((one.known_to for one in part.facts if not one.closes), default=start)
    ended = min((one for one in restarts if _restarts(one, first) and one.known_from > seen), key=_order, default=None)
    evidence = {one.ref for one in whole.facts}
    if ended is not None and ended.known_from < latest:
        end = latest = ended.known_from
        closes = True
        evidence.add(ended.ref)
    earliest = start if part.opens else start - longest
    held = clocks.held(first.source, (start, max(start, end)), (earliest, max(start, latest)), _coarse(part))
    return Stay(
        person=name,
        kind=kind(name),
        method=first.method or next((one.method for one in whole.facts if one.method is not None), None),
        source=first.source,
        device=first.device,
        site=first.site,
        address=part.told("inner_ip"),
        mac=whole.told("mac"),
        host=whole.told("host"),
        held=held,
        opens=part.opens,
        closes=closes,
        evidence=tuple(sorted(evidence)),
    )


def _restarts(restart: Fact, fact: Fact) -> bool:
    return restart.source == fact.source and restart.device in {None, fact.device}


def _coarse(draft: _Draft) -> int:
    return max(rounding(one) for one in draft.facts)


def _cut(made: Sequence[Stay]) -> list[Stay]:
    """End what is open where somebody else signed in there afterwards; and begin it after who was there before."""
    there: dict[object, list[Stay]] = {}
    for one in made:
        for place in _places(one):
            there.setdefault(place, []).append(one)
    return [
        _ended(one, (other for place in _places(one) for other in there[place])) if one.held.estimated else one
        for one in made
    ]


def _ended(stay: Stay, beside: Iterable[Stay]) -> Stay:
    latest, earliest = stay.held.latest, stay.held.earliest
    for other in beside:
        if other is stay:
            continue
        if other.person == stay.person and (other.source, other.method) != (stay.source, stay.method):
            continue
        if other.weak and not stay.weak:
            continue
        if other.opens and other.held.start >= stay.held.end:
            latest = min(latest, other.held.start)
        if other.held.end <= stay.held.start:
            earliest = max(earliest, other.held.end)
    held = replace(stay.held, latest=max(stay.held.end, latest), earliest=min(stay.held.start, earliest))
    return replace(stay, held=held)


def _places(one: Stay) -> list[tuple[str, str]]:
    """Return what two stays share that are at one place: an address or a device."""
    pairs = (("address", one.address), ("mac", one.mac))
    return [(name, value) for name, value in pairs if value is not None]
