"""The follower: every record exactly once, whatever dies; a rebuilt index gives the same answers."""

from __future__ import annotations

import json
import threading
from datetime import timedelta

import pytest
from index_fakes import START, FakeArchive, TableParse, folder, follower

from some.clock import SimulatedClock
from some.durable import Disk
from some.errors import Unavailable
from some.index import compaction
from some.index import follower as follower_module
from some.index.catalogue import Catalogue, reading
from some.index.embedded import Embedded
from some.index.engine import Query
from some.index.files import present
from some.index.lock import IndexLocked
from some.index.query.bind import Options, understand
from some.index.waiting import wait_for, wipe
from some.record import Cursor

LINES = [
    b'date=2026-11-23 time=13:00:0%d devname="fw" devid="F" tz="+0300" logid="0000000013" type="traffic" '
    b'subtype="forward" level="notice" srcip=10.0.0.%d srcport=%d dstip=198.51.100.9 dstport=443 proto=6 '
    b'action="close" user="kullan\xc4\xb1c\xc4\xb1%d"' % (number % 10, number % 7, 1024 + number, number % 3)
    for number in range(60)
]
AUDIT = b'{"entry":"e1","kind":"k","time":"t","actor":"a","digest":"d"}'
ODD = [b"anla\xfe\xfelmaz", b"iki\nsatir\\", b"", b"\x00\r\n", "Kullanıcı GİRİŞİ başarısız".encode()]
QUESTIONS = ["", "source.ip:10.0.0.3", "giriş*", "not user.name:kullanıcı1", "event.kind:pipeline_error"]


def filled() -> FakeArchive:
    archive = FakeArchive()
    access, audit, feed = archive.open("access"), archive.open("audit"), archive.open("feed")
    archive.add(access, *LINES[:30])
    archive.add(audit, AUDIT, origin="audit:e1", source="some")
    archive.add(feed, b"{}", source="usom")
    archive.add(access, *ODD, source="odd", received=START + timedelta(seconds=1))
    archive.add(access, *LINES[30:], received=START + timedelta(hours=1))
    return archive


def answers(archive: FakeArchive, data) -> str:
    """Every answer to every question, as one text."""
    options = Options(START)
    said = []
    with Embedded(archive, folder(data)) as engine:
        for text in QUESTIONS:
            query = Query(text, understand(text, options))
            for newest in (False, True):
                cursor = None
                while True:
                    page = engine.search(query, limit=7, cursor=cursor, newest_first=newest)
                    said.append([page.documents, page.next_cursor, page.total, page.findings])
                    cursor = page.next_cursor
                    if cursor is None:
                        break
            said += [engine.count(query), repr(engine.histogram(query, 10, "source.ip"))]
            said.append(repr(engine.top_values(query, "event.type", 5)))
        status = engine.status()
        said.append([status.documents, status.pipeline_errors, str(status.newest), status.lag_records])
    return json.dumps(said, ensure_ascii=False)


def refs(archive: FakeArchive, data) -> list[str]:
    with Embedded(archive, folder(data)) as engine:
        return [one["some"]["ref"] for one in engine.search(Query(), limit=1000).documents]


def every(archive: FakeArchive) -> list[str]:
    return sorted(
        f"deneme1/{number:06d}/{place:06d}"
        for number, held in enumerate(archive.segments)
        if held.record_class != "feed"
        for place in range(len(held.lines))
    )


def test_every_record_is_indexed_once(tmp_path):
    archive = filled()
    with follower(archive, tmp_path) as follows:
        assert follows.run_once() == sum(len(held.lines) for held in archive.segments)
        assert follows.run_once() == 0
        archive.add(0, b"sonradan gelen")
        assert follows.run_once() == 1
    assert sorted(refs(archive, tmp_path)) == every(archive)


class _Died(BaseException):
    """Stands for the process's death at a point."""


