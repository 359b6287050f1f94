"""Sophos XG Firewall (SFOS): key=value lines, in the form of versions to 18 and in the central one after it.

<30>device="SFW" date=2026-11-23 time=21:35:43 timezone="+03" device_name="XG230" device_id=C01001TEST000001 \
log_id=010101600001 log_type="Firewall" log_component="Firewall Rule" log_subtype="Allowed" status="Allow" duration=30 \
fw_rule_id=21 user_name="ayse" src_mac=00:00:5e:00:53:23 src_ip=10.20.30.41 dst_ip=203.0.113.80 protocol="TCP" \
src_port=51022 dst_port=443 sent_bytes=459 recv_bytes=606 tran_src_ip=198.51.100.10 tran_src_port=0 connevent="Stop" \
connid="1617925280"

A session's line is written when it ends (`Stop`), so it began `duration` seconds before; `Interim` says that it goes
on, `Start` that it began. The translated port is written as 0, which is none: the public port is not known from here.
Abbreviations of zones that mean several (`IST`, `BST`) are not believed: then the source's own zone holds.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ingest.fact_words import FactWord, LoginMethod
from ingest.parsers.layout import Grammar, Layouts, Table
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.times import SECOND, StampsByZone, zone_of
from ingest.parsers.values import (
    LONGEST_S,
    Memo,
    address,
    at_most,
    decoded,
    lower,
    mac,
    port,
    transport,
    wholes,
    word,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import tzinfo

    from ingest.parsers.lines import Lines

NAME: Final = "sophos"
_STAMP = "date time"
_ADDRESSES = {
    "src_ip": "source.ip", "sourceip": "source.ip", "dst_ip": "destination.ip", "destinationip": "destination.ip",
    "tran_src_ip": "source.nat.ip", "src_trans_ip": "source.nat.ip", "tran_dst_ip": "destination.nat.ip",
    "dst_trans_ip": "destination.nat.ip", "reported_ip": "client.ip", "leased_ip": "client.ip",
}  # fmt: skip
_PORTS = {
    "src_port": "source.port", "dst_port": "destination.port", "tran_src_port": "source.nat.port",
    "src_trans_port": "source.nat.port", "tran_dst_port": "destination.nat.port",
    "dst_trans_port": "destination.nat.port",
}  # fmt: skip
_COUNTS = {
    "sent_bytes": "source.bytes", "bytes_sent": "source.bytes", "recv_bytes": "destination.bytes",
    "bytes_received": "destination.bytes", "http_status": "http.response.status_code",
    "status_code": "http.response.status_code", "httpstatus": "http.response.status_code",
}  # fmt: skip
_MACS = {"src_mac": "source.mac", "dst_mac": "destination.mac"}
_WORDS = {
    "user_name": "source.user.name", "user": "source.user.name", "application": "network.application",
    "app_name": "network.application", "in_interface": "observer.ingress.interface.name",
    "out_interface": "observer.egress.interface.name", "fw_rule_id": "rule.id", "fw_rule_name": "rule.name",
    "connid": "some.session.id", "con_id": "some.session.id", "message": "message", "reason": "event.reason",
    "url": "url.original", "domain": "url.domain", "reported_host": "host.hostname",
    "client_host_name": "host.hostname",
}  # fmt: skip
_CONSTANTS = {
    "log_id": "event.code", "device_id": "observer.serial_number", "device_serial_id": "observer.serial_number",
    "priority": "log.level", "severity": "log.level",
}  # fmt: skip
_EVENTS = ("connevent", "con_event")
_KINDS = ("log_type", "log_component", "log_subtype", "status", *_EVENTS)
_GRAMMAR = Grammar(
    wanted=frozenset(
        {
            *_ADDRESSES,
            *_PORTS,
            *_COUNTS,
            *_MACS,
            *_WORDS,
            "date",
            "time",
            "timestamp",
            "duration",
            "protocol",
            "lease_time",
        }
    ),
    whole=frozenset({*_PORTS, *_COUNTS, "duration", "lease_time"}),
    constant=frozenset({*_CONSTANTS, *_KINDS, "timezone", "device_name", "device_model", "device"}),
    pairs=(("date", "time"),),
)
_DEVICE = {
    "event.module": NAME,
    "observer.type": "firewall",
    "observer.vendor": "Sophos",
    "observer.product": "XG",
}
_SESSIONS = {"start": FactWord.SESSION_OPENED, "interim": FactWord.SESSION_SEEN}
_PHASES = {FactWord.SESSION_OPENED: "start", FactWord.SESSION_SEEN: "info", FactWord.SESSION: "end"}
_LEASES = {
    "lease": FactWord.LEASE_GRANTED, "renew": FactWord.LEASE_GRANTED, "release": FactWord.LEASE_ENDED,
    "expire": FactWord.LEASE_ENDED,
}  # fmt: skip
_LEASED = re.compile(r"Lease IP ([0-9.]{7,15}) [a-z]{1,20} for MAC ([0-9A-Fa-f:]{17})(?![0-9A-Fa-f:])")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]{0,15})://([^/?#:]{1,255})(?::[0-9]{1,5})?([^?]*)(?:\?(.*))?", re.DOTALL)
_NO_MAC = "00-00-00-00-00-00"


def _mac(text: str | None) -> str | None:
    found = mac(text)
    return None if found == _NO_MAC else found


def _transport(text: str | None) -> str | None:
    name = lower(text)
    return transport(name) if name is None or name.isdigit() else name


class Sophos:
    """Lines of key=value that begin with the device's kind, SFW."""

    name = NAME
    begins = r"device(?:_name)?=\"?SFW\"?[ ,]"

    def __init__(self) -> None:
        """Start with no layout learned."""
        self._layouts = Layouts(_GRAMMAR)
        self._stamps = StampsByZone()
        self._addresses: Memo[str | None, str | None] = Memo(address)
        self._macs: Memo[str | None, str | None] = Memo(_mac)
        self._ports: Memo[str | None, int | None] = Memo(port)
        self._transports: Memo[str | None, str | None] = Memo(_transport)

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for each layout."""
        parsed = Parsed()
        tables, unknown = self._layouts.read(lines)
        parsed.refused.extend(unknown)
        for table in tables:
            if not {"log_type", "log_id"} & table.keys:
                parsed.refused.extend(table.positions)
                continue
            parsed.parts.append(Part(table.positions, self._columns(table, lines.zone)))
        return parsed

    def _columns(self, table: Table, zone: tzinfo) -> Columns:
        count = len(table.positions)
        given, constants = table.columns(), table.constants
        columns: Columns = {name: [value] * count for name, value in _DEVICE.items()}
        columns.update((name, [value] * count) for name, value in _device(constants))
        self._plain(columns, given)
        columns["event.action"] = [lower(constants.get("log_subtype"))] * count
        if "protocol" in given:
            columns["network.transport"] = self._transports.column(given["protocol"])
        if "source.user.name" in columns:
            columns["user.name"] = columns["source.user.name"]
        if "url.original" in columns:
            _url(columns)
        moments = self._moments(given, zone_of(constants.get("timezone")) or zone)
        if moments is not None:
            columns["@timestamp"] = moments
        kind = (constants.get("log_type"), constants.get("log_component"))
        if kind[0] == "Firewall":
            _session(columns, given, constants, moments)
        elif kind == ("Event", "Firewall Authentication"):
            _sign_in(columns, constants)
        elif kind == ("Event", "DHCP Server"):
            self._lease(columns, given, constants)
        return columns

    def _plain(self, columns: Columns, given: dict[str, Sequence[str]]) -> None:
        """Fill in the columns that need only their own value; the first key that says something for a field counts."""
        for names, convert in self._conversions():
            for key, name in names.items():
                if key in given:
                    found = convert(given[key])
                    if name in columns:
                        found = [new if old is None else old for old, new in zip(columns[name], found, strict=True)]
                    columns[name] = found

    def _conversions(self) -> tuple[tuple[dict[str, str], Callable[[Sequence[str]], list[Any]]], ...]:
        return (
            (_ADDRESSES, self._addresses.column),
            (_PORTS, self._ports.column),
            (_COUNTS, wholes),
            (_MACS, self._macs.column),
            (_WORDS, words),
        )

    def _moments(self, given: dict[str, Sequence[str]], zone: tzinfo) -> list[int | None] | None:
        stamps = given.get("timestamp") or given.get(_STAMP)
        return None if stamps is None else self._stamps[zone].iso.column(stamps)

    def _lease(self, columns: Columns, given: dict[str, Sequence[str]], constants: Mapping[str, str]) -> None:
        """Fill in what the DHCP server says; its message names address and MAC of the lease itself."""
        count = len(columns["event.module"])
        absent: list[None] = [None] * count
        said = [_LEASED.search(text or "") for text in columns.get("message", absent)]
        reported, hardware = columns.get("client.ip", absent), columns.pop("source.mac", absent)
        columns["client.ip"] = [address(one[1]) if one else ip for one, ip in zip(said, reported, strict=True)]
        columns["client.mac"] = [_mac(one[2]) if one else known for one, known in zip(said, hardware, strict=True)]
        columns["event.category"] = [["network"]] * count
        columns["network.protocol"] = ["dhcp"] * count
        fact = _LEASES.get(constants.get("status", "").lower())
        if fact is not None:
            columns["some.fact"] = [None if ip is None else fact.value for ip in columns["client.ip"]]
        if "lease_time" in given:
            columns["some.lease.duration"] = at_most(LONGEST_S, wholes(given["lease_time"]))

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(NAME, f'expected device="SFW" with log_type or log_id, found {line[:40]!r}')


def _device(constants: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the fields that are one for all lines of a layout."""
    for key, name in _CONSTANTS.items():
        if word(constants.get(key)) is not None:
            yield name, constants[key]
    name = constants.get("device_name", "")
    if name != "SFW" and word(name) is not None:  # the central form has the kind in its place
        yield "observer.name", name


