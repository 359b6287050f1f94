"""Files that grow, rotate, shrink, vanish and return: each line once."""

from __future__ import annotations

import os
import re

import pytest
from tail_reader import LINGER, Reader, append

from ingest.collectors import following
from ingest.collectors.following import TailedFiles
from ingest.collectors.tailing import FINGERPRINT_BYTES, TailPosition, tail_positions
from ingest.framing import BLOCK_LINES


@pytest.fixture
def log(tmp_path):
    return tmp_path / "squid.log"


@pytest.fixture
def reader(log):
    reader = Reader(log)
    yield reader
    reader.close()


def test_a_half_line_waits_for_its_end(log, reader):
    append(log, b"one\ntw")
    reader.read()
    assert reader.lines == [b"one"]
    append(log, b"o")
    reader.read()
    assert reader.lines == [b"one"]
    append(log, b"\nthree\n")
    reader.read()
    assert reader.lines == [b"one", b"two", b"three"]


def test_blocks_name_the_bytes_they_hold_and_a_growing_file_keeps_its_identity(log, reader):
    for number in range(100):
        append(log, b"line %d\n" % number)
        if number % 7 == 0:
            reader.read()
    reader.read()
    spans = [re.fullmatch(r"file:(.*);id=([^;]*);from=(\d+);to=(\d+);end=\w+", block.origin) for block in reader.kept]
    assert {match[1] for match in spans} == {str(log)}
    assert len({match[2] for match in spans}) == 1
    assert [int(match[3]) for match in spans] == [0, *(int(match[4]) for match in spans[:-1])]
    assert int(spans[-1][4]) == log.stat().st_size > FINGERPRINT_BYTES
    ((identity, position),) = tail_positions(block.origin for block in reader.kept).items()
    assert identity == spans[0][2]
    assert position.offset == log.stat().st_size


def test_rotation_by_rename_takes_the_rest_of_the_old_file(log, reader, tmp_path):
    append(log, b"one\ntwo\n")
    reader.read()
    log.rename(tmp_path / "squid.log.1")
    append(tmp_path / "squid.log.1", b"three\nfo")
    append(log, b"new one\n")
    reader.read()
    assert reader.lines == [b"one", b"two", b"three", b"new one"]
    append(tmp_path / "squid.log.1", b"ur\nfive, unfinished")
    reader.read()
    reader.clock.advance(LINGER - 1)
    append(log, b"new two\n")
    reader.read()
    assert ";cut" not in reader.marks
    reader.clock.advance(2)
    reader.read()
    assert reader.lines == [b"one", b"two", b"three", b"new one", b"four", b"new two", b"five, unfinished"]
    assert reader.marks[-1] == ";cut"
    assert reader.files.count == 1


@pytest.mark.parametrize("kill", [False, True])
def test_copytruncate_starts_over(log, reader, kill):
    append(log, b"a longer first line\nsecond\nhalf")
    reader.read()
    log.write_bytes(b"")
    append(log, b"fresh\n")
    if kill:
        reader.kill()
    reader.read()
    half = [] if kill else [b"half"]
    assert reader.lines == [b"a longer first line", b"second", *half, b"fresh"]
    append(log, b"more\n")
    reader.kill()
    reader.read()
    assert reader.lines[-1] == b"more"
    assert reader.lines.count(b"fresh") == 1


HEADER = b"ID,Date,Time,Description,IP Address,Host Name,MAC Address\n" * 20


@pytest.mark.parametrize("kill", [False, True])
@pytest.mark.parametrize("extra", [-20, 0, 20])
def test_a_weekday_file_with_the_same_header_is_seen_to_be_new(log, reader, kill, extra):
    """Windows writes DhcpSrvLog-Mon.log anew each week, with the same long header, here even in the same inode."""
    old = b"".join(b"10,01/05/26,00:00:%02d,Assign,10.20.0.7,eski,0200\n" % second for second in range(50))
    new = b"".join(b"10,01/12/26,00:00:%02d,Assign,10.20.0.9,yeni,0200\n" % second for second in range(50))
    new = new[: len(old) + extra - 1] + b"\n" if extra <= 0 else new + b"y" * (extra - 1) + b"\n"
    append(log, HEADER + old)
    reader.read()
    inode = log.stat().st_ino
    with log.open("r+b") as file:
        file.truncate(0)
        file.write(HEADER + new)
    os.utime(log, ns=(1, log.stat().st_mtime_ns + 1))  # a clock tick later, even where ticks are long
    assert log.stat().st_ino == inode
    if kill:
        reader.kill()
    reader.read()
    assert b"\n".join(reader.lines) + b"\n" == HEADER + old + HEADER + new
    reader.kill()
    reader.read()
    assert b"\n".join(reader.lines) + b"\n" == HEADER + old + HEADER + new


