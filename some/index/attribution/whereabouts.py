"""Where an inner address, a device or a person was, and who was there: periods with their evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from some.index.attribution.answer import ClockUse, LayerName, Period, Whereabouts, seconds
from some.index.attribution.joining import connections
from some.index.attribution.logins import stays
from some.index.attribution.register import bounds
from some.index.attribution.window import DAY
from some.index.facts.fact import Layer, Span
from some.index.facts.persons import kind, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from some.index.attribution.clocks import Clocks
    from some.index.attribution.joining import Connection
    from some.index.attribution.lease import Leases, Tenure
    from some.index.attribution.logins import Stay
    from some.index.attribution.question import InnerQuestion
    from some.index.attribution.register import Register
    from some.index.facts.fact import Fact, FactStore


class Traces:
    """Answers inner questions."""

    def __init__(self, store: FactStore, clocks: Clocks, leases: Leases, register: Register, longest: int) -> None:
        """Look at most `longest` microseconds beyond what is asked for the ends of logins."""
        self._store: Final = store
        self._clocks: Final = clocks
        self._leases: Final = leases
        self._register: Final = register
        self._longest: Final = longest

    def of(self, question: InnerQuestion) -> Whereabouts:
        """Return the periods that touch the asked time, in order."""
        found: list[Period] = []
        for site in self._sites(question):
            found += self._registered(question, site)
            if question.person is None:
                found += self._leased(question, site)
                found += self._signed_in(question, site)
        if question.person is not None:
            found += self._of_person(question, question.person)
        periods = sorted(
            {one: None for one in found if one.start <= question.last and one.end >= question.first},
            key=lambda one: (one.start, one.end, one.layer, one.source, one.evidence, one.address or ""),
        )
        return Whereabouts(question, tuple(periods), self._uses(periods))

    def _sites(self, question: InnerQuestion) -> list[str | None]:
        if question.site is not None:
            return [question.site]
        told = {one.site for one in self._store.speakers()} | {one.site for one in self._register.all_hosts()}
        return sorted(told, key=lambda one: (one is not None, one or ""))

    def _span(self, question: InnerQuestion) -> Span:
        return Span(question.first - self._longest, question.last + self._longest)

    def _leased(self, question: InnerQuestion, site: str | None) -> list[Period]:
        if question.mac is not None:
            return [_of_tenure(one) for one in self._leases.of_mac(site, question.mac, question.first, question.last)]
        found: dict[object, Tenure] = {}
        step = max(DAY, (question.last - question.first) // 400)
        for at in {*range(question.first, question.last, step), question.last}:
            found |= {one.evidence: one for one in self._leases.of_address(site, question.address or "", at)}
        return [_of_tenure(one) for one in found.values()]

    def _signed_in(self, question: InnerQuestion, site: str | None) -> list[Period]:
        addresses = None if question.address is None else (question.address,)
        macs = None if question.mac is None else (question.mac,)
        facts = self._store.identities(self._span(question), site=site, addresses=addresses, macs=macs)
        told = stays(facts, self._clocks, self._longest)
        if question.address is not None:
            told = [one for one in told if one.address == question.address]
        else:
            told = [one for one in told if one.mac == question.mac]
        return [_of_stay(one) for one in told]

    def _of_person(self, question: InnerQuestion, person: str) -> list[Period]:
        facts = self._store.of_persons(self._span(question), persons=(person,))
        identities = [one for one in facts if one.layer is Layer.IDENTITY]
        restarts = self._restarts(identities, question)
        sessions: Sequence[Fact] = [one for one in facts if one.layer is Layer.NAT]
        made = connections(sessions, self._clocks, longest=0, exclusive=())
        return [
            *(_of_stay(one) for one in stays([*identities, *restarts], self._clocks, self._longest)),
            *(_of_session(one, person) for one in made),
        ]

    def _restarts(self, identities: Iterable[Fact], question: InnerQuestion) -> list[Fact]:
        sites = {one.site for one in identities}
        return [
            one
            for site in sorted(sites, key=repr)
            for one in self._store.identities(self._span(question), site=site, addresses=())
        ]

    def _registered(self, question: InnerQuestion, site: str | None) -> list[Period]:
        found = []
        for host in self._register.all_hosts():
            name = None if host.person is None else normalised(host.person)
            asked = (question.address, question.mac, question.person)
            if host.site != site or not any(
                a is not None and a == b for a, b in zip(asked, (str(host.address), host.mac, name), strict=True)
            ):
                continue
            start, end = bounds(host)
            found.append(
                Period(
                    layer=LayerName.IDENTITY,
                    start=question.first if start is None else start,
                    end=question.last if end is None else end,
                    estimated=False,
                    site=host.site,
                    address=str(host.address),
                    mac=host.mac,
                    host=host.host,
                    person=name,
                    kind=None if name is None else kind(name).value,
                    source="register",
                    evidence=(),
                )
            )
        return found

    def _uses(self, periods: Iterable[Period]) -> tuple[ClockUse, ...]:
        worst: dict[str, ClockUse] = {}
        for one in periods:
            if one.evidence:
                reading = self._clocks.at(one.source, self._clocks.device_time(one.source, one.start))
                use = ClockUse(one.source, seconds(reading.offset), seconds(reading.error), reading.how.value)
                if one.source not in worst or use.error_s > worst[one.source].error_s:
                    worst[one.source] = use
        return tuple(worst[name] for name in sorted(worst))


def _of_tenure(one: Tenure) -> Period:
    return Period(
        layer=LayerName.LEASE,
        start=one.held.start,
        end=one.held.latest,
        estimated=one.held.estimated,
        site=one.site,
        address=one.address,
        mac=one.mac,
        host=one.host,
        person=None,
        kind=None,
        source=one.sources[0],
        evidence=one.evidence,
    )


def _of_stay(one: Stay) -> Period:
    return Period(
        layer=LayerName.VPN if one.method == "vpn" else LayerName.IDENTITY,
        start=one.held.earliest,
        end=one.held.latest,
        estimated=one.held.estimated,
        site=one.site,
        address=one.address,
        mac=one.mac,
        host=one.host,
        person=one.person,
        kind=one.kind.value,
        source=one.source,
        evidence=one.evidence,
    )


def _of_session(one: Connection, person: str) -> Period:
    return Period(
        layer=LayerName.NAT,
        start=one.held.start,
        end=one.held.end,
        estimated=False,
        site=one.site,
        address=one.inner_ip,
        mac=one.mac,
        host=None,
        person=person,
        kind=kind(person).value,
        source=one.sources[0],
        evidence=one.evidence,
    )
