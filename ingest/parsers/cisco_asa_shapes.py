r"""What messages of Cisco ASA and FTD say, by number: patterns and columns. Source: Cisco ASA Series Syslog Messages.

Real and mapped: `interface:real/port (mapped/port)`. Built lines name the initiator: of an outbound connection the
second endpoint, of an inbound one the first. Teardown lines do not: there the inner side, which comes second, is the
source, unless the first alone carries a user's name, or only the second's port is a well-known one (a published server,
a client in a tunnel); where state is bypassed (`from`) the first is. ICMP's source is the local address, because its
Teardown knows no direction either; it has no ports. `LOCAL\` before a user's name is the firewall's own database and no
domain.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord, LoginMethod
from ingest.parsers.times import SECOND
from ingest.parsers.values import LONGEST_S, Memo, address, decoded, lower, port, whole, word

if TYPE_CHECKING:
    from ingest.parsers.lines import Columns

Texts = tuple[str | None, ...]
_WELL_KNOWN: Final = 1024

_IF = r"(?:[^:()]{1,80}:)?"
_ZONE = r"(?:[^:()]{1,80}(?:\([^()]{0,80}\))?:)?"
_HOST = r"([^\s/()]{1,255})"
_PORT = r"(?:/([0-9]{1,5}))?"
_USER = r"(?: ?\(([^()]{1,128})\))?"
_LASTED = r"duration ([0-9]{1,7}):([0-9]{2}):([0-9]{2})"
_MAPPED = rf"{_IF}{_HOST}{_PORT} ?\({_HOST}{_PORT}\){_USER}"
_REAL = rf"{_IF}{_HOST}{_PORT}{_USER}"
_PROTOCOL = r"([A-Za-z0-9]{1,12})"

_BUILT = re.compile(
    rf"Built (inbound |outbound )?(?:Probe )?{_PROTOCOL}(?: state-bypass)? connection ([0-9]{{1,20}}) (?:for|from) "
    rf"{_MAPPED} to {_MAPPED}{_USER}"
)
_TEARDOWN = re.compile(
    rf"Teardown (?:Probe )?{_PROTOCOL}(?: state-bypass)? connection ([0-9]{{1,20}}) (for|from) {_REAL} to {_REAL} "
    rf"{_LASTED} bytes ([0-9]{{1,18}})(?: ([^(]{{1,80}}?)(?: from [^ (]{{1,80}})?{_USER})?\s*$"
)
_ICMP = re.compile(
    rf"(Built|Teardown) (inbound |outbound )?ICMP connection for faddr {_HOST}{_PORT}{_USER} gaddr {_HOST}{_PORT} "
    rf"laddr {_HOST}{_PORT}{_USER}"
)
_TRANSLATION = re.compile(
    rf"(Built|Teardown) (?:dynamic|static) (?:{_PROTOCOL} )?translation from {_ZONE}{_HOST}{_PORT}{_USER} "
    rf"to {_ZONE}{_HOST}{_PORT}(?: {_LASTED})?"
)
_BLOCK = re.compile(
    rf"(Allocated|Released) (?:{_PROTOCOL} )?(?:port )?block of ports for translation from {_ZONE}{_HOST}{_USER} "
    rf"to {_ZONE}{_HOST}/([0-9]{{1,5}}) ?- ?([0-9]{{1,5}})(?: {_LASTED})?"
)
_DENIED = re.compile(
    rf"Deny {_PROTOCOL} src {_IF}{_HOST}{_PORT}{_USER} dst {_IF}([^\s/()]{{1,255}}){_PORT}"
    r"(?:.{0,200}? by access-group \"([^\"]{1,255})\")?"
)
_MATCHED = re.compile(
    rf"access-list ([^ ]{{1,255}}) ([a-z\-]{{1,20}}) {_PROTOCOL} (?:for user '?([^ ']{{1,128}})'? )?"
    rf"[^ /]{{1,80}}/{_HOST}\(([0-9]{{1,5}})\){_USER} -> [^ /]{{1,80}}/{_HOST}\(([0-9]{{1,5}})\)"
)
_URL = re.compile(rf"(?:([^ @]{{1,128}})@)?{_HOST}{_USER} Accessed (?:JAVA )?URL ([^\s/()]{{1,255}}?):(\S{{1,8192}})")
_ASSIGNED = re.compile(
    r"Group <([^>]{0,255})> User <([^>]{1,255})> IP <([^>]{1,64})> IPv4 Address <([^>]{0,64})> "
    r"IPv6 address <([^>]{0,64})> assigned"
)
_ANYCONNECT = re.compile(r"Group <([^>]{0,255})> User <([^>]{1,255})> IP <([^>]{1,64})> (.{1,255})")
_LEFT = re.compile(
    r"Group = ([^,]{0,255}), Username = ([^,]{1,255}), IP = ([^ ,]{1,64}), Session disconnected\. "
    r"Session Type: ([^,]{0,64}), Duration: (?:([0-9]{1,5})d ?)?([0-9]{1,5})h:([0-9]{1,2})m:([0-9]{1,2})s, "
    r"Bytes xmt: ([0-9]{1,18}), Bytes rcv: ([0-9]{1,18})(?:, Reason: (.{1,255}))?"
)
_MAPPING = re.compile(
    r"user-identity: (Add|Delete) IP-User mapping ([^ ]{1,64}) - ([^ ]{1,255}) (Succeeded|Failed)(?: - (.{1,255}))?"
)
_PARTS = re.compile(
    r"(?:([A-Za-z][A-Za-z0-9+.\-]{0,15})://([^/?#:]{1,255})(?::[0-9]{1,5})?)?([^?]*)(?:\?(.*))?", re.DOTALL
)
_IANA = {"icmp6": "ipv6-icmp", "1": "icmp", "6": "tcp", "17": "udp", "58": "ipv6-icmp"}


class Shapes:
    """Turns rows of texts into columns; keeps bounded memories of single values."""

    def __init__(self) -> None:
        """Start with empty memories."""
        self.addresses: Memo[str | None, str | None] = Memo(address)
        self.ports: Memo[str | None, int | None] = Memo(port)
        self.transports: Memo[str | None, str | None] = Memo(_transport)
        self.users: Memo[str | None, tuple[str | None, str | None]] = Memo(_user)

    def side(self, columns: Columns, name: str, hosts: Sequence[str | None], ports: Sequence[str | None]) -> None:
        """Fill in `name`.ip and `name`.port; a host's name, which the firewall may be told to write, is its address."""
        found = self.addresses.column(hosts)
        columns[f"{name}.ip"] = found
        columns[f"{name}.port"] = self.ports.column(ports)
        if None in found:
            columns[f"{name}.address"] = [
                word(host) if ip is None else None for ip, host in zip(found, hosts, strict=True)
            ]

    def mapped(self, columns: Columns, name: str, hosts: Sequence[str | None], ports: Sequence[str | None]) -> None:
        """Fill in `name`.nat.*, but where the mapped side is the real one: there nothing is translated."""
        ips, numbers = self.addresses.column(hosts), self.ports.column(ports)
        real = zip(columns[f"{name}.ip"], columns[f"{name}.port"], strict=True)
        same = [pair == other for pair, other in zip(real, zip(ips, numbers, strict=True), strict=True)]
        columns[f"{name}.nat.ip"] = [None if no else ip for no, ip in zip(same, ips, strict=True)]
        columns[f"{name}.nat.port"] = [
            None if no or ip is None else number for no, ip, number in zip(same, ips, numbers, strict=True)
        ]

    def named(self, columns: Columns, users: Sequence[str | None]) -> None:
        """Fill in the users, where there are any."""
        if any(users):
            found = self.users.column(users)
            columns["source.user.name"] = columns["user.name"] = [name for name, _ in found]
            columns["user.domain"] = [domain for _, domain in found]


