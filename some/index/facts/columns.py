"""Facts as Arrow tables: the columns of each layer, and the way to `Fact` and back.

Addresses are 16 bytes as in documents (`some.index.storage`); `person_key` is the normalised spelling, by which a
person is looked up; `#segment` and `#position` are the record's place.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ingest.fact_words import FactWord, LoginMethod
from some.index.facts.fact import Fact, Layer
from some.index.facts.persons import normalised
from some.index.fields import POSITION, SEGMENT
from some.index.storage import pack_ip, unpack_ip
from some.record import RecordRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MINUTES: Final = "minute"
"""The table of who spoke when; it stands beside those of the layers."""

_TEXT, _LONG, _PORT, _FLAG, _ADDRESS = pa.string(), pa.int64(), pa.int32(), pa.bool_(), pa.binary()
_ALWAYS: Final = (
    ("word", _TEXT),
    ("source", _TEXT),
    ("site", _TEXT),
    ("known_from", _LONG),
    ("known_to", _LONG),
    ("opens", _FLAG),
    ("closes", _FLAG),
    ("received", _LONG),
    ("whole_seconds", _FLAG),
    ("device", _TEXT),
    ("session", _TEXT),
    ("inner_ip", _ADDRESS),
    ("mac", _TEXT),
)
_PLACE: Final = ((SEGMENT, _LONG), (POSITION, _LONG))
_PERSON: Final = (("public_ip", _ADDRESS), ("person", _TEXT), ("person_key", _TEXT))

SCHEMAS: Final = {
    Layer.NAT: pa.schema(
        [
            *_ALWAYS,
            *_PERSON,
            ("inner_port", _PORT),
            ("public_port", _PORT),
            ("port_first", _PORT),
            ("port_last", _PORT),
            ("target_ip", _ADDRESS),
            ("target_port", _PORT),
            ("transport", _TEXT),
            *_PLACE,
        ]
    ),
    Layer.LEASE: pa.schema([*_ALWAYS, ("promised_to", _LONG), ("host", _TEXT), *_PLACE]),
    Layer.IDENTITY: pa.schema([*_ALWAYS, *_PERSON, ("method", _TEXT), *_PLACE]),
    MINUTES: pa.schema(
        [
            ("source", _TEXT),
            ("minute", _LONG),
            ("delay", _LONG),
            ("first", _LONG),
            ("last", _LONG),
            ("count", _LONG),
            *_PLACE,
        ]
    ),
}
"""What the files of each layer hold."""

_ADDRESSES: Final = frozenset({"inner_ip", "public_ip", "target_ip"})
_FACT_NAMES: Final = frozenset(field.name for field in fields(Fact)) - {"layer", "ref"}


def facts_of(layer: Layer, ledger: str, names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[Fact]:
    """Yield the facts that rows of a layer's table are; `names` are those of their columns."""
    kept = [(at, name) for at, name in enumerate(names) if name in _FACT_NAMES]
    segment, position = names.index(SEGMENT), names.index(POSITION)
    packed = [at for at, name in kept if name in _ADDRESSES]
    for row in rows:
        values = {name: row[at] for at, name in kept}
        for at in packed:
            if row[at] is not None:
                values[names[at]] = unpack_ip(row[at])
        values["word"] = FactWord(values["word"])
        if values.get("method") is not None:
            values["method"] = LoginMethod(values["method"])
        yield Fact(layer=layer, ref=RecordRef(ledger, row[segment], row[position]), **values)


def table_of(layer: Layer, facts: Sequence[Fact]) -> pa.Table:
    """Return facts of one layer as a table in storage form."""
    arrays = [pa.array([_stored(one, field.name) for one in facts], field.type) for field in SCHEMAS[layer]]
    return pa.Table.from_arrays(arrays, schema=SCHEMAS[layer])


def _stored(one: Fact, name: str) -> Any:
    if name == SEGMENT:
        return one.ref.segment
    if name == POSITION:
        return one.ref.position
    if name == "person_key":
        return None if one.person is None else normalised(one.person)
    value = getattr(one, name)
    return pack_ip(value) if name in _ADDRESSES and value is not None else value
