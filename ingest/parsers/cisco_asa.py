"""Cisco ASA and FTD: connections, translations, AnyConnect; `%ASA-`, `%FTD-`, `%PIX-` and `%FWSM-` messages.

<166>Nov 23 2026 21:35:43 fw1 : %ASA-6-302013: Built outbound TCP connection 89743276 for \
outside:203.0.113.80/443 (203.0.113.80/443) to inside:10.20.30.41/51022 (198.51.100.10/40112)

Built tells the mapped addresses, Teardown the bytes and the duration (whole seconds, up to its own time): they share
the connection's number. 305011 and 305012 tell the same of a port, for whatever it is used. The message's own time is
the header's; where a relay put a header of its own before it, the device's counts. Messages without a known shape keep
number, level and text. What the shapes mean stands in `cisco_asa_shapes.py`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ingest.parsers import cisco_asa_shapes as shapes
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part, select
from ingest.parsers.syslog import MNEMONIC, Headers
from ingest.parsers.times import BSD_STAMP, SECOND, StampsByZone, bsd
from ingest.parsers.values import words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from ingest.parsers.lines import Lines

NAME: Final = "cisco_asa"
_DAY = 86_400 * SECOND
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:?\d\d)?"
_NAME = r"[^ %:]{1,255}"
_HEAD = re.compile(
    rf"[ :]{{0,3}}(?:({BSD_STAMP}|{_ISO})[ :]{{1,3}})?(?:({_NAME})(?: ?: ?| ))?"
    r"%(ASA|FTD|PIX|FWSM)-(?:[A-Za-z_]{1,20}-)?([0-7])-([0-9]{6})(?::\s?|\s|$)"
)
_LEVELS = ("emergency", "alert", "critical", "error", "warning", "notification", "informational", "debugging")
_DEVICE = {"event.module": NAME, "observer.type": "firewall", "observer.vendor": "Cisco"}

Row = tuple[str, ...]


class CiscoAsa:
    """Lines with the mnemonic of Cisco's firewalls where the message begins."""

    name = NAME
    begins = rf"[ :]{{0,3}}(?:(?:{BSD_STAMP}|{_ISO})[ :]{{1,3}})?(?:{_NAME}(?: ?: ?| ))?{MNEMONIC}"

    def __init__(self) -> None:
        """Start with empty memories."""
        self._headers = Headers()
        self._stamps = StampsByZone()
        self._shapes = shapes.Shapes()

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for each shape of message."""
        parsed = Parsed()
        heads: dict[int, re.Match[str]] = {}
        by_shape: dict[shapes.Shape | None, tuple[list[int], list[tuple[str | None, ...]]]] = {}
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            head = _HEAD.match(text, start)
            if head is None:
                parsed.refused.append(at)
                continue
            heads[at] = head
            shape = shapes.BY_NUMBER.get(head[5])
            found = shape.pattern.match(text, head.end()) if shape else None
            positions, rows = by_shape.setdefault(shape if found else None, ([], []))
            positions.append(at)
            rows.append(found.groups() if found else (text[head.end() :],))
        for shape, (positions, rows) in by_shape.items():
            columns, moments = self._shared(lines, positions, [heads[at] for at in positions])
            if shape is None:
                columns["message"] = [row[0] for row in rows]
            else:
                shape.fill(self._shapes, columns, rows, moments)
            parsed.parts.append(Part(positions, columns))
        return parsed

    def _shared(
        self, lines: Lines, positions: Sequence[int], heads: Sequence[re.Match[str]]
    ) -> tuple[Columns, list[int]]:
        """Return the columns that every message has, and the messages' times."""
        received = select(lines.received, positions)
        moments = self._headers.moments(select(lines.texts, positions), received, lines.zone)
        stamps, names, products, levels, numbers = zip(*(head.groups() for head in heads), strict=True)
        columns: Columns = {name: [value] * len(positions) for name, value in _DEVICE.items()}
        columns["observer.product"] = [product.lower() for product in products]
        columns["log.level"] = [_LEVELS[int(level)] for level in levels]
        columns["event.code"] = list(numbers)
        if any(stamps):
            own = [self._own(stamp, lines.zone, at) for stamp, at in zip(stamps, received, strict=True)]
            columns["@timestamp"] = own
            moments = [moment if at is None else at for at, moment in zip(own, moments, strict=True)]
        if any(names):
            columns["observer.hostname"] = words(names)
        return columns, moments

    def _own(self, stamp: str | None, zone: tzinfo, received: int) -> int | None:
        """Return the time that the device wrote after a relay's header."""
        if stamp is None:
            return None
        return self._stamps[zone].iso[stamp] if "T" in stamp[:11] else bsd(stamp, zone, received // _DAY)

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(NAME, f"expected %ASA-level-number or %FTD-level-number, found {line[:40]!r}")
