"""Names are functions of the record; periods do not overlap and leave no gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from some.index.elastic import names
from some.index.elastic.names import Period
from some.index.engine import to_us
from some.index.facts.fact import Layer
from some.record import RecordRef

moments = st.datetimes(datetime(1970, 1, 1), datetime(2261, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))  # noqa: DTZ001
periods = st.sampled_from(Period)


@given(moments, periods)
def test_an_index_ends_behind_what_it_received_and_not_before(moment, period):
    index = names.index_of("some", "access", period, to_us(moment))
    over = names.ends_at(index)
    assert over is not None
    assert moment < over
    assert names.ended(index, over)
    assert not names.ended(index, over - timedelta(microseconds=1))
    last = names.index_of("some", "access", period, to_us(over) - 1)
    after = names.index_of("some", "access", period, to_us(over))
    assert last == index != after
    assert names.class_of("some", index) == "access"
    assert names.layer_of("some", index) is None


@given(moments, periods, st.sampled_from(Layer))
def test_an_index_of_facts_is_none_of_records(moment, period, layer):
    index = names.fact_index_of("some", layer, period, to_us(moment))
    assert names.layer_of("some", index) == layer
    assert names.class_of("some", index) is None
    assert names.ends_at(index) == names.ends_at(names.index_of("some", "mail", period, to_us(moment)))


@pytest.mark.parametrize(
    "foreign",
    [
        "some-access-2026.13",
        "some-access-2026.00",
        "some-access-2026.w54",
        "some-access-2026.02.30",
        "some-access",
        "other-access-2026.11",
        "some-access-old-2026.11",
        "some-access-2026.11x",
        ".some-access-2026.11",
    ],
)
def test_what_is_not_ours_is_never_dropped(foreign):
    assert names.class_of("some", foreign) is None
    assert names.layer_of("some", foreign) is None


@given(st.integers(0, 10**12), st.integers(0, 10**12))
def test_both_ways_to_an_identity_agree(segment, position):
    ref = RecordRef("deneme1", segment, position)
    assert names.identities("deneme1", segment)(position) == names.document_id(ref)
    assert len({names.document_id(ref), names.fact_id(ref, 0), names.fact_id(ref, 1)}) == 3


def test_a_week_belongs_to_the_year_of_its_thursday():
    assert names.index_of("some", "dns", Period.WEEK, to_us(datetime(2027, 1, 2, tzinfo=UTC))) == "some-dns-2026.w53"
    assert names.ends_at("some-dns-2026.w53") == datetime(2027, 1, 4, tzinfo=UTC)
    assert names.ends_at("some-dns-2026.12") == datetime(2027, 1, 1, tzinfo=UTC)
