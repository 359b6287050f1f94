"""FortiGate: key=value lines of types traffic, utm and event.

<189>date=2026-11-23 time=21:35:43 devname="FW-1" devid="FG100TEST0000001" eventtime=1795458943123456789 \
tz="+0300" logid="0000000013" type="traffic" subtype="forward" level="notice" vd="root" \
srcip=10.20.30.41 srcport=51022 srcintf="lan" dstip=203.0.113.80 dstport=443 dstintf="wan1" sessionid=105048 \
proto=6 action="close" policyid=12 service="HTTPS" trandisp="snat" transip=198.51.100.10 transport=40112 \
duration=116 sentbyte=1188 rcvdbyte=1224 srcmac="00:00:5e:00:53:23" user="ayse"

A line is written when a session ends (message 13 and others), or in between (20: statistics, no end), so a session
began at `eventtime` - `duration`. `eventtime` (s, ms, µs or ns) knows no zone errors: event.start and event.end come
from it. @timestamp is the time as written, with eventtime's fraction; where no `tz` is given eventtime wins.
Keys come in the order that the firmware has for a kind of line, so a *layout* is learned per order: one compiled
pattern that reads such a line whole (`layout.py`). What fits no strict layout is read key by key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingest.parsers import fortigate_fields as fields
from ingest.parsers.layout import Grammar, Layouts
from ingest.parsers.lines import Parsed, ParseFailure, Part

if TYPE_CHECKING:
    from ingest.parsers.lines import Lines

NAME: Final = "fortigate"
_KEYS = frozenset({"logid", "devid", "date", "devname"})
_FOREIGN = frozenset({"device_id", "log_id", "log_type", "device_name", "device"})  # FortiMail, FortiWeb, Sophos

_GRAMMAR = Grammar(wanted=fields.WANTED, whole=fields.WHOLE, constant=fields.CONSTANT, pairs=(("date", "time"),))


class Fortigate:
    """Lines of key=value with the keys of FortiOS."""

    name = NAME
    begins = r"(?:date|devname|devid|logid|logver|itime|timestamp|idseq|time|eventtime|type|vd)="

    def __init__(self) -> None:
        """Start with no layout learned."""
        self._layouts = Layouts(_GRAMMAR)
        self._fields = fields.Fields()

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for each layout."""
        parsed = Parsed()
        tables, unknown = self._layouts.read(lines)
        parsed.refused.extend(unknown)
        for table in tables:
            if not _KEYS & table.keys or _FOREIGN & table.keys:
                parsed.refused.extend(table.positions)
                continue
            columns = self._fields.columns(table, lines.zone)
            parsed.parts.append(Part(table.positions, columns))
        return parsed

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(NAME, f"expected key=value pairs with logid, devid or date, found {line[:40]!r}")
