"""What one record attests about an interval, and how stores are asked for it.

A fact is a pure function of one record and its source's settings: no fact waits for another record, so the same archive
gives the same facts in whatever order its lines arrive. Records that tell both ends give whole intervals; the others
attest a part (`known_from` to `known_to`), and are joined when a question is answered (`some.index.attribution`), where
everything about the address is on the table. Times are device time: clocks are corrected when a question is asked,
because what is known of a clock may change later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ingest.fact_words import FactWord, LoginMethod
    from some.record import RecordRef

VERSION: Final = 1
"""Of the functions that make facts; an index whose facts are of another version is made anew."""


class Layer(StrEnum):
    """Which table a fact stands in."""

    NAT = "nat"  # sessions, translations, port blocks; also those of proxies
    LEASE = "lease"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Fact:
    """One row. Times in microseconds since 1970 UTC, device time; addresses canonical text; MACs `00-00-5E-00-53-23`.

    `known_from <= known_to`: what the record itself attests. `opens`: nothing was before `known_from`; `closes`:
    nothing is after `known_to`. `promised_to` is the end that a lease was granted until, or None. `whole_seconds`: the
    record's time has no fraction (rounded by up to a second). `site` is None where no site is declared: then it is one
    for all such sources. `person` is as written; machine accounts are left out before.
    """

    layer: Layer
    word: FactWord
    ref: RecordRef
    source: str
    site: str | None
    known_from: int
    known_to: int
    opens: bool
    closes: bool
    received: int
    whole_seconds: bool = False
    promised_to: int | None = None
    device: str | None = None
    session: str | None = None
    inner_ip: str | None = None
    inner_port: int | None = None
    public_ip: str | None = None
    public_port: int | None = None
    port_first: int | None = None
    port_last: int | None = None
    target_ip: str | None = None
    target_port: int | None = None
    transport: str | None = None
    mac: str | None = None
    host: str | None = None
    person: str | None = None
    method: LoginMethod | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end`, both inclusive, microseconds since 1970 UTC, device time."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Minute:
    """What a source said in one minute of device time: first and last moment, how many records.

    `delays` counts the records by delay of reception in tenths of a second (`ingest.ecs` some.delay // 100), for those
    whose delay is known: it is how a clock's offset is measured.
    """

    minute: int
    """Minutes since 1970 UTC."""
    first: int
    last: int
    count: int
    delays: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Speaker:
    """A source that has ever given facts of a layer, at a site."""

    source: str
    site: str | None
    layer: Layer


class FactStore(Protocol):
    """Facts by key. Every method returns what overlaps `span` by [known_from, known_to], ordered by (known_from, ref).

    A key that is not given may be anything. Lists are complete, or Unavailable is raised.
    """

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
        """Return NAT facts whose public side is this. Facts that do not tell a key (None) match it: the caller decides.

        `public_port` matches an equal port, or a port block that holds it, or a fact that tells no port at all.
        `told` narrows that: True asks only for facts that tell the public address and, where a port is asked, that port
        or a block with it; False only for those that do not tell the one or the other. `site` None asks every site; a
        site that is given is this very site.
        """
        ...

    def tellers(self, span: Span, *, public_ip: str) -> Sequence[str]:
        """Return the sources that told of this public address in `span`, by name."""
        ...

    def inner_side(
        self, span: Span, *, site: str | None, inner_ip: str, inner_port: int | None = None
    ) -> Sequence[Fact]:
        """Return NAT facts whose inner side is this address (and port) at this very site (None = undeclared).

        Facts of the address that tell no port (blocks) match any.
        """
        ...

    def leases(
        self,
        span: Span,
        *,
        site: str | None,
        addresses: Collection[str] | None = None,
        macs: Collection[str] | None = None,
    ) -> Sequence[Fact]:
        """Return lease facts of these addresses, or these MACs, at this very site. Overlap counts to `promised_to` too.

        Where both are given: of either. Where neither is: of all.
        """
        ...

    def identities(
        self,
        span: Span,
        *,
        site: str | None,
        addresses: Collection[str] | None = None,
        macs: Collection[str] | None = None,
    ) -> Sequence[Fact]:
        """Return logins and logouts of these addresses, or these MACs, at this very site, and every restart there.

        Where both are given: of either. Where neither is: of all.
        """
        ...

    def of_persons(self, span: Span, *, persons: Collection[str], layer: Layer | None = None) -> Sequence[Fact]:
        """Return NAT and identity facts (or those of one layer) that name one of these persons, at any site.

        `persons` are normalised (`persons.py`).
        """
        ...

    def minutes(self, source: str, span: Span) -> Sequence[Minute]:
        """Return when the source spoke, minute by minute, whatever it said; minutes of silence are not there."""
        ...

    def speakers(self) -> Sequence[Speaker]:
        """Return every source that ever gave facts."""
        ...
