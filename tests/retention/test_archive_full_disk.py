from __future__ import annotations

import errno
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from archive_kit import PATIENT_S, SMALL, FullDisk, Site, block, done

from retention.options import ArchiveState
from retention.reserve import Reserve
from retention.sealing import SealMade
from some.errors import Unavailable, UnknownState

MIB = 1024 * 1024
IMPATIENT = replace(SMALL, wait_for_space=False)


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def noise(size: int) -> str:
    """Return text that does not compress below half its size."""
    return os.urandom(size // 2).hex()


def wait_until(archive, true, otherwise: str) -> None:
    for _ in range(6000):  # a busy machine needs longer; the state decides, not the time
        if true():
            return
        archive._thread.join(0.01)
    pytest.fail(otherwise)


def wait_until_full(archive) -> None:
    wait_until(archive, lambda: archive.status().state is ArchiveState.DISK_FULL, "the disk never became full")


def test_a_full_disk_makes_records_wait_and_nothing_of_a_frame_is_left(site):
    site.disk = disk = FullDisk(2 * MIB)
    with site.open() as archive:
        site.append(archive, "önce")
        stored = site.ledger.segment(1, "access").stat().st_size
        disk.room = 1000
        message = noise(4000)
        waiting = archive.submit(block(message))
        wait_until_full(archive)
        later = archive.submit(block("sonra"))
        assert not waiting.done()
        assert not later.done()
        assert archive.status().waiting_blocks >= 1
        assert "full" in archive.status().fault
        disk.room += MIB
        archive.wake()
        site.remember(done(waiting), [message])
        site.remember(done(later), ["sonra"])
        assert disk.truncations >= 1
        assert site.ledger.segment(1, "access").stat().st_size > stored
        archive.check()
        assert archive.status().state is ArchiveState.OK
    assert site.must_hold() == ["önce", message, "sonra"]


def test_a_verb_does_not_wait_for_room(site):
    site.disk = disk = FullDisk(2 * MIB)
    site.options = IMPATIENT
    with site.open() as archive:
        disk.room = 10
        with pytest.raises(Unavailable, match="nothing of this was retained"):
            done(archive.submit(block(noise(4000))))
        with pytest.raises(Unavailable):
            done(archive.submit(block(noise(4000), name="dns")))
        disk.room = MIB
        site.append(archive, "olur")
        archive.check()
    assert site.must_hold() == ["olur"]


def test_audit_records_and_seals_go_on_from_the_reserve(site):
    site.disk = disk = FullDisk(9 * MIB)
    site.options = replace(SMALL, reserve_bytes=8 * MIB)
    with site.open() as archive:
        site.append(archive, "önce")
        disk.room = 0
        waiting = archive.submit(block(noise(2000)))
        wait_until_full(archive)
        site.append(archive, '{"entry":1}', name="audit")
        assert 0 < archive.status().reserve_bytes < 8 * MIB
        disk.room = 0
        assert archive.seal() == SealMade(1, 2, 2)
        archive.check()
        assert not waiting.done()
        disk.room += 9 * MIB
        done(waiting)
        archive.check()
        assert archive.status().reserve_bytes == 8 * MIB
        assert archive.seal().segments == 1
        archive.check()


def test_when_even_the_reserve_is_gone_everything_waits_and_a_seal_says_why(site):
    site.disk = disk = FullDisk(3 * MIB)
    with site.open() as archive:
        site.append(archive, "önce")
        disk.room = 0
        access = archive.submit(block("erişim"))
        wait_until_full(archive)
        disk.taken = True
        audit = archive.submit(block(noise(3 * MIB), name="audit"))
        with pytest.raises(Unavailable):
            archive.seal()
        assert archive.status().reserve_bytes == 0
        assert not access.done()
        assert not audit.done()
        disk.taken, disk.room = False, 8 * MIB
        archive.wake()
        done(audit)
        done(access)
        archive.check()
        assert archive.seal().records == 3
        archive.check()


def test_a_seal_that_finds_no_room_is_made_whole_by_the_next_one(site):
    site.options = replace(SMALL, reserve_bytes=0)
    site.disk = disk = FullDisk(MIB)
    with site.open() as archive:
        for room in range(0, 4000, 400):
            site_message = f"{room}"
            site.append(archive, site_message)
            before, disk.room = disk.room, room
            try:
                archive.seal()
            except Unavailable:
                disk.room = before
                archive.seal()
            disk.room = before
            archive.check()
    assert len(site.must_hold()) == 10


def test_closing_on_a_full_disk_tells_those_who_waited(site):
    site.disk = disk = FullDisk(2 * MIB)
    archive = site.open()
    disk.room = 0
    waiting = archive.submit(block("bekleyen"))
    wait_until_full(archive)
    archive.close()
    with pytest.raises(Unavailable):
        waiting.result(PATIENT_S)
    site.disk = FullDisk(4 * MIB)
    with site.open() as again:
        again.check()
        assert site.append(again, "yeni").first.segment == 1


def test_no_room_for_a_new_segment_leaves_neither_file_nor_seed(site):
    site.options = replace(IMPATIENT, reserve_bytes=0)

    class NoNames(FullDisk):
        def open_append(self, path, mode=0o640):
            if self.room == 0:
                raise OSError(errno.ENOSPC, "no inode")
            return super().open_append(path, mode)

        def append(self, descriptor, content):
            if ".seed" not in Path(f"/proc/self/fd/{descriptor}").readlink().name:
                super().append(descriptor, content)

    site.disk = disk = NoNames(MIB)
    with site.open(options=site.options) as archive:
        disk.room = 0
        with pytest.raises(Unavailable):
            done(archive.submit(block("a")))
        assert not [path for path in site.ledger.segments.rglob("*") if path.is_file()]
        disk.room = MIB
        assert site.append(archive, "b").first.segment == 1


@pytest.mark.parametrize("privileged", [False, True])
def test_a_frame_that_cannot_be_cut_off_stops_the_archive(site, privileged):
    class Stuck(FullDisk):
        def truncate(self, path, size):
            raise OSError(errno.EIO, "broken")

    site.disk = disk = Stuck(2 * MIB)
    archive = site.open()
    name = "audit" if privileged else "access"
    site.append(archive, "önce", name=name)
    disk.room = 0
    with pytest.raises(UnknownState, match="cut off"):
        done(archive.submit(block("x", name=name)))
    archive.close()


def test_a_fault_other_than_no_room_while_the_disk_is_full_stops_the_archive(site):
    class Failing(FullDisk):
        broken = False

        def write_new(self, path, content, mode=0o640):
            if self.broken and path.suffix == ".seed":
                raise OSError(errno.EIO, "broken")
            super().write_new(path, content, mode)

    site.disk = disk = Failing(9 * MIB)
    archive = site.open(options=replace(SMALL, reserve_bytes=8 * MIB, segment_bytes=1))
    site.append(archive, "önce")
    wait_until(archive, lambda: 1 in archive._cuts._closed, "the first segment was never closed")  # gives up no reserve
    disk.room = 0
    waiting = archive.submit(block("bekleyen"))
    wait_until_full(archive)
    site.append(archive, "{1}", name="audit")
    disk.broken = True
    with pytest.raises(UnknownState):
        done(archive.submit(block("{}", name="audit")))
    with pytest.raises(UnknownState):
        done(waiting)
    archive.close()


def test_a_segment_that_got_no_record_leaves_no_trace(site):
    """On a full disk a segment may be opened and never used; its number is free again."""
    site.disk = disk = FullDisk(2 * MIB)
    archive = site.open()
    disk.room = 32  # for the seed
    archive.submit(block(noise(4000)))
    wait_until_full(archive)
    disk.room = MIB
    disk.allocated.clear()
    archive.close()
    with site.open(disk=FullDisk(9 * MIB)) as again:
        again.check()


def test_a_segment_that_got_no_record_gives_its_number_back_at_a_seal(site):
    site.disk = disk = FullDisk(9 * MIB)
    message = noise(4000)
    with site.open(options=replace(SMALL, reserve_bytes=8 * MIB)) as archive:
        disk.room = 32  # for the seed
        waiting = archive.submit(block(message))
        wait_until_full(archive)
        archive.seal()
        disk.room += 9 * MIB
        archive.wake()
        site.remember(done(waiting), [message])
        archive.check()
    assert {ref.segment for ref in site.acknowledged} == {1}


def test_a_class_that_got_no_room_beside_one_that_did_leaves_no_trace(site):
    site.disk = disk = FullDisk(9 * MIB)
    archive = site.open(options=replace(SMALL, reserve_bytes=8 * MIB))
    disk.room = 40  # enough for the seed
    waiting = archive.submit(block(noise(4000)))
    wait_until_full(archive)
    assert site.append(archive, "{1}", name="audit").first.segment == 2
    archive.check()
    archive.close()
    with pytest.raises(Unavailable):
        done(waiting)
    assert not site.ledger.seed(1).exists()
    with site.open(disk=FullDisk(9 * MIB)) as again:
        assert site.append(again, "yeni").first.segment == 3
        again.check()
    site.must_hold()


def test_a_reserve_that_cannot_grow_gives_back_what_it_took(tmp_path):
    disk = FullDisk(5000)
    reserve = Reserve(tmp_path / "reserve", 4096, disk)
    assert reserve.held == 0
    assert reserve.refill()
    assert reserve.refill()
    assert Reserve(tmp_path / "reserve", 4096, disk).held == 4096
    bigger = Reserve(tmp_path / "reserve", 9000, disk)
    assert not bigger.refill()

    class Optimist(FullDisk):
        def free(self, folder):
            return 10**9

    optimist = Optimist(0)
    optimist.allocated = disk.allocated
    bigger = Reserve(tmp_path / "reserve", 9000, optimist)
    assert not bigger.refill()
    assert bigger.held == 4096

    def never():
        raise OSError(errno.EDQUOT, "quota")

    with pytest.raises(OSError, match="quota"):
        bigger.spend(never)
    assert bigger.held == 0

    calls = []

    def refilled():
        calls.append(1)
        optimist.room = 10**9
        bigger.refill()
        raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="full"):
        bigger.spend(refilled)  # somebody else takes it all again and again: this ends all the same
    assert 1 < len(calls) < 20

    class Broken(Optimist):
        def allocate(self, path, size):
            raise OSError(errno.EIO, "broken")

    with pytest.raises(OSError, match="broken"):
        Reserve(tmp_path / "other", 10, Broken(0)).refill()


def test_a_first_start_on_a_full_disk_is_unavailable(site):
    with pytest.raises(Unavailable, match="no room to open"):
        site.open(disk=FullDisk(10))
    with site.open() as archive:
        archive.check()


def test_a_real_full_file_system(tmp_path):
    mounted = tmp_path / "disk"
    mounted.mkdir()
    outcome = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mounted)], capture_output=True, text=True, check=False
    )
    if outcome.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {outcome.stderr.strip()}")
    try:
        site = Site(mounted / "data")
        with site.open() as archive:
            waiting = []
            while archive.status().state is ArchiveState.OK and len(waiting) < 200:
                message = noise(200_000)
                waiting.append((message, archive.submit(block(message))))
                archive._thread.join(0.01)
            assert archive.status().state is ArchiveState.DISK_FULL
            site.append(archive, "{}", name="audit")
            archive.check()
            subprocess.run(["mount", "-o", "remount,size=64m", str(mounted)], check=True)
            for message, future in waiting:
                site.remember(done(future), [message])
            archive.check()
            archive.seal()
            archive.check()
        site.must_hold()
    finally:
        subprocess.run(["umount", "-l", str(mounted)], check=True)