def test_the_same_size_is_no_proof_of_the_same_file(log, reader):
    append(log, b"aaaa\nbbbb\n")
    reader.read()
    log.write_bytes(b"cccc\ndddd\n")
    os.utime(log, ns=(1, log.stat().st_mtime_ns + 1))
    reader.read()
    assert reader.lines == [b"aaaa", b"bbbb", b"cccc", b"dddd"]


def test_a_new_file_that_gets_the_old_inode_is_read_from_its_start(log, reader):
    append(log, b"first life\n")
    reader.read()
    reader.close()
    inode = log.stat().st_ino
    device = log.stat().st_dev
    log.unlink()
    append(log, b"second life, longer\n")
    now = log.stat()
    for block in reader.kept:  # whatever inode it got: pretend it is the old one
        text = block.origin.replace(f"id={device:x}-{inode:x}-", f"id={now.st_dev:x}-{now.st_ino:x}-")
        object.__setattr__(block, "origin", text)
    reader.start()
    reader.read()
    assert reader.lines == [b"first life", b"second life, longer"]


def test_a_file_that_vanishes_and_returns_is_not_read_twice(log, reader, tmp_path):
    append(log, b"one\n")
    reader.read()
    away = tmp_path / "elsewhere"
    log.rename(away)
    reader.read()
    reader.clock.advance(LINGER + 1)
    reader.read()
    assert reader.files.count == 0
    append(away, b"two\n")
    away.rename(log)
    reader.read()
    assert reader.lines == [b"one", b"two"]
    log.unlink()
    reader.read()
    reader.clock.advance(LINGER + 1)
    reader.read()
    append(log, b"another file\n")
    reader.read()
    assert reader.lines == [b"one", b"two", b"another file"]


def test_a_rotation_during_our_absence_loses_nothing(log, reader, tmp_path):
    append(log, b"one\n")
    reader.read()
    append(log, b"two\n")
    reader.files.close()
    log.rename(tmp_path / "squid.log.1")
    append(log, b"three\n")
    reader.start()
    reader.read()
    assert sorted(reader.lines) == [b"one", b"three", b"two"]


def test_a_changed_device_number_does_not_repeat_a_file(log, reader):
    append(log, b"one\n")
    reader.read()
    reader.files.close()
    device = format(log.stat().st_dev, "x")
    ((identity, position),) = tail_positions(block.origin for block in reader.kept).items()
    moved = {identity.replace(device, "ffff", 1): position}
    reader.files = TailedFiles(reader.patterns, reader.clock, moved, linger_s=LINGER, limit=100)
    append(log, b"two\n")
    reader.read()
    assert reader.lines == [b"one", b"two"]


def test_compressed_files_folders_and_pipes_are_passed_over(tmp_path):
    append(tmp_path / "a.log", b"plain\n")
    append(tmp_path / "a.log.1.gz", b"\x1f\x8bjunk\n")
    (tmp_path / "a.folder").mkdir()
    os.mkfifo(tmp_path / "a.pipe")
    reader = Reader(tmp_path / "a*")
    reader.read()
    reader.close()
    assert reader.lines == [b"plain"]


def test_a_rotated_copy_that_matches_the_pattern_too_is_read_once(tmp_path):
    reader = Reader(tmp_path / "a.log*")
    append(tmp_path / "a.log", b"one\n")
    reader.read()
    (tmp_path / "a.log").rename(tmp_path / "a.log.1")
    append(tmp_path / "a.log", b"two\n")
    for _ in range(3):
        reader.read()
        reader.clock.advance(LINGER + 1)
    reader.close()
    assert reader.lines == [b"one", b"two"]


