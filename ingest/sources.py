"""The declared sources, sites and static hosts: `config/sources.yaml`, strictly read, as values.

A mistake is a SettingsFault that names file, line, column and what was expected. The comments in the default file are
the user's documentation of the keys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from enum import StrEnum
from fnmatch import fnmatchcase
from importlib import resources
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ingest.parsers.values import Memo, mac
from ingest.parsing import AUTO, FORMATS, SourceHints, zone
from some.errors import BadInput, SettingsFault
from some.strict_yaml import Located, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

FILE_NAME: Final = "sources.yaml"
DEFAULT_CLASS: Final = "access"

_LOCAL: Final = zone()
_NAME = r"[a-z0-9][a-z0-9._/:\-]{0,126}"
_CLASS = r"[a-z][a-z0-9_]{0,31}"


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


def parse_sources(text: str, where: str, *, default_class: str = DEFAULT_CLASS) -> Sources:
    """Return what the text of a sources.yaml declares; raises SettingsFault. `where` names the file in messages."""
    tree = load(text, where)
    try:
        file = _File.model_validate({} if tree.value is None else tree.value)
    except ValidationError as error:
        raise _explained(tree, error) from error
    return _Reading(tree, file, default_class).sources()


def read_sources(path: Path | None, *, default_class: str = DEFAULT_CLASS) -> Sources:
    """Return what the file at `path` declares, or the default file where `path` is None; raises SettingsFault."""
    if path is None:
        text = resources.files("config").joinpath(FILE_NAME).read_text(encoding="utf-8")
        return parse_sources(text, f"config/{FILE_NAME}", default_class=default_class)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SettingsFault(f"{path}:1:1: not UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise SettingsFault(f"{path}: cannot be read: {error.strerror}") from error
    return parse_sources(text, str(path), default_class=default_class)


def _network(value: object) -> Network:
    try:
        return ip_network(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("expected an address or a network such as 10.20.0.0/16 (no host bits)") from None


def _address(value: object) -> Address:
    try:
        return ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("expected an IP address such as 10.20.1.5") from None


def _mac(value: object) -> str:
    found = mac(value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("expected a MAC address such as 00:00:5E:00:53:05")
    return found


def _time(value: object) -> datetime:
    try:
        moment = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("expected a time such as 2026-01-01T00:00:00+03:00, or a date") from None
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    if isinstance(value, str) and len(value) == len("2026-01-01"):
        return moment.replace(tzinfo=_LOCAL).astimezone(UTC)
    raise ValueError("expected a zone after the time, such as +03:00")


def _zone(value: object) -> tzinfo:
    try:
        return zone(value if isinstance(value, str) else "")
    except BadInput as error:
        raise ValueError(str(error)) from None


def _format(value: object) -> str:
    if value not in (AUTO, *FORMATS):
        raise ValueError(f"expected {AUTO}, {', '.join(FORMATS)}")
    return str(value)


def _spelled(pattern: str, expected: str) -> BeforeValidator:
    def check(value: object) -> str:
        if not isinstance(value, str) or re.fullmatch(pattern, value) is None:
            raise ValueError(expected)
        return value

    return BeforeValidator(check)


_NetworkField = Annotated[Network, BeforeValidator(_network)]
_TimeField = Annotated[datetime, BeforeValidator(_time)]
_NameField = Annotated[str, _spelled(_NAME, "expected a name of small letters, digits and . _ - / :")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class _Site(_Model):
    name: _NameField
    ranges: list[_NetworkField] = Field(default_factory=list)
    public_addresses: list[_NetworkField] = Field(default_factory=list)


class _Match(_Model):
    listener: str | None = None
    peers: list[_NetworkField] = Field(default_factory=list)
    paths: list[str] = Field(default_factory=list)


class _Clock(_Model):
    start: _TimeField | None = Field(default=None, alias="from")
    end: _TimeField | None = Field(default=None, alias="to")
    offset_s: float = Field(default=0.0, ge=-86_400 * 366, le=86_400 * 366)
    error_s: float = Field(ge=0, le=86_400)


class _Source(_Model):
    name: _NameField
    match: _Match | None = None
    site: str | None = None
    format: Annotated[str, BeforeValidator(_format)] = AUTO
    record_class: Annotated[str, _spelled(_CLASS, "expected a record class such as access")] | None = Field(
        default=None, alias="class"
    )
    timezone: Annotated[tzinfo, BeforeValidator(_zone)] = _LOCAL
    clock: list[_Clock] = Field(default_factory=list)
    nat_ports: Annotated[NatPorts, Field(strict=False)] = NatPorts.SHARED
    nas_sites: dict[str, str] = Field(default_factory=dict)


class _Host(_Model):
    site: str
    address: Annotated[Address, BeforeValidator(_address)]
    mac: Annotated[str, BeforeValidator(_mac)] | None = None
    host: str | None = None
    person: str | None = None
    multi_user: bool = False
    start: _TimeField | None = Field(default=None, alias="from")
    end: _TimeField | None = Field(default=None, alias="to")


class _File(_Model):
    sites: list[_Site] = Field(default_factory=list)
    sources: list[_Source] = Field(default_factory=list)
    register_: list[_Host] = Field(default_factory=list, alias="register")


class _Reading:
    """Turns the checked file into values, and checks what one field alone cannot show."""

    def __init__(self, tree: Located, file: _File, default_class: str) -> None:
        self._tree = tree
        self._file = file
        self._default_class = default_class

    def sources(self) -> Sources:
        sites = {
            site.name: Site(site.name, tuple(site.ranges), tuple(site.public_addresses)) for site in self._file.sites
        }
        self._unique("sites", [site.name for site in self._file.sites])
        self._unique("sources", [source.name for source in self._file.sources])
        return Sources(
            MappingProxyType(sites),
            MappingProxyType({one.name: self._source(at, one, sites) for at, one in enumerate(self._file.sources)}),
            tuple(self._host(at, host, sites) for at, host in enumerate(self._file.register_)),
            self._default_class,
        )

    def _unique(self, section: str, names: Iterable[str]) -> None:
        seen: set[str] = set()
        for at, name in enumerate(names):
            if name in seen:
                raise self._tree.fault((section, at, "name"), f"the name {name!r} is there twice")
            seen.add(name)

    def _known(self, path: tuple[str | int, ...], site: str, sites: Mapping[str, Site]) -> str:
        if site not in sites:
            raise self._tree.fault(path, f"no such site: {site!r} (declared: {', '.join(sites) or 'none'})")
        return site

    def _source(self, at: int, given: _Source, sites: Mapping[str, Site]) -> Source:
        path = ("sources", at)
        if given.site is not None:
            self._known((*path, "site"), given.site, sites)
        match = given.match
        if match is not None and match.listener is None and not match.peers and not match.paths:
            raise self._tree.fault(
                (*path, "match"), "expected listener, peers or paths: an empty match takes everything"
            )
        return Source(
            given.name,
            given.record_class or self._default_class,
            None if match is None else Match(match.listener, tuple(match.peers), tuple(match.paths)),
            given.site,
            given.format,
            given.timezone,
            self._clock((*path, "clock"), given.clock),
            given.nat_ports,
            tuple(self._nas_site((*path, "nas_sites", key), key, name, sites) for key, name in given.nas_sites.items()),
        )

    def _nas_site(
        self, path: tuple[str | int, ...], network: str, site: str, sites: Mapping[str, Site]
    ) -> tuple[Network, str]:
        try:
            return _network(network), self._known(path, site, sites)
        except ValueError as error:
            raise self._tree.fault(path, str(error), at_key=True) from None

    def _clock(self, path: tuple[str | int, ...], given: list[_Clock]) -> tuple[ClockPeriod, ...]:
        periods = [ClockPeriod(one.start, one.end, one.offset_s, one.error_s) for one in given]
        for at, period in enumerate(periods):
            self._ordered((*path, at), period.start, period.end)
            for earlier in periods[:at]:
                if _overlap(earlier, period):
                    raise self._tree.fault((*path, at), "overlaps an earlier period; only one may hold at a time")
        return tuple(periods)

    def _ordered(self, path: tuple[str | int, ...], start: datetime | None, end: datetime | None) -> None:
        if start is not None and end is not None and start >= end:
            raise self._tree.fault((*path, "to"), "expected a time after `from`")

    def _host(self, at: int, given: _Host, sites: Mapping[str, Site]) -> StaticHost:
        path = ("register", at)
        self._known((*path, "site"), given.site, sites)
        self._ordered(path, given.start, given.end)
        return StaticHost(
            given.site, given.address, given.mac, given.host, given.person, given.multi_user, given.start, given.end
        )


def _overlap(one: ClockPeriod, other: ClockPeriod) -> bool:
    first = one.end is None or other.start is None or other.start < one.end
    second = other.end is None or one.start is None or one.start < other.end
    return first and second


_EXPECTED = {
    "extra_forbidden": "no such key",
    "missing": "this key is missing",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
    "string_type": "expected text",
    "bool_type": "expected true or false",
    "float_type": "expected a number",
    "enum": "expected shared or exclusive",
}


def _explained(tree: Located, error: ValidationError) -> SettingsFault:
    """Return the fault for the first thing that is wrong, in the order of the file."""
    found: list[tuple[Any, SettingsFault]] = []
    for problem in error.errors(include_url=False):
        path = tuple(problem["loc"])
        text = _EXPECTED.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
        at_key = problem["type"] == "extra_forbidden"
        if problem["type"] == "missing":
            text = f"the key {path[-1]!r} is missing"
            path = path[:-1]
        place = tree.key_place(path) if at_key else tree.place(path)
        found.append(((place, not at_key), tree.fault(path, text, at_key=at_key)))
    return min(found, key=lambda entry: entry[0])[1]
