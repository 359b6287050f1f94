"""Facts in a list: the plain meaning of `FactStore`, which every other store is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from some.index.facts.fact import Fact, Layer, Minute, Span, Speaker
from some.index.facts.persons import normalised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

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
        self, span: Span, *, site: str | None, address: str | None = None, mac: str | None = None
    ) -> Sequence[Fact]:
        """See FactStore."""
        return self._found(span, {Layer.LEASE}, lambda one: one.site == site and _held_by(one, address, mac))

    def identities(
        self, span: Span, *, site: str | None, address: str | None = None, mac: str | None = None
    ) -> Sequence[Fact]:
        """See FactStore."""
        return self._found(
            span,
            {Layer.IDENTITY},
            lambda one: one.site == site and (one.word == "restart" or _held_by(one, address, mac)),
        )

    def of_person(self, span: Span, *, person: str, layer: Layer | None = None) -> Sequence[Fact]:
        """See FactStore."""
        return self._found(
            span,
            {Layer.NAT, Layer.IDENTITY} if layer is None else {layer},
            lambda one: one.person is not None and normalised(one.person) == person,
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
        return [one for one in self._facts if one.layer in layers and _overlaps(one, span) and wanted(one)]


def _overlaps(one: Fact, span: Span) -> bool:
    return one.known_from <= span.end and max(one.known_to, one.promised_to or one.known_to) >= span.start


def _fits(asked: str | int | None, told: str | int | None) -> bool:
    return asked is None or told is None or asked == told


def _port_fits(asked: int | None, one: Fact) -> bool:
    if asked is None or one.public_port == asked or (one.public_port is None and one.port_first is None):
        return True
    return one.port_first is not None and one.port_last is not None and one.port_first <= asked <= one.port_last


def _held_by(one: Fact, address: str | None, mac: str | None) -> bool:
    """Say whether a fact is of the address or of the MAC; of any where neither is asked."""
    if address is None and mac is None:
        return True
    return (address is not None and one.inner_ip == address) or (mac is not None and one.mac == mac)
