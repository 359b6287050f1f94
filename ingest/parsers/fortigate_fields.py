"""What the keys of FortiOS mean in ECS. Sources: FortiOS Log Message Reference 6.0 to 7.6."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ingest.fact_words import FactWord
from ingest.parsers import fortigate_facts as facts
from ingest.parsers.times import SECOND, StampsByZone, epoch, zone_of
from ingest.parsers.values import (
    LONGEST_S,
    MAX_PORT,
    Memo,
    address,
    decoded,
    lower,
    mac,
    port,
    transport,
    whole,
    wholes,
    word,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import tzinfo

    from ingest.parsers.layout import Table
    from ingest.parsers.lines import Columns

_STAMP = "date time"
_NANO_DIGITS = 19
_ZONE_ERROR = 15 * 3600 * SECOND
"""Without `tz` the written time may be off by the distance between any two zones, and no more."""

_ADDRESSES = {
    "srcip": "source.ip", "dstip": "destination.ip", "transip": "source.nat.ip", "tranip": "destination.nat.ip",
    "locip": "source.ip", "remip": "destination.ip", "ip": "client.ip", "tunnelip": "some.assigned.ip",
    "assignip": "some.assigned.ip",
}  # fmt: skip
_PORTS = {
    "srcport": "source.port", "dstport": "destination.port", "transport": "source.nat.port",
    "tranport": "destination.nat.port", "locport": "source.port", "remport": "destination.port",
}  # fmt: skip
_COUNTS = {"sentbyte": "source.bytes", "rcvdbyte": "destination.bytes"}
_MACS = {"srcmac": "source.mac", "dstmac": "destination.mac", "mac": "client.mac"}
_WORDS = {
    "action": "event.action", "app": "network.application", "catdesc": "rule.category",
    "policyid": "rule.id", "policyname": "rule.name", "sessionid": "some.session.id", "srcname": "source.domain",
    "dstname": "destination.domain", "srcintf": "observer.ingress.interface.name",
    "dstintf": "observer.egress.interface.name", "user": "source.user.name", "unauthuser": "some.unverified_user",
    "hostname": "url.domain", "url": "url.original", "qname": "dns.question.name", "qtype": "dns.question.type",
    "qclass": "dns.question.class", "msg": "message", "logdesc": "message", "reason": "event.reason",
    "agent": "user_agent.original", "httpmethod": "http.request.method", "referralurl": "http.request.referrer",
    "xauthuser": "source.user.name", "tunnelid": "some.session.id",
}  # fmt: skip
_CONSTANTS = {
    "devname": "observer.name", "devid": "observer.serial_number", "logid": "event.code", "level": "log.level",
    "vd": "some.vdom",
}  # fmt: skip
_OTHERS = frozenset(
    {"date", "time", "eventtime", "duration", "proto", "service", "direction", "ipaddr", "status", "dhcp_msg", "lease"}
)

CONSTANT: Final = frozenset({*_CONSTANTS, "type", "subtype", "tz", "trandisp"})
WHOLE: Final = frozenset({*_PORTS, *_COUNTS, "duration", "lease"})
WANTED: Final = frozenset({*_ADDRESSES, *_PORTS, *_COUNTS, *_MACS, *_WORDS, *_OTHERS})

_MESSAGE_DIGITS = 6  # a log id is two digits of type, two of subtype, six of message
_DIRECTIONS = {"outgoing": "outbound", "incoming": "inbound", "outbound": "outbound", "inbound": "inbound"}
_SEPARATORS = re.compile(r"[\s,;]+")


class Fields:
    """Turns a table of FortiGate values into columns; keeps bounded memories of single values."""

    def __init__(self) -> None:
        """Start with empty memories."""
        self._stamps = StampsByZone()
        self._addresses: Memo[str | None, str | None] = Memo(address)
        self._macs: Memo[str | None, str | None] = Memo(mac)
        self._lower: Memo[str | None, str | None] = Memo(lower)
        self._transports: Memo[str | None, str | None] = Memo(transport)

    def columns(self, table: Table, zone: tzinfo) -> Columns:
        """Return the columns of one layout's lines."""
        count = len(table.positions)
        given = table.columns()
        constants = table.constants
        columns: Columns = {name: [value] * count for name, value in _DEVICE.items()}
        for key, name in _CONSTANTS.items():
            if key in constants:
                columns[name] = [word(constants[key])] * count
        self._plain(columns, given, table.digits)
        kind = (constants.get("type", ""), constants.get("subtype", ""))
        self._network(columns, given)
        self._times(columns, given, constants.get("tz"), zone)
        if kind[0] == "traffic":
            message = (whole(constants.get("logid")) or 0) % 10**_MESSAGE_DIGITS
            _session(columns, given, table.digits, message)
            refusals = not facts.REFUSING.isdisjoint(columns.get("event.action", ()))
            _outcomes(columns, message, refusals=refusals)
            facts.session(columns, message, kind[1], constants.get("trandisp"), refusals=refusals)
        elif "dhcp_msg" in given:
            self._lease(columns, given)
            facts.lease(columns)
        _kind(columns, kind, count)
        if kind == ("event", "vpn"):
            _tunnel(columns, given)
        elif kind == ("event", "user"):
            facts.sign_in(columns, given.get("status"))
        return columns

    def _plain(self, columns: Columns, given: dict[str, Sequence[str]], digits: frozenset[str]) -> None:
        """Fill in the columns that need only their own value."""
        convert: Callable[[Sequence[str]], list[Any]]
        for key, values in given.items():
            if key in _WORDS:
                name, convert = _WORDS[key], words
            elif key in _ADDRESSES:
                name, convert = _ADDRESSES[key], self._addresses.column
            elif key in _PORTS:
                name, convert = _PORTS[key], _ports if key in digits else _odd_ports
            elif key in _COUNTS:
                name, convert = _COUNTS[key], _numbers if key in digits else wholes
            elif key in _MACS:
                name, convert = _MACS[key], self._macs.column
            else:
                continue
            found = convert(values)
            if name in columns:  # two keys for one field: the first that says something
                found = [new if old is None else old for old, new in zip(columns[name], found, strict=True)]
            columns[name] = found

    def _network(self, columns: Columns, given: dict[str, Sequence[str]]) -> None:
        if "proto" in given:
            columns["network.iana_number"] = words(given["proto"])
            columns["network.transport"] = self._transports.column(given["proto"])
        if "service" in given:
            columns["network.protocol"] = self._lower.column(given["service"])
        if "direction" in given:
            columns["network.direction"] = [_DIRECTIONS.get(text) for text in given["direction"]]
        if "ipaddr" in given:
            columns["dns.resolved_ip"] = [self._answers(text) for text in given["ipaddr"]]
        if "source.user.name" in columns:
            columns["user.name"] = columns["source.user.name"]
        if "status" in given:
            columns["event.outcome"] = [_outcome(text) for text in given["status"]]
        if "url.original" in columns:
            parts = [_path(text) for text in columns["url.original"]]
            columns["url.path"] = decoded([path for path, _ in parts])
            columns["url.query"] = [query for _, query in parts]

    def _answers(self, text: str) -> list[str] | None:
        found = [ip for ip in self._addresses.column(_SEPARATORS.split(text)) if ip is not None]
        return found or None

    def _times(self, columns: Columns, given: dict[str, Sequence[str]], tz: str | None, zone: tzinfo) -> None:
        """Fill in @timestamp (as written, refined by eventtime), and for sessions event.end (eventtime)."""
        own_zone = zone_of(tz)
        written = self._stamps[own_zone or zone].iso.column(given[_STAMP]) if _STAMP in given else None
        exact = _epochs(given["eventtime"]) if "eventtime" in given else None
        if written is not None and exact is not None:
            least, most = (0, SECOND - 1) if own_zone is not None else (-_ZONE_ERROR, _ZONE_ERROR)
            columns["@timestamp"] = [
                late if near is None or (late is not None and least <= late - near <= most) else near
                for near, late in zip(written, exact, strict=True)
            ]
            columns["event.end"] = [near if late is None else late for near, late in zip(written, exact, strict=True)]
        elif written is not None or exact is not None:
            columns["@timestamp"] = columns["event.end"] = written or exact or []

    def _lease(self, columns: Columns, given: dict[str, Sequence[str]]) -> None:
        """Fill in what FortiGate's DHCP server says."""
        columns.pop("event.end", None)
        columns["event.action"] = [f"dhcp{text.lower()}" for text in given["dhcp_msg"]]
        if "url.domain" in columns:
            columns["host.hostname"] = columns.pop("url.domain")
        if "lease" in given:
            columns["some.lease.duration"] = [
                None if value is None or value > LONGEST_S else value for value in wholes(given["lease"])
            ]


