from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from archive_kit import NAME, PATIENT_S, SMALL, TIME, FaultyDisk, Site, abandon, block, done
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from retention.archive import Archive
from retention.lock import ArchiveHeld
from retention.options import ArchiveOptions, ArchiveState, ArchiveStatus
from retention.segment import MAX_FRAME_CONTENT
from some.clock import SimulatedClock, SystemClock
from some.errors import BadInput, IntegrityError, SettingsFault, Unavailable, UnknownState
from some.record import RecordBlock, RecordClass

if TYPE_CHECKING:
    from concurrent.futures import Future


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def test_a_lone_record_is_durable_at_once_and_stands_where_it_was_said(site):
    with site.open() as archive:
        first = site.append(archive, "bir")
        archive.check()
        assert str(first.first) == "dugum1/000001/000000"
        second = site.append(archive, "iki", "üç")
        archive.check()
        assert str(second.last) == "dugum1/000001/000002"
        assert site.must_hold() == ["bir", "iki", "üç"]
    site.must_hold()


def test_classes_stand_in_segments_of_their_own(site):
    with site.open() as archive:
        refs = [
            site.append(archive, f"{number} {name}", name=name).first
            for number, name in enumerate(("access", "dns", "access", "audit"))
        ]
        archive.check()
        assert [(ref.segment, ref.position) for ref in refs] == [(1, 0), (2, 0), (1, 1), (3, 0)]
        assert [facts.record_class for facts in archive.status().open_segments] == ["access", "dns", "audit"]
        made = archive.seal()
        archive.check()
        assert (made.seal, made.segments, made.records) == (1, 3, 4)
        assert site.append(archive, "sonra").first.segment == 4
    site.must_hold()


def test_a_segment_rolls_at_its_size_and_not_before(site):
    with site.open(options=ArchiveOptions(reserve_bytes=0, segment_bytes=400)) as archive:
        appended = [site.append(archive, f"{number:03d} {'x' * 100}") for number in range(9)]
        archive.check()
        assert [one.first.segment for one in appended] == [1, 1, 1, 2, 2, 2, 3, 3, 3]
        assert archive.seal().segments == 3
        archive.check()
    site.must_hold()


def test_a_large_commit_makes_several_frames_and_no_block_stands_in_two(site):
    held = threading.Event()

    class SlowDisk(FaultyDisk):
        def sync(self, descriptor):
            assert held.wait(PATIENT_S)
            super().sync(descriptor)

    with site.open(disk=SlowDisk()) as archive:
        lines = [f"{number:06d} {'y' * 990}" for number in range(3000)]
        futures = [archive.submit(block(*lines[start : start + 100])) for start in range(0, 3000, 100)]
        held.set()
        for start, future in zip(range(0, 3000, 100), futures, strict=True):
            site.remember(done(future), lines[start : start + 100])
        archive.check()
        assert archive.status().commits < 30
        with site.reader() as reader:
            places = []
            with reader._files.use(1, reader._state()) as segment:
                position = 0
                while (frame := segment.frame(position)) is not None:
                    places.append(frame[:2])
                    position += frame[1]
        assert len(places) >= 2
        assert all(first % 100 == 0 and count % 100 == 0 for first, count in places)
    assert site.must_hold() == lines


