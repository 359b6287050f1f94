"""What bounds a run: files, names, frames, processes. And what happens when the system itself says no."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ledger_builder import Builder, line

from retention import verify_files, verify_segments
from retention.segment import compress, compressor
from retention.verify_files import FileFault, read_whole, take_inventory
from retention.verify_segments import check_open
from retention.verify_workers import workers
from some.errors import Unavailable

TIME = datetime(2026, 11, 23, 9, tzinfo=UTC)


def code_of(path: Path) -> str:
    with pytest.raises(FileFault) as caught:
        read_whole(path, 10)
    return caught.value.code


def test_only_regular_files_that_can_be_read(tmp_path):
    (tmp_path / "file").write_bytes(b"0123456789")
    (tmp_path / "large").write_bytes(b"0123456789a")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    assert read_whole(tmp_path / "file", 10) == b"0123456789"
    assert code_of(tmp_path / "large") == "file.size"
    assert code_of(tmp_path / "link") == "file.unreadable"
    assert code_of(tmp_path / "pipe") == "file.kind"
    assert code_of(tmp_path) == "file.kind"
    assert code_of(tmp_path / "missing") == "file.missing"


def test_a_disk_that_fails_while_reading():
    memory = Path("/proc/self/mem")
    if not memory.exists():
        pytest.skip("no /proc here: nothing else gives a read error on demand")
    assert code_of(memory) == "file.unreadable"


def test_names_are_bounded(tmp_path, monkeypatch):
    for number in range(4):
        (tmp_path / str(number)).touch()
    monkeypatch.setattr(verify_files, "MAX_NAMES", 3)
    with pytest.raises(FileFault) as caught:
        take_inventory(tmp_path)
    assert caught.value.code == "file.count"


def test_pipe_in_the_ledger_is_named_not_opened(tmp_path):
    builder = Builder(tmp_path / "dugum1")
    builder.seal(3)
    builder.ledger.public_key.unlink()
    os.mkfifo(builder.ledger.public_key)
    inventory = take_inventory(builder.folder)
    with pytest.raises(FileFault) as caught:
        inventory.read(builder.ledger.public_key, 10)
    assert caught.value.code == "file.kind"


def test_content_of_open_segments_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(verify_segments, "MAX_STORED_BYTES", 5000)
    frame = compress((line(TIME, b"x" * 900) + b"\n") * 4, compressor(1))
    path = tmp_path / "seg-000001.access.log.zst"
    path.write_bytes(frame * 10)
    answer = check_open(path)
    assert [code for code, _ in answer.faults] == ["unsealed.damaged"]
    assert answer.content < 5000 + 4000


def test_open_segment_of_which_no_time_can_be_read(tmp_path):
    path = tmp_path / "seg-000001.access.log.zst"
    path.write_bytes(compress(b"2026-19-39T29:59:59.000000Z\tgw\tudp\tx\nno line\n", compressor(1)))
    answer = check_open(path)
    assert (answer.records, answer.oldest, answer.faults) == (2, None, ())


def test_answers_come_in_order_through_a_small_window():
    with workers(2) as pool:
        assert list(pool.answers(abs, range(-20, 0))) == list(range(20, 0, -1))


def test_killed_process_is_unavailable_not_a_verdict():
    with workers(2) as pool, pytest.raises(Unavailable, match="killed"):
        list(pool.answers(os._exit, [3]))
