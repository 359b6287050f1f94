"""Random documents and questions, and three places that answer them: the predicate, DuckDB and a real Elasticsearch."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import duckdb
import orjson
import pyarrow as pa
from hypothesis import strategies as st

from ingest.ecs import FIELD, Field, FieldKind
from ingest.parsing import Batch
from some.index import text
from some.index.elastic.documents import Addresses, Place, actions
from some.index.elastic.names import Period
from some.index.elastic.templates import POSITION as POSITION_FIELD
from some.index.elastic.templates import SEGMENT as SEGMENT_FIELD
from some.index.elastic.templates import index_settings, record_mapping
from some.index.elastic.transport import ElasticSettings
from some.index.fields import POSITION, REF, SEGMENT, TEXT, TIME, tokens_of
from some.index.query.dsl import ANALYSIS, ANALYZER, PATTERN_LIMIT, condition, moment_text
from some.index.query.predicate import predicate
from some.index.query.sql import condition as sql_condition
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
from some.index.segments import SourceRun
from some.index.storage import arrow_type, pack_ip

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elastic_server import ElasticServer

LEDGER = "deneme1"
SEGMENT_NUMBER = 7
RECEIVED = 1_795_000_000_000_000

_OWN = (
    Field("test.flag", FieldKind.BOOLEAN, "", ""),
    Field("test.ratio", FieldKind.DOUBLE, "", ""),
    Field("test.ratios", FieldKind.DOUBLE, "", "", many=True),
    Field("test.ports", FieldKind.LONG, "", "", many=True),
    Field("test.moments", FieldKind.DATE, "", "", many=True),
)
FIELDS = {**FIELD, **{field.name: field for field in _OWN}}
"""The registry, and kinds and lists that it does not use yet."""

HOSTILE = [
    '"',
    "\\",
    "*",
    "?",
    "a*b",
    '{"match_all":{}}',
    "'; DROP TABLE documents; --",
    "/.*/",
    "[a TO b]",
    "\x00x",
    "\n",
]
WORDS = [
    "ali",
    "Ali",
    "AYŞE",
    "ayşe",
    "ığdır",
    "Iğdır",
    "İzmir",
    "IZMIR",
    "şık",
    "ŞIK",
    "a_b",
    "a%b",
    "10",
    "9",
    "",
    " ",
]
V4 = ["10.0.0.1", "10.0.0.255", "10.0.1.0", "192.0.2.7", "255.255.255.255", "0.0.0.0"]  # noqa: S104 - an address among others
V6 = ["2001:db8::1", "2001:db8::ffff", "::1", "fe80::1", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"]
NETWORKS = [
    *("10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "192.0.2.7/32", "255.255.255.255/32"),
    *("2001:db8::/32", "::/0", "::ffff:0:0/96", "::1/128", "fe80::/10"),
]
LONGS = [0, 1, 80, 443, -5, 2**53, 2**53 + 1, -(2**53) - 1, 2**62 + 1, 2**63 - 1, -(2**63)]
DOUBLES = [0.0, -0.0, 0.1, 1.0, -1.5, 2.0**53, 1e308, -1e308, 5e-324]
MICROSECONDS = [0, 1, RECEIVED, RECEIVED + 1, RECEIVED + 999, RECEIVED + 1000, 2**63 // 1000]

_keywords = st.sampled_from(["user.name", "url.path"])
_many = st.sampled_from(["event.category", "event.type"])
_addresses = st.sampled_from(["source.ip", "dns.resolved_ip"])
_longs = st.sampled_from(["source.port", "source.bytes", "test.ports"])
_doubles = st.sampled_from(["test.ratio", "test.ratios"])
_dates = st.sampled_from(["@timestamp", "event.end", "test.moments"])
_letters = st.characters(exclude_categories=["Cs"])
_word = (
    st.sampled_from(WORDS + HOSTILE) | st.text(_letters, max_size=4) | st.sampled_from("abş").map(lambda a: a * 8_191)
)
_ip = st.sampled_from(V4 + V6)
_long, _double, _moment = st.sampled_from(LONGS), st.sampled_from(DOUBLES), st.sampled_from(MICROSECONDS)
_parts = st.lists(st.tuples(st.sampled_from(WORDS + HOSTILE), st.sampled_from([" ", "-", "  ", '"'])), max_size=5)
_sentence = _parts.map(lambda parts: "".join(map("".join, parts))) | st.text(_letters, max_size=12)

rows = st.fixed_dictionaries(
    {TEXT: _sentence},
    optional={
        "@timestamp": _moment,
        "event.end": _moment,
        "user.name": _word,
        "url.path": _word,
        "message": _sentence,
        # an empty list is an absent field to Elasticsearch
        "event.category": st.lists(_word, min_size=1, max_size=3),
        "event.type": st.lists(_word, min_size=1, max_size=2),
        "source.ip": _ip,
        "dns.resolved_ip": st.lists(_ip, min_size=1, max_size=3),
        "source.port": _long,
        "source.bytes": _long,
        "test.ports": st.lists(_long, min_size=1, max_size=3),
        "test.flag": st.booleans(),
        "test.ratio": _double,
        "test.ratios": st.lists(_double, min_size=1, max_size=3),
        "test.moments": st.lists(_moment, min_size=1, max_size=2),
    },
)
_pieces = st.lists(
    st.sampled_from(["", "a", "A", "i", "İ", "ş", "_", "%", "\\", "?", "b", "li", '"', "{"]), min_size=2, max_size=4
)
_pattern = st.sampled_from(
    ["ali", "ayşe", "iğdir", "izmir", "a", "b", "10", "a*", "*i", "*", "i*r", "x", "match", "*ş*"]
)
_patterns = st.lists(_pattern, min_size=1, max_size=4) | st.text(_letters, max_size=6).map(text.tokens).filter(bool)
_ops = st.sampled_from(list(Op))
_references = st.builds("{}/{:06d}/{:06d}".format, st.sampled_from([LEDGER, "baska1"]), st.just(7), st.integers(0, 12))
_anything = st.sampled_from([name for name in FIELDS if FIELDS[name].name not in {TEXT, REF, "event.original"}])
_leaves = st.one_of(
    st.builds(Term, _keywords | _many, _word),
    st.builds(Term, _addresses, _ip),
    st.builds(Term, _longs, _long),
    st.builds(Term, _doubles, _double),
    st.builds(Term, _dates, _moment),
    st.builds(Term, st.just("test.flag"), st.booleans()),
    st.builds(Term, st.just(REF), _references),
    st.builds(Wildcard, _keywords | _many, _pieces.map(tuple)),
    st.builds(Range, _longs, _ops, _long),
    st.builds(Range, _doubles, _ops, _double),
    st.builds(Range, _dates, _ops, _moment | st.just(-1)),
    st.builds(Range, _addresses, _ops, _ip),
    st.builds(Cidr, _addresses, st.sampled_from(NETWORKS)),
    st.builds(Exists, _keywords | _many | _addresses | _longs | _doubles | _dates | st.just("message") | _anything),
    st.builds(FreeText, _patterns.map(tuple)),
    st.builds(Phrase, st.just("message"), _patterns.map(tuple)),
)
trees = st.recursive(
    _leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=8,
)


def flat(row: dict[str, Any], position: int) -> dict[str, Any]:
    """Return the document of a row as the predicate reads it."""
    made = {"@timestamp": RECEIVED, "event.kind": "event", **row, **_known(position)}
    return {**made, TEXT: text.token_text(row[TEXT])}


def _known(position: int) -> dict[str, Any]:
    return {
        REF: f"{LEDGER}/{SEGMENT_NUMBER:06d}/{position:06d}",
        "some.class": "access",
        "some.source": "fw1",
        "some.origin": "udp:192.0.2.7:514",
        "some.received_at": RECEIVED,
    }


def by_predicate(held: Sequence[dict[str, Any]], asked: Sequence[Node | None]) -> list[set[int]]:
    """Return the positions that match each question."""
    flats = [flat(row, position) for position, row in enumerate(held)]
    return [{at for at, one in enumerate(flats) if match(one)} for match in (predicate(tree, FIELDS) for tree in asked)]


def by_duckdb(held: Sequence[dict[str, Any]], asked: Sequence[Node | None]) -> list[set[int]]:
    """Return the same from DuckDB, with the condition and the storage of the embedded index."""
    flats = [flat(row, position) for position, row in enumerate(held)]
    columns: dict[str, pa.Array] = {
        SEGMENT: pa.array([SEGMENT_NUMBER] * len(flats)),
        POSITION: pa.array(range(len(flats)), pa.int64()),
    }
    for name, field in FIELDS.items():
        if name in {REF, "event.original"}:
            continue
        values = [_packed(field, one.get(name)) for one in flats]
        columns[name] = pa.array(values, arrow_type(field))
        if field.kind is FieldKind.TEXT and name != TEXT:
            columns[tokens_of(name)] = pa.array([None if one is None else text.token_text(one) for one in values])
    answers = []
    with duckdb.connect() as opened:
        opened.register("documents", pa.table(columns))
        for tree in asked:
            where = sql_condition(tree, LEDGER, FIELDS)
            select = f'SELECT "{POSITION}" FROM documents WHERE {where.text}'  # noqa: S608 - bound values
            answers.append({found for (found,) in opened.execute(select, where.values).fetchall()})
    return answers


def _packed(field: Field, value: Any) -> Any:
    if field.kind is not FieldKind.IP or value is None:
        return value
    return [pack_ip(one) for one in value] if isinstance(value, list) else pack_ip(value)


class ElasticRows:
    """One index of a real server that takes one set of rows after the other."""

    def __init__(self, server: ElasticServer, index: str) -> None:
        """Make the index with the mapping and the analysis of ours, and the fields of this test."""
        settings = index_settings(ElasticSettings((server.url,), replicas=0), (TIME, SEGMENT_FIELD, POSITION_FIELD))
        settings["index"] |= {"analysis": dict(ANALYSIS), "max_regex_length": PATTERN_LIMIT, "refresh_interval": "-1"}
        made = {"settings": settings, "mappings": record_mapping()}
        properties = made["mappings"]["properties"]
        properties["set"] = {"type": "long"}
        for field in _OWN:
            properties[field.name] = {"type": "date_nanos" if field.kind is FieldKind.DATE else str(field.kind)}
        status, answer = server.call("PUT", f"/{index}", made)
        assert status == 200, answer
        self._server, self._index = server, index
        self._sets = itertools.count()

    def ask(self, held: Sequence[dict[str, Any]], asked: Sequence[Node | None]) -> list[set[int]]:
        """Index the rows as the follower does, and return the positions that match each question."""
        number = next(self._sets)
        status, answer = self._server.call("POST", "/_bulk?refresh=true", self._lines(held, number))
        assert status == 200 and not answer["errors"], answer  # noqa: PT018 - the answer tells which
        return self._asked(number, asked)

    def cut(self, words: str) -> list[str]:
        """Return the words that the server's analyzer makes of stored words."""
        status, answer = self._server.call("POST", f"/{self._index}/_analyze", {"analyzer": ANALYZER, "text": words})
        assert status == 200, answer
        return [one["token"] for one in answer["tokens"]]

    def _asked(self, number: int, asked: Sequence[Node | None]) -> list[set[int]]:
        lines = []
        for tree in asked:
            where = {"bool": {"filter": [{"term": {"set": number}}, condition(tree, LEDGER, FIELDS)]}}
            lines += [{}, {"size": 1000, "_source": False, "docvalue_fields": ["some.position"], "query": where}]
        sent = b"".join(orjson.dumps(line) + b"\n" for line in lines)
        status, answer = self._server.call("POST", f"/{self._index}/_msearch", sent)
        assert status == 200, answer
        for tree, one in zip(asked, answer["responses"], strict=True):
            assert "error" not in one, f"{tree!s:.300} {one!s:.600}"
        return [{hit["fields"]["some.position"][0] for hit in one["hits"]["hits"]} for one in answer["responses"]]

    def _lines(self, held: Sequence[dict[str, Any]], number: int) -> bytes:
        count = len(held)
        raws = [row[TEXT].encode() for row in held]
        run = SourceRun("fw1", list(range(count)), [RECEIVED] * count, ["udp:192.0.2.7:514"] * count, raws)
        flats = [flat(row, position) for position, row in enumerate(held)]
        used = {name for one in flats for name in one if name in FIELD}
        batch = Batch(list(range(count)), {name: [one.get(name) for one in flats] for name in used})
        place = Place(LEDGER, SEGMENT_NUMBER, "access", "some", Period.MONTH)
        made, refused = actions([batch], run, place, Addresses())
        assert refused == 0
        lines = []
        for at, (action, row) in enumerate(zip(made, held, strict=True)):
            document = orjson.loads(action.lines.splitlines()[1])
            document |= {name: _sent(name, row[name]) for name in row if name.startswith("test.")} | {"set": number}
            lines += [{"create": {"_index": self._index, "_id": f"{number}-{at}"}}, document]
        return b"".join(orjson.dumps(line) + b"\n" for line in lines)


def _sent(name: str, value: Any) -> Any:
    if name == "test.moments":
        return [moment_text(min(one, 2**63 // 1000)) for one in value]
    return value
