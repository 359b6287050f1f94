"""Squid access log: native format, with the ports of both sides where they are configured, and a long form seen.

1795458943.123    184 10.20.30.41 51022 TCP_MISS/200 4512 GET http://www.example.org/a?b=1 ayse \
HIER_DIRECT/203.0.113.80 text/html

The time is the END of the request (src/log/FormatSquidNative.cc): event.start = end - elapsed. For Law 5651 configure
`logformat some %ts.%03tu %6tr %>a %>p %Ss/%03>Hs %<st %rm %ru %un %Sh/%<a %mt %<la %<lp %>eui`: %>p is the client's
port, %<la and %<lp are the proxy's own address and port towards the server, %>eui is the client's MAC; the last, or the
last three, may be missing. That pair is the public side of a `session.proxied`, or the inner side of what the firewall
behind translates; without it the proxy's requests are told apart by server and time only. `source.user.name` is what
the proxy authenticated (URL-decoded).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.values import LONGEST_S, Memo, address, decoded, mac, port, ports, unescaped, whole, wholes, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.parsers.lines import Lines

NAME: Final = "squid"
_BEGIN = (
    r"([0-9]{9,10}\.[0-9]{3}) +(-?[0-9]{1,12}) ([^ ]+) (?:([0-9]{1,5}) )?"
    r"([A-Z][A-Z0-9_]*)/([0-9]{3}|-) ([0-9]{1,18}|-) "
)
_URL = (
    r"((?>([a-zA-Z][a-zA-Z0-9+.\-]{1,15})://(?:[^/ @]{0,256}@)?(\[[^\] ]*\]|[^/: ?#]*+)(?::([0-9]{1,5}))?"
    r"([^? ]*+)(?:\?([^ ]*+))?|(\[[^\] ]*\]|[^/ :]++):([0-9]{1,5})(?= )|[^ ]++))"
)
_NATIVE = re.compile(
    rf"{_BEGIN}()([A-Za-z_\-]+) {_URL} ([^ ]+) ([A-Z0-9_]+|-)/([^ ]+) ()([^ ]+)"
    r"(?: ([0-9A-Fa-f.:]{2,45}|-) ([0-9]{1,5}|-)(?: ((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}|-))?(?= |$))?(?: .*)?$",
    re.DOTALL | re.ASCII,
)
_LONG = re.compile(
    rf"{_BEGIN}([0-9]{{1,18}}|-) (?:(?:[0-9]{{1,18}}|-) ){{0,7}}([A-Za-z_]+) {_URL} (?:[0-9]\.[0-9] )?([^ ]+) "
    r"([A-Z0-9_]+|-)/([^ ]+) (?:([0-9]{1,5}) |- )?([^ ]+)()()()(?: .*)?$",
    re.DOTALL | re.ASCII,
)
_PROXY: dict[str, str | list[str]] = {
    "event.module": NAME,
    "event.category": ["web", "network"],
    "observer.type": "proxy",
    "observer.vendor": "Squid",
    "observer.product": "Squid",
}
_WORD = FactWord.SESSION_PROXIED.value
_DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21}
_ALLOWED, _DENIED = ["access", "allowed"], ["access", "denied"]


def _status(text: str | None) -> int | None:
    return whole(text) or None  # 000: no answer was sent


def _span(moments: Sequence[str], elapsed: Sequence[str]) -> Columns:
    """Return the times of requests that ended at `moments` (seconds and milliseconds) and took `elapsed` ms."""
    ends = [int(text.replace(".", "")) * 1000 for text in moments]
    took = [min(max(int(text), 0), LONGEST_S * 1000) for text in elapsed]
    return {
        "@timestamp": ends,
        "event.start": [end - ms * 1000 for end, ms in zip(ends, took, strict=True)],
        "event.end": ends,
        "event.duration": [ms * 1_000_000 for ms in took],
    }


def _peer_ports(
    peers: Sequence[str | None],
    own: Sequence[str | None],
    named: Sequence[int | None],
    schemes: Sequence[str | None],
) -> list[int | None]:
    """Return the port that was spoken to: as logged, else the URL's, else its scheme's; None where nobody was asked."""
    return [
        None if peer is None else whole(logged) or given or _DEFAULT_PORTS.get(scheme or "")
        for peer, logged, given, scheme in zip(peers, own, named, schemes, strict=True)
    ]


class Squid:
    """Lines that begin with a time in seconds and milliseconds, and what the request took in milliseconds."""

    name = NAME
    begins = r"\d{9,10}\.\d{3} +-?\d+ \S"

    def __init__(self) -> None:
        """Start with empty memories."""
        self._addresses: Memo[str | None, str | None] = Memo(address)
        self._users: Memo[str | None, str | None] = Memo(unescaped)
        self._macs: Memo[str | None, str | None] = Memo(mac)
        self._statuses: Memo[str | None, int | None] = Memo(_status)

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for all requests."""
        positions: list[int] = []
        rows: list[tuple[str | None, ...]] = []
        refused: list[int] = []
        native, long = _NATIVE.match, _LONG.match
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            found = native(text, start) or long(text, start)
            if found is None:
                refused.append(at)
            else:
                positions.append(at)
                rows.append(found.groups())
        return Parsed([Part(positions, self._columns(rows))] if rows else [], refused)

    def _columns(self, rows: Sequence[tuple[str | None, ...]]) -> Columns:
        (
            moment, elapsed, client, client_port, result, status, size, sent, method, url,
            scheme, domain, url_port, path, query, tunnel, tunnel_port, user, _hierarchy, peer, peer_port, mime,
            own, own_port, client_mac,
        ) = zip(*rows, strict=True)  # fmt: skip
        count = len(rows)
        users = self._users.column(user)
        sources, peers = self._addresses.column(client), self._addresses.column(peer)
        named = ports([a or b for a, b in zip(url_port, tunnel_port, strict=True)])
        columns: Columns = {
            "event.action": list(result),
            "event.type": [_DENIED if "DENIED" in text else _ALLOWED for text in result],
            "source.ip": sources,
            "source.port": ports(client_port),
            "source.user.name": users,
            "user.name": users,
            "destination.ip": peers,
            "destination.port": _peer_ports(peers, peer_port, named, scheme),
            "destination.bytes": [None if text == "-" else int(text) for text in size],
            "http.request.method": words(method),
            "http.response.status_code": self._statuses.column(status),
            "http.response.mime_type": words(mime),
            "url.original": list(url),
            "url.scheme": list(scheme),
            "url.domain": words([a or b for a, b in zip(domain, tunnel, strict=True)]),
            "url.port": named,
            "url.path": decoded(path),
            "url.query": list(query),
        }
        columns.update((name, [value] * count) for name, value in _PROXY.items())
        columns.update(_span(moment, elapsed))
        columns.update(self._outgoing(peers, own, own_port))
        if any(client_mac):
            columns["source.mac"] = self._macs.column(client_mac)
        if any(sent):
            columns["source.bytes"] = wholes(sent)
        if None in sources:  # the proxy was told to write names
            columns["source.address"] = [None if ip else name for ip, name in zip(sources, client, strict=True)]
        return columns

    def _outgoing(
        self, peers: Sequence[str | None], own: Sequence[str | None], own_port: Sequence[str | None]
    ) -> Columns:
        """Return what requests attest for which somebody was asked: a session, and its public side where it is told."""
        columns: Columns = {
            "network.transport": [peer and "tcp" for peer in peers],
            "some.fact": [peer and _WORD for peer in peers],
        }
        if any(own):
            addresses = [peer and ip for peer, ip in zip(peers, self._addresses.column(own), strict=True)]
            columns["source.nat.ip"] = addresses
            columns["source.nat.port"] = [ip and port(text) for ip, text in zip(addresses, own_port, strict=True)]
        return columns

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(
            NAME,
            f"expected `time elapsed client [port] code/status bytes method URL user hierarchy/peer type …`, "
            f"found {line[:40]!r}",
        )
