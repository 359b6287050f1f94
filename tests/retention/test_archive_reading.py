from __future__ import annotations

import os
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from archive_kit import NAME, SMALL, TIME, Site, block, done

from retention import merkle, published
from retention.manifest import Manifest
from retention.options import ArchiveOptions
from retention.published import OpenPart, Published
from retention.reading import ArchiveReader, DamagedSegment
from retention.segment import GROUP, leaf, pack_table, parse_table, table_length
from some.errors import IntegrityError, NotFound
from some.record import Cursor, RecordBlock, RecordClass, RecordRef


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def messages(reader, cursor=None, max_bytes=1 << 20):
    return [
        line.split(b"\t", 3)[3].decode()
        for run in reader.follow(cursor or Cursor(), max_bytes=max_bytes)
        for line in run.lines.split(b"\n")[:-1]
    ]


def test_an_empty_folder_reads_as_nothing(site):
    with site.reader() as reader:
        assert messages(reader) == []
        assert reader.settled() == 1
        assert reader.seals() == []
        assert reader.seal_of(1) is None
        with pytest.raises(NotFound):
            reader.get(RecordRef(NAME, 1, 0))
        with pytest.raises(NotFound):
            reader.seal(1)


def test_a_record_comes_back_byte_for_byte_with_all_that_is_known(site):
    with site.open() as archive, site.reader() as reader:
        payload = b"a\\nb\\\\c\\0\n"
        appended = done(archive.submit(RecordBlock(TIME, "kaynak ç", "import:x;cut", RecordClass("dns"), payload, 1)))
        record = reader.get(appended.first)
        assert record.raw == b"a\nb\\c\x00"
        assert (record.received_at, record.source, record.origin) == (TIME, "kaynak ç", "import:x;cut")
        assert record.record_class == "dns"
        for ref in (RecordRef(NAME, 1, 1), RecordRef(NAME, 2, 0), RecordRef("dugum2", 1, 0)):
            with pytest.raises(NotFound):
                reader.get(ref)


def test_a_follower_sees_open_segments_grow_and_survives_their_closing(site):
    """Frames are rewritten at close; positions are ordinals, so a cursor stays good."""
    with site.open() as archive, site.reader() as reader:
        seen, position = [], 0
        for number in range(30):
            site.append(archive, f"{number}")
            if number == 14:
                archive.seal()
                archive.check()
            if number % 4 == 0:
                for run in reader.follow(Cursor(0, {1: position if number < 15 else 15}), max_bytes=10):
                    if run.segment == 1:
                        assert run.first == position
                        position = run.first + run.count
                    seen += [(run.segment, run.first + index) for index in range(run.count)]
        assert reader.settled() == 2
    assert (1, 0) in seen
    with site.reader() as reader:
        assert messages(reader) == [f"{number}" for number in range(30)]
        assert messages(reader, Cursor(2)) == [f"{number}" for number in range(15, 30)]
        assert messages(reader, Cursor(0, {1: 14, 2: 14})) == ["14", "29"]
        assert messages(reader, Cursor(0, {1: 99, 2: 99})) == []
        assert reader.settled() == 3


def test_a_run_that_is_being_read_outlives_the_closing_of_its_segment(site):
    with site.open() as archive, site.reader() as reader:
        for number in range(20):
            site.append(archive, f"{number}")
        runs = reader.follow(Cursor(), max_bytes=1)
        found = [next(runs), next(runs)]
        archive.seal()
        reader.get(RecordRef(NAME, 1, 0))  # opens the new file in the old one's place
        reader.close()
        found += list(runs)
        assert [run.first for run in found] == list(range(20))
        assert [run.count for run in found] == [1] * 20


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("max_bytes", [1, 100, 1000, 1 << 20])
def test_runs_are_bounded_and_consecutive(site, closed, max_bytes):
    with site.open() as archive:
        expected = []
        for start in range(0, 60, 6):
            lines = [f"{number} {'z' * (number % 7) * 20}" for number in range(start, start + 6)]
            site.append(archive, *lines)
            expected += lines
        if closed:
            archive.seal()
        with site.reader() as reader:
            position = 0
            for run in reader.follow(Cursor(), max_bytes=max_bytes):
                assert (run.segment, run.first, run.record_class) == (1, position, "access")
                assert run.count == run.lines.count(b"\n")
                assert len(run.lines) <= max_bytes or run.count == 1
                position += run.count
            assert position == 60
            for skip in (1, 5, 6, 31, 59, 60):
                assert messages(reader, Cursor(0, {1: skip}), max_bytes) == expected[skip:]


