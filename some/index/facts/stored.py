"""Facts on their way into files: what one flush of documents attests, written beside them and committed with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from some.index import files
from some.index.catalogue import Catalogue, StoredFile
from some.index.facts import build, shapes
from some.index.facts.columns import MINUTES, SCHEMAS
from some.index.facts.fact import Layer, Speaker
from some.index.fields import POSITION, SEGMENT, TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from some.durable import Disk
    from some.index.facts.sites import Sites

_MINUTE_US: Final = 60_000_000
_DELAY_MS: Final = 100
_OURS: Final = frozenset({"audit"})
_OUR_ORIGIN: Final = "gap:"


class Gathered:
    """What the documents of one flush attest."""

    def __init__(self, sites: Sites) -> None:
        """Begin with nothing."""
        self._sites = sites
        self._made: dict[Layer, list[pa.Table]] = {}
        self._minutes: list[pa.Table] = []
        self._received: int | None = None
        self.speakers: set[Speaker] = set()

    def add(self, record_class: str, documents: pa.Table) -> None:
        """Take what documents of a class, in storage form, attest; records of our own making attest nothing."""
        if record_class in _OURS:
            return
        ours = pc.starts_with(documents.column("some.origin"), pattern=_OUR_ORIGIN)
        if pc.any(ours).as_py():
            documents = documents.filter(pc.invert(ours))
        if not documents.num_rows:
            return
        for layer, table in build.of_documents(documents, self._sites).items():
            self._made.setdefault(layer, []).append(table)
            self.speakers |= speakers_of(layer, table)
        self._minutes.append(minutes_of(documents))
        received = pc.min(documents.column("some.received_at")).as_py()
        self._received = received if self._received is None else min(self._received, received)

    def write(self, folder: Path, disk: Disk) -> list[StoredFile]:
        """Write everything to files; all are durable on return."""
        written: list[StoredFile] = []
        for layer in sorted(self._made):
            written += _write_layer(folder, disk, layer, pa.concat_tables(self._made[layer]))
        if self._minutes and self._received is not None:
            name = shapes.class_of(MINUTES)
            pile = name, shapes.of_class(name).pile(self._received)
            written.append(files.write_one(folder, disk, pile, pa.concat_tables(self._minutes)))
        return written


def minutes_of(documents: pa.Table) -> pa.Table:
    """Return who spoke when, by device time: partial sums, in the columns of minutes."""
    at = documents.column(TIME)
    if "some.delay" in documents.column_names:
        delay = _floor(documents.column("some.delay"), _DELAY_MS)
    else:
        delay = pa.nulls(documents.num_rows, pa.int64())
    columns = {
        "source": documents.column("some.source"),
        "minute": _floor(at, _MINUTE_US),
        "delay": delay,
        "first": at,
        "last": at,
        "count": pa.repeat(pa.scalar(1, pa.int64()), documents.num_rows),
        SEGMENT: documents.column(SEGMENT),
        POSITION: documents.column(POSITION),
    }
    return shapes.summed(pa.table([columns[name] for name in SCHEMAS[MINUTES].names], schema=SCHEMAS[MINUTES]))


def _floor(values: pa.ChunkedArray, unit: int) -> pa.ChunkedArray:
    """Divide as Python's `//` does: Arrow's division rounds towards zero."""
    whole = pc.divide(values, unit)
    short = pc.less(values, pc.multiply(whole, unit))
    return pc.subtract(whole, pc.cast(short, pa.int64()))


def speakers_of(layer: Layer, table: pa.Table) -> set[Speaker]:
    """Return who gave the facts of a layer's table."""
    found = table.group_by(["source", "site"]).aggregate([])
    pairs = zip(found.column("source").to_pylist(), found.column("site").to_pylist(), strict=True)
    return {Speaker(source, site, layer) for source, site in pairs}


def _write_layer(folder: Path, disk: Disk, layer: Layer, table: pa.Table) -> list[StoredFile]:
    """Write one file for each pile, by time of reception."""
    name = shapes.class_of(layer)
    hours = shapes.of_class(name).hours
    numbers = pc.divide(table.column("received"), files.HOUR_US * hours)
    found = sorted(pc.unique(numbers).to_pylist())
    parts = [(found[0], table)] if len(found) == 1 else [(one, table.filter(pc.equal(numbers, one))) for one in found]
    return [files.write_one(folder, disk, (name, number * hours), part) for number, part in parts]


def write_facts(folder: Path, disk: Disk, ledger: str, flushes: Iterable[Mapping[Layer, pa.Table]]) -> int:
    """Write facts straight into the index in `folder`, as a follower would have; returns how many rows that were.

    Each flush is one commit and holds tables in storage form (`columns.SCHEMAS`; `columns.table_of` makes one of
    `Fact` values). For benchmarks: no document, no minute and no cursor stands behind such facts. Hold no follower
    open meanwhile; its `tidy` merges the files afterwards.
    """
    disk.make_folder(folder)
    catalogue = Catalogue.open_for_writing(folder, ledger)
    rows = 0
    try:
        for flush in flushes:
            written = [one for layer, table in flush.items() for one in _write_layer(folder, disk, layer, table)]
            spoke = {one for layer, table in flush.items() for one in speakers_of(layer, table)}
            with catalogue.transaction():
                catalogue.add(written)
                catalogue.heard(spoke)
            rows += sum(one.rows for one in written)
    finally:
        catalogue.close()
    return rows
