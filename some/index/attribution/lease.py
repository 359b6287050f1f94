"""Who held an inner address: tenures by MAC, of the leases of one address at one site.

A tenure begins with a grant and ends at the next grant of the address to another MAC, at its release, or when it was
promised to end. Where no end was promised and nobody came after, its end is estimated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord
from some.index.attribution.window import Grade, Held, apart
from some.index.facts.fact import Span

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from some.index.attribution.clocks import Clocks
    from some.index.attribution.silence import Silence
    from some.index.attribution.window import Moment
    from some.index.facts.fact import Fact, FactStore
    from some.record import RecordRef


@dataclass(frozen=True, slots=True)
class Tenure:
    """One MAC's uninterrupted hold of an address. `seen` are the true times of its grants."""

    site: str | None
    address: str
    mac: str
    host: str | None
    held: Held
    seen: tuple[int, ...]
    sources: tuple[str, ...]
    evidence: tuple[RecordRef, ...]


@dataclass(frozen=True, slots=True)
class Holder:
    """A tenure as it holds at a moment; `silent` where its source was silent since it was last seen."""

    tenure: Tenure
    grade: Grade
    silent: bool


class Leases:
    """Tenures, read from the store when asked."""

    def __init__(self, store: FactStore, clocks: Clocks, silence: Silence, longest: int) -> None:
        """Look at most `longest` microseconds back and ahead."""
        self._store: Final = store
        self._clocks: Final = clocks
        self._silence: Final = silence
        self._longest: Final = longest
        self._known: Final[dict[tuple[str | None, str, int], list[Tenure]]] = {}

    def of_address(self, site: str | None, address: str, at: int) -> list[Tenure]:
        """Return the tenures of an address around the true time `at`."""
        block = at // self._longest
        key = (site, address, block)
        if key not in self._known:
            span = Span((block - 1) * self._longest, (block + 2) * self._longest)
            facts = self._store.leases(span, site=site, addresses=(address,))
            self._known[key] = tenures(facts, self._clocks, self._longest)
        return self._known[key]

    def expect(self, site: str | None, addresses: Collection[str], moments: Collection[int]) -> None:
        """Read in one go what `of_address` will be asked for, of these addresses at these true times."""
        blocks = {at // self._longest for at in moments}
        new = {one for one in addresses if any((site, one, block) not in self._known for block in blocks)}
        if len(new) > 1:
            first, last = min(blocks), max(blocks)
            # the answer is not looked at: the store keeps it (`some.index.facts.kept`)
            self._store.leases(Span((first - 1) * self._longest, (last + 2) * self._longest), site=site, addresses=new)

    def of_mac(self, site: str | None, mac: str, start: int, end: int) -> list[Tenure]:
        """Return the tenures of a MAC that touch the true times from `start` to `end`, whatever the address."""
        span = Span(start - self._longest, end + self._longest)
        addresses = {one.inner_ip for one in self._store.leases(span, site=site, macs=(mac,)) if one.inner_ip}
        moments = {start, (start + end) // 2, end}
        self.expect(site, addresses, moments)
        found = [
            one
            for address in sorted(addresses)
            for middle in moments
            for one in self.of_address(site, address, middle)
            if one.mac == mac and one.held.earliest <= end and one.held.latest >= start
        ]
        return sorted({one.evidence: one for one in found}.values(), key=lambda one: (one.held.start, one.evidence))

    def holders(self, site: str | None, address: str, moment: Moment) -> list[Holder]:
        """Return who may have held the address at `moment`, best known first."""
        found = []
        for tenure in self.of_address(site, address, moment.at):
            grade = tenure.held.grade(moment)
            if grade is Grade.NO:
                continue
            silent = self._silent_since(tenure, moment)
            found.append(Holder(tenure, min(grade, Grade.ESTIMATED) if silent else grade, silent))
        return sorted(found, key=lambda one: (-one.grade, one.tenure.held.start, one.tenure.evidence))

    def mac_at(self, site: str | None, address: str, moment: Moment) -> str | None:
        """Return the one MAC that surely held the address at `moment`, or None."""
        holders = self.holders(site, address, moment)
        macs = {one.tenure.mac for one in holders}
        return next(iter(macs)) if len(macs) == 1 and holders[0].grade >= Grade.EDGE else None

    def _silent_since(self, tenure: Tenure, moment: Moment) -> bool:
        """Say whether the tenure was last seen before a silence that lies before `moment`, and not again after it."""
        error = apart(tenure.held, moment)
        before = [one for one in tenure.seen if one <= moment.at + error]
        if len(before) < len(tenure.seen) or not before:
            return False  # seen again afterwards, or known only by its end
        return any(
            self._silence.within(
                source, self._clocks.device_time(source, before[-1]), self._clocks.device_time(source, moment.at)
            )
            for source in tenure.sources
        )


def tenures(facts: Iterable[Fact], clocks: Clocks, longest: int) -> list[Tenure]:
    """Return the tenures of one address at one site, in order."""
    told = [(clocks.moment(one, one.known_from), one) for one in facts if one.inner_ip is not None]
    made: list[_Draft] = []
    for moment, fact in sorted(told, key=lambda one: (one[0].at, one[1].word != FactWord.LEASE_ENDED, one[1].ref)):
        if fact.word == FactWord.LEASE_ENDED:
            _end(made, fact, moment, longest)
        elif fact.word == FactWord.LEASE_GRANTED and fact.mac is not None:
            _grant(made, fact, moment, longest)
    return [one.finished() for one in made]


class _Draft:
    """A tenure being put together, of one address."""

    def __init__(self, fact: Fact, held: Held, seen: list[int]) -> None:
        self.mac, self.host, self.held, self.seen = fact.mac or "", fact.host, held, seen
        self._first = fact
        self._sources, self._evidence = {fact.source}, {fact.ref}

    def add(self, fact: Fact, held: Held) -> None:
        """Take up another record."""
        self.held, self.host = held, fact.host or self.host
        self._sources.add(fact.source)
        self._evidence.add(fact.ref)

    def finished(self) -> Tenure:
        """Return the tenure."""
        sources, evidence = tuple(sorted(self._sources)), tuple(sorted(self._evidence))
        first = self._first
        return Tenure(
            first.site, first.inner_ip or "", self.mac, self.host, self.held, tuple(self.seen), sources, evidence
        )


def _grant(made: list[_Draft], fact: Fact, moment: Moment, longest: int) -> None:
    at, promised = moment.at, None if fact.promised_to is None else fact.promised_to - moment.offset
    last = made[-1] if made else None
    if last is not None and last.mac == fact.mac and at <= last.held.latest + apart(last.held, moment):
        held = last.held
        end = max(held.end, at) if promised is None else max(at, promised)
        latest = end if promised is not None else max(end, at + longest)
        error, rounding = max(held.error, moment.error), max(held.rounding, moment.rounding)
        last.add(fact, Held(held.start, end, held.earliest, latest, held.source, held.offset, error, rounding))
        last.seen.append(at)
        return
    if last is not None and last.held.latest >= at:
        end = max(last.held.start, at)  # nobody else got it meanwhile, so the address was its holder's until now
        last.held = replace(last.held, end=end, latest=end)
    end = at if promised is None else max(at, promised)
    made.append(_Draft(fact, _held(moment, at, end, at, at + longest if promised is None else end), [at]))


def _end(made: list[_Draft], fact: Fact, moment: Moment, longest: int) -> None:
    at = moment.at
    if not made:
        if fact.mac is not None:
            made.append(_Draft(fact, _held(moment, at, at, at - longest, at), []))
        return
    last = made[-1]
    if fact.mac in {None, last.mac} and last.held.start <= at <= last.held.latest:
        last.add(fact, replace(last.held, end=at, latest=at))


def _held(moment: Moment, start: int, end: int, earliest: int, latest: int) -> Held:
    return Held(start, end, earliest, latest, moment.source, moment.offset, moment.error, moment.rounding)


def macs_of(holders: Sequence[Holder]) -> tuple[str, ...]:
    """Return the MACs of holders, each once, in order."""
    return tuple(dict.fromkeys(one.tenure.mac for one in holders))
