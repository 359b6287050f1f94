"""nginx and Apache access logs: common and combined, with the ports that RFC 6302 asks for.

192.0.2.7 - - [23/Nov/2026:21:35:43 +0300] "GET /duyuru?id=7 HTTP/1.1" 200 5120 "-" "Mozilla/5.0" \
51022 198.51.100.10 443

Known around it: a virtual host before the client, lists of forwarded addresses, the combined format's forwarded-for
field, anything else after it. For Law 5651 append the client's port, and the server's address and port:
Apache `%{remote}p %A %p`, nginx `$remote_port $server_addr $server_port`.
The client is the address that connected; a forwarded one is the visitor's claim and stands in network.forwarded_ip.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.times import StampsByZone
from ingest.parsers.values import Memo, address, decoded, port, ports, whole, words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from ingest.parsers.lines import Lines

NAME: Final = "access_log"
_TIME = r"\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d(?:\.\d{1,9})?(?: [+\-]\d{4})?)\] "
_ESCAPING = r"[^\"\\]*+(?:\\.[^\"\\]*+)*+"
_SIMPLE = r"[^\"]*+"  # what is between quotes where the line has no \" (Apache writes one so, nginx never)


def _rest(quoted: str) -> str:
    return (
        r"\"(?:([A-Z]{1,20}) (([^ \"?\\]*)(?:\?([^ \"\\]*))?) HTTP/([0-9](?:\.[0-9])?)|(" + quoted + r"))\" "
        r"([0-9]{3}|-) ([0-9]{1,18}|-)"
        r"(?: \"(" + quoted + r")\" \"(" + quoted + r")\")?(?: (?:X-Forwarded-For=)?\"([^\"]*)\")?"
        r"(?: ([0-9]{1,5}) ([0-9A-Fa-f:]*[.:][0-9A-Fa-f.:]*) ([0-9]{1,5})(?= |$))?(?: .*)?$"
    )


_PLAIN = re.compile(r"([^ ]+) ([^ ]+) ([^ ]+) " + _TIME + _rest(_SIMPLE), re.DOTALL | re.ASCII)
_ODD = re.compile(
    r"((?:\"[^\"\[]{0,1024}\"|[^\"\[]){1,1024}?) ([^ ]{1,256}) ([^ ]{1,256}) " + _TIME + _rest(_ESCAPING),
    re.DOTALL | re.ASCII,
)
_REQUEST = re.compile(r"([A-Za-z_\-]{1,20}) (\S+)(?: HTTP/(\d(?:\.\d)?))?", re.ASCII)
_SPLIT = re.compile(r"[\s,\"]+")
_TYPE = ["access"]


class AccessLog:
    """Lines with a time in brackets and a request in quotes."""

    name = NAME
    begins = r"[^\[]{5,2048}+\[\d\d/[A-Z][a-z]{2}/\d{4}:"

    def __init__(self) -> None:
        """Start with empty memories."""
        self._stamps = StampsByZone()
        self._addresses: Memo[str | None, str | None] = Memo(address)
        self._statuses: Memo[str | None, int | None] = Memo(whole)

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for the plain lines and one for those with more before the client."""
        plain: tuple[list[int], list[tuple[Any, ...]]] = ([], [])
        odd: tuple[list[int], list[tuple[Any, ...]]] = ([], [])
        refused: list[int] = []
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            found, place = None if '\\"' in text else _PLAIN.match(text, start), plain
            if found is None:
                found, place = _ODD.match(text, start), odd
            if found is None:
                refused.append(at)
            else:
                place[0].append(at)
                place[1].append(found.groups())
        parts = []
        if plain[0]:
            parts.append(Part(plain[0], self._columns(plain[1], lines.zone)))
        if odd[0]:
            clients = [_client(row[0], row[1]) for row in odd[1]]
            rows = [(client[0], *row[1:]) for client, row in zip(clients, odd[1], strict=True)]
            columns = self._columns(rows, lines.zone)
            _served_by(columns, [client[1:3] for client in clients])
            given = columns.get("network.forwarded_ip", [None] * len(rows))
            columns["network.forwarded_ip"] = [old or one[3] for old, one in zip(given, clients, strict=True)]
            parts.append(Part(odd[0], columns))
        return Parsed(parts, refused)

    def _columns(self, rows: Sequence[tuple[Any, ...]], zone: tzinfo) -> Columns:
        (
            client, _identity, user, stamp, method, url, path, query, version, request, status, size, referrer, agent,
            forwarded, client_port, server, server_port,
        ) = zip(*rows, strict=True)  # fmt: skip
        count = len(rows)
        users = words(user)
        sources = self._addresses.column(client)
        columns: Columns = {
            "@timestamp": self._stamps[zone].clf.column(stamp),
            "event.module": [NAME] * count,
            "event.category": [["web"]] * count,
            "event.type": [_TYPE] * count,
            "source.ip": sources,
            "source.user.name": users,
            "user.name": users,
            "http.request.method": list(method),
            "http.request.referrer": words(referrer),
            "http.response.body.bytes": [None if text == "-" else int(text) for text in size],
            "http.response.status_code": self._statuses.column(status),
            "http.version": list(version),
            "url.original": list(url),
            "url.path": decoded(path),
            "url.query": list(query),
            "user_agent.original": words(agent),
        }
        if any(client_port):
            columns["source.port"] = ports(client_port)
            columns["destination.ip"] = self._addresses.column(server)
            columns["destination.port"] = ports(server_port)
        if any(forwarded):
            columns["network.forwarded_ip"] = [_forwarded(text) for text in forwarded]
        if None in sources:
            columns["source.address"] = [None if ip else name for ip, name in zip(sources, client, strict=True)]
        if None in columns["http.request.method"]:
            _odd_requests(columns, request)
        return columns

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(NAME, f'expected `client ident user [time] "request" status bytes`, found {line[:40]!r}')


