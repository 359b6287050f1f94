"""MikroTik RouterOS 6 and 7: firewall, DHCP server, hotspot, PPP and who signed in to the router itself.

<134>Nov 23 21:35:43 gw1 firewall,info forward: in:bridge out:ether1, connection-state:new,snat src-mac \
00:00:5e:00:53:23, proto TCP (SYN), 10.20.30.41:51022->203.0.113.80:443, NAT (10.20.30.41:51022->198.51.100.10:40112)\
->203.0.113.80:443, len 60

A firewall line is one packet that a rule logged: its connection is alive at that moment, and new where it says so and
tells its translation. `NAT (inner->public)->remote` is written of packets on their way out, `NAT remote->(public->
inner)` of replies; both become the connection as it was opened. Without a NAT part no public side is known. Where the
state says `dnat` alone the connection came from outside. `src-mac` is the packet's sender's: a reply's is not the
source's. The identity may hold blanks, the topics may be missing, and a collector may have broken a line in two: what
does not stand complete between its separators is left out, because half an address is another address.
A hotspot user that is a MAC, or a trial (`T-…`), is no person.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ingest.fact_words import FactWord, LoginMethod
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.times import StampsByZone
from ingest.parsers.values import Memo, address, mac, port, word

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from ingest.parsers.lines import Lines

NAME: Final = "mikrotik"
_LOOK = 2000  # characters of a line that are searched

_STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
_TOPICS = (
    r"(?:account|backup|caps|certificate|critical|debug|dhcp|dns|dot1x|e-mail|error|event|firewall|hotspot|info|interface"
    r"|ipsec|l2tp|lte|manager|ntp|ospf|ovpn|ppp|pppoe|pptp|radius|route|script|sstp|system|ups|vrrp|warning|web-proxy"
    r"|wireguard|wireless)(?:,[a-z0-9!\-]{1,20}){1,6} "
)
_V4 = r"\d{1,3}(?:\.\d{1,3}){3}"
_MAC = r"(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}"
_END = rf"(?:\[[0-9A-Fa-f:.]{{2,45}}\]|{_V4})(?::\d{{1,5}})?|[0-9A-Fa-f]{{0,4}}(?::[0-9A-Fa-f]{{0,4}}){{2,7}}"
_LEASE = rf"(?:[^ ]{{1,64}} )?(?:(?:de)?assigned|offering lease) {_V4} (?:to|for|from) {_MAC}"
_GUEST = (
    rf"(?:->: ?)?[^ ()]{{1,128}}(?: [^ ()]{{1,64}}){{0,3}} \({_V4}\): "
    r"(?:logged (?:in|out)|login failed|trying to log in)"
)
_ADMIN = r"(?:user [^ ]{1,128} logged (?:in|out) from|login failure for user [^ ]{0,128} from) [^ ]{1,64} via "
_FLOW = r"(?:.{0,160} )?[^ :]{1,64}: in:.{1,80}? out:|in:.{1,80}? out:.{1,80}?(?:connection-state:|src-mac |proto )"
_TAIL = r"[0-9A-Fa-f.:\[\]>\-]{0,90}, NAT [(\[0-9A-Fa-f]"
_MESSAGE = rf"(?:{_LEASE}|{_GUEST}|{_ADMIN}|{_FLOW})"

_SAID = rf"(?:{_LEASE}|{_GUEST}|{_ADMIN})"
_FRONT = re.compile(
    rf"(?:({_STAMP}) )?(?:(?!{_TOPICS})([A-Za-z0-9][^:]{{0,100}}): (?={_TOPICS}|{_SAID}))?"
    rf"({_TOPICS})?(?:[^:]{{1,100}}: (?={_SAID}))?"
)
_NAMED_BY_TAG = re.compile(r"\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)? {1,2}([^ :,][^:,]{0,100}): $")
_CHAINS = frozenset({"forward", "input", "output", "prerouting", "postrouting"})

_LEASE_LINE = re.compile(
    rf"(?:([^ ]{{1,64}}) )?(assigned|deassigned|offering lease) ({_V4}) (?:to|for|from) ({_MAC})"
    r"(?: +([^ ].{0,254}?))?\s*$"
)
_GUEST_LINE = re.compile(
    rf"(?:->: ?)?([^ ()]{{1,128}}(?: [^ ()]{{1,64}}){{0,3}}) \(({_V4})\): "
    r"(logged in|logged out|login failed|trying to log in)(?:: (.{1,255}))?"
)
_ADMIN_LINE = re.compile(
    r"(?:user ([^ ]{1,128}) (logged in|logged out)|(login failure) for user ([^ ]{0,128})) "
    r"from ([^ ]{1,64}) via ([a-z\-]{1,20})"
)
_PPP_LINE = re.compile(rf"([^ ,]{{1,128}}) (logged in|logged out), ({_V4}(?= |$))?.{{0,120}}?(?: from ({_V4}))?\s*$")
_CHAIN = re.compile(r"(?:([^ :]{1,64}): )?\bin:(.{1,80}?) out:(.{1,80}?)(?:,| (?=connection-state:|src-mac |proto ))")
_STATE = re.compile(r"connection-state:([a-z]{1,20}(?:,[a-z]{1,20}){0,4})(?=[ ,])")
_SENDER = re.compile(rf"src-mac ({_MAC}),")
_PROTO = re.compile(r"proto ([A-Za-z0-9\-]{1,20})(?: \([^)]{0,60}\))?,")
_PACKET = re.compile(rf", ({_END})->(?:({_END})(?=,))?")
_OUTWARD = re.compile(rf", NAT \(({_END})->({_END})\)(?:->({_END})(?=,))?")
_REPLY = re.compile(rf", NAT ({_END})->\(({_END})->({_END})\)")
_TRANSPORTS = {"icmp6": "ipv6-icmp", "icmpv6": "ipv6-icmp", "ipv6-icmp": "ipv6-icmp"}
_NO_PERSON = re.compile(rf"(?:T-)?{_MAC}|T-.*")
_Row = dict[str, Any]
_End = tuple[str | None, int | None]
_UNKNOWN: _End = (None, None)


def _endpoint(text: str | None) -> _End:
    """Return address and port of `192.0.2.7:443`, `[2001:db8::7]:443` or an address alone."""
    if text is None:
        return _UNKNOWN
    if text[0] == "[":
        host, _, rest = text[1:].partition("]")
        return address(host), port(rest[1:])
    if text.count(":") > 1:
        return address(text), None
    host, _, rest = text.partition(":")
    return address(host), port(rest)


class Mikrotik:
    """Lines with RouterOS' topics, or that read as its firewall, DHCP server or hotspot write."""

    name = NAME
    begins = rf"(?:{_STAMP} )?(?:{_TOPICS}|(?:[A-Za-z0-9][^:]{{0,100}}: )?{_MESSAGE}|{_TAIL})"

    def __init__(self) -> None:
        """Start with empty memories."""
        self._ends: Memo[str | None, _End] = Memo(_endpoint)
        self._macs: Memo[str | None, str | None] = Memo(mac)
        self._stamps = StampsByZone()

    def parse(self, lines: Lines) -> Parsed:
        """Return parts of lines that tell the same fields."""
        parsed = Parsed()
        groups: dict[frozenset[str], tuple[list[int], list[_Row]]] = {}
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            row = self._row(text, start, lines.zone)
            if row is None:
                parsed.refused.append(at)
                continue
            # identity and time stand in the header too: only rows that tell their own may overwrite it
            own = frozenset({"log.syslog.hostname", "log.syslog.appname", "@timestamp"} & row.keys())
            positions, rows = groups.setdefault(own | {row["event.category"][0]}, ([], []))
            positions.append(at)
            rows.append(row)
        parsed.parts.extend(Part(positions, _columns(rows)) for positions, rows in groups.values())
        return parsed

    def _row(self, text: str, start: int, zone: tzinfo) -> _Row | None:
        front = _FRONT.match(text, start)
        if front is None:
            return None
        stamp, identity, topics = front.groups()
        message = text[front.end() : front.end() + _LOOK]
        found = _lease(message, self._macs) or _guest(message, self._macs) or _admin(message)
        if found is None and topics is not None and "account" in topics:
            found = _ppp(message, topics)
        found = found or self._flow(message)
        if found is None and topics is None:
            return None
        row = found or {"event.category": ["host"], "message": text[front.end() :]}
        row["event.module"] = NAME
        row["observer.vendor"] = "MikroTik"
        row["observer.product"] = "RouterOS"
        if topics is not None:
            row["event.provider"] = topics.strip()
        _identify(row, text, start, identity)
        if stamp is not None:
            row["@timestamp"] = self._stamps[zone].iso[stamp]
        return row

    def _flow(self, text: str) -> _Row | None:
        """Return what a firewall line tells, whole or cut."""
        chain = _CHAIN.search(text)
        outward, reply, packet = _OUTWARD.search(text), _REPLY.search(text), _PACKET.search(text)
        if chain is None and outward is None and reply is None:
            return None
        states = frozenset(_first(_STATE, text, "").split(","))
        way = chain[1] if chain else None
        row: _Row = {"event.category": ["network"], "event.action": way, "network.transport": _transport(text)}
        row["event.type"] = ["connection", "start" if "new" in states else "info"]
        if chain is not None:
            row["observer.ingress.interface.name"] = _interface(chain[2])
            row["observer.egress.interface.name"] = _interface(chain[3])
        sender, receiver = self._ends.column(packet.groups()) if packet else (_UNKNOWN, _UNKNOWN)
        source = self._connection(row, outward, reply, came_in="dnat" in states and "snat" not in states)
        if source is None:
            source = sender
            _put(row, "source", sender)
            _put(row, "destination", receiver)
        if source == sender:
            row["source.mac"] = self._macs[_first(_SENDER, text, None)]
        row["some.fact"] = _word(source, states, way, translated=outward is not None or reply is not None)
        return row

    def _connection(
        self, row: _Row, outward: re.Match[str] | None, reply: re.Match[str] | None, *, came_in: bool
    ) -> _End | None:
        """Fill in the connection that a NAT part tells, and return its source; None without one."""
        if outward is not None:
            inner, public, remote = self._ends.column(outward.groups())
        elif reply is not None:
            remote, public, inner = self._ends.column(reply.groups())
        else:
            return None
        if came_in:
            _put(row, "source", remote)
            _put(row, "destination", public)
            _put(row, "destination.nat", inner)
            return remote
        _put(row, "source", inner)
        _put(row, "source.nat", public)
        _put(row, "destination", remote)
        return inner

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(NAME, f"expected RouterOS topics, or its firewall, DHCP or hotspot, found {line[:40]!r}")


