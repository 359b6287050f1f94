"""FreeRADIUS accounting as its detail files hold it: a date line, then one indented `Attribute = value` a line.

Mon Nov 23 21:35:44 2026
    User-Name = "ayse"
    Acct-Status-Type = Start
    Acct-Session-Id = "5E005323-00000B68"
    NAS-IP-Address = 10.20.30.1
    Framed-IP-Address = 10.20.30.41
    Calling-Station-Id = "00-00-5E-00-53-23"
    Event-Timestamp = "Nov 23 2026 21:35:43 +03"
    Acct-Delay-Time = 0
    Timestamp = 1795458944

One record is one accounting packet (RFC 2866): `append --framing detail` cuts a file into them. Its time is
Event-Timestamp (RFC 2869 section 5.3: when it happened, at the NAS); else `Timestamp` or the date line, which say when
the server got the packet, less Acct-Delay-Time. Session-Time counts back from there to event.start. Octets are those of
the user: input is source.bytes, Gigawords included. Attributes of 8-bit text are decoded as UTF-8. A station that was
let in by its MAC (User-Name is the Calling-Station-Id) is no person: its packets give no fact.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ingest.fact_words import FactWord, LoginMethod
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.times import SECOND, bsd, epoch, iso, zone_of
from ingest.parsers.values import LONGEST_S, Memo, address, at_most, mac, wholes, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import tzinfo

    from ingest.parsers.lines import Lines

NAME: Final = "radius_detail"
_HEAD = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2} [ \d]\d) (\d\d:\d\d:\d\d) (\d{4})[ \t\r]*(?:\n|$)")
_ATTRIBUTE = re.compile(r"^[\t ]+([A-Za-z0-9_.\-]{1,128})(?::\d{1,3})? (?:[:+]?=) (.*)$", re.MULTILINE)
_STAMP = re.compile(r"([A-Z][a-z]{2} [ \d]?\d) (\d{4}) (\d\d:\d\d:\d\d)(?: ([A-Z]{1,5}|[+-]\d\d(?::?\d\d)?))?$")
_ESCAPED = re.compile(r"\\(?:([0-7]{3})|(.))", re.DOTALL)
_HEX = "[0-9A-Fa-f]"
_STATION = re.compile(rf"{_HEX}{{2}}([:\-.]?){_HEX}{{2}}(?:\1{_HEX}{{2}}){{4}}|(?:{_HEX}{{4}}[.\-]){{2}}{_HEX}{{4}}")
_WORDS: Final = {
    "start": FactWord.LOGIN, "1": FactWord.LOGIN, "interim-update": FactWord.LOGIN_SEEN, "alive": FactWord.LOGIN_SEEN,
    "3": FactWord.LOGIN_SEEN, "stop": FactWord.LOGOUT, "2": FactWord.LOGOUT, "accounting-on": FactWord.RESTART,
    "7": FactWord.RESTART, "accounting-off": FactWord.RESTART, "8": FactWord.RESTART,
}  # fmt: skip
_TYPES = {
    FactWord.LOGIN: ["start"], FactWord.LOGIN_SEEN: ["info"], FactWord.LOGOUT: ["end"],
    FactWord.RESTART: ["change"], None: ["info"],
}  # fmt: skip
_TIMED = frozenset({FactWord.LOGIN_SEEN, FactWord.LOGOUT})
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
_SET_CLOCK = 946_684_800 * SECOND  # a NAS whose clock stands before 2000 was never set
_U32 = 2**32
_Record = dict[str, str]


def _value(text: str) -> str:
    """Return an attribute's value without quotes and escapes (lib/print.c: three octal digits are one byte)."""
    if len(text) < 2 or text[0] not in "\"'" or text[-1] != text[0]:  # noqa: PLR2004 - two quotes
        return text
    text = text[1:-1]
    if "\\" not in text:
        return text
    octets = _ESCAPED.sub(lambda at: chr(int(at[1], 8) & 255) if at[1] else _CONTROLS.get(at[2], at[2]), text)
    try:
        return octets.encode("latin-1").decode()
    except UnicodeError:  # text that was UTF-8 all along, or bytes that are none
        return octets


def _read(text: str, start: int) -> _Record | None:
    """Return the attributes of a record, the date line as `` and its year; None where it is no detail record."""
    head = _HEAD.match(text, start)
    if head is None:
        return None
    record: _Record = {"": f"{head[1]} {head[2]} {head[3]}"}
    for found in _ATTRIBUTE.finditer(text, head.end()):
        record.setdefault(found[1], _value(found[2].rstrip()))
    return record if len(record) > 1 else None


def _event_time(text: str | None, zone: tzinfo) -> int | None:
    """Return an Event-Timestamp's time; None where it cannot be read, or the NAS never set its clock."""
    if text is None:
        return None
    found = _STAMP.match(text)
    if found is not None:
        at = bsd(f"{found[2]} {found[1]} {found[3]}", zone_of(found[4]) or zone, 0)
    else:
        at = epoch(text) or iso(text.replace(" ", "T", 1), zone)
    return at if at is not None and at >= _SET_CLOCK else None


