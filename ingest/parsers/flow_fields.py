"""What the elements of IPFIX and NetFlow 9 mean: addresses, ports, times, events, and what a record attests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord
from ingest.parsers.values import LONGEST_S, MAX_PORT, Memo, address, mac, transport

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.ipfix import Message
    from ingest.parsers.lines import Columns

_SECOND: Final = 1_000_000
_LATEST: Final = 253_402_300_799 * _SECOND  # the year 9999
_NTP: Final = 2_208_988_800  # seconds from 1900 to 1970 (RFC 5905)
_WRAP: Final = 2**32  # milliseconds of uptime have 32 bits: 49.7 days
_LARGEST: Final = 2**63
_DECADE: Final = 3653 * 86_400 * _SECOND
_IPV4, _IPV6 = 4, 16
_MAC_BYTES: Final = 6
_NUMBER_BYTES: Final = 8
_TEXT_BYTES: Final = 256

_REVERSE_OCTETS: Final = -1
_NAT: Final = frozenset({225, 227, 281, 40001, 40003})
_OPENS: Final = frozenset({1, 4, 6, 8, 10, 14, 16})
_CLOSES: Final = frozenset({2, 5, 7, 9, 11, 15, 17})
_BLOCKS: Final = frozenset({1, 2, 14, 15, 16, 17})
"""NAT events that can be about a block of ports: 16 and 17 in RFC 8158, 14 and 15 in its drafts, 1 and 2 with some."""
_BINDINGS: Final = frozenset({1, 2, *range(4, 12)})
"""NAT events that can be about one port; address bindings (12 to 15) and exhaustion are not."""

_START, _END, _SEEN = ["connection", "start"], ["connection", "end"], ["connection", "info"]
_DENIED, _INFO = ["connection", "denied"], ["info"]
_FIREWALL: Final = {
    1: ("flow-created", _START, FactWord.SESSION_OPENED),
    2: ("flow-deleted", _END, FactWord.SESSION_CLOSED),
    3: ("flow-denied", _DENIED, None),
    4: ("flow-alert", _SEEN, None),
    5: ("flow-updated", _SEEN, FactWord.SESSION_SEEN),
}
_NOTHING: Final = ("flow", _SEEN, None)

_Meaning = tuple[str, list[str], FactWord | None]
Taken = "Mapping[int, Sequence[bytes]]"


def _address(raw: bytes) -> str | None:
    if len(raw) == _IPV4:
        return address(".".join(map(str, raw)))
    return address(":".join(raw[at : at + 2].hex() for at in range(0, _IPV6, 2))) if len(raw) == _IPV6 else None


def _mac(raw: bytes) -> str | None:
    return mac(raw.hex()) if len(raw) == _MAC_BYTES and any(raw) else None


def _text(raw: bytes) -> str | None:
    return raw.partition(b"\x00")[0].decode("utf-8", "replace").strip() or None


class Flows:
    """Memories of single values."""

    def __init__(self) -> None:
        """Start with empty memories."""
        self.addresses: Memo[bytes, str | None] = Memo(_address)
        self.macs: Memo[bytes, str | None] = Memo(_mac)
        self.texts: Memo[bytes, str | None] = Memo(_text)


def _whole(raw: bytes) -> int | None:
    return int.from_bytes(raw, "big") if len(raw) <= _NUMBER_BYTES else None


def _number(raw: bytes) -> int | None:
    value = _whole(raw)
    return value if value is not None and value < _LARGEST else None


def _short(values: Sequence[bytes]) -> Sequence[bytes]:
    """Return values that a memory may hold: what is longer means nothing here, or only its beginning does."""
    return values if len(max(values, key=len)) <= _TEXT_BYTES else [one[:_TEXT_BYTES] for one in values]


class _Table:
    """The values of records of one template, column by column."""

    def __init__(self, flows: Flows, taken: Mapping[int, Sequence[bytes]], heads: Sequence[Message]) -> None:
        self.taken = taken
        self.heads = heads
        self._flows = flows

    def __len__(self) -> int:
        return len(self.heads)

    def none(self) -> list[None]:
        return [None] * len(self.heads)

    def has(self, *elements: int) -> bool:
        return not self.taken.keys().isdisjoint(elements)

    def numbers(self, *elements: int) -> list[int | None]:
        """Return the first of `elements` that the template has."""
        for element in elements:
            if element in self.taken:
                return list(map(_number, self.taken[element]))
        return list(self.none())

    def ports(self, *elements: int) -> list[int | None]:
        return [one if one is not None and 0 < one <= MAX_PORT else None for one in self.numbers(*elements)]

    def addresses(self, *elements: int) -> list[str | None]:
        """Return the first of `elements` that is an address other than all zeros."""
        found: list[str | None] = list(self.none())
        for element in reversed(elements):
            if element in self.taken:
                own = self._flows.addresses.column(_short(self.taken[element]))
                found = [one or other for one, other in zip(own, found, strict=True)]
        return found

    def macs(self, element: int) -> list[str | None]:
        return self._flows.macs.column(_short(self.taken[element])) if element in self.taken else list(self.none())

    def texts(self, *elements: int) -> list[str | None]:
        for element in elements:
            if element in self.taken:
                return self._flows.texts.column(_short(self.taken[element]))
        return list(self.none())


def columns(flows: Flows, taken: Mapping[int, Sequence[bytes]], heads: Sequence[Message]) -> Columns:
    """Return the columns of records whose `taken` values are by element number; `heads` are their messages.

    40001 to 40005, 33002, 40000 are Cisco's own of NetFlow 9, 56701 and 56702 Palo Alto's, -1 the answer's octets.
    """
    table = _Table(flows, taken, heads)
    protocols = [None if one is None else str(one) for one in table.numbers(4)]
    found: Columns = {
        "source.ip": table.addresses(8, 27),
        "source.port": table.ports(7, 182, 180),
        "source.mac": table.macs(56),
        "source.nat.ip": table.addresses(225, 281, 40001),
        "source.nat.port": table.ports(227, 40003),
        "source.user.name": table.texts(40000, 56702),
        "destination.ip": table.addresses(12, 28),
        "destination.port": table.ports(11, 183, 181),
        "destination.mac": table.macs(80),
        "destination.nat.ip": table.addresses(226, 282, 40002),
        "destination.nat.port": table.ports(228, 40004),
        "client.ip": table.addresses(366),
        "client.mac": table.macs(365),
        "network.iana_number": protocols,
        "network.transport": [transport(one) for one in protocols],
        "network.application": table.texts(96, 56701),
        "some.session.id": [str(one) if one else None for one in table.numbers(148)],
        "some.vdom": _networks(table),
    }
    found["user.name"] = [a or b for a, b in zip(found["source.user.name"], table.texts(371), strict=True)]
    found.update(_octets(table))
    found.update(_block(table))
    _times(table, found)
    _meanings(table, found)
    return {name: values for name, values in found.items() if any(value is not None for value in values)}


def _networks(table: _Table) -> list[str | None]:
    """Return the VRF on the inner side; number 0 is the default one."""
    return [str(number) if number else name for number, name in zip(table.numbers(234), table.texts(236), strict=True)]


def _octets(table: _Table) -> Columns:
    nsel = table.has(233, 40005) and not table.has(1)
    return {
        "source.bytes": table.numbers(231, 1) if nsel else table.numbers(231, 1, 85),  # NSEL's 85 is both directions
        "destination.bytes": table.numbers(232, _REVERSE_OCTETS),
    }


def _block(table: _Table) -> Columns:
    """Return the ports of a block, both inclusive; one with gaps (363) is none."""
    firsts, lasts = table.numbers(361), table.numbers(362)
    if not table.has(361):
        return {}
    steps, sizes = table.numbers(363), table.numbers(364)
    if not table.has(362):
        lasts = [None if a is None or not n else a + n - 1 for a, n in zip(firsts, sizes, strict=True)]
    good = [
        a is not None and b is not None and a <= b <= MAX_PORT and step in (None, 0, 1)
        for a, b, step in zip(firsts, lasts, steps, strict=True)
    ]
    return {
        "some.nat.port_first": [one if fine else None for one, fine in zip(firsts, good, strict=True)],
        "some.nat.port_last": [one if fine else None for one, fine in zip(lasts, good, strict=True)],
    }


def _times(table: _Table, found: Columns) -> None:
    """Add the times: what is not told is absent, and `@timestamp` is then the export's."""
    starts = _moments(table, (152, 150, 154, 156, 158, 22))
    ends = _moments(table, (153, 151, 155, 157, 159, 21))
    seen = _moments(table, (323, 322, 324, 325))
    for at, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if start is not None and end is not None and not 0 <= end - start <= LONGEST_S * _SECOND:
            starts[at] = None
    found["event.start"], found["event.end"] = starts, ends
    found["event.duration"] = [
        None if start is None or end is None else (end - start) * 1000 for start, end in zip(starts, ends, strict=True)
    ]
    found["@timestamp"] = [
        own or end or head.exported * _SECOND for own, end, head in zip(seen, ends, table.heads, strict=True)
    ]


