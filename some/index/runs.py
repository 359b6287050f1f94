"""Read on past damage: what a damaged segment still gives is read, the rest is passed by and told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from retention.reading import DamagedSegment
from some.record import Cursor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from some.record import RecordReader, RecordRun

PAST_END: Final = 2**62
"""The position of a cursor in a segment that cannot be read on."""


def runs(
    reader: RecordReader,
    cursor: Cursor,
    *,
    max_bytes: int,
    damaged: Callable[[DamagedSegment], None],
    classes: frozenset[str] | None = None,
) -> Iterator[RecordRun]:
    """Yield what `reader.follow` yields; where a segment is damaged, call `damaged` and go on with the next."""
    positions = dict(cursor.positions)
    follow = reader.follow if classes is None else partial(reader.follow, classes=classes)
    while True:
        try:
            for run in follow(Cursor(cursor.done_below, positions), max_bytes=max_bytes):
                yield run
                positions[run.segment] = run.first + run.count
        except DamagedSegment as fault:
            positions[fault.number] = PAST_END
            damaged(fault)
        else:
            return