Fill = Callable[[Shapes, "Columns", Sequence[Texts], Sequence[int]], None]


@dataclass(frozen=True, slots=True)
class Shape:
    """How messages of some numbers read, and what their groups fill in."""

    pattern: re.Pattern[str]
    fill: Fill


def _transport(text: str | None) -> str | None:
    name = lower(text)
    return None if name is None else _IANA.get(name, name)


def _user(text: str | None) -> tuple[str | None, str | None]:
    r"""Return name and domain of `DOMAIN\name`."""
    domain, _, name = (text or "").removeprefix("LOCAL\\").rpartition("\\")
    return word(name), domain or None


def _network(shapes: Shapes, columns: Columns, protocols: Sequence[str | None], types: list[str]) -> None:
    count = len(columns["event.module"])
    columns["network.transport"] = shapes.transports.column(protocols)
    columns["event.category"] = [["network"]] * count
    columns["event.type"] = [types] * count


def _ended(columns: Columns, moments: Sequence[int], lasted: Sequence[int | None]) -> None:
    """Fill in start, end and duration (given in seconds) of what ended at `moments`."""
    lasted = [None if value is None or value > LONGEST_S else value for value in lasted]
    columns["event.end"] = list(moments)
    columns["event.duration"] = [None if value is None else value * 1_000_000_000 for value in lasted]
    columns["event.start"] = [
        None if value is None else at - value * SECOND for at, value in zip(moments, lasted, strict=True)
    ]


