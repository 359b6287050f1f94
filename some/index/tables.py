"""Parsed batches to Arrow tables in storage form.

The work is in two halves. `build` needs the interpreter (Python values to Arrow) and runs where the parser runs;
`complete` is Arrow's own code without the GIL (token texts, the most costly column) and runs beside the next parse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ingest.ecs import FIELD, Field, FieldKind
from some.index import text
from some.index.fields import ORIGINAL, POSITION, REF, SEGMENT, TEXT, WHOLE_RECORD, tokens_of
from some.index.storage import arrow_type, pack_ip

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ingest.parsing import Batch
    from some.index.segments import SourceRun

_OWN = frozenset({REF, TEXT, ORIGINAL, "some.class", "some.source", "some.origin", "some.received_at"})
"""What the index knows itself; a parser has no say in it."""

_REFUSED = (pa.ArrowException, OSError, OverflowError, UnicodeError, TypeError, ValueError)


_REMEMBERED = 100_000
_GROUP = 12 * 1024 * 1024


class Packed(dict[str | None, bytes | None]):
    """Addresses in storage form, remembered: a network has few of them. One for each thread that builds."""

    def __missing__(self, address: str | None) -> bytes | None:
        """Pack an address that was not met lately; raises OSError for what is none."""
        if len(self) > _REMEMBERED:
            self.clear()
        self[address] = value = None if address is None else pack_ip(address)
        return value


@dataclass(frozen=True, slots=True)
class TokenColumn:
    """A column of token texts still to be finished.

    `made` holds `count` half-made texts (`text.block`); `rows` picks one for each row of the part, None where absent.
    """

    name: str
    made: bytes
    count: int
    rows: Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one layout: all columns but the token texts. `refused` values did not fit their field."""

    table: pa.Table
    texts: tuple[TokenColumn, ...]
    refused: int

    @property
    def size(self) -> int:
        """About how much memory the part takes, in bytes."""
        texts = sum(len(one.made) * len(one.rows) // one.count for one in self.texts)
        return int(self.table.nbytes) + texts


def complete(held: Sequence[Part]) -> pa.Table:
    """Return one table of all rows with their token texts.

    Few and large calls: each return from Arrow waits until the parsing thread lets the interpreter go.
    """
    table = pa.concat_tables([part.table for part in held], promote_options="default")
    for name in sorted({one.name for part in held for one in part.texts}):
        table = table.append_column(name, _token_column(held, name))
    return table


def _token_column(held: Sequence[Part], name: str) -> pa.ChunkedArray:
    starts: dict[int, int] = {}
    mades: list[bytes] = []
    rows: list[int | None] = []
    lines = 0
    for part in held:
        one = next((text for text in part.texts if text.name == name), None)
        if one is None:
            rows.extend([None] * part.table.num_rows)
            continue
        start = starts.get(id(one.made))
        if start is None:
            start = starts[id(one.made)] = lines
            mades.append(one.made)
            lines += one.count
        rows.extend([None if row is None else row + start for row in one.rows])
    texts = pa.chunked_array([text.finish(b"\n".join(group)) for group in _grouped(mades)], pa.string())
    return texts.take(pa.array(rows, pa.int64()))


def _grouped(mades: Sequence[bytes]) -> list[list[bytes]]:
    """Return the texts in groups of about `_GROUP` bytes: large enough to be few, small enough for memory."""
    groups: list[list[bytes]] = [[]]
    size = 0
    for made in mades:
        if size > _GROUP:
            groups.append([])
            size = 0
        groups[-1].append(made)
        size += len(made)
    return groups


def parts(batches: Sequence[Batch], run: SourceRun, segment: int, record_class: str, packed: Packed) -> list[Part]:
    """Return the batches that one run of a source was parsed to, ready to be stored."""
    made = text.block(run.messages)
    return [_part(batch, run, (segment, record_class), made, packed) for batch in batches]


def _part(batch: Batch, run: SourceRun, place: tuple[int, str], made: bytes, packed: Packed) -> Part:
    whole = _as_they_came(batch, run)
    names = ["some.class", "some.source", "some.origin", "some.received_at", SEGMENT, POSITION]
    count = len(batch.rows)
    columns = [
        pa.repeat(pa.scalar(place[1], pa.string()), count),
        pa.repeat(pa.scalar(run.source, pa.string()), count),
        pa.array(_picked(run.origins, batch.rows, whole=whole), pa.string()),
        pa.array(_picked(run.received_us, batch.rows, whole=whole), pa.int64()),
        pa.repeat(pa.scalar(place[0], pa.int64()), count),
        pa.array(_picked(run.places, batch.rows, whole=whole), pa.int64()),
    ]
    texts = [TokenColumn(TEXT, made, len(run.messages), batch.rows)]
    refused = 0
    for name, values in batch.columns.items():
        if name in _OWN:
            continue
        field = FIELD[name]
        column, lost = _column(field, values, packed)
        refused += lost
        names.append(name)
        columns.append(column)
        if field.kind is FieldKind.TEXT and name not in WHOLE_RECORD:
            texts.append(_tokens(name, column.to_pylist() if lost else values))
    return Part(pa.table(columns, names), tuple(texts), refused)


def narrow(batch: Batch, run: SourceRun, segment: int, names: Collection[str]) -> pa.Table:
    """Return only these fields of a batch, and its records' source, time of reception and place, in storage form."""
    packed, whole, count = Packed(), _as_they_came(batch, run), len(batch.rows)
    columns = {name: _column(FIELD[name], batch.columns[name], packed)[0] for name in names if name in batch.columns}
    columns["some.source"] = pa.repeat(pa.scalar(run.source, pa.string()), count)
    columns["some.received_at"] = pa.array(_picked(run.received_us, batch.rows, whole=whole), pa.int64())
    columns[SEGMENT] = pa.repeat(pa.scalar(segment, pa.int64()), count)
    columns[POSITION] = pa.array(_picked(run.places, batch.rows, whole=whole), pa.int64())
    return pa.table(columns)


def _as_they_came(batch: Batch, run: SourceRun) -> bool:
    """Say whether the batch is the whole run in its order; a batch that was joined of several need not be in order."""
    return len(batch.rows) == len(run.messages) and batch.rows == list(range(len(batch.rows)))


def _picked(values: Sequence[Any], rows: Sequence[int], *, whole: bool) -> Sequence[Any]:
    return values if whole else [values[row] for row in rows]


def _tokens(name: str, values: Sequence[str | None]) -> TokenColumn:
    present = [value.encode("utf-8", "replace") for value in values if value is not None]
    if len(present) == len(values):
        return TokenColumn(tokens_of(name), text.block(present), len(present), range(len(present)))
    number = iter(range(len(present)))
    rows = [None if value is None else next(number) for value in values]
    made = text.block(present or [b""])
    return TokenColumn(tokens_of(name), made, max(1, len(present)), rows)


def _column(field: Field, values: Sequence[Any], packed: Packed) -> tuple[pa.Array, int]:
    """Return the column and how many of its values do not fit their field (they are left out, and counted)."""
    try:
        return _stored(field, values, packed), 0
    except _REFUSED:
        kept = [value if _fits(field, value, packed) else None for value in values]
        lost = sum(one is None and value is not None for one, value in zip(kept, values, strict=True))
        return _stored(field, kept, packed), lost


def _fits(field: Field, value: Any, packed: Packed) -> bool:
    try:
        _stored(field, [value], packed)
    except _REFUSED:
        return False
    return True


def _stored(field: Field, values: Sequence[Any], packed: Packed) -> pa.Array:
    kind = arrow_type(field)
    if field.many:
        return _lists(field, values, kind, packed)
    first = values[0]
    if first == values[-1] and values.count(first) == len(values):
        return pa.repeat(_stored_values(field, [first], packed)[0], len(values))
    return _stored_values(field, values, packed)


def _stored_values(field: Field, values: Sequence[Any], packed: Packed) -> pa.Array:
    if field.kind is FieldKind.IP:
        return pa.array([packed[value] for value in values], pa.binary())
    return pa.array(values, arrow_type(field))


def _lists(field: Field, values: Sequence[Any], kind: pa.DataType, packed: Packed) -> pa.Array:
    """Return a column of lists; parsers share equal lists between rows, so most are converted once."""
    held = list(map(id, values))
    distinct = dict(zip(held, values, strict=True))
    if field.kind is FieldKind.IP:
        lists = [None if value is None else [packed[one] for one in value] for value in distinct.values()]
    else:
        lists = list(distinct.values())
    codes = {key: code for code, key in enumerate(distinct)}
    return pa.array(lists, kind).take(pa.array([codes[key] for key in held], pa.int32()))
