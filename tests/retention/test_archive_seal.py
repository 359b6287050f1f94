from __future__ import annotations

import errno
import threading
from datetime import timedelta
from hashlib import sha256

import pytest
from archive_kit import SMALL, TIME, FaultyDisk, Killed, Site, abandon, block
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from retention.checkpoint import Checkpoint, open_note
from retention.head import Head
from retention.layout import token_name
from retention.manifest import Manifest, Note
from retention.seal_timer import SealTimer
from retention.sealing import SealMade
from retention.signer import Signer, _private_pem
from some.clock import SimulatedClock, SystemClock
from some.durable import Disk
from some.errors import IntegrityError, Unavailable, UnknownState


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


STEPS = [
    ("write_staged", ".zst"),  # close
    ("write_new", ".manifest"),
    ("replace", "head"),
    ("write_new", ".sig"),
    ("replace", "checkpoint"),
    ("remove", ".tsr"),
    ("publish", ""),
]
COMMITTED = {".sig", "checkpoint", ".tsr"}


def arrive(site: Site, seal: int, content: bytes = b"a token") -> None:
    """Let the stamping process deliver a token."""
    site.ledger.token(seal).write_bytes(content)
    (site.ledger.arrived / token_name(seal)).touch()


@pytest.mark.parametrize("step", STEPS, ids="-".join)
@pytest.mark.parametrize("mode", ["failed", "persisted", "killed", "killed_after"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fault_while_sealing_leaves_one_unbroken_chain(site, step, mode):
    site.disk = disk = FaultyDisk()
    archive = site.open()
    site.append(archive, "bir")
    archive.seal()
    arrive(site, 1)
    site.append(archive, "iki", "üç")
    disk.plan(*step, mode)
    outcome: object
    try:
        outcome = archive.seal()
    except (UnknownState, Killed, Unavailable, IntegrityError) as fault:
        outcome = fault
    assert disk.hits == 1
    if mode.startswith("killed"):
        assert isinstance(outcome, Killed)
    elif step[0] == "write_staged":
        assert isinstance(outcome, SealMade)  # the segment counts as damaged and stays out; the next start closes it
    else:
        assert isinstance(outcome, UnknownState)
        if step[0] != "publish":
            site.append(archive, "dört")
            archive.seal()  # found out by itself how far the last one got
            archive.check()
    abandon(archive) if mode.startswith("killed") else archive.close()
    site.disk = FaultyDisk()
    with site.open() as again:
        again.check()
        assert again.status().chain_fault is None
        site.append(again, "yeni")
        again.check()
        made = again.seal()
        again.check()
        seals = [Manifest.parse(site.ledger.manifest(number).read_bytes()) for number in range(1, made.seal + 1)]
    assert sum(manifest.records for manifest in seals) == len(site.acknowledged) == len(site.must_hold())
    assert [manifest.digest_of(token_name(1)) is not None for manifest in seals].count(True) == 1
    assert list(site.ledger.arrived.iterdir()) == []
    assert not list(site.root.rglob("*.new"))


def test_a_killed_process_that_left_a_manifest_beyond_the_head_has_it_adopted(site):
    site.disk = FaultyDisk()
    archive = site.open()
    site.append(archive, "bir")
    site.disk.plan("replace", "head", "killed")
    with pytest.raises(Killed):
        archive.seal()
    abandon(archive)
    text = site.ledger.manifest(1).read_bytes()
    site.disk = Disk()
    with site.open() as again:
        again.check()
        assert again.status().seals == 1
        assert again.seal() == SealMade(2, 0, 0)
        again.check()
    assert site.ledger.manifest(1).read_bytes() == text


@pytest.mark.parametrize("damage", ["cut", "other ledger", "segment", "number", "past", "key"])
def test_a_manifest_beyond_the_head_that_does_not_fit_is_set_aside_and_nothing_is_lost(site, damage):
    site.disk = FaultyDisk()
    archive = site.open()
    site.append(archive, "sıfır")
    archive.seal()
    site.append(archive, "bir")
    site.disk.plan("replace", "head", "killed")
    with pytest.raises(Killed):
        archive.seal()
    abandon(archive)
    path = site.ledger.manifest(2)
    text = path.read_bytes()
    key = sha256(site.ledger.public_key.read_bytes()).hexdigest().encode()
    past = sha256(site.ledger.manifest(1).read_bytes()).hexdigest().encode()
    path.write_bytes({
        "cut": text[:-30],
        "other ledger": text.replace(b"# ledger dugum1", b"# ledger dugum2"),
        "segment": text.replace(b" access records 1 bytes", b" access records 1 bytes 1"),
        "number": text.replace(b"# seal 2", b"# seal 3"),
        "past": text.replace(past, b"0" * 64),
        "key": text.replace(key, b"0" * 64),
    }[damage].replace(b"bytes 1 ", b"bytes 1"))  # fmt: skip
    kept = path.read_bytes()
    site.disk = Disk()
    with site.open() as again:
        again.check()
        assert again.status().seals == 1
        assert path.with_name(path.name + ".uncommitted-1").read_bytes() == kept
        made = again.seal()
        again.check()
    assert made == SealMade(2, 1, 1)
    site.must_hold()
    path.with_name("seal-000003.manifest").write_bytes(b"x")
    path.with_name("seal-000003.manifest.uncommitted-1").write_bytes(b"y")
    with site.open() as again:
        again.check()
    assert path.with_name("seal-000003.manifest.uncommitted-2").read_bytes() == b"x"


def _no_head(site):
    site.ledger.head.unlink()


def _other_head(site):
    site.ledger.head.write_text(Checkpoint("dugum1", 2, bytes(32)).to_text())


def _foreign_head(site):
    site.ledger.head.write_text(site.ledger.head.read_text().replace("dugum1", "dugum2"))


def _binary_head(site):
    site.ledger.head.write_bytes(b"\xff\xfe")


def _no_manifest(site):
    site.ledger.manifest(1).unlink()


def _changed_manifest(site):
    path = site.ledger.manifest(1)
    path.write_bytes(path.read_bytes().replace(b"# records 1", b"# records 2"))


def _no_private_key(site):
    (site.root / "keys" / "dugum1.key").unlink()


def _no_key_in_file(site):
    (site.root / "keys" / "dugum1.key").write_text("nothing")


def _other_kind_of_key(site):

    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (site.root / "keys" / "dugum1.key").write_bytes(pem)


def _other_key(site):

    (site.root / "keys" / "dugum1.key").write_bytes(_private_pem(Ed25519PrivateKey.generate()))


@pytest.mark.parametrize(
    "damage",
    [
        _no_head, _other_head, _foreign_head, _binary_head, _no_manifest, _changed_manifest, _no_private_key,
        _no_key_in_file, _other_kind_of_key, _other_key,
    ],
)  # fmt: skip
def test_a_broken_chain_is_told_and_not_sealed_over_but_records_are_kept(site, damage):
    with site.open() as archive:
        for message in ("bir", "iki"):
            site.append(archive, message)
            archive.seal()
        site.append(archive, "üç")
    damage(site)
    before = sorted((path.name, path.read_bytes()) for path in site.ledger.seals.rglob("*") if path.is_file())
    with site.open() as again:
        fault = again.status().chain_fault
        assert fault is not None
        assert again.status().seals is None
        assert site.append(again, "dört").first.segment == 4
        for _ in range(2):
            with pytest.raises(IntegrityError) as told:
                again.seal()
            assert str(told.value) == fault
        site.append(again, "beş")
    after = sorted((path.name, path.read_bytes()) for path in site.ledger.seals.rglob("*") if path.is_file())
    assert before == after
    site.must_hold()


def test_a_missing_public_key_is_made_again_from_the_private_one(site):
    with site.open() as archive:
        archive.seal()
    pem = site.ledger.public_key.read_bytes()
    site.ledger.public_key.unlink()
    with site.open() as archive:
        assert site.ledger.public_key.read_bytes() == pem
        archive.check()


def test_a_public_key_beyond_the_last_manifest_does_not_make_a_new_head(site):
    """Deleting head and public key together does not start a new chain over an old one."""
    with site.open() as archive:
        archive.seal()
    site.ledger.public_key.unlink()
    site.ledger.head.unlink()
    with site.open() as archive:
        assert archive.status().chain_fault == "the head is missing"


def test_empty_seals_are_the_heartbeat_and_every_seal_is_signed(site):
    with site.open() as archive:
        made = [archive.seal() for _ in range(9)]
        archive.check()
        assert [one.seal for one in made] == list(range(1, 10))
        assert all((one.segments, one.records) == (0, 0) for one in made)
    signer = Signer.open(site.root / "keys" / "dugum1.key", site.ledger.public_key, Disk())
    assert open_note(site.ledger.checkpoint.read_text(), signer.public_key).size == 9
    with site.open() as archive:
        assert archive.seal().seal == 10
        archive.check()


def test_the_private_key_is_secret(site):
    site.open().close()
    assert (site.root / "keys" / "dugum1.key").stat().st_mode & 0o777 == 0o600
    assert (site.root / "keys").stat().st_mode & 0o777 == 0o700


def test_seeds_are_secret_and_never_the_same(site):
    with site.open() as archive:
        site.append(archive, "bir")
        site.append(archive, "iki", name="dns")
    seeds = [site.ledger.seed(number) for number in (1, 2)]
    assert [path.stat().st_mode & 0o777 for path in seeds] == [0o600, 0o600]
    assert len({path.read_bytes() for path in seeds}) == 2
    assert [path.stat().st_size for path in seeds] == [32, 32]


def test_every_token_that_arrived_is_listed_once_oldest_first(site):
    with site.open() as archive:
        for _ in range(3):
            archive.seal()
        for seal in (3, 1):
            arrive(site, seal, b"token %d" % seal)
        (site.ledger.arrived / token_name(2)).touch()  # announced, but its file is gone
        (site.ledger.arrived / "junk").touch()
        archive.seal()
        archive.check()
        manifest = Manifest.parse(site.ledger.manifest(4).read_bytes())
        assert [file.name for file in manifest.files if file.name.endswith(".tsr")] == [token_name(1), token_name(3)]
        assert manifest.digest_of(token_name(3)) == sha256(b"token 3").hexdigest()
        assert [note.key for note in manifest.notes] == ["token-missing"]
        assert sorted(path.name for path in site.ledger.arrived.iterdir()) == ["junk", token_name(2)]
        (site.ledger.arrived / token_name(3)).touch()  # a marker that came back lists nothing twice
        archive.seal()
        assert Manifest.parse(site.ledger.manifest(5).read_bytes()).digest_of(token_name(3)) is None


def test_notes_are_asked_once_and_kept_until_a_manifest_holds_them(site):
    given = [[Note("dropped", "12 udp datagrams lost\nin the kernel " + "x" * 500)], [], [Note("outage", "\x00")], []]
    site.disk = disk = FaultyDisk()
    with site.open(notes=lambda: given.pop(0)) as archive:
        disk.plan("write_new", ".manifest", "failed")
        with pytest.raises(UnknownState):
            archive.seal()
        archive.seal()
        archive.check()
        first = Manifest.parse(site.ledger.manifest(1).read_bytes()).notes
        assert [note.key for note in first] == ["dropped"]
        assert first[0].text.startswith("12 udp datagrams lost in the kernel x")
        archive.seal()
        assert Manifest.parse(site.ledger.manifest(2).read_bytes()).notes == (Note("outage", " "),)
        archive.seal()
        assert Manifest.parse(site.ledger.manifest(3).read_bytes()).notes == ()
        archive.check()


def test_a_note_that_cannot_be_read_back_is_never_committed(site):
    with site.open(notes=lambda: [Note("Not A Key", "x")]) as archive, pytest.raises(IntegrityError):
        archive.seal()
    assert not list(site.ledger.seals.rglob("*.manifest"))


def test_segments_that_verbs_left_closed_stand_in_the_next_seal(site):
    for message in ("bir", "iki", "üç"):
        with site.open() as archive:
            site.append(archive, message)
            archive.check()
    with site.open() as archive:
        assert archive.status().unsealed == 3
        assert archive.seal() == SealMade(1, 3, 3)
        archive.check()
    with site.open() as archive:
        assert archive.seal() == SealMade(2, 0, 0)
    site.must_hold()


def test_a_damaged_segment_stays_out_of_the_seal_loudly_and_the_others_are_sealed(site):
    with site.open() as archive:
        site.append(archive, "sağlam")
        archive.submit(block("bozulacak", name="dns")).result()
        path = site.ledger.segment(2, "dns")
        stored = bytearray(path.read_bytes())
        stored[-2] ^= 1
        with path.open("r+b") as file:
            file.write(stored)
        assert archive.seal() == SealMade(1, 1, 1)
        assert "seg-000002" in archive.status().damaged[0]
        assert [note.key for note in Manifest.parse(site.ledger.manifest(1).read_bytes()).notes] == ["damaged"]
    with site.open() as again:  # what cannot be read any more is kept aside and named
        assert again.status().faults == ()
        again.check()
        assert again.seal() == SealMade(2, 0, 0)
        listed = Manifest.parse(site.ledger.manifest(2).read_bytes())
        assert listed.digest_of("seg-000002.dns.torn") == sha256(site.ledger.torn(2, "dns").read_bytes()).hexdigest()
        again.check()
    site.must_hold()


def test_a_closed_segment_without_its_seed_is_damaged(site):
    with site.open() as archive:
        site.append(archive, "x")
    site.ledger.seed(1).unlink()
    with site.open() as archive:
        assert archive.seal() == SealMade(1, 0, 0)
        assert "seg-000001.seed is missing" in archive.status().damaged[0]
    site.must_hold()


def test_a_segment_that_cannot_be_read_for_another_reason_is_damaged_too(site):
    site.disk = disk = FaultyDisk()
    with site.open() as archive:
        site.append(archive, "x")
        disk.plan("write_staged", ".zst", "failed")
        assert archive.seal() == SealMade(1, 0, 0)
        assert archive.status().damaged != ()
    with site.open() as archive:
        assert archive.seal() == SealMade(2, 1, 1)
        archive.check()


def test_the_head_swaps_only_what_is_expected(tmp_path):
    head = Head(tmp_path / "head", "dugum1", Disk())
    with pytest.raises(IntegrityError, match="missing"):
        head.read()
    head.create()
    head.create()
    first, second = Checkpoint.empty("dugum1"), Checkpoint("dugum1", 1, bytes(32))
    with pytest.raises(IntegrityError, match="somebody else"):
        head.swap(second, first)
    head.swap(first, second)
    assert head.read() == second


@pytest.mark.parametrize("after", [False, True])
def test_a_head_on_a_full_disk_is_unknown_only_if_it_moved(tmp_path, after):
    class Full(Disk):
        def replace(self, path, content, mode=0o640):
            if after:
                super().replace(path, content, mode)
            raise OSError(errno.ENOSPC, "full")

    Head(tmp_path / "head", "dugum1", Disk()).create()
    head = Head(tmp_path / "head", "dugum1", Full())
    with pytest.raises(UnknownState if after else OSError):
        head.swap(Checkpoint.empty("dugum1"), Checkpoint("dugum1", 1, bytes(32)))


def test_closing_waits_for_the_seal_under_way(site):
    entered, go_on = threading.Event(), threading.Event()

    class Slow(Disk):
        def replace(self, path, content, mode=0o640):
            if path.name == "head":
                entered.set()
                assert go_on.wait(30)
            super().replace(path, content, mode)

    archive = site.open(disk=Slow())
    site.append(archive, "x")
    made = []
    sealing = threading.Thread(target=lambda: made.append(archive.seal()))
    sealing.start()
    assert entered.wait(30)
    closing = threading.Thread(target=archive.close)
    closing.start()
    go_on.set()
    sealing.join()
    closing.join()
    assert made == [SealMade(1, 1, 1)]
    with site.open() as again:
        again.check()


def test_the_seal_timer_is_due_at_the_full_hour_and_never_later_than_one_interval():
    clock = SimulatedClock(TIME)  # 09:00:00.123456
    timer = SealTimer(clock, 3600, None)
    assert not timer.due()
    assert timer.wait_s() == pytest.approx(3599.876544)
    clock.advance(3599.9)
    assert timer.due()
    timer.sealed()
    assert not timer.due()
    clock.step(-1800)  # back over the hour: no second seal for it, but none is left out either
    assert not timer.due()
    clock.advance(1799)
    assert not timer.due()
    clock.advance(1801)
    assert timer.due()
    timer.sealed()
    clock.step(7200)
    assert timer.due()


def test_the_seal_timer_after_a_long_absence_is_due_at_once():
    clock = SimulatedClock(TIME)
    assert SealTimer(clock, 3600, TIME - timedelta(hours=5)).due()
    assert not SealTimer(clock, 3600, TIME).due()


def test_the_seal_timer_goes_on_after_a_seal_that_failed(caplog):
    clock, stop, seals = SimulatedClock(TIME), threading.Event(), []

    def seal():
        seals.append(clock.now())
        clock.advance(3600)
        if len(seals) == 1:
            raise Unavailable("no room")
        if len(seals) == 3:
            stop.set()

    clock.advance(3600)
    SealTimer(clock, 3600, TIME).run(seal, stop)
    assert len(seals) == 3
    stop.set()
    SealTimer(SystemClock(), 3600, SystemClock().now()).run(seal, stop)
    assert len(seals) == 3


def test_the_seal_timer_does_not_seal_early():
    clock, waits = SimulatedClock(TIME), []

    class Ticking(threading.Event):
        def wait(self, timeout=None):
            waits.append(timeout)
            clock.advance(1000)
            return len(waits) > 9

    seals = []
    SealTimer(clock, 3600, TIME).run(lambda: seals.append(clock.now()), Ticking())
    assert [(moment - TIME).total_seconds() for moment in seals] == [4000, 8000]
    assert len(waits) == 10


def test_a_segment_rolled_after_the_rotation_waits_for_the_next_seal(site):
    """What a seal covers ends at its closing time."""
    entered, go_on, chosen = threading.Event(), threading.Event(), threading.Event()

    class Slow(Disk):
        def write_staged(self, path, mode, fill):
            if "seg-000001" in path.name:
                entered.set()
                assert go_on.wait(30)
            super().write_staged(path, mode, fill)

    with site.open(disk=Slow(), options=SMALL) as archive:
        site.append(archive, "önce")
        close_below = archive._cuts.close_below

        def noted(boundary):
            chosen.set()  # the seal knows what it covers: a turn that this test orders itself changes it no more
            return close_below(boundary)

        archive._cuts.close_below = noted
        made = []
        sealing = threading.Thread(target=lambda: made.append(archive.seal()))
        sealing.start()
        assert entered.wait(30)
        assert chosen.wait(30)
        assert site.append(archive, "sonra").first.segment == 2
        archive.rotate()
        go_on.set()
        sealing.join()
        assert made == [SealMade(1, 1, 1)]
        assert archive.seal() == SealMade(2, 1, 1)
        archive.check()


def test_stage_files_of_the_stamping_process_are_left_alone(site):
    site.open().close()
    folder = site.ledger.seals / "000"
    folder.mkdir()
    theirs, ours = folder / ".seal-000001.tsq.77.new", folder / ".seal-000001.manifest.77.new"
    theirs.touch()
    ours.touch()
    site.open().close()
    assert theirs.exists()
    assert not ours.exists()
    assert list(site.ledger.arrived.iterdir()) == []