class _Mortal(Disk):
    """A disk that dies at its n-th replaced file, before or after it persisted."""

    def __init__(self, at: int, *, after: bool) -> None:
        self.left = at
        self.after = after

    def replace(self, path, content, mode=0o640):
        self.left -= 1
        if self.left == 0 and not self.after:
            raise _Died
        super().replace(path, content, mode)
        if self.left == 0:
            raise _Died


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 6))
def test_a_death_between_file_and_catalogue_loses_and_doubles_nothing(tmp_path, monkeypatch, at, after):
    monkeypatch.setattr(follower_module, "FLUSH_ROWS", 20)
    monkeypatch.setattr(follower_module, "RUN_BYTES", 2_000)
    archive = filled()
    with pytest.raises(_Died), follower(archive, tmp_path, disk=_Mortal(at, after=after)) as follows:
        follows.run_once()
    with follower(archive, tmp_path) as follows:
        assert present(folder(tmp_path)) == follows.catalogue.named()
        follows.run_once()
        assert present(folder(tmp_path)) == follows.catalogue.named()
    assert sorted(refs(archive, tmp_path)) == every(archive)


@pytest.mark.parametrize("step", ["add", "move"])
def test_a_death_inside_the_commit_loses_and_doubles_nothing(tmp_path, monkeypatch, step):
    archive = filled()
    intact = getattr(Catalogue, step)

    def dies(self, *given):
        intact(self, *given)
        raise _Died

    monkeypatch.setattr(Catalogue, step, dies)
    with pytest.raises(_Died), follower(archive, tmp_path) as follows:
        follows.run_once()
    monkeypatch.setattr(Catalogue, step, intact)
    assert refs(archive, tmp_path) == []
    with follower(archive, tmp_path) as follows:
        follows.run_once()
    assert sorted(refs(archive, tmp_path)) == every(archive)


def test_a_full_disk_is_unavailable_and_mends_itself(tmp_path):
    class Full(Disk):
        full = False

        def replace(self, path, content, mode=0o640):
            if self.full:
                raise OSError(28, "No space left on device")
            super().replace(path, content, mode)

    archive, disk = filled(), Full()
    with follower(archive, tmp_path, disk=disk) as follows:
        disk.full = True
        with pytest.raises(Unavailable, match="No space left"):
            follows.run_once()
        disk.full = False
        follows.run_once()
    assert sorted(refs(archive, tmp_path)) == every(archive)


def test_a_rebuilt_index_gives_the_same_answers(tmp_path, monkeypatch):
    archive = filled()
    with follower(archive, tmp_path) as follows:
        follows.run_once()
    first = answers(archive, tmp_path)
    wipe(folder(tmp_path), tmp_path / "run" / "index.lock", Disk())
    assert refs(archive, tmp_path) == []
    monkeypatch.setattr(follower_module, "RUN_BYTES", 1_500)
    monkeypatch.setattr(follower_module, "FLUSH_ROWS", 10)
    with follower(archive, tmp_path) as follows:
        follows.run_once()
    assert answers(archive, tmp_path) == first


def test_merging_changes_no_answer_and_leaves_old_files_for_readers(tmp_path, monkeypatch):
    monkeypatch.setattr(follower_module, "RUN_BYTES", 600)
    monkeypatch.setattr(follower_module, "FLUSH_ROWS", 2)
    archive = filled()
    wall = SimulatedClock(START + timedelta(hours=5))
    with follower(archive, tmp_path, wall=wall) as follows:
        follows.run_once()
        before, small = answers(archive, tmp_path), follows.catalogue.files()
        merges = 0
        while follows.tidy():
            merges += 1
        large = follows.catalogue.files()
        assert merges > 0
        assert len(large) < len(small)
        assert len(large) == len({(one.record_class, one.hour) for one in large})
        assert answers(archive, tmp_path) == before
        assert all((folder(tmp_path) / one.path).exists() for one in small)
        wall.advance(compaction.GRACE_S + 1)
        follows.tidy()
        assert present(folder(tmp_path)) == {one.path for one in follows.catalogue.every()}
    assert answers(archive, tmp_path) == before