def test_500_concurrent_appends_come_exactly_once_and_in_the_order_of_each_caller(site):
    with site.open() as archive:
        answers: list[list[tuple[str, Future]]] = [[] for _ in range(25)]

        def call(caller):
            for number in range(20):
                message = f"{caller}-{number}"
                answers[caller].append(
                    (message, archive.submit(block(message, name="dns" if number % 5 == 4 else "access")))
                )

        threads = [threading.Thread(target=call, args=(caller,)) for caller in range(25)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for mine in answers:
            refs = []
            for message, future in mine:
                appended = done(future)
                refs.append(appended.first)
                site.remember(appended, [message])
            for name in {ref.segment for ref in refs}:
                positions = [ref.position for ref in refs if ref.segment == name]
                assert positions == sorted(positions)
        archive.check()
        assert archive.status().records == 500
    assert len(site.must_hold()) == 500


def test_order_of_one_caller_holds_across_classes(site):
    """No later block of a caller is durable before an earlier one, whatever their classes are."""
    finished: list[int] = []
    with site.open() as archive:
        for number in range(200):
            future = archive.submit(block(f"{number}", name=("access", "dns", "mail")[number % 3]))
            future.add_done_callback(lambda _, number=number: finished.append(number))
        archive.submit(block("son")).result(PATIENT_S)
        archive.check()
    for name in range(3):
        mine = [number for number in finished if number % 3 == name]
        assert mine == sorted(mine)


def test_a_block_that_no_frame_can_hold_is_refused_with_its_size(site):
    with site.open() as archive:
        empty_lines = RecordBlock(TIME, "s" * 500, "o" * 500, RecordClass("access"), b"\n" * 70_000, 70_000)
        with pytest.raises(BadInput, match=str(MAX_FRAME_CONTENT)):
            done(archive.submit(empty_lines))
        archive.check()
        assert archive.status().waiting_blocks == 0


def test_blocks_whose_sum_no_frame_can_hold_get_frames_of_their_own(site):
    held = threading.Event()

    class SlowDisk(FaultyDisk):
        def sync(self, descriptor):
            assert held.wait(PATIENT_S)
            super().sync(descriptor)

    with site.open(disk=SlowDisk(), options=ArchiveOptions(reserve_bytes=0, commit_bytes=100 * 2**20)) as archive:
        first = archive.submit(block("ilk"))
        small = archive.submit(block("küçük"))
        large = archive.submit(
            RecordBlock(TIME, "s", "o", RecordClass("access"), b"z" * (MAX_FRAME_CONTENT - 100) + b"\n", 1)
        )
        held.set()
        site.remember(done(first), ["ilk"])
        site.remember(done(small), ["küçük"])
        assert done(large).records == 1
        archive.check()


def test_a_block_taken_back_before_its_turn_is_not_retained(site):
    held, entered = threading.Event(), threading.Event()

    class SlowDisk(FaultyDisk):
        def sync(self, descriptor):
            entered.set()
            assert held.wait(PATIENT_S)
            super().sync(descriptor)

    with site.open(disk=SlowDisk()) as archive:
        first = archive.submit(block("kalan"))
        assert entered.wait(PATIENT_S)
        second = archive.submit(block("vazgeçilen"))
        assert archive.status().waiting_blocks == 2
        assert second.cancel()
        held.set()
        site.remember(done(first), ["kalan"])
    assert site.must_hold() == ["kalan"]


def test_two_archives_on_one_folder_are_refused_and_the_first_goes_on(site):
    with site.open() as archive:
        with pytest.raises(ArchiveHeld):
            site.open()
        site.append(archive, "hâlâ")
        archive.check()
    with site.open() as again:
        site.append(again, "yine")
        again.check()
    site.must_hold()


@pytest.mark.parametrize("name", ["", "Dugum", "a/b", "-a", "a" * 64])
def test_a_bad_ledger_name_is_refused_before_anything_is_made(tmp_path, name):
    with pytest.raises(SettingsFault):
        Archive.open(tmp_path / "archive", tmp_path / "run", name, tmp_path / "keys", clock=SystemClock())
    assert list(tmp_path.iterdir()) == []


def test_a_closed_archive_refuses_records_seals_and_rotation_and_closes_twice(site):
    archive = site.open()
    archive.close()
    archive.close()
    with pytest.raises(Unavailable):
        done(archive.submit(block("geç")))
    with pytest.raises(Unavailable):
        archive.seal()
    assert archive.status().state is ArchiveState.CLOSED


def test_closing_makes_durable_what_still_waits(site):
    archive = site.open()
    futures = [archive.submit(block(f"{number}")) for number in range(50)]
    archive.close()
    for number, future in enumerate(futures):
        site.remember(future.result(0), [f"{number}"])
    assert len(site.must_hold()) == 50
    with site.open() as again:
        again.check()
        assert again.seal().records == 50
        again.check()


@pytest.mark.parametrize(
    "step", [("append", ".zst"), ("sync", ""), ("publish", ""), ("open_append", ".zst"), ("write_new", ".seed")]
)
@pytest.mark.parametrize("mode", ["failed", "persisted", "killed", "killed_after"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_while_appending_loses_nothing_that_was_acknowledged(site, step, mode):
    site.disk = disk = FaultyDisk()
    archive = site.open()
    fresh = step[0] in {"open_append", "write_new"}
    if not fresh:
        site.append(archive, "önce")
    disk.plan(*step, mode)
    with pytest.raises(UnknownState):
        site.append(archive, "belki")
    assert disk.hits == 1
    assert archive.status().state is ArchiveState.FAILED
    with pytest.raises(UnknownState):
        done(archive.submit(block("sonra")))
    with pytest.raises(UnknownState):
        archive.seal()
    abandon(archive)
    site.disk = FaultyDisk()
    with site.open() as again:
        again.check()
        site.append(again, "yeniden")
        again.check()
        messages = site.must_hold()
        made = again.seal()
        again.check()
    assert made.records == len(messages) == len(site.must_hold())
    assert ("belki" in messages) == (
        (step[0], mode) in {("append", "persisted"), ("append", "killed_after")} or step[0] in {"sync", "publish"}
    )


def test_what_was_kept_before_a_fault_in_the_same_turn_stays_kept(site):
    entered, go_on = threading.Event(), threading.Event()

    class Slow(FaultyDisk):
        def sync(self, descriptor):
            entered.set()
            assert go_on.wait(PATIENT_S)
            assert archive.submit(block("vazgeçilen")).cancel()  # one that nobody waits for is in the queue as well
            super().sync(descriptor)

    site.disk = Slow()
    archive = site.open(options=ArchiveOptions(reserve_bytes=0, commit_bytes=1))
    futures = [archive.submit(block("0"))]
    assert entered.wait(PATIENT_S)
    futures += [archive.submit(block(f"{number}")) for number in (1, 2, 3)]
    site.disk.plan("sync", "", "failed", skip=2)
    go_on.set()
    for number in (0, 1):
        site.remember(done(futures[number]), [f"{number}"])
    for future in futures[2:]:
        with pytest.raises(UnknownState):
            done(future)
    archive.close()
    site.unknown = ["2"]
    with site.open(disk=FaultyDisk()) as again:
        again.check()
        assert site.must_hold() == ["0", "1", "2"]


def test_a_seal_that_was_asked_for_beside_a_failing_commit_is_told(site):
    entered, go_on = threading.Event(), threading.Event()

    class Slow(FaultyDisk):
        def sync(self, descriptor):
            entered.set()
            assert go_on.wait(PATIENT_S)
            super().sync(descriptor)

    site.disk = Slow()
    archive = site.open()
    first = archive.submit(block("0"))
    assert entered.wait(PATIENT_S)
    second, told = archive.submit(block("1")), []

    def seal():
        with pytest.raises(UnknownState):
            archive.seal()
        told.append(True)

    sealing = threading.Thread(target=seal)
    sealing.start()
    while not archive._rotations:
        sealing.join(0.01)
    site.disk.plan("sync", "", "failed", skip=1)
    go_on.set()
    sealing.join(PATIENT_S)
    assert told == [True]
    site.remember(done(first), ["0"])
    with pytest.raises(UnknownState):
        done(second)
    archive.close()


def test_a_word_to_readers_that_could_not_be_given_at_closing_is_given_by_the_next_commit(site):
    site.disk = disk = FaultyDisk()
    with site.open() as archive:
        site.append(archive, "bir")
        disk.plan("publish", "", "failed")
        archive.rotate()
        archive._cuts._worker.submit(int).result(PATIENT_S)
        assert disk.hits == 1
        site.must_hold()
        site.append(archive, "iki")
        archive.check()
        site.must_hold()


def test_whatever_ends_the_disk_thread_nobody_waits_for_ever(site):
    """Also a defect of ours: the promise of every block is kept or broken, never forgotten."""

    class Broken(FaultyDisk):
        def sync(self, descriptor):
            raise ZeroDivisionError

    site.disk = Broken()
    archive = site.open()
    caught = []
    before, threading.excepthook = threading.excepthook, lambda arguments: caught.append(arguments.exc_type)
    try:
        with pytest.raises(UnknownState, match="disk thread died"):
            done(archive.submit(block("x")))
        archive._thread.join()
    finally:
        threading.excepthook = before
    assert caught == [ZeroDivisionError]
    abandon(archive)


def test_a_failure_while_opening_releases_the_lock(site):
    site.disk = FaultyDisk()
    site.disk.plan("write_new", "head", "failed")
    with pytest.raises(OSError, match="planned"):
        site.open()
    with site.open() as archive:
        archive.check()


def test_a_wall_clock_that_steps_back_breaks_nothing(site):
    site.clock = clock = SimulatedClock(TIME)
    with site.open() as archive:
        for number, step in enumerate([0, -3600, 7200, -86400]):
            clock.step(step)
            clock.advance(10)
            archive.submit(block(f"{number}", at=clock.now())).result(PATIENT_S)
            archive.seal()
            archive.check()
        assert archive.status().seals == 4
    with site.reader() as reader:
        notes = [reader.seal(number).notes for number in range(1, 5)]
        assert all(reader.seal(number).trial for number in range(1, 5))
    assert [len(one) for one in notes] == [0, 1, 1, 1]
    assert "-3600.000 s" in notes[1][0]
    clock.step(-timedelta(days=3).total_seconds())
    with site.open() as archive:
        archive.seal()
        archive.check()
    with site.reader() as reader:
        assert "before the last seal" in reader.seal(5).notes[0]


def test_the_status_can_cross_a_socket(site):
    with site.open() as archive:
        site.append(archive, "a")
        status = archive.status()
        assert ArchiveStatus.from_json({**status.to_json(), "newer_field": 1}) == status


def test_check_sees_a_flipped_byte(site):
    """The invariant that all other tests rest on can fail."""
    with site.open(options=SMALL) as archive:
        site.append(archive, "özgün kayıt")
        archive.seal()
        path = site.ledger.segment(1, "access")
        stored = bytearray(path.read_bytes())
        stored[12] ^= 1
        path.write_bytes(stored)
        with pytest.raises(IntegrityError):
            archive.check()
        stored[12] ^= 1
        path.write_bytes(stored)
        archive.check()
        signature = site.ledger.signature(1)
        kept = signature.read_bytes()
        signature.write_bytes(bytes(64))
        with pytest.raises(IntegrityError, match="not signed"):
            archive.check()
        signature.write_bytes(kept)
        pem = site.ledger.public_key.read_bytes()
        other = ec.generate_private_key(ec.SECP256R1()).public_key()
        site.ledger.public_key.write_bytes(
            other.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        )
        with pytest.raises(IntegrityError, match="Ed25519"):
            archive.check()
        site.ledger.public_key.write_bytes(pem)
        (site.root / "run" / "durable").write_bytes(b"")
        with pytest.raises(IntegrityError, match="run/durable"):
            archive.check()
    assert archive.ledger == NAME
