"""IPFIX and NetFlow 9: NAT events (RFC 8158), Cisco NSEL, flow records with NAT fields; bytes, here in hex.

000a0064 6b048780 00000007 00000001
00020030 0100000a 01430008 00e60001 00080004 00e10004 00070002 00e30002 000c0004 000b0002 00040001 00ea0004
01000024 000001a2 09b14893 040a141e 29c63364 07c74e9c 41cb0071 5001bb06 00000000

One record is one message with one template and one data record, as `ingest/ipfix.py` cuts them. Messages of templates
or options alone are events without a fact; data without its template is a stated failure.

natEvent is numbered in two ways: RFC 8158 (IANA) and the drafts before it, which Juniper still uses. They agree on what
opens and what closes, so the number tells that, and the record's own fields tell the rest: a port range is a block, a
destination a session, neither a translation. `event.code` is the number as sent. NSEL's firewallEvent (233, first
40005): 1 created, 2 deleted, 3 denied, 4 alert, 5 update. `@timestamp` is the event, the flow's end, or the export.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from ingest import ipfix
from ingest.parsers.flow_fields import Flows, columns
from ingest.parsers.lines import Columns, ParseFailure, Part, select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

NAME: Final = "ipfix"
BEGINS: Final = (b"\x00\x09", b"\x00\x0a")
"""The versions; no text begins with NUL."""
_TEXTS = b"\x00\x0b"

_SECOND = 1_000_000
_KNOWN = 512  # templates at hand
_LONGEST_SPEC = 2048  # a real one has up to sixty fields; what hostile ones cost is not remembered
_REVERSE_OCTETS = -1
"""Stands for element 1 of the answer's direction (RFC 5103)."""
_WANTED: Final = frozenset(
    {
        1, 4, 7, 8, 11, 12, 21, 22, 27, 28, 56, 80, 85, 96, 148, *range(150, 161), 180, 181, 182, 183, 225, 226,
        227, 228, 230, 231, 232, 233, 234, 236, 281, 282, 322, 323, 324, 325, 361, 362, 363, 364, 365, 366, 371,
    }
)  # fmt: skip
_WANTED_9: Final = _WANTED | {33002, 40000, 40001, 40002, 40003, 40004, 40005, 56701, 56702}


def chosen(messages: Sequence[bytes], rows: Sequence[int], *, pinned: bool) -> tuple[Sequence[int], Sequence[int]]:
    """Return those of `rows` whose messages are flows, and the others; `pinned` = all are."""
    if pinned or not rows:
        return rows, []
    if min(select(messages, rows)) >= _TEXTS:  # one look for a whole block of texts
        return [], rows
    flows = [row for row in rows if messages[row].startswith(BEGINS)]
    return (flows, [row for row in rows if not messages[row].startswith(BEGINS)]) if flows else ([], rows)


class _Layout:
    """How the values of one template are taken from its records."""

    __slots__ = ("elements", "template", "values")

    def __init__(self, template: ipfix.Template, version: int) -> None:
        self.template = template
        wanted = _WANTED_9 if version == ipfix.NETFLOW_9 else _WANTED
        taken: dict[int, int] = {}
        for place, one in enumerate(template.fields):
            element = one.element if not one.enterprise else 0
            if one.enterprise == ipfix.REVERSE and one.element == 1:
                element = _REVERSE_OCTETS
            if one.length and (element in wanted or element == _REVERSE_OCTETS):
                taken.setdefault(element, place)  # the first of several
        self.elements = tuple(taken)
        places = frozenset(taken.values())
        self.values = _fixed(template, places) if len(template.skips) == 1 else _walking(template, places)


def _fixed(template: ipfix.Template, places: frozenset[int]) -> Callable[[bytes], tuple[bytes, ...]]:
    form = [f"{one.length}{'s' if at in places else 'x'}" for at, one in enumerate(template.fields)]
    return struct.Struct(">" + "".join(form)).unpack_from


def _walking(template: ipfix.Template, places: frozenset[int]) -> Callable[[bytes], tuple[bytes, ...]]:
    lengths = [(at in places, one.length) for at, one in enumerate(template.fields)]

    def values(record: bytes) -> tuple[bytes, ...]:
        found: list[bytes] = []
        position = 0
        for taken, length in lengths:
            start, end = ipfix.span(record, position, length)
            if taken:
                found.append(record[start:end])
            position = end
        return tuple(found)

    return values


