"""Wait until the index has everything that was durable at the call; make the index anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from some.errors import Unavailable
from some.index import files
from some.index.catalogue import NAME, reading
from some.index.lock import IndexLock, IndexLocked
from some.index.runs import runs
from some.record import Cursor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from some.durable import Disk
    from some.index.follower import Follower
    from some.record import RecordReader

_POLL_S = 0.05
_READ_BYTES = 16 * 1024 * 1024


def wait_for(reader: RecordReader, folder: Path, follower: Follower, *, timeout_s: float) -> None:
    """Return when the index in `folder` has every record that is durable now; raises Unavailable after `timeout_s`.

    Where no other follower works, `follower` (not yet entered) is run here; else this only watches.
    """
    ends = time.monotonic() + timeout_s
    with reading(folder, reader.ledger) as catalogue:
        target = end_of(reader, catalogue.cursor() if catalogue else None)
    while True:
        if _reached(reader, folder, target):
            return
        try:
            with follower:
                follower.run_once()
        except IndexLocked:
            time.sleep(_POLL_S)
        if time.monotonic() > ends and not _reached(reader, folder, target):
            msg = f"the index did not catch up within {timeout_s:g} s"
            raise Unavailable(msg)


def end_of(reader: RecordReader, cursor: Cursor | None) -> Mapping[int, int]:
    """Return the position behind the last durable record of each segment that `cursor` has not read to its end."""
    ends: dict[int, int] = {}
    # a damaged segment is waited for up to where it can be read
    for run in runs(reader, cursor or Cursor(), max_bytes=_READ_BYTES, damaged=lambda _: None):
        ends[run.segment] = run.first + run.count
    return ends


def _reached(reader: RecordReader, folder: Path, target: Mapping[int, int]) -> bool:
    with reading(folder, reader.ledger) as catalogue:
        return passed(target, catalogue.cursor() if catalogue else None)


def passed(target: Mapping[int, int], cursor: Cursor | None) -> bool:
    """Say whether `cursor` stands at or behind every end of `target`."""
    held = cursor or Cursor()
    return all(segment < held.done_below or held.next_in(segment) >= end for segment, end in target.items())


def wipe(folder: Path, lock: Path, disk: Disk) -> None:
    """Remove the whole index; the follower then makes it anew. Raises IndexLocked while a follower works.

    The catalogue goes first: from then on a reader finds an empty index, never half of one.
    """
    held = IndexLock(lock)
    held.take()
    try:
        for name in (NAME, f"{NAME}-wal", f"{NAME}-shm"):
            disk.remove(folder / name)
        if folder.exists():
            files.remove(folder, disk, sorted(files.present(folder)))
    finally:
        held.release()
