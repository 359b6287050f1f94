"""Word lists spare work and change no answer: with them, without them, damaged, gone."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from index_fakes import START, FakeArchive, TableParse, folder, follower
from test_index_oracle import rows, trees

from some.clock import SimulatedClock
from some.index import compaction, text, words
from some.index import follower as follower_module
from some.index.catalogue import word_list_of
from some.index.embedded import Embedded
from some.index.engine import Query, to_us
from some.index.files import present
from some.index.query.bind import Options, understand
from some.index.query.predicate import predicate
from some.index.scan import Scan

LATER = START + timedelta(hours=5)
_number = itertools.count()


@pytest.fixture(autouse=True)
def every_file_has_a_list(monkeypatch):
    monkeypatch.setattr(words, "LISTED_FROM", 1)


@pytest.fixture
def read(monkeypatch) -> list[str]:
    """Give the files of documents that are read from now on."""
    seen: list[str] = []
    ask = Scan.ask

    def noting(scan, held, select, values, **how):
        seen.extend(one.path for one in held if not one.path.endswith(".words.parquet"))
        return ask(scan, held, select, values, **how)

    monkeypatch.setattr(Scan, "ask", noting)
    return seen


def merged(tmp_path, *hours: tuple[bytes, ...]) -> FakeArchive:
    """One merged file with a list for each tuple of records, an hour apart."""
    archive = FakeArchive()
    wall = SimulatedClock(LATER)
    with follower(archive, tmp_path, wall=wall) as follows:
        for number, messages in enumerate(hours):
            for message in messages:
                archive.add(archive.open("access"), message, received=START + timedelta(hours=number))
                follows.run_once()
        while follows.tidy():
            pass
        assert all(one.words for one in follows.catalogue.files())
        assert len(follows.catalogue.files()) == len(hours)
    return archive


def asked(query: str) -> Query:
    return Query(query, understand(query, Options(LATER)))


TWO = (
    (b"Kullan\xc4\xb1c\xc4\xb1 G\xc4\xb0R\xc4\xb0\xc5\x9e\xc4\xb0", b"elma armut"),
    (b"elma kiraz", b"kirazlar bitti"),
)


@pytest.mark.parametrize(
    ("query", "matches", "opened"),
    [
        ("giriş*", 1, 1), ("KULLANICI", 1, 1), ("elma", 2, 2), ("ayva", 0, 0), ("kira*", 2, 1), ("ayv*", 0, 0),
        ('"elma kiraz"', 1, 1), ('"armut kiraz"', 0, 0), ("armut or ayva", 1, 1), ("not ayva", 4, 2), ("k*az", 1, 2),
        ("elma and not kiraz", 1, 2), ("event.kind:event or ayva", 0, 2),
    ],
)  # fmt: skip
def test_only_files_that_may_hold_the_words_are_read(tmp_path, read, query, matches, opened):
    archive = merged(tmp_path, *TWO)
    with Embedded(archive, folder(tmp_path)) as engine:
        assert engine.count(asked(query)) == matches
        assert len(set(read)) == opened
        read.clear()
        assert len(engine.search(asked(query), limit=10).documents) == matches
        assert len(set(read)) == opened


@pytest.mark.parametrize("harm", ["flip", "truncate", "remove"])
def test_a_damaged_or_lost_list_hides_nothing(tmp_path, harm):
    archive = merged(tmp_path, *TWO)
    (path, *_) = sorted(one for one in folder(tmp_path).rglob("*.words.parquet"))
    content = bytearray(path.read_bytes())
    if harm == "flip":
        content[len(content) // 3] ^= 0x55
        path.write_bytes(content)
    elif harm == "truncate":
        path.write_bytes(content[:-20])
    else:
        path.unlink()
    with Embedded(archive, folder(tmp_path)) as engine:
        if harm == "flip":
            (found,) = engine.check()
            assert (found.code, found.severity) == ("index.file_damaged", "warning")
            assert "reads 2 records more" in found.text
        assert engine.count(asked("giriş*")) == 1
        assert engine.count(asked("kiraz*")) == 2
        assert len(engine.search(asked("elma"), limit=10).documents) == 2


def test_a_list_goes_with_its_file(tmp_path):
    archive = merged(tmp_path, *TWO)
    wall = SimulatedClock(LATER)
    with follower(archive, tmp_path, wall=wall) as follows:
        stray = folder(tmp_path) / word_list_of(follows.catalogue.files()[0].path.replace("000000", "000009", 1))
        assert follows.forget({0, 1}) == 2
        wall.advance(compaction.GRACE_S + 1)
        follows.tidy()
        held = follows.catalogue.every()
        assert present(folder(tmp_path)) == {one.path for one in held} | {
            one.word_list.path for one in held if one.word_list
        }
        stray.write_bytes(b"")
    with follower(archive, tmp_path, wall=wall):
        assert not stray.exists()


def test_a_file_of_too_many_words_gets_no_list(tmp_path, monkeypatch):
    monkeypatch.setattr(words, "_MOST_WORDS", 3)
    monkeypatch.setattr(words, "_TOGETHER", 2)
    archive = FakeArchive()
    with follower(archive, tmp_path, wall=SimulatedClock(LATER)) as follows:
        for number in range(3):
            archive.add(archive.open("access"), f"bir{number} iki{number}".encode())
            follows.run_once()
        while follows.tidy():
            pass
        assert [(one.rows, one.words) for one in follows.catalogue.files()] == [(3, "")]
    with Embedded(archive, folder(tmp_path)) as engine:
        assert engine.count(asked("iki2")) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(held=st.lists(rows, min_size=2, max_size=8), questions=st.lists(trees, min_size=8, max_size=8))
def test_no_answer_changes(tmp_path, held, questions):
    data = tmp_path / str(next(_number))
    archive, documents = FakeArchive(), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(follower_module, "FLUSH_ROWS", 1)
        with follower(archive, data, TableParse(documents), wall=SimulatedClock(LATER)) as follows:
            for number, row in enumerate(held):
                raw = f"{row['some.text']} #{number}".encode()
                documents[raw] = {name: value for name, value in row.items() if name != "some.text"}
                archive.add(archive.open("access"), raw, received=START + timedelta(hours=number % 2))
                follows.run_once()
            while follows.tidy():
                pass
    flats = {
        raw.decode(): {
            "@timestamp": to_us(START + timedelta(hours=number % 2)), **flat, "some.text": text.of_bytes(raw),
            "event.kind": "event",
        }
        for number, (raw, flat) in enumerate(documents.items())
    }  # fmt: skip
    with Embedded(archive, folder(data)) as engine:
        for tree in questions:
            match = predicate(tree)
            expected = {raw for raw, flat in flats.items() if match(flat)}
            page = engine.search(Query(tree=tree), limit=100)
            assert {document["event"]["original"] for document in page.documents} == expected, tree
            assert engine.count(Query(tree=tree)) == len(expected)
