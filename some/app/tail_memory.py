"""How far each followed file is retained. The archive says it; a small file spares reading all of the archive again.

`run/tail.json` holds positions together with the archive cursor that they were true at. At start only what the
archive got after that cursor is read. Lose the file and everything is read: slower, and the same answer.
"""

from __future__ import annotations

from concurrent.futures import Future  # noqa: TC003 - the signature of a callback
from typing import TYPE_CHECKING

import orjson

from ingest.collectors.tailing import TailPosition, tail_positions
from some.diagnostics import named
from some.durable import Disk
from some.index.runs import runs
from some.record import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from retention.reading import DamagedSegment
    from some.app.site import Site
    from some.record import Appended, RecordBlock, RecordReader, Sink

log = named("app.tail_memory")

SAVE_EVERY_BLOCKS = 256
RUN_BYTES = 8 * 1024 * 1024


class TailMemory:
    """Positions read from the archive at start, and kept up while blocks of files become durable."""

    def __init__(self, site: Site, reader: RecordReader) -> None:
        """Read nothing yet."""
        self._path: Path = site.run / "tail.json"
        self._reader = reader
        self._origins: dict[str, str] = {}
        self._done_below = 0
        self._positions: dict[int, int] = {}
        self._settled = 0
        self._since_save = 0

    def positions(self) -> dict[str, TailPosition]:
        """Return where to go on in each file: what was saved, and what the archive got since."""
        self._load()
        for origin in self._origins_after(Cursor(self._done_below, dict(self._positions))):
            self._note(origin)
        self._save()
        return tail_positions(self._origins.values())

    def watch(self, sink: Sink) -> Sink:
        """Return `sink` with an eye on which blocks of files become durable."""
        return _Watched(sink, self)

    def durable(self, block: RecordBlock, appended: Appended) -> None:
        """Note that the archive has `block` (its disk thread calls, in the order in which blocks were handed over)."""
        self._note(block.origin)
        self._positions[appended.last.segment] = appended.last.position + 1
        self._since_save += 1
        if self._since_save >= SAVE_EVERY_BLOCKS:
            self._save()

    def _note(self, origin: str) -> None:
        found = tail_positions([*filter(None, [self._origins.get(_identity(origin), "")]), origin])
        for identity, position in found.items():
            if f";to={position.offset}" in origin or identity not in self._origins:
                self._origins[identity] = origin

    def _origins_after(self, cursor: Cursor) -> Iterator[str]:
        for run in runs(self._reader, cursor, max_bytes=RUN_BYTES, damaged=_passed_by):
            seen = b""
            for line in run.lines.split(b"\n"):
                origin = line.split(b"\t", 3)[2] if line.count(b"\t") >= 3 else b""  # noqa: PLR2004 - four fields
                if origin != seen and origin.startswith(b"file:"):
                    yield origin.decode()
                seen = origin
            self._positions[run.segment] = run.first + run.count

    def _load(self) -> None:
        try:
            saved = orjson.loads(self._path.read_bytes())
            done_below = int(saved["done_below"])
            positions = {int(segment): int(at) for segment, at in saved["positions"].items()}
            origins = {str(identity): str(origin) for identity, origin in saved["origins"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return  # missing or damaged: the archive itself is read
        self._done_below, self._positions, self._origins = done_below, positions, origins

    def _save(self) -> None:
        """Save positions with a cursor that is certainly not ahead of them: what was settled at the save before."""
        self._since_save = 0
        self._done_below, self._settled = max(self._done_below, self._settled), self._reader.settled()
        self._positions = {seg: at for seg, at in self._positions.items() if seg >= self._done_below}
        saved = {
            "done_below": self._done_below,
            "positions": {str(segment): at for segment, at in self._positions.items()},
            "origins": self._origins,
        }
        Disk().replace(self._path, orjson.dumps(saved), 0o600)


class _Watched:
    """A sink that tells a TailMemory what became durable."""

    def __init__(self, sink: Sink, memory: TailMemory) -> None:
        self._sink = sink
        self._memory = memory

    def submit(self, block: RecordBlock) -> Future[Appended]:
        """Hand over `block` as the sink does."""
        future = self._sink.submit(block)

        def note(done: Future[Appended]) -> None:
            if not done.cancelled() and done.exception() is None:
                self._memory.durable(block, done.result())

        future.add_done_callback(note)
        return future


def _passed_by(fault: DamagedSegment) -> None:
    """Lines of a damaged segment may come twice: their positions cannot be read, and losing them would be worse."""
    log.warning("tail.segment_damaged", segment=fault.number, cause=str(fault))


def _identity(origin: str) -> str:
    return next(iter(tail_positions([origin])), "")
