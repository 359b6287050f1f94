"""A municipality for some days, in Istanbul time, with everything that makes "who was it?" hard; it knows the truth.

Four sites: *merkez* (FortiGate, ISC dhcpd, FSSO, SSL-VPN, Squid), *kultur* (Cisco ASA, Windows DHCP, domain
controller), *kutuphane* (MikroTik NAT lines, hotspot and DHCP) and *spor* (pfSense: no ports, captive portal); one
RADIUS server for the Wi-Fi of two of them. The first three use the same inside addresses. Seeded: the same
arguments give the same lines, and no wall clock is read. It imports nothing of the product.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

from truth_people import Life, fixed_hosts, people, populate
from truth_traffic import DMZ_PROXY, PUBLIC, traffic
from truth_world import DAY, HOUR, MINUTE, Book, ByKey, Clock, Conn, Line, SourceSpec, rfc3339, start_of_simulation

_RANGES = {
    "merkez": ["10.20.30.0/24", "10.20.40.0/24", "10.20.50.0/24"],
    "kultur": ["10.20.30.0/24", "10.20.40.0/24"],
    "kutuphane": ["10.20.30.0/24"],
    "spor": ["10.20.31.0/24"],
}
_SITE_PUBLIC = {
    "merkez": [PUBLIC["fw-merkez"], DMZ_PROXY],
    "kultur": [PUBLIC["fw-kultur"]],
    "kutuphane": [PUBLIC["rt-kutuphane"]],
    "spor": [PUBLIC["fw-spor"]],
}


@dataclass(slots=True)
class Town:
    """What was played: the sources, their lines, and the truth."""

    days: int
    book: Book
    life: Life
    conns: list[Conn]
    keys: ByKey
    mended: int
    register: list[dict[str, object]]

    def lines_of(self, source: str) -> list[Line]:
        """Return a source's kept lines in the order of arrival."""
        found = [line for line in self.book.lines if line.kept and line.source == source]
        return sorted(found, key=lambda line: line.at)  # stable: a device's own order within a moment

    def declared(self) -> dict[str, Any]:
        """Return what the site declares: the contents of sources.yaml."""
        sites = [{"name": name, "ranges": _RANGES[name], "public_addresses": _SITE_PUBLIC[name]} for name in _RANGES]
        sources = [_declared(spec) for spec in self.book.specs.values()]
        return {"sites": sites, "sources": sources, "register": self.register}


def _declared(spec: SourceSpec) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": spec.name, "class": spec.record_class, "format": spec.format}
    entry |= {"timezone": "Europe/Istanbul", "nat_ports": spec.nat_ports}
    if spec.site is not None:
        entry["site"] = spec.site
    if spec.nas_sites:
        entry["nas_sites"] = dict(spec.nas_sites)
    if spec.declared:
        entry["clock"] = [
            {
                **({"from": rfc3339(start)} if start is not None else {}),
                **({"to": rfc3339(end)} if end is not None else {}),
                "offset_s": offset,
                "error_s": error,
            }
            for start, end, offset, error in spec.declared
        ]
    return entry


def _exact(error: float) -> tuple[tuple[int | None, int | None, float, float], ...]:
    return ((None, None, 0.0, error),)


def _specs(mended: int) -> list[SourceSpec]:
    switched = ((None, mended, 37.0, 0.5), (mended, None, 0.0, 0.5))
    fast, exact = Clock(37_000, 0, mended), Clock()
    return [
        SourceSpec("fw-merkez", "access", "merkez", "auto", fast, 500, switched),
        SourceSpec("dhcp-merkez", "address", "merkez", "auto", exact, 500, _exact(0.5)),
        SourceSpec("squid", "access", "merkez", "auto", Clock(120), 200, _exact(0.2)),
        SourceSpec(
            "fw-kultur", "access", "kultur", "auto", Clock(-4_000, 2_000), 3_000, received=True, nat_ports="exclusive"
        ),
        SourceSpec("dhcp-kultur", "address", "kultur", "auto", Clock(-11_000), 2_000, ((None, None, -12.0, 2.0),)),
        SourceSpec("dc-kultur", "identity", "kultur", "auto", exact, 500, _exact(0.5)),
        SourceSpec(
            "radius", "identity", None, "auto", exact, 500, _exact(0.5), framing="detail",
            nas_sites=(("10.99.1.0/24", "merkez"), ("10.99.2.0/24", "kultur")),
        ),
        SourceSpec("rt-kutuphane", "access", "kutuphane", "auto", Clock(45_000), 120_000),
        SourceSpec("hs-kutuphane", "identity", "kutuphane", "auto", Clock(20_000, -1_500), 3_000, received=True),
        SourceSpec("fw-spor", "access", "spor", "auto", Clock(300), 1_000, _exact(1.0)),
        SourceSpec("portal-spor", "identity", "spor", "auto", Clock(600), 3_000, received=True),
    ]  # fmt: skip


def _losses(rng: Random, days: int) -> dict[str, list[tuple[int, int]]]:
    """Return for each source an outage every third day or so, on days that differ, in working hours."""
    start = start_of_simulation()
    losses: dict[str, list[tuple[int, int]]] = {}
    turns = (
        ("fw-merkez", 0, 10.0), ("dhcp-kultur", 1, 10.5), ("hs-kutuphane", 0, 14.0), ("fw-kultur", 0, 13.0),
        ("radius", 2, 11.0), ("rt-kutuphane", 1, 15.0), ("dhcp-merkez", 2, 14.5), ("dc-kultur", 2, 9.5),
        ("portal-spor", 1, 13.0), ("fw-spor", 2, 16.0),
    )  # fmt: skip
    for source, first, hour in turns:
        losses[source] = []
        for day in range(first, days, 3):
            begin = start + day * DAY + int((hour + rng.random() * 0.5) * HOUR)
            losses[source].append((begin, begin + rng.randrange(65, 110) * MINUTE))
    return losses


def play(seed: int, days: int, size: int, *, pause_s: int = 400) -> Town:
    """Play `days` days with `size` people; one person opens a connection every `pause_s` seconds or so."""
    rng = Random(seed)
    mended = start_of_simulation() + days * DAY // 2 + 3 * HOUR
    book = Book({spec.name: spec for spec in _specs(mended)}, _losses(rng, days), lambda: rng.randrange(5, 400))
    life = Life(rng, book, days, people(size))
    register = fixed_hosts(life)
    populate(life)
    conns = traffic(life, pause_s * 1000)
    return Town(days, book, life, conns, ByKey(conns), mended, register)


def stream(town: Town, spec: SourceSpec, shuffle: Random | None = None) -> bytes:
    """Return what is imported for a source: its lines, with their receive time where that is known."""
    lines = town.lines_of(spec.name)
    if shuffle is not None:
        shuffle.shuffle(lines)
    if spec.received:
        return "".join(f"{rfc3339(line.received)}\t{line.text}\n" for line in lines).encode()
    return "".join(f"{line.text}\n" for line in lines).encode()
