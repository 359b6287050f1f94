"""Sinks that behave and misbehave, and what the tests of the collectors share."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future

from some.errors import Unavailable
from some.record import Appended, RecordClass, RecordRef, unescape

ACCESS = RecordClass("access")


class MemorySink:
    """Keeps blocks; answers at once, or when told (`hold`), or refuses (`refusing`), as an archive may."""

    def __init__(self, *, hold=False):
        """Begin empty; with `hold` nothing becomes durable before `release`."""
        self.hold = hold
        self.refusing = False
        self.fault = None
        self.waiting = []
        self.blocks = []
        self.submitted = 0
        self._position = 0

    def submit(self, block):
        """Answer as `hold`, `refusing` and `fault` say."""
        self.submitted += 1
        future = Future()
        if self.fault is not None:
            future.set_exception(self.fault)
        elif self.refusing:
            future.set_exception(Unavailable("no space left"))
        elif self.hold:
            self.waiting.append((block, future))
        else:
            self._keep(block, future)
        return future

    def release(self, count=None):
        """Make the oldest `count` waiting blocks durable (all of them without)."""
        take = len(self.waiting) if count is None else count
        ready, self.waiting = self.waiting[:take], self.waiting[take:]
        for block, future in ready:
            self._keep(block, future)

    def refuse_waiting(self):
        """Fail what waits with Unavailable."""
        ready, self.waiting = self.waiting, []
        for _, future in ready:
            future.set_exception(Unavailable("no space left"))

    def _keep(self, block, future):
        self.blocks.append(block)
        first = self._position
        self._position += block.count
        future.set_result(Appended(RecordRef("deneme", 1, first), RecordRef("deneme", 1, self._position - 1)))

    def records(self):
        """Every durable record as (raw, source, origin), in order; checks that a block is what it says."""
        found = []
        for block in self.blocks:
            lines = block.payload.split(b"\n")
            assert lines.pop() == b""
            assert len(lines) == block.count
            found += [(unescape(line), block.source, block.origin) for line in lines]
        return found

    def raws(self):
        """Every durable record as received, without gap records."""
        return [raw for raw, _, origin in self.records() if not origin.startswith("gap:")]


async def until(condition, within_s=20.0):
    """Return when `condition()` holds; fails when it never does."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.002)
