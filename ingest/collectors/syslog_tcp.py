"""Syslog over TCP (RFC 6587) and, with a TLS context, over TLS (RFC 5425).

Plain TCP has no acknowledgement: what the sender's kernel took and we had not read is lost when a connection breaks,
and nobody can count it. What was read is kept, an unfinished message with the mark `;cut`.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import sys
import termios
from typing import TYPE_CHECKING, Final, cast

from ingest.collectors.collector import EVERYWHERE, Counters, endpoint, listening_sockets
from ingest.framing import MESSAGE_LIMIT, Framing, framer
from some.diagnostics import named
from some.record import RecordBlock

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Sequence

    from ingest.collectors.collector import Resolve
    from ingest.framing import Framed
    from ingest.intake import Intake
    from some.clock import Clock
    from some.record import RecordClass

CONNECTION_LIMIT: Final = 1024
READ_BYTES: Final = 1024 * 1024
_BACKLOG: Final = 512
_QUIET_ROUNDS: Final = 8  # accepting a connection takes the event loop several

_diagnostics = named("ingest.syslog_tcp")


class _Connection(asyncio.BufferedProtocol):
    """One sender. All connections read into the collector's one buffer: an idle one costs no memory."""

    __slots__ = ("_collector", "_framer", "_origin", "_record_class", "_source", "due", "transport")

    def __init__(self, collector: SyslogTcp) -> None:
        self._collector = collector
        self._framer = framer(collector.framing, collector.limit)
        self.transport: asyncio.Transport | None = None
        self.due = 0  # bytes to read before a stop is over
        self._origin = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if not peer or not self._collector.admit(self):
            transport.abort()
            return
        self._source, self._record_class = self._collector.source_of(peer[0])
        self._origin = f"tcp:{endpoint(peer)}"
        self.transport = transport
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if not self._collector.reading:
            transport.pause_reading()

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - the signature is asyncio's
        return self._collector.buffer

    def buffer_updated(self, nbytes: int) -> None:
        collector = self._collector
        collector.bytes_read += nbytes
        self.due -= nbytes
        self._offer(self._framer.feed(bytes(collector.buffer[:nbytes])))

    def unread(self) -> int:
        """Return how many bytes the kernel holds for us (under TLS somewhat more than they will become)."""
        if self.transport is None or self.transport.is_closing():
            return 0
        held = fcntl.ioctl(self.transport.get_extra_info("socket").fileno(), termios.FIONREAD, bytes(4))
        return int.from_bytes(held, sys.byteorder)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - cut is cut, whatever the reason
        if self.transport is not None:
            self._offer(self._framer.end())
            self._collector.forget(self)

    def _offer(self, found: Iterable[Framed]) -> None:
        if found:
            self._collector.offer(found, self._source, self._origin, self._record_class)


