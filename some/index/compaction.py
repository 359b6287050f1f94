"""Small files into large ones, so that a question opens few of them. No answer changes by it.

Facts are merged the same way, by day instead of hour, and stay in the order of their key. Their rows stand in memory
for it, so a full file of facts is smaller.

Tiers: when a class and hour has `FAN` files of one level, they become one file of the next; an hour that is over
becomes as few files as `FULL_ROWS` allows. Rows stream through, so little memory is needed.
Replaced files stay for `GRACE_S`, because a reader may just have read their names.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from some.diagnostics import named
from some.index import files, words
from some.index.catalogue import Catalogue, StoredFile, word_list_of
from some.index.engine import IndexFinding
from some.index.facts.shapes import FULL_ROWS as FACT_ROWS
from some.index.facts.shapes import shape_of
from some.index.fields import SEGMENT, TEXT

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from some.durable import Disk

FAN = 8
FULL_ROWS = 1_000_000
GRACE_S = 120.0
_BATCH = 16_384
_BLOOM = {"ndv": 30_000, "fpp": 0.02}
_SOUGHT = frozenset(
    {
        "source.ip",
        "source.nat.ip",
        "source.mac",
        "source.user.name",
        "destination.ip",
        "client.ip",
        "client.mac",
        "user.name",
        "url.domain",
        "dns.question.name",
    }
)
"""What one looks for in a long archive: large files carry a Bloom filter of these."""

MERGE_FAILED = "index.merge_failed"
_HOUR_S = 3_600
_LATE_S = 120.0
"""How long after its end an hour may still get records (they are flushed within a second)."""


def sweep(folder: Path, catalogue: Catalogue, disk: Disk, *, now: float) -> bool:
    """Remove replaced files whose grace is over (`now` in seconds since the epoch); returns whether there were any."""
    over = catalogue.retired(now - GRACE_S)
    if over:
        files.remove(folder, disk, over)
        with catalogue.transaction():
            catalogue.forget_retired(over)
    return bool(over)


def choose(catalogue: Catalogue, *, now: float, at_least: int = FAN) -> list[StoredFile] | None:
    """Return files that should become one: the largest pile of at least `at_least`, else an hour that is over."""
    failed = {finding.where for finding in catalogue.findings() if finding.code == MERGE_FAILED}
    for record_class, hour, level, _ in catalogue.crowded(at_least, FULL_ROWS // 2, FACT_ROWS // 2):
        chosen = _fitting(catalogue.pile(record_class, hour, level))
        if len(chosen) > 1 and place_of(chosen) not in failed:
            return chosen
    if at_least > FAN:
        return None
    for record_class, hour in catalogue.scattered(int(now - _LATE_S) // _HOUR_S, FULL_ROWS // 2, FACT_ROWS // 2):
        chosen = _fitting(catalogue.pile(record_class, hour))
        if len(chosen) > 1 and place_of(chosen) not in failed:
            return chosen
    return None


def place_of(chosen: Sequence[StoredFile]) -> str:
    """Return where a failed merge is reported: the first file's name."""
    return chosen[0].path


def settle(catalogue: Catalogue, chosen: Sequence[StoredFile], merged: Future[StoredFile], *, now: float) -> None:
    """Commit a merge: new file in, old files out, at once. A merge that failed is reported, and nothing changes."""
    try:
        made = merged.result()
    except (pa.ArrowException, OSError) as error:
        text = f"files could not be merged ({error}); `some index rebuild` makes the index anew"
        with catalogue.transaction():
            catalogue.report(IndexFinding(MERGE_FAILED, "warning", place_of(chosen), text))
        return
    with catalogue.transaction():
        catalogue.retire(chosen, now)
        catalogue.add([made])
    named("index.compaction").debug("index.files_merged", files=len(chosen), rows=made.rows)


def _fitting(pile: Sequence[StoredFile]) -> list[StoredFile]:
    """Return files of the pile that fit into one full file, in order, leaving out those that are full."""
    chosen: list[StoredFile] = []
    rows = 0
    full = FULL_ROWS if shape_of(pile[0].record_class) is None else FACT_ROWS
    for one in pile:
        if one.rows < full // 2 and rows + one.rows <= full:
            chosen.append(one)
            rows += one.rows
    return chosen


