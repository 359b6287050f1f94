"""Which connections used the public side around the asked time."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from ingest.declared import NatPorts
from some.index.attribution.joining import FAMILIES, connections
from some.index.attribution.window import HOUR
from some.index.facts.fact import Layer, Span

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.declared import Sources
    from some.index.attribution.clocks import Clocks
    from some.index.attribution.joining import Connection
    from some.index.attribution.question import Question
    from some.index.facts.fact import Fact, FactStore


_NEAR: Final = HOUR // 6
_ASKED: Final = 8
"""Inner addresses that are looked at to learn whether a source ever tells a public side."""


@dataclass(frozen=True, slots=True)
class Used:
    """A connection that overlaps the window; `proven` where it does so by what is attested."""

    connection: Connection
    proven: bool


@dataclass(frozen=True, slots=True)
class Found:
    """What used the public side. `portless`: found without its public port. `sources`: those that would tell of it."""

    used: tuple[Used, ...]
    portless: bool
    sources: tuple[str, ...]


class Translations:
    """Looks for connections by their public side."""

    def __init__(self, store: FactStore, clocks: Clocks, declared: Sources, longest: int) -> None:
        """Look at connections that last at most `longest` microseconds."""
        self._store: Final = store
        self._clocks: Final = clocks
        self._declared: Final = declared
        self.longest: Final = longest
        self._exclusive: Final = frozenset(
            one.name for one in declared.sources.values() if one.nat_ports is NatPorts.EXCLUSIVE
        )

    def find(self, question: Question) -> Found:
        """Return what overlaps the question's window."""
        start, end = question.moment - question.tolerance, question.moment + question.tolerance
        wide = Span(start - self.longest, end + self.longest)
        sources = self._sources(question.public_ip, wide)
        if question.public_port is None:
            facts = self._asked(wide, question, target=True)
            return Found(tuple(_used(self._relevant(facts, question, start, end), question, start, end)), True, sources)
        facts = self._asked(wide, question, told=True)
        used = _used(self._on_port(self.joined(facts, start, end), question), question, start, end)
        if used:
            return Found(tuple(used), False, sources)
        # nobody is known to have had that port: whoever tells none is looked at, around the window where the
        # destination does not narrow it (such an answer proves nothing then)
        near = wide if question.target_ip else Span(start - _NEAR, end + _NEAR)
        facts = [*facts, *self._asked(near, question, told=False, target=True)]
        told = [one for one in self._relevant(facts, question, start, end) if _tells_side(one)]
        used = _used(self._on_port(told, question), question, start, end)
        if used:
            return Found(tuple(used), False, sources)
        told_by = {one.source for one in facts if _tells_port(one)}
        rest = [one for one in self._mine(facts, question) if not _tells_port(one) and one.source not in told_by]
        untold = [one for one in self.joined(rest, start, end) if not _tells_side(one)]
        used = _used(untold, question, start, end)
        return Found(tuple(used), bool(used), sources)

    def _asked(
        self, span: Span, question: Question, *, told: bool | None = None, target: bool = False
    ) -> Sequence[Fact]:
        return self._store.public_side(
            span,
            public_ip=question.public_ip,
            public_port=question.public_port,
            transport=question.transport,
            target_ip=question.target_ip if target else None,
            target_port=question.target_port if target else None,
            told=told,
        )

    def _mine(self, facts: Sequence[Fact], question: Question) -> list[Fact]:
        """Return the facts that may be of the asked address."""
        untelling = self._untelling(facts, question.public_ip)
        return [one for one in facts if one.public_ip == question.public_ip or one.source in untelling]

    def _relevant(self, facts: Sequence[Fact], question: Question, start: int, end: int) -> list[Connection]:
        """Return the connections that may be of the asked address."""
        untelling = self._untelling(facts, question.public_ip)
        mine = [one for one in facts if one.public_ip == question.public_ip or one.source in untelling]
        if question.public_port is not None:
            mine = [one for one in mine if _tells_port(one)]
        return [
            one
            for one in self.joined(mine, start, end)
            if one.public_ip == question.public_ip or untelling.issuperset(one.sources)
        ]

    def _on_port(self, made: Sequence[Connection], question: Question) -> list[Connection]:
        return [one for one in made if has_port(one, question.public_port) and _speaks_address(one, question)]

    def joined(self, facts: Sequence[Fact], start: int, end: int) -> list[Connection]:
        """Return the connections of `facts`; where one that may reach into start..end lacks an end, more is read."""
        made = connections(facts, self._clocks, longest=self.longest, exclusive=self._exclusive)
        lacking = {
            (one.site, one.inner_ip, one.inner_port)
            for one in made
            if (one.held.estimated or not one.opening_known)
            and one.held.earliest - _doubt(one) <= end
            and one.held.latest + _doubt(one) >= start
        }
        if not lacking:
            return made
        more = {one.ref: one for one in facts}
        wide = Span(start - 2 * self.longest, end + 2 * self.longest)
        for site, inner_ip, inner_port in sorted(lacking, key=repr):
            for fact in self._store.inner_side(wide, site=site, inner_ip=inner_ip, inner_port=inner_port):
                more.setdefault(fact.ref, fact)
        return connections(more.values(), self._clocks, longest=self.longest, exclusive=self._exclusive)

    def _untelling(self, facts: Iterable[Fact], public_ip: str) -> set[str]:
        """Return the sources that may be behind this address and tell no public address at all.

        A source that tells public addresses, and tells none here, did not translate. Where a site declares the address,
        only its own sources can be meant; else any, as long as nobody tells the address.
        """
        telling = {one.source for one in facts if one.public_ip is not None}
        sites = self.sites_of(public_ip)
        quiet = [
            one
            for one in facts
            if FAMILIES.get(one.word) not in {None, "proxied"}
            and one.source not in telling
            and (one.site in sites if sites else not telling)
        ]
        return {one.source for one in quiet} - self._telling_elsewhere(quiet)

    def _telling_elsewhere(self, quiet: Sequence[Fact]) -> set[str]:
        """Return which sources tell a public address in other sessions of the addresses that they name."""
        asked: dict[tuple[str, str | None, str], Fact] = {}
        for one in quiet:
            if one.inner_ip is not None and sum(key[0] == one.source for key in asked) < _ASKED:
                asked.setdefault((one.source, one.site, one.inner_ip), one)
        return {
            source
            for (source, site, inner_ip), one in asked.items()
            for other in self._store.inner_side(
                Span(one.known_from - HOUR, one.known_to + HOUR), site=site, inner_ip=inner_ip
            )
            if other.source == source and other.public_ip is not None
        }

    def sites_of(self, public_ip: str) -> set[str]:
        """Return the sites that declare this public address."""
        address = ip_address(public_ip)
        return {
            site.name
            for site in self._declared.sites.values()
            if any(address in network for network in site.public_addresses)
        }

    def _sources(self, public_ip: str, span: Span) -> tuple[str, ...]:
        """Return who would tell of this address: who did, else who is of its site, else everybody who translates."""
        telling = set(self._store.tellers(span, public_ip=public_ip))
        if not telling:
            speakers = [one for one in self._store.speakers() if one.layer is Layer.NAT]
            sites = self.sites_of(public_ip)
            telling = {one.source for one in speakers if one.site in sites} or {one.source for one in speakers}
        return tuple(sorted(telling))


