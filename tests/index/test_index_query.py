"""The query language: what is understood, what is refused and where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.ecs import FIELD, Field, FieldKind
from some.index.engine import to_us
from some.index.query import dates
from some.index.query.bind import Options, understand
from some.index.query.source import MAX_DEPTH, MAX_LENGTH, MAX_TERMS
from some.index.query.tree import (
    EVERYTHING,
    And,
    Cidr,
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

NOW = datetime(2026, 11, 23, 18, 35, 43, 500_000, tzinfo=UTC)
TURKEY = timezone(timedelta(hours=3))
FIELDS = {
    **FIELD,
    "test.flag": Field("test.flag", FieldKind.BOOLEAN, "", ""),
    "test.ratio": Field("test.ratio", FieldKind.DOUBLE, "", ""),
}
OPTIONS = Options(NOW, TURKEY, fields=FIELDS)
PORT, USER, IP, TIME = "destination.port", "user.name", "source.ip", "@timestamp"


def at(text: str) -> int:
    return to_us(datetime.fromisoformat(text))


UNDERSTOOD = {
    "": None,
    "   ": None,
    "*": None,
    "hata": FreeText(("hata",)),
    "Hata İSTANBUL": And((FreeText(("hata",)), FreeText(("istanbul",)))),
    '"giriş HATASI"': FreeText(("giriş", "hatasi")),
    "srcip=10.1.1.1": FreeText(("srcip", "10", "1", "1", "1")),
    "2001:db8::1": FreeText(("2001", "db8", "1")),
    "fe80::1": FreeText(("fe80", "1")),
    "aa:bb:cc:dd:ee:ff": FreeText(("aa", "bb", "cc", "dd", "ee", "ff")),
    "https://example.org/a": FreeText(("https", "example", "org", "a")),
    "hat*": FreeText(("hat*",)),
    "h*ta.": FreeText(("h*ta",)),
    "192.0.2.*": FreeText(("192", "0", "2", "*")),
    "192.0.2*": FreeText(("192", "0", "2*")),
    r"a\*b": FreeText(("a", "b")),
    "user.name:ali": Term(USER, "ali"),
    "user.name : ali": Term(USER, "ali"),
    "user.name:İlker": Term(USER, "İlker"),
    'user.name:"a*b"': Term(USER, "a*b"),
    r"user.name:a\*b": Term(USER, "a*b"),
    r"user.name:KURUM\ali": Term(USER, "KURUM\\ali"),
    r'user.name:"a\"b\\c"': Term(USER, 'a"b\\c'),
    "user.name:and": Term(USER, "and"),
    "user.name:a:b": Term(USER, "a:b"),
    "user.name:a*b*": Wildcard(USER, ("a", "b", "")),
    "user.name:a**b": Wildcard(USER, ("a", "b")),
    "user.name:*": Exists(USER),
    "user.name:(ali or ayşe)": Or((Term(USER, "ali"), Term(USER, "ayşe"))),
    "user.name:(ali veya not a*)": Or((Term(USER, "ali"), Not(Wildcard(USER, ("a", ""))))),
    "destination.port:443": Term(PORT, 443),
    "destination.port>=443": Range(PORT, Op.GTE, 443),
    "destination.port >= 443": Range(PORT, Op.GTE, 443),
    "destination.port:>=443": Range(PORT, Op.GTE, 443),
    "destination.port:(>=400 and <500)": And((Range(PORT, Op.GTE, 400), Range(PORT, Op.LT, 500))),
    "destination.port:[1 TO 1023]": And((Range(PORT, Op.GTE, 1), Range(PORT, Op.LTE, 1023))),
    "destination.port:[* to 5]": And((Range(PORT, Op.LTE, 5),)),
    "destination.port:[* TO *]": Exists(PORT),
    "test.flag:evet": Term("test.flag", True),
    "test.ratio:-1.5e2": Term("test.ratio", -150.0),
    "source.ip:192.0.2.7": Term(IP, "192.0.2.7"),
    "source.ip:2001:DB8:0::1": Term(IP, "2001:db8::1"),
    "source.ip:::ffff:192.0.2.7": Term(IP, "192.0.2.7"),
    "source.ip:192.0.2.77/24": Cidr(IP, "192.0.2.0/24"),
    'source.ip:"2001:db8::/32"': Cidr(IP, "2001:db8::/32"),
    "source.ip>10.0.0.1": Range(IP, Op.GT, "10.0.0.1"),
    "message:Parola*": Phrase("message", ("parola*",)),
    "event.original:hata": FreeText(("hata",)),
    "some.ref:deneme1/000001/000002": Term("some.ref", "deneme1/000001/000002"),
    "some.ref:*": None,
    "a b or c": Or((And((FreeText(("a",)), FreeText(("b",)))), FreeText(("c",)))),
    "a ve değil (b veya c)": And((FreeText(("a",)), Not(Or((FreeText(("b",)), FreeText(("c",))))))),
    "A VE DEĞİL B": And((FreeText(("a",)), Not(FreeText(("b",))))),
    "NOT * or android": Or((Not(EVERYTHING), FreeText(("android",)))),
    "@timestamp>=now-1h": Range(TIME, Op.GTE, to_us(NOW - timedelta(hours=1))),
    "@timestamp<now/d": Range(TIME, Op.LT, at("2026-11-22T21:00:00+00:00")),
    "@timestamp>2026-11-23": Range(TIME, Op.GTE, at("2026-11-24T00:00:00+03:00")),
    "@timestamp<=2026-11-23": Range(TIME, Op.LT, at("2026-11-24T00:00:00+03:00")),
    "@timestamp:2026-11": And(
        (
            Range(TIME, Op.GTE, at("2026-11-01T00:00:00+03:00")),
            Range(TIME, Op.LT, at("2026-12-01T00:00:00+03:00")),
        )
    ),
    "@timestamp>=2026-11-23T18:35:43.25Z": Range(TIME, Op.GTE, at("2026-11-23T18:35:43.250+00:00")),
    '@timestamp<"23.11.2026 18:35"': Range(TIME, Op.LT, at("2026-11-23T18:35:00+03:00")),
}


@pytest.mark.parametrize("query", UNDERSTOOD)
def test_a_query_means_its_tree(query):
    assert understand(query, OPTIONS) == UNDERSTOOD[query]


REFUSED = [
    ("user.name:", 11, "ends too early"),
    ("ali and", 8, "ends too early"),
    ("(ali", 5, "expected: )"),
    ("ali)", 4, "“)” was not expected"),
    ("user.name:(a b)", 14, "expected: ), and, or"),
    ("[1 TO 2]", 1, "was not expected"),
    ('ali "ayşe', 5, "never closed"),
    ("usr.name:ali", 1, "user.name"),
    ("ali and qwertz.zuiop:1", 9, "there is no field"),
    ("-ali", 1, "is no operator"),
    ("ali && ayşe", 5, "is no operator"),
    ("destination.port:http", 18, "does not fit"),
    ("destination.port:4*", 18, "*"),
    ("destination.port:99999999999999999999", 18, "does not fit"),
    ("destination.port:\u0661", 18, "does not fit"),
    ("destination.port:1_000", 18, "does not fit"),
    ("source.ip:10.1.*", 11, "*"),
    ("source.ip:10.1.1", 11, "does not fit"),
    ("source.ip:10.1.1.1/33", 11, "does not fit"),
    ("source.ip:fe80::1%eth0", 11, "does not fit"),
    ("test.flag:belki", 11, "does not fit"),
    ("test.ratio:nan", 12, "does not fit"),
    ("test.ratio:1e999", 12, "does not fit"),
    ("user.name>=a", 12, "only numbers, dates and addresses"),
    ("@timestamp>yesterday", 12, "does not fit"),
    ("@timestamp>2026-13-01", 12, "does not fit"),
    ("@timestamp>now-999999w", 12, "does not fit"),
    ("user.name:*li", 11, "at the beginning"),
    ("ali *li", 5, "at the beginning"),
    ("ali and (ayşe or --)", 18, "no letter"),
    ("some.ref:5", 10, "reference"),
    ("ali \x00", 5, "no text"),
    ("ali \ud800", 5, "no text"),
]


@pytest.mark.parametrize(("query", "column", "part"), REFUSED)
def test_a_fault_names_its_column(query, column, part):
    with pytest.raises(QueryFault) as caught:
        understand(query, OPTIONS)
    assert caught.value.column == column
    assert part in str(caught.value)
    assert caught.value.msgid % caught.value.values in str(caught.value)


def test_a_leading_wildcard_can_be_allowed():
    allowed = Options(NOW, leading_wildcard=True)
    assert understand("user.name:*li", allowed) == Wildcard(USER, ("", "li"))
    assert understand("*li", allowed) == FreeText(("*li",))


def test_depth_is_limited():
    def nested(depth: int) -> str:
        return "not " * (depth - 1) + "a"

    assert understand(nested(MAX_DEPTH), OPTIONS) is not None
    with pytest.raises(QueryFault, match="nested deeper than 20"):
        understand(nested(MAX_DEPTH + 1), OPTIONS)
    with pytest.raises(QueryFault):
        understand("(" * 2000, OPTIONS)
    with pytest.raises(QueryFault, match="nested deeper"):
        understand("not " * 500 + "a", OPTIONS)


def test_the_number_of_conditions_is_limited():
    assert understand(" ".join("a" for _ in range(MAX_TERMS)), OPTIONS) is not None
    with pytest.raises(QueryFault, match="201 conditions, at most 200"):
        understand(" ".join("a" for _ in range(MAX_TERMS + 1)), OPTIONS)


def test_the_length_is_limited_in_bytes():
    assert understand("a" * MAX_LENGTH, OPTIONS) is not None
    with pytest.raises(QueryFault, match="2050 bytes"):
        understand("ş" * (MAX_LENGTH // 2 + 1), OPTIONS)


def fault_column(query: str) -> int | None:
    try:
        understand(query, OPTIONS)
    except QueryFault as fault:
        return fault.column
    return None


@given(st.text(max_size=60) | st.text(alphabet='ab:()"*\\ <>=[]@.not orvesource.ip10/TO', max_size=40))
def test_any_text_is_understood_or_refused_at_a_column(query):
    column = fault_column(query)
    assert column is None or 1 <= column <= len(query) + 1


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - naive on purpose
def test_a_written_moment_is_that_moment(moment):
    start, end = dates.period(moment.isoformat(timespec="microseconds"), NOW, TURKEY)
    assert start == to_us(moment.replace(tzinfo=TURKEY))
    assert end == start + 1