def _url(columns: Columns) -> None:
    """Fill in the parts of addresses of pages; the domain that the line itself names stays."""
    found = [_URL.fullmatch(url or "") for url in columns["url.original"]]
    domains = [one[2] if one else None for one in found]
    columns["url.scheme"] = [one[1] if one else None for one in found]
    columns["url.domain"] = [
        told or named for told, named in zip(columns.get("url.domain", [None] * len(found)), domains, strict=True)
    ]
    columns["url.path"] = decoded([one[3] if one else None for one in found])
    columns["url.query"] = [one[4] if one else None for one in found]


def _session(
    columns: Columns,
    given: dict[str, Sequence[str]],
    constants: Mapping[str, str],
    moments: Sequence[int | None] | None,
) -> None:
    """Fill in the word, the ends and the type of a firewall's line; a denied one is no session."""
    count = len(columns["event.module"])
    event = next((constants[key].lower() for key in _EVENTS if constants.get(key)), "stop")
    allowed = constants.get("log_subtype") == "Allowed"
    word_ = _SESSIONS.get(event, FactWord.SESSION)
    columns["event.category"] = [["network"]] * count
    columns["event.type"] = [["connection", _PHASES[word_], "allowed"] if allowed else ["connection", "denied"]] * count
    lasted = at_most(LONGEST_S, wholes(given["duration"])) if "duration" in given else [None] * count
    if "duration" in given:
        columns["event.duration"] = [None if value is None else value * 1_000_000_000 for value in lasted]
    if not allowed:
        return
    columns["some.fact"] = [word_.value] * count
    if moments is None:
        return
    if word_ is FactWord.SESSION_OPENED:
        columns["event.start"] = list(moments)
        return
    columns["event.start"] = [
        None if at is None or value is None else at - value * SECOND for at, value in zip(moments, lasted, strict=True)
    ]
    if word_ is FactWord.SESSION:
        columns["event.end"] = list(moments)


def _sign_in(columns: Columns, constants: Mapping[str, str]) -> None:
    """Fill in who signed in at the firewall, or left it: only the message tells which."""
    count = len(columns["event.module"])
    absent: list[None] = [None] * count
    columns["event.category"] = [["authentication", "session"]] * count
    success = constants.get("status") == "Successful"
    columns["event.outcome"] = ["success" if success else "failure"] * count
    said = [_signed(text or "") for text in columns.get("message", absent)]
    columns["event.type"] = [["info" if one is None else "start" if one is FactWord.LOGIN else "end"] for one in said]
    known = zip(said, columns.get("user.name", absent), columns.get("source.ip", absent), strict=True)
    facts = [one if success and one and user and ip else None for one, user, ip in known]
    columns["some.fact"] = [None if one is None else one.value for one in facts]
    columns["some.login.method"] = [None if one is None else LoginMethod.FIREWALL.value for one in facts]


def _signed(message: str) -> FactWord | None:
    if " logged out " in message:
        return FactWord.LOGOUT
    return FactWord.LOGIN if " logged in " in message else None
