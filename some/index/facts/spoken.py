"""Who spoke when, out of the files of minutes: a question looks at a hundred short stretches of few days.

So a file is read once, and only where it tells of the source; what was read is kept, since a file never changes.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from some.index.facts.fact import Minute
from some.index.scan import FilesChanged

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_KEPT: Final = 256
"""Files of one source that are kept: a month of days for several sources, some 100 KB each."""

_NUMBERS: Final = ("minute", "delay", "first", "last", "count")
_UNKNOWN: Final = -(2**63)
"""Stands for a delay that is not known: no record is so early."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What one file tells of one source: numbers side by side, in the order of the minutes."""

    minutes: memoryview
    others: tuple[memoryview, ...]

    def rows(self, first: int, last: int) -> Iterable[tuple[int, int, int, int, int]]:
        """Return (minute, delay, first, last, count) of the minutes from `first` to `last`."""
        low, high = bisect_left(self.minutes, first), bisect_right(self.minutes, last)
        return zip(*(column[low:high].tolist() for column in (self.minutes, *self.others)), strict=True)


class SpokenFiles:
    """Reads files of minutes. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        """Read below `folder`."""
        self._folder: Final = folder
        self._kept: Final[OrderedDict[tuple[str, str], Spoken]] = OrderedDict()
        self._lock: Final = Lock()

    def of(self, path: str, source: str) -> Spoken:
        """Return what a file tells of a source; raises FilesChanged, pyarrow.ArrowException, OSError."""
        key = (path, source)
        with self._lock:
            held = self._kept.get(key)
            if held is not None:
                self._kept.move_to_end(key)
                return held
        try:
            held = _read(self._folder / path, source)
        except FileNotFoundError as error:
            raise FilesChanged(path) from error
        with self._lock:
            self._kept[key] = held
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return held


def _read(path: Path, source: str) -> Spoken:
    with pq.ParquetFile(path, page_checksum_verification=True) as held:
        groups = [number for number in range(held.num_row_groups) if _may_tell(held, number, source)]
        table = held.read_row_groups(groups, columns=["source", *_NUMBERS], use_threads=False)
    table = table.filter(pc.equal(table.column("source"), source))
    return Spoken(_numbers(table.column("minute")), tuple(_numbers(table.column(name)) for name in _NUMBERS[1:]))


def _may_tell(held: pq.ParquetFile, number: int, source: str) -> bool:
    group = held.metadata.row_group(number)
    told = group.column(held.schema_arrow.get_field_index("source")).statistics
    return told is None or not told.has_min_max or bool(told.min <= source <= told.max)


def _numbers(column: pa.ChunkedArray) -> memoryview:
    whole: Any = pa.concat_arrays(column.fill_null(_UNKNOWN).chunks or [pa.array([], pa.int64())])
    if not len(whole):
        return memoryview(b"").cast("q")
    return memoryview(whole.buffers()[1]).cast("q")[whole.offset : whole.offset + len(whole)]


def minutes_of_rows(rows: Iterable[tuple[int, int, int, int, int]]) -> list[Minute]:
    """Return minutes out of (minute, delay, first, last, count), added up, in order."""
    made: dict[int, tuple[int, int, int, dict[int, int]]] = {}
    for minute, delay, first, last, count in rows:
        held = made.get(minute)
        begins, ends, total, delays = (first, last, 0, {}) if held is None else held
        if delay != _UNKNOWN:
            delays[delay] = delays.get(delay, 0) + count
        made[minute] = (min(begins, first), max(ends, last), total + count, delays)
    return [Minute(minute, *made[minute]) for minute in sorted(made)]
