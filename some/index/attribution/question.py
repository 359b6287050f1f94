"""What is asked, checked on arrival: a public side at a time, or an inner address, MAC or person over a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from math import isfinite
from typing import Final

from some.errors import BadInput
from some.index.attribution.window import SECOND, microseconds
from some.index.facts.persons import normalised

MAX_TOLERANCE_S: Final = 86_400.0
MAX_PERIOD: Final = timedelta(days=366)

_MAX_PORT: Final = 65_535
_TRANSPORT: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_MAC: Final = re.compile(r"[0-9A-F]{12}")
_OLDEST: Final = datetime(1971, 1, 1, tzinfo=UTC)
_NEWEST: Final = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Question:
    """Asks who used this public address (and port, and protocol) at this time (towards this destination).

    Addresses become canonical text, the protocol lower case. Raises BadInput naming the part that is wrong.
    """

    public_ip: str
    public_port: int | None
    transport: str | None
    at: datetime
    tolerance_s: float = 0.0
    target_ip: str | None = None
    target_port: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        object.__setattr__(self, "public_ip", _address("public_ip", self.public_ip))
        _check_port("public_port", self.public_port)
        if self.transport is not None:
            object.__setattr__(self, "transport", _transport(self.transport))
        _check_time("at", self.at)
        if not (isfinite(self.tolerance_s) and 0 <= self.tolerance_s <= MAX_TOLERANCE_S):
            raise BadInput(f"tolerance_s: expected 0 to {MAX_TOLERANCE_S:.0f} seconds, found {self.tolerance_s!r}")
        if self.target_ip is not None:
            object.__setattr__(self, "target_ip", _address("target_ip", self.target_ip))
        elif self.target_port is not None:
            raise BadInput("target_port: a destination port needs a destination address")
        _check_port("target_port", self.target_port)

    @property
    def moment(self) -> int:
        """Return the asked time in microseconds since 1970 UTC."""
        return microseconds(self.at)

    @property
    def tolerance(self) -> int:
        """Return the asker's tolerance in microseconds."""
        return round(self.tolerance_s * SECOND)

    @property
    def fully_targeted(self) -> bool:
        """Say whether the destination is given whole, address and port."""
        return self.target_ip is not None and self.target_port is not None


@dataclass(frozen=True, slots=True)
class InnerQuestion:
    """Asks where this was, or who was there, between `start` and `end` (inclusive). Exactly one of three is given."""

    address: str | None = None
    mac: str | None = None
    person: str | None = None
    site: str | None = None
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be asked; a missing end is the start."""
        if sum(one is not None for one in (self.address, self.mac, self.person)) != 1:
            raise BadInput("expected exactly one of address, mac and person")
        if self.start is None:
            raise BadInput("start: missing")
        end = self.start if self.end is None else self.end
        object.__setattr__(self, "end", end)
        _check_time("start", self.start)
        _check_time("end", end)
        if not self.start <= end <= self.start + MAX_PERIOD:
            raise BadInput(f"end: expected a time from start to {MAX_PERIOD.days} days after it")
        if self.address is not None:
            object.__setattr__(self, "address", _address("address", self.address))
        if self.mac is not None:
            object.__setattr__(self, "mac", _mac(self.mac))
        if self.person is not None:
            name = normalised(self.person)
            if not name:
                raise BadInput(f"person: {self.person[:40]!r} names nobody")
            object.__setattr__(self, "person", name)

    @property
    def first(self) -> int:
        """Return the start in microseconds since 1970 UTC."""
        return microseconds(self.start) if self.start is not None else 0

    @property
    def last(self) -> int:
        """Return the end in microseconds since 1970 UTC."""
        return microseconds(self.end) if self.end is not None else 0


def _address(place: str, text: str) -> str:
    try:
        found = ip_address(text.strip())
    except ValueError:
        raise BadInput(f"{place}: {text[:60]!r} is no IP address") from None
    mapped = getattr(found, "ipv4_mapped", None)
    return str(found if mapped is None else mapped)


def _transport(text: str) -> str:
    lowered = text.strip().lower()
    if _TRANSPORT.fullmatch(lowered) is None:
        raise BadInput(f"transport: {text[:40]!r} is no protocol name, such as tcp or udp")
    return lowered


def _mac(text: str) -> str:
    digits = re.sub(r"[-:.\s]", "", text).upper()
    if _MAC.fullmatch(digits) is None:
        raise BadInput(f"mac: {text[:40]!r} is no MAC address, such as 00:00:5E:00:53:23")
    return "-".join(digits[at : at + 2] for at in range(0, 12, 2))


def _check_port(place: str, port: int | None) -> None:
    if port is not None and not 1 <= port <= _MAX_PORT:
        raise BadInput(f"{place}: expected 1 to {_MAX_PORT}, found {port!r}")


def _check_time(place: str, moment: datetime) -> None:
    if moment.tzinfo is None:
        raise BadInput(f"{place}: {moment.isoformat()} names no zone")
    if not _OLDEST <= moment <= _NEWEST:
        raise BadInput(f"{place}: {moment.isoformat()} is out of range")