def merge(folder: Path, disk: Disk, chosen: Sequence[StoredFile]) -> StoredFile:
    """Write the rows of `chosen` (one class and hour) to one durable file; raises pa.ArrowException, OSError."""
    if shape_of(chosen[0].record_class) is not None:
        return _merge_facts(folder, disk, chosen)
    low, high = min(one.low for one in chosen), max(one.high for one in chosen)
    rows, level = sum(one.rows for one in chosen), max(one.level for one in chosen) + 1
    path = files.path_of(chosen[0].record_class, chosen[0].hour, low, rows, level)
    stage = folder / f"{path}.new"
    gathered = words.Gathered() if rows >= words.LISTED_FROM else None
    _copy([folder / one.path for one in chosen], stage, gathered)
    listed = ""
    if gathered is not None:
        list_stage = folder / f"{word_list_of(path)}.new"
        if gathered.write(list_stage):
            listed = _finished(disk, list_stage, folder / word_list_of(path))
    sha256 = _finished(disk, stage, folder / path)
    return StoredFile(
        path=path,
        record_class=chosen[0].record_class,
        hour=chosen[0].hour,
        level=level,
        first_us=min(one.first_us for one in chosen),
        last_us=max(one.last_us for one in chosen),
        rows=rows,
        size=(folder / path).stat().st_size,
        low=low,
        high=high,
        errors=sum(one.errors for one in chosen),
        sha256=sha256,
        words=listed,
    )


def _finished(disk: Disk, stage: Path, path: Path) -> str:
    """Make a staged file durable under its name; returns its digest."""
    sha256 = files.digest(stage)
    descriptor = os.open(stage, os.O_RDONLY | os.O_CLOEXEC)
    try:
        disk.sync(descriptor)
    finally:
        os.close(descriptor)
    disk.rename(stage, path)
    return sha256


def _merge_facts(folder: Path, disk: Disk, chosen: Sequence[StoredFile]) -> StoredFile:
    table = pa.concat_tables([_read(folder / one.path) for one in chosen])
    pile = chosen[0].record_class, chosen[0].hour
    return files.write_one(folder, disk, pile, table, max(one.level for one in chosen) + 1)


def _read(path: Path) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as held:
        return held.read()


def without(folder: Path, disk: Disk, one: StoredFile, gone: frozenset[int]) -> StoredFile | None:
    """Write the rows of `one` that are of other segments to a new file; None where there are none.

    Returns `one` itself where it holds none of `gone`. Raises pyarrow.ArrowException, OSError.
    """
    table = _read(folder / one.path)
    away = pc.is_in(table.column(SEGMENT), value_set=pa.array(sorted(gone), pa.int64()))
    if not pc.any(away).as_py():
        return one
    kept = table.filter(pc.invert(away))
    if not kept.num_rows:
        return None
    return files.write_one(folder, disk, (one.record_class, one.hour), kept, one.level + 1)


def _copy(sources: Sequence[Path], target: Path, gathered: words.Gathered | None) -> None:
    """Write the rows of `sources` to `target`, a few thousand at a time; raises pyarrow.ArrowException, OSError.

    `gathered` takes their words.
    """
    names = {name for source in sources for name in pq.read_schema(source).names}
    columns = pa.schema([field for field in files.schema() if field.name in names])
    bloom = {name: _BLOOM for name in columns.names if name in _SOUGHT}
    with pq.ParquetWriter(target, columns, **files.settings(columns, bloom)) as writer:
        for source in sources:
            with pq.ParquetFile(source, page_checksum_verification=True) as held:
                for batch in held.iter_batches(_BATCH):
                    writer.write_batch(_aligned(batch, columns), row_group_size=files.ROW_GROUP)
                    if gathered is not None:
                        gathered.add(batch.column(TEXT))


def _aligned(batch: pa.RecordBatch, columns: pa.Schema) -> pa.RecordBatch:
    present = set(batch.schema.names)
    arrays = [
        batch.column(field.name).cast(field.type) if field.name in present else pa.nulls(batch.num_rows, field.type)
        for field in columns
    ]
    return pa.record_batch(arrays, schema=columns)
