"""Every parser keeps the same rules; this file walks all of them."""

from __future__ import annotations

import ast
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ingest.parsers
from ingest.ecs import FIELD, FIELDS, FieldKind, flatten, nest
from ingest.parsers import (
    access_log,
    audit,
    cisco_asa,
    cisco_ise,
    dhcpd,
    filterlog,
    fortigate,
    gap,
    ipfix,
    kea,
    layout,
    mikrotik,
    pfsense_portal,
    radius_detail,
    sophos,
    squid,
    syslog,
    windows_dhcp,
    windows_security,
)
from ingest.parsing import AUTO, FORMATS, Parsing, SourceHints, parse_block, parse_lines
from some.errors import BadInput

NOW = datetime(2026, 11, 23, 19, tzinfo=UTC)
RECEIVED = 1_795_460_400_000_000
SHARED = {
    "cisco_asa_shapes", "flow_fields", "fortigate_facts", "fortigate_fields", "layout", "lines", "times", "values",
    "windows_event",
}  # fmt: skip
PARSERS = (
    access_log, audit, cisco_asa, cisco_ise, dhcpd, filterlog, fortigate, gap, ipfix, kea, mikrotik, pfsense_portal,
    radius_detail, sophos, squid, syslog, windows_dhcp, windows_security,
)  # fmt: skip
MODULES = {module.NAME: module for module in PARSERS}
BINARY = {"ipfix"}
ORIGINS = {"audit": "audit:1", "gap": "gap:syslog_udp"}
TYPES = {
    FieldKind.KEYWORD: str, FieldKind.TEXT: str, FieldKind.LONG: int, FieldKind.DOUBLE: float,
    FieldKind.BOOLEAN: bool, FieldKind.IP: str, FieldKind.DATE: int,
}  # fmt: skip


def sample(name):
    """Return the line in the second paragraph of a parser's docstring; in hex where it is no text."""
    found = MODULES[name].__doc__.split("\n\n")[1]
    return bytes.fromhex(found) if name in BINARY else found.encode()


def documents(messages, *, hints=None, origins=None, received=RECEIVED, parsing=None):
    """Parse a block; hold it to the contract; return one flat document per row."""
    messages = list(messages)
    origins = origins or ["udp:192.0.2.7:514"] * len(messages)
    batches = (parsing or Parsing()).parse_block(
        messages, [received] * len(messages), hints or SourceHints("fw", "access"), origins
    )
    rows = [row for batch in batches for row in batch.rows]
    assert sorted(rows) == list(range(len(messages))), "every row stands in exactly one batch"
    found = [{} for _ in messages]
    for batch in batches:
        for name, values in batch.columns.items():
            field = FIELD[name]
            assert len(values) == len(batch.rows), name
            for row, value in zip(batch.rows, values, strict=True):
                if value is None:
                    continue
                for one in value if field.many else [value]:
                    assert type(one) is TYPES[field.kind], (name, value)
                    if isinstance(one, str):
                        one.encode()  # a lone surrogate would break the index
                    assert field.kind is not FieldKind.LONG or abs(one) < 2**63, (name, value)
                found[row][name] = value
    for document in found:
        assert document["event.kind"] in {"event", "pipeline_error"}
        assert isinstance(document["@timestamp"], int)
        assert ("error.message" in document) == (document["event.kind"] == "pipeline_error")
        nest(document)
    return found


def test_every_file_of_the_package_is_a_parser_with_a_sample_or_shared():
    files = {path.stem for path in Path(ingest.parsers.__file__).parent.glob("*.py")} - {"__init__"}
    assert files == set(MODULES) | SHARED
    assert set(FORMATS) == set(MODULES) - {"audit", "gap"}


@pytest.mark.parametrize("name", MODULES)
def test_the_sample_in_the_docstring_parses_as_its_format(name):
    (document,) = documents([sample(name)], origins=[ORIGINS.get(name, "udp:192.0.2.7:514")])
    assert document["event.kind"] == "event"
    assert document["event.module"] == name
    assert document["@timestamp"] // 1_000_000 == 1_795_458_943


@pytest.mark.parametrize("name", FORMATS)
def test_a_pinned_format_takes_its_sample_and_refuses_garbage(name):
    hints = SourceHints("fw", "access", name)
    good, bad = documents([sample(name), b"\x00\xff garbage"], hints=hints)
    assert good["event.module"] == name
    assert bad["event.kind"] == "pipeline_error"
    assert bad["@timestamp"] == RECEIVED


def test_a_pinned_format_that_refuses_keeps_the_syslog_header():
    (document,) = documents([sample("syslog")], hints=SourceHints("fw", "access", "fortigate"))
    assert document["event.kind"] == "pipeline_error"
    assert document["log.syslog.hostname"] == "gw.example.org"
    assert "logid" in document["error.message"]


def test_an_unknown_format_is_refused_by_name():
    with pytest.raises(BadInput, match="fortigate"):
        parse_lines([b"x"], "nosuch")


