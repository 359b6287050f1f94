"""TCP: senders are slowed, connections are many, break, and speak badly."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import tracemalloc
from datetime import UTC, datetime, timedelta

import pytest
from collect_sinks import ACCESS, MemorySink, until
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ingest.collectors.collector import undeclared
from ingest.collectors.syslog_tcp import READ_BYTES, SyslogTcp
from ingest.framing import Framing
from ingest.intake import Intake
from some.clock import SimulatedClock

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def tcp(sink, *, limit_bytes=10**7, **extra):
    return SyslogTcp(
        "syslog_tcp",
        Intake(sink, limit_bytes),
        SimulatedClock(START),
        undeclared(ACCESS),
        port=0,
        hosts=["127.0.0.1"],
        **extra,
    )


async def connect(collector, **extra):
    return await asyncio.open_connection(*collector.addresses[0], **extra)


async def hang_up(writer):
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


def test_a_slow_sink_slows_the_sender_and_bounds_memory():
    limit = 1024 * 1024
    count = 60_000

    async def scene():
        sink = MemorySink(hold=True)
        collector = tcp(sink, limit_bytes=limit)
        await collector.start()
        _, writer = await connect(collector)

        async def send():
            for number in range(count):
                writer.write(b"<13>%08d" % number + b"." * 480 + b"\n")
                if number % 100 == 0:
                    await writer.drain()
            await writer.drain()
            await hang_up(writer)

        sending = asyncio.create_task(send())
        await until(lambda: not collector._intake.has_room)
        for _ in range(200):
            await asyncio.sleep(0)
        assert not sending.done()
        most = 0
        while not sending.done() or sink.waiting:
            most = max(most, collector.counters().pending_bytes)
            sink.release(1)
            await asyncio.sleep(0)
        sink.hold = False
        await collector.stop()
        assert limit <= most < limit + 2 * READ_BYTES
        assert [int(raw[4:12]) for raw in sink.raws()] == list(range(count))

    asyncio.run(scene())


def test_a_message_over_many_segments_and_a_broken_connection():
    async def scene():
        sink = MemorySink()
        collector = tcp(sink)
        await collector.start()
        _, writer = await connect(collector)
        for byte in b"<13>bir\n<13>iki\n<13>yar":
            writer.write(bytes([byte]))
            await writer.drain()
        writer.transport.abort()
        await until(lambda: collector.counters().connections_total == 1 and not collector.counters().connections)
        await collector.stop()
        assert [(raw, origin.partition(";")[2]) for raw, _, origin in sink.records()] == [
            (b"<13>bir", ""),
            (b"<13>iki", ""),
            (b"<13>yar", "cut"),
        ]
        assert collector.counters().cut == 1

    asyncio.run(scene())


def test_marks_stand_in_the_origin_and_are_counted():
    async def scene():
        sink = MemorySink()
        collector = tcp(sink, limit=64)
        await collector.start()
        _, writer = await connect(collector)
        port = writer.get_extra_info("sockname")[1]
        writer.write(b"5 <1>ab100 <1>" + b"y" * 97 + b"garbage\n5 <1>cd9 <1>e")
        await hang_up(writer)
        await collector.stop()
        here = f"tcp:127.0.0.1:{port}"
        assert [(raw, origin) for raw, _, origin in sink.records()] == [
            (b"<1>ab", here),
            (b"<1>" + b"y" * 61, f"{here};truncated=100"),
            (b"garbage", f"{here};bad-frame"),
            (b"<1>cd", here),
            (b"<1>e", f"{here};cut"),
        ]
        counters = collector.counters()
        assert (counters.truncated, counters.lost_bytes, counters.bad_frames, counters.cut) == (1, 36, 1, 1)

    asyncio.run(scene())


def test_a_stop_keeps_the_half_message_of_an_open_connection():
    async def scene():
        sink = MemorySink()
        collector = tcp(sink)
        await collector.start()
        reader, writer = await connect(collector)
        writer.write(b"whole\nhalf")
        await writer.drain()
        await collector.stop()
        assert sink.raws() == [b"whole", b"half"]
        assert sink.blocks[-1].origin.endswith(";cut")
        with contextlib.suppress(OSError):
            assert await reader.read() == b""
        await hang_up(writer)

    asyncio.run(scene())


def test_many_senders_at_once_keep_each_their_order():
    async def scene():
        sink = MemorySink()
        collector = tcp(sink)
        await collector.start()

        async def send(sender):
            _, writer = await connect(collector)
            for number in range(50):
                writer.write(b"%d %d\n" % (sender, number) * 20)
                await asyncio.sleep(0)
            await hang_up(writer)

        await asyncio.gather(*(send(sender) for sender in range(50)))
        await collector.stop()
        seen = {}
        for raw in sink.raws():
            sender, number = map(int, raw.split())
            seen.setdefault(sender, []).append(number)
        assert seen == {sender: [number for number in range(50) for _ in range(20)] for sender in range(50)}
        assert collector.counters().connections_total == 50

    asyncio.run(scene())


def test_connections_over_the_limit_are_refused_and_counted():
    async def scene():
        collector = tcp(MemorySink(), connection_limit=3)
        await collector.start()
        opened = [await connect(collector) for _ in range(3)]
        await until(lambda: collector.counters().connections == 3)
        reader, writer = await connect(collector)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        await hang_up(writer)
        await until(lambda: collector.counters().refused == 1)
        await hang_up(opened.pop()[1])
        await until(lambda: collector.counters().connections == 2)
        opened.append(await connect(collector))
        await until(lambda: collector.counters().connections == 3)
        for _, writer in opened:
            await hang_up(writer)
        await collector.stop()

    asyncio.run(scene())


def test_an_idle_connection_costs_no_read_buffer():
    async def scene():
        collector = tcp(MemorySink())
        await collector.start()
        opened = [await connect(collector) for _ in range(3)]
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        opened += [await connect(collector) for _ in range(100)]
        for _, writer in opened:
            writer.write(b"one line\n")
        await until(lambda: collector.counters().received == 103)
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert (after - before) / 100 < 40_000  # both ends, the client's streams included
        for _, writer in opened:
            await hang_up(writer)
        await collector.stop()

    asyncio.run(scene())


def test_a_new_connection_waits_while_there_is_no_room():
    async def scene():
        sink = MemorySink(hold=True)
        collector = tcp(sink, limit_bytes=100)
        await collector.start()
        _, first = await connect(collector)
        first.write(b"x" * 200 + b"\n")
        await until(lambda: not collector._intake.has_room)
        _, second = await connect(collector)
        second.write(b"later\n")
        await until(lambda: collector.counters().connections == 2)
        for _ in range(50):
            await asyncio.sleep(0)
        assert collector.counters().received == 1
        sink.hold = False
        sink.release()
        await until(lambda: collector.counters().received == 2)
        await hang_up(first)
        await hang_up(second)
        await collector.stop()

    asyncio.run(scene())


@pytest.fixture
def contexts(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "toplayici.example.org")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("toplayici.example.org")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(file)
    client = ssl.create_default_context(cafile=file)
    return server, client


def test_octet_counting_over_tls(contexts):
    server, client = contexts
    messages = [b"<13>%05d" % number + b"\n" * (number % 2) + b"." * number for number in range(2000)]

    async def scene():
        sink = MemorySink()
        collector = tcp(sink, tls=server, framing=Framing.OCTET, limit_bytes=200_000)
        await collector.start()
        _, writer = await connect(collector, ssl=client, server_hostname="toplayici.example.org")
        writer.write(b"".join(b"%d %s" % (len(message), message) for message in messages))
        await writer.drain()
        await until(lambda: collector.counters().received == len(messages))
        await hang_up(writer)
        await collector.stop()
        assert sink.raws() == messages

    asyncio.run(scene())


def test_plain_text_at_a_tls_port_harms_nobody(contexts):
    server, client = contexts

    async def scene():
        sink = MemorySink()
        collector = tcp(sink, tls=server)
        await collector.start()
        reader, writer = await connect(collector)
        writer.write(b"<13>hello without TLS\n" * 10)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        await hang_up(writer)
        _, writer = await connect(collector, ssl=client, server_hostname="toplayici.example.org")
        writer.write(b"good\n")
        await writer.drain()
        await until(lambda: collector.counters().received == 1)
        await hang_up(writer)
        await collector.stop()
        assert sink.raws() == [b"good"]

    asyncio.run(scene())
