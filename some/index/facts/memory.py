"""Facts in a list: the plain meaning of `FactStore`, which every other store is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord
from some.index.facts.fact import Fact, Layer, Minute, Span, Speaker
from some.index.facts.persons import normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

MINUTE_US: Final = 60_000_000


class MemoryFacts:
    """`some.index.facts.fact.FactStore` over what it is given."""

    def __init__(self, facts: Iterable[Fact], minutes: Mapping[str, Iterable[Minute]] | None = None) -> None:
        """Hold `facts`, and the minutes of each source."""
        self._facts: Final = sorted(facts, key=lambda one: (one.known_from, one.ref))
        self._minutes: Final = {name: tuple(held) for name, held in (minutes or {}).items()}

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

        def tells(one: Fact) -> bool:
            port = one.public_port is not None or one.port_first is not None
            return (public_ip is None or one.public_ip is not None) and (public_port is None or port)

        def wanted(one: Fact) -> bool:
            return (
                (site is None or one.site == site)
                and _fits(public_ip, one.public_ip)
                and _fits(transport, one.transport)
                and _fits(target_ip, one.target_ip)
                and _fits(target_port, one.target_port)
                and _port_fits(public_port, one)
                and told in {None, tells(one)}
            )

        return self._found(span, {Layer.NAT}, wanted)

    def tellers(self, span: Span, *, public_ip: str) -> Sequence[str]:
        """See FactStore."""
        return sorted({one.source for one in self._found(span, {Layer.NAT}, lambda one: one.public_ip == public_ip)})

    def inner_side(
        self, span: Span, *, site: str | None, inner_ip: str, inner_port: int | None = None
    ) -> Sequence[Fact]:
        """See FactStore."""
        return self._found(
            span,
            {Layer.NAT},
            lambda one: one.site == site and one.inner_ip == inner_ip and _fits(inner_port, one.inner_port),
        )

    def leases(
        self,
        span: Span,
        *,
        site: str | None,
        addresses: Collection[str] | None = None,
        macs: Collection[str] | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        return self._found(span, {Layer.LEASE}, lambda one: one.site == site and held_by(one, addresses, macs))

    def identities(
        self,
        span: Span,
        *,
        site: str | None,
        addresses: Collection[str] | None = None,
        macs: Collection[str] | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        return self._found(
            span,
            {Layer.IDENTITY},
            lambda one: one.site == site and (one.word == FactWord.RESTART or held_by(one, addresses, macs)),
        )

    def of_persons(self, span: Span, *, persons: Collection[str], layer: Layer | None = None) -> Sequence[Fact]:
        """See FactStore."""
        return self._found(
            span,
            {Layer.NAT, Layer.IDENTITY} if layer is None else {layer},
            lambda one: one.person is not None and normalised(one.person) in persons,
        )

    def minutes(self, source: str, span: Span) -> Sequence[Minute]:
        """See FactStore."""
        held = sorted(self._minutes.get(source, ()), key=lambda one: one.minute)
        return [one for one in held if span.start // MINUTE_US <= one.minute <= span.end // MINUTE_US]

    def speakers(self) -> Sequence[Speaker]:
        """See FactStore."""
        held = {Speaker(one.source, one.site, one.layer) for one in self._facts}
        return sorted(held, key=lambda one: (one.source, one.site or "", one.site is not None, one.layer))

    def _found(self, span: Span, layers: set[Layer], wanted: Callable[[Fact], bool]) -> list[Fact]:
        return [one for one in self._facts if one.layer in layers and overlaps(one, span) and wanted(one)]


def overlaps(one: Fact, span: Span) -> bool:
    """Say whether a fact attests (or, of leases, promises) something in the span."""
    return one.known_from <= span.end and max(one.known_to, one.promised_to or one.known_to) >= span.start


def _fits(asked: str | int | None, told: str | int | None) -> bool:
    return asked is None or told is None or asked == told


def _port_fits(asked: int | None, one: Fact) -> bool:
    if asked is None or one.public_port == asked or (one.public_port is None and one.port_first is None):
        return True
    return one.port_first is not None and one.port_last is not None and one.port_first <= asked <= one.port_last


def held_by(one: Fact, addresses: Collection[str] | None, macs: Collection[str] | None) -> bool:
    """Say whether a fact is of one of the addresses or of the MACs; of any where neither is asked."""
    if addresses is None and macs is None:
        return True
    return one.inner_ip in (addresses or ()) or one.mac in (macs or ())
