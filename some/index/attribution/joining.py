"""Facts of one public side become connections: records with the same source, session and endpoints are one.

A record that tells both ends is whole. The others attest a part, and are put together here: what is known of one
connection is the union of what its records attest. Where an end is missing, it is estimated: it reaches as far as a
connection may last, or to the next opening that proves it was over.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord
from some.index.attribution.clocks import rounding
from some.index.attribution.window import HOUR, SECOND, apart

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from some.index.attribution.clocks import Clocks
    from some.index.attribution.window import Held, Moment
    from some.index.facts.fact import Fact
    from some.record import RecordRef

_SLACK: Final = 2 * SECOND
"""Two records that tell the start of one connection differ by rounding: stamps and durations in whole seconds."""

_TRANSLATIONS: Final = frozenset({"translation", "block"})

_ENDPOINTS: Final = (
    "family",
    "site",
    "inner_ip",
    "inner_port",
    "public_ip",
    "public_port",
    "port_first",
    "target_ip",
    "target_port",
    "transport",
)

FAMILIES: Final = {
    FactWord.SESSION: "session",
    FactWord.SESSION_OPENED: "session",
    FactWord.SESSION_SEEN: "session",
    FactWord.SESSION_CLOSED: "session",
    FactWord.SESSION_PROXIED: "proxied",
    FactWord.TRANSLATION_OPENED: "translation",
    FactWord.TRANSLATION_CLOSED: "translation",
    FactWord.BLOCK_OPENED: "block",
    FactWord.BLOCK_CLOSED: "block",
}


@dataclass(frozen=True, slots=True)
class Connection:
    """One connection (or translation, or block of ports) in true time, with the records that tell of it."""

    family: str
    site: str | None
    inner_ip: str
    inner_port: int | None
    public_ip: str | None
    public_port: int | None
    port_first: int | None
    port_last: int | None
    target_ip: str | None
    target_port: int | None
    transport: str | None
    mac: str | None
    person: str | None
    opened: Moment
    opening_known: bool
    held: Held
    sources: tuple[str, ...]
    evidence: tuple[RecordRef, ...]

    @property
    def covers_all_targets(self) -> bool:
        """Say whether it is a port's owner that is told, whatever the destination."""
        return self.family in _TRANSLATIONS


_LASTING: Final = frozenset({None, "tcp"})
"""What may stay open for long without a word; translations of others are dropped after minutes of silence."""
_DATAGRAMS: Final = HOUR
_MISSED: Final = 4
_AGREEING: Final = ("public_ip", "public_port", "target_ip", "target_port", "transport", "mac")
_IDLE: Final = HOUR // 2


class _Draft:
    """A connection being put together; times are device time."""

    def __init__(self, fact: Fact, longest: int) -> None:
        self.facts = [fact]
        self.start, self.end = fact.known_from, fact.known_to
        self.opens, self.closes = fact.opens, fact.closes
        self.longest = longest
        self.pause = 0 if fact.closes else fact.known_to - fact.known_from
        self._stretch()

    def _stretch(self) -> None:
        """Say how far the ends that nobody told may lie.

        Who tells that a connection goes on (interim statistics, packets) tells it again and again: one that was not
        told of for `_MISSED` times its longest pause has ended, its last record was lost.
        """
        reach = self.longest if self.told("transport") in _LASTING else min(self.longest, _DATAGRAMS)
        if self.pause:
            reach = min(reach, max(_MISSED * self.pause, _IDLE))
        self.earliest = self.start if self.opens else self.start - reach
        self.latest = self.end if self.closes else max(self.end, min(self.start + self.longest, self.end + reach))

    def takes(self, fact: Fact) -> bool:
        """Say whether `fact` (later or equal in order) tells of this connection."""
        if not self._agrees(fact):
            return False
        if fact.known_from > self.latest and fact.session is None and not self._shares_port(fact):
            return False  # the same endpoints again, long after: another connection
        if fact.opens and self.opens and abs(fact.known_from - self.start) <= _SLACK:
            return True
        if self.closes:
            return fact.known_from <= self.end and not (fact.opens and fact.known_from > self.start + _SLACK)
        if fact.opens:
            return not self.opens and fact.known_from <= self.start
        return fact.known_from - self.start <= self.longest

    def _agrees(self, fact: Fact) -> bool:
        """Say whether no two told values differ: numbers of sessions, and endpoints, come again."""
        pairs = ((getattr(fact, name), self.told(name)) for name in _AGREEING)
        return all(new is None or old is None or new == old for new, old in pairs)

    def _shares_port(self, fact: Fact) -> bool:
        return fact.public_port is not None and fact.public_port == self.told("public_port")

    def add(self, fact: Fact) -> None:
        """Take up a fact."""
        self.pause = max(self.pause, fact.known_to - self.end)
        self.facts.append(fact)
        if fact.opens:
            self.start, self.opens = (min(self.start, fact.known_from) if self.opens else fact.known_from), True
        self.start = min(self.start, fact.known_from)
        self.end = max(self.end, fact.known_to)
        self.closes = self.closes or fact.closes
        self._stretch()

    def told(self, name: str) -> object:
        """Return the first told value of a field."""
        return next((value for one in self.facts if (value := getattr(one, name)) is not None), None)


