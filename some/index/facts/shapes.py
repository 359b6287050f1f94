"""How files of facts look: their classes, the order of their rows, their row groups, what is looked up in them.

The classes are `fact-nat`, `fact-lease`, `fact-identity` and `fact-minute`; a record class never holds a dash, so none
is ever one of documents. Rows are in the order of the key that questions ask by, so a question reads few row groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from some.index.facts.columns import MINUTES, SCHEMAS
from some.index.facts.fact import Layer
from some.index.fields import POSITION, SEGMENT

if TYPE_CHECKING:
    from collections.abc import Sequence

PREFIX: Final = "fact-"
ROW_GROUP: Final = 20_480
"""Rows in a row group: small, because a question wants a few rows of one key."""
FULL_ROWS: Final = 500_000
"""A file of so many rows is full: to merge, its rows stand in memory."""
DAY_HOURS: Final = 24
MONTH_HOURS: Final = 28 * DAY_HOURS
"""Files are merged by day of reception (sessions), or by four weeks: who held an address is looked for in many days."""

_HOUR_US: Final = 3_600_000_000
_BLOOM: Final = {"ndv": 8_000, "fpp": 0.02}


@dataclass(frozen=True, slots=True)
class Shape:
    """Of one class: columns, sort keys, columns with a Bloom filter once files were merged, first and last moment.

    `hours` of reception are merged into one file, where they fit.
    """

    schema: pa.Schema
    keys: tuple[str, ...]
    sought: tuple[str, ...]
    first: str
    last: tuple[str, ...]
    hours: int = MONTH_HOURS

    def pile(self, received_us: int) -> int:
        """Return the pile of what was received then: its first hour since the epoch."""
        return received_us // _HOUR_US // self.hours * self.hours

    def arranged(self, tables: Sequence[pa.Table]) -> pa.Table:
        """Return the rows of all tables in order; partial sums of one minute become one row."""
        table = pa.concat_tables(tables)
        if self.schema is SCHEMAS[MINUTES]:
            table = summed(table)
        by = [(name, "ascending") for name in (*self.keys, SEGMENT, POSITION)]
        return table.take(pc.sort_indices(table, sort_keys=by))

    def bounds(self, table: pa.Table) -> tuple[int, int]:
        """Return the first and the last moment that the rows attest, microseconds since 1970 UTC."""
        return (
            pc.min(table.column(self.first)).as_py(),
            max(pc.max(table.column(name)).as_py() or 0 for name in self.last),
        )

    def settings(self, *, merged: bool) -> dict[str, Any]:
        """Return how files are written."""
        numbers = [field.name for field in self.schema if pa.types.is_integer(field.type)]
        plain = {*numbers, *(field.name for field in self.schema if pa.types.is_boolean(field.type)), "session"}
        return {
            "compression": "zstd",
            "compression_level": 1,
            "use_dictionary": [name for name in self.schema.names if name not in plain],
            "column_encoding": dict.fromkeys(numbers, "DELTA_BINARY_PACKED"),
            "write_page_checksum": True,
            "bloom_filter_options": dict.fromkeys(self.sought, _BLOOM) if merged else None,
        }


def summed(table: pa.Table) -> pa.Table:
    """Return partial sums added up by source, minute, delay and segment, in the columns of minutes.

    By segment, because the records of a segment can be forgotten.
    """
    grouped = table.group_by(["source", "minute", "delay", SEGMENT]).aggregate(
        [("first", "min"), ("last", "max"), ("count", "sum"), (POSITION, "min")]
    )
    named = {"first": "first_min", "last": "last_max", "count": "count_sum", POSITION: f"{POSITION}_min"}
    schema = SCHEMAS[MINUTES]
    return pa.Table.from_arrays([grouped.column(named.get(name, name)) for name in schema.names], schema=schema)


_SHAPES: Final = {
    f"{PREFIX}{Layer.NAT}": Shape(
        SCHEMAS[Layer.NAT],
        ("public_ip", "public_port", "known_from"),
        ("inner_ip", "person_key"),
        "known_from",
        ("known_to",),
        DAY_HOURS,
    ),
    f"{PREFIX}{Layer.LEASE}": Shape(
        SCHEMAS[Layer.LEASE], ("inner_ip", "known_from"), ("mac",), "known_from", ("known_to", "promised_to")
    ),
    f"{PREFIX}{Layer.IDENTITY}": Shape(
        SCHEMAS[Layer.IDENTITY], ("inner_ip", "known_from"), ("mac", "person_key"), "known_from", ("known_to",)
    ),
    f"{PREFIX}{MINUTES}": Shape(SCHEMAS[MINUTES], ("source", "minute"), (), "first", ("last",)),
}


def class_of(layer: str) -> str:
    """Return the class of the files of a layer (or of minutes)."""
    return f"{PREFIX}{layer}"


def pile_hours() -> dict[str, int]:
    """Return how many hours of reception a pile of each class holds."""
    return {name: shape.hours for name, shape in _SHAPES.items()}


def of_class(name: str) -> Shape:
    """Return the shape of a class of facts."""
    return _SHAPES[name]


def shape_of(record_class: str) -> Shape | None:
    """Return the shape of a class; None for one of documents."""
    return _SHAPES.get(record_class)
