"""pfSense and OPNsense packet filter (filterlog): comma-separated values, IPv4 and IPv6.

<134>1 2026-11-23T21:35:43.868451+03:00 fw.example.org filterlog 92653 - - 7,,,1000000102,igb1,match,pass,in,4,0x0,,64,\
19008,0,DF,6,tcp,60,10.20.30.41,203.0.113.80,42970,443,0,S,523876198,,64240,,mss;sackOK;TS;nop;wscale

There is no column for address translation. A packet that a rule lets `pass` coming `in` opened a state, so its line
says that this inner address and port spoke to that destination then; going `out` pf shows the translated source, and
nothing tells which inner host it belongs to. Blocked packets say nothing about a connection.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from ingest.fact_words import FactWord
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part, select
from ingest.parsers.values import Memo, address, lower, port, transport, word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.parsers.lines import Lines

NAME: Final = "filterlog"
_LAST = 22  # the values after the ports are not read
_VERSION, _PROTOCOL = 8, {"4": 15, "6": 13}
_PLAIN: Final = {"4": itemgetter(3, 4, 5, 6, 7, 15, 18, 19), "6": itemgetter(3, 4, 5, 6, 7, 13, 15, 16)}
_PORTS: Final = {"4": itemgetter(3, 4, 5, 6, 7, 15, 18, 19, 20, 21), "6": itemgetter(3, 4, 5, 6, 7, 13, 15, 16, 17, 18)}
_WITH_PORTS = frozenset({"6", "17", "132"})
_DIRECTIONS = {"in": "inbound", "out": "outbound"}
_TYPES = {"pass": ["connection", "allowed", "start"], "block": ["connection", "denied"]}
_DENIED = _TYPES["block"]
_OPENED = FactWord.SESSION_OPENED.value


class Filterlog:
    """Lines whose sixth to ninth values are a reason, an action, a direction and the version of IP."""

    name = NAME
    begins = (
        r"\d{0,9},[^,\n]{0,32},[^,\n]{0,255},[^,\n]{0,64},[^,\n]{1,64},[A-Za-z0-9\-]{1,32},[a-z]{2,16},"
        r"(?:in|out|in/out),[46],"
    )

    def __init__(self) -> None:
        """Start with empty memories."""
        self._addresses: Memo[str, str | None] = Memo(address)
        self._ports: Memo[str, int | None] = Memo(port)
        self._transports: Memo[str, str | None] = Memo(transport)
        self._words: Memo[str, str | None] = Memo(word)
        self._lower: Memo[str, str | None] = Memo(lower)

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for each version of IP, with and without ports."""
        parsed = Parsed()
        groups: dict[tuple[str, bool], tuple[list[int], list[list[str]]]] = {}
        starts = lines.starts
        for at, text in enumerate(lines.texts):
            start = starts[at]
            parts = (text[start:] if start else text).split(",", _LAST)
            try:
                version = parts[_VERSION]
                key = version, parts[_PROTOCOL[version]] in _WITH_PORTS
            except (IndexError, KeyError):
                parsed.refused.append(at)
                continue
            group = groups.get(key)
            if group is None:
                group = groups[key] = ([], [])
            group[0].append(at)
            group[1].append(parts)
        for key, (positions, rows) in groups.items():
            self._group(key, positions, rows, parsed)
        return parsed

    def _group(self, key: tuple[str, bool], positions: list[int], rows: list[list[str]], parsed: Parsed) -> None:
        version, with_ports = key
        take = (_PORTS if with_ports else _PLAIN)[version]
        try:
            found = list(map(take, rows))
        except IndexError:  # a line that was cut short: rare, so only now is each looked at
            shortest = {"4": 20, "6": 17}[version] + 2 * with_ports
            whole = [at for at, row in enumerate(rows) if len(row) >= shortest]
            parsed.refused.extend(positions[at] for at, row in enumerate(rows) if len(row) < shortest)
            if not whole:
                return
            positions = list(select(positions, whole))
            found = [take(rows[at]) for at in whole]
        parsed.parts.append(Part(positions, self._columns(found, with_ports=with_ports)))

    def _columns(self, rows: Sequence[tuple[Any, ...]], *, with_ports: bool) -> Columns:
        count = len(rows)
        tracker, interface, reason, action, direction, number, source, destination, *ports = zip(*rows, strict=True)
        sources = self._addresses.column(source)
        columns: Columns = {
            "event.module": [NAME] * count,
            "event.action": self._lower.column(action),
            "event.category": [["network"]] * count,
            "event.type": [_TYPES.get(text, _DENIED) for text in action],
            "event.reason": self._words.column(reason),
            "rule.id": self._words.column(tracker),
            "network.direction": [_DIRECTIONS.get(text) for text in direction],
            "network.iana_number": self._words.column(number),
            "network.transport": self._transports.column(number),
            "source.ip": sources,
            "destination.ip": self._addresses.column(destination),
            "observer.type": ["firewall"] * count,
        }
        inward = [text == "in" for text in direction]
        columns["observer.ingress.interface.name"] = [
            name if into else None for name, into in zip(interface, inward, strict=True)
        ]
        columns["observer.egress.interface.name"] = [
            None if into else name for name, into in zip(interface, inward, strict=True)
        ]
        if with_ports:
            own = columns["source.port"] = self._ports.column(ports[0])
            columns["destination.port"] = self._ports.column(ports[1])
            columns["some.fact"] = [
                _OPENED if into and done == "pass" and ip and here else None
                for into, done, ip, here in zip(inward, action, sources, own, strict=True)
            ]
        return columns

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(
            NAME,
            "expected `rule,sub-rule,anchor,tracker,interface,reason,action,direction,4|6,…,source,destination,…`, "
            f"found {line[:40]!r}",
        )
