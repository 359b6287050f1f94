"""A full disk locks nobody out: what the state database needs next, it has already."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest
from conftest import LOCAL, PASSWORD, SEAT

from some.app.accounts.desk import AccountsDesk
from some.app.accounts.outcomes import SignedIn
from some.app.accounts.passwords import Passwords
from some.app.accounts.second_factor import SecretBox
from some.app.migrations.run import migrate
from some.database import connect, sqlite_url
from some.errors import Unavailable


@pytest.fixture
def small_disk(tmp_path):
    """Mount a file system of 32 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder):
    """Write until nothing more fits."""
    descriptor = os.open(folder / "filler", os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    os.write(descriptor, bytes(size))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise
    finally:
        os.close(descriptor)


def open_office(folder, clock, roles, *, with_room):
    database = connect(sqlite_url(folder / "some.sqlite"))
    migrate(database)
    if with_room:
        database.keep_room()
    passwords = Passwords(time_cost=1, memory_kib=8, parallelism=1)
    desk = AccountsDesk(database, clock, roles, passwords=passwords, box=SecretBox(bytes(32)))
    desk.create_account(LOCAL, "yonetici", "Bir Yönetici", ["sistem-yoneticisi"], password=PASSWORD)
    return database, desk


def sign_in_often(desk, times):
    """Return how many sign-ins went through before the disk said no."""
    for done in range(times):
        try:
            assert isinstance(desk.sign_in("yonetici", PASSWORD, SEAT), SignedIn)
        except Unavailable:
            return done
    return times


def test_with_room_kept_an_administrator_signs_in_hundreds_of_times(small_disk, clock, roles):
    database, desk = open_office(small_disk, clock, roles, with_room=True)
    fill(small_disk)
    assert sign_in_often(desk, 300) == 300
    database.close()


def test_without_room_the_full_disk_is_said_clearly(small_disk, clock, roles):
    """The reason why room is kept: otherwise a few dozen writes at most go through."""
    database, desk = open_office(small_disk, clock, roles, with_room=False)
    fill(small_disk)
    assert sign_in_often(desk, 300) < 100
    with pytest.raises(Unavailable, match="full"):
        desk.sign_in("yonetici", PASSWORD, SEAT)
    database.close()


def test_where_there_is_no_room_to_keep_it_is_said(small_disk, clock, roles):
    database, _ = open_office(small_disk, clock, roles, with_room=False)
    fill(small_disk)
    with pytest.raises(Unavailable, match="full"):
        database.keep_room()
    database.close()


def test_keeping_room_again_costs_no_more_space(tmp_path):
    path = tmp_path / "some.sqlite"
    database = connect(sqlite_url(path))
    migrate(database)
    sizes = []
    for _ in range(4):
        database.keep_room()
        sizes.append((path.stat().st_size, path.with_name("some.sqlite-wal").stat().st_size))
    database.close()
    assert len(set(sizes[1:])) == 1