def test_a_line_over_the_limit_is_truncated_and_the_next_one_is_whole(log):
    reader = Reader(log, limit=100)
    append(log, b"short\n" + b"x" * 250)
    reader.read()
    append(log, b"y" * 50 + b"\nnext\n")
    reader.read()
    reader.kill()
    reader.read()
    reader.close()
    assert reader.lines == [b"short", b"x" * 100, b"next"]
    assert reader.marks == ["", ";truncated=300", ""]
    assert [block.lost_bytes for block in reader.kept] == [0, 200, 0]
    assert tail_positions(block.origin for block in reader.kept).popitem()[1].offset == 6 + 301 + 5


def test_large_files_are_read_in_pieces(log, reader):
    lines = [b"%07d %s" % (number, b"." * 100) for number in range(40_000)]
    append(log, b"\n".join(lines) + b"\n")
    first = reader.files.step()
    assert sum(len(block.payload) for block in first) < following.STEP_BYTES + following.READ_BYTES
    reader.keep(first)
    reader.read()
    assert reader.lines == lines
    assert len(reader.kept) > 3


def test_few_descriptors_are_held_for_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "OPEN_FILES", 4)
    reader = Reader(tmp_path / "u_ex*.log")
    for round_ in range(3):
        for day in range(20):
            append(tmp_path / f"u_ex{day:02d}.log", b"%d %d\n" % (day, round_))
        reader.read()
        assert sum(file.descriptor >= 0 for file in reader.files._files.values()) <= 4
    (tmp_path / "u_ex00.log").rename(tmp_path / "old.log")
    append(tmp_path / "old.log", b"0 3\n")
    reader.read()
    reader.close()
    assert sorted(reader.lines) == sorted(
        [b"%d %d" % (day, round_) for day in range(20) for round_ in range(3)] + [b"0 3"]
    )


def test_an_unreadable_file_is_counted_and_read_when_it_can_be(log, reader, monkeypatch):
    append(log, b"one\n")
    real = os.open

    def refuse(path, *rest):
        if str(path) == str(log):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        reader.read()
    assert reader.files.faults == 1
    reader.read()
    assert reader.lines == [b"one"]


def test_strange_names_stand_safely_in_the_origin(tmp_path):
    folder = os.fsencode(tmp_path)
    names = [b"with;semicolon;id=1.log", b"new\nline.log", b"caf\xe9.log", b"tab\t.log", b"l" * 200 + b".log"]
    for name in names:
        with open(os.path.join(folder, name), "wb") as file:  # noqa: PTH118, PTH123 - names that pathlib cannot spell
            file.write(b"hello " + name.replace(b"\n", b" ") + b"\n")
    reader = Reader(tmp_path / "*.log")
    reader.read()
    assert len(reader.lines) == len(names)
    assert len(tail_positions(block.origin for block in reader.kept)) == len(names)
    reader.kill()
    reader.read()
    reader.close()
    assert len(reader.lines) == len(names)


def test_positions_are_those_of_the_last_blocks_and_never_jump_over_a_missing_one():
    one, two = "1-2-3-00000000000000aa", "1-3-3-00000000000000bb"
    end = "00000000000000ff"
    origins = [
        "udp:192.0.2.7:514",
        f"file:/a;id={one};from=0;to=10",
        f"file:/b;id={two};from=5;to=9;end={end}",
        f"file:/a;id={one};from=10;to=30;end={end};truncated=19",
        f"file:/b;id={two};from=20;to=40",
        "file:/broken;id=x;from=1;to=2",
        "gap:file",
    ]
    assert tail_positions(origins) == {
        one: TailPosition("/a", 30, end),
        two: TailPosition("/b", 9, end),
    }
    assert tail_positions([*origins, f"file:/a;id={one};from=0;to=7"])[one] == TailPosition("/a", 7)


def test_very_short_lines_make_small_blocks_that_still_join_up(log, reader):
    append(log, b"\n" * 40_000 + b"half")
    reader.read()
    assert len(reader.kept) > 1
    assert max(block.count for block in reader.kept) <= BLOCK_LINES
    reader.kept = reader.kept[:1]  # the kill comes between two blocks of one read
    reader.kill()
    reader.read()
    assert reader.lines == [b""] * 40_000