def _seconds(hours: str | None, minutes: str | None, seconds: str | None) -> int | None:
    if hours is None or minutes is None or seconds is None:
        return None
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds)


def _built(shapes: Shapes, columns: Columns, rows: Sequence[Texts], _moments: Sequence[int]) -> None:
    turned = []
    for way, protocol, number, *ends in rows:
        first, second, trailing = tuple(ends[:5]), tuple(ends[5:10]), ends[10]
        source, destination = (second, first) if way == "outbound " else (first, second)
        # what stands last in the line is the connection's user, whichever side it stands beside
        turned.append((way, protocol, number, *source[:4], *destination[:4], source[4] or trailing or second[4]))
    ways, protocols, numbers, s1, s2, s3, s4, d1, d2, d3, d4, users = zip(*turned, strict=True)
    _network(shapes, columns, protocols, ["connection", "start", "allowed"])
    shapes.side(columns, "source", s1, s2)
    shapes.mapped(columns, "source", s3, s4)
    shapes.side(columns, "destination", d1, d2)
    shapes.mapped(columns, "destination", d3, d4)
    shapes.named(columns, users)
    columns["network.direction"] = [way.strip() if way else None for way in ways]
    columns["event.action"] = ["connection-built"] * len(rows)
    columns["some.session.id"] = list(numbers)
    columns["some.fact"] = [FactWord.SESSION_OPENED.value] * len(rows)


def _second_opened(first: Sequence[str | None], second: Sequence[str | None]) -> bool:
    """Tell which side of a Teardown is the source; a side is host, port, user."""
    if (first[2] is None) != (second[2] is None):
        return first[2] is None
    served = second[1] is not None and int(second[1]) < _WELL_KNOWN
    calling = first[1] is not None and int(first[1]) >= _WELL_KNOWN
    return not (served and calling)


