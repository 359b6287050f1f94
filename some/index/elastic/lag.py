"""How far a follower is behind what is durable."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from some import clock
from some.index.runs import runs

if TYPE_CHECKING:
    from datetime import datetime

    from retention.reading import DamagedSegment
    from some.record import Cursor, RecordReader

_LOOKS_S: Final = 0.25
_RUN_BYTES: Final = 4 * 1024 * 1024
_STAMP: Final = 27


@dataclass(frozen=True, slots=True)
class Lag:
    """`records` is a lower bound where not `exact`; `seconds` is the age of the first that waits, 0 where none does."""

    records: int
    seconds: float
    exact: bool


def _known(_: DamagedSegment) -> None:
    """Damage is the follower's to tell."""


def lag_behind(reader: RecordReader, cursor: Cursor, wall: clock.Clock) -> Lag:
    """Return how much of what is durable stands behind `cursor`; looks for a quarter of a second at most."""
    records, oldest = 0, None
    started = time.monotonic()
    for run in runs(reader, cursor, max_bytes=_RUN_BYTES, damaged=_known):
        records += run.count
        received = clock.from_text(run.lines[:_STAMP].decode("ascii"))
        oldest = received if oldest is None else min(oldest, received)
        if time.monotonic() - started > _LOOKS_S:
            return Lag(records, _age(oldest, wall), exact=False)
    return Lag(records, 0.0 if oldest is None else _age(oldest, wall), exact=True)


def _age(received: datetime, wall: clock.Clock) -> float:
    return max(0.0, (wall.now() - received).total_seconds())