class Ipfix:
    """Messages of NetFlow 9 and IPFIX."""

    name = NAME

    def __init__(self) -> None:
        """Start with empty memories."""
        self._layouts: dict[tuple[int, bytes], _Layout | None] = {}
        self._flows = Flows()

    def parse(self, messages: Sequence[bytes], received: Sequence[int]) -> list[Part]:
        """Return parts that are complete, failures too; `received` in microseconds since 1970. Never raises.

        `some.delay` counts from the export: a flow ends long before it is told.
        """
        groups: dict[int, tuple[_Layout, list[int], list[ipfix.Message], list[bytes]]] = {}
        others: dict[str, list[int]] = {}
        exported = list(received)
        failures: dict[int, ParseFailure] = {}
        for at, raw in enumerate(messages):
            found = self._read(raw)
            if isinstance(found, ParseFailure):
                failures[at] = found
                continue
            message, layout, record = found
            exported[at] = message.exported * _SECOND
            if layout is None:
                others.setdefault(record.decode(), []).append(at)
                continue
            _, positions, heads, records = groups.setdefault(id(layout), (layout, [], [], []))
            positions.append(at)
            heads.append(message)
            records.append(record)
        parts = [self._part(*group) for group in groups.values()]
        parts += [_notice(action, positions, exported) for action, positions in others.items()]
        for part in parts:
            part.columns["event.kind"] = ["event"] * len(part.positions)
            part.columns["some.delay"] = [(received[at] - exported[at]) // 1000 for at in part.positions]
        return [*parts, _failed(failures, received)] if failures else parts

    def _part(self, layout: _Layout, positions: list[int], heads: list[ipfix.Message], records: list[bytes]) -> Part:
        rows = list(map(layout.values, records))
        taken: dict[int, Sequence[bytes]] = dict(zip(layout.elements, zip(*rows, strict=True), strict=True))
        found: Columns = {"event.module": [NAME] * len(rows), "event.category": [["network"]] * len(rows)}
        found.update(columns(self._flows, taken, heads))
        return Part(positions, found)

    def _read(self, raw: bytes) -> tuple[ipfix.Message, _Layout | None, bytes] | ParseFailure:
        """Return the message with its one data record; or, without a layout, the name of what else it is."""
        message = ipfix.read(raw)
        if message is None or any(raw[message.end :]):
            return ParseFailure(NAME, f"the sets of the message do not add up ({len(raw)} bytes)")
        layouts: dict[int, _Layout] = {}
        content: list[tuple[int, int, int]] = []
        for one in message.sets:
            if message.holds_records(one):
                content.append(one)
            elif not self._announced(message, one, layouts):
                return ParseFailure(NAME, "a template does not add up")
        missing = [str(one[0]) for one in content if one[0] not in layouts]
        if missing:
            return ParseFailure(NAME, f"template {missing[0]} was not known when this message came")
        if not content or all(layouts[one[0]].template.options for one in content):
            return message, None, b"options" if content else b"templates"
        return _single(message, content, layouts[content[0][0]])

    def _announced(self, message: ipfix.Message, one: tuple[int, int, int], layouts: dict[int, _Layout]) -> bool:
        """Add a set's templates to `layouts`; False where they do not add up."""
        start = one[1] - ipfix.SET_HEADER
        key = message.version, message.raw[start : one[2]]
        layout = self._layouts.get(key)
        if layout is not None:
            layouts[layout.template.number] = layout
            return True
        found = ipfix.templates_of(message, one)
        if found is None:
            return False
        for template in found:
            layouts[template.number] = layout = _Layout(template, message.version)
            if len(found) == 1 and len(key[1]) <= _LONGEST_SPEC:
                if len(self._layouts) >= _KNOWN:
                    self._layouts.clear()
                self._layouts[key] = layout
        return True


def _single(
    message: ipfix.Message, content: list[tuple[int, int, int]], layout: _Layout
) -> tuple[ipfix.Message, _Layout, bytes] | ParseFailure:
    """Return the one data record of a message."""
    records = layout.template.records(message.body(content[0]))
    if records is None:
        return ParseFailure(NAME, f"template {layout.template.number} does not fit the record")
    if len(content) > 1 or len(records) > 1:
        return ParseFailure(NAME, "more than one data record in the message")
    return message, layout, records[0]


def _notice(action: str, positions: list[int], exported: Sequence[int]) -> Part:
    """Return the columns of messages without flows."""
    count = len(positions)
    found: Columns = {
        "@timestamp": [exported[at] for at in positions],
        "event.module": [NAME] * count,
        "event.action": [action] * count,
        "event.category": [["network"]] * count,
        "event.type": [["info"]] * count,
    }
    return Part(positions, found)


def _failed(failures: Mapping[int, ParseFailure], received: Sequence[int]) -> Part:
    """Return the columns of messages that cannot be decoded."""
    found: Columns = {
        "@timestamp": [received[at] for at in failures],
        "event.kind": ["pipeline_error"] * len(failures),
        "error.message": [str(failure) for failure in failures.values()],
    }
    return Part(list(failures), found)
