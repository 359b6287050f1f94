"""Lines, leaves, frames and the table: round trips, hostile bytes, and the zstd program as second opinion."""

from __future__ import annotations

import random
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_builder import line, stored
from mutation import flipped, seed_of_this_run

from retention import merkle, segment
from retention.segment import Frame, FrameTable, GrowingTree
from some.errors import IntegrityError
from some.record import RecordBlock, RecordClass, RecordRef, escape, escape_lines, unescape

TIME = datetime(2026, 11, 23, 9, tzinfo=UTC)
REF = RecordRef("dugum1", 1, 0)
NAMES = st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=60)
SEED = b"\x11" * 32


def block_of(messages: list[bytes], **changes) -> RecordBlock:
    payload = b"".join(escape(message) + b"\n" for message in messages)
    values = {"received_at": TIME, "source": "gw", "origin": "tcp:192.0.2.7:1", "record_class": RecordClass("access")}
    return RecordBlock(**{**values, **changes}, payload=payload, count=len(messages))


@given(st.binary(max_size=300))
def test_escape_is_reversible_and_keeps_a_record_on_one_line(raw):
    escaped = escape(raw)
    assert unescape(escaped) == raw
    assert not set(b"\n\r\0") & set(escaped)


@given(st.lists(st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b""))))
def test_escaping_a_block_is_escaping_its_lines(messages):
    lines = b"".join(message + b"\n" for message in messages)
    assert escape_lines(lines) == b"".join(escape(message) + b"\n" for message in messages)


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=20), NAMES, NAMES)
def test_lines_of_a_block_parse_back(messages, source, origin):
    lines = segment.lines_in(segment.lines_of(block_of(messages, source=source, origin=origin)))
    records = [segment.parse_line(one, REF, RecordClass("access")) for one in lines]
    assert [record.raw for record in records] == messages
    assert {(record.source, record.origin, record.received_at) for record in records} == {(source, origin, TIME)}
    assert {segment.received_at_of(one) for one in lines} == {TIME}


@pytest.mark.parametrize(
    "broken",
    [b"", b"2026-11-23T09:00:00.000000Z\tgw\tudp", b"yesterday\tgw\tudp\tx", b"\xff\tgw\tudp\tx",
     b"2026-11-23T09:00:00.000000Z\t\xff\tudp\tx", b"2026-11-23T09:00:00\tgw\tudp\tx"],
)  # fmt: skip
def test_what_is_no_line_is_refused(broken):
    with pytest.raises(IntegrityError, match="dugum1/000001/000000"):
        segment.parse_line(broken, REF, RecordClass("access"))


def test_cut_content_is_refused():
    for content in (b"", b"a\nb", b"a"):
        with pytest.raises(IntegrityError, match="whole line"):
            segment.lines_in(content)


def test_leaves_of_several_groups_are_the_leaves_one_by_one():
    lines = [b"record %d" % number for number in range(2 * segment.GROUP + 5)]
    hashes = segment.leaves(lines, SEED, 0)
    for position in (0, 1, 4095, 4096, 8191, 8192, 8196):
        salt = segment.salt_of(SEED, position)
        assert (
            hashes[position] == segment.leaf(salt, lines[position]) == sha256(b"\0" + salt + lines[position]).digest()
        )
    assert segment.leaves(lines[4096:], SEED, 4096) == hashes[4096:]
    with pytest.raises(ValueError, match="group"):
        segment.leaves(lines, SEED, 1)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 9000), st.integers(1, 5000))
def test_growing_tree_is_the_tree(count, piece):
    lines = [b"%d" % number for number in range(count)]
    tree = GrowingTree(SEED)
    for start in range(0, count, piece):
        tree.add(lines[start : start + piece])
    assert tree.records == count
    assert tree.root() == segment.tree_root(lines, SEED)


