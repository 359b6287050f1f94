"""Parquet files of the embedded index: written whole, named by what they hold, checked by their digest.

`<class>/<YYYYMMDDHH of reception>/<segment>-<position>-<rows>-<level>-<random>.parquet`: first record, number of
records, how often they were merged. The random part makes a name unique for ever, also across rebuilds, so a reader may
remember a file's footer, or its damage, by name.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingest.ecs import FIELD, FieldKind
from some.index.catalogue import StoredFile, word_list_of
from some.index.engine import from_us
from some.index.facts.shapes import ROW_GROUP as FACT_GROUP
from some.index.facts.shapes import shape_of
from some.index.fields import POSITION, SEGMENT, TEXT, TIME, tokens_of
from some.index.storage import arrow_type

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from some.durable import Disk

HOUR_US = 3_600_000_000
ROW_GROUP = 122_880
"""Rows in a row group: DuckDB's own unit, so one row group is one task of a scan."""

_LONG = frozenset({TEXT, "message", "error.message", "url.original", "user_agent.original"})

SCHEMA_NAME = "schema.parquet"
SUFFIX = ".parquet"


def schema() -> pa.Schema:
    """Return every column that a file may have."""
    columns = [pa.field(field.name, arrow_type(field)) for field in FIELD.values()]
    tokens = [
        pa.field(tokens_of(field.name), pa.string())
        for field in FIELD.values()
        if field.kind is FieldKind.TEXT and tokens_of(field.name) not in FIELD
    ]
    return pa.schema([*columns, *tokens, pa.field(SEGMENT, pa.int64()), pa.field(POSITION, pa.int64())])


def write_schema(folder: Path, disk: Disk) -> None:
    """Put an empty file with every column beside the others: what no file holds can still be asked for."""
    disk.replace(folder / SCHEMA_NAME, _encoded(schema().empty_table(), settings(schema()), ROW_GROUP))


def write(folder: Path, disk: Disk, record_class: str, table: pa.Table) -> list[StoredFile]:
    """Write the rows of `table` to one file for each hour of reception; all are durable on return."""
    received = table.column("some.received_at")
    span = pc.min_max(received)
    first, last = span["min"].as_py() // HOUR_US, span["max"].as_py() // HOUR_US
    if first == last:
        return [write_one(folder, disk, (record_class, first), table)]
    hours = pc.divide(received, HOUR_US)
    found = sorted(pc.unique(hours).to_pylist())
    return [write_one(folder, disk, (record_class, hour), table.filter(pc.equal(hours, hour))) for hour in found]


def write_one(folder: Path, disk: Disk, pile: tuple[str, int], table: pa.Table, level: int = 0) -> StoredFile:
    """Write all rows of `table` to one durable file of a class and hour (facts: day, and in the order of their key)."""
    record_class, hour = pile
    shape = shape_of(record_class)
    if shape is None:
        content = _encoded(table, settings(table.schema), ROW_GROUP)
        times = pc.min_max(table.column(TIME))
        first_us, last_us = times["min"].as_py(), times["max"].as_py()
    else:
        table = shape.arranged([table])
        content = _encoded(table, shape.settings(merged=level > 0), FACT_GROUP)
        first_us, last_us = shape.bounds(table)
    low, high = _range(table)
    kinds = table.column("event.kind") if "event.kind" in table.column_names else pa.array([], pa.string())
    path = path_of(record_class, hour, low, table.num_rows, level)
    disk.make_folder((folder / path).parent)
    disk.replace(folder / path, content)
    return StoredFile(
        path=path,
        record_class=record_class,
        hour=hour,
        level=level,
        first_us=first_us,
        last_us=last_us,
        rows=table.num_rows,
        size=len(content),
        low=low,
        high=high,
        errors=pc.sum(pc.equal(kinds, "pipeline_error")).as_py() or 0,
        sha256=hashlib.sha256(content).hexdigest(),
    )


def path_of(record_class: str, hour: int, low: tuple[int, int], rows: int, level: int) -> str:
    """Return a new relative path for a file, by what it holds."""
    text = f"{from_us(0) + timedelta(hours=hour):%Y%m%d%H}"
    return f"{record_class}/{text}/{low[0]:06d}-{low[1]:06d}-{rows}-{level}-{secrets.token_hex(4)}{SUFFIX}"


def _range(table: pa.Table) -> tuple[tuple[int, int], tuple[int, int]]:
    segments = table.column(SEGMENT)
    bounds = pc.min_max(segments)
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    positions = table.column(POSITION)
    first = pc.min(positions.filter(pc.equal(segments, low))).as_py()
    last = pc.max(positions.filter(pc.equal(segments, high))).as_py()
    return (low, first), (high, last)


def _encoded(table: pa.Table, how: Mapping[str, Any], row_group: int) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, table.schema, **how) as writer:
        writer.write_table(table, row_group_size=row_group)
    return sink.getvalue()


def settings(columns: pa.Schema, bloom: Mapping[str, Mapping[str, float]] | None = None) -> dict[str, Any]:
    """Return how files are written: dictionaries for what repeats, deltas for numbers, neither for long text."""
    long_texts = {name for name in columns.names if name in _LONG or name.endswith("#tokens")}
    numbers = [field.name for field in columns if pa.types.is_int64(field.type)]
    plain = {field.name for field in columns if pa.types.is_boolean(field.type)} | long_texts | {*numbers}
    return {
        "compression": "zstd",
        "compression_level": 1,
        "use_dictionary": [name for name in columns.names if name not in plain],
        "column_encoding": dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
        "write_statistics": [name for name in columns.names if name not in long_texts],
        "write_page_checksum": True,
        "bloom_filter_options": bloom,
    }


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal; raises OSError."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def remove(folder: Path, disk: Disk, paths: Iterable[str]) -> None:
    """Remove files with their word lists (missing ones are fine)."""
    for path in paths:
        disk.remove(folder / path)
        disk.remove(folder / word_list_of(path))


def present(folder: Path) -> set[str]:
    """Return the relative paths of every file below `folder` that could be one of ours, finished or not."""
    return {
        os.path.relpath(os.path.join(place, name), folder)  # noqa: PTH118 - walking by text is three times faster
        for place, _, names in os.walk(folder)
        for name in names
        if SUFFIX in name and name != SCHEMA_NAME
    }
