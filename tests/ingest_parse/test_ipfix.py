"""What flow records mean: NAT events in both numberings, NSEL, flows with NAT fields; and what they must not say."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from flow_messages import EXPORTED, UPTIME, VARIABLE, alone, ip, message, number, record, template_set, whole_set
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.ipfix import Templates, cut
from ingest.parsing import Parsing, SourceHints

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus" / "netflow"
RECEIVED = (EXPORTED + 2) * 1_000_000
SECOND = 1_000_000
AT = 1_795_458_943_123
"""The moment of events, in milliseconds."""

INNER, PUBLIC, SERVER = "10.20.30.41", "198.51.100.7", "203.0.113.80"
ENDPOINTS = [(8, 4, ip(INNER)), (7, 2, number(51022, 2)), (225, 4, ip(PUBLIC)), (227, 2, number(40001, 2)),
             (4, 1, number(6, 1))]  # fmt: skip
TARGET = [(12, 4, ip(SERVER)), (11, 2, number(443, 2))]
BLOCK = [(8, 4, ip(INNER)), (225, 4, ip(PUBLIC)), (361, 2, number(1024, 2)), (362, 2, number(2047, 2))]
MOMENT = [(323, 8, number(AT, 8))]


def documents(messages, hints=None):
    parsing = Parsing()
    found = [{} for _ in messages]
    batches = parsing.parse_block(
        messages,
        [RECEIVED] * len(messages),
        hints or SourceHints("gw", "access"),
        ["udp:192.0.2.1:40000"] * len(messages),
    )
    for batch in batches:
        for name, values in batch.columns.items():
            for row, value in zip(batch.rows, values, strict=True):
                if value is not None:
                    found[row][name] = value
    return found


def one(fields, version=10, **header):
    """Parse a record of (element, length, bytes)."""
    (document,) = documents([alone(version, [field[:2] for field in fields], [field[2] for field in fields], **header)])
    return document


def event(value):
    return [(230, 1, number(value, 1))]


@pytest.mark.parametrize(
    ("value", "fields", "fact"),
    [
        (4, ENDPOINTS + TARGET, "session.opened"), (5, ENDPOINTS + TARGET, "session.closed"),
        (1, ENDPOINTS + TARGET, "session.opened"), (2, ENDPOINTS + TARGET, "session.closed"),
        (4, ENDPOINTS, "translation.opened"), (5, ENDPOINTS, "translation.closed"),
        (8, ENDPOINTS, "translation.opened"), (9, ENDPOINTS, "translation.closed"),
        (6, ENDPOINTS, "translation.opened"), (7, ENDPOINTS, "translation.closed"),
        (16, BLOCK, "block.opened"), (17, BLOCK, "block.closed"),
        (14, BLOCK, "block.opened"), (15, BLOCK, "block.closed"),
        (14, ENDPOINTS, None), (15, ENDPOINTS, None), (12, ENDPOINTS, None), (3, ENDPOINTS, None),
        (13, BLOCK, None), (18, ENDPOINTS, None), (99, ENDPOINTS + TARGET, None),
        (16, ENDPOINTS + TARGET, None), (8, ENDPOINTS[:3], None), (16, BLOCK[:1] + BLOCK[2:], None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", [9, 10])
def test_nat_events_in_the_numbers_of_rfc_8158_and_of_its_drafts(version, value, fields, fact):
    document = one(MOMENT + event(value) + fields, version)
    assert document.get("some.fact") == fact
    assert document["event.code"] == str(value)
    assert document["@timestamp"] == AT * 1000
    assert document["source.ip"] == INNER
    if fact is None:
        assert document["event.action"] == f"nat-event-{value}"


def test_a_translation_has_all_that_the_fact_needs():
    document = one(MOMENT + event(4) + ENDPOINTS + TARGET + [(234, 4, number(12, 4)), (148, 8, number(77, 8))])
    wanted = {
        "source.ip": INNER, "source.port": 51022, "source.nat.ip": PUBLIC, "source.nat.port": 40001,
        "destination.ip": SERVER, "destination.port": 443, "network.transport": "tcp", "network.iana_number": "6",
        "some.vdom": "12", "some.session.id": "77", "event.action": "nat-session-created", "event.module": "ipfix",
        "event.kind": "event", "some.delay": 2000,
    }  # fmt: skip
    assert {name: document[name] for name in wanted} == wanted


def test_a_block_is_inclusive_and_one_with_gaps_is_none():
    assert (document := one(MOMENT + event(16) + BLOCK))["some.nat.port_last"] == 2047
    assert document["some.nat.port_first"] == 1024
    sized = [*BLOCK[:3], (364, 2, number(512, 2))]
    assert one(event(16) + sized)["some.nat.port_last"] == 1535
    gaps = [*sized, (363, 2, number(64, 2))]
    assert "some.fact" not in one(event(16) + gaps)
    assert "some.fact" not in one([*event(16), *BLOCK[:3], (362, 2, number(1000, 2))])


def test_zeros_are_no_public_side():
    blank = [(8, 4, ip(INNER)), (225, 4, bytes(4)), (227, 2, bytes(2))]
    document = one(event(4) + blank + TARGET)
    assert document["some.fact"] == "session.opened"
    assert "source.nat.ip" not in document
    assert "source.nat.port" not in document
    assert "some.fact" not in one(event(4) + blank)


NAT64 = [(27, 16, ip("2001:db8::41")), (225, 4, ip(PUBLIC)), (227, 2, number(40001, 2))]


def test_nat64_and_ipv6():
    document = one(event(6) + NAT64 + [(28, 16, ip("64:ff9b::cb00:7150"))])
    assert (document["source.ip"], document["source.nat.ip"]) == ("2001:db8::41", PUBLIC)
    assert document["some.fact"] == "session.opened"
    assert one(event(10) + NAT64)["some.fact"] == "translation.opened"


NSEL_OLD = [(148, 4, number(9001, 4)), (8, 4, ip(INNER)), (7, 2, number(51022, 2)), *TARGET, (4, 1, number(6, 1)),
            (40001, 4, ip(PUBLIC)), (40002, 4, ip(SERVER)), (40003, 2, number(40001, 2)), (40004, 2, number(443, 2)),
            (323, 8, number(AT, 8)), (40000, 20, b"ayse".ljust(20, b"\0"))]  # fmt: skip
NSEL = [*NSEL_OLD[:6], (225, 4, ip(PUBLIC)), (226, 4, ip(SERVER)), (227, 2, number(40001, 2)), (228, 2, number(443, 2)),
        (323, 8, number(AT, 8)), (231, 4, number(81, 4)), (232, 4, number(763, 4)), (152, 8, number(AT - 9000, 8)),
        (40000, 20, b"ayse".ljust(20, b"\0"))]  # fmt: skip


@pytest.mark.parametrize(("fields", "element"), [(NSEL_OLD, 40005), (NSEL, 233)], ids=["8.x", "9.1"])
@pytest.mark.parametrize(
    ("value", "fact"),
    [(1, "session.opened"), (2, "session.closed"), (5, "session.seen"), (3, None), (4, None), (0, None)],
)
def test_nsel_of_both_generations(fields, element, value, fact):
    document = one([*fields, (element, 1, number(value, 1))], 9)
    assert document.get("some.fact") == fact
    assert document["some.session.id"] == "9001"
    assert (document["source.nat.ip"], document["source.nat.port"]) == (PUBLIC, 40001)
    assert document["source.user.name"] == document["user.name"] == "ayse"
    assert document["@timestamp"] == AT * 1000
    if element == 233:
        assert document["event.start"] == (AT - 9000) * 1000
        assert (document["source.bytes"], document["destination.bytes"]) == (81, 763)


def test_cisco_elements_mean_nothing_in_ipfix():
    assert "source.nat.ip" not in one(NSEL_OLD, 10)


INIT = (EXPORTED - 100) * 1000
SPANS = {
    "seconds": [(150, 4, number(EXPORTED - 60, 4)), (151, 4, number(EXPORTED - 10, 4))],
    "milliseconds": [(152, 8, number((EXPORTED - 60) * 1000, 8)), (153, 8, number((EXPORTED - 10) * 1000, 8))],
    "NTP micro": [(154, 8, struct.pack(">II", EXPORTED - 60 + 2_208_988_800, 0)),
                  (155, 8, struct.pack(">II", EXPORTED - 10 + 2_208_988_800, 0))],
    "NTP nano": [(156, 8, struct.pack(">II", EXPORTED - 60 + 2_208_988_800, 0)),
                 (157, 8, struct.pack(">II", EXPORTED - 10 + 2_208_988_800, 0))],
    "micro from 1970": [(154, 8, number((EXPORTED - 60) * SECOND, 8)), (155, 8, number((EXPORTED - 10) * SECOND, 8))],
    "before export": [(158, 4, number(60 * SECOND, 4)), (159, 4, number(10 * SECOND, 4))],
    "uptime": [(160, 8, number(INIT, 8)), (22, 4, number(40_000, 4)), (21, 4, number(90_000, 4))],
    "uptime that wrapped": [(160, 8, number(INIT - 2**32, 8)), (22, 4, number(40_000, 4)), (21, 4, number(90_000, 4))],
}  # fmt: skip


@pytest.mark.parametrize("unit", SPANS)
def test_a_flow_with_nat_fields_is_a_session_in_every_unit_of_time(unit):
    document = one(ENDPOINTS + TARGET + SPANS[unit])
    assert document["some.fact"] == "session"
    assert (document["event.start"], document["event.end"]) == ((EXPORTED - 60) * SECOND, (EXPORTED - 10) * SECOND)
    assert document["@timestamp"] == document["event.end"]
    assert document["event.duration"] == 50 * 10**9
    assert document["some.delay"] == 2000, "counted from the export: flows are told long after they end"


def test_netflow_9_counts_from_its_header_also_over_the_wrap():
    ticks = [(22, 4, number(UPTIME - 60_000, 4)), (21, 4, number(UPTIME - 10_000, 4))]
    assert one(ENDPOINTS + TARGET + ticks, 9)["event.start"] == (EXPORTED - 60) * SECOND
    wrapped = [(22, 4, number(2**32 - 50_000, 4)), (21, 4, number(0, 4))]
    document = one(ENDPOINTS + TARGET + wrapped, 9, uptime=10_000)
    assert document["event.start"] == (EXPORTED - 60) * SECOND
    assert document["event.end"] == (EXPORTED - 10) * SECOND


@pytest.mark.parametrize(
    "fields",
    [
        ENDPOINTS + TARGET,
        ENDPOINTS + TARGET + [(22, 4, number(1000, 4)), (21, 4, number(2000, 4))],
        ENDPOINTS + SPANS["seconds"],
        [ENDPOINTS[0], *TARGET, *SPANS["seconds"]],
        ENDPOINTS + TARGET + SPANS["seconds"][:1],
        ENDPOINTS + TARGET + SPANS["seconds"][1:],
        [(8, 4, ip(SERVER)), (225, 4, ip(SERVER)), (12, 4, ip(PUBLIC)), (226, 4, ip(INNER)), *SPANS["seconds"]],
        [*ENDPOINTS[:2], *TARGET, *SPANS["seconds"], (233, 1, number(2, 1))],
    ],
    ids=["no times", "no start of time", "no server", "no NAT", "no end", "no start", "an answer", "no side began"],
)
def test_what_is_no_session(fields):
    document = one(fields)
    assert "some.fact" not in document
    assert document["event.kind"] == "event"


@pytest.mark.parametrize("value", [0, 1, 2, 4, 5])
def test_a_flow_that_is_marked_with_an_event_attests_its_own_span(value):
    document = one(event(value) + ENDPOINTS + TARGET + SPANS["milliseconds"])
    assert document["some.fact"] == "session"
    assert document["event.end"] == (EXPORTED - 10) * SECOND
    timed = one(event(value) + MOMENT + ENDPOINTS + TARGET + SPANS["milliseconds"])
    assert timed["some.fact"] == {0: "session", 1: "session.opened", 4: "session.opened"}.get(value, "session.closed")
    assert "some.fact" not in one(event(0) + ENDPOINTS + TARGET)


@pytest.mark.parametrize("wrong", [0, 5000, 2**62])
def test_an_event_time_far_from_the_export_is_not_believed(wrong):
    document = one([(323, 8, number(wrong, 8)), *event(4), *ENDPOINTS, *TARGET])
    assert document["@timestamp"] == EXPORTED * SECOND
    assert document["some.fact"] == "session.opened"


def test_variable_lengths_and_elements_of_others():
    fields = [(371, VARIABLE), (8, 4), (1, 8), (1, 8, 29305), (8, 4, 5951), (96, VARIABLE), (56, 6)]
    values = [b"ayse", ip(INNER), number(10, 8), number(20, 8), ip(SERVER), b"x" * 300, bytes.fromhex("00005e005323")]
    (document,) = documents([alone(10, fields, values)])
    assert document["user.name"] == "ayse"
    assert (document["source.ip"], document["source.mac"]) == (INNER, "00-00-5E-00-53-23")
    assert (document["source.bytes"], document["destination.bytes"]) == (10, 20)
    assert document["network.application"].startswith("xxx")


FIELDS = [(8, 4), (12, 4)]
ROW = record(FIELDS, [ip(INNER), ip(SERVER)])
TOLD = template_set(10, 256, FIELDS)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (message(10, whole_set(256, ROW)), "template 256 was not known"),
        (message(10, TOLD, whole_set(256, ROW + ROW)), "more than one"),
        (message(10, TOLD, whole_set(256, ROW[:5])), "does not fit"),
        (message(10, TOLD, whole_set(256, ROW))[:-1], "do not add up"),
        (message(10, whole_set(2, struct.pack(">HH", 300, 9))), "template does not add up"),
        (b"\x00\x0a", "do not add up"),
    ],
)
def test_what_cannot_be_decoded_says_why(raw, reason):
    (document,) = documents([raw])
    assert document["event.kind"] == "pipeline_error"
    assert document["error.message"].startswith("ipfix: ")
    assert reason in document["error.message"]
    assert document["@timestamp"] == RECEIVED


def test_templates_and_options_are_events_without_facts():
    options = template_set(10, 400, [(1, 4), (34, 4)], scope=1)
    told, described = documents([message(10, TOLD), message(10, options, whole_set(400, bytes(8)))])
    assert (told["event.action"], described["event.action"]) == ("templates", "options")
    assert told["@timestamp"] == described["@timestamp"] == EXPORTED * SECOND
    assert not {"some.fact", "error.message"} & (told.keys() | described.keys())


def test_flows_and_texts_share_a_block_and_each_keeps_its_place():
    flow = alone(10, FIELDS, [ip(INNER), ip(SERVER)])
    text = b"1795458943.123 184 10.20.30.41 TCP_MISS/200 4512 GET http://www.example.org/ - HIER_DIRECT/203.0.113.80 a"
    found = documents([text, flow, b"", text, flow, b"\x00\x09"])
    assert [document.get("event.module") for document in found] == ["squid", "ipfix", None, "squid", "ipfix", None]
    assert "destination.ip" in found[1]
    (refused,) = documents([flow], SourceHints("gw", "access", "squid"))
    assert refused["event.kind"] == "pipeline_error"


def test_one_record_alone_says_what_it_says_among_others():
    fields = [*FIELDS, (230, 1), (225, 4), (227, 2)]
    rows = [
        [ip(f"10.20.30.{index}"), ip(SERVER), number(index % 20, 1), ip(PUBLIC), number(index * 7, 2)]
        for index in range(40)
    ]
    datagram = message(10, template_set(10, 256, fields), whole_set(256, b"".join(record(fields, row) for row in rows)))
    cuts = cut(datagram, ("192.0.2.1", 1), Templates())[:-1]
    together = documents(cuts)
    assert [document["source.ip"] for document in together[1:]] == [f"10.20.30.{index}" for index in range(1, 40)]
    assert [documents([raw])[0] for raw in cuts] == together


ANY_FIELD = st.tuples(
    st.sampled_from([1, 4, 7, 8, 12, 21, 22, 27, 56, 96, 148, 152, 154, 156, 158, 160, 225, 227, 230, 233, 234, 236,
                     323, 361, 362, 363, 364, 371, 40000, 40001, 40005, 9999]),
    st.one_of(st.sampled_from([1, 2, 4, 6, 8, 16]), st.integers(0, 40), st.just(VARIABLE)),
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from([9, 10]),
    st.lists(ANY_FIELD, min_size=1, max_size=20),
    st.binary(min_size=700, max_size=700),
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=3),
)
def test_no_values_make_it_raise(version, fields, seed, times, changes):
    values, position = [], 0
    for _, length in fields:
        length = seed[position] % 30 if length == VARIABLE else length  # noqa: PLW2901 - what this record has
        values.append(seed[position : position + length])
        position += length
    raw = bytearray(alone(version, fields, values, exported=times[0], uptime=times[1]))
    for at, value in changes:
        raw[at % len(raw)] = value
    (document,) = documents([bytes(raw)])
    assert document["event.kind"] in {"event", "pipeline_error"}
    for name in ("@timestamp", "event.start", "event.end", "event.duration", "some.delay"):
        assert abs(document.get(name, 0)) < 2**63


EXPECTED = {
    "cisco_asa_2": {"session.opened": 4, "session.closed": 8, "session.seen": 7},
    "cisco_asa_1": {"session.closed": 14},
    "fortigate_fortios_542": {"session": 5},
}


@pytest.mark.parametrize("family", EXPECTED)
def test_real_exporters_with_nat_fields(family):
    files = sorted(CORPUS.glob(f"netflow9_test_{family}*.dat"), key=lambda file: "tpl" not in file.name)
    if not files:
        pytest.skip(f"no corpus in {CORPUS}")
    known = Templates()
    found = documents([raw for file in files for raw in cut(file.read_bytes(), ("192.0.2.1", 1), known)])
    facts = [document["some.fact"] for document in found if "some.fact" in document]
    assert {fact: facts.count(fact) for fact in set(facts)} == EXPECTED[family]
    for document in found:
        assert document["event.kind"] == "event"
        if "some.fact" in document:
            assert document["event.start"] <= document["@timestamp"]
            assert document["some.delay"] > 0


def test_every_other_file_of_the_corpus_has_its_answer():
    files = sorted(CORPUS.glob("*.dat"), key=lambda file: (file.name.split("_tpl")[0], "tpl" not in file.name))
    if not files:
        pytest.skip(f"no corpus in {CORPUS}")
    known = Templates()
    for _ in range(2):
        for file in files:
            peer = file.name.split("_tpl")[0].split("_data")[0].split("_opt")[0], 1
            cut(file.read_bytes(), peer, known)
    failed = {}
    for file in files:
        peer = file.name.split("_tpl")[0].split("_data")[0].split("_opt")[0], 1
        if file.name.startswith("netflow5"):
            continue
        for document in documents(cut(file.read_bytes(), peer, known)):
            if document["event.kind"] != "event":
                failed.setdefault(file.name, document["error.message"])
            elif document["event.action"] not in {"templates", "options"}:
                assert {"source.ip", "client.ip"} & document.keys(), file.name
    assert failed == {
        "ipfix_test_netscaler_data.dat": "ipfix: template 280 was not known when this message came",
        "netflow9_test_iptnetflow_reduced_size_encoding_tpldata260.dat":
            "ipfix: template 259 was not known when this message came",
        "netflow9_test_nprobe_dpi.dat": "ipfix: template 256 does not fit the record",
    }  # fmt: skip
