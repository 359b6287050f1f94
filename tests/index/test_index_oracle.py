"""DuckDB over the files answers as the predicate over the documents does: random questions, random documents."""

from __future__ import annotations

import itertools
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_fakes import START, FakeArchive, TableParse, folder, follower

from ingest.ecs import FIELD, flatten
from some.index import text
from some.index.embedded import Embedded
from some.index.engine import Query, to_us
from some.index.query.predicate import predicate
from some.index.query.tree import (
    And,
    Cidr,
    Exists,
    FreeText,
    Not,
    Op,
    Or,
    Phrase,
    Range,
    Term,
    Wildcard,
)

WORDS = ["ali", "Ali", "AYŞE", "ayşe", "ığdır", "İzmir", "IZMIR", "şık", "a_b", "a%b", "a\\b", "10", "9", "", "\x00x"]
SPACES = [" ", "-", "  ", '"']
V4 = ["10.0.0.1", "10.0.0.255", "10.0.1.0", "192.0.2.7", "255.255.255.255", "0.0.0.0"]  # noqa: S104 - an address among others
V6 = ["2001:db8::1", "2001:db8::ffff", "::1", "fe80::1", "::"]
NETWORKS = ["10.0.0.0/24", "10.0.0.0/8", "0.0.0.0/0", "2001:db8::/32", "::/0", "::ffff:0:0/96", "192.0.2.7/32"]
NUMBERS = [0, 1, 80, 443, -5, 2**63 - 1, -(2**63)]
TIMES = [to_us(START + timedelta(seconds=second)) for second in (0, 1, 60, 3600)] + [0, -1]

keywords = st.sampled_from(["user.name", "url.path"])
many = st.sampled_from(["event.category", "event.type"])
addresses = st.sampled_from(["source.ip", "dns.resolved_ip"])
numbers = st.sampled_from(["source.port", "source.bytes"])
word = st.sampled_from(WORDS)
ip = st.sampled_from(V4 + V6)
sentence = st.lists(st.tuples(word, st.sampled_from(SPACES)), max_size=5).map(
    lambda parts: "".join(map("".join, parts))
)

rows = st.fixed_dictionaries(
    {"some.text": sentence},
    optional={
        "@timestamp": st.sampled_from(TIMES),
        "user.name": word,
        "url.path": word,
        "message": sentence,
        "event.category": st.lists(word, max_size=3),
        "event.type": st.lists(word, max_size=2),
        "source.ip": ip,
        "dns.resolved_ip": st.lists(ip, max_size=3),
        "source.port": st.sampled_from(NUMBERS),
        "source.bytes": st.sampled_from(NUMBERS),
    },
)
pieces = st.lists(st.sampled_from(["", "a", "A", "i", "İ", "ş", "_", "%", "\\", "b", "li"]), min_size=2, max_size=4)
patterns = st.lists(
    st.sampled_from(["ali", "ayşe", "iğdir", "izmir", "a", "b", "10", "a*", "*i", "*", "i*r", "x"]),
    min_size=1,
    max_size=3,
)
ops = st.sampled_from(list(Op))
leaves = st.one_of(
    st.builds(Term, keywords | many, word),
    st.builds(Term, addresses, ip),
    st.builds(Term, numbers, st.sampled_from(NUMBERS)),
    st.builds(Wildcard, keywords | many, pieces.map(tuple)),
    st.builds(Range, numbers, ops, st.sampled_from(NUMBERS)),
    st.builds(Range, addresses, ops, ip),
    st.builds(Range, st.just("@timestamp"), ops, st.sampled_from(TIMES)),
    st.builds(Cidr, addresses, st.sampled_from(NETWORKS)),
    st.builds(Exists, keywords | many | addresses | numbers | st.just("message")),
    st.builds(FreeText, patterns.map(tuple)),
    st.builds(Phrase, st.just("message"), patterns.map(tuple)),
)
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, max_size=3).map(lambda parts: And(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: Or(tuple(parts))),
    ),
    max_leaves=8,
)
_number = itertools.count()


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(held=st.lists(rows, min_size=1, max_size=12), asked=st.lists(trees, min_size=8, max_size=8))
def test_the_files_answer_as_the_predicate_does(tmp_path, held, asked):
    data = tmp_path / str(next(_number))
    archive = FakeArchive()
    archive.open("access")
    documents = {}
    for number, row in enumerate(held):
        raw = f"{row['some.text']} #{number}".encode()
        archive.add(0, raw)
        documents[raw] = {name: value for name, value in row.items() if name != "some.text"}
    with follower(archive, data, TableParse(documents)) as follows:
        follows.run_once()
    flats = [
        {"@timestamp": to_us(START), **flat, "some.text": text.of_bytes(raw), "event.kind": "event"}
        for raw, flat in documents.items()
    ]
    with Embedded(archive, folder(data)) as engine:
        for tree in asked:
            page = engine.search(Query(tree=tree), limit=100)
            found = {document["event"]["original"] for document in page.documents}
            match = predicate(tree)
            expected = {raw.decode() for raw, flat in zip(documents, flats, strict=True) if match(flat)}
            assert found == expected, tree
            assert engine.count(Query(tree=tree)) == len(expected)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(held=st.lists(rows, min_size=1, max_size=12))
def test_what_went_in_comes_out(tmp_path, held):
    data = tmp_path / str(next(_number))
    archive = FakeArchive()
    archive.open("access")
    raws = [f"#{number}".encode() for number in range(len(held))]
    documents = {
        raw: {name: value for name, value in row.items() if name != "some.text"}
        for raw, row in zip(raws, held, strict=True)
    }
    refs = archive.add(0, *raws)
    with follower(archive, data, TableParse(documents)) as follows:
        follows.run_once()
    with Embedded(archive, folder(data)) as engine:
        for ref, raw in zip(refs, raws, strict=True):
            document = engine.get(ref)
            assert document is not None
            flat = flatten(document)
            for name in ("@timestamp", *FIELD):
                if name.startswith("some.") or name in {"event.original", "event.kind", "@timestamp"}:
                    continue
                assert flat.get(name) == documents[raw].get(name), name
            assert flat["@timestamp"] == documents[raw].get("@timestamp", to_us(START))


def test_a_missing_field_is_not_the_value():
    tree = Not(Term("user.name", "ali"))
    assert predicate(tree)({})
    assert not predicate(Not(tree))({})