def _columns(rows: Sequence[_Row]) -> Columns:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _first(pattern: re.Pattern[str], text: str, default: Any) -> Any:
    found = pattern.search(text)
    return found[1] if found else default


def _put(row: _Row, name: str, end: _End) -> None:
    row[f"{name}.ip"], row[f"{name}.port"] = end


def _transport(text: str) -> str | None:
    name = _first(_PROTO, text, None)
    return None if name is None else _TRANSPORTS.get(name.lower(), name.lower())


def _interface(text: str) -> str | None:
    return None if text.startswith("(unknown") else word(text)


def _word(source: _End, states: frozenset[str], way: str | None, *, translated: bool) -> str | None:
    """Return the word of a packet: what goes to the router itself or comes from it, untranslated, is no session."""
    if source[0] is None or (not translated and way in {"input", "output"}):
        return None
    return (FactWord.SESSION_OPENED if "new" in states else FactWord.SESSION_SEEN).value


def _identify(row: _Row, text: str, start: int, identity: str | None) -> None:
    """Fill in the router's name where the header's rules do not find it: it holds blanks, or stands as a tag."""
    if identity is not None:
        before = text[:start].rstrip().rpartition(" ")[2] if text[start - 1 : start] == " " else ""
        spaced = before and ":" not in before and not before.endswith(">")
        row["log.syslog.hostname"] = f"{before} {identity}" if spaced else identity
        return
    tag = _NAMED_BY_TAG.search(text[:start])
    if tag is not None and tag[1].rpartition(" ")[2] not in _CHAINS:
        row["log.syslog.hostname"], row["log.syslog.appname"] = tag[1], None


