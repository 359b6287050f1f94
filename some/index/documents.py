"""Hits to documents: the columns from the files, what was received from the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ingest.ecs import FIELD, FieldKind, nest
from some.index import text
from some.index.fields import ORIGINAL, POSITION, REF, SEGMENT, tokens_of
from some.index.query.sql import quoted
from some.index.storage import unpack_ip
from some.record import RecordRef

if TYPE_CHECKING:
    from collections.abc import Sequence

    from some.index.catalogue import StoredFile
    from some.index.engine import Document
    from some.index.paging import Hit
    from some.index.scan import Scan
    from some.record import RecordReader

DAMAGED = "some.damaged"
"""Set on a document whose record the archive cannot give."""

_HIDDEN = sorted(
    {tokens_of(field.name) for field in FIELD.values() if field.kind is FieldKind.TEXT} | {ORIGINAL, "filename"}
)
_SHOWN = f"* EXCLUDE ({', '.join(map(quoted, _HIDDEN))})"
_ADDRESSES = frozenset(field.name for field in FIELD.values() if field.kind is FieldKind.IP)


def of_hits(scan: Scan, reader: RecordReader, held: Sequence[StoredFile], hits: Sequence[Hit]) -> list[Document]:
    """Return the documents of `hits`, in order; one whose row is gone (its file was just damaged) is left out."""
    if not hits:
        return []
    wanted = {(hit.key.segment, hit.key.position) for hit in hits}
    where = [
        f"{quoted(SEGMENT)} IN ({_marks({segment for segment, _ in wanted})})",
        f"{quoted(POSITION)} IN ({_marks({position for _, position in wanted})})",
    ]
    values = [*sorted({segment for segment, _ in wanted}), *sorted({position for _, position in wanted})]
    paths = {hit.path for hit in hits}
    chosen = [one for one in held if one.path in paths]
    select = f"SELECT {_SHOWN} FROM documents WHERE {' AND '.join(where)}"  # noqa: S608 - bound values
    names, rows = scan.ask(chosen, select, values)
    segment_at, position_at = names.index(SEGMENT), names.index(POSITION)
    found = {(row[segment_at], row[position_at]): row for row in rows}
    refs = {pair: RecordRef(reader.ledger, *pair) for pair in wanted}
    records = reader.get_many(sorted(refs.values()))
    documents = []
    for hit in hits:
        pair = (hit.key.segment, hit.key.position)
        row = found.get(pair)
        if row is None:
            continue
        flat = _flat(names, row)
        flat[REF] = str(refs[pair])
        record = records.get(refs[pair])
        flat[ORIGINAL] = "" if record is None else text.decode(record.raw)
        if record is None:
            flat[DAMAGED] = True
        documents.append(nest(flat))
    return documents


def _marks(values: set[int]) -> str:
    return ", ".join("?" for _ in values)


def _flat(names: Sequence[str], row: Sequence[Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in zip(names, row, strict=True):
        if value is None or name in {SEGMENT, POSITION}:
            continue
        if name in _ADDRESSES:
            flat[name] = [unpack_ip(one) for one in value] if isinstance(value, list) else unpack_ip(value)
        else:
            flat[name] = value
    return flat