def test_get_many_reads_each_frame_once_and_leaves_out_what_it_cannot_read(site):
    with site.open() as archive:
        site.append(archive, *[f"{number}" for number in range(100)])
        site.append(archive, "dns", name="dns")
        archive.seal()
    site.ledger.segment(2, "dns").write_bytes(b"damaged")
    with site.reader() as reader:
        reads = []
        with reader._files.use(1, reader._state()) as segment:
            original = segment.content
            segment.content = lambda place: reads.append(place) or original(place)
        wanted = [RecordRef(NAME, 1, number) for number in (5, 7, 99, 100)]
        others = [RecordRef(NAME, 2, 0), RecordRef(NAME, 3, 0), RecordRef("baska", 1, 0)]
        found = reader.get_many([*wanted, *others, *wanted])
        assert {ref.position: record.raw for ref, record in found.items()} == {5: b"5", 7: b"7", 99: b"99"}
        assert len(reads) == 1
        with pytest.raises(IntegrityError, match="seg-000002"):
            reader.get(others[0])


def test_the_frame_cache_is_bounded(site):
    with site.open() as archive, site.reader() as reader:
        reader._frames._left = 300
        for number in range(20):
            site.append(archive, f"{number} {'x' * 60}")
        assert len(reader.get_many(site.acknowledged)) == 20
        assert 0 < len(reader._frames._kept) < 4
        assert reader._frames._left >= 0
        again = RecordRef(NAME, 1, 19)
        assert reader.get(again).raw.startswith(b"19")


def test_open_files_are_bounded(site):
    with site.open(options=ArchiveOptions(reserve_bytes=0, segment_bytes=1)) as archive:
        for number in range(50):
            site.append(archive, f"{number}")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with site.reader() as reader:
        assert len(reader.get_many(site.acknowledged)) == 50
        assert len(list(Path("/proc/self/fd").iterdir())) - before <= 32
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def damage_frame(path, at: int) -> None:
    stored = bytearray(path.read_bytes())
    stored[at] ^= 0x55
    with path.open("r+b") as file:
        file.write(stored)


@pytest.mark.parametrize("closed", [False, True])
@pytest.mark.parametrize("at", [0, 12, 45])
def test_a_damaged_frame_is_named_and_a_follower_can_pass_it_by(site, closed, at):
    with site.open() as archive:
        site.append(archive, "bir")
        if closed:
            archive.seal()
        site.append(archive, "sağlam", name="dns")
        damage_frame(site.ledger.segment(1, "access"), at)
        with site.reader() as reader:
            with pytest.raises(DamagedSegment, match="seg-000001") as told:
                messages(reader)
            assert (told.value.number, told.value.position) == (1, 0)
            assert messages(reader, Cursor(0, {1: 2**62})) == ["sağlam"] if closed else True
            with pytest.raises(IntegrityError, match="seg-000001"):
                reader.get(RecordRef(NAME, 1, 0))
        if not closed:
            archive.seal()
            with site.reader() as reader:
                with pytest.raises(DamagedSegment):
                    messages(reader)
                assert reader.settled() == 3


@pytest.mark.parametrize("total", ["records", "content_bytes"])
def test_a_table_that_is_wrong_about_a_frame_is_noticed(site, total):
    """The table is not part of what is sealed; it must not be able to give one record for another."""
    with site.open() as archive, site.reader() as reader:
        ref = site.append(archive, "bir", "iki").first
        archive.seal()
        path = site.ledger.segment(1, "access")
        stored = path.read_bytes()
        table = parse_table(stored[-table_length(stored) :])
        path.write_bytes(stored[: table.end] + pack_table(replace(table, **{total: getattr(table, total) + 1})))
        with pytest.raises(IntegrityError, match="table is wrong"):
            reader.get(ref)


