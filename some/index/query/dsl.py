"""Tree to an Elasticsearch condition: filters only, so nothing is scored; no query strings and no scripts.

Values travel as JSON values and names come from the registry, so no value can become a part of the query.

The condition stands on this form of storage, which `some.index.elastic` gives its indices:

* keyword: `keyword` with `ignore_above` KEYWORD_LIMIT. A longer value is known to be there, not what it is.
* long, double, boolean, ip: the type of that name. date: `date_nanos`, values brought into MOMENTS (`kept_moment`).
* the words of a record (`some.text`) and of each field of kind text (`tokens_of(field)`): `text` with the analyzer
  ANALYSIS, positions indexed, holding `stored_words` of the token text. The words stand between two marks, so that
  `192.168.*` can ask for one more word; letters that the server's `standard` tokenizer would drop or cut at are spelled
  out. Marks and spelling use capitals, which folded text never has.
"""

from __future__ import annotations

import ipaddress
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from ingest.ecs import FIELD, Field, FieldKind
from some.errors import BadInput
from some.index.fields import REF, TEXT, tokens_of
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
    Value,
    Wildcard,
)
from some.record import RecordRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Condition = dict[str, Any]
"""An Elasticsearch query object."""

KEYWORD_LIMIT: Final = 8_191
"""Characters of the longest keyword that is indexed: Lucene's 32,766 bytes, at four bytes a character."""

WORD_LIMIT: Final = 16_383
"""Characters of the longest indexed word (stored words have at most two bytes a character); longer ones are cut."""

MAX_STARS: Final = 200
"""Stars in one pattern."""

PATTERN_LIMIT: Final = 32_768
"""`index.max_regex_length` of an index of ours: the longest pattern, which a spelled word of a question may reach."""

