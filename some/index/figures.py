"""Counts over time and most frequent values, as SQL over `documents`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ingest.ecs import FIELD, FieldKind
from some.errors import BadInput
from some.index.engine import MAX_PERCENTS, MAX_TOP, SPLIT_TOP, Bucket, Grid, Histogram, TopValue, from_us
from some.index.fields import REF, TIME
from some.index.query.sql import Condition, quoted
from some.index.storage import unpack_ip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ingest.ecs import Field

    Ask = Callable[[str, Sequence[Any]], list[tuple[Any, ...]]]

_TIME = quoted(TIME)
_HUNDRED = 100


def countable(name: str) -> Field:
    """Return the field if its values can be counted; raises BadInput."""
    field = FIELD.get(name)
    if field is None:
        msg = f"there is no field {name[:60]!r}"
        raise BadInput(msg)
    if field.kind in {FieldKind.TEXT, FieldKind.DATE} or name == REF:
        msg = f"the values of {name} are not counted: nearly each is different"
        raise BadInput(msg)
    return field


def measurable(name: str, percents: Sequence[float]) -> Field:
    """Return the field if it has percentiles and the percents make sense; raises BadInput."""
    field = FIELD.get(name)
    if field is None:
        msg = f"there is no field {name[:60]!r}"
        raise BadInput(msg)
    if field.kind not in {FieldKind.LONG, FieldKind.DOUBLE}:
        msg = f"{name} holds no numbers, so it has no percentiles"
        raise BadInput(msg)
    if not 1 <= len(percents) <= MAX_PERCENTS or not all(0 <= percent <= _HUNDRED for percent in percents):
        msg = f"percentiles are 1 to {MAX_PERCENTS} numbers from 0 to 100"
        raise BadInput(msg)
    return field


def shown(field: Field, value: Any) -> str | int | float | bool:
    """Return a stored value as it is shown."""
    if field.kind is FieldKind.IP:
        return unpack_ip(value)
    kept: str | int | float | bool = value
    return kept


def label(value: str | float | bool) -> str:  # noqa: FBT001 - a value of a field, whatever its kind
    """Return a value as the name of a part."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def total(ask: Ask, where: Condition) -> int:
    """Return the number of matches."""
    return int(ask(f"SELECT count(*) FROM documents WHERE {where.text}", where.values)[0][0])  # noqa: S608 - bound values


def span(ask: Ask, where: Condition) -> tuple[int, int] | None:
    """Return the first and last `@timestamp` of the matches in microseconds."""
    first, last = ask(f"SELECT min({_TIME}), max({_TIME}) FROM documents WHERE {where.text}", where.values)[0]  # noqa: S608
    return None if first is None else (int(first), int(last))


def top(ask: Ask, where: Condition, field: Field, size: int) -> list[tuple[Any, int]]:
    """Return the most frequent stored values with their counts; ties in the order of the values."""
    rows = ask(
        f"SELECT value, count(*) FROM ({_values(field, where)}) WHERE value IS NOT NULL "  # noqa: S608 - bound values
        "GROUP BY value ORDER BY count(*) DESC, value LIMIT ?",
        (*where.values, max(1, min(size, MAX_TOP))),
    )
    return [(value, int(count)) for value, count in rows]


def top_values(ask: Ask, where: Condition, field: Field, size: int) -> tuple[TopValue, ...]:
    """Return the most frequent values as they are shown."""
    return tuple(TopValue(shown(field, value), count) for value, count in top(ask, where, field, size))


def distinct(ask: Ask, where: Condition, field: Field) -> int:
    """Return the number of different values among the matches."""
    rows = ask(f"SELECT count(DISTINCT value) FROM ({_values(field, where)})", where.values)  # noqa: S608 - bound values
    return int(rows[0][0])


def percentiles(ask: Ask, where: Condition, field: Field, percents: Sequence[float]) -> tuple[dict[float, float], int]:
    """Return the percentiles of a numeric field, interpolated between neighbours, and the number of its values."""
    column = quoted(field.name)
    value = f"unnest({column})" if field.many else column
    counts = f"SELECT {value} AS value FROM documents WHERE {where.text}"  # noqa: S608 - bound values
    # parts of a constant list, not parameters: DuckDB wants them constant; they are numbers
    parts = ", ".join(repr(float(percent) / _HUNDRED) for percent in percents)
    select = f"SELECT count(value), quantile_cont(value::DOUBLE, [{parts}]) FROM ({counts})"  # noqa: S608
    count, found = ask(select, where.values)[0]
    return dict(zip(percents, found, strict=True)) if count else {}, int(count)


def _values(field: Field, where: Condition, extra: str = "") -> str:
    column = quoted(field.name)
    # a value that one document holds twice counts once
    value = f"unnest(list_distinct({column}))" if field.many else column
    return f"SELECT {value} AS value{extra} FROM documents WHERE {where.text}"  # noqa: S608 - bound values


@dataclass(frozen=True, slots=True)
class _Parts:
    names: tuple[str, ...]
    counts: dict[int, dict[str, int]]


def histogram(ask: Ask, where: Condition, over: Grid, field: Field | None) -> Histogram:
    """Return the matches over `over`; those outside the grid are not counted (there are none in its own range)."""
    place = f"({_TIME} - {over.origin}) // {over.width}"
    counts: dict[int, int] = dict(
        ask(f"SELECT {place}, count(*) FROM documents WHERE {where.text} GROUP BY 1", where.values)  # noqa: S608
    )
    parts = _Parts((), {}) if field is None else _split(ask, where, place, field)
    buckets = tuple(
        Bucket(from_us(over.origin + number * over.width), int(counts.get(number, 0)), parts.counts.get(number, {}))
        for number in range(over.count)
    )
    width = timedelta(microseconds=over.width)
    return Histogram(buckets, width, None if field is None else field.name, parts.names)


def _split(ask: Ask, where: Condition, place: str, field: Field) -> _Parts:
    chosen = [value for value, _ in top(ask, where, field, SPLIT_TOP)]
    if not chosen:
        return _Parts((), {})
    marks = ", ".join("?" for _ in chosen)
    rows = ask(
        f"SELECT place, value, count(*) FROM ({_values(field, where, f', {place} AS place')}) "  # noqa: S608
        f"WHERE value IN ({marks}) GROUP BY 1, 2 ORDER BY 1, 2",
        (*where.values, *chosen),
    )
    counts: dict[int, dict[str, int]] = {}
    for number, value, count in rows:
        counts.setdefault(int(number), {})[label(shown(field, value))] = int(count)
    return _Parts(tuple(label(shown(field, value)) for value in chosen), counts)