def _moments(table: _Table, elements: Sequence[int]) -> list[int | None]:
    """Return the first of `elements` that the template has, in microseconds."""
    for element in elements:
        if element not in table.taken:
            continue
        numbers = map(_whole, table.taken[element])
        inits = table.numbers(160)
        found = [
            None if number is None else _moment(element, number, head, init)
            for number, head, init in zip(numbers, table.heads, inits, strict=True)
        ]
        # zero, and what lies decades from the export, is not believed (seen: 1970 beside a right export time)
        return [
            one if one is not None and 0 < one <= _LATEST and abs(one - head.exported * _SECOND) < _DECADE else None
            for one, head in zip(found, table.heads, strict=True)
        ]
    return list(table.none())


def _moment(element: int, number: int, head: Message, init: int | None) -> int | None:
    """Return a time by the unit that its element has (RFC 5102 and RFC 7011 section 6.1)."""
    exported = head.exported * _SECOND
    if element in (21, 22):
        return _uptime(number, head, init)
    if element in (158, 159):
        return exported - number
    if element in (150, 151, 322):
        return number * _SECOND
    if element in (152, 153, 323):
        return number * 1000
    ntp = ((number >> 32) - _NTP) * _SECOND + ((number & (_WRAP - 1)) * _SECOND >> 32)
    plain = number if element in (154, 155, 324) else number // 1000
    # some exporters count from 1970 where the standard says NTP
    return plain if abs(plain - exported) < _DECADE < abs(ntp - exported) else ntp