def _lease(text: str, macs: Memo[str | None, str | None]) -> _Row | None:
    found = _LEASE_LINE.match(text)
    if found is None:
        return None
    server, verb, ip, hardware, host = found.groups()
    fact = {"assigned": FactWord.LEASE_GRANTED, "deassigned": FactWord.LEASE_ENDED}.get(verb)
    kind = {"assigned": "start", "deassigned": "end"}.get(verb, "info")
    return {
        "event.category": ["network"],
        "event.type": ["protocol", kind],
        "event.action": verb,
        "network.protocol": "dhcp",
        "network.name": server,
        "client.ip": address(ip),
        "client.mac": macs[hardware],
        "host.hostname": word(host) if fact else None,
        "event.reason": None if fact else word(host),
        "some.fact": fact.value if fact else None,
    }


def _guest(text: str, macs: Memo[str | None, str | None]) -> _Row | None:
    found = _GUEST_LINE.match(text)
    if found is None:
        return None
    user, ip, action, reason = found.groups()
    fact = {"logged in": FactWord.LOGIN, "logged out": FactWord.LOGOUT}.get(action)
    row = _signed(user, action, reason)
    row["client.ip"] = address(ip)
    if _NO_PERSON.fullmatch(user):
        row["client.mac"] = macs[user.removeprefix("T-")]
    elif fact is not None:
        row["some.fact"] = fact.value
        row["some.login.method"] = LoginMethod.PORTAL.value
    return row