class SyslogTcp:
    """A TCP listener on one port of several addresses."""

    def __init__(
        self,
        name: str,
        intake: Intake,
        clock: Clock,
        resolve: Resolve,
        *,
        port: int,
        hosts: Sequence[str] = EVERYWHERE,
        framing: Framing = Framing.AUTO,
        limit: int = MESSAGE_LIMIT,
        connection_limit: int = CONNECTION_LIMIT,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Keep the settings; nothing is opened before `start`. `limit` is the longest message kept whole, in bytes."""
        self.framing = framing
        self.limit = limit
        self.buffer = memoryview(b"")
        self.bytes_read = 0
        self.reading = True
        self._name = name
        self._intake = intake
        self._clock = clock
        self._resolve = resolve
        self._port = port
        self._hosts = tuple(hosts)
        self._connection_limit = connection_limit
        self._tls = tls
        self._servers: list[asyncio.Server] = []
        self._connections: set[_Connection] = set()
        self._all_gone: asyncio.Event | None = None
        self._connections_total = self._refused = 0
        self._truncated = self._lost_bytes = self._bad_frames = self._cut = 0
        intake.on_room(self._go_on)

    @property
    def name(self) -> str:
        """The listener's name."""
        return self._name

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, as (address, port)."""
        return [sock.getsockname()[:2] for server in self._servers for sock in server.sockets]

    def counters(self) -> Counters:
        """Return the counts so far."""
        passed = self._intake.counters()
        return Counters(
            listener=self._name,
            received=passed.received,
            received_bytes=passed.received_bytes,
            durable=passed.durable,
            durable_bytes=passed.durable_bytes,
            pending_bytes=passed.pending_bytes,
            truncated=self._truncated,
            lost_bytes=self._lost_bytes,
            bad_frames=self._bad_frames,
            cut=self._cut,
            connections=len(self._connections),
            connections_total=self._connections_total,
            refused=self._refused,
        )

    async def start(self) -> None:
        """Bind and accept; raises Unavailable."""
        loop = asyncio.get_running_loop()
        self.buffer = memoryview(bytearray(READ_BYTES))
        for sock in listening_sockets(self._hosts, self._port, socket.SOCK_STREAM):
            server = await loop.create_server(lambda: _Connection(self), sock=sock, backlog=_BACKLOG, ssl=self._tls)
            self._servers.append(server)
        _diagnostics.info("syslog_tcp.started", listener=self._name, tls=self._tls is not None)

    async def stop(self) -> None:
        """Accept no more, read what has arrived, close the connections, and wait for the archive."""
        try:
            await self._read_arrived()  # with the door open, so that whoever knocked before now gets in
            self._close_servers()
            await self._read_arrived()
        finally:
            self._close_servers()
            await self._hang_up()
        await self._intake.drain()

    def _close_servers(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()

    async def _hang_up(self) -> None:
        """End every connection; each hands over its unfinished message."""
        if self._connections:
            self._all_gone = asyncio.Event()
            for connection in list(self._connections):
                if connection.transport is not None:
                    connection.transport.abort()
            await self._all_gone.wait()

    async def _read_arrived(self) -> None:
        """Let the loop read what the kernel holds by now; a sender that goes on does not hold up the stop.

        A round of the event loop serves every socket that has bytes, so some rounds that bring nothing prove that the
        kernel has none.
        """
        for connection in self._connections:
            connection.due = connection.unread()
        rounds = quiet = 0
        while quiet < _QUIET_ROUNDS:
            if rounds >= _QUIET_ROUNDS and all(connection.due <= 0 for connection in self._connections):
                return
            await self._intake.room()
            before = self.bytes_read
            await asyncio.sleep(0)
            rounds += 1
            quiet = quiet + 1 if self.bytes_read == before else 0

    def admit(self, connection: _Connection) -> bool:
        """Take in `connection`, unless there are too many."""
        if len(self._connections) >= self._connection_limit:
            self._refused += 1
            _diagnostics.warning("syslog_tcp.refused", listener=self._name, connections=len(self._connections))
            return False
        self._connections.add(connection)
        self._connections_total += 1
        return True

    def forget(self, connection: _Connection) -> None:
        """Note that `connection` has ended and handed over its rest."""
        self._connections.discard(connection)
        if self._all_gone is not None and not self._connections:
            self._all_gone.set()

    def source_of(self, peer: str) -> tuple[str, RecordClass]:
        """Return source name and class for the address `peer`."""
        return self._resolve(self._name, peer)

    def offer(self, found: Iterable[Framed], source: str, origin: str, record_class: RecordClass) -> None:
        """Hand over what one read completed; stop reading everywhere where that fills the intake."""
        now = self._clock.now()
        for framed in found:
            if framed.marks:
                self._count(framed)
            block = RecordBlock(now, source, origin + framed.marks, record_class, framed.payload, framed.count)
            self._intake.offer(block)
        if self.reading and not self._intake.has_room:
            self.reading = False
            for connection in self._connections:
                if connection.transport is not None:
                    connection.transport.pause_reading()

    def _count(self, framed: Framed) -> None:
        self._lost_bytes += framed.lost_bytes
        if ";truncated" in framed.marks:
            self._truncated += framed.count
        if ";bad-frame" in framed.marks:
            self._bad_frames += framed.count
        if ";cut" in framed.marks:
            self._cut += framed.count

    def _go_on(self) -> None:
        """There is room again."""
        if not self.reading:
            self.reading = True
            for connection in self._connections:
                if connection.transport is not None and not connection.transport.is_closing():
                    connection.transport.resume_reading()
