"""Three invented hours of a municipality's traffic: firewall, DHCP, proxy, web server, hotspot.

Addresses come from the documentation ranges and 10.0.0.0/8, names are invented, and one seed always gives the same
lines. The story: working-day traffic, one machine that talks to one outside address far too much in the second hour.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

STEP = timedelta(minutes=5)
NOISY = "10.20.14.37"
SUSPECT = "203.0.113.66"

_PEOPLE = ("s.yilmaz", "m.aydin", "b.kaya", "z.demir", "h.oz", "svc-sosyal")
_SITES = ("ebelediye.example.org", "www.example.com", "haber.example.net", "harita.example.org")
_PAGES = ("/", "/giris", "/borc-sorgula", "/duyurular/2026", "/nobetci-eczane")
_TURKEY = timedelta(hours=3)
_DNS = 53


@dataclass(frozen=True, slots=True)
class Step:
    """The lines of five minutes: what goes over UDP (firewall, DHCP, hotspot) and over TCP (proxy, web server)."""

    datagrams: tuple[bytes, ...]
    stream: tuple[bytes, ...]


def step(at: datetime, number: int, seed: int = 5651) -> Step:
    """Return what is sent in step `number` (0, 1, …), whose lines are dated `at` and a little before."""
    rng = random.Random(seed * 1000 + number)  # noqa: S311 - invented traffic, not a secret
    moments = [at - timedelta(seconds=rng.uniform(0, 280)) for _ in range(60)]
    moments.sort()
    datagrams = [_firewall(rng, moment, number) for moment in moments]
    if 14 <= number <= 18:  # noqa: PLR2004 - the second hour of the story
        datagrams += [_session(rng, moment, NOISY, SUSPECT, 8443, "deny") for moment in moments for _ in range(3)]
    datagrams += [_lease(rng, moment) for moment in moments[::10]]
    datagrams += [_hotspot(rng, moment) for moment in moments[::15]]
    stream = [line for moment in moments[::2] for line in (_proxy(rng, moment), _page(rng, moment))]
    return Step(tuple(line.encode() for line in datagrams), tuple(line.encode() for line in stream))


def steps(start: datetime, count: int) -> Iterator[tuple[datetime, Step]]:
    """Yield the end of each step and its lines."""
    for number in range(count):
        at = start + STEP * (number + 1)
        yield at, step(at, number)


def _inner(rng: random.Random) -> str:
    return f"10.20.{rng.choice((14, 21, 52))}.{rng.randrange(5, 120)}"


def _mac(address: str) -> str:
    octets = [int(part) for part in address.split(".")]
    return "02:42:" + ":".join(f"{octet:02x}" for octet in octets)


def _firewall(rng: random.Random, at: datetime, number: int) -> str:
    outside = rng.choice(("198.51.100.7", "198.51.100.80", "203.0.113.180", "203.0.113.112", "192.0.2.44"))
    action = "deny" if rng.random() < 0.06 + 0.01 * (number % 3) else "close"
    return _session(rng, at, _inner(rng), outside, rng.choice((443, 443, 443, 80, _DNS)), action)


def _session(rng: random.Random, at: datetime, inner: str, outer: str, port: int, action: str) -> str:  # noqa: PLR0917 - one line of a log
    here = at + _TURKEY
    source_port, duration = rng.randrange(49152, 65535), rng.randrange(1, 300)
    nat = "" if action == "deny" else f"trandisp=snat transip=198.51.100.14 transport={rng.randrange(40000, 60000)} "
    sent, received = (0, 0) if action == "deny" else (rng.randrange(400, 80_000), rng.randrange(400, 900_000))
    return (
        f'<189>date={here:%Y-%m-%d} time={here:%H:%M:%S} devname="gw-merkez" devid="FG000000000000001" '
        f'eventtime={int(at.timestamp() * 1_000_000) * 1000} tz="+0300" logid="0000000013" type="traffic" '
        f'subtype="forward" level="notice" vd="root" srcip={inner} srcport={source_port} srcintf="lan" dstip={outer} '
        f'dstport={port} dstintf="wan1" sessionid={rng.randrange(10**6, 10**8)} proto={17 if port == _DNS else 6} '
        f'action="{action}" policyid={rng.randrange(1, 40)} policyname="ic-ag-internet" {nat}duration={duration} '
        f'sentbyte={sent} rcvdbyte={received} srcmac="{_mac(inner)}" user="{rng.choice(_PEOPLE)}"'
    )


def _lease(rng: random.Random, at: datetime) -> str:
    here, inner = at + _TURKEY, _inner(rng)
    name = f"PC-{inner.split('.')[-1]}"
    head = f"<30>{here:%b} {here.day:>2} {here:%H:%M:%S} dhcp-merkez dhcpd[811]:"
    return f"{head} DHCPACK on {inner} to {_mac(inner)} ({name}) via eth1"


def _hotspot(rng: random.Random, at: datetime) -> str:
    guest = f"10.50.0.{rng.randrange(10, 200)}"
    return (
        f"<134>1 {at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z park-wifi hotspot 4412 LOGIN "
        f'[guest@32473 ip="{guest}" mac="{_mac(guest)}" phone="+90 555 000 {rng.randrange(10000):04d}"] '
        "konuk oturumu acildi"
    )


def _proxy(rng: random.Random, at: datetime) -> str:
    return (
        f"{at.timestamp():.3f} {rng.randrange(20, 4000):6d} {_inner(rng)} TCP_MISS/200 {rng.randrange(500, 90_000)} "
        f"GET http://{rng.choice(_SITES)}{rng.choice(_PAGES)} {rng.choice(_PEOPLE)} HIER_DIRECT/198.51.100.80 text/html"
    )


def _page(rng: random.Random, at: datetime) -> str:
    here = at + _TURKEY
    return (
        f"192.0.2.{rng.randrange(2, 250)} - - [{here:%d/%b/%Y:%H:%M:%S} +0300] "
        f'"GET {rng.choice(_PAGES)} HTTP/1.1" {rng.choice((200, 200, 200, 304, 404))} {rng.randrange(200, 40_000)} '
        f'"https://portal.example.org/" "Mozilla/5.0 (X11; Linux x86_64) Example/1.0"'
    )
