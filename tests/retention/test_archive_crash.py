from __future__ import annotations

import shutil
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from archive_kit import FaultyDisk, Killed, Site, abandon
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from retention.manifest import Manifest
from retention.recovery import recover_segments
from retention.sealing import SealMade
from some.durable import Disk
from some.errors import UnknownState

if TYPE_CHECKING:
    from retention.layout import Ledger


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def crashed(site: Site, *messages: str) -> Ledger:
    """Let an archive die with `messages` durable, each in a frame of its own."""
    site.disk = FaultyDisk()
    archive = site.open()
    for message in messages:
        site.append(archive, message)
    abandon(archive)
    site.disk = Disk()
    site.clock = type(site.clock)()
    return site.ledger


def test_a_tail_torn_at_any_length_is_kept_aside_named_and_sealed(site):
    ledger = crashed(site, "bir", "iki")
    whole = ledger.segment(1, "access").read_bytes()
    frame = len(whole) // 2
    first = whole[: frame + (len(whole) - 2 * frame)]
    for cut in range(1, frame):
        other = Site(site.root / f"{cut}")
        shutil.copytree(site.root / "archive", other.root / "archive")
        shutil.copytree(site.root / "keys", other.root / "keys")
        other.ledger.segment(1, "access").write_bytes(whole[: len(first) + cut] if cut % 2 else whole + whole[:cut])
        expected = 1 if cut % 2 else 2
        torn = whole[len(first) : len(first) + cut] if cut % 2 else whole[:cut]
        with other.open() as archive:
            archive.check()
            assert other.ledger.torn(1, "access").read_bytes() == torn
            assert archive.seal() == SealMade(1, 1, expected)
            archive.check()
            manifest = Manifest.parse(other.ledger.manifest(1).read_bytes())
            assert manifest.digest_of("seg-000001.access.torn") == sha256(torn).hexdigest()
            assert [note.key for note in manifest.notes] == ["torn"]
            assert f"{cut} bytes" in manifest.notes[0].text
            assert archive.seal() == SealMade(2, 0, 0)
            assert Manifest.parse(other.ledger.manifest(2).read_bytes()).digest_of("seg-000001.access.torn") is None
            archive.check()


def test_a_first_frame_torn_at_any_length_leaves_no_segment_but_its_bytes(site):
    ledger = crashed(site, "bir")
    whole = ledger.segment(1, "access").read_bytes()
    for cut in range(0, len(whole), 7):
        other = Site(site.root / f"{cut}")
        shutil.copytree(site.root / "archive", other.root / "archive")
        shutil.copytree(site.root / "keys", other.root / "keys")
        other.ledger.segment(1, "access").write_bytes(whole[:cut])
        with other.open() as archive:
            archive.check()
            assert not other.ledger.segment(1, "access").exists()
            assert not other.ledger.seed(1).exists()
            assert other.append(archive, "yeni").first.segment == (2 if cut else 1)
            archive.check()
            assert archive.seal().records == 1
            archive.check()
        other.must_hold()


def test_acknowledged_records_that_are_gone_are_an_integrity_fault_and_noted(site):
    ledger = crashed(site, "bir", "iki")
    path = ledger.segment(1, "access")
    path.write_bytes(path.read_bytes()[:-3])
    with site.open() as archive:
        assert "2 records were durable, 1 can be read" in archive.status().faults[0]
        archive.seal()
        archive.check()
    manifest = Manifest.parse(ledger.manifest(1).read_bytes())
    assert sorted(note.key for note in manifest.notes) == ["damaged", "torn"]


def test_recovery_can_die_between_keeping_torn_bytes_and_cutting_them_off(site):
    ledger = crashed(site, "bir")
    path = ledger.segment(1, "access")
    with path.open("ab") as file:
        file.write(b"torn")
    for mode in ("killed", "killed_after"):
        site.disk = FaultyDisk()
        site.disk.plan("truncate", "", mode)
        with pytest.raises(Killed):
            site.open()
        site.disk = Disk()
        if mode == "killed":
            assert ledger.torn(1, "access").read_bytes() == b"torn"
    with site.open() as archive:
        archive.check()
        assert archive.seal().records == 1
        archive.check()


def test_other_torn_bytes_are_never_overwritten(site):
    ledger = crashed(site, "bir")
    ledger.torn(1, "access").write_bytes(b"earlier")
    with ledger.segment(1, "access").open("ab") as file:
        file.write(b"torn")
    with pytest.raises(FileExistsError):
        recover_segments(ledger, set(), None, Disk())
    assert ledger.torn(1, "access").read_bytes() == b"earlier"


