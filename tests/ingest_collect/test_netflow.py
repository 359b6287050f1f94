"""A flow record is durable with the template it needs, whatever else arrives, and nothing that arrives is dropped."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from datetime import UTC, datetime

from collect_sinks import ACCESS, MemorySink, until

from ingest import ipfix
from ingest.collectors import netflow
from ingest.collectors.collector import undeclared
from ingest.collectors.netflow import Netflow
from ingest.intake import Intake
from some.clock import SimulatedClock

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
FIELDS = ((8, 4), (12, 4), (7, 2), (230, 1))
ROW = struct.Struct(">4s4sHB")


def listener(sink, *, limit=10**7, **extra):
    return Netflow(
        "netflow", Intake(sink, limit), SimulatedClock(START), undeclared(ACCESS),
        record_class=ACCESS, port=0, hosts=["127.0.0.1"], **extra,
    )  # fmt: skip


def message(*sets, sequence=1):
    content = b"".join(sets)
    return struct.pack(">HHIII", 10, 16 + len(content), 1_795_458_944, sequence, 1) + content


def told(number=256):
    specs = b"".join(struct.pack(">HH", *field) for field in FIELDS)
    return struct.pack(">HHHH", 2, 8 + len(specs), number, len(FIELDS)) + specs


def flows(*ports, number=256):
    # LF, CR, NUL and backslash are what the archive's lines must escape
    content = b"".join(ROW.pack(b"\n\r\x00\\", b"\x0a\x14\x00\x5c", port, 4) for port in ports)
    return struct.pack(">HH", number, 4 + len(content)) + content


def ports_of(raws):
    found = []
    for raw in raws:
        read = ipfix.read(raw)
        (template,) = ipfix.templates_of(read, read.sets[0])
        (row,) = template.records(read.body(read.sets[1]))
        found.append(ROW.unpack(row)[2])
    return found


def test_each_flow_is_a_record_that_can_be_read_alone():
    async def scene():
        sink = MemorySink()
        collector = listener(sink)
        await collector.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            early, announced = message(flows(1, 2)), message(told())
            for datagram in (early, announced, message(flows(3, 4, 5)), message(flows(6)), b"<134>no flow\n"):
                sock.sendto(datagram, collector.addresses[0])
            port = sock.getsockname()[1]
        await collector.stop()
        raws = sink.raws()
        assert raws[:2] == [early, announced]
        assert ports_of(raws[2:6]) == [3, 4, 5, 6]
        assert raws[6:] == [b"<134>no flow\n"]
        assert {(source, origin) for _, source, origin in sink.records()} == {
            ("netflow/127.0.0.1", f"udp:127.0.0.1:{port}")
        }
        assert collector.counters().received == collector.counters().durable == 7

    asyncio.run(scene())


def test_two_exporters_on_one_machine_keep_their_templates_apart():
    async def scene():
        sink = MemorySink()
        collector = listener(sink)
        await collector.start()
        other = struct.pack(">HHHHHH", 2, 12, 256, 1, 1, ROW.size)
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
        ):
            for sock, datagram in ((one, told()), (two, other), (one, flows(1)), (two, flows(2))):
                sock.sendto(message(datagram), collector.addresses[0])
                count = len(sink.raws())
                await until(lambda count=count: len(sink.raws()) > count)
        await collector.stop()
        first, second = (ipfix.read(raw) for raw in sink.raws()[2:])
        assert len(ipfix.templates_of(first, first.sets[0])[0].fields) == len(FIELDS)
        assert len(ipfix.templates_of(second, second.sets[0])[0].fields) == 1

    asyncio.run(scene())


def test_what_the_kernel_dropped_becomes_a_gap_record():
    async def scene():
        sink = MemorySink()
        collector = listener(sink, buffer_bytes=8192)
        await collector.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(message(told()), collector.addresses[0])
            for number in range(500):  # the loop does not run meanwhile, so the buffer overflows
                sock.sendto(message(flows(number + 1)), collector.addresses[0])
        await collector.stop()
        received = ports_of(sink.raws()[1:])
        assert received == list(range(1, len(received) + 1))
        ((gap, source),) = [
            (json.loads(raw), source) for raw, source, origin in sink.records() if origin == "gap:netflow"
        ]
        assert (gap["dropped"], gap["listener"], source) == (500 - len(received), "netflow", "netflow")

    asyncio.run(scene())


def test_blocks_are_bounded_however_much_cutting_adds(monkeypatch):
    monkeypatch.setattr(netflow, "_BLOCK_BYTES", 5000)

    async def scene():
        sink = MemorySink()
        collector = listener(sink)
        await collector.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(message(told()), collector.addresses[0])
            for first in range(0, 2000, 100):
                sock.sendto(message(flows(*range(first, first + 100))), collector.addresses[0])
        await collector.stop()
        assert ports_of(sink.raws()[1:]) == list(range(2000))
        assert max(len(block.payload) for block in sink.blocks) <= 2 * 5000

    asyncio.run(scene())


def test_a_slow_sink_stops_the_reading():
    async def scene():
        sink = MemorySink(hold=True)
        collector = listener(sink, limit=5000)
        await collector.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(message(told()), collector.addresses[0])
            for number in range(100):
                sock.sendto(message(flows(number)), collector.addresses[0])
            await until(lambda: not collector._intake.has_room)
            sink.hold = False
            sink.release()
            await until(lambda: collector.counters().durable == 101)
        await collector.stop()
        assert ports_of(sink.raws()[1:]) == list(range(100))

    asyncio.run(scene())