def _served_by(columns: Columns, hosts: Sequence[tuple[str | None, int | None]]) -> None:
    """Fill in the virtual host and its port; a host that is an address is the destination, unless the line has one."""
    columns["url.domain"] = [host for host, _ in hosts]
    for name, found in (
        ("destination.ip", [address(host) for host, _ in hosts]),
        ("destination.port", [own_port for _, own_port in hosts]),
    ):
        given = columns.get(name)
        columns[name] = found if given is None else [old or new for old, new in zip(given, found, strict=True)]


def _odd_requests(columns: Columns, requests: Sequence[str | None]) -> None:
    """Fill in the requests that are not `METHOD path HTTP/x`: old, escaped, or not HTTP at all."""
    for at, request in enumerate(requests):
        if not request or request == "-":
            continue
        found = _REQUEST.fullmatch(request)
        columns["url.original"][at] = request if found is None else found[2]
        if found is not None:
            path, mark, query = found[2].partition("?")
            columns["http.request.method"][at] = found[1]
            columns["http.version"][at] = found[3]
            columns["url.path"][at] = decoded([path])[0]
            columns["url.query"][at] = query if mark else None


def _forwarded(text: str | None) -> str | None:
    """Return the first address of a forwarded-for list."""
    for part in _SPLIT.split(text or ""):
        found = address(part)
        if found is not None:
            return found
    return None


def _client(prefix: str, identity: str) -> tuple[str, str | None, int | None, str | None]:
    """Return client, virtual host, its port and the forwarded address of what stands before `ident user [time]`.

    A user name with a blank in it shifts the fields: then the prefix ends with the `-` that was the identity.
    """
    parts = [part for part in _SPLIT.split(prefix) if part]
    if len(parts) > 1 and parts[-1] == "-" and identity != "-":
        parts.pop()
    if len(parts) < 2:  # noqa: PLR2004 - one part: the client alone
        return (parts or [""])[0], None, None, None
    first = prefix.partition(" ")[0]
    if "," in first or first.startswith('"'):  # a list of forwarded addresses comes first
        return parts[-1], None, None, _forwarded(prefix.rpartition(" ")[0])
    host, colon, digits = parts[0].rpartition(":")
    domain, domain_port = (host, port(digits)) if colon and digits.isdigit() else (parts[0], None)
    return parts[-1], domain, domain_port, _forwarded(" ".join(parts[1:-1]))
