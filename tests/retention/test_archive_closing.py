from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from archive_kit import SMALL, FaultyDisk, Site, block, done

from retention import closing
from retention.closer import Closer
from retention.closing import ClosingOrder, answer, close_segment
from retention.segment import (
    FRAME_BYTES,
    FrameTable,
    compress,
    compressor,
    pack_table,
    parse_table,
    table_length,
    tree_root,
)
from retention.segment_file import read_table, walk
from some.durable import Disk
from some.errors import IntegrityError, Unavailable

LINE = b"2026-11-23T09:00:00.123456Z\tgw\tudp:192.0.2.7:514\t%d %s\n"
SEED = bytes(range(32))


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def lines(first: int, count: int, width: int = 0) -> bytes:
    return b"".join(LINE % (number, b"x" * width) for number in range(first, first + count))


def make(tmp_path, contents, *, extra: bytes = b"", records: int | None = None) -> ClosingOrder:
    path, seed = tmp_path / "seg-000007.access.log.zst", tmp_path / "seg-000007.seed"
    seed.write_bytes(SEED)
    stored = b"".join(compress(content, compressor(1)) for content in contents)
    path.write_bytes(stored + extra)
    if records is None:
        records = sum(content.count(b"\n") for content in contents)
    return ClosingOrder(path, seed, 7, "access", len(stored), records)


def table_of(path) -> FrameTable:
    stored = path.read_bytes()
    return parse_table(stored[-table_length(stored) :])


def test_small_frames_are_joined_and_content_stays_as_it_is(tmp_path):
    contents = [lines(number * 10, 10, 3000) for number in range(100)]
    order = make(tmp_path, contents, extra=b"torn bytes that are not durable")
    sealed = close_segment(order, Disk())
    content = b"".join(contents)
    assert (sealed.records, sealed.size) == (1000, len(content))
    assert sealed.tree == tree_root(content.split(b"\n")[:-1], SEED)
    table = table_of(order.path)
    assert 2 <= len(table.frames) <= len(content) // FRAME_BYTES + 1
    expanded = subprocess.run(["zstd", "-dc", str(order.path)], capture_output=True, check=True).stdout
    assert expanded == content
    again = replace(order, size=None, records=None)
    before = order.path.read_bytes()
    assert close_segment(again, Disk()) == sealed
    assert order.path.read_bytes() == before


def test_large_frames_are_left_alone(tmp_path):
    contents = [lines(number * 1000, 1000, 700) for number in range(3)]
    order = make(tmp_path, contents)
    stored = order.path.read_bytes()
    close_segment(order, Disk())
    assert order.path.read_bytes().startswith(stored)
    assert [frame.first for frame in table_of(order.path).frames] == [0, 1000, 2000]


@pytest.mark.parametrize(
    "damage", ["count", "length", "line", "last", "first", "seed length", "no seed", "no file", "frame"]
)
def test_what_does_not_fit_is_an_integrity_error_and_the_file_stays(tmp_path, damage):
    good = lines(0, 5)
    contents = {
        "line": [good[:-1]],
        "last": [good + b"no time\n"],
        "first": [b"no time\n" + good],
    }.get(damage, [good])
    order = make(tmp_path, contents, records=6 if damage == "count" else None)
    if damage == "length":
        order = replace(order, size=order.size - 1)
    elif damage == "seed length":
        order.seed.write_bytes(b"short")
    elif damage == "no seed":
        order.seed.unlink()
    elif damage == "no file":
        order.path.unlink()
    elif damage == "frame":
        stored = bytearray(order.path.read_bytes())
        stored[-1] ^= 1
        order.path.write_bytes(stored)
    before = order.path.read_bytes() if order.path.exists() else None
    with pytest.raises(IntegrityError):
        close_segment(replace(order, records=None) if damage == "line" else order, Disk())
    assert (order.path.read_bytes() if order.path.exists() else None) == before


def test_an_empty_or_unclosed_segment_is_not_examined(tmp_path):
    order = make(tmp_path, [lines(0, 3)])
    with pytest.raises(IntegrityError, match="not closed"):
        close_segment(replace(order, size=None), Disk())
    with pytest.raises(IntegrityError, match="no record"):
        close_segment(replace(order, size=0, records=None), Disk())


def test_a_table_of_other_frames_is_refused(tmp_path):
    order = make(tmp_path, [lines(0, 3), lines(3, 3)])
    close_segment(order, Disk())
    table = table_of(order.path)
    stored = order.path.read_bytes()[: table.end]
    order.path.write_bytes(stored + pack_table(replace(table, records=7)))
    with pytest.raises(IntegrityError, match="does not fit"):
        close_segment(order, Disk())


