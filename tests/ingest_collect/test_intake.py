"""From collector to sink: bounded, ordered, nothing lost when the sink refuses."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from collect_sinks import ACCESS, MemorySink, until
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.intake import Intake
from some.errors import Unavailable, UnknownState
from some.record import RecordBlock

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def block(number, size=10):
    return RecordBlock(NOW, "kaynak", "udp:192.0.2.7:514", ACCESS, b"%0*d\n" % (size, number), 1)


def numbers(sink):
    return [int(raw) for raw in sink.raws()]


def test_everything_offered_becomes_durable_in_order():
    async def scene():
        sink = MemorySink()
        intake = Intake(sink, 1000)
        for number in range(100):
            intake.offer(block(number))
        await intake.drain()
        assert numbers(sink) == list(range(100))
        counters = intake.counters()
        assert (counters.received, counters.durable, counters.pending_bytes) == (100, 100, 0)
        assert counters.received_bytes == counters.durable_bytes == 1100

    asyncio.run(scene())


def test_room_ends_at_the_limit_and_returns_at_half_of_it():
    async def scene():
        sink = MemorySink(hold=True)
        intake = Intake(sink, 10_000)
        calls = []
        intake.on_room(lambda: calls.append(intake.pending_bytes))
        number = 0
        while intake.has_room:
            intake.offer(block(number, 500))
            number += 1
        assert 10_000 <= intake.pending_bytes < 12_000
        sink.release(1)
        await until(lambda: intake.counters().durable == 1)
        assert not intake.has_room
        assert not calls
        waiter = asyncio.create_task(intake.room())
        sink.release(number // 2 + 1)
        await waiter
        assert intake.has_room
        assert len(calls) == 1
        assert calls[0] <= 5_000
        sink.release()
        await intake.drain()
        assert len(calls) == 1
        assert numbers(sink) == list(range(number))

    asyncio.run(scene())


def test_a_sink_that_refuses_and_recovers_loses_nothing_and_keeps_the_order():
    async def scene():
        sink = MemorySink(hold=True)
        intake = Intake(sink, 10_000, retry_s=0.001)
        for number in range(10):
            intake.offer(block(number))
        sink.release(4)
        sink.hold, sink.refusing = False, True
        sink.refuse_waiting()
        for number in range(10, 20):
            intake.offer(block(number))
        await until(lambda: intake.counters().refusals >= 9)
        intake.offer(block(20))
        assert intake.counters().durable == 4
        sink.refusing = False
        await intake.drain()
        assert numbers(sink) == list(range(21))
        assert intake.counters().pending_bytes == 0

    asyncio.run(scene())


def test_while_the_sink_refuses_nothing_is_submitted_past_the_block_it_refused():
    async def scene():
        sink = MemorySink()
        sink.refusing = True
        intake = Intake(sink, 10_000, retry_s=3600)
        intake.offer(block(0))
        await until(lambda: intake.counters().refusals == 1)
        intake.offer(block(1))
        intake.offer(block(2))
        assert sink.submitted == 1

    asyncio.run(scene())


class RandomSink(MemorySink):
    """Refuses as told, one verdict a submission, by raising or by its future; then takes everything."""

    def __init__(self, verdicts):
        """Keep the verdicts."""
        super().__init__()
        self._verdicts = list(verdicts)

    def submit(self, block):
        """Answer with the next verdict."""
        verdict = self._verdicts.pop(0) if self._verdicts else "ok"
        if verdict == "raise":
            raise Unavailable("the archive process is starting")
        self.refusing = verdict == "refuse"
        return super().submit(block)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["ok", "refuse", "raise"]), max_size=12), st.integers(min_value=1, max_value=8))
def test_whatever_the_sink_refuses_each_block_is_kept_once(verdicts, count):
    async def scene():
        sink = RandomSink(verdicts)
        intake = Intake(sink, 10_000, retry_s=0)
        for number in range(count):
            intake.offer(block(number))
            await asyncio.sleep(0)
        await intake.drain()
        assert sorted(numbers(sink)) == list(range(count))

    asyncio.run(scene())


def test_answers_may_come_from_another_thread():
    class ThreadSink(MemorySink):
        def __init__(self, pool):
            super().__init__()
            self._pool = pool

        def submit(self, block):
            future = Future()
            self._pool.submit(self._keep, block, future)
            return future

    async def scene(pool):
        sink = ThreadSink(pool)
        intake = Intake(sink, 100_000)
        for number in range(2000):
            await intake.room()
            intake.offer(block(number))
        await intake.drain()
        assert numbers(sink) == list(range(2000))

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(scene(pool))


@pytest.mark.parametrize("fault", [UnknownState("the disk said nothing"), ValueError("surprise")])
def test_an_unknown_state_stops_everything_and_is_reported_once(fault):
    async def scene():
        sink = MemorySink()
        reports = []
        intake = Intake(sink, 10_000, on_fault=reports.append)
        intake.offer(block(0))
        await intake.drain()
        sink.fault = fault
        intake.offer(block(1))
        intake.offer(block(2))
        with pytest.raises(UnknownState):
            await intake.drain()
        with pytest.raises(UnknownState):
            await intake.room()
        submitted = sink.submitted
        intake.offer(block(3))
        assert not intake.has_room
        assert sink.submitted == submitted
        assert len(reports) == 1
        assert isinstance(reports[0], UnknownState)
        assert numbers(sink) == [0]

    asyncio.run(scene())
