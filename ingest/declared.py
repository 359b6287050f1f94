"""What a site declares, as values: places, sources and their clocks, static hosts. `ingest.sources` reads the file."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Final

from ingest.parsers.values import Memo
from ingest.parsing import AUTO, SourceHints, zone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, tzinfo

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DEFAULT_CLASS: Final = "access"

_LOCAL: Final = zone()


class NatPorts(StrEnum):
    """Whether one public port can serve several destinations, and so several people, at the same time."""

    SHARED = "shared"
    EXCLUSIVE = "exclusive"


@dataclass(frozen=True, slots=True)
class Site:
    """A place with inside networks of its own."""

    name: str
    ranges: tuple[Network, ...]
    public_addresses: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class ClockPeriod:
    """What is known of a source's clock from `start` (inclusive) to `end` (exclusive; None = open). Seconds."""

    start: datetime | None
    end: datetime | None
    offset_s: float
    error_s: float


@dataclass(frozen=True, slots=True)
class Match:
    """Which records are a source's; an empty tuple of peers or paths asks nothing of them."""

    listener: str | None
    peers: tuple[Network, ...]
    paths: tuple[str, ...]

    def takes(self, listener: str, peer: str, address: Address | None) -> bool:
        """Return whether a record that `listener` got from `peer` (an address, or a file's path) belongs here."""
        if self.listener is not None and self.listener != listener:
            return False
        if self.peers and (address is None or not any(address in network for network in self.peers)):
            return False
        return not self.paths or any(fnmatchcase(peer, pattern) for pattern in self.paths)


@dataclass(frozen=True, slots=True)
class Source:
    """One declared source."""

    name: str
    record_class: str
    match: Match | None
    site: str | None
    format: str
    timezone: tzinfo
    clock: tuple[ClockPeriod, ...]
    nat_ports: NatPorts
    nas_sites: tuple[tuple[Network, str], ...]


@dataclass(frozen=True, slots=True)
class StaticHost:
    """One line of the register of fixed addresses; `mac` as in documents (`00-00-5E-00-53-05`)."""

    site: str
    address: Address
    mac: str | None
    host: str | None
    person: str | None
    multi_user: bool
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything declared."""

    sites: Mapping[str, Site]
    sources: Mapping[str, Source]
    register: tuple[StaticHost, ...]
    default_class: str = DEFAULT_CLASS
    _resolved: Memo[tuple[str, str], tuple[str, str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Give `resolve` its bounded memory: a collector asks for every peer again and again."""
        object.__setattr__(self, "_resolved", Memo(lambda key: self._resolve(*key)))

    def resolve(self, listener: str, peer: str) -> tuple[str, str]:
        """Return name and record class of what `listener` gets from `peer` (an address or a file's path)."""
        return self._resolved[listener, peer]

    def hints(self, source_name: str, record_class: str) -> SourceHints:
        """Return what a parser should know of a source; of an undeclared one, only its name and class."""
        source = self.sources.get(source_name)
        if source is None:
            return SourceHints(source_name, record_class, AUTO, _LOCAL)
        return SourceHints(source_name, record_class, source.format, source.timezone, source.site)

    def _resolve(self, listener: str, peer: str) -> tuple[str, str]:
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            address = None
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        for source in self.sources.values():
            if source.match is not None and source.match.takes(listener, peer, address):
                return source.name, source.record_class
        name = f"{listener}/{peer}"
        declared = self.sources.get(name)
        return name, self.default_class if declared is None else declared.record_class
