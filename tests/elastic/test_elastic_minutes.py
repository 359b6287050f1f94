"""Roll-ups of minutes on a real server: equal to counting, found only while they are true, dropped with their month."""

from __future__ import annotations

import itertools
import random
import threading
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from elastic_lines import BEFORE, follows, network, place, until
from hypothesis import given
from hypothesis import strategies as st

from ingest.parsing import Batch
from some.clock import SimulatedClock
from some.durable import Disk
from some.index.elastic import minutes as counting
from some.index.elastic import names, retire, templates, writing
from some.index.elastic.documents import Addresses, Place, actions
from some.index.elastic.facts import ElasticFacts
from some.index.elastic.minutes import DAY_US, MINUTE_US, Broken, Day
from some.index.elastic.names import Period
from some.index.elastic.rollup import RollUps
from some.index.elastic.transport import ElasticSettings, connect
from some.index.engine import to_us
from some.index.facts.fact import Layer, Minute, Span
from some.index.segments import SourceRun

LEDGER = "deneme1"
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY = to_us(NOW) // DAY_US
FIRST = TODAY - 40
_prefixes = (f"dakika{number}" for number in itertools.count())
_segments = itertools.count(1)


class Spoken:
    """A server's indices with documents of sources, and who counts their minutes."""

    def __init__(self, server) -> None:
        self.server = server
        self.client = connect(ElasticSettings((server.url,), prefix=next(_prefixes), replicas=0, period=Period.MONTH))
        self.prefix = self.client.settings.prefix
        templates.ensure(self.client, LEDGER, {"access", "audit"})
        self.ticks = 0.0

    def say(self, source, moments, *, received=None, record_class="access", origin="udp:192.0.2.7:514"):
        """Write a document for each moment, and tell that the source attests facts."""
        count = len(moments)
        told = [received if received is not None else one for one in moments]
        run = SourceRun(source, list(range(count)), told, [origin] * count, [b"x"] * count)
        delays = [None if one % 7 == 0 else one % 450 for one in moments]
        columns = {"@timestamp": list(moments), "event.kind": ["event"] * count, "some.delay": delays}
        where = Place(LEDGER, next(_segments), record_class, self.prefix, Period.MONTH)
        made, refused = actions([Batch(list(range(count)), columns)], run, where, Addresses())
        assert refused == 0
        for group in writing.bulks(made, documents=2_000, size=5_000_000):
            assert writing.Writer(self.client, threading.Event()).write(group).dead == ()
        fact = {"@timestamp": "2026-11-01T00:00:00Z", "source": source, "layer": "nat"}
        where = f"{names.facts_alias(self.prefix, Layer.NAT)}-2026.11"
        assert self.server.call("POST", f"/{where}/_doc", fact)[0] == 201
        self.refresh()

    def refresh(self):
        self.client.request("POST", f"/{self.prefix}-*/_refresh")

    def roll_up(self):
        """Do what an idle follower does, until there is nothing more to do."""
        rolls = RollUps(self.client, SimulatedClock(NOW), ticks=lambda: self.ticks)
        while rolls.turn():
            pass
        self.refresh()
        assert rolls.made.failed == 0
        return rolls.made.days

    def held(self):
        """Return every roll-up: index, id and content."""
        self.refresh()
        where = f"/{names.minutes_alias(self.prefix)}-*/_search?ignore_unavailable=true"
        return self.server.call("POST", where, {"size": 1000})[1]["hits"]["hits"]

    def same(self, source, spans):
        """Compare with counting; returns how often the new store counted."""
        facts = ElasticFacts(self.client)
        for span in spans:
            assert facts.minutes(source, span) == counting.counted(self.client, source, span), (source, span)

    def close(self):
        retire.forget(self.client, retire.indices(self.client))
        for path in sorted(templates.found(self.client), reverse=True):
            self.client.request("DELETE", path)
        self.client.close()


@pytest.fixture
def spoken(elastic):
    made = Spoken(elastic)
    yield made
    made.close()


def moments(draw, count, first=FIRST, last=TODAY):
    return [draw.randrange(first * DAY_US, (last + 1) * DAY_US) for _ in range(count)]


def spans(draw, count):
    made = []
    for _ in range(count):
        start = draw.randrange((FIRST - 2) * DAY_US, (TODAY + 2) * DAY_US)
        made.append(Span(start, start + draw.choice([0, MINUTE_US, 7_200_000_000, 3 * DAY_US, 20 * DAY_US])))
    return made