def connections(facts: Iterable[Fact], clocks: Clocks, *, longest: int, exclusive: Collection[str]) -> list[Connection]:
    """Return the connections that `facts` of the NAT layer tell, in order of their opening.

    `longest` microseconds is how far an unknown end may lie; `exclusive` names the sources whose public ports belong to
    one inner endpoint at a time.
    """
    usable = {one.ref: one for one in facts if one.inner_ip is not None and one.word in FAMILIES}
    drafts = _drafts(usable.values(), longest)
    _cut(drafts, exclusive)
    made = [_finished(draft, clocks) for draft in drafts]
    return _without_twins(sorted(made, key=lambda one: (one.opened.at, one.evidence)))


def _drafts(facts: Iterable[Fact], longest: int) -> list[_Draft]:
    key: Callable[[Fact], tuple[str, ...]] = _key
    drafts: list[_Draft] = []
    for _, group in groupby(sorted(facts, key=lambda one: (*key(one), *_order(one))), key=key):
        own: list[_Draft] = []
        for fact in group:
            home = next((draft for draft in reversed(own) if draft.takes(fact)), None)
            if home is not None:
                home.add(fact)
                continue
            if fact.opens:
                for earlier in own:  # the same endpoints opened anew: what was open before is over
                    if not earlier.closes:
                        earlier.latest = max(earlier.end, min(earlier.latest, fact.known_from))
            own.append(_Draft(fact, longest))
        drafts += own
    return drafts


def _key(fact: Fact) -> tuple[str, ...]:
    """Return what all records of a connection share; endpoints that a record may leave out are looked at later."""
    parts: tuple[object, ...] = (
        fact.source,
        fact.device,
        FAMILIES[fact.word],
        fact.site,
        fact.session,
        fact.inner_ip,
        fact.inner_port,
    )
    if fact.session is None:
        parts = (*parts, fact.target_ip, fact.target_port, fact.transport)
    if FAMILIES[fact.word] == "block":
        parts = (*parts, fact.port_first, fact.port_last)
    return tuple(repr(part) for part in parts)


def _order(fact: Fact) -> tuple[object, ...]:
    """Order by time; of equal times the one that opens comes first, the one that closes last."""
    return (fact.known_from, not fact.opens, fact.closes, fact.known_to, fact.ref)


def _cut(drafts: Sequence[_Draft], exclusive: Collection[str]) -> None:
    """End what is open where the next opening on an exclusive public port proves that it was over, and the reverse."""
    ported = [draft for draft in drafts if draft.told("public_ip") is not None and _ports(draft) is not None]
    for draft in ported:
        if draft.opens and draft.closes:
            continue
        for other in ported:
            if other is draft or not _rivals(draft, other, exclusive):
                continue
            if not draft.closes and other.opens and other.start >= draft.end:
                draft.latest = min(draft.latest, other.start)
            if not draft.opens and other.closes and other.end <= draft.start:
                draft.earliest = max(draft.earliest, other.end)


