"""Every collector keeps the same promises, whatever it reads from."""

from __future__ import annotations

import asyncio
import socket
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest
from collect_sinks import ACCESS, MemorySink, until
from tail_reader import append

from ingest.collectors.collector import undeclared
from ingest.collectors.file_tail import FileTail
from ingest.collectors.syslog_tcp import SyslogTcp
from ingest.collectors.syslog_udp import SyslogUdp
from ingest.framing import Framing
from ingest.intake import Intake
from some.clock import SimulatedClock
from some.errors import Unavailable, UnknownState

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
MESSAGES = [
    b"<134>Mar  2 08:00:00 fw ilk",
    b"<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
    b"\xddstanbul latin-5 ad\xfd",
    b"\xff\xfe\x00not text\x00",
    b"a\\backslash and \\n that is no line end",
    b"<1>",
    b"\xef\xbb\xbf<165>1 2026-03-02T08:00:00Z host app - - - BOM",
    b"x" * 8000,
    b"same",
    b"same",
]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


class Udp:
    """One datagram a message."""

    host: ClassVar = "127.0.0.1"
    messages: ClassVar = [*MESSAGES, b"", b"two\nlines\n", b"trailer\x00"]
    extra: ClassVar = {}

    def make(self, intake, clock, resolve, folder):
        """Return the collector."""
        return SyslogUdp(
            "dinleyici", intake, clock, resolve, record_class=ACCESS, port=0, hosts=[self.host], **self.extra
        )

    async def send(self, collector, messages):
        """Send `messages` the way this kind does."""
        address = collector.addresses[0]
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            for message in messages:
                sock.sendto(message, address)

    def peer(self, folder):
        """Return what a source is named after."""
        return self.host


class Udp6(Udp):
    """The same over IPv6."""

    host: ClassVar = "::1"


class UdpSmall(Udp):
    """With a buffer too small to gather."""

    extra: ClassVar = {"buffer_bytes": 256 * 1024}


class Tcp(Udp):
    """LF-ended, in one write."""

    messages: ClassVar = [*MESSAGES, b""]
    framing: ClassVar = Framing.AUTO

    def make(self, intake, clock, resolve, folder):
        """Return the collector."""
        return SyslogTcp("dinleyici", intake, clock, resolve, port=0, hosts=[self.host], framing=self.framing)

    def wire(self, messages):
        """Return the bytes of `messages` on the wire."""
        return b"".join(message + b"\n" for message in messages)

    async def send(self, collector, messages):
        """Send `messages` the way this kind does."""
        _, writer = await asyncio.open_connection(*collector.addresses[0])
        writer.write(self.wire(messages))
        await writer.drain()
        writer.close()
        await writer.wait_closed()


class Tcp6(Tcp):
    """The same over IPv6."""

    host: ClassVar = "::1"


class TcpOctet(Tcp):
    """Octet counted."""

    messages: ClassVar = [message for message in [*MESSAGES, b"<5>two\nlines\n"] if message.startswith(b"<")]

    def wire(self, messages):
        """Return the bytes of `messages` on the wire."""
        return b"".join(b"%d %s" % (len(message), message) for message in messages)


class File(Udp):
    """Lines of a file."""

    messages: ClassVar = [*MESSAGES, b""]

    def make(self, intake, clock, resolve, folder):
        """Return the collector."""
        return FileTail("dinleyici", intake, clock, resolve, paths=[str(folder / "*.log")], positions={}, poll_s=0.002)

    async def send(self, collector, messages):
        """Send `messages` the way this kind does."""
        append(self.path, b"".join(message + b"\n" for message in messages))

    def peer(self, folder):
        """Return what a source is named after."""
        self.path = folder / "squid.log"
        return str(self.path)


KINDS = [Udp, Udp6, UdpSmall, Tcp, Tcp6, TcpOctet, File]


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def kind(request):
    if request.param.host == "::1" and not has_ipv6():
        pytest.skip("this machine has no IPv6")
    return request.param()