def test_path_by_groups_is_the_path_by_leaves():
    lines = [b"%d" % number for number in range(2 * segment.GROUP + 77)]
    hashes = segment.leaves(lines, SEED, 0)
    groups = [hashes[at : at + segment.GROUP] for at in range(0, len(hashes), segment.GROUP)]
    roots = [merkle.root(group) for group in groups]
    for position in (0, 4095, 4096, 8192, 8268):
        found = segment.group_paths(roots, groups[position // segment.GROUP], position)
        assert found == merkle.path(hashes, position)


@given(st.binary(min_size=1, max_size=5000))
def test_a_frame_expands_to_what_it_was_made_of(content):
    frame = segment.compress(content, segment.compressor(1))
    assert segment.expand(frame) == content
    assert segment.frame_length(frame + b"behind", 0) == len(frame)


def test_frames_that_are_not_exactly_one_whole_frame_are_refused():
    frame = segment.compress(b"content" * 100, segment.compressor(1))
    for broken in (b"", b"junk", frame[:-1], frame + b"x", frame + frame, flipped(frame, len(frame) - 1, 1)):
        with pytest.raises(IntegrityError):
            segment.expand(broken)
    huge = b"\x28\xb5\x2f\xfd" + bytes([0b11000000, 0x50]) + (2**60).to_bytes(8, "little") + b"\x01\x00\x00"
    with pytest.raises(IntegrityError, match="claims"):
        segment.expand(huge)


@given(st.binary(max_size=400), st.integers(0, 20))
def test_walking_hostile_bytes_ends(junk, start):
    for view in (junk, b"\x28\xb5\x2f\xfd" + junk):
        length = segment.frame_length(view, start)
        assert length is None or 0 < length <= len(view)
        assert sum(len(frame) for _, frame in segment.frames_of(view)) <= len(view)


def test_walker_and_zstd_agree_on_sampled_segments(tmp_path):
    """What our walker calls whole frames is what `zstd -d` expands; it passes over the table."""
    chooser = random.Random(seed_of_this_run())
    for _ in range(8):
        count, per_frame = chooser.randrange(1, 3000), chooser.randrange(1, 700)
        lines = [line(TIME, chooser.randbytes(chooser.randrange(60)).replace(b"\n", b"")) for _ in range(count)]
        content, file = stored(lines, per_frame)
        (tmp_path / "s.zst").write_bytes(file)
        expanded = subprocess.run(["zstd", "-dc", "s.zst"], cwd=tmp_path, capture_output=True, check=True).stdout
        frames = list(segment.frames_of(file))
        assert expanded == content == b"".join(segment.expand(frame) for _, frame in frames)
        assert len(frames) == -(-count // per_frame)
        listed = subprocess.run(
            ["zstd", "-lv", "s.zst"], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout
        assert f"Zstandard Frames: {len(frames)}" in listed
        assert "Skippable Frames: 1" in listed


def table_of(count: int) -> FrameTable:
    frames = tuple(Frame(number * 50, number * 1000, number * 7) for number in range(count))
    return FrameTable(frames, count * 50, count * 1000, count * 7)


@given(st.integers(1, 200), st.data())
def test_table_finds_the_frame_of_a_record(count, data):
    table = table_of(count)
    position = data.draw(st.integers(0, table.records - 1))
    assert table.find(position) == position // 7
    assert table.span(position // 7) == (position // 7 * 50, 50)
    for outside in (-1, table.records):
        with pytest.raises(ValueError, match="no record"):
            table.find(outside)


@given(st.integers(1, 60))
def test_table_round_trip(count):
    packed = segment.pack_table(table_of(count))
    assert segment.parse_table(packed) == table_of(count)
    assert segment.table_length(packed) == len(packed)


def test_damaged_tables_are_refused():
    table = table_of(3)
    packed = segment.pack_table(table)
    broken = [
        b"", packed[:7], packed[:-1], packed + b"x", b"\0" + packed[1:], packed.replace(b"SOMETBL1", b"SOMETBL2"),
        segment.pack_table(replace(table, frames=())),
        segment.pack_table(replace(table, frames=table.frames[1:])),
        segment.pack_table(replace(table, end=100)),
        segment.pack_table(replace(table, records=14)),
        segment.pack_table(replace(table, frames=(*table.frames[:2], table.frames[0]))),
    ]  # fmt: skip
    for wrong in broken:
        with pytest.raises(IntegrityError, match="frame table"):
            segment.parse_table(wrong)


def test_every_flip_in_a_frame_is_seen_or_changes_nothing():
    content = b"".join(line(TIME + timedelta(seconds=number), b"message %d" % number) + b"\n" for number in range(40))
    frame = segment.compress(content, segment.compressor(3))
    for at in range(len(frame)):
        try:
            assert segment.expand(flipped(frame, at, 1)) == content
        except IntegrityError:
            continue
