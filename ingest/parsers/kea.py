"""Kea: the lines of the forensic logging hook, and the lease messages of kea-dhcp4 and kea-dhcp6.

2026-11-23 21:35:43 +03 Address: 10.20.30.41 has been renewed for 1 hrs 52 min 15 secs to a device with hardware \
address: hwtype=1 00:00:5e:00:53:23, client-id: 01:00:00:5e:00:53:23 connected via relay at address: 10.20.30.1, \
identified by circuit-id: 00:04:00:11

The second form is `2026-11-23 21:35:43.120 INFO  [kea-dhcp4.leases/412.1] DHCP4_LEASE_ALLOC [hwtype=1 00:…], cid=[…],
tid=0x…: lease 10.20.30.41 has been allocated for 3600 seconds`, from Kea's own file or through syslog. DHCP4_RELEASE is
written at debug level 50 alone, so use the hook. A zone abbreviation that is not known, or is used by several zones
(IST), is read in the source's zone. The hook also writes what the control channel does (`Administrator added a lease of
address: …`, `HA partner deleted the lease for address: …`). Delegated prefixes are no addresses: they give no fact.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.times import iso, zone_of
from ingest.parsers.values import LONGEST_S, Memo, address, mac, whole

if TYPE_CHECKING:
    from datetime import tzinfo

    from ingest.parsers.lines import Lines

NAME: Final = "kea"
_TIME = r"(?:(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:[.,]\d{1,9})?)(?: ([A-Z]{1,5}|[+-]\d\d(?::?\d\d)?))? +)?"
_IP = r"([0-9A-Fa-f.:]{2,45})"
_HOOK = re.compile(
    rf"{_TIME}(?:Address|Prefix): ?{_IP}(/\d{{1,3}})? has been (assigned|renewed|rebound|released)(.*)$",
    re.DOTALL | re.ASCII,
)
_SERVER = re.compile(
    rf"{_TIME}(?:[A-Z]{{4,5}}) +\[kea-dhcp[46]\.[^\]]{{1,128}}\] "
    r"(DHCP[46]_[A-Z0-9_]{3,40}|ALLOC_ENGINE_[A-Z0-9_]{3,50}) (.*)$",
    re.DOTALL | re.ASCII,
)
_CONTROL = re.compile(
    rf"{_TIME}(?:Administrator|HA partner) (added|updated|deleted) (?:a|the|information on the) lease (?:of|for) "
    rf"(?:address|prefix): {_IP}(/\d{{1,3}})?(.*)$",
    re.DOTALL | re.ASCII,
)
_TERM = re.compile(
    r" for (?:(?:(\d{1,6}) days? )?(\d{1,6}) hrs? (\d{1,4}) mins? (\d{1,4}) secs?|(\d{1,10}) seconds)\b", re.ASCII
)
_HARDWARE = re.compile(r"(?:hwtype=\d{1,3}|hardware address:) ([0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5})\b")
_RELAY = re.compile(rf"connected via relay at address: {_IP}")
_LEASED = re.compile(rf"(?:lease|address|addr|binding for address|lease for address) {_IP}(?=[\s,.]|$)")
_SECONDS = re.compile(r"for (\d{1,10}) seconds")
_ENDED = FactWord.LEASE_ENDED.value
_GRANTED = FactWord.LEASE_GRANTED.value
_FACTS: Final = {
    "assigned": _GRANTED, "renewed": _GRANTED, "rebound": _GRANTED, "released": _ENDED,
    "added": _GRANTED, "updated": _GRANTED, "deleted": _ENDED,
    "DHCP4_LEASE_ALLOC": _GRANTED, "DHCP4_LEASE_REUSE": _GRANTED, "DHCP4_LEASE_RENEW": _GRANTED,
    "DHCP6_LEASE_ALLOC": _GRANTED, "DHCP6_LEASE_RENEW": _GRANTED, "DHCP6_LEASE_REUSE": _GRANTED,
    "DHCP4_RELEASE": _ENDED, "DHCP4_RELEASE_DELETED": _ENDED, "DHCP4_RELEASE_EXPIRED": _ENDED,
    "DHCP4_DECLINE_LEASE": _ENDED, "DHCP6_RELEASE_NA": _ENDED, "DHCP6_RELEASE_NA_DELETED": _ENDED,
    "DHCP6_RELEASE_NA_EXPIRED": _ENDED, "DHCP6_DECLINE_LEASE": _ENDED,
    "ALLOC_ENGINE_V4_LEASE_RECLAIM": _ENDED, "ALLOC_ENGINE_V6_LEASE_RECLAIM": _ENDED,
}  # fmt: skip
_TYPES = {_GRANTED: ["protocol", "start"], _ENDED: ["protocol", "end"], None: ["protocol", "info"]}
_NAMES = (
    "@timestamp", "event.action", "event.type", "some.fact", "client.ip", "client.mac", "some.lease.duration",
    "some.lease.relay",
)  # fmt: skip
_Row = tuple[int | str | list[str] | None, ...]


class Kea:
    """Lines of the forensic hook and of the server's own log."""

    name = NAME
    begins = (
        r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^ ]{0,10}(?: [A-Z0-9:+\-]{1,6})? +)?"
        r"(?:(?:Address|Prefix): ?[0-9A-Fa-f.:/]{2,50} has been |(?:Administrator|HA partner) [a-z]{4,8} "
        r"|[A-Z]{4,5} +\[kea-dhcp[46]\.)"
    )

    def __init__(self) -> None:
        """Start with empty memories."""
        self._addresses: Memo[str | None, str | None] = Memo(address)
        self._macs: Memo[str | None, str | None] = Memo(mac)

    def parse(self, lines: Lines) -> Parsed:
        """Return the leases spoken of; what else the server says is kept with its message's name."""
        positions: list[int] = []
        rows: list[_Row] = []
        refused: list[int] = []
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            row = self._hook(text, start, lines.zone) or self._server(text, start, lines.zone)
            if row is None:
                refused.append(at)
            else:
                positions.append(at)
                rows.append(row)
        if not rows:
            return Parsed([], refused)
        count = len(rows)
        columns: Columns = dict(zip(_NAMES, map(list, zip(*rows, strict=True)), strict=True))
        columns |= {
            "event.module": [NAME] * count,
            "event.category": [["network"]] * count,
            "network.protocol": ["dhcp"] * count,
            "network.transport": ["udp"] * count,
            "observer.product": ["Kea"] * count,
        }
        return Parsed([Part(positions, columns)], refused)

    def _hook(self, text: str, start: int, zone: tzinfo) -> _Row | None:
        if found := _HOOK.match(text, start):
            moment, named, ip, prefix, verb, device = found.groups("")
        elif found := _CONTROL.match(text, start):
            moment, named, verb, ip, prefix, device = found.groups("")
        else:
            return None
        relay = _RELAY.search(device)
        leased = None if prefix else self._addresses[ip]
        row = self._row(verb, leased, device, _term(device))
        return _time(moment, named, zone), *row, self._addresses[relay[1].rstrip(".:")] if relay else None

    def _server(self, text: str, start: int, zone: tzinfo) -> _Row | None:
        found = _SERVER.match(text, start)
        if found is None:
            return None
        moment, named, action, said = found.groups()
        leased, lasts = _LEASED.search(said), _SECONDS.search(said)
        lease = self._addresses[leased[1].rstrip(".:")] if leased else None
        term = whole(lasts[1]) if lasts else None
        return _time(moment, named, zone), *self._row(action, lease, said, term), None

    def _row(self, action: str, leased: str | None, device: str, lasts: int | None) -> _Row:
        fact = _FACTS.get(action) if leased else None
        hardware = _HARDWARE.search(device)
        # how long a declined address stays out of use is no lease
        term = lasts if fact == _GRANTED and lasts is not None and lasts <= LONGEST_S else None
        return action.lower(), _TYPES[fact], fact, leased, self._macs[hardware[1]] if hardware else None, term

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(NAME, f"expected `Address: … has been …` or a message of kea-dhcp4, found {line[:40]!r}")


def _term(said: str) -> int | None:
    """Return for how many seconds a lease was given; None where that is not said, or without end."""
    found = _TERM.search(said)
    if found is None:
        return None
    days, hours, minutes, seconds, counted = (int(text) for text in found.groups("0"))
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds + counted


def _time(text: str | None, named: str | None, zone: tzinfo) -> int | None:
    """Return the time that the line begins with; None where the syslog header tells it."""
    return None if not text else iso(text.replace(" ", "T"), zone_of(named) or zone)
