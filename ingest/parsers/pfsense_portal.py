"""Captive portal of pfSense (logportalauth) and OPNsense (captiveportal): who signed in, from which address.

<38>Nov 23 21:35:43 fw logportalauth[11593]: Zone: guests - USER LOGIN: ayse, 00:00:5e:00:53:23, 10.20.30.41

The slot of the MAC may be empty; a message may follow the address. OPNsense says `AUTH ayse (10.20.30.41) zone 0`,
`DENY` and `LOGOUT` (core, CaptivePortal/Api/AccessController.php); its portal does not log how other sessions end.
Clients that were let in by their MAC, or without a name, are no persons: they give no fact.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord, LoginMethod
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.values import Memo, address, mac, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.parsers.lines import Lines

NAME: Final = "pfsense_portal"
_STATUS = r"(?:USER |MACHINE )?LOG(?:IN|OUT)|ACCEPT|FAILURE|DENY|DISCONNECT|TIMEOUT|(?:SESSION|IDLE) TIMEOUT"
_PFSENSE = re.compile(
    rf"(?:Zone: ([^\n]{{1,64}}?) - ([^:\n]{{3,80}})|({_STATUS})): ([^\n]{{0,256}}), ?([0-9A-Fa-f:.\-]{{0,17}}), "
    r"?([0-9A-Fa-f:.]{2,45})(?:, ?(.*))?$",
    re.DOTALL,
)
_OPNSENSE = re.compile(r"(AUTH|DENY|LOGOUT) ([^\n]{1,256}) \(([0-9A-Fa-f:.]{2,45})\) zone ([^\s]{1,64})$")
_LOGIN = re.compile(r"(?:USER )?LOGIN$|ACCEPT$|AUTH$|VOUCHER LOGIN")
_SEEN = re.compile(r"CONCURRENT LOGIN - REUSING OLD SESSION$")
_LOGOUT = re.compile(r"(?:USER )?LOGOUT|.*DISCONNECT|.*TIMEOUT|.*TERMINATING|QUOTA EXCEEDED")
_FAILED = re.compile(r"FAILURE|DENY|.*NOT ALLOWED|BLOCKED")
_NAMELESS = re.compile(r"(?i:unauthenticated|anonymous@.*)?$")
_TYPES = {FactWord.LOGIN: ["start"], FactWord.LOGIN_SEEN: ["info"], FactWord.LOGOUT: ["end"], None: ["info"]}


def _meaning(status: str) -> FactWord | None:
    """Return what a status says about a session."""
    upper = status.upper()
    if _LOGIN.match(upper):
        return FactWord.LOGIN
    if _SEEN.match(upper):
        return FactWord.LOGIN_SEEN
    return FactWord.LOGOUT if _LOGOUT.match(upper) else None


def _outcome(status: str) -> str | None:
    if _FAILED.match(status.upper()):
        return "failure"
    return "success" if _meaning(status) else None


class PfsensePortal:
    """Lines of the two portals, after the syslog header."""

    name = NAME
    begins = rf"Zone: [^\n]{{1,64}}? - |(?:{_STATUS}): [^\n]{{0,256}}, |(?:AUTH|DENY|LOGOUT) [^\n(]{{1,256}}\("

    def __init__(self) -> None:
        """Start with empty memories."""
        self._addresses: Memo[str | None, str | None] = Memo(address)
        self._macs: Memo[str | None, str | None] = Memo(mac)
        self._meanings: Memo[str, FactWord | None] = Memo(_meaning)
        self._outcomes: Memo[str, str | None] = Memo(_outcome)

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for all portal messages; others of these daemons are refused, and stay plain syslog."""
        positions: list[int] = []
        rows: list[tuple[str | None, ...]] = []
        refused: list[int] = []
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            found = _PFSENSE.match(text, start)
            other = None if found else _OPNSENSE.match(text, start)
            if found is not None:
                zone, status, plain, *rest = found.groups()
                rows.append((zone, status or plain, *rest))
            elif other is not None:
                rows.append((other[4], other[1], other[2], None, other[3], None))
            else:
                refused.append(at)
                continue
            positions.append(at)
        return Parsed([Part(positions, self._columns(rows))] if rows else [], refused)

    def _columns(self, rows: Sequence[tuple[str | None, ...]]) -> Columns:
        zones, found, users, hardware, ips, said = zip(*rows, strict=True)
        count = len(rows)
        statuses = [status or "" for status in found]
        meanings = self._meanings.column(statuses)
        addresses = self._addresses.column(ips)
        named = [
            bool(ip) and _NAMELESS.match(user or "") is None and self._macs[user] is None
            for ip, user in zip(addresses, users, strict=True)
        ]
        facts = [meaning.value if meaning and known else None for meaning, known in zip(meanings, named, strict=True)]
        return {
            "event.module": [NAME] * count,
            "event.action": [status.lower().replace(" ", "-") for status in statuses],
            "event.category": [["authentication", "session"]] * count,
            "event.type": [_TYPES[meaning] for meaning in meanings],
            "event.outcome": self._outcomes.column(statuses),
            "event.reason": words(said),
            "network.name": words(zones),
            "client.ip": addresses,
            "client.mac": self._macs.column(hardware),
            "user.name": words(users),
            "some.fact": facts,
            "some.login.method": [LoginMethod.PORTAL.value if fact else None for fact in facts],
        }

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(NAME, f"expected `Zone: … - USER LOGIN: user, mac, ip` or the like, found {line[:40]!r}")