def counted_calls(monkeypatch):
    calls = []
    real = counting.counted

    def spy(client, source, span):
        calls.append((source, span.start // DAY_US))
        return real(client, source, span)

    monkeypatch.setattr(counting, "counted", spy)
    return calls


def test_what_is_read_is_what_would_be_counted(spoken, monkeypatch):
    draw = random.Random(5651)
    spoken.say("fw1", [*moments(draw, 3_000), *moments(draw, 500, TODAY - 3, TODAY - 3)])
    spoken.say("fw1", moments(draw, 50), record_class="audit")
    spoken.say("fw1", moments(draw, 50), origin="gap:fw1")
    spoken.say("dhcp1", moments(draw, 400))
    asked = [*spans(draw, 25), Span(0, 2**61), Span(-5, 5), Span(FIRST * DAY_US, (FIRST + 1) * DAY_US - 1)]
    for source in ("fw1", "dhcp1", "silent"):
        spoken.same(source, asked)
    made = spoken.roll_up()
    assert made == len(spoken.held()) > 40
    assert {one["_source"]["day"] for one in spoken.held()} <= set(range(FIRST, TODAY))
    for source in ("fw1", "dhcp1", "silent"):
        spoken.same(source, asked)
    calls = counted_calls(monkeypatch)
    facts = ElasticFacts(spoken.client)
    for day in range(FIRST, TODAY):
        facts.minutes("fw1", counting.of_day(day))
    assert calls == []
    facts.minutes("fw1", counting.of_day(TODAY))
    assert calls == [("fw1", TODAY)]


def test_a_late_record_makes_its_day_stale_and_a_new_roll_up_is_made(spoken, monkeypatch):
    draw = random.Random(1)
    day = TODAY - 5
    spoken.say("fw1", moments(draw, 200, day - 2, day))
    assert spoken.roll_up() == 3
    assert spoken.roll_up() == 0
    late = day * DAY_US + 43_200_000_123
    spoken.say("fw1", [late], received=to_us(NOW))
    calls = counted_calls(monkeypatch)
    found = ElasticFacts(spoken.client).minutes("fw1", counting.of_day(day))
    assert calls == [("fw1", day)]
    assert any(one.first <= late <= one.last for one in found)
    assert spoken.roll_up() == 1
    calls.clear()
    assert ElasticFacts(spoken.client).minutes("fw1", counting.of_day(day)) == found
    assert calls == []


def test_what_retention_drops_is_not_told_of_any_more_though_as_many_came(spoken):
    day = to_us(datetime(2026, 11, 1, tzinfo=UTC)) // DAY_US
    early = [day * DAY_US + number * MINUTE_US for number in range(20)]
    october = to_us(datetime(2026, 10, 31, 23, 59, tzinfo=UTC))
    spoken.say("fw1", early, received=october)
    assert spoken.roll_up() == 1
    later = [day * DAY_US + number * MINUTE_US for number in range(100, 120)]
    assert retire.retire(spoken.client, datetime(2026, 11, 1, tzinfo=UTC), record_class="access")
    assert ElasticFacts(spoken.client).minutes("fw1", counting.of_day(day)) == []
    spoken.say("fw1", later)
    found = ElasticFacts(spoken.client).minutes("fw1", counting.of_day(day))
    assert [one.first for one in found] == later


@pytest.mark.parametrize(
    "harm",
    [
        {"counted": 7},
        {"packed": "AAAA"},
        {"packed": Day.of([Minute(5, 300_000_000, 300_000_001, 3, {})]).packed()},
        {"source": "baska"},
        {"day": 3},
    ],
    ids=["counted", "broken", "packed", "source", "day"],
)
def test_a_roll_up_that_is_not_about_what_it_should_be_is_not_used(spoken, harm):
    day = TODAY - 2
    spoken.say("fw1", moments(random.Random(2), 60, day, day))
    assert spoken.roll_up() == 1
    (held,) = spoken.held()
    target = f"/{held['_index']}/_doc/{held['_id']}?refresh=true"
    assert spoken.server.call("PUT", target, {**held["_source"], **harm})[0] == 200
    spoken.same("fw1", [counting.of_day(day)])


def test_losing_all_roll_ups_loses_nothing_and_they_go_with_their_month(spoken):
    draw = random.Random(3)
    spoken.say("fw1", moments(draw, 300))
    spoken.roll_up()
    before = sorted((one["_index"], one["_id"], orjson.dumps(one["_source"])) for one in spoken.held())
    indices = {one[0] for one in before}
    assert indices == {f"{spoken.prefix}-fact-minute-2026.{month}" for month in (10, 11)}
    assert indices <= set(retire.indices(spoken.client))
    over = retire.over(spoken.client, datetime(2026, 11, 2, tzinfo=UTC))
    assert [name for name in over if "minute" in name] == [f"{spoken.prefix}-fact-minute-2026.10"]
    retire.forget(spoken.client, sorted(indices))
    spoken.same("fw1", spans(draw, 5))
    spoken.roll_up()
    assert sorted((one["_index"], one["_id"], orjson.dumps(one["_source"])) for one in spoken.held()) == before


def test_roll_ups_are_no_facts_and_no_records(spoken):
    spoken.say("fw1", moments(random.Random(4), 100))
    spoken.roll_up()
    for alias in (names.facts_alias(spoken.prefix), names.records(spoken.prefix, None)):
        status, answer = spoken.server.call("GET", f"/{alias}/_alias")
        assert status == 200
        assert not [name for name in answer if "minute" in name]
    assert ElasticFacts(spoken.client).speakers()[0].source == "fw1"


def test_a_large_day_without_a_roll_up_is_counted_in_parts(spoken, monkeypatch):
    monkeypatch.setattr(counting, "_MANY", 50)
    draw = random.Random(6)
    spoken.say("fw1", moments(draw, 400, TODAY - 3, TODAY - 1))
    spoken.same("fw1", spans(draw, 10))
    calls = counted_calls(monkeypatch)
    ElasticFacts(spoken.client).minutes("fw1", Span((TODAY - 2) * DAY_US, (TODAY - 2) * DAY_US + MINUTE_US))
    assert len(calls) == 1


def test_a_server_that_is_away_is_asked_again_after_a_rest():
    client = connect(ElasticSettings(("http://127.0.0.1:9",), timeout_s=1))
    ticks = [0.0]
    rolls = RollUps(client, SimulatedClock(NOW), ticks=lambda: ticks[0])
    assert [rolls.turn(), rolls.turn(), rolls.made.failed] == [False, False, 1]
    ticks[0] += timedelta(hours=1).total_seconds()
    rolls.turn()
    assert rolls.made.failed == 2
    client.close()


@st.composite
def days(draw):
    made = []
    for minute in sorted(draw(st.sets(st.integers(0, 40_000_000), max_size=30))):
        first = minute * MINUTE_US + draw(st.integers(-(10**12), 10**12))
        delays = draw(st.dictionaries(st.integers(-(10**9), 10**9), st.integers(1, 10**6), max_size=4))
        count = sum(delays.values()) + draw(st.integers(0, 5))
        made.append(Minute(minute, first, first + draw(st.integers(0, MINUTE_US)), count, delays))
    return made


@given(days(), st.integers(0, 40_000_000), st.integers(0, 40_000_000))
def test_packed_and_unpacked_it_is_the_same(made, first, last):
    day = Day.unpacked(Day.of(made).packed())
    assert day.between(0, 40_000_000) == made
    assert day.between(first, last) == [one for one in made if first <= one.minute <= last]
    assert day.counted == sum(one.count for one in made)


@given(days(), st.data())
def test_what_is_cut_or_changed_never_passes_for_another_day(made, data):
    packed = Day.of(made).packed()
    at = data.draw(st.integers(0, len(packed) - 1))
    for harmed in (packed[:at], packed[:at] + data.draw(st.sampled_from("Az9+/=!")) + packed[at + 1 :]):
        try:
            found = Day.unpacked(harmed).between(0, 40_000_000)
        except Broken:
            continue
        assert found == made


def test_a_follower_that_has_nothing_else_to_do_makes_them(elastic, tmp_path):
    client = connect(ElasticSettings((elastic.url,), prefix=next(_prefixes), replicas=0))
    archive = network(120)
    stop = threading.Event()
    with follows(archive, client, tmp_path, clock=SimulatedClock(NOW)) as following:
        running = threading.Thread(target=following.run, args=(stop,))
        running.start()
        try:
            where = f"/{names.minutes_alias(client.settings.prefix)}-*/_count?ignore_unavailable=true"
            sources = 3  # proxy, firewall and DHCP attest facts, the host with words does not
            until(lambda: elastic.call("GET", where)[1].get("count", 0) >= sources, "roll-ups are made")
        finally:
            stop.set()
            running.join()
    spans_ = [Span(to_us(BEFORE) - DAY_US, to_us(BEFORE) + 2 * DAY_US)]
    for source in ("proxy1", "fw1", "dhcp1", "sunucu1"):
        for span in spans_:
            assert ElasticFacts(client).minutes(source, span) == counting.counted(client, source, span)
    retire.wipe(client, place(tmp_path), tmp_path / "run" / "elastic.lock", Disk())
    assert retire.indices(client) == []
    client.close()