def _rivals(one: _Draft, other: _Draft, exclusive: Collection[str]) -> bool:
    """Say whether the two cannot both have had the public port: it is exclusive, and they are different endpoints."""
    fact, rival = one.facts[0], other.facts[0]
    families = {FAMILIES[fact.word], FAMILIES[rival.word]}
    if fact.source != rival.source or one.told("public_ip") != other.told("public_ip"):
        return False
    first, second = _ports(one), _ports(other)
    if first is None or second is None or first[1] < second[0] or second[1] < first[0]:
        return False
    if len({one.told("transport"), other.told("transport")} - {None}) > 1:
        return False
    if families == {"block"}:
        return fact.inner_ip != rival.inner_ip or first == second
    if (fact.inner_ip, fact.inner_port) == (rival.inner_ip, rival.inner_port):
        return families == {"translation"} or _same_target(one, other)
    return fact.source in exclusive or "translation" in families


def _same_target(one: _Draft, other: _Draft) -> bool:
    targets = [(draft.told("target_ip"), draft.told("target_port")) for draft in (one, other)]
    return None not in targets[0] and targets[0] == targets[1]


def _ports(draft: _Draft) -> tuple[int, int] | None:
    port = draft.told("public_port")
    if isinstance(port, int):
        return port, port
    first, last = draft.told("port_first"), draft.told("port_last")
    return (first, last) if isinstance(first, int) and isinstance(last, int) else None


def _finished(draft: _Draft, clocks: Clocks) -> Connection:
    source = draft.facts[0].source
    opener = min(draft.facts, key=_order)
    coarse = max(rounding(one) for one in draft.facts)
    held = clocks.held(source, (draft.start, draft.end), (draft.earliest, draft.latest), coarse)
    return Connection(
        family=FAMILIES[opener.word],
        site=opener.site,
        inner_ip=opener.inner_ip or "",
        inner_port=opener.inner_port,
        public_ip=_text(draft.told("public_ip")),
        public_port=_number(draft.told("public_port")),
        port_first=_number(draft.told("port_first")),
        port_last=_number(draft.told("port_last")),
        target_ip=_text(draft.told("target_ip")),
        target_port=_number(draft.told("target_port")),
        transport=_text(draft.told("transport")),
        mac=_text(draft.told("mac")),
        person=_text(draft.told("person")),
        opened=clocks.moment(opener, draft.start),
        opening_known=draft.opens,
        held=held,
        sources=(source,),
        evidence=tuple(sorted(one.ref for one in draft.facts)),
    )


def _without_twins(made: Sequence[Connection]) -> list[Connection]:
    """Take two tellings of one connection (a pair of firewalls, two logs) for one: same endpoints, same opening."""
    kept: dict[tuple[object, ...], list[Connection]] = {}
    for one in made:
        same = kept.setdefault(tuple(getattr(one, name) for name in _ENDPOINTS), [])
        at = next((at for at, other in enumerate(same) if _twins(one, other)), None)
        if at is None:
            same.append(one)
        else:
            same[at] = _merged(same[at], one)
    return sorted((one for same in kept.values() for one in same), key=lambda one: (one.opened.at, one.evidence))


def _twins(one: Connection, other: Connection) -> bool:
    if one.inner_port is None or not (one.opening_known and other.opening_known):
        return False
    if None not in {one.person, other.person} and one.person != other.person:
        return False
    return abs(one.opened.at - other.opened.at) <= apart(one.opened, other.opened)


def _merged(one: Connection, other: Connection) -> Connection:
    """Return the telling that knows more, with the evidence of both."""
    best, rest = (one, other) if one.held.estimated <= other.held.estimated else (other, one)
    return replace(
        best,
        person=best.person or rest.person,
        mac=best.mac or rest.mac,
        sources=tuple(sorted({*best.sources, *rest.sources})),
        evidence=tuple(sorted({*best.evidence, *rest.evidence})),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None
