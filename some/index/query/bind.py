"""Syntax to typed tree: fields are looked up, values are read by the type of their field.

A value that its field can never hold is an error with its column, never an empty answer.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import TYPE_CHECKING

from ingest.ecs import FIELD, Field
from some.errors import BadInput
from some.index import text
from some.index.fields import REF, WHOLE_RECORD
from some.index.query import dates
from some.index.query.source import Between, Compared, Group, Literal, Matched, Syntax, read
from some.index.query.tree import (
    EVERYTHING,
    And,
    Cidr,
    Exists,
    FreeText,
    Node,
    Not,
    Op,
    Or,
    Phrase,
    QueryFault,
    Range,
    Term,
    Wildcard,
)
from some.record import RecordRef

if TYPE_CHECKING:
    from collections.abc import Mapping

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?(?:[eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "evet": True, "false": False, "hayir": False}
_LONG = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Options:
    """How a query is read: `now` for date arithmetic, `zone` for dates without one, and what is allowed."""

    now: datetime
    zone: tzinfo = UTC
    leading_wildcard: bool = False
    fields: Mapping[str, Field] = dataclasses.field(default_factory=lambda: FIELD)


def understand(query: str, options: Options) -> Node | None:
    """Return the typed tree of `query`, None where it asks for everything; raises QueryFault."""
    syntax = read(query)
    if syntax is None:
        return None
    tree = _bare(syntax, options)
    return None if tree == EVERYTHING else tree


def _bare(syntax: Syntax, options: Options) -> Node:
    if isinstance(syntax, Group):
        return _joined(syntax, [_bare(part, options) for part in syntax.parts])
    if isinstance(syntax, Matched):
        return _in_field(syntax.values, _field(syntax, options), options)
    if isinstance(syntax, Literal):
        return EVERYTHING if syntax.starred else FreeText(_tokens(syntax, options))
    raise AssertionError(syntax)  # the grammar has no comparison without a field


def _joined(group: Group, parts: list[Node]) -> Node:
    if group.op == "not":
        return Not(parts[0])
    return And(tuple(parts)) if group.op == "and" else Or(tuple(parts))


def _field(matched: Matched, options: Options) -> Field:
    field = options.fields.get(matched.field)
    if field is not None:
        return field
    near = difflib.get_close_matches(matched.field, options.fields, n=3, cutoff=0.5)
    values = {"field": matched.field[:60], "near": ", ".join(near)}
    if near:
        raise QueryFault(matched.column, "there is no field “%(field)s”; close to it: %(near)s", values)
    raise QueryFault(matched.column, "there is no field “%(field)s”; put text with a colon in quotation marks", values)


def _in_field(syntax: Syntax, field: Field, options: Options) -> Node:
    if isinstance(syntax, Group):
        return _joined(syntax, [_in_field(part, field, options) for part in syntax.parts])
    if isinstance(syntax, Literal):
        return _equal(syntax, field, options)
    if isinstance(syntax, Compared):
        return _compared(syntax.op, syntax.literal, field, options)
    if isinstance(syntax, Between):
        edges = [(Op.GTE, syntax.low), (Op.LTE, syntax.high)]
        ranges = tuple(_compared(op, edge, field, options) for op, edge in edges if not edge.starred)
        return And(ranges) if ranges else Exists(field.name)
    raise AssertionError(syntax)  # the grammar has no field inside the values of a field


def _equal(literal: Literal, field: Field, options: Options) -> Node:  # noqa: PLR0911 - one line for each kind of field
    if field.name in WHOLE_RECORD:
        return EVERYTHING if literal.starred else FreeText(_tokens(literal, options))
    if field.name == REF:
        return EVERYTHING if literal.starred else Term(REF, _reference(literal))
    if literal.starred:
        return Exists(field.name)
    if field.kind == "text":
        return Phrase(field.name, _tokens(literal, options))
    if field.kind == "keyword":
        return _keyword(literal, field, options)
    if len(literal.pieces) > 1:
        raise _wrong(literal, field, "a * stands only in text fields; “%(field)s” holds %(kind)s (%(example)s)")
    if field.kind == "date":
        start, end = _period(literal, field, options)
        return And((Range(field.name, Op.GTE, start), Range(field.name, Op.LT, end)))
    if field.kind == "ip":
        return _address(literal, field)
    return Term(field.name, _scalar(literal, field))


def _keyword(literal: Literal, field: Field, options: Options) -> Node:
    if len(literal.pieces) == 1:
        return Term(field.name, literal.text)
    if not literal.pieces[0] and not options.leading_wildcard:
        raise _leading(literal)
    return Wildcard(field.name, literal.pieces)


def _leading(literal: Literal) -> QueryFault:
    return QueryFault(literal.column, "a * at the beginning is not allowed: it would read every record")


def _reference(literal: Literal) -> str:
    try:
        return str(RecordRef.parse(literal.text))
    except BadInput as error:
        raise QueryFault(literal.column, "a record reference looks like dugum1/033637/018273") from error


def _tokens(literal: Literal, options: Options) -> tuple[str, ...]:
    """Return folded tokens; a star grows the token that it touches, or is a token of its own."""
    found: list[str] = []
    glued = False
    for place, piece in enumerate(literal.pieces):
        if place:
            if glued:
                found[-1] += "*"
            else:
                found.append("*")
            glued = True
        spans = text.spans(piece)
        if spans:
            first = spans[0]
            if place and first[0] == 0:
                found[-1] += first[2]
                spans = spans[1:]
            found += [token for _, _, token in spans]
            glued = (spans[-1] if spans else first)[1] == len(text.fold(piece))
        elif piece:
            glued = False
    if not any(token.strip("*") for token in found):
        raise QueryFault(literal.column, "there is no letter and no digit to look for")
    leading = found[0].startswith("*") or any(token.startswith("*") and token.strip("*") for token in found)
    if leading and not options.leading_wildcard:
        raise _leading(literal)
    return tuple(found)


def _compared(op: Op, literal: Literal, field: Field, options: Options) -> Node:
    if len(literal.pieces) > 1 or field.kind in {"keyword", "text", "boolean"}:
        raise _wrong(literal, field, "only numbers, dates and addresses are compared; “%(field)s” holds %(kind)s")
    if field.kind == "date":
        start, end = _period(literal, field, options)
        if op in {Op.GTE, Op.LT}:
            return Range(field.name, op, start)
        return Range(field.name, Op.GTE if op is Op.GT else Op.LT, end)
    if field.kind == "ip":
        return Range(field.name, op, str(_one_address(literal, field)))
    return Range(field.name, op, _scalar(literal, field))


def _period(literal: Literal, field: Field, options: Options) -> tuple[int, int]:
    try:
        return dates.period(literal.text, options.now, options.zone)
    except ValueError as error:
        raise _wrong(literal, field) from error


def _address(literal: Literal, field: Field) -> Node:
    if "/" not in literal.text:
        return Term(field.name, str(_one_address(literal, field)))
    try:
        network = ipaddress.ip_network(literal.text, strict=False)
    except ValueError as error:
        raise _wrong(literal, field) from error
    if "%" in literal.text:
        raise _wrong(literal, field)
    return Cidr(field.name, str(network))


def _one_address(literal: Literal, field: Field) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        address = ipaddress.ip_address(literal.text)
    except ValueError as error:
        raise _wrong(literal, field) from error
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.scope_id:
        raise _wrong(literal, field)
    return address.ipv4_mapped or address


def _scalar(literal: Literal, field: Field) -> int | float | bool:
    written = literal.text
    if field.kind == "long" and _WHOLE.fullmatch(written) and int(written) in _LONG:
        return int(written)
    if field.kind == "double" and _NUMBER.fullmatch(written) and math.isfinite(float(written)):
        return float(written)
    if field.kind == "boolean" and text.fold(written) in _BOOLEANS:
        return _BOOLEANS[text.fold(written)]
    raise _wrong(literal, field)


_EXAMPLES = {
    "long": "443",
    "double": "12.5",
    "boolean": "true",
    "ip": "192.0.2.7, 192.0.2.0/24",
    "date": "2026-11-23, now-1h",
    "keyword": "abc",
    "text": "abc",
}


def _wrong(
    literal: Literal,
    field: Field,
    msgid: str = "“%(value)s” does not fit “%(field)s”, which holds %(kind)s (%(example)s)",
) -> QueryFault:
    values = {"value": literal.text[:60], "field": field.name, "kind": str(field.kind)}
    return QueryFault(literal.column, msgid, {**values, "example": _EXAMPLES[field.kind]})
