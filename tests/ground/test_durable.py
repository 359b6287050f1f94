"""Files that matter: whole or not at all, never overwritten by accident."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from some.durable import Disk

if TYPE_CHECKING:
    from pathlib import Path


def test_write_new_never_overwrites(tmp_path: Path) -> None:
    disk = Disk()
    disk.write_new(tmp_path / "a", b"first")

    with pytest.raises(FileExistsError):
        disk.write_new(tmp_path / "a", b"second")
    assert (tmp_path / "a").read_bytes() == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_replace_shows_the_old_or_the_new(tmp_path: Path) -> None:
    disk = Disk()
    disk.replace(tmp_path / "a", b"first", 0o600)
    with (tmp_path / "a").open("rb") as reader:
        disk.replace(tmp_path / "a", b"second", 0o600)

        assert reader.read() == b"first"
    assert (tmp_path / "a").read_bytes() == b"second"
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_short_write_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, content: real(descriptor, content[:3]))
    disk = Disk()
    descriptor = disk.open_append(tmp_path / "a")
    disk.append(descriptor, b"0123456789")
    disk.sync(descriptor)
    os.close(descriptor)

    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_a_large_file_is_staged_and_takes_its_name_at_the_end(tmp_path: Path) -> None:
    disk = Disk()
    (tmp_path / "a").write_bytes(b"old")

    def fill(descriptor: int) -> None:
        disk.append(descriptor, b"new")
        assert (tmp_path / "a").read_bytes() == b"old"

    disk.write_staged(tmp_path / "a", 0o640, fill)

    assert (tmp_path / "a").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_folders_are_made_with_their_parents_and_missing_files_are_removed_quietly(tmp_path: Path) -> None:
    disk = Disk()
    disk.make_folder(tmp_path / "a" / "b")
    disk.make_folder(tmp_path / "a" / "b")
    disk.remove(tmp_path / "a" / "b" / "none")
    (tmp_path / "a" / "b" / "file").write_bytes(b"0123456789")
    disk.truncate(tmp_path / "a" / "b" / "file", 4)

    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"0123"
    disk.remove(tmp_path / "a" / "b" / "file")
    assert not (tmp_path / "a" / "b" / "file").exists()
