"""Tree to a DuckDB condition. Values travel as bound parameters only; column names come from the registry.

SQL has three truths and the language has two: a missing field makes a leaf NULL. AND and OR carry NULL to where it
counts as false, and `Not` is `IS NOT TRUE`, which is exact whatever stands inside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ingest.ecs import FIELD, Field, FieldKind
from some.index.fields import POSITION, REF, SEGMENT, TEXT, tokens_of
from some.index.query.tree import (
    And,
    Cidr,
    Exists,
    FreeText,
    Node,
    Not,
    Or,
    Phrase,
    Range,
    Term,
    Value,
    Wildcard,
)
from some.index.storage import bounds, pack_ip
from some.record import RecordRef

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Condition:
    """A WHERE condition with `?` places, their values, the columns that it reads, and what it was made of."""

    text: str
    values: tuple[Any, ...] = ()
    columns: frozenset[str] = frozenset()
    tree: Node | None = None


def condition(tree: Node | None, ledger: str, fields: Mapping[str, Field] = FIELD) -> Condition:
    """Return the condition for documents of `ledger`."""
    writer = _Writer(ledger, fields)
    text = "TRUE" if tree is None else writer.write(tree)
    return Condition(text, tuple(writer.values), frozenset(writer.columns), tree)


def quoted(column: str) -> str:
    """Return a column name for SQL."""
    return '"' + column.replace('"', '""') + '"'


class _Writer:
    def __init__(self, ledger: str, fields: Mapping[str, Field]) -> None:
        self._ledger = ledger
        self._fields = fields
        self.values: list[Any] = []
        self.columns: set[str] = set()

    def write(self, node: Node) -> str:  # noqa: C901, PLR0911 - one branch for each kind of node
        """Return the condition of `node`; its values are appended in the order of their places."""
        match node:
            case And(parts):
                return "(" + " AND ".join(self.write(part) for part in parts) + ")" if parts else "TRUE"
            case Or(parts):
                return "(" + " OR ".join(self.write(part) for part in parts) + ")" if parts else "FALSE"
            case Not(part):
                return f"({self.write(part)} IS NOT TRUE)"
            case Term(field, value) if field == REF:
                return self._reference(str(value))
            case Term(field, value):
                return self._leaf(field, "{} = ?", self._stored(field, value))
            case Range(field, op, value):
                return self._leaf(field, f"{{}} {op.value} ?", self._stored(field, value))
            case Cidr(field, network):
                return self._leaf(field, "{} BETWEEN ? AND ?", *bounds(network))
            case Wildcard(field, pieces):
                return self._leaf(field, "{} LIKE ? ESCAPE '\\'", "%".join(_like(piece) for piece in pieces))
            case Exists(field):
                return f"({self._column(field)} IS NOT NULL)"
            case Phrase(field, tokens):
                return self._tokens(tokens_of(field), tokens)
            case FreeText(tokens):
                return self._tokens(TEXT, tokens)

    def _column(self, name: str) -> str:
        self.columns.add(name)
        return quoted(name)

    def _stored(self, field: str, value: Value) -> Any:
        return pack_ip(str(value)) if self._fields[field].kind is FieldKind.IP else value

    def _leaf(self, field: str, test: str, *values: Any) -> str:
        column = self._column(field)
        self.values += values
        if self._fields[field].many:
            return f"(len(list_filter({column}, lambda one: {test.format('one')})) > 0)"
        return f"({test.format(column)})"

    def _reference(self, value: str) -> str:
        ref = RecordRef.parse(value)
        if ref.ledger != self._ledger:
            return "FALSE"
        text = f"({self._column(SEGMENT)} = ? AND {self._column(POSITION)} = ?)"
        self.values += (ref.segment, ref.position)
        return text

    def _tokens(self, name: str, tokens: tuple[str, ...]) -> str:
        column = self._column(name)
        *before, last = tokens
        if not any("*" in token for token in before):
            if "*" not in last:
                self.values.append(f" {' '.join(tokens)} ")
                return f"contains({column}, ?)"
            if last.find("*") == len(last) - 1 > 0:
                self.values.append(f" {' '.join(tokens)[:-1]}")
                return f"contains({column}, ?)"
        patterns = (token.replace("*", "[^ ]*") if token.strip("*") else "[^ ]+" for token in tokens)
        self.values.append(f" {' '.join(patterns)} ")
        return f"regexp_matches({column}, ?)"


def _like(piece: str) -> str:
    return piece.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
