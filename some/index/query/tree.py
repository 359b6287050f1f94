"""The typed tree of a query: fields are known, values have the type of their field.

Three meanings hold for every node in every engine. A document without the field does not match a leaf, so `Not(leaf)`
does match it. A field with several values matches when one of them does. Keywords compare exactly, letter by letter;
`FreeText` and `Phrase` compare folded tokens (`some.index.text`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from some.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

Value = str | int | float | bool
"""keyword: str; ip: canonical str (IPv4-mapped as IPv4); long: int; double: float; boolean: bool; date: µs."""


class Op(StrEnum):
    """Comparisons."""

    LT = "<"
    LTE = "<="
    GT = ">"
    GTE = ">="


@dataclass(frozen=True, slots=True)
class And:
    """All parts match; without parts, everything does."""

    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Or:
    """At least one part matches; without parts, nothing does."""

    parts: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not match, also where its field is absent."""

    part: Node


@dataclass(frozen=True, slots=True)
class Term:
    """The field has exactly this value."""

    field: str
    value: Value


@dataclass(frozen=True, slots=True)
class Phrase:
    """The tokens follow each other in a field of kind text. `*` in a token stands for any letters and digits."""

    field: str
    tokens: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    """The keyword is `pieces` in order with anything (or nothing) between them: `a*b` is ("a", "b")."""

    field: str
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Range:
    """The value compares so. Fields of kind long, double, date (microseconds) and ip (text of the address)."""

    field: str
    op: Op
    value: Value


@dataclass(frozen=True, slots=True)
class Cidr:
    """The address is in `network` (canonical, `192.0.2.0/24` or `2001:db8::/32`)."""

    field: str
    network: str


@dataclass(frozen=True, slots=True)
class Exists:
    """The document has the field."""

    field: str


@dataclass(frozen=True, slots=True)
class FreeText:
    """The tokens follow each other somewhere in the record. `*` in a token stands for any letters and digits."""

    tokens: tuple[str, ...]


Node = And | Or | Not | Term | Phrase | Wildcard | Range | Cidr | Exists | FreeText

EVERYTHING = And()
NOTHING = Or()


class QueryFault(BadInput):
    """A query that cannot be understood.

    `column` is 1-based. `msgid` is the catalogue's English message with `%(name)s` places, `values` fills them; screens
    show `translator(msgid) % values`, `str(fault)` is the English sentence.
    """

    code = "query.fault"

    def __init__(self, column: int, msgid: str, values: Mapping[str, str] | None = None) -> None:
        """Say what is wrong at `column`."""
        self.column = column
        self.msgid = msgid
        self.values = dict(values or {})
        super().__init__(f"column {column}: {msgid % self.values}")
