"""Different values and percentiles of the embedded engine: exact, and the same as counted by hand."""

from __future__ import annotations

import statistics

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_fakes import FakeArchive, TableParse, folder, follower

from some.errors import BadInput
from some.index.embedded import Embedded
from some.index.engine import MAX_PERCENTS, Query
from some.index.query.tree import Term

NUMBERS = st.lists(st.none() | st.integers(-(2**40), 2**40), max_size=30)
ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.0.1", "2001:db8::1"]


def engine(data, documents: list[dict[str, object]]):
    archive = FakeArchive()
    archive.open("access")
    held = {f"#{number}".encode(): flat for number, flat in enumerate(documents)}
    archive.add(0, *held)
    with follower(archive, data, TableParse(held)) as follows:
        follows.run_once()
    return Embedded(archive, folder(data))


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    flats = [
        {"source.ip": address, "source.port": 10 * number, "event.type": ["a", "a", f"t{number}"]}
        for number, address in enumerate(ADDRESSES)
    ]
    with engine(tmp_path_factory.mktemp("index"), flats) as opened:
        yield opened


def test_different_values_are_counted_once(four):
    assert four.distinct(Query(), "source.ip").count == 3
    assert four.distinct(Query(), "event.type").count == 5
    assert four.distinct(Query(), "user.name").count == 0
    assert four.distinct(Query(tree=Term("source.ip", "10.0.0.1")), "source.port").count == 2
    assert four.distinct(Query(), "source.ip").exact


def test_percentiles_lie_between_their_neighbours(four):
    found = four.percentiles(Query(), "source.port", [0, 50, 100, 25])
    assert (dict(found.values), found.count, found.exact) == ({0: 0.0, 50: 15.0, 100: 30.0, 25: 7.5}, 4, True)
    assert four.percentiles(Query(), "destination.port", [50]).values == {}


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(numbers=NUMBERS)
def test_they_are_what_one_counts_by_hand(tmp_path_factory, numbers):
    flats = [{"source.bytes": number} if number is not None else {} for number in numbers]
    present = [number for number in numbers if number is not None]
    with engine(tmp_path_factory.mktemp("index"), flats) as opened:
        assert opened.distinct(Query(), "source.bytes").count == len(set(present))
        found = opened.percentiles(Query(), "source.bytes", [0, 50, 100])
    if present:
        assert found.values == pytest.approx({0: min(present), 50: statistics.median(present), 100: max(present)})
    assert found.count == len(present)


@pytest.mark.parametrize("field", ["message", "some.text", "some.ref", "@timestamp", "no.such", 'a"; DROP'])
def test_some_fields_are_not_measured(four, field):
    with pytest.raises(BadInput):
        four.distinct(Query(), field)
    with pytest.raises(BadInput):
        four.percentiles(Query(), field, [50])


@pytest.mark.parametrize("percents", [[], [-1], [101], [float("nan")], [50] * (MAX_PERCENTS + 1)])
def test_percents_make_sense(four, percents):
    with pytest.raises(BadInput):
        four.percentiles(Query(), "source.port", percents)


def test_names_have_no_percentiles(four):
    with pytest.raises(BadInput):
        four.percentiles(Query(), "user.name", [50])