def _admin(text: str) -> _Row | None:
    """Return who signed in to the router: never a guest."""
    found = _ADMIN_LINE.search(text[:400])
    if found is None:
        return None
    user, action, failed, nobody, origin, service = found.groups()
    row = _signed(user or nobody, action or failed, None)
    row["source.ip"] = address(origin)
    row["network.application"] = service
    return row


def _ppp(text: str, topics: str) -> _Row | None:
    """Return a dialled-in user; signing out tells no inner address, so the user and the outer one join the two."""
    found = _PPP_LINE.match(text)
    if found is None:
        return None
    user, action, ip, outer = found.groups()
    row = _signed(user, action, None)
    row["source.ip"] = address(outer)
    row["some.session.id"] = f"{user}@{outer}" if outer else user
    row["some.login.method"] = (LoginMethod.RADIUS if "pppoe" in topics else LoginMethod.VPN).value
    if action == "logged out":
        row["some.fact"] = FactWord.LOGOUT.value
    elif ip is not None:
        row["some.assigned.ip"] = address(ip)
        row["some.fact"] = FactWord.LOGIN.value
    return row


def _signed(user: str, action: str, reason: str | None) -> _Row:
    kind = {"logged in": "start", "logged out": "end"}.get(action, "info")
    failed = action in {"login failed", "login failure"}
    return {
        "event.category": ["authentication", "session"],
        "event.type": [kind],
        "event.action": action,
        "event.reason": word(reason),
        "event.outcome": "failure" if failed else "success" if kind == "start" else None,
        "user.name": word(user),
    }
