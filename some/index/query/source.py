"""Text to a syntax tree. Nothing is looked up here: fields and values are still as typed, each with its column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken

from some.index.query.grammar import EXPECTED, GRAMMAR
from some.index.query.tree import Op, QueryFault

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LENGTH = 2_048
MAX_DEPTH = 20
MAX_TERMS = 200

_ESCAPED_WORD = re.compile(r'\\([\\*"():<>\[\]\s])')
_ESCAPED_STRING = re.compile(r'\\([\\"])')
_LUCENE = re.compile(r"[-+!](?=[^\W_])|&&|\|\|")


@dataclass(frozen=True, slots=True)
class Literal:
    """A value as typed. `pieces` are its parts between unquoted `*` (a single piece: no wildcard)."""

    column: int
    pieces: tuple[str, ...]
    quoted: bool

    @property
    def text(self) -> str:
        """The value with its stars."""
        return "*".join(self.pieces)

    @property
    def starred(self) -> bool:
        """True for `*` alone."""
        return self.pieces == ("", "")


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison with one value."""

    op: Op
    literal: Literal


@dataclass(frozen=True, slots=True)
class Between:
    """`[low TO high]`, both included; a star is an open end."""

    low: Literal
    high: Literal


@dataclass(frozen=True, slots=True)
class Matched:
    """`field:…`; the values may be a group of their own."""

    column: int
    field: str
    values: Syntax


@dataclass(frozen=True, slots=True)
class Group:
    """`op` is "and", "or" or "not" over `parts`."""

    op: str
    parts: tuple[Syntax, ...]


Syntax = Literal | Compared | Between | Matched | Group


def read(text: str) -> Syntax | None:
    """Return the syntax tree of `text`, None for an empty query; raises QueryFault."""
    _check_text(text)
    try:
        result: Syntax | None = _parser().parse(text)  # type: ignore[assignment]  # the transformer makes ours
    except UnexpectedEOF as error:
        raise _unexpected(len(text) + 1, "", error.expected) from error
    except UnexpectedToken as error:
        end = error.token.type == "$END"
        column = len(text) + 1 if end else (error.token.start_pos or 0) + 1
        raise _unexpected(column, "" if end else str(error.token), error.expected) from error
    except UnexpectedCharacters as error:
        raise _bad_character(text, error) from error
    if result is not None:
        _check_size(result)
    return result


@cache
def _parser() -> Lark:
    """Return the parser; making it takes some 20 ms, and parsing with it is thread-safe (a parse has its own state).

    The transformer runs while parsing: no walk over the finished tree, so no recursion however deep the nesting.
    """
    return Lark(GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=False, transformer=_Builder())


def _check_text(text: str) -> None:
    size = len(text.encode("utf-8", "replace"))
    if size > MAX_LENGTH:
        raise QueryFault(1, "the query has %(size)s bytes, at most %(limit)s are read", _sizes(size, MAX_LENGTH))
    for place, character in enumerate(text):
        if "\ud800" <= character <= "\udfff" or character == "\x00":
            raise QueryFault(place + 1, "a character that is no text (U+%(code)s)", {"code": f"{ord(character):04X}"})


def _sizes(size: int, limit: int) -> dict[str, str]:
    return {"size": str(size), "limit": str(limit)}


def _unexpected(column: int, found: str, expected: Iterable[str]) -> QueryFault:
    names = ", ".join(sorted({EXPECTED.get(name, name) for name in expected if name != "$END"}))
    if not names:
        return QueryFault(column, "“%(found)s” was not expected here", {"found": found[:40]})
    if not found:
        return QueryFault(column, "the query ends too early; expected: %(expected)s", {"expected": names})
    return QueryFault(
        column,
        "“%(found)s” was not expected here; expected: %(expected)s",
        {"found": found[:40], "expected": names},
    )


