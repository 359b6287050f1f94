"""Segments that have ended and that no manifest lists yet: being closed, closed, or damaged; and torn tails."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retention.closing import ClosingOrder
from retention.manifest import Note
from retention.published import OpenPart
from retention.recovery import list_torn
from retention.reserve import no_room
from retention.sealing import Closed
from some.diagnostics import named
from some.errors import IntegrityError, Unavailable, UnknownState

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from retention.chain import Chain
    from retention.closer import Closer
    from retention.layout import Ledger
    from retention.manifest import SealedSegment
    from retention.recovery import Leftover
    from retention.reserve import Reserve

_log = named("retention.cuts")


@dataclass(slots=True)
class _Cut:
    order: ClosingOrder
    part: OpenPart
    closing: Future[None]


class Cuts:
    """All of one ledger. `guard` is the archive's lock over everything that is published."""

    def __init__(
        self, ledger: Ledger, reserve: Reserve, closer: Closer, *, guard: threading.RLock,
        publish: Callable[[], None], level: int
    ) -> None:  # fmt: skip
        """Start with none; `publish` is called under `guard` when a segment stops being open for readers."""
        self._ledger, self._reserve, self._closer = ledger, reserve, closer
        self._guard, self._publish, self._level = guard, publish, level
        self._worker = ThreadPoolExecutor(1, "closing")
        self._cut: dict[int, _Cut] = {}
        self._unread: dict[int, str] = {}
        self._closed: dict[int, SealedSegment] = {}
        self._damaged: dict[int, str] = {}
        self._torn: list[Path] = []

    @property
    def parts(self) -> list[OpenPart]:
        """What readers may read of the segments that are being closed."""
        return [cut.part for cut in self._cut.values()]

    @property
    def damaged(self) -> tuple[str, ...]:
        """Segments that cannot be closed, and why."""
        with self._guard:
            return tuple(self._damaged.values())

    @property
    def count(self) -> int:
        """How many segments wait for a seal."""
        with self._guard:
            return len(self._cut) + len(self._closed) + len(self._unread) + len(self._damaged)

    def add(self, part: OpenPart) -> None:
        """Take a segment that ended just now and begin to close it."""
        path, seed = self._ledger.segment(part.number, part.record_class), self._ledger.seed(part.number)
        order = ClosingOrder(path, seed, part.number, part.record_class, part.size, part.records, self._level)
        with self._guard:
            self._cut[part.number] = _Cut(order, part, self._worker.submit(self._close, part.number, order))

    def add_leftover(self, left: Leftover) -> None:
        """Take the segments and torn tails of earlier runs."""
        for ended in left.ended:
            if isinstance(ended, OpenPart):
                self.add(ended)
            else:
                self._unread[ended.number] = ended.record_class
        self._torn = list(left.torn)

    def close_below(self, boundary: int) -> Closed:
        """Return everything below segment `boundary` that no manifest lists, waiting until it is closed.

        Raises Unavailable where the disk is full, or the tree process dies again and again.
        """
        for number in sorted(self._numbers(self._cut, boundary)):
            cut = self._cut.get(number)
            if cut is None:
                continue
            if cut.closing.done():  # and still here: there was no room, or no tree process
                cut.closing = self._worker.submit(self._close, number, cut.order)
            cut.closing.result()
        for number in sorted(self._numbers(self._unread, boundary)):
            record_class = self._unread[number]
            path, seed = self._ledger.segment(number, record_class), self._ledger.seed(number)
            self._worker.submit(self._close, number, ClosingOrder(path, seed, number, record_class)).result()
        with self._guard:
            segments = tuple(self._closed[number] for number in sorted(self._closed) if number < boundary)
            notes = [Note("damaged", text) for _, text in sorted(self._damaged.items())]
        torn, torn_notes = list_torn(self._torn)
        return Closed(segments, tuple(torn), (*torn_notes, *notes))

    def forget(self, chain: Chain) -> None:
        """Drop what the committed manifests list."""
        with self._guard:
            for numbers in (self._closed, self._unread, self._damaged):
                for number in chain.sealed & numbers.keys():
                    del numbers[number]
            self._torn = [path for path in self._torn if path.name not in chain.torn]

    def stop(self) -> None:
        """Wait for what is being closed, then end the thread and the tree process."""
        self._worker.shutdown()
        self._closer.stop()

    def _numbers(self, numbers: dict[int, _Cut] | dict[int, str], boundary: int) -> Sequence[int]:
        with self._guard:
            return [number for number in numbers if number < boundary]

    def _close(self, number: int, order: ClosingOrder) -> None:
        damage, sealed = "", None
        try:
            sealed = self._reserve.spend(lambda: self._closer.close(order))
        except IntegrityError as fault:
            damage = str(fault)
        except OSError as fault:
            if no_room(fault):
                raise Unavailable(f"no room to close {order.path.name}") from fault
            damage = f"{order.path.name}: {fault}"
        with self._guard:
            if sealed is not None:
                self._closed[number] = sealed
                _log.info("segment.closed", number=number, records=sealed.records)
            else:
                self._damaged[number] = damage
                _log.error("segment.damaged", text=damage)
            self._unread.pop(number, None)
            if self._cut.pop(number, None) is not None:
                try:
                    self._publish()
                except UnknownState as fault:  # a reader that meets the older word finds the closed file all the same
                    _log.warning("durable.not_published", text=str(fault))