def _time(record: Mapping[str, str], zone: tzinfo) -> int | None:
    told = _event_time(record.get("Event-Timestamp"), zone)
    if told is not None:
        return told
    got = epoch(record.get("Timestamp"))
    if got is None:
        month, day, clock, year = record[""].split()
        got = bsd(f"{year} {month} {day:>2} {clock}", zone, 0)
    delay = record.get("Acct-Delay-Time", "0")
    late = int(delay) if delay.isascii() and delay.isdigit() and len(delay) < 8 else 0  # noqa: PLR2004 - 115 days
    return None if got is None else got - late * SECOND


def _octets(low: Sequence[str | None], high: Sequence[str | None]) -> list[int | None]:
    """Return octets of 64 bits from their two halves (RFC 2869 sections 5.1 and 5.2)."""
    return [
        None if one is None else one + (many or 0) * _U32 if one < _U32 and (many or 0) < _U32 // 2 else one
        for one, many in zip(wholes(low), wholes(high), strict=True)
    ]


def _hardware(text: str | None) -> str | None:
    """Return the MAC that a Calling-Station-Id holds, also where an SSID or port follows; None for phone numbers."""
    found = _STATION.match(text or "")
    return mac(found[0]) if found and (len(text or "") == found.end() or (text or "")[found.end()] in ":/ ") else None


class RadiusDetail:
    """Records that begin with a date in the manner of ctime(3) and an indented line."""

    name = NAME
    begins = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}[ \t\r]*\n[ \t]+[A-Za-z]"

    def __init__(self) -> None:
        """Start with empty memories."""
        self._addresses: Memo[str | None, str | None] = Memo(address)
        self._macs: Memo[str | None, str | None] = Memo(_hardware)

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for all records; packets that are no accounting give no fact."""
        positions: list[int] = []
        records: list[_Record] = []
        refused: list[int] = []
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            record = _read(text, start)
            if record is None:
                refused.append(at)
            else:
                positions.append(at)
                records.append(record)
        return Parsed([Part(positions, self._columns(records, lines.zone))] if records else [], refused)

    def _columns(self, records: Sequence[_Record], zone: tzinfo) -> Columns:
        count = len(records)

        def of(*names: str) -> list[str | None]:
            return [next((record[name] for name in names if name in record), None) for record in records]

        statuses = [text and text.lower() for text in of("Acct-Status-Type")]
        meanings = [_WORDS.get(text or "") for text in statuses]
        users, stations = words(of("User-Name", "Stripped-User-Name")), self._macs.column(of("Calling-Station-Id"))
        facts = [
            None if user is not None and station is not None and mac(user) == station else meaning
            for user, station, meaning in zip(users, stations, meanings, strict=True)
        ]
        columns: Columns = {
            "event.module": [NAME] * count,
            "event.action": [text or "unknown" for text in statuses],
            "event.category": [["authentication", "session"]] * count,
            "event.type": [_TYPES[meaning] for meaning in meanings],
            "event.reason": words(of("Acct-Terminate-Cause")),
            "user.name": users,
            "client.ip": self._addresses.column(of("Framed-IP-Address", "Framed-IPv6-Address")),
            "client.mac": stations,
            "source.bytes": _octets(of("Acct-Input-Octets"), of("Acct-Input-Gigawords")),
            "destination.bytes": _octets(of("Acct-Output-Octets"), of("Acct-Output-Gigawords")),
            "observer.ip": self._addresses.column(of("NAS-IP-Address", "NAS-IPv6-Address", "Packet-Src-IP-Address")),
            "observer.name": words(of("NAS-Identifier")),
            "observer.ingress.interface.name": words(of("NAS-Port-Id")),
            "some.session.id": words(of("Acct-Session-Id")),
            "some.fact": [fact and fact.value for fact in facts],
            "some.login.method": [fact and LoginMethod.RADIUS.value for fact in facts],
        }
        lasted = at_most(LONGEST_S, wholes(of("Acct-Session-Time")))
        columns.update(_span([_time(record, zone) for record in records], meanings, lasted))
        return columns

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected; a lone attribute tells how the file was cut."""
        if line[:1] in ("\t", " ") and " = " in line:
            return ParseFailure(NAME, "one attribute of a record: import detail files with `--framing detail`")
        return ParseFailure(NAME, f"expected a date line and indented `Attribute = value` lines, found {line[:40]!r}")


def _span(times: list[int | None], meanings: Sequence[FactWord | None], lasted: Sequence[int | None]) -> Columns:
    """Return the times of packets; those that tell how long the session has lasted tell when it began."""
    counted = [
        seconds if at is not None and meaning in _TIMED else None
        for at, meaning, seconds in zip(times, meanings, lasted, strict=True)
    ]
    starts: list[Any] = [
        None if at is None or seconds is None else at - seconds * SECOND
        for at, seconds in zip(times, counted, strict=True)
    ]
    return {
        "@timestamp": times,
        "event.start": starts,
        "event.end": [at if meaning is FactWord.LOGOUT else None for at, meaning in zip(times, meanings, strict=True)],
        "event.duration": [None if seconds is None else seconds * 1_000_000_000 for seconds in counted],
    }
