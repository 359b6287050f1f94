"""What the simulated municipality is made of: people, places, sources with their clocks, and the lines they write.

Times are whole milliseconds since 1970 UTC. `true` time is what a perfect clock shows; a source stamps its lines with
its own clock (`device` time). Nothing here knows the product.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
ISTANBUL_S = 3 * 3600

Span = tuple[int, int]


def start_of_simulation() -> int:
    """Return Monday 2026-03-02 00:00 in Istanbul."""
    return int(datetime(2026, 3, 1, 21, 0, tzinfo=UTC).timestamp()) * SECOND


def rfc3339(ms: int) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(ms // SECOND))}.{ms % SECOND:03d}Z"


def local(ms: int) -> time.struct_time:
    return time.gmtime(ms // SECOND + ISTANBUL_S)


@dataclass(frozen=True, slots=True)
class Person:
    """One individual; `name` is the canonical spelling, `spellings` what systems write."""

    name: str
    kind: str
    spellings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Clock:
    """A source's own clock: `first_ms` ahead at the start, `drift_ms_per_day`, put right at `mended` if ever."""

    first_ms: int = 0
    drift_ms_per_day: int = 0
    mended: int | None = None

    def offset(self, at: int) -> int:
        if self.mended is not None and at >= self.mended:
            return 0
        return self.first_ms + (at - start_of_simulation()) * self.drift_ms_per_day // DAY


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """A source as the site knows it. `declared`: (from, to, offset s, error s).

    `error_ms`: what may be claimed of it.
    """

    name: str
    record_class: str
    site: str | None
    format: str
    clock: Clock
    error_ms: int
    declared: tuple[tuple[int | None, int | None, float, float], ...] = ()
    received: bool = False
    framing: str = "lines"
    nat_ports: str = "shared"
    nas_sites: tuple[tuple[str, str], ...] = ()

    def residual(self, at: int) -> int:
        """Return how far a stamp of true time `at` is off after what is declared was taken away (0 when measured)."""
        offset = self.clock.offset(at)
        if self.received:
            return 0
        for start, end, declared, _ in self.declared:
            if (start is None or at >= start) and (end is None or at < end):
                return offset - round(declared * SECOND)
        return offset


@dataclass(slots=True, eq=False)
class Line:
    """One written line (or RADIUS paragraph): true time of writing, text, when it arrived, whether it was kept."""

    source: str
    at: int
    text: str
    received: int
    kept: bool


@dataclass(slots=True)
class Book:
    """All lines, and the intervals in which sources lose what they write."""

    specs: dict[str, SourceSpec]
    losses: dict[str, list[Span]]
    delays: Callable[[], int]
    lines: list[Line] = field(default_factory=list)

    def write(self, source: str, at: int, text: Callable[[int], str]) -> Line:
        """Write what `text` makes of the device time."""
        device = at + self.specs[source].clock.offset(at)
        line = Line(source, at, text(device), at + self.delays(), not self.lost(source, at, at))
        self.lines.append(line)
        return line

    def lost(self, source: str, start: int, end: int) -> bool:
        """Return whether a loss of the source touches the span."""
        return any(begin <= end and start <= stop for begin, stop in self.losses.get(source, ()))

    def deep(self, source: str, at: int, margin: int = 10 * MINUTE) -> bool:
        """Return whether `at` stands well inside a loss."""
        return any(begin + margin <= at <= stop - margin for begin, stop in self.losses.get(source, ()))


@dataclass(slots=True, eq=False)
class Presence:
    """A person at an address: `marks` are the identity lines (`in`, `seen`, `out`) that told it."""

    person: Person | None
    mode: str
    source: str | None
    start: int
    end: int
    stay: Stay
    marks: list[tuple[int, str, Line]] = field(default_factory=list)
    named_by_firewall: bool = False


@dataclass(slots=True, eq=False)
class Stay:
    """A device at an address. `release`: it gives the address back; else the lease runs out."""

    site: str
    net: str
    mac: str
    host: str
    start: int
    end: int
    release: bool
    dhcp: str | None
    ip: str = ""
    leases: list[tuple[int, Line]] = field(default_factory=list)
    presences: list[Presence] = field(default_factory=list)
    next_port: int = 49152


@dataclass(slots=True, eq=False)
class Conn:
    """A connection through a NAT, as it truly was."""

    nat: str
    presence: Presence
    person: Person | None
    inner_ip: str
    inner_port: int
    mac: str
    transport: str
    target_ip: str
    target_port: int
    opened: int
    closed: int
    public_ip: str = ""
    public_port: int = 0
    lines: list[tuple[int, Line]] = field(default_factory=list)
    tags: set[str] = field(default_factory=set)
    client: Span | None = None
    """Of a proxied connection: start and end of the request."""
    told: Line | None = None
    """Of a proxied connection: the proxy's line."""
    rider: Conn | None = None
    """Of a proxied connection: another client's request that the proxy sent over the same connection afterwards."""

    @property
    def ended(self) -> int:
        """Return when the NAT saw it end."""
        return self.closed if self.rider is None else self.rider.closed

    def touches(self, start: int, end: int) -> bool:
        return self.opened <= end and start <= self.closed

    @property
    def whole(self) -> bool:
        """Return whether every line was kept."""
        return bool(self.lines) and all(line.kept for _, line in self.lines)

    @property
    def unseen(self) -> bool:
        """Return whether no line was kept."""
        return not any(line.kept for _, line in self.lines)


class ByKey:
    """Connections by public side, found by time."""

    def __init__(self, conns: list[Conn]) -> None:
        """Sort once."""
        self._by: dict[tuple[str, int, str], list[Conn]] = {}
        for conn in sorted(conns, key=lambda c: (c.opened, c.inner_ip, c.inner_port)):
            self._by.setdefault((conn.public_ip, conn.public_port, conn.transport), []).append(conn)
        self._opened = {key: [conn.opened for conn in found] for key, found in self._by.items()}

    def listed(self) -> list[tuple[str, int, str]]:
        return sorted(self._by)

    def around(self, key: tuple[str, int, str], start: int, end: int) -> list[Conn]:
        """Return connections of the key that touch the span."""
        found = self._by.get(key, [])
        return [conn for conn in found[: bisect_right(self._opened.get(key, []), end)] if conn.closed >= start]

    def of_key(self, key: tuple[str, int, str]) -> list[Conn]:
        return self._by.get(key, [])