def _teardown(shapes: Shapes, columns: Columns, rows: Sequence[Texts], moments: Sequence[int]) -> None:
    turned = []
    for protocol, number, preposition, *rest in rows:
        first, second = tuple(rest[:3]), tuple(rest[3:6])
        turn = preposition == "for" and _second_opened(first, second)
        source, destination = (second, first) if turn else (first, second)
        hours, minutes, seconds, size, reason, user = rest[6:]
        lasted = _seconds(hours, minutes, seconds)
        turned.append((protocol, number, *source[:2], *destination[:2], source[2] or user, lasted, size, reason))
    protocols, numbers, s1, s2, d1, d2, users, lasting, sizes, reasons = zip(*turned, strict=True)
    _network(shapes, columns, protocols, ["connection", "end"])
    shapes.side(columns, "source", s1, s2)
    shapes.side(columns, "destination", d1, d2)
    shapes.named(columns, users)
    _ended(columns, moments, lasting)
    columns["network.bytes"] = [whole(size) for size in sizes]
    columns["event.reason"] = [word(reason) for reason in reasons]
    columns["event.action"] = ["connection-teardown"] * len(rows)
    columns["some.session.id"] = list(numbers)
    columns["some.fact"] = [FactWord.SESSION_CLOSED.value] * len(rows)


def _icmp(shapes: Shapes, columns: Columns, rows: Sequence[Texts], moments: Sequence[int]) -> None:
    turned = []
    for verb, way, far, _, caller, mapped, _, near, _, user in rows:
        # a user's name beside the far address says that it is the person who called
        ends = (far, far, near, caller) if caller and not user else (near, mapped, far, user)
        turned.append((verb, way, *ends))
    verbs, ways, sources, mappeds, destinations, users = zip(*turned, strict=True)
    count = len(rows)
    nothing: list[None] = [None] * count
    _network(shapes, columns, ["icmp"] * count, ["connection", "info"])
    shapes.side(columns, "source", sources, nothing)
    shapes.mapped(columns, "source", mappeds, nothing)
    shapes.side(columns, "destination", destinations, nothing)
    shapes.named(columns, users)
    columns["network.direction"] = [way.strip() if way else None for way in ways]
    built = [verb == "Built" for verb in verbs]
    columns["event.action"] = ["connection-built" if one else "connection-teardown" for one in built]
    columns["event.end"] = [None if one else at for one, at in zip(built, moments, strict=True)]
    columns["some.fact"] = [(FactWord.SESSION_OPENED if one else FactWord.SESSION_CLOSED).value for one in built]


def _translation(shapes: Shapes, columns: Columns, rows: Sequence[Texts], moments: Sequence[int]) -> None:
    verbs, protocols, hosts, numbers, users, mapped, mapped_ports, hours, minutes, seconds = zip(*rows, strict=True)
    _network(shapes, columns, protocols, ["info"])
    shapes.side(columns, "source", hosts, numbers)
    columns["source.nat.ip"] = shapes.addresses.column(mapped)
    columns["source.nat.port"] = shapes.ports.column(mapped_ports)
    shapes.named(columns, users)
    _opened_or_closed(
        columns,
        moments,
        [verb == "Built" for verb in verbs],
        list(map(_seconds, hours, minutes, seconds)),
        (FactWord.TRANSLATION_OPENED, FactWord.TRANSLATION_CLOSED),
    )
    columns["event.action"] = ["translation-built" if verb == "Built" else "translation-teardown" for verb in verbs]


def _opened_or_closed(
    columns: Columns,
    moments: Sequence[int],
    opened: Sequence[bool],
    lasted: Sequence[int | None],
    fact: tuple[FactWord, FactWord],
) -> None:
    _ended(columns, moments, lasted)
    columns["event.end"] = [None if one else at for one, at in zip(opened, moments, strict=True)]
    columns["some.fact"] = [(fact[0] if one else fact[1]).value for one in opened]


