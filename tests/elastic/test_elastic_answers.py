"""The engine at scale and the embedded one over one archive: the same answers, now, after a replay, after a loss."""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import facts_conformance
import pytest
from elastic_lines import follows, network, place
from facts_conformance import LEDGER, attested, questions, spoken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_fakes import TURKEY, folder, follower

from ingest.parsing import Batch
from some.durable import Disk
from some.index.compare import compare
from some.index.elastic import asking, names, retire, templates, writing
from some.index.elastic.cursor import NAME
from some.index.elastic.documents import Addresses, Place, actions
from some.index.elastic.engine import Elastic
from some.index.elastic.facts import ElasticFacts
from some.index.elastic.facts import actions as fact_actions
from some.index.elastic.names import Period
from some.index.elastic.transport import ElasticSettings, connect
from some.index.embedded import Embedded
from some.index.engine import Query
from some.index.facts.fact import Layer, Span
from some.index.facts.memory import MemoryFacts
from some.index.query.bind import Options, understand
from some.index.segments import SourceRun
from some.record import RecordRef

FULL = os.environ.get("SOME_FULL") == "1"
COUNT = 20_000 if FULL else 1_200
MONTHS = ("2026.10", "2026.11")
_prefixes = (f"cevap{number}" for number in itertools.count())


def client_of(server, **more):
    return connect(ElasticSettings((server.url,), prefix=next(_prefixes), replicas=0, **more))


class World:
    """One archive, followed by both followers."""

    def __init__(self, server, data) -> None:
        self.server, self.data = server, data
        self.archive = network(COUNT)
        self.client = client_of(server, bulk_documents=250, period=Period.MONTH)
        with follower(self.archive, data) as embedded:
            embedded.run_once()
        self.follow()
        self.embedded = Embedded(self.archive, folder(data))
        self.elastic = Elastic(self.archive, self.client, place(data))

    def follow(self):
        with follows(self.archive, self.client, self.data) as running:
            running.run_once()
            return running.steps

    def replay(self):
        """Follow from the start again, as after a lost disk."""
        for path in place(self.data).glob(f"{NAME}*"):
            path.unlink()
        return self.follow()

    def differences(self):
        return [one.question for one in compare(self.embedded, self.elastic, sample=2 * COUNT)]

    def held(self) -> dict[str, int]:
        """Return the documents of each index, deleted ones apart."""
        found = {}
        for name in retire.indices(self.client):
            status, answer = self.server.call("GET", f"/{name}/_count")
            assert status == 200
            found[name] = answer["count"]
        return found

    def refs(self) -> Counter[str]:
        """Return how often each record has a document, over all indices."""
        where = names.records(self.client.settings.prefix, None)
        sources = [{"ref": {"terms": {"field": "some.ref"}}}]
        found = asking.composite(self.client, where, {"match_all": {}}, sources)
        return Counter({one["key"]["ref"]: one["doc_count"] for one in found})

    def expected(self) -> Counter[str]:
        return Counter(
            str(RecordRef("deneme1", number, at))
            for number, segment in enumerate(self.archive.segments)
            for at in range(len(segment.lines))
        )


@pytest.fixture(scope="module")
def world(elastic, tmp_path_factory):
    made = World(elastic, tmp_path_factory.mktemp("answers"))
    yield made
    made.embedded.close()
    retire.wipe(made.client, place(made.data), made.data / "run" / "elastic.lock", Disk())
    made.client.close()


def test_every_record_is_there_once_and_both_engines_answer_alike(world):
    assert world.refs() == world.expected()
    assert world.differences() == []
    status = world.elastic.status()
    assert (status.documents, status.lag_records, status.findings) == (COUNT, 0, world.embedded.status().findings)
    assert status.newest == world.embedded.status().newest


ASKED = [
    "",
    "source.ip:10.0.0.0/24",
    "source.ip:10.0.0.0/8 and not destination.port:443",
    "source.nat.ip:198.51.100.10 and network.transport:udp",
    "client.ip:[10.0.0.2 TO 10.0.0.90]",
    "girişi",
    "GİRİŞİ ayşe",
    '"başarısız ayşe"',
    '"ayşe başarısız"',
    "izmir*",
    '"c:\\\\windows"',
    '"2001:db8::7"',
    "match_all",
    "user.name:a*",
    "user.name:AY*",
    "url.domain:site1*.example.org",
    "destination.port>=443 and source.bytes<100",
    "some.source:(fw1 or dhcp1)",
    "not user.name:*",
    "event.kind:pipeline_error",
    "some.class:identity",
    "no such word anywhere",
]
NOTHING = {'"ayşe başarısız"', "no such word anywhere"}
OPTIONS = Options(datetime(2026, 11, 23, tzinfo=UTC), TURKEY)
SPANS = [
    {},
    {"start": datetime(2026, 11, 1, tzinfo=UTC), "end": datetime(2026, 11, 1, 0, 20, tzinfo=UTC)},
    {"classes": frozenset({"access", "address"})},
    {"classes": frozenset()},
]