_DEVICE = {
    "event.module": "fortigate",
    "observer.type": "firewall",
    "observer.vendor": "Fortinet",
    "observer.product": "Fortigate",
}


def _numbers(values: Sequence[str]) -> list[Any]:
    return list(map(int, values))


def _epochs(values: Sequence[str]) -> list[int | None]:
    """Return the times of a column of eventtime; nanoseconds, the usual, the fast way."""
    return [
        int(text[:16]) if len(text) == _NANO_DIGITS and text.isdigit() and text.isascii() else epoch(text)
        for text in values
    ]


def _ports(values: Sequence[str]) -> list[Any]:
    numbers = list(map(int, values))
    if min(numbers) > 0 and max(numbers) <= MAX_PORT:
        return numbers
    return [number if 0 < number <= MAX_PORT else None for number in numbers]


def _odd_ports(values: Sequence[str]) -> list[Any]:
    return [port(text) for text in values]


def _outcome(status: str) -> str | None:
    text = status.lower()
    if "fail" in text or "error" in text:
        return "failure"
    return "success" if "success" in text else None


def _path(url: str | None) -> tuple[str | None, str | None]:
    """Return path and query of `/path?query` or `https://host/path?query`."""
    if url is None:
        return None, None
    if "://" in url:
        url = "/" + url.partition("://")[2].partition("/")[2]
    path, mark, query = url.partition("?")
    return path or None, query if mark else None