def test_a_merge_that_fails_is_named_and_harms_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(follower_module, "RUN_BYTES", 600)
    monkeypatch.setattr(follower_module, "FLUSH_ROWS", 2)
    archive = filled()
    with follower(archive, tmp_path, wall=SimulatedClock(START)) as follows:
        follows.run_once()
        broken = follows.catalogue.pile("access", follows.catalogue.files()[0].hour, 0)[0]
        (folder(tmp_path) / broken.path).write_bytes(b"PAR1 no more")
        while follows.tidy():
            assert len(follows.catalogue.findings()) <= 1 or pytest.fail("the same pile is tried for ever")
        assert [one.code for one in follows.catalogue.findings()] == ["index.merge_failed"]


def test_what_cannot_be_read_is_skipped_and_named(tmp_path):
    archive = filled()
    archive.segments[0].unreadable = {3, 4, 40}
    with follower(archive, tmp_path) as follows:
        follows.run_once()
        found = {one.where: one.text for one in follows.catalogue.findings()}
    assert set(found) == {"deneme1/000000/000003", "deneme1/000000/000040"}
    assert "3 to 4" in found["deneme1/000000/000003"]
    assert len(refs(archive, tmp_path)) == len(every(archive)) - 3


def test_a_damaged_segment_is_passed_by_and_named(tmp_path):
    archive = filled()
    archive.segments[0].broken_from = 12
    with follower(archive, tmp_path) as follows:
        follows.run_once()
        found = [one.where for one in follows.catalogue.findings()]
        assert follows.run_once() == 0
    assert found == ["deneme1/000000/000012"]
    assert sorted(refs(archive, tmp_path)) == [*every(archive)[:12], "deneme1/000001/000000"]
    wait_for(archive, folder(tmp_path), follower(archive, tmp_path), timeout_s=60)


def test_what_was_disposed_of_is_found_no_more(tmp_path):
    archive = filled()
    for _ in range(2):
        archive.add(archive.open("access"), b"yeni", b"kayitlar")
    wall = SimulatedClock(START + timedelta(hours=5))
    with follower(archive, tmp_path, wall=wall) as follows:
        follows.run_once()
        while follows.tidy():
            pass
        assert follows.forget({0, 4}) == len(archive.segments[0].lines) + 2
        assert refs(archive, tmp_path) == [
            "deneme1/000001/000000",
            "deneme1/000003/000000",
            "deneme1/000003/000001",
        ]
        assert follows.forget({0, 4}) == 0
        assert follows.run_once() == 0
        wall.advance(compaction.GRACE_S + 1)
        follows.tidy()
        assert present(folder(tmp_path)) == {one.path for one in follows.catalogue.every()}


def test_lines_that_are_no_segment_lines_are_named(tmp_path):
    archive = filled()
    archive.segments[1].lines[0] = b"2026\tsource\n"
    with follower(archive, tmp_path) as follows:
        follows.run_once()
        assert [one.code for one in follows.catalogue.findings()] == ["index.unreadable"]
    assert len(refs(archive, tmp_path)) == len(every(archive)) - 1


def test_values_that_do_not_fit_are_left_out_and_named(tmp_path):
    archive = FakeArchive()
    archive.open("access")
    archive.add(0, b"a", b"b")
    documents = {
        b"a": {"source.port": 2**70, "source.ip": "10.0.0.300", "user.name": "\ud800", "destination.port": 1},
        b"b": {"source.port": 5, "source.ip": "10.0.0.3", "dns.resolved_ip": ["x"]},
    }
    with follower(archive, tmp_path, TableParse(documents)) as follows:
        follows.run_once()
        assert [one.code for one in follows.catalogue.findings()] == ["index.value_refused"]
    with Embedded(archive, folder(tmp_path)) as engine:
        one, other = engine.search(Query(), limit=5).documents
    assert one["destination"]["port"] == 1
    assert "source" not in one
    assert other["source"] == {"port": 5, "ip": "10.0.0.3"}


