"""Cutting stands before durability: it never raises, is bounded, and loses nothing."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from flow_messages import VARIABLE, alone, message, record, template_set, whole_set
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest import ipfix
from ingest.ipfix import Templates, cut

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "netflow"
EXPORTER = ("192.0.2.1", 40000)
FLOW = [(8, 4), (12, 4), (4, 1), (1, 8)]
NAMED = [(8, 4), (371, VARIABLE), (4, 1), (33, VARIABLE, 637)]
VERSIONS = pytest.mark.parametrize("version", [9, 10])


def values(index, fields=FLOW):
    return [bytes([index % 256] * (length if length != VARIABLE else index % 300)) for _, length, *_ in fields]


def decoded(raw):
    """Return what a stranger reads in a message of one template and one record, without any other message."""
    found = ipfix.read(raw)
    assert found is not None
    assert found.end == len(raw)
    told, data = found.sets
    (template,) = ipfix.templates_of(found, told)
    assert template.number == data[0]
    (one,) = template.records(found.body(data))
    return found, template, one


@VERSIONS
@pytest.mark.parametrize("fields", [FLOW, NAMED], ids=["fixed", "variable"])
@pytest.mark.parametrize("padding", [0, 3])
def test_each_record_becomes_a_message_that_needs_nothing_else(version, fields, padding):
    records = [record(fields, values(index, fields)) for index in (1, 2, 254, 255, 290)]
    known = Templates()
    announced = message(version, template_set(version, 300, fields), domain=5)
    assert cut(announced, EXPORTER, known) == [announced]
    data = message(version, whole_set(300, b"".join(records), padding), sequence=99, domain=5)
    found = cut(data, EXPORTER, known)
    assert [decoded(raw)[2] for raw in found] == records
    for raw in found:
        head, template, _ = decoded(raw)
        assert (head.version, head.domain, template.options) == (version, 5, False)
        assert [(one.element, one.length, one.enterprise) for one in template.fields] == [
            (element, length, *(enterprise if enterprise and version == 10 else [0]))
            for element, length, *enterprise in fields
        ]
        assert raw[4:16] == data[4:16], "export time, sequence and domain are as received"
        assert cut(raw, EXPORTER, Templates())[0] == raw, "a cut record is cut into itself"


@VERSIONS
def test_what_has_no_template_is_kept_as_received_and_never_guessed(version):
    data = message(version, whole_set(300, b"\x01" * 34))
    known = Templates()
    cut(message(version, template_set(version, 300, FLOW), domain=2), EXPORTER, known)
    cut(message(version, template_set(version, 301, FLOW)), EXPORTER, known)
    cut(message(19 - version, template_set(19 - version, 300, FLOW)), EXPORTER, known)
    cut(message(version, template_set(version, 300, FLOW)), ("192.0.2.2", 40000), known)
    assert cut(data, EXPORTER, known) == [data]
    cut(message(version, template_set(version, 300, FLOW)), EXPORTER, known)
    assert len(cut(data, EXPORTER, known)) == 2


@VERSIONS
def test_every_set_is_cut_or_kept(version):
    known = Templates()
    told, strange = template_set(version, 300, FLOW), whole_set(999, b"strange")
    rows = [record(FLOW, values(index)) for index in range(3)]
    found = cut(message(version, told, strange, whole_set(300, b"".join(rows))), EXPORTER, known)
    assert [decoded(raw)[2] for raw in found[:-1]] == rows
    assert found[-1] == message(version, told, strange)


@VERSIONS
def test_a_set_may_stand_before_its_template(version):
    row = record(FLOW, values(1))
    found = cut(message(version, whole_set(300, row), template_set(version, 300, FLOW)), EXPORTER, Templates())
    assert decoded(found[0])[2] == row


@VERSIONS
def test_a_template_that_changed_is_used_from_then_on(version):
    known = Templates()
    other = [(27, 16), (28, 16)]
    cut(message(version, template_set(version, 300, FLOW)), EXPORTER, known)
    old = cut(message(version, whole_set(300, record(FLOW, values(1)))), EXPORTER, known)
    row = record(other, values(2, other))
    both = message(version, template_set(version, 300, other), whole_set(300, row))
    new = cut(both, EXPORTER, known)
    assert decoded(old[0])[2] == record(FLOW, values(1))
    assert decoded(new[0])[2] == row
    assert decoded(new[0])[1].fields[0].element == 27


def test_a_template_that_does_not_fit_is_not_used():
    known = Templates()
    cut(message(10, template_set(10, 300, FLOW)), EXPORTER, known)
    data = message(10, whole_set(300, b"\x07" * (17 + 12)))
    assert cut(data, EXPORTER, known) == [data]


def test_two_exporters_with_the_same_template_number():
    known = Templates()
    other = [(12, 4), (8, 4), (4, 1), (2, 8)]
    cut(message(10, template_set(10, 300, FLOW)), EXPORTER, known)
    cut(message(10, template_set(10, 300, other)), ("192.0.2.2", 40000), known)
    cut(message(10, template_set(10, 300, [(1, 4)])), ("192.0.2.1", 50000), known)
    data = message(10, whole_set(300, record(FLOW, values(3))))
    elements = {
        exporter: [one.element for one in decoded(cut(data, exporter, known)[0])[1].fields]
        for exporter in (EXPORTER, ("192.0.2.2", 40000))
    }
    assert elements == {EXPORTER: [8, 12, 4, 1], ("192.0.2.2", 40000): [12, 8, 4, 2]}


def test_an_exporter_that_changed_its_port_is_still_understood():
    known = Templates()
    cut(message(10, template_set(10, 300, FLOW)), EXPORTER, known)
    assert decoded(cut(message(10, whole_set(300, record(FLOW, values(3)))), ("192.0.2.1", 50123), known)[0])


@VERSIONS
def test_options_are_kept_with_the_template_that_describes_them(version):
    known = Templates()
    told = template_set(version, 400, [(1, 4), (34, 4)], scope=1)
    assert cut(message(version, told), EXPORTER, known) == [message(version, told)]
    data = whole_set(400, b"\x00" * 7 + b"\x64")
    assert cut(message(version, data), EXPORTER, known) == [message(version, told, data)]


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\x00", b"\x00\x0a", b"\x00\x0a\x00\x10" + b"\x00" * 12, b"<134>text", b"\x00\x05" + b"\x00" * 70,
        message(10, whole_set(300, b"\x01" * 17))[:-1], message(10, whole_set(2, b"\x01\x00")),
        message(10, whole_set(2, struct.pack(">HH", 300, 50) + b"\x00\x08\x00\x04")),
        message(10, struct.pack(">HH", 300, 3)), message(9, struct.pack(">HH", 300, 9000)),
        message(10, template_set(10, 300, FLOW), struct.pack(">HH", 0, 0) + b"\x01"),
    ],
)  # fmt: skip
def test_damage_is_kept_as_received(raw):
    known = Templates()
    assert cut(raw, EXPORTER, known) == [raw]
    assert len(known) == 0, "nothing is learned from a damaged datagram"


def test_zeros_behind_the_last_set_are_padding_but_stay_with_what_is_not_cut():
    known = Templates()
    told = message(9, template_set(9, 300, FLOW)) + b"\x00" * 64
    assert cut(told, EXPORTER, known) == [told]
    found = cut(message(9, whole_set(300, record(FLOW, values(1)))) + b"\x00" * 1200, EXPORTER, known)
    assert [decoded(raw)[2] for raw in found] == [record(FLOW, values(1))]


def test_several_messages_in_one_datagram():
    one = alone(10, FLOW, values(1)) + alone(10, FLOW, values(2), sequence=8)
    assert [raw for raw in cut(one, EXPORTER, Templates()) if len(ipfix.read(raw).sets) == 2] == [
        alone(10, FLOW, values(1)), alone(10, FLOW, values(2), sequence=8),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "content"),
    [
        ([(1, 0)] * 16_000, b"\x01" * 60),
        ([(1, 0)] * 16_000 + [(4, 1)], b"\x01" * 1400),
        ([(371, VARIABLE)] + [(1, 0)] * 16_000, b"\x00" * 60_000),
        ([(371, VARIABLE)] * 16_000, b"\x00" * 60_000),
        ([(4, 1)], b"\x01" * 65_000),
        ([(1, 65_534)] * 16_000, b"\x01" * 60_000),
    ],
    ids=["nothing in it", "blown up", "zero-length fields", "variable", "one byte", "a gigabyte"],
)
def test_hostile_templates_cost_no_more_than_their_bytes(fields, content):
    known = Templates()
    for version in (9, 10):
        cut(message(version, template_set(version, 300, fields)), EXPORTER, known)
        data = message(version, whole_set(300, content))
        found = cut(data, EXPORTER, known)
        assert sum(map(len, found)) <= 16 * len(data) + 70_000
        assert sum(map(len, found)) >= len(content)


def test_the_memory_of_templates_is_bounded_and_keeps_what_is_used():
    known = Templates(limit_bytes=100_000)
    cut(message(10, template_set(10, 300, FLOW)), EXPORTER, known)
    data = message(10, whole_set(300, record(FLOW, values(1))))
    for forged in range(1000):
        peer = (f"198.51.100.{forged % 250}", 1024 + forged)
        cut(message(10, template_set(10, 300, FLOW), domain=forged), peer, known)
        assert decoded(cut(data, EXPORTER, known)[0])
    assert len(known) < 200


MUTATED = st.tuples(
    st.sampled_from([alone(9, FLOW, values(1)), alone(10, NAMED, values(9, NAMED)),
                     message(9, template_set(9, 400, [(1, 4), (34, 4)], scope=1), whole_set(400, b"12345678"))]),
    st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=4),
    st.integers(0, 130),
).map(lambda told: _mutated(*told))  # fmt: skip


def _mutated(raw, changes, length):
    found = bytearray(raw)
    for at, value in changes:
        found[at % len(found)] = value
    return bytes(found[: max(length, 1)]) if length < len(found) else bytes(found)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.one_of(MUTATED, st.binary(max_size=200)), max_size=6))
def test_no_bytes_make_it_raise_or_lose_a_datagram(datagrams):
    known = Templates()
    for datagram in datagrams:
        found = cut(datagram, EXPORTER, known)
        assert found
        for raw in found:
            assert raw == datagram or ipfix.read(raw) is not None
        assert sum(map(len, found)) <= 17 * len(datagram) + 70_000


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from([9, 10]),
    st.lists(
        st.one_of(
            st.tuples(st.integers(1, 32_000), st.integers(1, 20)), st.tuples(st.integers(1, 500), st.just(VARIABLE))
        ),
        min_size=1,
        max_size=12,
    ),
    st.integers(256, 65_535),
    st.lists(st.binary(min_size=300, max_size=300), min_size=1, max_size=5),
    st.integers(0, 3),
)
def test_round_trip(version, fields, number, seeds, padding):
    rows = []
    for seed in seeds:
        parts = [
            seed[:length] if length != VARIABLE else seed[: seed[at] + 40] for at, (_, length) in enumerate(fields)
        ]
        rows.append(record(fields, parts))
    if sum(1 if length == VARIABLE else length for _, length in fields) <= padding:
        padding = 0  # RFC 7011 section 3.3.1: shorter than any record that there may be
    told, data = template_set(version, number, fields), whole_set(number, b"".join(rows), padding)
    found = cut(message(version, told, data), EXPORTER, Templates())
    assert [decoded(raw)[2] for raw in found[:-1]] == rows
    assert found[-1] == message(version, told)


def test_the_corpus_is_cut_and_nothing_is_lost():
    files = sorted(CORPUS.glob("*.dat"))
    if not files:
        pytest.skip(f"no corpus in {CORPUS}")
    known = Templates()
    for file in [*files, *files]:  # templates stand in other files, some behind
        raw = file.read_bytes()
        found = cut(raw, (file.name.split("_tpl")[0].split("_data")[0].split("_opt")[0], 1), known)
        assert found == [raw] or all(ipfix.read(one) for one in found)
        assert sum(map(len, found)) >= len(raw.rstrip(b"\x00")) * 0.9