def test_a_durable_length_that_is_no_frame_end_is_damage(site):
    with site.open() as archive:
        site.append(archive, "bir")
        path = site.ledger.segment(1, "access")
        os.truncate(path, path.stat().st_size - 1)
        with site.reader() as reader, pytest.raises(DamagedSegment, match="no whole frame"):
            messages(reader)


def test_without_the_archive_process_closed_segments_are_read_and_open_ones_wait(site):
    with site.open() as archive:
        site.append(archive, "bir")
        archive.seal()
        site.append(archive, "iki")
        copy = Site(site.root / "copy")
        shutil.copytree(site.root / "archive", copy.root / "archive")
    with copy.reader() as reader:
        assert messages(reader) == ["bir"]
        assert reader.settled() == 2
        with pytest.raises(NotFound):
            reader.get(RecordRef(NAME, 2, 0))
    shutil.copy(site.root / "run" / "durable", site.root / "other")
    with ArchiveReader(site.root / "archive", site.root / "nowhere", NAME) as reader:
        assert messages(reader) == ["bir", "iki"]
        assert reader.settled() == 3


def test_what_was_not_published_yet_is_not_seen(site):
    with site.open() as archive, site.reader() as reader:
        site.append(archive, "bir")
        state = reader._state()
        site.append(archive, "iki", name="dns")
        with reader._files.use(2, state) as segment:
            assert segment is None
        with reader._files.use(1, state) as segment:
            assert segment.frame(0) is not None
            assert segment.frame(1) is None


def test_a_segment_that_was_destroyed_is_not_found_any_more(site):
    with site.open() as archive, site.reader() as reader:
        ref = site.append(archive, "bir").first
        archive.seal()
        assert reader.get(ref).raw == b"bir"
        site.ledger.segment(1, "access").unlink()
        with pytest.raises(NotFound):
            reader.get(ref)
        (site.ledger.segments / "stranger").mkdir()
        assert messages(reader) == []
        assert messages(reader, Cursor(1000)) == []
        shutil.rmtree(site.ledger.segments)
        assert messages(reader) == []
        with pytest.raises(NotFound):
            reader.get(ref)


def test_a_file_that_vanishes_while_it_is_looked_for_is_not_found(site, monkeypatch):
    with site.open() as archive, site.reader() as reader:
        ref = site.append(archive, "bir").first

        def vanish(path, record_class):
            raise FileNotFoundError(path)

        monkeypatch.setattr("retention.segment_reader.SegmentReader", vanish)
        with pytest.raises(NotFound):
            reader.get(ref)


@pytest.mark.parametrize("records", [1, 2, 3, GROUP - 1, GROUP, GROUP + 1, 2 * GROUP + 77])
def test_every_proof_leads_to_the_root_that_the_seal_lists(site, records):
    with site.open() as archive, site.reader() as reader:
        for start in range(0, records, 1000):
            lines = [f"{number}" for number in range(start, min(start + 1000, records))]
            archive.submit(block(*lines))
        done(archive.submit(block("dns", name="dns")))
        position = records // 2
        before = reader.proof_of(RecordRef(NAME, 1, position))
        assert before.seal is None
        archive.seal()
        sealed = Manifest.parse(site.ledger.manifest(1).read_bytes()).segments[0]
        for at in {0, position, records - 1, min(GROUP, records - 1)}:
            proof = reader.proof_of(RecordRef(NAME, 1, at))
            assert (proof.seal, proof.size, proof.root) == (1, records, sealed.tree)
            assert proof.leaf == leaf(proof.salt, proof.line)
            assert merkle.root_from_path(proof.leaf, at, proof.size, proof.path) == sealed.tree
            assert proof.line.endswith(b"\t%d" % at)
        assert before.root == sealed.tree
        with pytest.raises(NotFound):
            reader.proof_of(RecordRef(NAME, 1, records))


def test_a_proof_over_several_frames_of_an_open_segment(site):
    with site.open() as archive, site.reader() as reader:
        refs = [site.append(archive, message).first for message in ("bir", "iki", "üç")]
        for ref in refs:
            proof = reader.proof_of(ref)
            assert merkle.root_from_path(proof.leaf, ref.position, 3, proof.path) == proof.root
            assert proof.line.endswith(site.acknowledged[ref].encode())


