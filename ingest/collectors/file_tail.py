"""Files that other programs write: Squid, Kea, IIS, Windows DHCP on a share.

Each line is taken exactly once, also across a kill: a block says which bytes of which file it holds, and the archive
takes a block whole or not at all. Where to go on after a restart is read from the archive (`tail_positions`), so there
is no state file that could disagree with it.
"""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from ingest.collectors.collector import Counters
from ingest.collectors.following import TailedFiles
from some.diagnostics import named
from some.errors import UnknownState
from some.record import RecordBlock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ingest.collectors.collector import Resolve
    from ingest.collectors.tailing import TailBlock, TailPosition
    from ingest.intake import Intake
    from some.clock import Clock

LINE_LIMIT: Final = 1024 * 1024
_LAST_STEPS: Final = 16

_diagnostics = named("ingest.file_tail")


class FileTail:
    """Follows the files that match `paths` (shell patterns; compressed files are passed over)."""

    def __init__(
        self,
        name: str,
        intake: Intake,
        clock: Clock,
        resolve: Resolve,
        *,
        paths: Sequence[str],
        positions: Mapping[str, TailPosition],
        poll_s: float = 1.0,
        linger_s: float = 30.0,
        limit: int = LINE_LIMIT,
    ) -> None:
        """Keep the settings; nothing is opened before `start`.

        `positions` is what `tail_positions` made of the archive's origins. `poll_s` is real seconds between looks,
        `linger_s` seconds of `clock` without a change before a renamed file is given up, `limit` bytes of a line.
        """
        self._name = name
        self._intake = intake
        self._clock = clock
        self._resolve = resolve
        self._poll_s = poll_s
        self._files = TailedFiles(paths, clock, positions, linger_s=linger_s, limit=limit)
        self._truncated = self._lost_bytes = self._cut = 0
        self._thread: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping: asyncio.Event | None = None

    @property
    def name(self) -> str:
        """The listener's name."""
        return self._name

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
            cut=self._cut,
            faults=self._files.faults,
            files=self._files.count,
        )

    async def start(self) -> None:
        """Begin to look; a missing file or folder is no error, it may come."""
        self._stopping = asyncio.Event()
        self._thread = ThreadPoolExecutor(1, f"tail-{self._name}")
        self._task = asyncio.get_running_loop().create_task(self._follow(), name=f"tail-{self._name}")
        _diagnostics.info("file_tail.started", listener=self._name)

    async def stop(self) -> None:
        """Read on for a little (the rest waits safely in the files), then wait for the archive; raises UnknownState."""
        if self._task is None or self._thread is None or self._stopping is None:
            return
        self._stopping.set()
        try:
            await self._task
            for _ in range(_LAST_STEPS):
                await self._intake.room()
                if not await self._step():
                    break
        finally:
            self._thread.submit(self._files.close)
            self._thread.shutdown(wait=False)  # a share that hangs must not hold up the stop
            self._task = self._thread = None
        await self._intake.drain()

    async def _follow(self) -> None:
        if self._stopping is None:
            return
        while not self._stopping.is_set():
            if not await self._step():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), self._poll_s)
            try:
                await self._intake.room()
            except UnknownState:
                return  # the intake has reported it; `stop` raises it

    async def _step(self) -> bool:
        """Read and offer one step; says whether there was or is anything more to read."""
        blocks = await asyncio.get_running_loop().run_in_executor(self._thread, self._files.step)
        now = self._clock.now()
        for block in blocks:
            self._count(block)
            source, record_class = self._resolve(self._name, block.path)
            self._intake.offer(RecordBlock(now, source, block.origin, record_class, block.payload, block.count))
        return bool(blocks) or self._files.behind

    def _count(self, block: TailBlock) -> None:
        self._lost_bytes += block.lost_bytes
        self._truncated += ";truncated" in block.marks
        self._cut += ";cut" in block.marks