def test_the_cursor_forgets_closed_segments(tmp_path):
    archive = filled()
    for held in archive.segments:
        held.closed = True
    with follower(archive, tmp_path) as follows:
        follows.run_once()
        assert follows.catalogue.cursor() == Cursor(3, {})
        archive.add(archive.open("access"), b"yeni")
        assert follows.run_once() == 1
        assert follows.catalogue.cursor() == Cursor(3, {3: 1})


def test_one_follower_at_a_time(tmp_path):
    archive = filled()
    with follower(archive, tmp_path), pytest.raises(IndexLocked), follower(archive, tmp_path):
        pass
    with follower(archive, tmp_path):
        pass


def test_an_index_of_another_ledger_is_not_used(tmp_path):
    archive = filled()
    with follower(archive, tmp_path) as follows:
        follows.run_once()
    archive.ledger = "baska1"
    with pytest.raises(Unavailable, match="index rebuild"), follower(archive, tmp_path):
        pass
    with pytest.raises(Unavailable, match="index rebuild"):
        refs(archive, tmp_path)


def test_waiting_runs_the_follower_where_none_works(tmp_path):
    archive = filled()
    wait_for(archive, folder(tmp_path), follower(archive, tmp_path), timeout_s=60)
    assert sorted(refs(archive, tmp_path)) == every(archive)


def test_waiting_watches_where_one_works(tmp_path):
    archive = filled()
    stop = threading.Event()
    with follower(archive, tmp_path) as follows:
        works = threading.Thread(target=follows.run, args=(stop,))
        works.start()
        try:
            wait_for(archive, folder(tmp_path), follower(archive, tmp_path), timeout_s=60)
        finally:
            stop.set()
            works.join()
    assert sorted(refs(archive, tmp_path)) == every(archive)


def test_waiting_ends(tmp_path):
    archive = filled()
    with (
        follower(archive, tmp_path),
        pytest.raises(Unavailable, match="did not catch up"),
    ):
        wait_for(archive, folder(tmp_path), follower(archive, tmp_path), timeout_s=0)


def test_the_catalogue_says_which_class_and_hour(tmp_path):
    archive = filled()
    with follower(archive, tmp_path) as follows:
        follows.run_once()
    with reading(folder(tmp_path), "deneme1") as catalogue:
        assert catalogue is not None
        held = catalogue.files()
    hour = int(START.timestamp()) // 3600
    assert sorted((one.record_class, one.hour, one.rows) for one in held) == [
        ("access", hour, 35),
        ("access", hour + 1, 30),
        ("audit", hour, 1),
    ]
    assert all(one.path.startswith(f"{one.record_class}/20261123") for one in held)


def test_a_reference_leads_to_the_record_that_the_document_speaks_of(tmp_path):
    """Lines of several formats in one block come back from the parser in another order than they came."""
    archive = FakeArchive()
    kinds = [LINES[0], b"<13>Nov 23 10:00:00 host app: deneme", b"no header at all", LINES[1], b"<13>x", LINES[2]]
    lines = [kinds[at % len(kinds)].replace(b"deneme", b"deneme%d" % at) for at in range(24)]
    for wanted in (lines, lines[1:] + lines[:1], lines[::-1]):
        archive.add(archive.open("access"), *wanted)
    with follower(archive, tmp_path) as running:
        running.run_once()
    with Embedded(archive, folder(tmp_path)) as engine:
        found = engine.search(Query(), limit=1000).documents
    assert len(found) == 72
    for document in found:
        raw = document["event"]["original"]
        assert document.get("event", {}).get("module") == (
            "fortigate" if raw.startswith("date=") else "syslog" if raw.startswith("<13>") else None
        ), document
        assert document.get("message", raw) in raw
