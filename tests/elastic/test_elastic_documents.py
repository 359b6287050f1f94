"""What is sent holds what the embedded index would hold; what does not fit is left out and counted."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.ecs import date_text
from ingest.parsing import Batch
from some.index.elastic.documents import Addresses, Place, actions, nested, shown_time
from some.index.elastic.names import Period
from some.index.query.dsl import MOMENTS
from some.index.segments import SourceRun

AT = 1_795_428_000_123_456
PLACE = Place("deneme1", 7, "access", "some", Period.MONTH)


def made(columns, count: int = 1, rows=None):
    run = SourceRun(
        "fw1", list(range(count)), [AT] * count, ["udp:192.0.2.7:514"] * count, [b"m%d" % n for n in range(count)]
    )
    batch = Batch(rows or list(range(count)), {"@timestamp": [AT] * count, "event.kind": ["event"] * count, **columns})
    found, refused = actions([batch], run, PLACE, Addresses())
    return [orjson.loads(one.lines.split(b"\n")[1]) for one in found], refused


@given(st.integers(*MOMENTS))
def test_times_are_written_as_everywhere(microseconds):
    assert shown_time(microseconds) == date_text(microseconds)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("source.ip", "10.0.0.300"),
        ("source.port", "443"),
        ("source.port", True),
        ("source.port", 2**63),
        ("user.name", 5),
        ("user.name", "\ud800"),
        ("event.type", ["a", 5]),
        ("event.type", "a"),
        ("event.start", "2026"),
    ],
)
def test_what_does_not_fit_is_left_out_and_counted(field, value):
    (bad, good), refused = made({field: [value, None], "host.hostname": ["a", "b"]}, 2)
    assert refused == 1
    assert field not in bad
    assert bad["host.hostname"] == "a"
    assert good["host.hostname"] == "b"


def test_rows_in_any_order_keep_their_references():
    documents, _ = made({"source.port": [1, 2, 3]}, 3, rows=[2, 0, 1])
    assert [(one["some.ref"][-1], one["source.port"], one["event.original"]) for one in documents] == [
        ("2", 1, "m2"),
        ("0", 2, "m0"),
        ("1", 3, "m1"),
    ]


@pytest.mark.parametrize("moment", [MOMENTS[0] - 1, MOMENTS[1] + 1])
def test_a_time_that_the_server_cannot_hold_is_kept_for_those_who_read(moment):
    (document,), refused = made({"@timestamp": [moment]})
    assert refused == 0
    assert document["@timestamp"] == date_text(min(max(moment, MOMENTS[0]), MOMENTS[1]))
    assert document["some.at"] == moment
    shown = nested(document)
    assert shown["@timestamp"] == date_text(moment)
    assert set(shown["some"]) == {"ref", "class", "source", "origin", "received_at"}


def test_addresses_are_canonical():
    (document,), _ = made({"source.ip": ["2001:DB8:0::1"], "dns.resolved_ip": [["::ffff:192.0.2.1", "192.0.2.2"]]})
    assert document["source.ip"] == "2001:db8::1"
    assert document["dns.resolved_ip"] == ["192.0.2.1", "192.0.2.2"]