def _uptime(number: int, head: Message, init: int | None) -> int | None:
    """Return the time of milliseconds of uptime: by NetFlow 9's header, or systemInitTimeMilliseconds (160)."""
    if head.uptime is not None:
        ahead = (number - head.uptime + _WRAP // 2) % _WRAP - _WRAP // 2
        return head.exported * _SECOND + ahead * 1000
    if not init:
        return None
    wraps = max(round((head.exported * 1000 - init - number) / _WRAP), 0)
    return (init + number + wraps * _WRAP) * 1000


def _meanings(table: _Table, found: Columns) -> None:
    """Add what happened, and what that attests."""
    events, firewall = table.numbers(230), table.numbers(233, 40005)
    natted = table.has(*_NAT)
    # an event has a time of its own (323); others mark flows of both directions: which of two began is then unknown
    timed = table.has(323)
    firsts = found.get("some.nat.port_first") or table.none()
    told: list[_Meaning] = []
    for row, (event, verdict) in enumerate(zip(events, firewall, strict=True)):
        spans = None not in (found["event.start"][row], found["event.end"][row])
        if event:  # 0 is no event: seen in the reports between a session's first and last
            meaning = _nat_event(event, row, found, block=firsts[row] is not None)
            told.append(_spanning(meaning) if spans and not timed else meaning)
            continue
        action, types, word = _FIREWALL.get(verdict or 0, _NOTHING)
        word = FactWord.SESSION if verdict is None and natted and spans else word if natted or timed else None
        told.append((action, types, word if _is_session(row, found) and not _is_answer(row, found) else None))
    codes = [one or other for one, other in zip(events, firewall, strict=True)]
    found["event.action"] = [action for action, _, _ in told]
    found["event.type"] = [types for _, types, _ in told]
    found["event.code"] = [None if code is None else str(code) for code in codes]
    found["some.fact"] = [None if word is None else word.value for _, _, word in told]


def _is_session(row: int, found: Columns) -> bool:
    return found["source.ip"][row] is not None and found["destination.ip"][row] is not None


def _is_answer(row: int, found: Columns) -> bool:
    """Say whether only the destination was translated: the answers of a session, or a published server's visitor."""

    def changed(side: str) -> bool:
        ip, port = found[f"{side}.nat.ip"][row], found[f"{side}.nat.port"][row]
        other = ip is not None and ip != found[f"{side}.ip"][row]
        return other or (port is not None and port != found[f"{side}.port"][row])

    return changed("destination") and not changed("source")


def _spanning(meaning: _Meaning) -> _Meaning:
    """Return what a flow record attests that is marked with an event: its own span, whatever came before or after."""
    action, types, word = meaning
    spanning = word in {FactWord.SESSION_OPENED, FactWord.SESSION_CLOSED}
    return action, types, FactWord.SESSION if spanning else word


def _nat_event(event: int, row: int, found: Columns, *, block: bool) -> _Meaning:
    """Return what a NAT event means; see the head of `ipfix.py` for the two numberings."""
    opens = event in _OPENS
    types = _START if opens else _END
    translated = found["source.ip"][row] is not None and found["source.nat.ip"][row] is not None
    if not opens and event not in _CLOSES:
        return f"nat-event-{event}", _INFO, None
    if block and event in _BLOCKS and translated:
        word = FactWord.BLOCK_OPENED if opens else FactWord.BLOCK_CLOSED
        return f"nat-block-{'allocated' if opens else 'released'}", types, word
    if event not in _BINDINGS or block:
        return f"nat-event-{event}", _INFO, None
    done = "created" if opens else "deleted"
    if _is_session(row, found):
        return f"nat-session-{done}", types, FactWord.SESSION_OPENED if opens else FactWord.SESSION_CLOSED
    if translated and found["source.nat.port"][row] is not None:
        return f"nat-translation-{done}", types, FactWord.TRANSLATION_OPENED if opens else FactWord.TRANSLATION_CLOSED
    return f"nat-event-{event}", _INFO, None
