"""Facts go with the documents: exactly once, forgotten with them, the same however the archive was cut and read."""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from index_fakes import START, FakeArchive, TableParse, folder, hints

from some.clock import SimulatedClock
from some.durable import Disk
from some.errors import Unavailable
from some.index import follower as follower_module
from some.index.catalogue import NAME, reading
from some.index.embedded import Embedded
from some.index.engine import Query, to_us
from some.index.facts.fact import Fact, Layer, Minute, Span, Speaker
from some.index.follower import Follower
from some.index.waiting import wipe
from some.record import RecordRef

FIRST = to_us(START)
ALWAYS = Span(0, 2**61)
INNER = ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
PUBLIC = ["203.0.113.5", "203.0.113.6"]
WORDS = ["session", "session.opened", "session.closed", "lease.granted", "lease.ended", "login", "logout", None]


def documents(count: int = 240) -> dict[bytes, dict]:
    """Say what each message says; one in eight attests nothing."""
    draw = random.Random(20261123)
    made = {}
    for number in range(count):
        word, at = WORDS[number % len(WORDS)], FIRST + number * 1_700_000 + draw.randrange(1_000_000)
        flat = {"@timestamp": at, "some.delay": draw.randrange(-200, 900), "some.fact": word}
        if word is None:
            flat = {"@timestamp": at}
        elif word.startswith("session"):
            flat |= {
                "event.start": at - draw.randrange(1, 90_000_000), "event.end": at, "source.ip": draw.choice(INNER),
                "source.port": 1024 + number, "source.nat.ip": draw.choice(PUBLIC),
                "source.nat.port": draw.randrange(2000, 2010), "destination.ip": "198.51.100.1",
                "destination.port": 443, "network.transport": "tcp", "user.name": draw.choice(["ayse", "AYSE", "PC$"]),
            }  # fmt: skip
        else:
            flat |= {
                "client.ip": draw.choice(INNER), "client.mac": f"00-00-5E-00-53-0{number % 3}",
                "some.lease.duration": 3600, "user.name": draw.choice(["ayse", "mehmet"]),
            }  # fmt: skip
        made[f"kayit {number}".encode()] = {name: value for name, value in flat.items() if value is not None}
    return made


SAID = documents()


