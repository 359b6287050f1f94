"""Windows DHCP server: its audit log, lines of comma-separated values, IPv4 and IPv6.

10,11/23/26,21:35:43,Assign,10.20.30.41,pc-0412.example.org,00005E005323,,2774106381,0,,,,0x4D534654,MSFT 5.0,,,,0

The documented order of the date is month/day/year. A file cannot say that its server writes day/month, and no line is
guessed from its neighbours: only where the month cannot be one (above 12) is the line read day/month. A date with dots
(`23.11.26`) is day.month.year, as every locale that writes dots does. Times are in the server's zone, and name none.
Facts: 10 assigned, 11 renewed; 12 released, 16 deleted, 17 and 18 expired. The lease's length is not in the log.
The heading and the table of event numbers at the top of each file are no records, and are refused as such.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.times import microseconds
from ingest.parsers.values import Memo, address, mac, word, words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from ingest.parsers.lines import Lines

NAME: Final = "windows_dhcp"
_LINE = re.compile(
    r"([0-9]{1,5}),([0-9]{1,2})([/.\-])([0-9]{1,2})\3([0-9]{4}|[0-9]{2}),([0-9]{1,2}):([0-9]{2}):([0-9]{2}),"
    r"([^,]*),([^,]*),([^,]*)(?:,([^,]*))?",
)
_HEADING = re.compile(r"\s*(?:Microsoft (?:Windows )?DHCP|ID,Date,Time|Event ID\s|\d\d\+?\s+[A-Z]|QResult)")
_ACTIONS: Final = {
    "00": "log-started", "01": "log-stopped", "02": "log-paused", "10": "assign", "11": "renew", "12": "release",
    "13": "address-in-use", "14": "scope-exhausted", "15": "deny", "16": "delete", "17": "expire", "18": "expire",
    "20": "bootp-assign", "21": "bootp-assign", "22": "bootp-exhausted", "23": "bootp-delete",
    "24": "cleanup-started", "25": "cleanup-ended", "30": "dns-update-requested", "31": "dns-update-failed",
    "32": "dns-updated", "33": "drop-nap", "34": "dns-queue-full", "35": "dns-request-failed", "36": "drop-standby",
}  # fmt: skip
_GRANTED, _ENDED = FactWord.LEASE_GRANTED.value, FactWord.LEASE_ENDED.value
_FACTS: Final = {"10": _GRANTED, "11": _GRANTED, "12": _ENDED, "16": _ENDED, "17": _ENDED, "18": _ENDED}
_TYPES = {_GRANTED: ["protocol", "start"], _ENDED: ["protocol", "end"], None: ["protocol", "info"]}
_MONTHS = 12
_V6 = 11_000
_NOBODY = frozenset({"00-00-00-00-00-00", None})


def _moment(parts: tuple[str, ...], zone: tzinfo) -> int | None:
    """Return the time of (first, separator, second, year, hour, minute, second)."""
    first, separator, second, year, hour, minute, seconds = parts
    month, day = int(first), int(second)
    if separator == "." or month > _MONTHS:
        month, day = day, month
    try:
        full = int(year) + (2000 if len(year) == len("26") else 0)
        return microseconds(datetime(full, month, day, int(hour), int(minute), int(seconds), tzinfo=zone))
    except (ValueError, OverflowError):
        return None


class WindowsDhcp:
    """Lines that begin with a number, a date and a time, with commas between them."""

    name = NAME
    begins = r"\d{1,5},\d{1,2}[/.\-]\d{1,2}[/.\-]\d{2,4},\d{1,2}:\d\d:\d\d,"

    def __init__(self) -> None:
        """Start with empty memories."""
        self._addresses: Memo[str | None, str | None] = Memo(address)
        self._macs: Memo[str | None, str | None] = Memo(mac)

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for all records."""
        positions: list[int] = []
        rows: list[tuple[str, ...]] = []
        times: list[int | None] = []
        refused: list[int] = []
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            found = _LINE.match(text, start)
            moment = _moment(found.group(2, 3, 4, 5, 6, 7, 8), lines.zone) if found else None
            if found is None or moment is None:
                refused.append(at)
                continue
            positions.append(at)
            times.append(moment)
            rows.append(found.group(1, 9, 10, 11, 12))
        return Parsed([Part(positions, self._columns(rows, times))] if rows else [], refused)

    def _columns(self, rows: Sequence[tuple[str, ...]], times: list[int | None]) -> Columns:
        codes, said, ips, hosts, macs = zip(*rows, strict=True)
        count = len(rows)
        addresses = self._addresses.column(ips)
        facts = [_FACTS.get(code) if ip else None for code, ip in zip(codes, addresses, strict=True)]
        hardware = [
            None if int(code) >= _V6 or (found := self._macs[text]) in _NOBODY else found
            for code, text in zip(codes, macs, strict=True)
        ]
        return {
            "@timestamp": list(times),
            "event.module": [NAME] * count,
            "event.code": list(codes),
            "event.action": [
                _ACTIONS.get(code) or (word(text) or code).lower().replace(" ", "-")
                for code, text in zip(codes, said, strict=True)
            ],
            "event.category": [["network"]] * count,
            "event.type": [_TYPES[fact] for fact in facts],
            "message": words(said),
            "network.protocol": ["dhcp"] * count,
            "network.transport": ["udp"] * count,
            "client.ip": addresses,
            "client.mac": hardware,
            "host.hostname": words([name.rstrip(".") for name in hosts]),
            "observer.vendor": ["Microsoft"] * count,
            "some.fact": facts,
        }

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected; the heading of a file is named as that."""
        if _HEADING.match(line):
            return ParseFailure(NAME, "a heading of the file, not a record")
        return ParseFailure(NAME, f"expected `ID,MM/DD/YY,HH:MM:SS,description,address,…`, found {line[:40]!r}")
