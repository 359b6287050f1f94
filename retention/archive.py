"""Appends records with group commit. The line where a record becomes *durable* stands in `Archive._write`.

One thread at the disk takes everything that waits, makes one zstd frame (or a few) for each record class, appends,
syncs, publishes and only then answers. Under load commits grow by themselves; a lone record is durable at once.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Self

from retention.checking import check_ledger
from retention.closer import Closer
from retention.cuts import Cuts
from retention.open_segment import Waiting, addition_of, open_segment
from retention.options import ArchiveOptions, ArchiveState, ArchiveStatus, OpenFacts
from retention.published import OpenPart, Published
from retention.reserve import no_room
from retention.segment import MAX_FRAME_CONTENT, compressor
from retention.starting import start
from some.clock import to_text
from some.diagnostics import named
from some.durable import Disk
from some.errors import BadInput, SomeError, Unavailable, UnknownState
from some.record import RecordClass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from pathlib import Path
    from types import TracebackType

    from retention.chain import Chain
    from retention.manifest import Note
    from retention.open_segment import Addition, OpenSegment
    from retention.sealing import Closed, SealMade
    from retention.starting import Started
    from some.clock import Clock
    from some.record import Appended, RecordBlock

AUDIT = RecordClass("audit")
"""The class that may use the reserve when the disk is full."""

_log = named("retention.archive")


def no_notes() -> Iterable[Note]:
    """Return nothing to note."""
    return ()


class Archive:
    """The one writer of a ledger; a `Sink`. Safe to share between threads."""

    def __init__(self, started: Started, clock: Clock, disk: Disk, options: ArchiveOptions) -> None:
        """Use `Archive.open`."""
        self._started, self._clock, self._disk, self._options = started, clock, disk, options
        self._ledger, self._reserve, self._sealer = started.ledger, started.reserve, started.sealer
        self._guard = threading.RLock()
        closer = Closer(disk, inline_bytes=options.inline_bytes)
        self._cuts = Cuts(
            self._ledger, self._reserve, closer, guard=self._guard, publish=self._publish, level=options.level
        )
        self._wake = threading.Condition(self._guard)
        self._queue: deque[Waiting] = deque()
        self._held: list[Waiting] = []  # waits for room on a full disk
        self._under_way: list[Waiting] = []
        self._rotations: list[Future[datetime]] = []
        self._open: dict[str, OpenSegment] = {}
        self._next_number, self._boundary = started.left.next_number, 0
        self._state, self._fault = ArchiveState.OK, ""
        self._stopping = False
        self._records = self._content = self._commits = 0
        self._compressor = compressor(options.level)
        self._thread = threading.Thread(target=self._run, name="disk", daemon=True)  # ending without close() is a crash

    @classmethod
    def open(  # the whole of what an archive needs
        cls, folder: Path, run: Path, ledger: str, keys: Path, *, clock: Clock, disk: Disk | None = None,
        options: ArchiveOptions | None = None, notes: Callable[[], Iterable[Note]] = no_notes,
    ) -> Self:  # fmt: skip
        """Take the lock, make what is missing (folders, key pair, head), recover, and start.

        `folder` is DATA/archive, `run` DATA/run, `keys` DATA/keys. `notes` is asked at every seal for what happened
        since the last call; its notes are kept until a manifest holds them.
        Raises ArchiveHeld (Unavailable) where another process has the archive, Unavailable on a full disk,
        SettingsFault for a bad ledger name, OSError (no permission, …) and UnknownState. A broken chain does not keep
        records out: see `ArchiveStatus.chain_fault`.
        """
        disk, options = disk or Disk(), options or ArchiveOptions()
        try:
            started = start(folder, run, ledger, keys, clock=clock, disk=disk, options=options, notes=notes)
        except OSError as fault:
            if no_room(fault):
                raise Unavailable(f"no room to open the archive: {fault}") from fault
            raise
        archive = cls(started, clock, disk, options)
        archive._begin()
        return archive

    def __enter__(self) -> Self:
        """Return the archive; it is open already."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    @property
    def ledger(self) -> str:
        """The ledger's name."""
        return self._ledger.name

    def submit(self, block: RecordBlock) -> Future[Appended]:
        """Hand over `block` (see `Sink.submit`); BadInput for one that no frame can hold."""
        future: Future[Appended] = Future()
        waiting = Waiting.of(block, future)
        if waiting.content > MAX_FRAME_CONTENT:
            future.set_exception(
                BadInput(f"a block of {waiting.content} bytes as lines; at most {MAX_FRAME_CONTENT} are taken")
            )
            return future
        with self._wake:
            if self._stopping or self._state is ArchiveState.FAILED:
                future.set_exception(self._refusal())
            else:
                self._queue.append(waiting)
                self._wake.notify()
        return future

    def seal(self) -> SealMade:
        """Seal everything that is durable now; see `Sealer.seal`. An empty seal is made too."""
        return self._sealer.seal(self)

    def status(self) -> ArchiveStatus:
        """Return how the archive is; never waits for the disk."""
        with self._guard:
            waiting = [*self._queue, *self._held, *self._under_way]
            chain = self._sealer.known_chain()
            return ArchiveStatus(
                ledger=self._ledger.name, state=self._state, fault=self._fault or None,
                records=self._records, content_bytes=self._content, commits=self._commits,
                waiting_blocks=len(waiting), waiting_bytes=sum(one.content for one in waiting),
                open_segments=tuple(map(_facts, self._open.values())),
                unsealed=self._cuts.count, seals=chain.size if chain else None,
                last_closed_at=to_text(chain.last.closed_at) if chain and chain.last else None,
                chain_fault=self._sealer.fault, damaged=self._cuts.damaged, faults=tuple(self._started.left.faults),
                reserve_bytes=self._reserve.held, interval_s=self._options.interval_s,
            )  # fmt: skip

    def wake(self) -> None:
        """Look at once whether a full disk has room again."""
        with self._wake:
            self._wake.notify()

    def close(self) -> None:
        """Make durable what waits, close the open segments (the next seal lists them) and release the lock.

        After a failure no record is written any more: the next start recovers.
        """
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()
        with self._sealer.between_seals():  # a seal under way ends first: it needs the lock that is released here
            self._cuts.stop()
            with self._guard:
                if self._state is not ArchiveState.CLOSED:
                    self._state = ArchiveState.CLOSED
                    self._started.release()

    def check(self) -> None:
        """Derive everything again from the bytes on the disk; raises IntegrityError at the first contradiction."""
        with self._guard:
            check_ledger(self._ledger, self._published(), self._started.run / "durable")

    def must_run(self) -> None:
        """Raise what a caller must be told where nothing may be written any more (called by sealing)."""
        with self._guard:
            if self._stopping or self._state is ArchiveState.FAILED:
                raise self._refusal()

    def rotate(self) -> datetime:
        """End every open segment (called by sealing); returns when, by the wall clock."""
        request: Future[datetime] = Future()
        with self._wake:
            self.must_run()
            self._rotations.append(request)
            self._wake.notify()
        return request.result()

    def close_cut(self) -> Closed:
        """Return what the seal under way covers (called by sealing)."""
        return self._cuts.close_below(self._boundary)

    def forget(self, chain: Chain) -> None:
        """Drop what committed manifests list (called by sealing)."""
        self._cuts.forget(chain)
        with self._guard:
            self._publish()

    # The disk thread. Everything below runs in it, except where a caller says otherwise.

    def _begin(self) -> None:
        self._cuts.add_leftover(self._started.left)
        with self._guard:
            self._publish()
        self._thread.start()

    def _run(self) -> None:
        fault = "the disk thread died"
        try:
            while self._turn():
                pass
            fault = ""
        except (UnknownState, OSError) as unknown:
            fault = f"a write failed: {unknown}" if isinstance(unknown, OSError) else str(unknown)
            _log.error("archive.failed", text=fault)
        finally:  # whatever ended the thread, nobody waits for ever
            self._end(fault)

    def _turn(self) -> bool:
        with self._wake:
            if not (self._queue or self._rotations or self._stopping):
                self._wake.wait(self._options.retry_s if self._held else None)
            self._under_way, self._held = [*self._held, *self._queue], []
            self._queue.clear()
            rotations = list(self._rotations)
            stopping = self._stopping
        self._commit([one for one in self._under_way if _promised(one)])
        with self._guard:
            self._under_way = []
        if rotations or stopping:
            for segment in sorted(self._open.values(), key=lambda one: (one.records > 0, -one.number)):
                self._cut(segment)  # those that took no record first, the newest of them before: their numbers are free
            self._boundary = self._next_number
            with self._guard:
                del self._rotations[: len(rotations)]
            for rotation in rotations:
                rotation.set_result(self._clock.now())
        return not stopping

    def _commit(self, waiting: list[Waiting]) -> None:
        """Write what waits, piece by piece; on a full disk keep what may not use the reserve."""
        if self._state is ArchiveState.DISK_FULL and waiting and not self._reserve.refill():
            self._commit_audit(waiting)
            return
        while waiting:
            piece, rest = _split(waiting, self._options.commit_bytes)
            try:
                self._write(piece)
            except OSError as fault:
                if not no_room(fault):
                    raise
                _log.error("disk.filled", waiting=len(waiting))
                self._set_state(ArchiveState.DISK_FULL, str(fault))
                self._commit_audit(waiting)
                return
            self._set_state(ArchiveState.OK, "")
            waiting = rest
            with self._guard:
                self._under_way = rest  # what is durable need not stay in memory until all of the turn is

    def _commit_audit(self, waiting: list[Waiting]) -> None:
        audit = [one for one in waiting if one.block.record_class == AUDIT]
        try:
            if audit:
                self._reserve.spend(lambda: self._write(audit))
        except OSError as fault:
            if not no_room(fault):
                raise
            self._hold(waiting)
        else:
            self._hold([one for one in waiting if one.block.record_class != AUDIT])

    def _hold(self, waiting: list[Waiting]) -> None:
        if self._options.wait_for_space:
            self._held = waiting
            return
        for one in waiting:
            one.future.set_exception(Unavailable("the disk is full; nothing of this was retained"))

    def _write(self, waiting: Sequence[Waiting]) -> None:
        """Make `waiting` durable. Raises OSError: no room, nothing is kept; any other, and UnknownState: who knows."""
        by_class: dict[str, list[Waiting]] = {}
        for one in waiting:
            by_class.setdefault(one.block.record_class, []).append(one)
        additions = [addition_of(self._segment(name), many, self._compressor) for name, many in by_class.items()]
        self._append(additions)
        try:
            for addition in additions:
                self._disk.sync(addition.segment.descriptor)
        except OSError as fault:  # the kernel may have dropped the pages: only a restart can tell what is there
            raise UnknownState(f"a sync failed: {fault}") from fault
        # DURABLE. From this line on the records of `additions` cannot be lost; before it nobody was told anything.
        with self._guard:
            for addition in additions:
                addition.apply()
                self._records += addition.records
                self._content += addition.content
            self._commits += 1
            self._publish()
        for addition in additions:
            addition.keep_promises(self._ledger.name)
            if addition.segment.content >= self._options.segment_bytes:
                self._cut(addition.segment)

    def _append(self, additions: Sequence[Addition]) -> None:
        try:
            for addition in additions:
                self._disk.append(addition.segment.descriptor, addition.stored)
        except OSError as fault:
            if not no_room(fault):
                raise
            try:
                for addition in additions:
                    self._disk.truncate(addition.segment.path, addition.segment.size)
            except OSError as second:
                raise UnknownState(f"a part of a frame could not be cut off: {second}") from second
            raise

    def _segment(self, record_class: str) -> OpenSegment:
        if record_class not in self._open:
            segment = open_segment(self._ledger, self._next_number, record_class, self._disk)
            with self._guard:
                self._open[record_class] = segment
                self._next_number += 1
        return self._open[record_class]

    def _cut(self, segment: OpenSegment) -> None:
        """End `segment`: it takes no more records."""
        os.close(segment.descriptor)
        with self._guard:
            del self._open[segment.record_class]
            if segment.records:
                self._cuts.add(_part(segment))
                return
            if segment.number == self._next_number - 1:
                self._next_number -= 1
        self._disk.remove(segment.path)
        self._disk.remove(self._ledger.seed(segment.number))

    def _published(self) -> Published:
        chain = self._sealer.known_chain()
        parts = sorted([*map(_part, self._open.values()), *self._cuts.parts], key=lambda part: part.number)
        return Published(self._ledger.name, self._next_number, tuple(parts), chain.size if chain else 0)

    def _publish(self) -> None:
        """Tell readers; under the guard, in any thread."""
        try:
            self._disk.publish(self._started.durable, self._published().to_bytes())
        except OSError as fault:
            raise UnknownState(f"run/durable could not be written: {fault}") from fault

    def _set_state(self, state: ArchiveState, fault: str) -> None:
        with self._guard:
            self._state, self._fault = state, fault

    def _refusal(self) -> SomeError:
        if self._state is ArchiveState.FAILED:
            return UnknownState(f"the archive stopped: {self._fault}")
        return Unavailable("the archive is closing")

    def _end(self, fault: str) -> None:
        with self._guard:
            if fault:
                self._state, self._fault = ArchiveState.FAILED, fault
                for segment in self._open.values():
                    os.close(segment.descriptor)
            left = [*self._under_way, *self._held, *self._queue]
            rotations, self._rotations = self._rotations, []
        promises: list[Future[Any]] = [*(one.future for one in left), *rotations]
        for promise in promises:
            if not promise.done():
                promise.set_exception(self._refusal())


def _promised(one: Waiting) -> bool:
    """Return whether somebody still waits: one that was taken back before its turn is not written."""
    return one.future.running() or one.future.set_running_or_notify_cancel()


def _split(waiting: list[Waiting], size: int) -> tuple[list[Waiting], list[Waiting]]:
    """Return the first blocks with together about `size` bytes (at least one block), and the others."""
    total = 0
    for count, one in enumerate(waiting):
        total += one.content
        if total > size and count:
            return waiting[:count], waiting[count:]
    return waiting, []


def _facts(segment: OpenSegment) -> OpenFacts:
    return OpenFacts(segment.number, segment.record_class, segment.records, segment.size)


def _part(segment: OpenSegment) -> OpenPart:
    return OpenPart(segment.number, segment.record_class, segment.inode, segment.size, segment.records)
