"""What all collectors have in common."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from some.errors import Unavailable
from some.record import RecordClass

if TYPE_CHECKING:
    from collections.abc import Sequence

Resolve = Callable[[str, str], tuple[str, RecordClass]]
"""(listener, peer address or file path) -> (source name, record class)."""

PEERS_REMEMBERED: Final = 4096
"""Names kept at hand; UDP senders can be forged, so the memory of them is bounded."""

EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - a log collector listens on all addresses unless told otherwise


@dataclass(frozen=True, slots=True)
class Counters:
    """What one collector has seen since it was made; a number that means nothing to its kind stays 0.

    `received` counts records, gap records included, `received_bytes` their escaped lines; `durable` those that the
    archive has. `lost_bytes` are bytes of truncated messages over the limit. `kernel_drops` are datagrams that the
    kernel threw away. `buffer_bytes` is the socket buffer that the kernel really gave (what it counts includes its own
    overhead, about 1.7 kB a datagram). `refused` are connections over the limit, `faults` errors of socket or file.
    """

    listener: str
    received: int = 0
    received_bytes: int = 0
    durable: int = 0
    durable_bytes: int = 0
    pending_bytes: int = 0
    truncated: int = 0
    lost_bytes: int = 0
    bad_frames: int = 0
    cut: int = 0
    kernel_drops: int = 0
    connections: int = 0
    connections_total: int = 0
    refused: int = 0
    faults: int = 0
    files: int = 0
    buffer_bytes: int = 0


class Collector(Protocol):
    """One way to obtain records."""

    @property
    def name(self) -> str:
        """The listener's name: what an undeclared source is called after."""
        ...

    async def start(self) -> None:
        """Begin; raises Unavailable where address, port or permission is not to be had."""
        ...

    async def stop(self) -> None:
        """Accept no more, read what has already arrived, return when all of it is durable; raises UnknownState.

        Waits as long as the sink does not answer; who cannot wait cancels it, and then knows what `counters` says.
        """
        ...

    def counters(self) -> Counters:
        """Return the counts so far."""
        ...


def undeclared(record_class: RecordClass) -> Resolve:
    """Return the names of sources nobody declared: listener and peer, e.g. `syslog_udp/192.0.2.7`."""

    def resolve(listener: str, peer: str) -> tuple[str, RecordClass]:
        return f"{listener}/{peer}", record_class

    return resolve


def endpoint(address: tuple[str, int] | tuple[str, int, int, int]) -> str:
    """Return `192.0.2.7:51234` or `[2001:db8::7]:51234` for a socket's peer."""
    host, port = address[0], address[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listening_sockets(hosts: Sequence[str], port: int, kind: socket.SocketKind) -> list[socket.socket]:
    """Return bound, non-blocking sockets of `kind` on each of `hosts` (addresses, not names).

    An IPv6 socket takes IPv6 only, so a peer has one spelling. Of several wildcards, one whose family this machine
    lacks is passed over. With port 0 all share the number that the first one got. Raises Unavailable.
    """
    sockets: list[socket.socket] = []
    try:
        for host in hosts:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            if host in EVERYWHERE and len(hosts) > 1 and not _has(family):
                continue
            sock = socket.socket(family, kind)
            sockets.append(sock)
            sock.setblocking(False)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            if kind == socket.SOCK_STREAM:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((host, port))
            port = port or sock.getsockname()[1]
    except OSError as error:
        for sock in sockets:
            sock.close()
        msg = f"cannot listen on {host} port {port}: {error.strerror or error}"
        raise Unavailable(msg) from error
    return sockets


def _has(family: socket.AddressFamily) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
    except OSError:
        return False
    return True
