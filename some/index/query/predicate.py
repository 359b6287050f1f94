"""Tree to a Python function over one flat document: for rules and live tails, and the oracle of the engines' tests.

The document holds the registry's values (`ingest.ecs`) and `some.text`; `some.ref` is needed only where asked for.
"""

from __future__ import annotations

import ipaddress
import operator
from typing import TYPE_CHECKING, Any

from ingest.ecs import FIELD, Field, FieldKind
from some.index import text
from some.index.fields import TEXT
from some.index.query.tree import (
    And,
    Cidr,
    Exists,
    FreeText,
    Node,
    Not,
    Op,
    Or,
    Phrase,
    Range,
    Term,
    Wildcard,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MAPPED = 0xFFFF << 32
_COMPARE: dict[Op, Callable[[Any, Any], bool]] = {
    Op.LT: operator.lt,
    Op.LTE: operator.le,
    Op.GT: operator.gt,
    Op.GTE: operator.ge,
}


def predicate(tree: Node | None, fields: Mapping[str, Field] = FIELD) -> Callable[[Mapping[str, Any]], bool]:
    """Return the function that says whether a flat document matches `tree`."""
    return lambda document: tree is None or _matches(tree, document, fields)


def _matches(  # noqa: C901, PLR0911 - one branch for each kind of node
    node: Node, document: Mapping[str, Any], fields: Mapping[str, Field]
) -> bool:
    match node:
        case And(parts):
            return all(_matches(part, document, fields) for part in parts)
        case Or(parts):
            return any(_matches(part, document, fields) for part in parts)
        case Not(part):
            return not _matches(part, document, fields)
        case FreeText(wanted):
            return _follows(wanted, str(document.get(TEXT) or "").split())
        case Phrase(field, wanted):
            return any(_follows(wanted, text.tokens(value)) for value in _held(field, document))
        case Exists(field):
            return document.get(field) is not None
        case Term(field, value):
            return value in _held(field, document)
        case Wildcard(field, pieces):
            return any(_like(pieces, value) for value in _held(field, document))
        case Cidr(field, network):
            block = ipaddress.ip_network(network)
            first, last = _number(block.network_address), _number(block.broadcast_address)
            return any(first <= _address(value) <= last for value in _held(field, document))
        case Range(field, op, value):
            compare, address = _COMPARE[op], fields[field].kind is FieldKind.IP
            bound = _address(str(value)) if address else value
            return any(compare(_address(one) if address else one, bound) for one in _held(field, document))


def _held(field: str, document: Mapping[str, Any]) -> Sequence[Any]:
    value = document.get(field)
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _number(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> int:
    return int(address) | _MAPPED if address.version == 4 else int(address)  # noqa: PLR2004 - the protocol's name


def _address(written: str) -> int:
    return _number(ipaddress.ip_address(written))


def _follows(wanted: Sequence[str], found: Sequence[str]) -> bool:
    """Tell whether the token patterns stand one after the other somewhere in `found`."""
    places = range(len(found) - len(wanted) + 1)
    return any(
        all(_token(pattern, token) for pattern, token in zip(wanted, found[place:], strict=False)) for place in places
    )


def _token(pattern: str, token: str) -> bool:
    return pattern == token if "*" not in pattern else _like(pattern.split("*"), token)


def _like(pieces: Sequence[str], value: str) -> bool:
    """Tell whether `value` is the pieces in order with anything between them."""
    first, *middle, last = pieces
    if len(value) < len(first) + len(last) or not value.startswith(first) or not value.endswith(last):
        return False
    place, end = len(first), len(value) - len(last)
    for piece in middle:
        place = value.find(piece, place, end)
        if place < 0:
            return False
        place += len(piece)
    return True
