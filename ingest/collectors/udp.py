"""What collectors over UDP share: the socket, the drain, and the count of what was lost.

UDP cannot be slowed down; what nobody reads in time the kernel throws away. So the socket gets a large buffer, a
wake-up drains it in a loop (asyncio's own datagram endpoint lost 30-60 % where this loses nothing), and the kernel's
count of drops becomes a *gap record* in the archive: the log then says itself that it is not complete.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ingest.collectors.collector import EVERYWHERE, PEERS_REMEMBERED, Counters, endpoint, listening_sockets
from some.clock import to_text
from some.diagnostics import named
from some.record import RecordBlock, escape

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from ingest.collectors.collector import Resolve
    from ingest.intake import Intake
    from some.clock import Clock
    from some.record import RecordClass

BUFFER_BYTES: Final = 256 * 1024 * 1024
"""Asked for; 160,000 datagrams of 480 bytes, 1.6 s at 100,000 a second; memory is used only when they wait.

Without CAP_NET_ADMIN the kernel gives at most twice `net.core.rmem_max`.
"""

_SO_RCVBUFFORCE: Final = 33  # asm-generic/socket.h; Python has no names for these two
_SO_MEMINFO: Final = 55
_MEMINFO = struct.Struct("9I")
_DROPS_FIELD: Final = 8  # SK_MEMINFO_DROPS, linux/sock_diag.h
_DATAGRAM_BYTES: Final = 65_535
_DRAIN: Final = 512
"""Datagrams read for one wake-up, so that TCP and the answers of the disk get their turn."""

_DRAIN_BYTES: Final = 4 * 1024 * 1024
"""And their bytes: what a drain brings must fit into a frame of the archive."""

_GATHER_S: Final = 0.005
_GATHER_BUFFER_BYTES: Final = 4 * 1024 * 1024
_LOOK_S: Final = 1.0

_diagnostics = named("ingest.udp")


class _Listener:
    """One bound socket with its drop counter."""

    __slots__ = ("drops", "paused", "proc", "since", "sock", "timer")

    def __init__(self, sock: socket.socket, since: datetime) -> None:
        self.sock = sock
        self.since = since  # when the drop counter was last looked at
        self.drops = 0
        self.paused = False
        self.proc = False  # the kernel has no SO_MEMINFO: look into /proc
        self.timer: asyncio.TimerHandle | None = None


Peer = tuple[str, int]
"""Address and port of a sender."""

Cut = Callable[[Peer, Sequence[bytes]], "Iterable[tuple[bytes, int]]"]
"""Datagrams of one peer, in order -> blocks: escaped lines, each ended by LF, and how many they are."""


class UdpListener:
    """A UDP listener on one port of several addresses; `cut` makes records of what came."""

    def __init__(
        self,
        name: str,
        intake: Intake,
        clock: Clock,
        resolve: Resolve,
        cut: Cut,
        *,
        record_class: RecordClass,
        port: int,
        hosts: Sequence[str] = EVERYWHERE,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        """Keep the settings; nothing is opened before `start`. `record_class` is the class of gap records."""
        self._name = name
        self._intake = intake
        self._clock = clock
        self._resolve = resolve
        self._cut = cut
        self._record_class = record_class
        self._port = port
        self._hosts = tuple(hosts)
        self._buffer_bytes = buffer_bytes
        self._buffer_given = 0
        self._gather_s = 0.0
        self._listeners: list[_Listener] = []
        self._peers: dict[Peer, tuple[str, str, RecordClass]] = {}
        self._look: asyncio.TimerHandle | None = None
        self._drops = self._faults = 0
        intake.on_room(self._go_on)

    @property
    def name(self) -> str:
        """The listener's name."""
        return self._name

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, as (address, port)."""
        return [listener.sock.getsockname()[:2] for listener in self._listeners]

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
            kernel_drops=self._drops,
            faults=self._faults,
            buffer_bytes=self._buffer_given,
        )

    async def start(self) -> None:
        """Bind and begin to read; raises Unavailable."""
        loop = asyncio.get_running_loop()
        now = self._clock.now()
        for sock in listening_sockets(self._hosts, self._port, socket.SOCK_DGRAM):
            given = _enlarge(sock, self._buffer_bytes)
            self._buffer_given = min(self._buffer_given or given, given)
            self._listeners.append(_Listener(sock, now))
        if self._buffer_given >= _GATHER_BUFFER_BYTES:
            self._gather_s = _GATHER_S
        for listener in self._listeners:
            loop.add_reader(listener.sock, self._read, listener)
        self._look = loop.call_later(_LOOK_S, self._look_at_drops)
        _diagnostics.info("udp.started", listener=self._name, buffer_bytes=self._buffer_given)

    async def stop(self) -> None:
        """Read what the kernel holds, write down what it dropped, close, and wait for the archive."""
        loop = asyncio.get_running_loop()
        if self._look is not None:
            self._look.cancel()
        for listener in self._listeners:
            self._pause(listener)
            loop.remove_reader(listener.sock)
        try:
            for listener in self._listeners:
                await self._empty(listener)
                self._note_drops(listener)
        finally:
            for listener in self._listeners:
                listener.sock.close()
            self._listeners.clear()
        await self._intake.drain()

    async def _empty(self, listener: _Listener) -> None:
        """Read until nothing is left, at most one buffer full: a sender that goes on must not hold up the stop."""
        budget = self._buffer_given
        while budget > 0:
            await self._intake.room()
            count, size = self._drain(listener)
            if not count:
                return
            budget -= size + count
            await asyncio.sleep(0)

    def _read(self, listener: _Listener) -> None:
        """Serve one wake-up.

        After a short read the listener looks away for some milliseconds: at a high rate the kernel then gathers
        hundreds of datagrams for one block, instead of a few for each wake-up. With a small buffer there is no time
        for that.
        """
        count, _ = self._drain(listener)
        if not self._intake.has_room:
            self._pause(listener)
        elif self._gather_s and 1 < count < _DRAIN:
            self._pause(listener)
            listener.timer = asyncio.get_running_loop().call_later(self._gather_s, self._unpause, listener)

    def _pause(self, listener: _Listener) -> None:
        if listener.timer is not None:
            listener.timer.cancel()
            listener.timer = None
        if not listener.paused:
            listener.paused = True
            asyncio.get_running_loop().remove_reader(listener.sock)

    def _unpause(self, listener: _Listener) -> None:
        listener.timer = None
        listener.paused = False
        asyncio.get_running_loop().add_reader(listener.sock, self._read, listener)

    def _go_on(self) -> None:
        """There is room again."""
        for listener in self._listeners:
            if listener.paused and listener.timer is None:
                self._unpause(listener)

    def _drain(self, listener: _Listener) -> tuple[int, int]:
        """Read up to a fixed number of datagrams and offer them, each peer's together; return count and bytes."""
        receive = listener.sock.recvfrom
        batches: dict[Peer, list[bytes]] = {}
        last: Peer | None = None
        batch: list[bytes] = []
        count = size = 0
        try:
            for _ in range(_DRAIN):
                message, peer = receive(_DATAGRAM_BYTES)
                if peer != last:
                    batch = batches.setdefault(peer, [])
                    last = peer
                batch.append(message)
                count += 1
                size += len(message)
                if size >= _DRAIN_BYTES:
                    break
        except BlockingIOError:
            pass
        except OSError as error:
            self._faults += 1
            _diagnostics.warning("udp.read_failed", listener=self._name, error=str(error))
        if batches:
            now = self._clock.now()
            for peer, messages in batches.items():
                source, origin, record_class = self._peers.get(peer) or self._meet(peer)
                for payload, lines in self._cut(peer, messages):
                    self._intake.offer(RecordBlock(now, source, origin, record_class, payload, lines))
        return count, size

    def _meet(self, peer: Peer) -> tuple[str, str, RecordClass]:
        """Name a peer seen for the first time."""
        if len(self._peers) >= PEERS_REMEMBERED:
            self._peers.clear()
        source, record_class = self._resolve(self._name, peer[0])
        self._peers[peer] = source, f"udp:{endpoint(peer)}", record_class
        return self._peers[peer]

    def _look_at_drops(self) -> None:
        for listener in self._listeners:
            self._note_drops(listener)
        self._look = asyncio.get_running_loop().call_later(_LOOK_S, self._look_at_drops)

    def _note_drops(self, listener: _Listener) -> None:
        """Make a gap record of what the kernel dropped since the last look."""
        now = self._clock.now()
        try:
            drops = _drops(listener)
        except OSError as error:
            self._faults += 1
            _diagnostics.warning("udp.drops_unreadable", listener=self._name, error=str(error))
            return
        dropped = (drops - listener.drops) % 2**32  # the kernel's counter has 32 bits
        if dropped:
            self._drops += dropped
            gap = {
                "kind": "gap",
                "listener": self._name,
                "dropped": dropped,
                "from": to_text(listener.since),
                "to": to_text(now),
            }
            payload = escape(json.dumps(gap, ensure_ascii=False).encode()) + b"\n"
            self._intake.offer(RecordBlock(now, self._name, f"gap:{self._name}", self._record_class, payload, 1))
            _diagnostics.warning("udp.dropped", listener=self._name, dropped=dropped)
        listener.drops = drops
        listener.since = now


def _enlarge(sock: socket.socket, wanted: int) -> int:
    """Give `sock` the receive buffer wanted, or what the kernel allows; return the effective bytes."""
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, wanted // 2)  # the kernel doubles it, for its overhead
    except PermissionError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted // 2)
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)


def _drops(listener: _Listener) -> int:
    """Return how many datagrams the kernel has dropped at this socket so far (modulo 2**32)."""
    if not listener.proc:
        try:
            memory = listener.sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
        except OSError:
            listener.proc = True  # before Linux 4.12
        else:
            if len(memory) == _MEMINFO.size:
                return int(_MEMINFO.unpack(memory)[_DROPS_FIELD])
            listener.proc = True
    inode = str(os.fstat(listener.sock.fileno()).st_ino)
    table = "/proc/net/udp6" if listener.sock.family == socket.AF_INET6 else "/proc/net/udp"
    for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
        fields = line.split()
        if fields[9] == inode:
            return int(fields[-1])
    raise OSError(f"{table} does not list this socket")