def test_reading_a_table_refuses_everything_else(tmp_path):
    order = make(tmp_path, [lines(0, 3)])
    close_segment(order, Disk())
    whole = order.path.read_bytes()

    def table_in(stored):
        order.path.write_bytes(stored)
        descriptor = os.open(order.path, os.O_RDONLY)
        try:
            return read_table(descriptor)
        finally:
            os.close(descriptor)

    assert table_in(whole) is not None
    assert table_in(b"") is None
    assert table_in(whole[:-1]) is None
    assert table_in(whole + whole[-200:]) is None
    assert table_in(bytes(200)) is None
    totals = range(len(whole) - 20, len(whole) - 4)  # what closing and reading compare with the frames themselves
    for at in set(range(len(whole) - table_length(whole), len(whole))) - set(totals):
        changed = bytearray(whole)
        changed[at] ^= 0xFF
        assert table_in(bytes(changed)) is None
    assert table_in(b"x" + whole) is None


def test_walking_stops_at_what_is_no_frame(tmp_path):
    path = tmp_path / "file"
    frames = [compress(os.urandom(3_000_000), compressor(1)), compress(b"a\n", compressor(1))]

    def walked(extra, limit=None):
        path.write_bytes(b"".join(frames) + extra)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return [frame for _, frame in walk(descriptor, 0, limit or path.stat().st_size)]
        finally:
            os.close(descriptor)

    assert walked(b"") == frames
    for cut in range(1, len(frames[1])):
        assert walked(frames[1][:cut]) == frames
    assert walked(b"\x28\xb5\x2f\xfd" + b"\xff" * 30) == frames
    assert walked(os.urandom(2_000_000)) == frames
    assert walked(b"", limit=len(frames[0]) + 1) == frames[:1]


def test_the_tree_process_answers_every_order_and_says_what_went_wrong(tmp_path, monkeypatch):
    order = make(tmp_path, [lines(0, 9)])
    out = io.StringIO()
    closing.serve(
        io.StringIO(order.to_json() + "\n" + replace(order, size=None, records=4).to_json() + "\n"), out, Disk()
    )
    first, second = map(json.loads, out.getvalue().splitlines())
    assert closing.from_json(first["sealed"]).records == 9
    assert "records" in second["integrity"]
    disk = FaultyDisk()
    order = make(tmp_path, [lines(0, 9)])
    disk.plan("write_staged", "", "failed")
    assert json.loads(answer(order.to_json(), disk))["errno"] == 5
    monkeypatch.setattr(sys, "stdin", io.StringIO(order.to_json() + "\n"))
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    before = signal.getsignal(signal.SIGINT)
    try:
        closing.main()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert "sealed" in sys.stdout.getvalue()


def test_the_tree_process_closes_large_segments_and_ends_with_its_parent(site):
    with site.open(options=replace(SMALL, inline_bytes=0)) as archive:
        for number in range(3):
            site.append(archive, f"{number}")
            archive.seal()
            archive.check()
        closer = archive._cuts._closer
        child = closer.child_pid
        assert child is not None
        assert closer.cpu_s > 0
        os.kill(child, signal.SIGINT)  # Ctrl-C goes to the whole group; it is the parent that decides
        site.append(archive, "sonra")
        archive.seal()
        assert closer.child_pid == child
        os.kill(child, signal.SIGKILL)
        site.append(archive, "yeni işlem")
        archive.seal()
        archive.check()
        assert closer.child_pid not in {None, child}
    assert closer.child_pid is None
    site.must_hold()


def test_damage_found_by_the_tree_process_reaches_the_seal(site):
    with site.open(options=replace(SMALL, inline_bytes=0)) as archive:
        site.append(archive, "bir")
        site.ledger.seed(1).write_bytes(b"short")
        assert archive.seal().segments == 0
        assert "seed" in archive.status().damaged[0]


def test_an_operating_system_error_of_the_tree_process_keeps_its_number(tmp_path):
    order = make(tmp_path, [lines(0, 3)])
    said = json.dumps({"errno": 28, "text": "full", "cpu_s": 0})
    closer = Closer(Disk(), inline_bytes=0, command=[sys.executable, "-c", f"input(); print({said!r}); input()"])
    with pytest.raises(OSError, match="full") as told:
        closer.close(order)
    assert told.value.errno == 28
    closer._child.kill()
    closer.stop()
    closer.stop()


@pytest.mark.parametrize("program", ["pass", "input()"])
def test_a_tree_process_that_keeps_dying_is_unavailable_and_nothing_is_lost(site, program, monkeypatch):
    with site.open(options=replace(SMALL, inline_bytes=0)) as archive:
        site.append(archive, "bir")
        closer = archive._cuts._closer
        command, closer._command = closer._command, [sys.executable, "-c", program]
        with pytest.raises(Unavailable, match="died twice"):
            archive.seal()
        archive.check()
        closer._command = command
        assert archive.seal().records == 1
        archive.check()


def test_the_tree_process_uses_little_memory_for_a_whole_segment(site):
    """A segment of tiny records is the worst case: 0.5 million leaves are never held at once."""
    with site.open(options=replace(SMALL, inline_bytes=0)) as archive:
        payload = b"a\n" * 10_000
        futures = [archive.submit(replace(block("x"), payload=payload, count=10_000)) for _ in range(50)]
        for future in futures:
            done(future)
        archive.rotate()
        closer = archive._cuts._closer
        assert archive.seal().records == 500_000
        status = Path(f"/proc/{closer.child_pid}/status").read_text()
        assert int(status.split("VmHWM:")[1].split()[0]) < 64 * 1024
