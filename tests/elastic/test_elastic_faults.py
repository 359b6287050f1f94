"""What goes wrong with a real server: it is away, killed, unwilling, too busy. Nothing is lost, nothing is twice."""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager

import pytest
from conftest import STANDING
from elastic_lines import behind, follows, place, squid, until
from elastic_server import ElasticServer

from retention.archive import Archive
from retention.options import ArchiveOptions
from retention.reading import ArchiveReader
from some.clock import SystemClock
from some.errors import Unavailable
from some.index.elastic import asking, names, retire, templates
from some.index.elastic import follower as follower_module
from some.index.elastic.engine import Elastic
from some.index.elastic.examine import examine
from some.index.elastic.follower import DEAD
from some.index.elastic.transport import ElasticSettings, connect
from some.index.engine import Query, to_us
from some.record import RecordBlock, RecordClass, RecordRef, escape_lines

FULL = os.environ.get("SOME_FULL") == "1"
MANY = 1_000_000 if FULL else 20_000
KILLED = MANY if FULL else 6_000
BLOCK = 1_000
PATIENCE_S = 1_800.0 if FULL else 120.0
CLOCK = SystemClock()
LEDGER = "deneme1"

pytestmark = pytest.mark.skipif(bool(STANDING), reason="these tests kill and fill a server, so it must be their own")


@pytest.fixture(scope="module")
def server(distribution):
    """Give a server that is not started yet, with a queue that only one request fits into."""
    made = ElasticServer(distribution, {"thread_pool.write.queue_size": "1", "cluster.info.update.interval": "10s"})
    yield made
    made.__exit__()


@pytest.fixture
def running(server):
    if not server.running:
        server.start()
    return server


@pytest.fixture(autouse=True)
def hurry(monkeypatch):
    """Wait shortly between attempts, and read in small runs, so that there are many bulks under way."""
    monkeypatch.setattr(follower_module, "_FIRST_WAIT_S", 0.2)
    monkeypatch.setattr(follower_module, "_LONGEST_WAIT_S", 0.5)
    monkeypatch.setattr(follower_module, "RUN_BYTES", 50_000)


class Site:
    """An archive, what follows it, and what the server has of it."""

    def __init__(self, server, folder, prefix: str, archive: Archive, reader: ArchiveReader, **more) -> None:
        self.server, self.folder, self.archive, self.reader = server, folder, archive, reader
        self.client = connect(ElasticSettings((server.url,), prefix=prefix, **{"replicas": 0, "timeout_s": 20, **more}))
        self.engine = Elastic(reader, self.client, place(folder))
        self.sent = 0

    def add(self, count: int, line=squid) -> None:
        """Submit records, and return when they are durable."""
        waiting = []
        for first in range(self.sent, self.sent + count, BLOCK):
            size = min(BLOCK, self.sent + count - first)
            payload = escape_lines(b"".join(line(first + at) + b"\n" for at in range(size)))
            block = RecordBlock(CLOCK.now(), "proxy1", "tcp:192.0.2.7:5140", RecordClass("access"), payload, size)
            waiting.append(self.archive.submit(block))
        for one in waiting:
            one.result()
        self.sent += count

    def follows(self):
        return follows(self.reader, self.client, self.folder)

    @property
    def lag(self) -> int:
        return behind(self.reader, self.folder, CLOCK)

    def once(self) -> None:
        """Assert that every record is there, and once."""
        where = names.records(self.client.settings.prefix, None)
        sources = [{"ref": {"terms": {"field": "some.ref"}}}]
        found = {}
        for one in asking.composite(self.client, where, {"match_all": {}}, sources):
            found[one["key"]["ref"]] = one["doc_count"]
        assert set(found.values()) == {1}
        wanted = {
            str(RecordRef(LEDGER, run.segment, run.first + at))
            for run in self.reader.follow(follower_module.Cursor(), max_bytes=4_000_000)
            for at in range(run.count)
        }
        assert len(wanted) == self.sent
        assert found.keys() == wanted
        assert self.engine.count(Query()) == self.sent
        assert self.engine.status().lag_records == 0

    def indices(self) -> str:
        return ",".join(retire.indices(self.client))