def _session(columns: Columns, given: dict[str, Sequence[str]], digits: frozenset[str], message: int) -> None:
    """Fill in start and duration of a session, and take the end away where it has not ended."""
    ends = columns.pop("event.end", None)
    if "duration" in given:
        lasted = _seconds(given["duration"], "duration" in digits)
        columns["event.duration"] = [None if value is None else value * 1_000_000_000 for value in lasted]
        if ends is not None:
            columns["event.start"] = _starts(ends, lasted)
    elif message in facts.JUST_STARTED and ends is not None:
        columns["event.start"] = ends
    if ends is not None and message not in facts.NOT_YET_ENDED and message not in facts.JUST_STARTED:
        columns["event.end"] = ends


def _seconds(texts: Sequence[str], digits: bool) -> list[int | None]:  # noqa: FBT001 - whether all are whole numbers
    lasted = _numbers(texts) if digits else wholes(texts)
    if not digits or max(lasted) > LONGEST_S:
        lasted = [None if value is None or value > LONGEST_S else value for value in lasted]
    return lasted


def _starts(ends: Sequence[int | None], lasted: Sequence[int | None]) -> list[int | None]:
    return [
        None if end is None or value is None else end - value * SECOND for end, value in zip(ends, lasted, strict=True)
    ]


def _outcomes(columns: Columns, message: int, *, refusals: bool) -> None:
    """Fill in the type of traffic lines."""
    phase = "info" if message in facts.NOT_YET_ENDED else "start" if message in facts.JUST_STARTED else "end"
    allowed, denied = ["connection", phase, "allowed"], ["connection", phase, "denied"]
    actions = columns.get("event.action")
    if refusals and actions is not None:
        columns["event.type"] = [denied if action in facts.REFUSING else allowed for action in actions]
    elif actions is not None:
        columns["event.type"] = [allowed] * len(actions)


def _tunnel(columns: Columns, given: dict[str, Sequence[str]]) -> None:
    """Fill in what tunnels tell: a tunnel that is closed or counted began when its duration began."""
    facts.tunnel(columns)
    words, moments = columns.get("some.fact"), columns.get("event.start")
    if words is None or moments is None:
        return
    lasted = _seconds(given["duration"], digits=False) if "duration" in given else [None] * len(words)
    login, logout = FactWord.LOGIN, FactWord.LOGOUT
    began = _starts(moments, lasted)
    columns["event.start"] = [
        moment if word in (None, login) else start for word, moment, start in zip(words, moments, began, strict=True)
    ]
    columns["event.end"] = [moment if word == logout else None for word, moment in zip(words, moments, strict=True)]


def _kind(columns: Columns, kind: tuple[str, str], count: int) -> None:
    """Fill in category and type by type and subtype."""
    name, subtype = kind
    actions = columns.get("event.action")
    if name == "traffic":
        columns["event.category"] = [["network"]] * count
        return
    moment = columns.pop("event.end", None)
    if moment is not None:  # what is no session happens at one point in time
        columns["event.start"] = moment
    if name == "utm":
        web = subtype == "webfilter"
        columns["event.category"] = [["web", "network"] if web else ["network"]] * count
        first = "access" if web else "info"
        allowed, denied = [first, "allowed"], [first, "denied"]
        columns["event.type"] = (
            [[first]] * count
            if actions is None
            else [denied if text in facts.REFUSING else allowed for text in actions]
        )
    elif name == "event" and subtype in {"user", "vpn"}:
        columns["event.category"] = [["authentication"] if subtype == "user" else ["network"]] * count
        columns["event.type"] = [_phase(text) for text in actions or [None] * count]
    elif "client.mac" in columns:
        columns["event.category"] = [["network"]] * count


def _phase(action: str | None) -> list[str]:
    text = (action or "").lower()
    if text.endswith(("logon", "login", "tunnel-up", "auth-logon")):
        return ["start"]
    return ["end"] if text.endswith(("logoff", "logout", "tunnel-down")) else ["info"]