def archive_of(order: list[bytes], segments: int = 3) -> FakeArchive:
    """Return the messages in that order, spread over segments; source and reception belong to the message."""
    archive = FakeArchive()
    for number in range(segments):
        archive.open("identity" if number == 1 else "access")
    for place, message in enumerate(order):
        number = int(message.split()[1])
        received = START + timedelta(seconds=number * 600)
        archive.add(place * segments // len(order), message, received=received, source=f"fw{number % 3}")
    return archive


def follows(archive: FakeArchive, data, **more) -> Follower:
    return Follower(
        archive, folder=folder(data), lock=data / "run" / "index.lock", parse=TableParse(SAID), hints=hints, **more
    )  # fmt: skip


def everything(archive: FakeArchive, data) -> tuple[list[Fact], dict[str, list[Minute]], list[Speaker]]:
    """Return all facts, named by their message instead of their place, all minutes, and who spoke."""
    with Embedded(archive, folder(data)) as engine:
        store = engine.facts
        found: set[Fact] = set()
        for address in INNER:
            found |= {*store.inner_side(ALWAYS, site=None, inner_ip=address)}
        assert found == {*store.public_side(ALWAYS)}
        found |= {*store.leases(ALWAYS, site=None), *store.identities(ALWAYS, site=None)}
        minutes = {f"fw{at}": list(store.minutes(f"fw{at}", ALWAYS)) for at in range(3)}
        speakers = list(store.speakers())
        raw = archive.get_many([one.ref for one in found])
    named = [
        replace(one, ref=RecordRef("deneme1", 0, int(raw[one.ref].raw.split()[1]))) for one in found
    ]  # fmt: skip
    return sorted(named, key=lambda one: one.ref), minutes, speakers


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    data = tmp_path_factory.mktemp("right")
    archive = archive_of(list(SAID))
    with follows(archive, data) as running:
        running.run_once()
    return everything(archive, data)


def test_every_record_with_a_word_is_one_fact(right):
    facts, _, speakers = right
    assert [one.ref.position for one in facts] == [
        int(message.split()[1]) for message, flat in SAID.items() if flat.get("some.fact")
    ]
    assert Counter(one.layer for one in facts) == {Layer.NAT: 90, Layer.LEASE: 60, Layer.IDENTITY: 60}
    assert set(speakers) == {Speaker(f"fw{at}", None, layer) for at in range(3) for layer in Layer}


def test_minutes_are_counted_exactly(right):
    for source, held in right[1].items():
        said = [flat for message, flat in SAID.items() if int(message.split()[1]) % 3 == int(source[2:])]
        counted: dict[int, list[dict]] = {}
        for flat in said:
            counted.setdefault(flat["@timestamp"] // 60_000_000, []).append(flat)
        assert held == [
            Minute(
                minute,
                min(flat["@timestamp"] for flat in some),
                max(flat["@timestamp"] for flat in some),
                len(some),
                dict(sorted(Counter(flat["some.delay"] // 100 for flat in some if "some.delay" in flat).items())),
            )
            for minute, some in sorted(counted.items())
        ]


@pytest.mark.parametrize("merged", [False, True], ids=["as written", "merged"])
@pytest.mark.parametrize("seed", range(4))
def test_order_cuts_and_merges_change_no_fact(tmp_path, monkeypatch, right, seed, merged):
    draw = random.Random(seed)
    order = list(SAID)
    draw.shuffle(order)
    monkeypatch.setattr(follower_module, "FLUSH_ROWS", draw.randrange(3, 60))
    monkeypatch.setattr(follower_module, "RUN_BYTES", draw.randrange(200, 5_000))
    archive = archive_of(order, segments=draw.randrange(2, 6))
    with follows(archive, tmp_path, clock=SimulatedClock(START + timedelta(days=30))) as running:
        running.run_once()
        if merged:
            merges = 0
            while running.tidy():
                merges += 1
            assert merges
            piles = [(one.record_class, one.hour) for one in running.catalogue.every()]
            assert len(piles) == len(set(piles))
    facts, minutes, speakers = everything(archive, tmp_path)
    assert facts == right[0]
    assert minutes == right[1]
    assert set(speakers) == set(right[2])


def test_a_rebuilt_index_has_the_same_facts_in_the_same_places(tmp_path, monkeypatch):
    archive = archive_of(list(SAID))
    with follows(archive, tmp_path) as running:
        running.run_once()
    with Embedded(archive, folder(tmp_path)) as engine:
        first = engine.facts.public_side(ALWAYS), engine.facts.identities(ALWAYS, site=None)
    wipe(folder(tmp_path), tmp_path / "run" / "index.lock", Disk())
    monkeypatch.setattr(follower_module, "FLUSH_ROWS", 17)
    with follows(archive, tmp_path) as running:
        running.run_once()
    with Embedded(archive, folder(tmp_path)) as engine:
        assert (engine.facts.public_side(ALWAYS), engine.facts.identities(ALWAYS, site=None)) == first


class _Died(BaseException):
    pass


class _Mortal(Disk):
    """A disk that dies after its n-th replaced file."""

    def __init__(self, at: int) -> None:
        self.left = at

    def replace(self, path, content, mode=0o640):
        super().replace(path, content, mode)
        self.left -= 1
        if self.left == 0:
            raise _Died


@pytest.mark.parametrize("at", range(2, 16, 3))
def test_a_death_between_files_neither_loses_nor_doubles(tmp_path, monkeypatch, right, at):
    monkeypatch.setattr(follower_module, "FLUSH_ROWS", 90)
    monkeypatch.setattr(follower_module, "RUN_BYTES", 3_000)
    archive = archive_of(list(SAID))
    with pytest.raises(_Died), follows(archive, tmp_path, disk=_Mortal(at)) as running:
        running.run_once()
    with follows(archive, tmp_path) as running:
        running.run_once()
    assert everything(archive, tmp_path) == right


@pytest.mark.parametrize("merged", [False, True])
def test_forgotten_segments_take_their_facts_and_minutes_along(tmp_path, monkeypatch, right, merged):
    monkeypatch.setattr(follower_module, "FLUSH_ROWS", 50)
    monkeypatch.setattr(follower_module, "RUN_BYTES", 2_000)
    archive = archive_of(list(SAID))
    with follows(archive, tmp_path, clock=SimulatedClock(START + timedelta(days=30))) as running:
        running.run_once()
        while merged and running.tidy():
            pass
        assert running.forget([0, 1]) == 160
        assert running.catalogue.totals().rows == 80
    facts, minutes, _ = everything(archive, tmp_path)
    assert facts == [one for one in right[0] if one.ref.position >= 160]
    assert sum(one.count for held in minutes.values() for one in held) == 80


def test_no_question_for_documents_meets_a_fact(tmp_path):
    archive = archive_of(list(SAID))
    with follows(archive, tmp_path) as running:
        running.run_once()
        assert {one.record_class for one in running.catalogue.every()} == {
            "access", "identity", "fact-nat", "fact-lease", "fact-identity", "fact-minute",
        }  # fmt: skip
    with Embedded(archive, folder(tmp_path)) as engine:
        assert engine.classes() == {"access", "identity"}
        assert engine.count(Query()) == engine.status().documents == len(SAID)
        assert len(engine.search(Query(), limit=1000).documents) == len(SAID)
        assert engine.get(RecordRef("deneme1", 0, 3))["some"]["class"] == "access"
        assert engine.check() == ()


def test_records_of_our_own_speak_for_no_source(tmp_path):
    archive = FakeArchive()
    archive.add(archive.open("audit"), b"kayit 0", source="some")
    archive.add(archive.open("access"), b"kayit 1", source="fw1", origin="gap:udp")
    with follows(archive, tmp_path) as running:
        assert running.run_once() == 2
        assert not [one for one in running.catalogue.every() if one.record_class.startswith("fact-")]
        assert running.catalogue.speakers() == []


def test_a_damaged_file_of_facts_is_told_in_the_status(tmp_path):
    archive = archive_of(list(SAID))
    with follows(archive, tmp_path) as running:
        running.run_once()
        path = next(one.path for one in running.catalogue.every() if one.record_class == "fact-nat")
    (folder(tmp_path) / path).write_bytes(b"PAR1")
    with Embedded(archive, folder(tmp_path)) as engine:
        assert [one.where for one in engine.status().findings] == [path]
        with pytest.raises(Unavailable, match="rebuild"):
            engine.facts.public_side(ALWAYS, public_ip=PUBLIC[0])
        assert engine.count(Query()) == len(SAID)


@pytest.mark.parametrize(("name", "value"), [("format", "1"), ("facts", "0")])
def test_an_index_of_another_version_asks_for_a_rebuild(tmp_path, name, value):
    archive = archive_of(list(SAID))
    with follows(archive, tmp_path):
        pass
    with sqlite3.connect(folder(tmp_path) / NAME) as database:
        database.execute("UPDATE fact SET value = ? WHERE name = ?", (value, name))
    database.close()
    with pytest.raises(Unavailable, match="rebuild"), reading(folder(tmp_path), "deneme1"):
        pass
