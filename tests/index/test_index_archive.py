"""From the archive itself to an answer: appended, sealed, appended again, followed, asked, disposed of."""

from __future__ import annotations

import pytest
from index_fakes import TURKEY, hints

from ingest.parsing import Parsing
from retention.archive import Archive
from retention.options import ArchiveOptions
from retention.reading import ArchiveReader
from some.clock import SystemClock
from some.index.embedded import Embedded
from some.index.engine import Query
from some.index.follower import Follower
from some.index.query.bind import Options, understand
from some.index.waiting import wait_for
from some.record import RecordBlock, RecordClass, escape_lines

CLOCK = SystemClock()


def block(record_class: str, *lines: bytes, source: str = "fw1") -> RecordBlock:
    payload = escape_lines(b"".join(line + b"\n" for line in lines))
    return RecordBlock(CLOCK.now(), source, "tcp:192.0.2.7:5140", RecordClass(record_class), payload, len(lines))


@pytest.fixture
def archive(tmp_path):
    options = ArchiveOptions(reserve_bytes=0, inline_bytes=None)
    places = tmp_path / "archive", tmp_path / "run", "deneme1", tmp_path / "keys"
    with Archive.open(*places, clock=CLOCK, options=options) as opened:
        yield opened


def test_what_is_durable_is_found(archive, tmp_path):
    squid = (
        b"1795417200.123 45 10.0.0.7 TCP_TUNNEL/200 5120 CONNECT site.example.org:443 ayse HIER_DIRECT/198.51.100.9 -"
    )
    index = tmp_path / "index" / "embedded"
    options = Options(CLOCK.now(), TURKEY)
    with ArchiveReader(tmp_path / "archive", tmp_path / "run", "deneme1") as reader, Embedded(reader, index) as engine:

        def follows() -> Follower:
            lock = tmp_path / "run" / "index.lock"
            return Follower(reader, folder=index, lock=lock, parse=Parsing().parse_block, hints=hints)

        def asked(text: str) -> list[str]:
            page = engine.search(Query(text, understand(text, options)), limit=100)
            return [one["event"]["original"] for one in page.documents]

        archive.submit(block("access", squid, "Kullanıcı GİRİŞİ".encode())).result()
        wait_for(reader, index, follows(), timeout_s=60)
        assert asked("source.ip:10.0.0.0/24 and url.domain:site.example.org") == [squid.decode()]
        archive.seal()
        archive.submit(block("access", b"yeni kayit", b"C:\\Windows\\n")).result()
        archive.submit(block("dns", b"baska sinif", source="dns1")).result()
        assert engine.status().lag_records == 3
        wait_for(reader, index, follows(), timeout_s=60)
        assert engine.status().lag_records == 0
        assert asked("girişi") == ["Kullanıcı GİRİŞİ"]
        assert asked("windows") == ["C:\\Windows\\n"]
        assert engine.count(Query()) == 5
        archive.seal()
        with follows() as running:
            assert running.run_once() == 0
            assert running.catalogue.cursor().positions == {}
