"""Cisco ISE: RADIUS accounting and passed authentications, and the heads of its other categories.

<181>Nov 23 21:35:44 ise1 CISE_RADIUS_Accounting 0000142672 1 0 2026-11-23 21:35:44.105 +03:00 0000193021 3000 NOTICE \
Radius-Accounting: RADIUS Accounting start request, ConfigVersionId=35, UserName=ayse, NAS-IP-Address=10.20.0.2, \
Framed-IP-Address=10.20.30.41, Calling-Station-ID=00-00-5E-00-53-23, Acct-Status-Type=Start, \
Acct-Session-Id=0000AAAA/00:00:5e:00:53:23/24927, Event-Timestamp=1795458943,

After the category come the message's number, how many pieces it was sent in and which one this is, from 0. Only the
first piece has ISE's own time, code and level, and a fact needs all of its attributes in one piece: nothing is joined.
The last attribute of a piece that ends without a comma while more pieces follow may be cut, so it is left out.
The time is Event-Timestamp (of the NAS), else ISE's less Acct-Delay-Time, else the header's. Octets are those of the
user: input is source.bytes, Gigawords included. A station that was let in by its MAC is no person.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ingest.fact_words import FactWord, LoginMethod
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.syslog import Headers
from ingest.parsers.times import SECOND, StampsByZone, epoch
from ingest.parsers.values import LONGEST_S, Memo, address, mac, port, whole, word

if TYPE_CHECKING:
    from datetime import tzinfo

    from ingest.parsers.lines import Lines

NAME: Final = "cisco_ise"
_HEAD = re.compile(
    r"(?::? )?CISE_([A-Za-z0-9_\-]{1,64}) ([0-9]{1,12}) ([0-9]{1,4}) ([0-9]{1,4}) +"
    r"(?:(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?) ([+-]\d\d:?\d\d) ([0-9]{1,12}) +([0-9]{1,6}) +([A-Z]{2,8}) +"
    r"([^,]{1,255}))?",
    re.ASCII,
)
_ATTRIBUTE = re.compile(r"(?:^|(?<=,)) *([A-Za-z][A-Za-z0-9 _.\-]{0,63})=((?:[^,\\]|\\.)*+)(?=,|$)", re.DOTALL)
_LONGEST = 16_384
_STATUSES: Final = {
    "start": FactWord.LOGIN, "interim-update": FactWord.LOGIN_SEEN, "interim": FactWord.LOGIN_SEEN,
    "stop": FactWord.LOGOUT, "accounting-on": FactWord.RESTART, "accounting-off": FactWord.RESTART,
}  # fmt: skip
_TYPES = {
    FactWord.LOGIN: ["start"], FactWord.LOGIN_SEEN: ["info"], FactWord.LOGOUT: ["end"], FactWord.RESTART: ["change"],
    None: ["info"],
}  # fmt: skip
_PASSED = {"5200": LoginMethod.RADIUS, "5231": LoginMethod.PORTAL}
_ACCOUNTING = "RADIUS_Accounting"
_PASSED_CATEGORY = "Passed_Authentications"
_TIMED = frozenset({FactWord.LOGIN_SEEN, FactWord.LOGOUT})
_HARDWARE = re.compile(
    r"(?:[0-9A-Fa-f]{2}[:\-]){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}|[0-9A-Fa-f]{12}"
)
_U32 = 2**32
_SET_CLOCK = 946_684_800 * SECOND  # a NAS whose clock stands before 2000 was never set
_Row = dict[str, Any]


class CiscoIse:
    """Lines whose message begins with CISE_ and a category."""

    name = NAME
    begins = r"(?::? )?CISE_[A-Za-z0-9_\-]{1,64} [0-9]{1,12} [0-9]{1,4} [0-9]{1,4} "

    def __init__(self) -> None:
        """Start with empty memories."""
        self._headers = Headers()
        self._stamps = StampsByZone()
        self._addresses: Memo[str | None, str | None] = Memo(address)
        self._macs: Memo[str | None, str | None] = Memo(_mac)

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for the lines that tell their own time, one for those that leave it to the header."""
        parsed = Parsed()
        moments = self._headers.moments(lines.texts, lines.received, lines.zone)
        groups: dict[bool, tuple[list[int], list[_Row]]] = {}
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            head = _HEAD.match(text, start)
            if head is None:
                parsed.refused.append(at)
                continue
            row = self._row(head, _attributes(text[head.end() : head.end() + _LONGEST], head), moments[at], lines.zone)
            positions, rows = groups.setdefault("@timestamp" in row, ([], []))
            positions.append(at)
            rows.append(row)
        for positions, rows in groups.values():
            names = dict.fromkeys(name for row in rows for name in row)
            columns: Columns = {name: [row.get(name) for row in rows] for name in names}
            parsed.parts.append(Part(positions, columns))
        return parsed

    def _row(self, head: re.Match[str], given: dict[str, str], moment: int, zone: tzinfo) -> _Row:
        category, _, _, _, stamp, offset, number, code, level, said = head.groups()
        user = word(given.get("UserName") or given.get("User-Name") or given.get("User"))
        row: _Row = {
            "event.module": NAME,
            "event.action": category.lower(),
            "event.category": ["authentication"],
            "event.type": ["info"],
            "event.code": code,
            "event.id": number,
            "log.level": level.lower() if level else None,
            "message": said,
            "observer.vendor": "Cisco",
            "observer.product": "ISE",
            "observer.name": word(given.get("NetworkDeviceName")),
            "observer.ip": self._addresses[given.get("NAS-IP-Address") or given.get("Device IP Address")],
            "client.ip": self._addresses[given.get("Framed-IP-Address") or given.get("Framed-IPv6-Address")],
            "client.mac": self._macs[given.get("Calling-Station-ID") or given.get("EndPointMACAddress")],
            "user.name": user,
            "some.session.id": word(given.get("Acct-Session-Id")),
            "destination.port": port(given.get("DestinationPort") or given.get("Device Port")),
            "destination.ip": self._addresses[given.get("DestinationIPAddress")],
            "source.ip": self._addresses[given.get("IpAddress") or given.get("Remote-Address")],
        }
        own = self._own(given, f"{stamp}{offset}" if stamp else None, zone)
        if own is not None:
            row["@timestamp"] = moment = own
        if category == _ACCOUNTING:
            _accounting(row, given, moment)
        elif category == _PASSED_CATEGORY and code in _PASSED:
            row["event.outcome"] = "success"
            if _somebody(row, row["client.ip"] or row["client.mac"] or row["source.ip"]):
                row["some.fact"] = FactWord.LOGIN.value
                row["some.login.method"] = _PASSED[code].value
                row["event.type"] = ["start"]
        return row

    def _own(self, given: dict[str, str], stamp: str | None, zone: tzinfo) -> int | None:
        """Return the time that the NAS, or else ISE, says it happened."""
        told = epoch(given.get("Event-Timestamp"))
        if told is not None and told >= _SET_CLOCK:
            return told
        written = self._stamps[zone].iso[stamp] if stamp else None
        late = whole(given.get("Acct-Delay-Time")) or 0
        return None if written is None else written - min(late, LONGEST_S) * SECOND

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(NAME, f"expected CISE_category number pieces piece, found {line[:40]!r}")


