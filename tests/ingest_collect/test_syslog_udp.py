"""UDP cannot be slowed down: what the kernel drops is counted and written into the archive."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta

import pytest
from collect_sinks import ACCESS, MemorySink, until

from ingest.collectors import udp as udp_listener
from ingest.collectors.collector import PEERS_REMEMBERED, undeclared
from ingest.collectors.syslog_udp import SyslogUdp
from ingest.intake import Intake
from some.clock import SimulatedClock, from_text

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def udp(sink, clock, *, limit=10**7, resolve=None, **extra):
    resolve = resolve or undeclared(ACCESS)
    return SyslogUdp(
        "syslog_udp", Intake(sink, limit), clock, resolve, record_class=ACCESS, port=0, hosts=["127.0.0.1"], **extra
    )


def gaps(sink):
    return [(json.loads(raw), source, origin) for raw, source, origin in sink.records() if origin.startswith("gap:")]


@pytest.mark.parametrize("proc", [False, True], ids=["SO_MEMINFO", "/proc/net/udp"])
def test_what_the_kernel_dropped_becomes_a_gap_record(proc):
    async def scene():
        sink, clock = MemorySink(), SimulatedClock(START)
        collector = udp(sink, clock, buffer_bytes=8192)
        await collector.start()
        collector._listeners[0].proc = proc
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(500):  # the loop does not run meanwhile, so the buffer overflows
                sock.sendto(b"<13>%03d" % number, collector.addresses[0])
        clock.advance(5)
        await collector.stop()
        received = sink.raws()
        dropped = 500 - len(received)
        assert received == [b"<13>%03d" % number for number in range(len(received))]
        assert dropped > 0
        assert collector.counters().kernel_drops == dropped
        ((gap, source, origin),) = gaps(sink)
        assert gap["kind"] == "gap"
        assert gap["listener"] == source == "syslog_udp"
        assert gap["dropped"] == dropped
        assert (from_text(gap["from"]), from_text(gap["to"])) == (START, START + timedelta(seconds=5))
        assert origin == "gap:syslog_udp"

    asyncio.run(scene())


def test_a_gap_is_noted_while_running_and_once(monkeypatch):
    monkeypatch.setattr(udp_listener, "_LOOK_S", 0.001)

    async def scene():
        sink = MemorySink()
        collector = udp(sink, SimulatedClock(START), buffer_bytes=8192)
        await collector.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(500):
                sock.sendto(b"<13>x", collector.addresses[0])
        await until(lambda: gaps(sink))
        await collector.stop()
        assert len(gaps(sink)) == 1
        assert collector.counters().received == len(sink.raws()) + 1

    asyncio.run(scene())


def test_a_slow_sink_bounds_memory_and_every_datagram_is_accounted_for():
    limit = 64 * 1024

    async def scene():
        sink = MemorySink(hold=True)
        collector = udp(sink, SimulatedClock(START), limit=limit, buffer_bytes=256 * 1024)
        await collector.start()
        sent, most = 0, 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(200):
                for _ in range(50):
                    sock.sendto(b"<13>%08d" % sent + b"." * 400, collector.addresses[0])
                    sent += 1
                await asyncio.sleep(0)
                most = max(most, collector.counters().pending_bytes)
        assert limit <= most < limit + 512 * 1024
        assert not collector._intake.has_room
        sink.hold = False
        sink.release()
        await collector.stop()
        dropped = sum(gap["dropped"] for gap, _, _ in gaps(sink))
        received = sink.raws()
        assert dropped > 0
        assert len(received) + dropped == sent
        assert received == sorted(set(received))

    asyncio.run(scene())


def test_reading_goes_on_when_there_is_room_again():
    async def scene():
        sink = MemorySink(hold=True)
        collector = udp(sink, SimulatedClock(START), limit=2000)
        await collector.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for number in range(20):
                sock.sendto(b"%0100d" % number, collector.addresses[0])
                await asyncio.sleep(0)
            await until(lambda: not collector._intake.has_room)
            sink.hold = False
            sink.release()
            await until(lambda: collector.counters().durable == 20)
            sock.sendto(b"late", collector.addresses[0])
            await until(lambda: collector.counters().durable == 21)
        await collector.stop()

    asyncio.run(scene())


def test_datagrams_of_one_peer_share_a_block_and_peers_do_not():
    async def scene():
        sink = MemorySink()
        collector = udp(sink, SimulatedClock(START))
        await collector.start()
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
        ):
            for number in range(100):
                (one if number % 3 else two).sendto(b"%d" % number, collector.addresses[0])
            ports = {one.getsockname()[1]: 66, two.getsockname()[1]: 34}
        await collector.stop()
        assert {int(block.origin.rsplit(":", 1)[1]): block.count for block in sink.blocks} == ports
        assert all(block.origin.startswith("udp:127.0.0.1:") for block in sink.blocks)

    asyncio.run(scene())


def test_forged_senders_do_not_fill_the_memory_of_names():
    collector = udp(MemorySink(), SimulatedClock(START))
    for number in range(3 * PEERS_REMEMBERED):
        collector._meet((f"198.51.100.{number % 250}", number))
    assert len(collector._peers) <= PEERS_REMEMBERED


def test_the_declared_name_of_a_peer_is_used_and_the_effective_buffer_is_told():
    async def scene():
        sink = MemorySink()
        asked = []

        def resolve(listener, peer):
            asked.append((listener, peer))
            return "fw-belediye", ACCESS

        collector = udp(sink, SimulatedClock(START), resolve=resolve, buffer_bytes=65536)
        await collector.start()
        assert collector.counters().buffer_bytes == 65536
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(3):
                sock.sendto(b"x", collector.addresses[0])
        await collector.stop()
        assert {block.source for block in sink.blocks} == {"fw-belediye"}
        assert asked == [("syslog_udp", "127.0.0.1")]

    asyncio.run(scene())


def test_one_read_is_bounded_in_bytes_so_that_its_block_fits_into_a_frame(monkeypatch):
    monkeypatch.setattr(udp_listener, "_DRAIN_BYTES", 10_000)

    async def scene():
        sink = MemorySink()
        collector = udp(sink, SimulatedClock(START))
        await collector.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for _ in range(40):
                sock.sendto(b"\\" * 3000, collector.addresses[0])
        await collector.stop()
        assert len(sink.raws()) == 40
        assert max(len(block.payload) for block in sink.blocks) <= 2 * (10_000 + 3000) + 5

    asyncio.run(scene())