def test_parse_lines_answers_one_document_a_line_in_order():
    lines = [sample("squid"), b"garbage", sample("fortigate"), b""]
    kinds = [(one["event"]["kind"], one["event"].get("module")) for one in parse_lines(lines, now=NOW)]
    assert kinds == [("event", "squid"), ("pipeline_error", None), ("event", "fortigate"), ("pipeline_error", None)]


def test_own_records_that_are_damaged_are_stated_failures():
    damaged = [b"", b"[]", b'{"dropped": -1}', b'{"dropped": true}', b"\xff", b"[" * 100_000, b'{"entry": 1}']
    for origin in ("gap:x", "audit:x"):
        for document in documents(damaged, origins=[origin] * len(damaged)):
            assert document["event.kind"] == "pipeline_error"


def test_audit_and_gap_lines_of_other_origin_are_not_believed():
    for name in ("audit", "gap"):
        (document,) = documents([sample(name)])
        assert document["event.kind"] == "pipeline_error"


PRINTABLE = st.text(st.sampled_from(string.printable + "ğüşıöçĞÜŞİÖÇ\ufeff\u2028"), max_size=200)
PIECES = st.sampled_from(
    [
        "<189>", "<13>", "<999>", "1 ", "Nov 23 21:35:43 ", "Feb 29 00:00:60 ", "2026-11-23T21:35:43+03:00 ", "host ",
        "tag[1]: ", 'date=2026-11-23 time=21:35:43 devid="F" logid="0000000013" type="traffic" ', "eventtime=",
        "9999999999999999999", "duration=999999999999999999 ", "srcip=::ffff:10.0.0.1 ", 'msg="', '"', "=", " ", "[x ",
        'y="\\"]', "DHCPACK on 10.0.0.1 to 00:00:5e:00:53:23 ", "1795458943.123    184 ", "10.20.30.41 ",
        "TCP_MISS/200 4512 GET http://a:99999/?x ", "- - [23/Nov/2026:21:35:43 +0300] ", '"GET / HTTP/1.1" 200 5 ',
        "%SYS-5-X: ", "-", "\x00", "\n", "\\",
    ]
)  # fmt: skip
MESSAGES = st.one_of(
    st.binary(max_size=120),
    PRINTABLE.map(str.encode),
    st.lists(PIECES, max_size=14).map(lambda parts: "".join(parts).encode()),
    st.tuples(st.sampled_from([sample(name) for name in FORMATS]), st.integers(0, 200), st.binary(max_size=4)).map(
        lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] + 1 :]
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSAGES, max_size=8), st.sampled_from([AUTO, *FORMATS]))
def test_no_bytes_make_a_parser_raise_or_lose_a_row(messages, pinned):
    documents(messages, hints=SourceHints("fw", "access", pinned))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MESSAGES, min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_what_was_learned_before_never_changes_an_answer(messages, dice):
    fresh = documents(messages)
    parsing = Parsing()
    for _ in range(layout._LEARN_AT + 1):
        shuffled = list(messages)
        dice.shuffle(shuffled)
        documents(shuffled, parsing=parsing)
    assert documents(messages, parsing=parsing) == fresh
    assert documents(messages * 5, parsing=Parsing())[-len(messages) :] == fresh
    assert [documents([message])[0] for message in messages] == fresh


def test_the_module_function_answers_as_a_parsing_does():
    messages = [sample(name) for name in FORMATS]
    hints = SourceHints("fw", "access")
    arguments = (messages, [RECEIVED] * len(messages), hints, ["udp:1"] * len(messages))
    assert parse_block(*arguments) == Parsing().parse_block(*arguments)


def test_the_registry_is_complete_and_nests_without_conflict():
    names = [field.name for field in FIELDS]
    assert len(set(names)) == len(names)
    assert not [name for name in names for other in names if other.startswith(f"{name}.")]
    for field in FIELDS:
        assert field.label_tr.strip(), field.name
        assert field.label_en.strip(), field.name
    assert len({field.label_tr for field in FIELDS}) == len(FIELDS), "two fields of one name cannot be told apart"


VALUES = {
    FieldKind.LONG: st.integers(-(2**63), 2**63 - 1), FieldKind.DOUBLE: st.floats(allow_nan=False),
    FieldKind.BOOLEAN: st.booleans(), FieldKind.DATE: st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999),
}  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(FIELDS), unique=True, max_size=8).flatmap(
        lambda fields: st.fixed_dictionaries(
            {
                one.name: st.lists(st.text(max_size=5), min_size=1, max_size=3)
                if one.many
                else VALUES.get(one.kind, st.text(max_size=9))
                for one in fields
            }
        )
    )
)
def test_nest_and_flatten_are_each_others_inverse(flat):
    assert flatten(nest(flat)) == flat


def test_no_parser_keeps_state_in_its_module():
    """Memories belong to objects: a module holds constants only."""
    for path in Path(ingest.parsers.__file__).parent.glob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call):
                made = ast.unparse(node.value.func)
                assert made not in {"Memo", "Layouts", "StampsByZone", "Stamps", "set", "list", "dict.fromkeys"}, path