def _mac(text: str | None) -> str | None:
    return mac(text) if text and _HARDWARE.fullmatch(text) else None


def _attributes(text: str, head: re.Match[str]) -> dict[str, str]:
    """Return the attributes of a piece, the first of each name."""
    pieces, piece = int(head[3]), int(head[4])
    whole_ = piece + 1 >= pieces or text.rstrip().endswith(",")
    given: dict[str, str] = {}
    last = ""
    for found in _ATTRIBUTE.finditer(text):
        last = found[1] if found[1] not in given and found.end() == len(text) else ""
        given.setdefault(found[1], found[2].replace("\\,", ",").strip())
    if not whole_ and last:
        del given[last]
    return given


def _somebody(row: _Row, where: str | None) -> bool:
    """Tell whether a row names a person, and an address or a device."""
    user = row["user.name"]
    return user is not None and where is not None and _HARDWARE.fullmatch(user) is None


def _octets(given: dict[str, str], way: str) -> int | None:
    """Return octets of 64 bits from their two halves (RFC 2869 sections 5.1 and 5.2)."""
    low, high = whole(given.get(f"Acct-{way}-Octets")), whole(given.get(f"Acct-{way}-Gigawords")) or 0
    if low is None:
        return None
    return low + high * _U32 if low < _U32 and high < _U32 // 2 else low


def _accounting(row: _Row, given: dict[str, str], moment: int) -> None:
    """Fill in an accounting packet (RFC 2866)."""
    row["source.bytes"], row["destination.bytes"] = _octets(given, "Input"), _octets(given, "Output")
    row["event.reason"] = word(given.get("Acct-Terminate-Cause"))
    meaning = _STATUSES.get(given.get("Acct-Status-Type", "").lower())
    row["event.category"] = ["authentication", "session"]
    row["event.type"] = _TYPES[meaning]
    lasted = whole(given.get("Acct-Session-Time"))
    if meaning in _TIMED and lasted is not None and lasted <= LONGEST_S:
        row["event.duration"] = lasted * 1_000_000_000
        row["event.start"] = moment - lasted * SECOND
    if meaning is FactWord.LOGOUT:
        row["event.end"] = moment
    if meaning is FactWord.RESTART or (meaning and _somebody(row, row["client.ip"] or row["client.mac"])):
        row["some.fact"] = meaning.value
        row["some.login.method"] = None if meaning is FactWord.RESTART else LoginMethod.RADIUS.value
