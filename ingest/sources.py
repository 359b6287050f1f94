"""The declared sources, sites and static hosts: `config/sources.yaml`, strictly read, as values.

A mistake is a SettingsFault that names file, line, column and what was expected. The comments in the default file are
the user's documentation of the keys.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from importlib import resources
from ipaddress import ip_address, ip_network
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from ingest.declared import (
    DEFAULT_CLASS,
    Address,
    ClockPeriod,
    Match,
    NatPorts,
    Network,
    Site,
    Source,
    Sources,
    StaticHost,
)
from ingest.parsers.values import mac
from ingest.parsing import AUTO, FORMATS, zone
from some.errors import BadInput, SettingsFault
from some.strict_yaml import Located, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

FILE_NAME: Final = "sources.yaml"

_LOCAL: Final = zone()
_NAME = r"[a-z0-9][a-z0-9._/:\-]{0,126}"
_CLASS = r"[a-z][a-z0-9_]{0,31}"


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
