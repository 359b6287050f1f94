"""Where one message ends: any split of the stream gives the same records, and nothing is lost or doubled."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingest.framing import BLOCK_LINES, Framing, framer, join_messages
from some.record import escape, unescape

LIMIT = 32  # small, so that examples reach it

PIECES = st.sampled_from(
    [
        b"<134>",
        b"\n",
        b"\r\n",
        b"\x00",
        b"\x00<34>",
        b"12 <1>",
        b"7 ",
        b"0",
        b"9999999 <1>",
        b"40 <1>",
        b" ",
        b"\\",
        b"x" * 40,
    ]
)
STREAMS = st.lists(st.one_of(PIECES, st.binary(max_size=12)), max_size=30).map(b"".join)
CUTS = st.lists(st.integers(min_value=1, max_value=70), max_size=60)


def cut(framing, reads, limit=LIMIT):
    """Return (raw, marks) of every record, checking each Framed on the way."""
    one = framer(framing, limit)
    records = []
    for found in [*(one.feed(read) for read in reads), one.end()]:
        for framed in found:
            lines = framed.payload.split(b"\n")
            assert lines.pop() == b""
            assert len(lines) == framed.count >= 1
            assert b"\r" not in framed.payload
            assert b"\x00" not in framed.payload
            records += [(unescape(line), framed.marks) for line in lines]
        assert one.held_bytes <= limit + 20
    return records


def reads_of(stream, cuts):
    reads = []
    for size in cuts:
        reads.append(stream[:size])
        stream = stream[size:]
    return [*reads, stream]


@given(st.sampled_from(list(Framing)), STREAMS, CUTS)
@example(Framing.OCTET, b"5 <1>abgarbage 12 <34>Hello, World5 <1>cd", [3, 4, 5, 6])
@example(Framing.OCTET, b"x" * 31 + b"12 <34>" + b"Hello, World", [33, 1, 1, 1, 1, 1, 1])
def test_any_split_into_reads_gives_the_same_records(framing, stream, cuts):
    whole = cut(framing, [stream])
    assert cut(framing, reads_of(stream, cuts)) == whole
    assert cut(framing, [stream[i : i + 1] for i in range(len(stream))]) == whole


@given(st.lists(st.binary(max_size=LIMIT).map(lambda raw: raw.replace(b"\n", b"")), max_size=20), CUTS)
def test_newline_framing_returns_every_message(messages, cuts):
    stream = b"".join(message + b"\n" for message in messages)
    assert cut(Framing.NEWLINE, reads_of(stream, cuts)) == [(message, "") for message in messages]


@given(st.lists(st.binary(min_size=1, max_size=LIMIT), max_size=20), CUTS)
def test_octet_counting_returns_every_message_with_lf_and_nul_inside(messages, cuts):
    stream = b"".join(b"%d %s" % (len(message), message) for message in messages)
    assert cut(Framing.OCTET, reads_of(stream, cuts)) == [(message, "") for message in messages]


@given(STREAMS, CUTS)
def test_octet_counting_drops_only_counts_separators_and_what_is_over_the_limit(stream, cuts):
    """Whatever comes, the records stand in the stream in their order, and what lies between is explained."""
    position = 0
    for raw, marks in cut(Framing.OCTET, reads_of(stream, cuts)):
        found = stream.index(raw, position)
        between = stream[position:found]
        if ";truncated" not in marks and "truncated" not in between.decode("latin-1"):
            assert len(raw) <= LIMIT + 20
        position = found + len(raw)
        if ";truncated=" in marks:
            length = int(marks.split("=")[1].split(";")[0])
            assert len(raw) == LIMIT < length
            position += length - LIMIT
        assert between.strip(b"0123456789 \n\r\x00") == b""
    assert stream[position:].strip(b"0123456789 \n\r\x00") == b""


@given(STREAMS)
def test_newline_framing_drops_only_lf_and_what_is_over_the_limit(stream):
    rebuilt = b""
    for raw, marks in cut(Framing.NEWLINE, [stream]):
        kept = raw
        if ";truncated=" in marks:
            length = int(marks.split("=")[1].split(";")[0])
            kept = raw + stream[len(rebuilt) + LIMIT : len(rebuilt) + length]
        rebuilt += kept + (b"" if "cut" in marks else b"\n")
    assert rebuilt == stream


@given(st.binary())
def test_escape_is_reversible(raw):
    assert unescape(escape(raw)) == raw
    assert b"\n" not in escape(raw)


@given(st.lists(st.binary(max_size=30), min_size=1))
def test_joined_messages_stay_one_line_each(messages):
    assert [unescape(line) for line in join_messages(messages).split(b"\n")[:-1]] == messages


@pytest.mark.parametrize(
    ("stream", "records"),
    [
        pytest.param(b"<1>a\n<2>b\n", [(b"<1>a", ""), (b"<2>b", "")], id="lines"),
        pytest.param(b"5 <1>ab6 <2>abc", [(b"<1>ab", ""), (b"<2>abc", "")], id="octet counted"),
        pytest.param(b"7 <1>a\nbc5 <2>de", [(b"<1>a\nbc", ""), (b"<2>de", "")], id="LF inside a counted message"),
        pytest.param(b"5 <1>ab\n5 <1>cd\n", [(b"<1>ab", ""), (b"<1>cd", "")], id="uncounted LF after a frame"),
        pytest.param(b"<1>a\x00<2>b\x00", [(b"<1>a", ""), (b"<2>b", "")], id="NUL trailer"),
        pytest.param(b"<1>a\x00", [(b"<1>a", "")], id="one message with a NUL trailer"),
        pytest.param(b"<1>a\x00b\n<2>c\x00<3>\n", [(b"<1>a\x00b", ""), (b"<2>c\x00<3>", "")], id="NUL as content"),
        pytest.param(b"<1>a\x00\n<2>b\x00\n", [(b"<1>a\x00", ""), (b"<2>b\x00", "")], id="NUL before LF"),
        pytest.param(b"\n\n<1>a\n", [(b"", ""), (b"", ""), (b"<1>a", "")], id="empty lines"),
        pytest.param(b"<1>a\r\n", [(b"<1>a\r", "")], id="CR LF"),
        pytest.param(b"<1>\xfe\xff\xd0\n", [(b"<1>\xfe\xff\xd0", "")], id="not UTF-8"),
        pytest.param(b"\xef\xbb\xbf<1>a\n", [(b"\xef\xbb\xbf<1>a", "")], id="BOM"),
        pytest.param(b"<1>a\n<2>b", [(b"<1>a", ""), (b"<2>b", ";cut")], id="cut line"),
        pytest.param(b"9 <1>ab", [(b"<1>ab", ";cut")], id="cut frame"),
        pytest.param(b"5 <1>ab12", [(b"<1>ab", ""), (b"12", ";bad-frame;cut")], id="cut count"),
        pytest.param(b"1557513467.369 116 10.0.0.1\n", [(b"1557513467.369 116 10.0.0.1", "")], id="Squid line"),
        pytest.param(b"200 OK\n", [(b"200 OK", "")], id="a number first is no count"),
        pytest.param(
            b"<1>a\n" + b"y" * 40 + b"\n<2>b\n",
            [(b"<1>a", ""), (b"y" * 32, ";truncated=40"), (b"<2>b", "")],
            id="line over the limit",
        ),
        pytest.param(b"y" * 40, [(b"y" * 32, ";truncated=40;cut")], id="line over the limit, cut"),
        pytest.param(
            b"5 <1>ab40 <1>" + b"y" * 37 + b"5 <1>cd",
            [(b"<1>ab", ""), (b"<1>" + b"y" * 29, ";truncated=40"), (b"<1>cd", "")],
            id="frame over the limit",
        ),
        pytest.param(
            b"5 <1>abcdef\n5 <1>gh",
            [(b"<1>ab", ""), (b"cdef", ";bad-frame"), (b"<1>gh", "")],
            id="count too small, LF helps",
        ),
        pytest.param(
            b"5 <1>abcdef5 <1>gh6 <1>ijk",
            [(b"<1>ab", ""), (b"cdef", ";bad-frame"), (b"<1>gh", ""), (b"<1>ijk", "")],
            id="count too small, the next frame helps",
        ),
        pytest.param(
            b"5 <1>ab<1>line one\n<1>line two\n5 <1>cd",
            [(b"<1>ab", ""), (b"<1>line one", ";bad-frame"), (b"<1>line two", ";bad-frame"), (b"<1>cd", "")],
            id="lines in a counted stream",
        ),
        pytest.param(b"12345678 <1>a\n", [(b"12345678 <1>a", "")], id="eight digits are no count"),
    ],
)
def test_known_streams(stream, records):
    assert cut(Framing.AUTO, [stream]) == records


def test_what_is_no_frame_is_split_at_the_limit_not_truncated():
    stream = b"5 <1>ab" + b"y" * 100
    records = cut(Framing.OCTET, [stream])
    assert b"".join(raw for raw, _ in records[1:]) == b"y" * 100
    assert {marks for _, marks in records[1:]} == {";bad-frame", ";bad-frame;cut"}


def test_a_pinned_framing_is_not_talked_out_of():
    assert cut(Framing.NEWLINE, [b"5 <1>ab\n"]) == [(b"5 <1>ab", "")]
    assert cut(Framing.OCTET, [b"<1>ab\n"]) == [(b"<1>ab", ";bad-frame")]


def test_a_block_of_lines_costs_one_framed_and_lost_bytes_are_counted():
    one = framer(Framing.AUTO, 65_536)
    lines = b"<134>some message of a firewall\n" * 10_000
    assert [framed.count for framed in one.feed(lines)] == [10_000]
    one = framer(Framing.AUTO, LIMIT)
    (framed,) = one.feed(b"z" * 50 + b"\n")
    assert framed.lost_bytes == 50 - LIMIT


@pytest.mark.parametrize("framing", [Framing.NEWLINE, Framing.OCTET, Framing.AUTO])
@pytest.mark.parametrize("length", [LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 2])
@pytest.mark.parametrize("read", [1, LIMIT, 1000])
def test_the_limit_itself_is_kept_whole(framing, length, read):
    message = b"<1>" + b"m" * (length - 3)
    stream = b"%d %s" % (length, message) if framing is Framing.OCTET else message + b"\n"
    marks = f";truncated={length}" if length > LIMIT else ""
    stream *= 3
    records = cut(framing, [stream[i : i + read] for i in range(0, len(stream), read)])
    assert records == [(message[:LIMIT], marks)] * 3


@pytest.mark.parametrize("stream", [b"\n" * 100_000, b"1 x" * 60_000, b"5 <1>ab" + b"y\n" * 50_000])
def test_a_block_never_holds_more_records_than_the_archive_can_frame(stream):
    """Each record gets a prefix in the archive: a million empty lines in one block would not fit into its frame."""
    one = framer(Framing.OCTET if stream.startswith(b"1") else Framing.AUTO)
    counts = [framed.count for framed in [*one.feed(stream), *one.end()]]
    assert max(counts) <= BLOCK_LINES
    assert sum(counts) in {100_000, 60_000, 50_001}