def test_a_proof_is_refused_where_the_segment_is_not_as_sealed(site):
    with site.open() as archive:
        site.append(archive, "bir")
        archive.seal()
    seed = site.ledger.seed(1)
    content = seed.read_bytes()
    seed.write_bytes(content[::-1])
    with site.reader() as reader:
        with pytest.raises(IntegrityError, match="seal 1 lists"):
            reader.proof_of(RecordRef(NAME, 1, 0))
        seed.unlink()
        with pytest.raises(IntegrityError, match="seed is missing"):
            reader.proof_of(RecordRef(NAME, 1, 0))


def test_the_facts_of_seals(site):
    with site.open() as archive, site.reader() as reader:
        site.append(archive, "bir", "iki")
        for _ in range(5):
            archive.seal()
        assert [facts.number for facts in reader.seals()] == [5, 4, 3, 2, 1]
        assert [facts.number for facts in reader.seals(limit=2, before=4)] == [3, 2]
        assert [facts.number for facts in reader.seals(before=99, limit=1)] == [5]
        facts = reader.seal(1)
        assert (facts.segments, facts.records, facts.trial, facts.notes) == (1, 2, False, ())
        assert (facts.committed, facts.signed, facts.stamped) == (True, True, False)
        facts.token.touch()
        assert reader.seal(1).stamped
        assert reader.seal_of(1) == 1
        assert reader.seal_of(2) is None
        site.ledger.manifest(5).unlink()
        with pytest.raises(NotFound):
            reader.seal(5)
        with site.reader() as other, pytest.raises(IntegrityError, match="seal 5"):
            other.seal_of(1)


def test_threads_share_one_reader(site):
    """Two threads that walk the same open segment do not disturb each other."""
    with site.open() as archive, site.reader() as reader:
        expected = [f"{number}" for number in range(300)]
        found, barrier = [], threading.Barrier(5)
        lone = site.append(archive, "-1").first

        def follow():
            barrier.wait()
            while (seen := messages(reader, max_bytes=50)) != ["-1", *expected]:
                assert seen == ["-1", *expected][: len(seen)]
                reader.get(lone)
            found.append(True)

        threads = [threading.Thread(target=follow) for _ in range(4)]
        for thread in threads:
            thread.start()
        barrier.wait()
        for message in expected[:150]:
            site.append(archive, message)
        archive.rotate()
        reader.close()
        for message in expected[150:]:
            site.append(archive, message)
        for thread in threads:
            thread.join(30)
        assert found == [True] * 4


def test_published_state_reads_back_and_a_torn_one_is_noticed(tmp_path):
    state = Published("dugum1", 7, (OpenPart(5, "access", 99, 1234, 56), OpenPart(4, "dns", 98, 1, 1)), 3)
    packed = state.to_bytes()
    assert published.parse(packed + bytes(100)) == state
    assert state.settled == 4
    assert state.find(4) == state.parts[1]
    assert state.find(6) is None
    assert Published("dugum1", 7, (), 0).settled == 7
    for cut in range(len(packed)):
        assert published.parse(packed[:cut]) is None
    for at in range(len(packed)):
        changed = bytearray(packed)
        changed[at] ^= 1
        assert published.parse(bytes(changed)) is None
    path = tmp_path / "durable"
    assert published.read(path, "dugum1") is None
    path.write_bytes(packed)
    assert published.read(path, "dugum1") == state
    assert published.read(path, "dugum2") is None
    path.write_bytes(packed[:-1])
    assert published.read(path, "dugum1") is None


def test_a_follower_s_memory_does_not_grow_with_the_segment(site):
    """One run at a time: of a segment of many frames only the one being read is held."""
    with site.open(options=replace(SMALL, commit_bytes=1)) as archive, site.reader() as reader:
        line = "q" * 200_000
        for number in range(20):
            archive.submit(block(f"{number} {line}"))
        done(archive.submit(block("son")))
        sizes = [len(run.lines) for run in reader.follow(Cursor(), max_bytes=300_000)]
        assert max(sizes) <= 300_000
        assert sum(sizes) > 4_000_000
