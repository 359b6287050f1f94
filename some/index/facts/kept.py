"""What a store has told, kept for the questions that follow: a batch asks for the same devices and people again.

Answers are those of the store, in no order: what is kept is wider than what was asked for, and cut to it. It lives as
long as one `Attribution` does, so all its answers rest on one state of the facts about a device or a person.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord
from some.index.facts.fact import Layer, Span
from some.index.facts.memory import overlaps
from some.index.facts.persons import normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from some.index.facts.fact import Fact, FactStore, Minute, Speaker

_KEPT: Final = 400_000
"""Facts that are kept in all; about half a kilobyte each."""

_Key = tuple[str, str | None, str, str]
"""Which list, at which site, by what (address, MAC, person), and its value."""


@dataclass(frozen=True, slots=True)
class _Told:
    """Everything about a key that overlaps a span."""

    span: Span
    facts: tuple[Fact, ...]


class KeptFacts:
    """`some.index.facts.fact.FactStore` over another one."""

    def __init__(self, store: FactStore) -> None:
        """Ask `store` for what is not kept yet."""
        self._store: Final = store
        self._told: Final[OrderedDict[_Key, _Told]] = OrderedDict()
        self._count = 0

    def public_side(
        self,
        span: Span,
        *,
        public_ip: str | None = None,
        public_port: int | None = None,
        transport: str | None = None,
        target_ip: str | None = None,
        target_port: int | None = None,
        site: str | None = None,
        told: bool | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        return self._store.public_side(
            span,
            public_ip=public_ip,
            public_port=public_port,
            transport=transport,
            target_ip=target_ip,
            target_port=target_port,
            site=site,
            told=told,
        )

    def tellers(self, span: Span, *, public_ip: str) -> Sequence[str]:
        """See FactStore."""
        return self._store.tellers(span, public_ip=public_ip)

    def inner_side(
        self, span: Span, *, site: str | None, inner_ip: str, inner_port: int | None = None
    ) -> Sequence[Fact]:
        """See FactStore."""
        return self._store.inner_side(span, site=site, inner_ip=inner_ip, inner_port=inner_port)

    def leases(
        self,
        span: Span,
        *,
        site: str | None,
        addresses: Collection[str] | None = None,
        macs: Collection[str] | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        if addresses is None and macs is None:
            return self._store.leases(span, site=site)
        return self._of_keys(
            span,
            _keys("leases", site, addresses, macs),
            lambda wide, asked: self._store.leases(wide, site=site, **_asked(asked)),
        )

    def identities(
        self,
        span: Span,
        *,
        site: str | None,
        addresses: Collection[str] | None = None,
        macs: Collection[str] | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        if not addresses and not macs:
            return self._store.identities(span, site=site, addresses=addresses, macs=macs)
        return self._of_keys(
            span,
            _keys("identities", site, addresses, macs),
            lambda wide, asked: self._store.identities(wide, site=site, **_asked(asked)),
        )

    def of_persons(self, span: Span, *, persons: Collection[str], layer: Layer | None = None) -> Sequence[Fact]:
        """See FactStore."""
        keys = [(f"persons {layer or ''}", None, "person", one) for one in sorted(persons)]
        return self._of_keys(
            span,
            keys,
            lambda wide, asked: self._store.of_persons(wide, persons=[key[3] for key in asked], layer=layer),
        )

    def minutes(self, source: str, span: Span) -> Sequence[Minute]:
        """See FactStore."""
        return self._store.minutes(source, span)

    def speakers(self) -> Sequence[Speaker]:
        """See FactStore."""
        return self._store.speakers()

    def _of_keys(
        self, span: Span, keys: Sequence[_Key], ask: Callable[[Span, Sequence[_Key]], Sequence[Fact]]
    ) -> list[Fact]:
        missing = [key for key in keys if not _covers(self._told.get(key), span)]
        new = [key for key in missing if key not in self._told]
        known = [key for key in missing if key in self._told]
        if new:
            self._keep(span, new, ask(span, new))
        if known:
            wide = _widened(span, [self._told[key].span for key in known])
            self._keep(wide, known, ask(wide, known))
        found = [fact for key in keys for fact in self._told[key].facts if overlaps(fact, span)]
        if len(keys) > 1 and keys[0][2] != "person":  # each key tells of every restart
            restarts = dict.fromkeys(one for one in found if one.word == FactWord.RESTART)
            found = [*restarts, *(one for one in found if one.word != FactWord.RESTART)]
        self._forget(keys)
        # one record may be told of by two keys: by its address and by its MAC
        return found if len({by for _, _, by, _ in keys}) < 2 else list(dict.fromkeys(found))  # noqa: PLR2004 - kinds of keys

    def _keep(self, span: Span, keys: Sequence[_Key], facts: Iterable[Fact]) -> None:
        sorted_out: dict[tuple[str, str], list[Fact]] = {(key[2], key[3]): [] for key in keys}
        for fact in facts:
            for place in _places(fact, sorted_out):
                sorted_out[place].append(fact)
        for key in keys:
            self._count -= len(self._told[key].facts) if key in self._told else 0
            self._told[key] = _Told(span, tuple(sorted_out[key[2], key[3]]))
            self._count += len(self._told[key].facts)

    def _forget(self, used: Iterable[_Key]) -> None:
        for key in used:
            self._told.move_to_end(key)
        while self._count > _KEPT and len(self._told) > 1:
            self._count -= len(self._told.popitem(last=False)[1].facts)


def _places(fact: Fact, asked: Collection[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    """Return the keys, of those asked for, that a fact is told under; a restart belongs to every device."""
    if fact.word == FactWord.RESTART and all(by != "person" for by, _ in asked):
        return asked
    person = None if fact.person is None else normalised(fact.person)
    own = (("address", fact.inner_ip), ("mac", fact.mac), ("person", person))
    return [(name, value) for name, value in own if value is not None and (name, value) in asked]


def _keys(name: str, site: str | None, addresses: Collection[str] | None, macs: Collection[str] | None) -> list[_Key]:
    return [
        *((name, site, "address", one) for one in sorted(addresses or ())),
        *((name, site, "mac", one) for one in sorted(macs or ())),
    ]


def _asked(keys: Iterable[_Key]) -> dict[str, list[str]]:
    return {
        "addresses": [value for _, _, by, value in keys if by == "address"],
        "macs": [value for _, _, by, value in keys if by == "mac"],
    }


def _covers(told: _Told | None, span: Span) -> bool:
    return told is not None and told.span.start <= span.start and told.span.end >= span.end


def _widened(span: Span, others: Sequence[Span]) -> Span:
    """Return what to ask for of keys that come again: all that is known, and as much again on either side."""
    start, end = min(span.start, *(one.start for one in others)), max(span.end, *(one.end for one in others))
    return Span(start - (span.end - span.start), end + (span.end - span.start))