def test_what_is_sent_is_retained_once_as_received_and_named(kind, tmp_path):
    async def scene():
        peer = kind.peer(tmp_path)
        sink, clock = MemorySink(), SimulatedClock(START)
        collector = kind.make(Intake(sink, 10**6), clock, undeclared(ACCESS), tmp_path)
        assert collector.name == "dinleyici"
        assert collector.counters().received == 0
        await collector.start()
        await kind.send(collector, kind.messages)
        await until(lambda: collector.counters().received == len(kind.messages))
        clock.advance(60)
        await kind.send(collector, kind.messages)
        await collector.stop()
        assert sink.raws() == kind.messages * 2
        counters = collector.counters()
        assert counters.listener == "dinleyici"
        assert counters.received == counters.durable == 2 * len(kind.messages)
        assert counters.pending_bytes == counters.truncated == counters.kernel_drops == counters.connections == 0
        assert {block.source for block in sink.blocks} == {f"dinleyici/{peer}"}
        assert {block.record_class for block in sink.blocks} == {ACCESS}
        assert {block.received_at for block in sink.blocks} == {START, START + timedelta(seconds=60)}

    asyncio.run(scene())


def test_a_stop_takes_along_what_has_arrived(kind, tmp_path):
    async def scene():
        kind.peer(tmp_path)
        sink = MemorySink()
        collector = kind.make(Intake(sink, 10**6), SimulatedClock(START), undeclared(ACCESS), tmp_path)
        await collector.start()
        messages: ClassVar = [b"<13>%06d" % number for number in range(200)]  # the smallest buffer holds them
        await kind.send(collector, messages)
        await collector.stop()
        assert sink.raws() == messages

    asyncio.run(scene())


def test_a_stop_waits_until_the_sink_has_everything(kind, tmp_path):
    async def scene():
        kind.peer(tmp_path)
        sink = MemorySink(hold=True)
        collector = kind.make(Intake(sink, 10**6), SimulatedClock(START), undeclared(ACCESS), tmp_path)
        await collector.start()
        await kind.send(collector, kind.messages)
        stopping = asyncio.create_task(collector.stop())
        await until(lambda: collector.counters().received == len(kind.messages))
        assert not stopping.done()
        sink.hold = False
        sink.release()
        await stopping
        assert sink.raws() == kind.messages

    asyncio.run(scene())


def test_a_sink_that_refuses_for_a_while_loses_nothing(kind, tmp_path):
    async def scene():
        kind.peer(tmp_path)
        sink = MemorySink()
        sink.refusing = True
        collector = kind.make(Intake(sink, 10**6, retry_s=0.001), SimulatedClock(START), undeclared(ACCESS), tmp_path)
        await collector.start()
        await kind.send(collector, kind.messages)
        await until(lambda: sink.submitted > 3)
        sink.refusing = False
        await kind.send(collector, kind.messages)
        await collector.stop()
        assert sink.raws() == kind.messages * 2

    asyncio.run(scene())


def test_an_unknown_state_of_the_sink_comes_out_of_stop(kind, tmp_path):
    async def scene():
        kind.peer(tmp_path)
        sink, reports = MemorySink(), []
        sink.fault = UnknownState("sync failed")
        intake = Intake(sink, 10**6, on_fault=reports.append)
        collector = kind.make(intake, SimulatedClock(START), undeclared(ACCESS), tmp_path)
        await collector.start()
        await kind.send(collector, kind.messages[:1])
        await until(lambda: reports)
        with pytest.raises(UnknownState):
            await collector.stop()

    asyncio.run(scene())


@pytest.mark.parametrize("kind", [Udp, Tcp])
def test_a_port_that_is_taken_is_said_clearly(kind, tmp_path):
    async def scene():
        one = kind().make(Intake(MemorySink(), 10**6), SimulatedClock(START), undeclared(ACCESS), tmp_path)
        await one.start()
        port = one.addresses[0][1]
        other_type = type(one)
        extra: ClassVar = {"record_class": ACCESS} if other_type is SyslogUdp else {}
        two = other_type(
            "iki",
            Intake(MemorySink(), 1),
            SimulatedClock(START),
            undeclared(ACCESS),
            port=port,
            hosts=["127.0.0.1"],
            **extra,
        )
        with pytest.raises(Unavailable, match=str(port)):
            await two.start()
        await one.stop()

    asyncio.run(scene())


@pytest.mark.parametrize("kind", [Udp, Tcp])
def test_all_addresses_share_one_port_number(kind, tmp_path):
    async def scene():
        extra: ClassVar = {"record_class": ACCESS} if kind is Udp else {}
        maker = SyslogUdp if kind is Udp else SyslogTcp
        collector = maker(
            "hepsi", Intake(MemorySink(), 1000), SimulatedClock(START), undeclared(ACCESS), port=0, **extra
        )
        await collector.start()
        assert len({port for _, port in collector.addresses}) == 1
        assert ("::" in {host for host, _ in collector.addresses}) == has_ipv6()
        await collector.stop()

    asyncio.run(scene())