@pytest.fixture
def site(server, tmp_path, request):
    """Give an archive that is open; `site` may be parametrised with settings."""
    options = ArchiveOptions(reserve_bytes=0, inline_bytes=None)
    places = tmp_path / "archive", tmp_path / "run", LEDGER, tmp_path / "keys"
    prefix = f"ariza{abs(hash(request.node.name)) % 10**6}"
    with (
        Archive.open(*places, clock=CLOCK, options=options) as archive,
        ArchiveReader(tmp_path / "archive", tmp_path / "run", LEDGER) as reader,
    ):
        made = Site(server, tmp_path, prefix, archive, reader, **getattr(request, "param", {}))
        yield made
        if server.running:
            retire.forget(made.client, retire.indices(made.client))
        made.client.close()


@contextmanager
def in_background(following):
    """Follow in a thread, as the platform does, until the end of the block; an error of it fails the test."""
    stop = threading.Event()
    failed = []

    def run() -> None:
        try:
            following.run(stop)
        except BaseException as error:
            failed.append(error)
            raise

    with following:
        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield following
        finally:
            stop.set()
            thread.join(60)
            assert not thread.is_alive()
    assert not failed


def test_a_server_that_is_absent_costs_nothing_but_lag(server, site):
    if server.running:
        server.stop()
    with in_background(site.follows()) as following:
        site.add(MANY // 2)
        site.archive.seal()
        site.add(MANY - MANY // 2)
        assert site.archive.seal() is not None
        assert site.lag in {MANY, -1}
        with pytest.raises(Unavailable, match="cannot be reached"):
            site.engine.status()
        (absent,) = examine(site.client, LEDGER, CLOCK)
        assert (absent.code, absent.severity) == ("elastic.version", "error")
        assert following.steps.records == 0
        server.start()
        until(lambda: site.lag == 0, "it caught up", PATIENCE_S)
    site.once()
    assert following.steps.dead == 0


@pytest.mark.parametrize("site", [{"bulk_documents": 200}], indirect=True)
def test_a_server_that_is_killed_in_the_middle_of_bulks_has_every_record_once(running, site):
    site.add(KILLED)
    with in_background(site.follows()) as following:
        until(lambda: following.steps.created > KILLED // 3, "some of it is written", PATIENCE_S)
        running.kill()
        behind_then = site.lag
        assert behind_then != 0
        site.add(BLOCK)
        site.archive.seal()
        running.start()
        until(lambda: site.lag == 0, "it caught up", PATIENCE_S)
        repeated = following.steps.there
    site.once()
    # what was under way is sent again; the cursor was not lost
    assert repeated < KILLED // 3
    assert following.steps.dead == 0


def test_a_read_only_index_is_waited_for(running, site):
    site.add(300)
    with site.follows() as following:
        following.run_once()
        # not read_only_allow_delete: the server's own look at the disks takes that one away again within half a minute
        block = {"index.blocks.read_only": True}
        assert running.call("PUT", f"/{site.indices()}/_settings", block)[0] == 200
        site.add(300)
        for _ in range(2):
            with pytest.raises(Unavailable, match="read-only"):
                following.run_once()
        assert site.lag == 300
        told = {one.where: one.severity for one in examine(site.client, LEDGER, CLOCK) if one.code == "elastic.blocked"}
        assert told == dict.fromkeys(retire.indices(site.client), "error")
        block = {"index.blocks.read_only": None}
        assert running.call("PUT", f"/{site.indices()}/_settings", block)[0] == 200
        following.run_once()
        assert following.steps.dead == 0
    site.once()


MARKS = ("low", "high", "flood_stage")


def test_a_disk_beyond_its_watermark_is_waited_for(running, site):
    site.add(300)
    name = "cluster.routing.allocation.disk"
    filled = {f"{name}.watermark.{mark}": "9000tb" for mark in MARKS} | {f"{name}.threshold_enabled": True}
    with in_background(site.follows()) as following:
        until(lambda: site.lag == 0, "the index is there")
        assert running.call("PUT", "/_cluster/settings", {"persistent": filled})[0] == 200
        try:
            until(lambda: blocked(running, site), "the server saw that its disk is full")
            site.add(300)
            assert site.archive.seal() is not None
            assert site.lag == 300
        finally:
            assert running.call("PUT", "/_cluster/settings", {"persistent": dict.fromkeys(filled)})[0] == 200
        # by itself the server takes the block away only while it watches its disks
        lifted = {"index.blocks.read_only_allow_delete": None}
        assert running.call("PUT", f"/{site.indices()}/_settings", lifted)[0] == 200
        until(lambda: site.lag == 0, "it goes on")
    assert following.steps.dead == 0
    site.once()


def blocked(server, site) -> bool:
    status, answer = server.call("GET", f"/{site.indices()}/_settings?flat_settings=true")
    assert status == 200
    return any("index.blocks.read_only_allow_delete" in one["settings"] for one in answer.values())


def test_a_document_that_does_not_fit_is_a_dead_letter_and_blocks_no_other(running, site):
    templates.ensure(site.client, LEDGER, {"access"})
    index = names.index_of(site.client.settings.prefix, "access", site.client.settings.period, to_us(CLOCK.now()))
    wrong = {"mappings": {"properties": {"source.user.name": {"type": "long"}}}}
    assert running.call("PUT", f"/{index}", wrong)[0] == 200
    site.add(200, lambda number: squid(number, "gizli-kisi" if number == 77 else "-"))
    with site.follows() as following:
        following.run_once()
        assert following.steps.dead == 1
        assert following.standing.dead() == 1
    assert site.lag == 0
    path = place(site.folder) / DEAD
    (letter,) = [json.loads(line) for line in path.read_text().splitlines()]
    ref = letter["ref"]
    assert (RecordRef.parse(ref).position, letter["index"]) == (77, index)
    assert letter["reason"] == "failed to parse field [source.user.name] of type [long]"
    assert "gizli" not in path.read_text()
    assert b"gizli-kisi" in site.reader.get(RecordRef.parse(ref)).raw
    status = site.engine.status()
    assert status.documents == 199
    (told,) = status.findings
    assert (told.code, told.where) == ("index.elastic.refused", ref)
    assert "source.user.name" in told.text
    assert "gizli" not in told.text


@pytest.mark.parametrize("site", [{"bulk_documents": 20, "bulk_in_flight": 12}], indirect=True)
def test_a_server_that_is_too_busy_gets_everything_in_the_end(running, site):
    site.add(6_000)
    with site.follows() as following:
        following.run_once()
        assert following.steps.repeated > 0, "the server was never too busy: this test says nothing"
        assert following.steps.dead == 0
    site.once()


def test_what_is_told_of_a_plain_server(running, site):
    site.add(10)
    with site.follows() as following:
        following.run_once()
    rows = {one.code: one for one in examine(site.client, LEDGER, CLOCK)}
    assert running.distribution.version in rows["elastic.version"].text
    assert {code for code, one in rows.items() if one.severity == "warning"} >= {
        "elastic.plain",
        "elastic.security_off",
    }
    assert rows["elastic.disk"].severity in {"note", "warning", "error"}
    assert "GiB" in rows["elastic.disk"].text
    assert rows.keys().isdisjoint(
        {"elastic.clock", "elastic.blocked", "elastic.template_missing", "elastic.foreign_index"}
    )
    assert "elastic.template_foreign" in {one.code for one in examine(site.client, "baska1", CLOCK)}
    for path in sorted(templates.found(site.client), reverse=True):
        site.client.request("DELETE", path)
    assert "elastic.template_missing" in {one.code for one in examine(site.client, LEDGER, CLOCK)}