def q(text: str, span) -> Query:
    return Query(text, understand(text, OPTIONS), **span)


def pages(engine, query, limit: int, *, newest_first: bool):
    found, cursor = [], None
    while True:
        page = engine.search(query, limit=limit, cursor=cursor, newest_first=newest_first)
        assert len(page.documents) <= limit
        found += page.documents
        cursor = page.next_cursor
        if cursor is None:
            return found


@pytest.mark.parametrize("newest_first", [False, True], ids=["oldest", "newest"])
def test_pages_are_the_same(world, newest_first):
    empty = set()
    for number, text in enumerate(ASKED):
        for span in SPANS if FULL else SPANS[(number + newest_first) % len(SPANS) :: len(SPANS)]:
            query = q(text, span)
            limit = 17 if world.embedded.count(query) < 50 else 450
            theirs = pages(world.elastic, query, limit, newest_first=newest_first)
            assert theirs == pages(world.embedded, query, limit, newest_first=newest_first), (text, span)
            if not theirs and not span:
                empty.add(text)
    assert empty <= NOTHING


def test_figures_are_the_same(world):
    empty = set()
    one, other = world.embedded, world.elastic
    for number, text in enumerate(ASKED):
        for span in SPANS:
            query = q(text, span)
            count = one.count(query)
            assert other.count(query) == count, (text, span)
            if not count and not span:
                empty.add(text)
        if FULL or number % 3 == 0:
            same_figures(one, other, q(text, SPANS[number % len(SPANS)]))
    assert empty == NOTHING


def same_figures(one, other, query) -> None:
    for buckets, by in ((7, None), (60, "some.source"), (30, "destination.port")):
        found = other.histogram(query, buckets, by, zone=TURKEY)
        assert found == one.histogram(query, buckets, by, zone=TURKEY), (query.text, by)
    for field in ("source.ip", "destination.port", "event.category", "user.name"):
        assert other.top_values(query, field, 20) == one.top_values(query, field, 20), (query.text, field)
        assert other.distinct(query, field) == one.distinct(query, field), (query.text, field)
    mine, theirs = (engine.percentiles(query, "source.bytes", [0, 50, 90, 100]) for engine in (one, other))
    assert theirs.count == mine.count
    assert theirs.values == pytest.approx(dict(mine.values), rel=0.03, abs=30)


