"""The embedded engine's answers: what is asked, what is seen, and what happens when files or records are damaged."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from index_fakes import START, TURKEY, FakeArchive, TableParse, folder, follower

from some.errors import BadInput, Unavailable
from some.index.embedded import Embedded
from some.index.engine import Query, grid, to_us
from some.index.query.bind import Options, understand
from some.record import RecordRef

OPTIONS = Options(START + timedelta(hours=1), TURKEY)
MINUTE = 60_000_000
DOCUMENTS = {
    b"1 Kullanici AYSE giris": {"user.name": "ayşe", "source.ip": "10.0.0.1", "destination.port": 443},
    "2 kullanıcı Ayşe çıkış".encode(): {"user.name": "Ayşe", "source.ip": "10.0.0.2", "destination.port": 80},
    b"3 tunnel": {"source.ip": "2001:db8::5", "event.category": ["network", "session"], "url.path": "/a_b/%"},
    b"4 blocked 192.0.2.7": {"destination.ip": "192.0.2.7", "event.category": ["network"], "destination.port": 8443},
    b"5 message": {"message": "Parola Yanlış: İLKER", "@timestamp": to_us(START) + MINUTE},
    b"6 late": {"@timestamp": to_us(START) - 90 * MINUTE, "event.kind": "pipeline_error", "error.message": "kesik"},
}
RAW = list(DOCUMENTS)


def q(text: str = "", **more) -> Query:
    return Query(text, understand(text, OPTIONS), **more)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    data = tmp_path_factory.mktemp("index")
    archive = FakeArchive()
    access, audit = archive.open("access"), archive.open("audit")
    archive.add(access, *RAW)
    archive.add(audit, b"denetim kaydi", source="some")
    with follower(archive, data, TableParse(DOCUMENTS)) as follows:
        follows.run_once()
    with Embedded(archive, folder(data)) as engine:
        yield archive, engine, data


def numbers(engine: Embedded, text: str, **more) -> list[str]:
    page = engine.search(q(text, classes=frozenset({"access"}), **more), limit=100)
    return [one["event"]["original"][0] for one in page.documents]


ANSWERS = {
    "": "612345",
    "kullanıcı": "12",
    '"kullanıcı ayşe"': "2",
    "KULLANICI ayse": "1",
    "user.name:ayşe": "1",
    "user.name:*ş*": None,
    "user.name:ay*": "1",
    "user.name:(ayşe or Ayşe)": "12",
    "not user.name:ayşe": "62345",
    "not user.name:*": "6345",
    "source.ip:10.0.0.0/31": "1",
    "source.ip:10.0.0.0/8": "12",
    "source.ip:2001:db8::/32": "3",
    "source.ip:[10.0.0.2 TO 10.0.0.9]": "2",
    "source.ip:* and not source.ip:10.0.0.0/8": "3",
    "event.category:network": "34",
    "event.category:network not event.category:session": "4",
    "destination.port>=443": "14",
    "destination.port:(80 or >8000)": "24",
    "url.path:/a_b/%": "3",
    r"url.path:/a_*": "3",
    "url.path:/aXb*": "",
    "message:ilker": "5",
    'message:"parola yanlış"': "5",
    'message:"yanlış parola"': "",
    "message:par*": "5",
    "192.0.2.7": "4",
    "192.0.*": "4",
    "192.0": "4",
    "0.2.7": "4",
    "92.0.2.7": "",
    "event.kind:pipeline_error": "6",
    "@timestamp<2026-11-23T12:00": "6",
    "@timestamp>=now-1h": "12345",
    "some.class:audit": "",
    "some.source:fw1 and tun*": "3",
    "some.ref:deneme1/000000/000002": "3",
    "some.ref:baska1/000000/000002": "",
    "dns.question.name:*": "",
    "not dns.question.name:x": "612345",
}


@pytest.mark.parametrize("text", [text for text, found in ANSWERS.items() if found is not None])
def test_a_question_has_its_answer(world, text):
    assert "".join(numbers(world[1], text)) == ANSWERS[text]


def test_time_bounds_include_the_start_and_not_the_end(world):
    _, engine, _ = world
    after = START + timedelta(minutes=1)
    assert numbers(engine, "", start=START, end=after) == ["1", "2", "3", "4"]
    assert numbers(engine, "", start=after) == ["5"]
    assert numbers(engine, "", end=START) == ["6"]


def test_classes_are_a_wall(world):
    _, engine, _ = world
    assert engine.count(q(classes=None)) == 7
    assert engine.count(q(classes=frozenset({"access"}))) == 6
    assert engine.count(q("some.class:audit", classes=frozenset({"access"}))) == 0
    assert engine.count(q(classes=frozenset())) == 0
    assert engine.top_values(q(classes=frozenset({"access"})), "some.class", 5).values[0].value == "access"


def test_a_document_is_whole(world):
    _, engine, _ = world
    document = engine.get(RecordRef("deneme1", 0, 2))
    assert document == {
        "@timestamp": "2026-11-23T10:00:00.000Z",
        "event": {"kind": "event", "category": ["network", "session"], "original": "3 tunnel"},
        "source": {"ip": "2001:db8::5"},
        "url": {"path": "/a_b/%"},
        "some": {
            "ref": "deneme1/000000/000002",
            "class": "access",
            "source": "fw1",
            "origin": "udp:192.0.2.7:514",
            "received_at": "2026-11-23T10:00:00.000Z",
        },
    }
    assert engine.get(RecordRef("deneme1", 0, 99)) is None
    assert engine.get(RecordRef("baska1", 0, 2)) is None


@pytest.mark.parametrize("newest", [False, True])
def test_pages_join_to_the_whole_in_order(world, newest):
    _, engine, _ = world
    whole = engine.search(q(), limit=100, newest_first=newest)
    assert whole.total == 7
    for limit in (1, 2, 3, 6, 7):
        joined, cursor = [], None
        while True:
            page = engine.search(q(), limit=limit, cursor=cursor, newest_first=newest)
            joined += page.documents
            cursor = page.next_cursor
            if cursor is None:
                break
            assert len(page.documents) == limit
        assert joined == whole.documents
    keys = [(one["@timestamp"], one["some"]["ref"]) for one in whole.documents]
    assert keys == sorted(keys, reverse=newest)


def test_a_page_stays_where_it_is_when_records_come(tmp_path):
    archive = FakeArchive()
    archive.open("access")
    archive.add(0, b"a", b"b", b"c")
    with follower(archive, tmp_path, TableParse({})) as follows, Embedded(archive, folder(tmp_path)) as engine:
        follows.run_once()
        first = engine.search(q(), limit=2, newest_first=True)
        archive.add(0, b"d", received=START + timedelta(seconds=9))
        follows.run_once()
        second = engine.search(q(), limit=2, newest_first=True, cursor=first.next_cursor)
    assert [one["event"]["original"] for one in first.documents + second.documents] == ["c", "b", "a"]


@pytest.mark.parametrize("cursor", ["", "x", "bzE6Mg", "çok", "bm90IGEgY3Vyc29y"])
def test_a_cursor_that_is_none_is_refused(world, cursor):
    with pytest.raises(BadInput, match="cursor"):
        world[1].search(q(), limit=2, cursor=cursor)


def test_a_cursor_of_the_other_order_is_refused(world):
    _, engine, _ = world
    cursor = engine.search(q(), limit=2).next_cursor
    with pytest.raises(BadInput, match="cursor"):
        engine.search(q(), limit=2, cursor=cursor, newest_first=True)


@pytest.mark.parametrize("limit", [0, -1, 10_001])
def test_a_page_has_a_size(world, limit):
    with pytest.raises(BadInput, match="1 to 10000"):
        world[1].search(q(), limit=limit)


def test_a_histogram_counts_every_match_once(world):
    _, engine, _ = world
    shown = engine.histogram(q(classes=frozenset({"access"})), 10, "event.category")
    assert shown.width == timedelta(minutes=10)
    assert sum(bucket.total for bucket in shown.buckets) == 6
    assert len(shown.buckets) == 10
    assert shown.values == ("network", "session")
    last = next(bucket for bucket in shown.buckets if bucket.start == START)
    assert (last.total, last.parts) == (5, {"network": 2, "session": 1})
    assert all(
        one.start + shown.width == other.start for one, other in zip(shown.buckets, shown.buckets[1:], strict=False)
    )


def test_a_histogram_of_nothing_is_empty(world):
    assert world[1].histogram(q("yokboyle"), 10).buckets == ()


def test_a_histogram_shows_the_asked_time_also_where_nothing_is(world):
    shown = world[1].histogram(q("tunnel", start=START, end=START + timedelta(hours=2)), 4)
    assert [bucket.total for bucket in shown.buckets] == [1, 0, 0, 0]
    assert shown.width == timedelta(minutes=30)


def test_top_values_say_what_they_were_counted_in(world):
    top = world[1].top_values(q("source.ip:* or destination.port:*"), "source.ip", 2)
    assert [(one.value, one.count) for one in top.values] == [("10.0.0.1", 1), ("10.0.0.2", 1)]
    assert top.sample == 4
    ports = world[1].top_values(q(), "destination.port", 10)
    assert {one.value for one in ports.values} == {443, 80, 8443}


@pytest.mark.parametrize("field", ["message", "some.text", "some.ref", "@timestamp", "no.such", 'a"; DROP'])
def test_some_fields_are_not_counted(world, field):
    with pytest.raises(BadInput):
        world[1].top_values(q(), field, 5)
    with pytest.raises(BadInput):
        world[1].histogram(q(), 5, field)


def test_the_status_counts(world):
    _, engine, _ = world
    status = engine.status()
    assert (status.documents, status.pipeline_errors, status.lag_records, status.findings) == (7, 1, 0, ())
    assert status.newest == START + timedelta(minutes=1)


def test_the_lag_is_counted(tmp_path):
    archive = FakeArchive()
    archive.open("access")
    archive.add(0, b"a", b"b")
    with Embedded(archive, folder(tmp_path)) as engine:
        status = engine.status()
        assert (status.documents, status.lag_records, status.lag_exact) == (0, 2, True)
        assert status.lag_seconds > 0
        assert engine.search(q(), limit=5).documents == []
        assert engine.histogram(q(), 5).buckets == ()


def test_a_damaged_record_is_served_and_marked(tmp_path):
    archive = FakeArchive()
    archive.open("access")
    archive.add(0, b"a", b"b")
    with follower(archive, tmp_path, TableParse({})) as follows:
        follows.run_once()
    archive.segments[0].unreadable = {0}
    with Embedded(archive, folder(tmp_path)) as engine:
        one, other = engine.search(q(), limit=5).documents
    assert (one["event"]["original"], one["some"]["damaged"]) == ("", True)
    assert (other["event"]["original"], "damaged" in other["some"]) == ("b", False)


@pytest.fixture
def two_files(tmp_path):
    archive = FakeArchive()
    archive.open("access")
    with follower(archive, tmp_path, TableParse({})) as follows:
        archive.add(0, b"a")
        follows.run_once()
        archive.add(0, b"b")
        follows.run_once()
        return archive, folder(tmp_path), [one.path for one in follows.catalogue.files()]


@pytest.mark.parametrize("damage", ["cut", "flip", "gone", "empty"])
def test_a_damaged_file_is_named_and_the_others_stay_served(two_files, damage):
    archive, place, (first, _) = two_files
    path = place / first
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        changed = {"cut": content[: len(content) // 2], "flip": content[:-6] + bytes(6), "empty": b""}
        path.write_bytes(changed[damage])
    with Embedded(archive, place) as engine:
        page = engine.search(q(), limit=5)
        assert [one["event"]["original"] for one in page.documents] == ["b"]
        assert [(one.code, one.where) for one in page.findings] == [("index.file_damaged", first)]
        assert engine.count(q()) == 1
        assert [one.where for one in engine.status().findings] == [first]
        assert engine.get(RecordRef("deneme1", 0, 0)) is None
    with Embedded(archive, place) as fresh:
        assert [one.where for one in fresh.check()] == [first]


def test_a_file_merged_away_is_found_again(two_files, monkeypatch):
    archive, place, (first, _) = two_files
    with Embedded(archive, place) as engine:
        held = engine._held(q())
        (place / first).rename(place / "access" / "moved.parquet")
        calls = iter([held])
        intact = Embedded._held
        monkeypatch.setattr(Embedded, "_held", lambda self, query: next(calls, None) or intact(self, query))
        monkeypatch.setattr("some.index.catalogue.Catalogue.named_as", lambda self, path: None)
        with pytest.raises(Unavailable, match="try again"):
            engine.count(q())
        (place / "access" / "moved.parquet").rename(place / first)
        assert engine.count(q()) == 2


def test_a_search_has_a_time_limit(two_files):
    archive, place, _ = two_files
    with Embedded(archive, place, time_limit_s=0.2) as engine:
        held = engine._held(q())
        endless = "SELECT count(*) FROM range(100000000000) a, documents WHERE sin(a.range) > 2"
        with pytest.raises(Unavailable, match="took longer"):
            engine._scan.ask(held, endless, [])
        assert engine.count(q()) == 2


def test_the_search_connection_reads_only_the_index(two_files, tmp_path):
    archive, place, _ = two_files
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    with Embedded(archive, place) as engine:
        held = engine._held(q())
        for source in (f"read_csv('{secret}')", f"'{secret}', documents"):
            select = f"SELECT * FROM {source}"  # noqa: S608 - the attack itself
            with pytest.raises(Unavailable):
                engine._scan.ask(held, select, [])


@pytest.mark.parametrize(
    ("span_s", "buckets", "width_s"),
    [(59, 60, 1), (60, 60, 5), (3_600, 60, 300), (86_400, 48, 3_600), (86_399, 48, 1_800), (0, 10, 1)],
)
def test_buckets_are_nice_and_not_too_many(span_s, buckets, width_s):
    first = to_us(datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC))
    last = first + span_s * 1_000_000
    made = grid(first, last, buckets)
    assert made.width == width_s * 1_000_000
    assert made.count <= buckets + 1
    assert made.origin <= first
    assert made.origin + made.width * made.count > last


def test_days_begin_at_local_midnight():
    first = to_us(datetime(2026, 11, 23, 10, 0, tzinfo=UTC))
    made = grid(first, first + 20 * 86_400_000_000, 30, TURKEY)
    assert made.origin == to_us(datetime(2026, 11, 22, 21, 0, tzinfo=UTC))
