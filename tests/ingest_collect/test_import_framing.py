"""Where one record of an imported file ends: the same records for every way of reading, nothing lost between them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import import_framing
from ingest.import_framing import FRAMINGS, cut
from some.errors import BadInput

DETAIL = [
    b'Mon Nov 23 21:35:43 2026\n\tUser-Name = "ayse"\n\tAcct-Status-Type = Start',
    b"Mon Nov 23 21:36:43 2026\n\tAcct-Status-Type = Stop",
    b"Mon Nov 23 21:37:43 2026",
]
EVENTS = [
    b"<Event xmlns='http://example.org/x'><System><EventID>4624</EventID></System></Event>",
    b"<Event>\n <A><![CDATA[</Event>]]></A><!-- </Event> --><EventData>1 &gt; 0</EventData>\n</Event >",
    b"<Event a='>'><UserData><Event><B/></Event></UserData></Event>",
    b"<Event/>",
]
OBJECTS = [
    b'{"a":1}',
    b'{"a":{"b":[{"c":"}]\\"{"}]},"d":"\xc5\x9f"}',
    b'{\n  "a": "\\\\",\n  "b": []\n}',
    b"{}",
]
STAMP = b"2026-11-23T18:35:43.123456Z\t"


def pieces(text, sizes):
    """Return `text` in chunks of those sizes, over and over."""
    at, found = 0, []
    while at < len(text):
        size = sizes[len(found) % len(sizes)]
        found.append(text[at : at + size])
        at += size
    return found


def records(name, text, sizes=(7,), **options):
    return list(cut(name, pieces(text, sizes), **options))


SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=6), SIZES)
def test_lines(lines, sizes):
    assert records("lines", b"".join(line + b"\n" for line in lines), sizes) == lines


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(DETAIL), max_size=6),
    st.sampled_from([b"\n\n", b"\n\n\n", b"\r\n\r\n", b"\n \t\n"]),
    SIZES,
    st.booleans(),
)
def test_detail(expected, blank, sizes, received):
    expected = [STAMP + one for one in expected] if received else expected
    assert records("detail", b"\n" + blank.join(expected), sizes, received=received) == expected


def test_a_date_line_begins_a_detail_record_where_the_blank_line_is_missing():
    assert records("detail", b"\n".join(DETAIL)) == DETAIL


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(EVENTS), max_size=6),
    st.sampled_from([b"", b"\n", b"\r\n  ", b"<!-- and -->"]),
    st.sampled_from([(b"", b""), (b"<?xml version='1.0'?>\n<Events a='b'>", b"</Events>\n"), (b"\xef\xbb\xbf", b"")]),
    SIZES,
)
def test_xml(expected, between, wrapper, sizes):
    assert records("xml", wrapper[0] + between.join(expected) + wrapper[1], sizes) == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(OBJECTS), max_size=6), st.sampled_from([b"", b"\n", b" \r\n"]), st.booleans(), SIZES)
def test_json(expected, between, listed, sizes):
    joined = b"[" + (b"," + between).join(expected) + b"]\n" if listed else between.join(expected)
    assert records("json", joined, sizes) == expected


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(max_size=5), JSON_VALUES, max_size=3), max_size=4),
    st.sampled_from([None, 2]),
    st.booleans(),
    SIZES,
)
def test_whatever_json_holds_comes_out_object_by_object(values, indent, as_list, sizes):
    text = json.dumps(values, indent=indent) if as_list else "".join(json.dumps(one, indent=indent) for one in values)
    assert [json.loads(record) for record in records("json", text.encode(), sizes)] == values


@pytest.mark.parametrize(("name", "whole"), [("xml", EVENTS), ("json", OBJECTS)])
@pytest.mark.parametrize("sizes", [(1,), (5,), (10_000,)])
def test_a_receive_time_and_a_tab_stay_part_of_the_record(name, whole, sizes):
    expected = [STAMP + one for one in whole]
    assert records(name, b"\n".join(expected), sizes, received=True) == expected
    with pytest.raises(BadInput, match="byte 0"):
        records(name, expected[0], sizes)


@pytest.mark.parametrize(("name", "whole"), [("detail", DETAIL), ("xml", EVENTS), ("json", OBJECTS)])
def test_a_record_that_the_file_breaks_off_in_is_kept(name, whole):
    for length in range(2, len(whole[1]) - 1):
        text = whole[0] + b"\n\n" + whole[1][:length]
        if name == "xml" and length < len(b"<Event>"):
            continue
        found = [record.rstrip() for record in records(name, text)]
        assert found == [whole[0], whole[1][:length].rstrip()]


@pytest.mark.parametrize(
    ("name", "text", "place"),
    [
        ("xml", b"<Event/>\n<Evt/>", "byte 9"),
        ("xml", b"<!DOCTYPE x [<!ENTITY a 'b'>]><Event/>", "byte 0"),
        ("xml", b"<Event/> lost <Event/>", "byte 9"),
        ("xml", "<Event/>".encode("utf-16"), "iconv"),
        ("json", b'{"a":1}\n17\n{}', "byte 8"),
        ("json", b"[{}, 17]", "byte 5"),
        ("json", b"{},{}", "byte 2"),
        ("json", b'{"a":"broken off\n{"b":1}\n', "byte 5"),
        ("morse", b"", "expected one of lines, detail, xml, json"),
    ],
)
@pytest.mark.parametrize("sizes", [(1,), (1000,)])
def test_what_belongs_to_no_record_is_named_with_its_place(name, text, place, sizes):
    with pytest.raises(BadInput, match=place):
        records(name, text, sizes)


def test_what_was_cut_before_a_fault_stays_right():
    cutting = cut("json", [b'{"a":1}\n{"a":2}\nlost'])
    assert [next(cutting), next(cutting)] == [b'{"a":1}', b'{"a":2}']
    with pytest.raises(BadInput, match=r"byte 16: .*'lost'"):
        next(cutting)


@pytest.mark.parametrize("name", FRAMINGS)
def test_a_record_above_the_limit_is_refused_in_bounded_memory(name, monkeypatch):
    monkeypatch.setattr(import_framing, "MAX_RECORD_BYTES", 20_000)
    read = 0
    begins = {"lines": b"", "detail": b"Mon\n", "xml": b"<Event>", "json": b'{"'}[name]

    def chunks():
        nonlocal read
        yield begins
        while True:
            read += 5000
            yield b"\t" + b"x" * 4998 + (b"\n" if name == "detail" else b"x")

    with pytest.raises(BadInput, match=r"byte 0: the record .* longer than 20000 bytes"):
        list(cut(name, chunks()))
    assert read <= 30_000
