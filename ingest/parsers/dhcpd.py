"""ISC dhcpd (and Infoblox, pfSense): who asked for, got, gave back an address. IPv4; the time is the header's.

<30>Nov 23 21:35:43 dhcp1 dhcpd[1204]: DHCPACK on 10.20.30.41 to 00:00:5e:00:53:23 (pc-0412) via eth1 \
relay 10.20.30.1 lease-duration 3600

Without `lease-duration` the line has no end of the lease: it comes from the configuration or the next line.
`DHCPACK to ADDRESS` answers DHCPINFORM, by a client that has its address from elsewhere (RFC 2131 4.3.5): no lease.
`host.hostname` is the client's name for itself, `observer.hostname` the server's.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.values import LONGEST_S, Memo, address, at_most, lower, mac, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.parsers.lines import Lines

NAME: Final = "dhcpd"
_IP = r"(\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3})"
_MAC = r"([0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){5})"
_LINE = re.compile(
    rf"(DHCP[A-Z]{{3,12}}) (?:(?:on|for|of) {_IP}(?: \({_IP}\))?(?: (?:to|from) {_MAC})?|from {_MAC}|from {_IP}"
    rf"|to {_IP}(?: \({_MAC}\))?)"
    r"(?: \(([^()]{0,255})\))?(?: via ([^\s:]+))?(?=[ :]|$)"
    r"(?: relay (\S+))?(?:.*? lease-duration (\d{1,10}))?(?:.*?: (.*))?.*$",
    re.DOTALL | re.ASCII,
)
_STARTS = frozenset({"dhcpack"})
_ENDS = frozenset({"dhcprelease", "dhcpexpire", "dhcpdecline"})
_FACTS = dict.fromkeys(_STARTS, FactWord.LEASE_GRANTED.value) | dict.fromkeys(_ENDS, FactWord.LEASE_ENDED.value)
_TYPES = {True: ["protocol", "start"], False: ["protocol", "end"], None: ["protocol", "info"]}


def _fact(action: str | None, leased: str | None) -> str | None:
    """Return the word for a message about the address `leased`; None where it is about none."""
    return _FACTS.get(action or "") if leased else None


def _type(action: str | None) -> list[str]:
    return _TYPES[True if action in _STARTS else False if action in _ENDS else None]


class Dhcpd:
    """Lines that begin with DHCP… after the header."""

    name = NAME
    begins = r"DHCP[A-Z]{3,12} "

    def __init__(self) -> None:
        """Start with empty memories."""
        self._addresses: Memo[str | None, str | None] = Memo(address)
        self._macs: Memo[str | None, str | None] = Memo(mac)
        self._actions: Memo[str | None, str | None] = Memo(lower)

    def parse(self, lines: Lines) -> Parsed:
        """Return the leases spoken of; other messages of the daemon are refused, and stay plain syslog."""
        positions: list[int] = []
        rows: list[tuple[str | None, ...]] = []
        refused: list[int] = []
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            found = _LINE.match(text, start)
            if found is None:
                refused.append(at)
            else:
                positions.append(at)
                rows.append(found.groups())
        return Parsed([Part(positions, self._columns(rows))] if rows else [], refused)

    def _columns(self, rows: Sequence[tuple[str | None, ...]]) -> Columns:
        action, ip1, server, mac1, mac2, ip2, ip3, mac3, host, via, relay, lease, reason = zip(*rows, strict=True)
        count = len(rows)
        actions = self._actions.column(action)
        return {
            "event.module": [NAME] * count,
            "event.action": actions,
            "event.category": [["network"]] * count,
            "event.type": [_type(name) for name in actions],
            "event.reason": list(reason),
            "network.protocol": ["dhcp"] * count,
            "network.transport": ["udp"] * count,
            "client.ip": self._addresses.column([a or b or c for a, b, c in zip(ip1, ip2, ip3, strict=True)]),
            "client.mac": self._macs.column([a or b or c for a, b, c in zip(mac1, mac2, mac3, strict=True)]),
            "server.ip": self._addresses.column(server),
            "host.hostname": words(host),
            "observer.ingress.interface.name": words(via),
            "some.fact": list(map(_fact, actions, ip1)),
            "some.lease.relay": words(relay),
            "some.lease.duration": at_most(LONGEST_S, [None if text is None else int(text) for text in lease]),
        }

    def failure(self, line: str) -> ParseFailure:
        """Say that `line` speaks of no lease."""
        return ParseFailure(NAME, f"expected DHCPACK, DHCPREQUEST or the like with an address, found {line[:40]!r}")