def test_a_seed_without_segment_and_half_made_files_are_removed_and_strangers_stay(site):
    ledger = crashed(site, "bir")
    folder = ledger.seed(1).parent
    (folder / "seg-000009.seed").write_bytes(bytes(32))
    (folder / ".seg-000001.access.log.zst.77.new").write_bytes(b"half")
    (folder / "README").write_text("a stranger's")
    with site.open() as archive:
        archive.check()
        archive.seal()
        assert sorted(path.suffix for path in folder.iterdir()) == ["", ".seed", ".zst"]
    with site.open() as archive:
        archive.check()


def test_numbers_are_never_used_twice(site):
    with site.open() as archive:
        site.append(archive, "bir")
        archive.seal()
    site.ledger.segment(1, "access").unlink()  # lawfully destroyed
    site.ledger.seed(1).unlink()
    site.acknowledged.clear()
    with site.open() as archive:
        assert site.append(archive, "iki").first.segment == 2
    site.must_hold()


class ArchiveMachine(RuleBasedStateMachine):
    """Appends, seals, crashes and restarts in any order; nothing acknowledged is lost, no record stands twice."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.archive = None
        self.appended = 0

    @initialize(where=st.randoms(use_true_random=True))
    def start(self, where):
        self.folder = tempfile.mkdtemp()
        self.site = Site(Path(self.folder), disk=FaultyDisk())
        self.archive = self.site.open()

    def _messages(self, count):
        self.count += count
        return [f"{number}" for number in range(self.count - count, self.count)]

    @rule(name=st.sampled_from(["access", "dns", "audit"]), count=st.integers(1, 20))
    def append(self, name, count):
        self.site.append(self.archive, *self._messages(count), name=name)

    @rule()
    def seal(self):
        self.archive.seal()

    @rule()
    def rotate(self):
        self.archive.rotate()

    @rule()
    def restart(self):
        self.archive.close()
        self.archive = self.site.open()

    @rule(torn=st.binary(max_size=40))
    def crash(self, torn):
        parts = self.archive._open.copy()
        abandon(self.archive)
        for part in parts.values():
            if part.path.exists():
                with part.path.open("ab") as file:
                    file.write(torn)
        self.site.disk = FaultyDisk()
        self.archive = self.site.open()

    @rule(
        step=st.sampled_from([("append", ".zst"), ("sync", ""), ("publish", "")]),
        mode=st.sampled_from(["failed", "persisted"]),
    )
    def fail_while_appending(self, step, mode):
        self.archive._cuts._worker.submit(int).result()  # closing publishes too; it is not what fails here
        self.site.disk.plan(*step, mode)
        with pytest.raises(UnknownState):
            self.site.append(self.archive, *self._messages(2))
        self.archive.close()
        self.site.disk = FaultyDisk()
        self.archive = self.site.open()

    @rule(
        step=st.sampled_from([("write_new", ".manifest"), ("replace", "head"), ("write_new", ".sig")]),
        mode=st.sampled_from(["failed", "persisted"]),
    )
    def fail_while_sealing(self, step, mode):
        self.site.disk.plan(*step, mode)
        with pytest.raises(UnknownState):
            self.archive.seal()
        self.archive.seal()

    @precondition(lambda self: self.archive is not None)
    @invariant()
    def whole(self):
        self.archive.check()
        self.site.must_hold()

    def teardown(self):
        if self.archive is not None:
            self.archive.close()
            shutil.rmtree(self.folder)


ArchiveMachine.TestCase.settings = settings(
    max_examples=12, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)
TestArchiveMachine = ArchiveMachine.TestCase


def test_torn_bytes_behind_open_segments_of_several_classes(site):
    site.disk = FaultyDisk()
    archive = site.open()
    for name in ("access", "dns", "audit"):
        site.append(archive, name, name=name)
    parts = dict(archive._open)
    abandon(archive)
    for number, part in enumerate(parts.values()):
        with part.path.open("ab") as file:
            file.write(b"torn" * (number + 1))
    site.disk = Disk()
    with site.open() as again:
        again.check()
        assert again.seal() == SealMade(1, 3, 3)
        again.check()
        assert len(Manifest.parse(site.ledger.manifest(1).read_bytes()).notes) == 3
        site.append(again, "son")
    site.must_hold()