MOMENTS: Final = (0, 2**63 // 1000)
"""First and last microsecond that `date_nanos` can hold: 1970-01-01 to 2262-04-11T23:47:16.854775Z."""

ANALYZER: Final = "some_words"
ANALYSIS: Final[Mapping[str, Any]] = {
    "tokenizer": {ANALYZER: {"type": "standard", "max_token_length": WORD_LIMIT}},
    "analyzer": {ANALYZER: {"type": "custom", "tokenizer": ANALYZER}},
}
"""The `analysis` settings of an index; there is no filter: the words are folded already."""

_FIRST, _LAST = "A_A", "B_B"
_SPELLED = re.compile("[^ -\u024f\u0370-\u03ff\u0400-\u052f]")
_WILD = re.compile(r"[*?\\]")
_SPECIAL = re.compile(r"[^\w\x80-\U0010ffff]", re.ASCII)
_SIMPLE = 64
"""Characters of a pattern that the server always takes as a wildcard; it thinks longer ones too much work."""
_LONGEST, _LONGEST_PIECE = 4_096, 900
"""Major 8 refuses pieces of more than 1,000 bytes, and a pattern of thousands of stars ends the whole node."""
_EFFORT = 20_000_000
"""Enough for any pattern of 2,048 characters, spelled out: less than a second of the server's time."""
_COMPARE = {Op.LT: "lt", Op.LTE: "lte", Op.GT: "gt", Op.GTE: "gte"}
_FORMAT = "strict_date_optional_time_nanos"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def condition(tree: Node | None, ledger: str, fields: Mapping[str, Field] = FIELD) -> Condition:
    """Return the condition for documents of `ledger`, to stand in a filter; raises BadInput for a dangerous pattern."""
    return _all(()) if tree is None else _Writer(ledger, fields).write(tree)


def stored_words(token_text: str) -> str:
    """Return a token text (`some.index.text`) as it is stored: its words between the marks."""
    return f"{_FIRST} {' '.join(_spelled(token_text).split())} {_LAST}"


def kept_moment(microseconds: int) -> int:
    """Return the nearest time that can be stored: comparisons with any time inside MOMENTS stay right."""
    return min(max(microseconds, MOMENTS[0]), MOMENTS[1])


def moment_text(microseconds: int) -> str:
    """Return a time inside MOMENTS for a query or a document, exact to the microsecond."""
    return (_EPOCH + timedelta(microseconds=microseconds)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _spelled(words: str) -> str:
    """Return words with each letter the server would treat in its own way as `U<hex>Z`.

    Letter by letter and with marks that stand nowhere else, so a part of a word stays a part of the spelled word.
    """
    return words if words.isascii() else _SPELLED.sub(lambda found: f"U{ord(found[0]):x}Z", words)


class _Writer:
    def __init__(self, ledger: str, fields: Mapping[str, Field]) -> None:
        self._ledger = ledger
        self._fields = fields

    def write(self, node: Node) -> Condition:  # noqa: C901, PLR0911 - one branch for each kind of node
        """Return the condition of `node`."""
        match node:
            case And(parts):
                return _all(self.write(part) for part in parts)
            case Or(parts):
                return _any([self.write(part) for part in parts])
            case Not(part):
                return {"bool": {"must_not": [self.write(part)]}}
            case Term(field, value) if field == REF:
                return self._reference(str(value))
            case Term(field, value):
                return self._term(field, value)
            case Range(field, op, value):
                return self._range(field, op, value)
            case Cidr(field, network):
                return _within(field, network)
            case Wildcard(field, pieces):
                return _wild(field, pieces)
            case Exists(field):
                return self._exists(field)
            case Phrase(field, tokens):
                return _words(tokens_of(field), tokens)
            case FreeText(tokens):
                return _words(TEXT, tokens)

    def _reference(self, written: str) -> Condition:
        ref = RecordRef.parse(written)
        return _equal(REF, str(ref)) if ref.ledger == self._ledger else _any([])

    def _term(self, field: str, value: Value) -> Condition:
        kind = self._fields[field].kind
        if kind is FieldKind.DATE:
            return self._moment(field, int(value))
        if kind is FieldKind.DOUBLE and value == 0:
            return {"terms": {field: [0.0, -0.0]}}  # two points to Lucene, one number to everybody else
        return _equal(field, value)

    def _range(self, field: str, op: Op, value: Value) -> Condition:
        kind = self._fields[field].kind
        if kind is FieldKind.DATE:
            return self._time_range(field, op, int(value))
        if kind is FieldKind.DOUBLE and value == 0:
            value = -0.0 if op in {Op.LT, Op.GTE} else 0.0
        return {"range": {field: {_COMPARE[op]: value}}}

    @staticmethod
    def _moment(field: str, value: int) -> Condition:
        if not MOMENTS[0] <= value <= MOMENTS[1]:
            return _any([])
        told = moment_text(value)  # one range: two could be met by two values of a list
        return {"range": {field: {"gte": told, "lte": told, "format": _FORMAT}}}

    def _time_range(self, field: str, op: Op, value: int) -> Condition:
        if MOMENTS[0] <= value <= MOMENTS[1]:
            bounds = {_COMPARE[op]: moment_text(value), "format": _FORMAT}
            return {"range": {field: bounds}}
        above = op in {Op.GT, Op.GTE}
        return self._exists(field) if above == (value < MOMENTS[0]) else _any([])

    def _exists(self, field: str) -> Condition:
        there: Condition = {"exists": {"field": field if field == TEXT else self._indexed(field)}}
        if field in self._fields and self._fields[field].kind is FieldKind.KEYWORD:
            return _any([there, _equal("_ignored", field)])  # a keyword too long to be indexed is there too
        return there

    def _indexed(self, field: str) -> str:
        return tokens_of(field) if self._fields[field].kind is FieldKind.TEXT else field


def _all(parts: Iterable[Condition]) -> Condition:
    return {"bool": {"filter": list(parts)}}


def _any(parts: Sequence[Condition]) -> Condition:
    if not parts:
        return {"match_none": {}}
    told = list(_gathered(parts))
    return told[0] if len(told) == 1 else {"bool": {"should": told, "minimum_should_match": 1}}


def _gathered(parts: Sequence[Condition]) -> Iterator[Condition]:
    """Yield the alternatives; the values of one field become a list, which may be longer."""
    values: dict[str, list[Value]] = {}
    for part in parts:
        if "term" in part:
            [(field, asked)] = part["term"].items()
            values.setdefault(field, []).append(asked["value"])
        else:
            yield part
    for field, asked in values.items():
        yield {"terms": {field: asked}} if len(asked) > 1 else _equal(field, asked[0])


def _equal(field: str, value: Value) -> Condition:
    return {"term": {field: {"value": value}}}


def _within(field: str, network: str) -> Condition:
    """Return the range of a network: the server's own reading of `::ffff:0:0/96` is not ours."""
    block = ipaddress.ip_network(network)
    return {"range": {field: {"gte": str(block.network_address), "lte": str(block.broadcast_address)}}}


def _wild(field: str, pieces: Sequence[str]) -> Condition:
    """Return the pattern as the server takes it; raises BadInput for one that would be a danger to it."""
    size = len(pieces) + sum(map(len, pieces))
    longest = max(len(piece.encode()) for piece in pieces)
    if len(pieces) - 1 > MAX_STARS or size > _LONGEST or longest > _LONGEST_PIECE:
        msg = f"a pattern has at most {MAX_STARS} * and pieces of at most {_LONGEST_PIECE} bytes in Elasticsearch"
        raise BadInput(msg)
    if len(pieces) == 2 and not pieces[1]:  # noqa: PLR2004 - a beginning and an open end
        return {"prefix": {field: {"value": pieces[0]}}}
    if size <= _SIMPLE:
        return {"wildcard": {field: {"value": "*".join(_WILD.sub(r"\\\g<0>", piece) for piece in pieces)}}}
    pattern = ".*".join(_SPECIAL.sub(r"\\\g<0>", piece) for piece in pieces)
    return {"regexp": {field: {"value": pattern, "flags": "NONE", "max_determinized_states": _EFFORT}}}


def _words(field: str, tokens: Sequence[str]) -> Condition:
    """Return the condition that the token patterns follow each other. A lone star is one word, whichever."""
    named = [place for place, token in enumerate(tokens) if token.strip("*")]
    if not named:
        first = _span(field, _FIRST)
        return _apart(first, _span(field, _LAST), before=0, after=len(tokens))
    core = tokens[named[0] : named[-1] + 1]
    before, after = named[0], len(tokens) - 1 - named[-1]
    if len(core) == 1 and not before and not after:
        return _word(field, core[0])
    near = _near(field, core)
    if not before and not after:
        return near
    marks = [_span(field, mark) for mark, wanted in ((_FIRST, before), (_LAST, after)) if wanted]
    ends = marks[0] if len(marks) == 1 else {"span_or": {"clauses": marks}}
    return _apart(near, ends, before=before, after=after)


def _word(field: str, token: str) -> Condition:
    spelled = _spelled(token)
    return _wild(field, spelled.split("*")) if "*" in spelled else _equal(field, spelled)


def _near(field: str, core: Sequence[str]) -> Condition:
    clauses: list[Condition] = []
    gap = 0
    for token in core:
        if not token.strip("*"):
            gap += 1
            continue
        if gap:
            clauses.append({"span_gap": {field: gap}})
        gap = 0
        clauses.append(_span(field, token))
    return clauses[0] if len(clauses) == 1 else {"span_near": {"clauses": clauses, "slop": 0, "in_order": True}}


def _span(field: str, token: str) -> Condition:
    if "*" in token:
        return {"span_multi": {"match": _word(field, token)}}
    return {"span_term": {field: {"value": _spelled(token)}}}


def _apart(include: Condition, exclude: Condition, *, before: int, after: int) -> Condition:
    """Return: `include` where no `exclude` stands within so many words before and after it."""
    return {"span_not": {"include": include, "exclude": exclude, "pre": before, "post": after}}
