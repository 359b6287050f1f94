"""Parsed batches to lines of a bulk request, and what the server gives back to documents.

A document is sent flat (`"source.ip": "192.0.2.7"`): the server makes no difference, and neither do Kibana and the
`fields` of a search. What does not fit its field is left out and counted, by the rules of the embedded index.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from ingest.ecs import FIELD, Field, FieldKind, date_text
from some.index import text
from some.index.elastic import names
from some.index.elastic.templates import AT, BEYOND, HIDDEN, POSITION, SEGMENT
from some.index.fields import ORIGINAL, REF, TEXT, TIME, WHOLE_RECORD, tokens_of
from some.index.query.dsl import kept_moment, stored_words
from some.index.storage import pack_ip, unpack_ip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ingest.parsing import Batch
    from some.index.elastic.names import Period
    from some.index.engine import Document
    from some.index.segments import SourceRun

_OWN: Final = frozenset({REF, TEXT, ORIGINAL, "some.class", "some.source", "some.origin", "some.received_at"})
_SHOWN_CHARACTERS: Final = 65_536
"""Of the copy of a record that Kibana shows; longer ones are cut there and whole in the archive."""

_REMEMBERED: Final = 100_000
_NONE: Final = type(None)


@dataclass(frozen=True, slots=True)
class Action:
    """One document to be made: `lines` are its two lines of a bulk request; `ref` is for those who look for it."""

    index: str
    ref: str
    lines: bytes


class Addresses(dict[str, str | None]):
    """Canonical text of addresses, None for what is none; remembered, since a network has few of them."""

    def __missing__(self, written: str) -> str | None:
        """Read an address that was not met lately."""
        if len(self) > _REMEMBERED:
            self.clear()
        try:
            made: str | None = unpack_ip(pack_ip(written))
        except (OSError, UnicodeError):
            made = None
        self[written] = made
        return made


@dataclass(frozen=True, slots=True)
class Place:
    """Where the records of a run stand and belong."""

    ledger: str
    segment: int
    record_class: str
    prefix: str
    period: Period


def actions(batches: Sequence[Batch], run: SourceRun, place: Place, known: Addresses) -> tuple[list[Action], int]:
    """Return the documents of one run of a source, and how many values did not fit their field."""
    words = [stored_words(one) for one in text.finish(text.block(run.messages)).to_pylist()]
    made: list[Action] = []
    refused = 0
    for batch in batches:
        found, lost = _of_batch(batch, run, place, words, known)
        made += found
        refused += lost
    return made, refused


def _of_batch(
    batch: Batch, run: SourceRun, place: Place, words: Sequence[str], known: Addresses
) -> tuple[list[Action], int]:
    rows: list[dict[str, Any]] = [
        {
            REF: f"{place.ledger}/{place.segment:06d}/{run.places[row]:06d}",
            "some.class": place.record_class,
            "some.source": run.source,
            "some.origin": run.origins[row],
            "some.received_at": run.received_us[row],
            SEGMENT: place.segment,
            POSITION: run.places[row],
            TEXT: words[row],
            ORIGINAL: _shown(run.messages[row]),
        }
        for row in batch.rows
    ]
    refused = _fill_times(rows, "some.received_at", [run.received_us[row] for row in batch.rows])
    for name, values in batch.columns.items():
        if name not in _OWN:
            refused += _fill(rows, FIELD[name], values, known)
    identity = names.identities(place.ledger, place.segment)
    made = []
    for row, document in zip(batch.rows, rows, strict=True):
        index = names.index_of(place.prefix, place.record_class, place.period, run.received_us[row])
        lost, body = _encoded(document)
        refused += lost
        head = b'{"create":{"_index":"%b","_id":"%b"}}\n' % (index.encode(), identity(run.places[row]).encode())
        made.append(Action(index, document[REF], head + body + b"\n"))
    return made, refused


def _shown(raw: bytes) -> str:
    decoded = text.decode(raw)
    return decoded if len(decoded) <= _SHOWN_CHARACTERS else f"{decoded[:_SHOWN_CHARACTERS]}…"


def _fill(rows: Sequence[dict[str, Any]], field: Field, values: Sequence[Any], known: Addresses) -> int:
    """Put a column into the documents; returns how many of its values do not fit the field."""
    name = field.name
    if field.kind is FieldKind.DATE:
        return _fill_times(rows, name, values)
    kept: Sequence[Any] = values
    fits = _fitting(field)
    if not fits(values):
        kept = [value if value is not None and fits([value]) else None for value in values]
    if field.kind is FieldKind.IP:
        kept = [_addresses(value, known) for value in kept]
    for row, value in zip(rows, kept, strict=True):
        if value is not None:
            row[name] = value
    if field.kind is FieldKind.TEXT and name not in WHOLE_RECORD:
        _fill_words(rows, name, kept)
    return 0 if kept is values else sum(a is None and b is not None for a, b in zip(kept, values, strict=True))


def _fill_words(rows: Sequence[dict[str, Any]], name: str, values: Sequence[str | None]) -> None:
    held = [
        (row, value.encode("utf-8", "replace")) for row, value in zip(rows, values, strict=True) if value is not None
    ]
    if held:
        made = text.finish(text.block([value for _, value in held])).to_pylist()
        for (row, _), words in zip(held, made, strict=True):
            row[tokens_of(name)] = stored_words(words)


def _fill_times(rows: Sequence[dict[str, Any]], name: str, values: Sequence[Any]) -> int:
    refused = 0
    for row, value in zip(rows, values, strict=True):
        if value is None:
            continue
        try:
            kept = kept_moment(value)
            row[name] = shown_time(kept)
            if kept != value:
                row[BEYOND] = {**row.get(BEYOND, {}), name: date_text(value)}
        except (TypeError, OverflowError, ValueError):
            refused += 1
            row.pop(name, None)
            continue
        if name == TIME:
            row[AT] = value
    return refused


def shown_time(microseconds: int) -> str:
    """Return what `ingest.ecs.date_text` returns; days and seconds are remembered."""
    seconds, rest = divmod(microseconds, 1_000_000)
    if rest % 1_000:
        return f"{_second(seconds)}.{rest:06d}Z"
    return f"{_second(seconds)}.{rest // 1_000:03d}Z"


@lru_cache(maxsize=65_536)
def _second(seconds: int) -> str:
    return date_text(seconds * 1_000_000)[:-5]


def _addresses(value: Any, known: Addresses) -> Any:
    if isinstance(value, list):
        found = [known[one] for one in value]
        return None if None in found else found
    return None if value is None else known[value]


def _texts(values: Iterable[Any]) -> bool:
    return set(map(type, values)) <= {str, _NONE}


def _numbers(values: Iterable[Any]) -> bool:
    if not set(map(type, values)) <= {int, _NONE}:
        return False
    try:
        array("q", [value for value in values if value is not None])
    except OverflowError:
        return False
    return True


_QUICK: Final[Mapping[FieldKind, Callable[[Iterable[Any]], bool]]] = {
    FieldKind.KEYWORD: _texts,
    FieldKind.TEXT: _texts,
    FieldKind.IP: _texts,
    FieldKind.LONG: _numbers,
    FieldKind.DOUBLE: lambda values: set(map(type, values)) <= {float, int, _NONE},
    FieldKind.BOOLEAN: lambda values: set(map(type, values)) <= {bool, _NONE},
}


def _fitting(field: Field) -> Callable[[Iterable[Any]], bool]:
    """Return what says whether all values of a column fit their field."""
    fits = _QUICK[field.kind]
    if not field.many:
        return fits
    return lambda values: all(
        value is None or (isinstance(value, list) and None not in value and fits(value)) for value in values
    )


def _encoded(document: dict[str, Any]) -> tuple[int, bytes]:
    """Return how many values were left out because no JSON holds them (half a surrogate pair), and the JSON."""
    try:
        return 0, orjson.dumps(document)
    except orjson.JSONEncodeError:
        kept = {name: value for name, value in document.items() if _encodes(value)}
        return len(document) - len(kept), orjson.dumps(kept)


def _encodes(value: Any) -> bool:
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return False
    return True


def nested(source: Mapping[str, Any]) -> Document:
    """Return the document that `_source` holds, as `ingest.ecs.nest` would have made it."""
    document: Document = {}
    beyond = source.get(BEYOND, {})
    for name, value in source.items():
        if name == BEYOND or name in _UNSHOWN:
            continue
        *path, leaf = name.split(".")
        at = document
        for step in path:
            at = at.setdefault(step, {})
        at[leaf] = beyond.get(name, value)
    return document


_UNSHOWN: Final = frozenset(HIDDEN)