def _bad_character(text: str, error: UnexpectedCharacters) -> QueryFault:
    place: int = error.pos_in_stream  # type: ignore[assignment]  # lark's annotation lacks it
    if text[place] == '"' and len(re.findall(r'(?<!\\)"', text[place:])) % 2:
        return QueryFault(place + 1, "this quotation mark is never closed")
    return _unexpected(place + 1, text[place], error.allowed or ())


def _check_size(root: Syntax) -> None:
    """Refuse trees that are too deep or too wide; walks without recursion, so no depth can hurt it."""
    terms = 0
    waiting: list[tuple[Syntax, int]] = [(root, 1)]
    while waiting:
        node, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise QueryFault(_column(node), "nested deeper than %(limit)s", {"limit": str(MAX_DEPTH)})
        if isinstance(node, Group):
            waiting += [(part, depth + 1) for part in node.parts]
        elif isinstance(node, Matched):
            waiting.append((node.values, depth))
        else:
            terms += 1
    if terms > MAX_TERMS:
        raise QueryFault(1, "%(size)s conditions, at most %(limit)s are read", _sizes(terms, MAX_TERMS))


def _column(node: Syntax) -> int:
    while isinstance(node, Group):
        node = node.parts[0]
    if isinstance(node, Compared):
        return node.literal.column
    return node.low.column if isinstance(node, Between) else node.column


def _word(token: Token) -> Literal:
    """Return an unquoted value: stars are wildcards, a backslash before a special character takes its meaning away."""
    column = (token.start_pos or 0) + 1
    pieces: list[str] = [""]
    place = 0
    while place < len(token):
        escaped = _ESCAPED_WORD.match(token, place)
        if escaped:
            pieces[-1] += escaped[1]
            place = escaped.end()
        elif token[place] == "*":
            pieces.append("")
            place += 1
        else:
            pieces[-1] += token[place]
            place += 1
    if len(pieces) > 2:  # noqa: PLR2004 - ** means what * means
        pieces = [pieces[0], *(piece for piece in pieces[1:-1] if piece), pieces[-1]]
    return Literal(column, tuple(pieces), quoted=False)


def _string(token: Token) -> Literal:
    text = _ESCAPED_STRING.sub(r"\1", str(token)[1:-1])
    return Literal((token.start_pos or 0) + 1, (text,), quoted=True)


@v_args(inline=True)
class _Builder(Transformer[Token, Any]):
    """Makes the syntax tree; the names are those of the grammar's rules."""

    def start(self, tree: Syntax | None = None) -> Syntax | None:
        return tree

    def either(self, *parts: Any) -> Syntax:
        return Group("or", tuple(part for part in parts if not isinstance(part, Token)))

    def both(self, *parts: Any) -> Syntax:
        return Group("and", tuple(part for part in parts if not isinstance(part, Token)))

    some_values = either
    all_values = both

    def negation(self, _word: Token, part: Syntax) -> Syntax:
        return Group("not", (part,))

    def group(self, part: Syntax) -> Syntax:
        return part

    def match(self, field: Token, values: Syntax) -> Syntax:
        return Matched((field.start_pos or 0) + 1, str(field), values)

    def compared(self, field: Token, comparison: Compared) -> Syntax:
        return Matched((field.start_pos or 0) + 1, str(field), comparison)

    def compare_word(self, op: Token, word: Token) -> Compared:
        return Compared(Op(str(op)), _word(word))

    def compare_string(self, op: Token, string: Token) -> Compared:
        return Compared(Op(str(op)), _string(string))

    def between(self, low: Literal, _to: Token, high: Literal) -> Between:
        return Between(low, high)

    def bare_word(self, token: Token) -> Literal:
        mark = _LUCENE.match(token)
        if mark:
            raise QueryFault(
                (token.start_pos or 0) + 1,
                "“%(mark)s” is no operator here; write and, or, not, or put the text in quotation marks",
                {"mark": mark[0]},
            )
        return _word(token)

    def word(self, token: Token) -> Literal:
        return _word(token)

    def string(self, token: Token) -> Literal:
        return _string(token)

    bare_string = string