def _used(made: Sequence[Connection], question: Question, start: int, end: int) -> list[Used]:
    mine = [one for one in made if _speaks_it(one, question)]
    detailed = _detailed(mine, question, start, end)
    found = []
    for one in mine:
        if one in detailed or not _towards(one, question):
            continue
        proven = overlaps(one, start, end)
        if proven is not None:
            found.append(Used(one, proven))
    return found


def overlaps(connection: Connection, start: int, end: int) -> bool | None:
    """Say whether the connection was open between `start` and `end`: True by what is attested, False as estimated."""
    held = connection.held
    error = _doubt(connection)
    if held.start - error <= end and held.end + error >= start:
        return True
    return False if held.earliest - error <= end and held.latest + error >= start else None


def has_port(connection: Connection, port: int | None) -> bool:
    """Say whether the public port is the connection's, or in its block."""
    if port is None:
        return False
    if connection.public_port is not None:
        return connection.public_port == port
    first, last = connection.port_first, connection.port_last
    return first is not None and last is not None and first <= port <= last


def _doubt(one: Connection) -> int:
    return one.held.error + one.held.rounding


def _tells_side(one: Connection) -> bool:
    return one.public_port is not None or one.port_first is not None


def _speaks_address(one: Connection, question: Question) -> bool:
    return one.public_ip in {None, question.public_ip}


def _speaks_it(one: Connection, question: Question) -> bool:
    return one.transport is None or question.transport is None or one.transport == question.transport


def _towards(one: Connection, question: Question) -> bool:
    if question.target_ip is None or one.covers_all_targets:
        return True
    if one.target_ip not in {None, question.target_ip}:
        return False
    return question.target_port is None or one.target_port in {None, question.target_port}


def _detailed(made: Sequence[Connection], question: Question, start: int, end: int) -> set[Connection]:
    """Return the translations of which the source tells the connections themselves: those are what counts.

    A translation alone answers for every destination. Where connections through it are told, they say which it was.
    """
    sessions = [one for one in made if not one.covers_all_targets]
    found = set()
    for one in made:
        if not one.covers_all_targets:
            continue
        through = [
            other
            for other in sessions
            if set(other.sources) & set(one.sources)
            and other.inner_ip == one.inner_ip
            and one.inner_port in {None, other.inner_port}
            and other.held.start <= one.held.latest
            and other.held.latest >= one.held.start
        ]
        if any(overlaps(other, start, end) for other in through) or (through and question.target_ip is not None):
            found.add(one)
    return found


def _tells_port(fact: Fact) -> bool:
    return fact.public_port is not None or fact.port_first is not None