def _block(shapes: Shapes, columns: Columns, rows: Sequence[Texts], moments: Sequence[int]) -> None:
    verbs, protocols, hosts, users, mapped, first, last, hours, minutes, seconds = zip(*rows, strict=True)
    _network(shapes, columns, protocols, ["info"])
    columns["source.ip"] = shapes.addresses.column(hosts)
    columns["source.nat.ip"] = shapes.addresses.column(mapped)
    columns["some.nat.port_first"] = shapes.ports.column(first)
    columns["some.nat.port_last"] = shapes.ports.column(last)
    shapes.named(columns, users)
    _opened_or_closed(
        columns,
        moments,
        [verb == "Allocated" for verb in verbs],
        list(map(_seconds, hours, minutes, seconds)),
        (FactWord.BLOCK_OPENED, FactWord.BLOCK_CLOSED),
    )
    columns["event.action"] = [f"block-{verb.lower()}" for verb in verbs if verb]


def _denied(shapes: Shapes, columns: Columns, rows: Sequence[Texts], _moments: Sequence[int]) -> None:
    protocols, s1, s2, users, d1, d2, rules = zip(*rows, strict=True)
    _network(shapes, columns, protocols, ["connection", "denied"])
    shapes.side(columns, "source", s1, s2)
    shapes.side(columns, "destination", d1, d2)
    shapes.named(columns, users)
    columns["event.action"] = ["deny"] * len(rows)
    columns["rule.name"] = [word(rule) for rule in rules]


def _matched(shapes: Shapes, columns: Columns, rows: Sequence[Texts], _moments: Sequence[int]) -> None:
    rules, verdicts, protocols, callers, s1, s2, users, d1, d2 = zip(*rows, strict=True)
    _network(shapes, columns, protocols, ["connection", "info"])
    columns["event.type"] = [["connection", "denied" if verdict == "denied" else "allowed"] for verdict in verdicts]
    shapes.side(columns, "source", s1, s2)
    shapes.side(columns, "destination", d1, d2)
    shapes.named(columns, [user or caller for user, caller in zip(users, callers, strict=True)])
    columns["event.action"] = list(verdicts)
    columns["rule.name"] = list(rules)


def _url(shapes: Shapes, columns: Columns, rows: Sequence[Texts], _moments: Sequence[int]) -> None:
    callers, hosts, users, servers, urls = zip(*rows, strict=True)
    nothing: list[None] = [None] * len(rows)
    columns["event.category"] = [["web", "network"]] * len(rows)
    columns["event.type"] = [["access", "allowed"]] * len(rows)
    shapes.side(columns, "source", hosts, nothing)
    shapes.side(columns, "destination", servers, nothing)
    shapes.named(columns, [user or caller for user, caller in zip(users, callers, strict=True)])
    columns["event.action"] = ["url-accessed"] * len(rows)
    columns["url.original"] = list(urls)
    parts = list(zip(*(_PARTS.fullmatch(url or "").groups() for url in urls), strict=True))  # type: ignore[union-attr]
    for name, values in zip(("url.scheme", "url.domain", "url.path", "url.query"), parts, strict=True):
        columns[name] = list(values)
    columns["url.path"] = decoded(columns["url.path"])


def _session_names(users: Sequence[str | None], outer: Sequence[str | None]) -> list[str]:
    """Return what joins the records of a client that called in: they share no number, but the user and its address."""
    return [f"{user}@{ip}" for user, ip in zip(users, outer, strict=True)]


def _vpn(shapes: Shapes, columns: Columns, users: Sequence[str | None], outer: Sequence[str | None], kind: str) -> None:
    count = len(users)
    columns["event.category"] = [["authentication", "session"]] * count
    columns["event.type"] = [[kind]] * count
    columns["source.ip"] = shapes.addresses.column(outer)
    shapes.named(columns, users)
    columns["some.session.id"] = _session_names(columns["user.name"], columns["source.ip"])


def _assigned(shapes: Shapes, columns: Columns, rows: Sequence[Texts], _moments: Sequence[int]) -> None:
    _, users, outer, four, six = zip(*rows, strict=True)
    _vpn(shapes, columns, users, outer, "start")
    pairs = zip(shapes.addresses.column(four), shapes.addresses.column(six), strict=True)
    columns["some.assigned.ip"] = assigned = [v4 or v6 for v4, v6 in pairs]
    columns["event.action"] = ["client-vpn-assigned"] * len(rows)
    columns["some.fact"] = [FactWord.LOGIN.value if ip else None for ip in assigned]
    columns["some.login.method"] = [LoginMethod.VPN.value] * len(rows)