def test_single_documents_are_the_same(world):
    for ref in list(world.expected())[:: COUNT // 40]:
        parsed = RecordRef.parse(ref)
        document = world.elastic.get(parsed)
        assert document == world.embedded.get(parsed)
        assert document["some"]["ref"] == ref
    assert world.elastic.get(RecordRef("deneme1", 0, 10**6)) is None
    assert world.elastic.get(RecordRef("baska1", 0, 0)) is None
    assert world.elastic.classes() == world.embedded.classes()


def test_facts_are_the_same(world):
    always = Span(0, 2**61)
    one, other = world.embedded.facts, world.elastic.facts
    assert len(one.public_side(always)) > COUNT // 8
    assert list(other.public_side(always)) == list(one.public_side(always))
    assert list(other.leases(always, site=None)) == list(one.leases(always, site=None))
    assert list(other.identities(always, site=None)) == list(one.identities(always, site=None))
    assert set(other.speakers()) == set(one.speakers())
    for source in ("proxy1", "fw1", "dhcp1", "sunucu1"):
        assert list(other.minutes(source, always)) == list(one.minutes(source, always))


@pytest.mark.parametrize("harm", ["deleted", "changed", "added"])
def test_a_planted_difference_is_found_and_a_replay_mends_what_lacks(world, harm):
    ref = RecordRef("deneme1", 0, 37)
    prefix = world.client.settings.prefix
    index = next(name for name in world.held() if name == f"{prefix}-access-2026.10")
    target = f"/{index}/_doc/{names.document_id(ref)}"
    status, before = world.server.call("GET", target)
    assert status == 200
    if harm == "deleted":
        assert world.server.call("DELETE", f"{target}?refresh=true")[0] == 200
    elif harm == "changed":
        forged = {**before["_source"], "user.name": "baskasi", "some.segment": 0, "some.position": 37}
        assert world.server.call("PUT", f"{target}?refresh=true", forged)[0] == 200
    else:
        target = f"/{index}/_doc/fazladan"
        extra = {**before["_source"], "some.segment": 0, "some.position": 37}
        assert world.server.call("PUT", f"{target}?refresh=true", extra)[0] == 201
    assert world.differences()
    if harm != "deleted":
        world.server.call("DELETE", f"{target}?refresh=true")
    steps = world.replay()
    assert steps.created == (0 if harm == "added" else 1)
    assert world.differences() == []


def test_a_replay_over_the_end_of_a_month_writes_nothing_twice(world):
    before = world.held()
    assert {name.rpartition("-")[2] for name in before} == set(MONTHS)
    steps = world.replay()
    assert (steps.records, steps.created, steps.dead) == (COUNT, 0, 0)
    assert steps.there == COUNT + steps.facts
    assert world.held() == before
    assert world.refs() == world.expected()


def test_retention_drops_the_month_that_is_over_and_no_other(world):
    before = world.held()
    october = {name for name in before if name.endswith(MONTHS[0])}
    ends = datetime(2026, 11, 1, tzinfo=UTC)
    assert retire.retire(world.client, ends - timedelta(microseconds=1), record_class="access") == []
    gone = {
        name
        for one in ("access", "address", "identity", None)
        for name in retire.retire(world.client, ends, record_class=one)
    }
    assert gone == october
    assert world.held() == {name: count for name, count in before.items() if name not in october}
    assert world.follow().records == 0
    assert world.held().keys().isdisjoint(october)
    steps = world.replay()
    assert steps.created == sum(before[name] for name in october)
    assert world.held() == before
    assert world.refs() == world.expected()


def test_made_anew_it_is_the_same(world):
    before = world.held()
    dropped = retire.wipe(world.client, place(world.data), world.data / "run" / "elastic.lock", Disk())
    assert dropped == len(before)
    assert world.held() == {}
    assert templates.found(world.client) == {}
    assert world.follow().dead == 0
    assert world.held() == before
    assert world.differences() == []


def spoken_documents(minutes, prefix: str):
    """Return documents of which these minutes are counted: the first and the last at their moments."""
    made = []
    for source, held in minutes.items():
        moments: list[int] = []
        delays: list[int | None] = []
        for one in held:
            moments += [one.first, one.last, *[one.first] * one.count][: one.count]
            told = [delay * 100 for delay, times in one.delays.items() for _ in range(times)]
            delays += [*told, *[None] * one.count][: one.count]
        count = len(moments)
        if not count:
            continue
        run = SourceRun(source, list(range(count)), moments, ["udp:192.0.2.7:514"] * count, [b"x"] * count)
        columns = {"@timestamp": moments, "event.kind": ["event"] * count, "some.delay": delays}
        batch = Batch(list(range(count)), columns)
        # a segment for each source, so that no two documents have one REF
        where = Place(LEDGER, len(source), "access", prefix, Period.MONTH)
        found, refused = actions([batch], run, where, Addresses())
        assert refused == 0
        made += found
    return made


@settings(max_examples=60 if FULL else 3, deadline=None, suppress_health_check=list(HealthCheck))
@given(attested(), spoken(), st.lists(questions(), min_size=25, max_size=40))
def test_the_store_of_facts_answers_as_the_plain_one(elastic, facts, minutes, asked):
    client = client_of(elastic)
    try:
        templates.ensure(client, LEDGER, {"access"})
        prefix = client.settings.prefix
        minutes = {
            source: [replace(one, last=one.first) if one.count == 1 else one for one in held]
            for source, held in minutes.items()
        }
        made = [*fact_actions(facts, prefix, Period.MONTH), *spoken_documents(minutes, prefix)]
        if made:
            written = writing.Writer(client, threading.Event()).write(made)
            assert (written.created, written.dead) == (len(made), ())
            client.request("POST", f"/{prefix}-*/_refresh")
        facts_conformance.compare(ElasticFacts(client), MemoryFacts(facts, minutes), asked)
        assert {one.layer for one in ElasticFacts(client).speakers()} == {one.layer for one in facts} <= set(Layer)
    finally:
        retire.forget(client, retire.indices(client))
        for path in sorted(templates.found(client), reverse=True):
            client.request("DELETE", path)
        client.close()
