"""Files followed through any order of writes, rotations and kills; and the collector around them."""

from __future__ import annotations

import asyncio
import re
import shutil

from collect_sinks import ACCESS, MemorySink, until
from hypothesis import given, settings
from hypothesis import strategies as st
from tail_reader import LINGER, START, Reader, append

from ingest.collectors import following
from ingest.collectors.collector import undeclared
from ingest.collectors.file_tail import FileTail
from ingest.collectors.tailing import tail_positions
from ingest.intake import Intake
from some.clock import SimulatedClock
from some.record import unescape

OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.binary(max_size=40).map(lambda raw: raw.replace(b"n", b"\n"))),
        st.tuples(st.just("rotate"), st.none()),
        st.tuples(st.just("read"), st.none()),
        st.tuples(st.just("kill"), st.integers(min_value=0, max_value=3)),
        st.tuples(st.just("wait"), st.none()),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(OPERATIONS)
def test_every_byte_of_every_file_is_kept_once_whatever_happens(tmp_path_factory, operations):
    """Writes, rotations and kills in any order; in the end every file is there, byte for byte, once."""
    folder = tmp_path_factory.mktemp("logs")
    log = folder / "a.log"
    reader = Reader(folder / "a.log*")
    for number, (name, argument) in enumerate(operations):
        if name == "write":
            append(log, b"%d;" % number + argument)
        elif name == "rotate" and log.exists():
            log.rename(folder / f"a.log.{number}")
        elif name == "read":
            reader.read()
        elif name == "kill":
            reader.kill(argument)
        elif name == "wait":
            reader.clock.advance(LINGER / 2)
    append(log, b"the end\n")
    for _ in range(3):
        reader.read()
        reader.clock.advance(LINGER + 1)
    reader.close()
    spans = {}
    for block in reader.kept:
        match = re.search(r";id=([^;]+);from=(\d+);to=(\d+)", block.origin)
        inode, begin, end = int(match[1].split("-")[1], 16), int(match[2]), int(match[3])
        lines = [unescape(line) for line in block.payload.split(b"\n")[:-1]]
        raw = b"\n".join(lines) + (b"" if "cut" in block.marks else b"\n")
        assert len(raw) == end - begin
        spans.setdefault(inode, []).append((begin, raw))
    for path in folder.iterdir():
        content = path.read_bytes()
        whole = b"".join(raw for _, raw in spans.get(path.stat().st_ino, []))
        rest = content[len(whole) :]
        assert content.startswith(whole)
        assert b"\n" not in rest  # a last line without end, in a file that still stands at a path we follow
    shutil.rmtree(folder)


def test_the_collector_takes_each_line_once_over_restarts(tmp_path):
    log = tmp_path / "kea.log"
    sink = MemorySink()

    def make():
        positions = tail_positions(block.origin for block in sink.blocks)
        return FileTail(
            "dosya",
            Intake(sink, 10**6),
            SimulatedClock(START),
            undeclared(ACCESS),
            paths=[str(log)],
            positions=positions,
            poll_s=0.001,
        )

    async def scene(count):
        collector = make()
        await collector.start()
        append(log, b"".join(b"%d\n" % number for number in range(count)))
        await until(lambda: collector.counters().received == count)
        assert collector.counters().files == 1
        await collector.stop()

    for _ in range(3):
        asyncio.run(scene(10))
    assert sink.raws() == [b"%d" % number for _ in range(3) for number in range(10)]
    assert {block.source for block in sink.blocks} == {f"dosya/{log}"}


def test_without_room_the_rest_waits_in_the_file(tmp_path):
    log = tmp_path / "big.log"
    append(log, b"x" * 999 + b"\n")
    lines = 30_000
    append(log, (b"y" * 999 + b"\n") * (lines - 1))

    async def scene():
        sink = MemorySink(hold=True)
        intake = Intake(sink, 2**20)
        collector = FileTail(
            "dosya", intake, SimulatedClock(START), undeclared(ACCESS), paths=[str(log)], positions={}, poll_s=0.001
        )
        await collector.start()
        await until(lambda: not intake.has_room)
        for _ in range(100):
            await asyncio.sleep(0)
        assert collector.counters().pending_bytes < 2**20 + following.STEP_BYTES + following.READ_BYTES
        while collector.counters().durable < lines:
            sink.release(1)
            await asyncio.sleep(0)
        sink.hold = False
        await collector.stop()
        assert len(sink.raws()) == lines

    asyncio.run(scene())
