"""From one collector to the sink: bounded memory, back-pressure, nothing lost and nothing out of order.

The archive answers with futures that are done when a block is durable; while the disk is full or slow they stay
pending. So the bytes handed over and not yet durable are the whole measure: when they reach the limit the collector
stops reading (TCP slows its senders down, a file waits, UDP leaves it to the kernel's buffer and counts what that
drops), and goes on when half of them are durable.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from some.diagnostics import named
from some.errors import Unavailable, UnknownState

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from some.record import Appended, RecordBlock, Sink

_BLOCK_BYTES: Final = 512
"""What a waiting block costs beside its payload: objects, future, place in the queues (measured, rounded up)."""

_RECORD_BYTES: Final = 96
"""What a record costs beside its bytes: the prefix of its line in the archive. A flood of tiny lines is many bytes."""

_RETRY_FIRST_S: Final = 0.1
_RETRY_MOST_S: Final = 5.0

_diagnostics = named("ingest.intake")


@dataclass(frozen=True, slots=True)
class IntakeCounters:
    """Since the intake was made; `received` - `durable` = records that wait. Bytes are of escaped lines with LF."""

    received: int
    received_bytes: int
    durable: int
    durable_bytes: int
    pending_bytes: int
    refusals: int


class _Entry:
    """One block on its way."""

    __slots__ = ("block", "future", "number")

    def __init__(self, number: int, block: RecordBlock) -> None:
        self.number = number
        self.block = block
        self.future: Future[Appended] | None = None  # None: not submitted, or refused

    @property
    def cost(self) -> int:
        return len(self.block.payload) + self.block.count * _RECORD_BYTES + _BLOCK_BYTES


class Intake:
    """One collector's way into `sink`. All methods belong to the event loop's thread.

    Order: blocks are submitted in the order in which they were offered. When the sink refuses one (Unavailable),
    nothing more is submitted until every block under way is answered; then the refused ones go again, in order, with
    growing pauses. UnknownState, or any answer outside the contract, is final: it is reported once through `on_fault`,
    `has_room` stays False, `drain` raises it, and nothing is submitted any more.
    """

    def __init__(
        self,
        sink: Sink,
        limit_bytes: int,
        *,
        on_fault: Callable[[UnknownState], None] | None = None,
        retry_s: float = _RETRY_FIRST_S,
    ) -> None:
        """Let at most about `limit_bytes` wait; the pause after a refusal grows from `retry_s` seconds."""
        self._sink = sink
        self._limit = limit_bytes
        self._on_fault = on_fault
        self._retry_first = self._retry = retry_s
        self._entries: dict[int, _Entry] = {}  # offered and not durable, in order
        self._number = 0
        self._under_way = 0
        self._refused = False  # nothing is submitted until the pause is over
        self._pausing = False
        self._full = False
        self._fault: UnknownState | None = None
        self._pending = 0
        self._received = self._received_bytes = self._durable = self._durable_bytes = self._refusals = 0
        self._room_callbacks: list[Callable[[], None]] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._lock = threading.Lock()  # guards the two below, which the sink's thread writes
        self._answered: list[_Entry] = []
        self._woken = False
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def pending_bytes(self) -> int:
        """Bytes offered and not yet durable, with what holding them costs."""
        return self._pending

    @property
    def has_room(self) -> bool:
        """False from the moment the limit is reached until half of it is durable, and for ever after a fault."""
        return not self._full and self._fault is None

    @property
    def fault(self) -> UnknownState | None:
        """What stopped this intake for good, if anything did."""
        return self._fault

    def counters(self) -> IntakeCounters:
        """Return the counts so far."""
        return IntakeCounters(
            received=self._received,
            received_bytes=self._received_bytes,
            durable=self._durable,
            durable_bytes=self._durable_bytes,
            pending_bytes=self._pending,
            refusals=self._refusals,
        )

    def on_room(self, callback: Callable[[], None]) -> None:
        """Call `callback` in the event loop each time there is room again after there was none."""
        self._room_callbacks.append(callback)

    def offer(self, block: RecordBlock) -> None:
        """Take `block`; always accepted, also without room: look at `has_room` before reading more. Never blocks."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self._number += 1
        entry = _Entry(self._number, block)
        size = len(block.payload)
        self._received += block.count
        self._received_bytes += size
        self._pending += entry.cost
        self._entries[entry.number] = entry
        if self._pending >= self._limit:
            self._full = True
        if not self._refused and self._fault is None:
            self._submit(entry)

    async def drain(self) -> None:
        """Return when everything offered so far and since is durable; raises the UnknownState that stopped us."""
        while self._fault is None and self._entries:
            await self._changed()
        if self._fault is not None:
            raise self._fault

    async def room(self) -> None:
        """Return when there is room; raises the UnknownState that stopped us."""
        while not self.has_room:
            if self._fault is not None:
                raise self._fault
            await self._changed()

    async def _changed(self) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _submit(self, entry: _Entry) -> None:
        try:
            entry.future = self._sink.submit(entry.block)
        except Unavailable as fault:
            self._refuse(fault)
            return
        except UnknownState as fault:
            self._stop(fault)
            return
        self._under_way += 1
        entry.future.add_done_callback(lambda _: self._answer(entry))

    def _answer(self, entry: _Entry) -> None:
        """Note that `entry` has its answer (any thread); one wake-up of the loop serves all that came meanwhile."""
        with self._lock:
            self._answered.append(entry)
            if self._woken:
                return
            self._woken = True
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        with self._lock:
            answered, self._answered = self._answered, []
            self._woken = False
        self._under_way -= len(answered)
        for entry in answered:
            self._judge(entry)
        if self._refused and not self._under_way and self._fault is None:
            self._resume_later()
        if self._full and self._pending * 2 <= self._limit:
            self._full = False
            if self._fault is None:
                for callback in self._room_callbacks:
                    callback()
        self._wake()

    def _judge(self, entry: _Entry) -> None:
        """Count one answer."""
        if entry.future is None:
            return
        fault = None if entry.future.cancelled() else entry.future.exception()
        if entry.future.cancelled():
            self._stop(UnknownState("the sink cancelled a block that was handed to it"))
        elif fault is None:
            del self._entries[entry.number]
            self._retry = self._retry_first
            self._pending -= entry.cost
            self._durable += entry.block.count
            self._durable_bytes += len(entry.block.payload)
        elif isinstance(fault, Unavailable):
            entry.future = None
            self._refuse(fault)
        elif isinstance(fault, UnknownState):
            self._stop(fault)
        else:
            unknown = UnknownState(f"the sink answered outside its contract: {type(fault).__name__}: {fault}")
            unknown.__cause__ = fault
            self._stop(unknown)

    def _refuse(self, fault: Unavailable) -> None:
        self._refusals += 1
        if not self._refused:
            _diagnostics.warning("intake.refused", error=str(fault), pending_bytes=self._pending)
        self._refused = True
        if not self._under_way:
            self._resume_later()

    def _resume_later(self) -> None:
        """Submit again after the pause; called once every block under way is answered."""
        if self._loop is not None and not self._pausing:
            self._pausing = True
            self._loop.call_later(self._retry, self._resume)
            self._retry = min(self._retry * 2, _RETRY_MOST_S)

    def _resume(self) -> None:
        self._pausing = False
        self._refused = False
        for entry in list(self._entries.values()):
            if self._refused or self._fault is not None:
                return
            if entry.future is None:
                self._submit(entry)

    def _stop(self, fault: UnknownState) -> None:
        if self._fault is None:
            self._fault = fault
            _diagnostics.error("intake.stopped", error=str(fault), pending_bytes=self._pending)
            if self._on_fault is not None:
                self._on_fault(fault)
            self._wake()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