def _anyconnect(shapes: Shapes, columns: Columns, rows: Sequence[Texts], _moments: Sequence[int]) -> None:
    """Fill in a client that called in: without the address that it was given (722051) it is nobody's interval yet."""
    _, users, outer, messages = zip(*rows, strict=True)
    _vpn(shapes, columns, users, outer, "info")
    columns["event.action"] = ["client-vpn-connected"] * len(rows)
    columns["message"] = list(messages)


def _left(shapes: Shapes, columns: Columns, rows: Sequence[Texts], moments: Sequence[int]) -> None:
    _, users, outer, _, days, hours, minutes, seconds, sent, received, reasons = zip(*rows, strict=True)
    _vpn(shapes, columns, users, outer, "end")
    lasted = map(_seconds, hours, minutes, seconds)
    _ended(columns, moments, [int(day or 0) * 86_400 + (rest or 0) for day, rest in zip(days, lasted, strict=True)])
    columns["source.bytes"] = [whole(text) for text in received]
    columns["destination.bytes"] = [whole(text) for text in sent]
    columns["event.reason"] = [word(reason) for reason in reasons]
    columns["event.action"] = ["client-vpn-disconnected"] * len(rows)
    columns["some.fact"] = [FactWord.LOGOUT.value] * len(rows)
    columns["some.login.method"] = [LoginMethod.VPN.value] * len(rows)


def _mapping(shapes: Shapes, columns: Columns, rows: Sequence[Texts], _moments: Sequence[int]) -> None:
    verbs, hosts, users, results, reasons = zip(*rows, strict=True)
    columns["event.category"] = [["authentication", "session"]] * len(rows)
    columns["event.type"] = [["start" if verb == "Add" else "end"] for verb in verbs]
    columns["source.ip"] = shapes.addresses.column(hosts)
    shapes.named(columns, users)
    columns["event.action"] = [f"user-mapping-{verb.lower()}" for verb in verbs if verb]
    columns["event.outcome"] = ["success" if result == "Succeeded" else "failure" for result in results]
    columns["event.reason"] = [word(reason) for reason in reasons]
    words = [(FactWord.LOGIN if verb == "Add" else FactWord.LOGOUT).value for verb in verbs]
    columns["some.fact"] = [one if result == "Succeeded" else None for one, result in zip(words, results, strict=True)]
    columns["some.login.method"] = [
        (LoginMethod.VPN if "vpn" in (reason or "").lower() else LoginMethod.FSSO).value for reason in reasons
    ]


_TABLE: dict[tuple[str, ...], Shape] = {
    ("302013", "302015", "302017", "302035", "302303"): Shape(_BUILT, _built),
    ("302014", "302016", "302018", "302036", "302304"): Shape(_TEARDOWN, _teardown),
    ("302020", "302021"): Shape(_ICMP, _icmp),
    ("305009", "305010", "305011", "305012"): Shape(_TRANSLATION, _translation),
    ("305014", "305015"): Shape(_BLOCK, _block),
    ("106023",): Shape(_DENIED, _denied),
    ("106100", "106102", "106103"): Shape(_MATCHED, _matched),
    ("304001",): Shape(_URL, _url),
    ("722051",): Shape(_ASSIGNED, _assigned),
    ("113039", "722022"): Shape(_ANYCONNECT, _anyconnect),
    ("113019",): Shape(_LEFT, _left),
    ("746012", "746013"): Shape(_MAPPING, _mapping),
}
BY_NUMBER: Final = {number: shape for numbers, shape in _TABLE.items() for number in numbers}
