from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from archive_kit import NAME, PATIENT_S, SMALL, TIME, FullDisk, Site, block, done

from retention import wire
from retention.archive import Archive
from retention.lock import ArchiveLock
from retention.remote import RemoteArchive, open_sink
from retention.sealing import SealMade
from retention.socket_server import SocketServer
from retention.wire import Kind
from some.clock import SystemClock
from some.durable import Disk
from some.errors import BadInput, IntegrityError, SettingsFault, Unavailable, UnknownState
from some.record import Appended, RecordBlock, RecordClass, RecordRef


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


@contextmanager
def serving(site, **changes):
    with site.open(**changes) as archive, SocketServer(archive, site.root / "run" / "archive.sock") as server:
        yield archive, server


@contextmanager
def pretending(path):
    """Somebody else's socket in the archive's place."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    try:
        yield listener
    finally:
        listener.close()


def path_of(site):
    return site.root / "run" / "archive.sock"


def test_a_remote_sink_is_as_good_as_the_archive(site):
    with serving(site) as (archive, _), RemoteArchive.connect(path_of(site)) as remote:
        site.append(remote, "bir", "iki")
        site.append(remote, "üç", name="dns")
        archive.check()
        assert remote.status() == archive.status()
        assert remote.seal() == SealMade(1, 2, 3)
        archive.check()
        with pytest.raises(BadInput, match="at most"):
            done(remote.submit(RecordBlock(TIME, "s" * 500, "o" * 500, RecordClass("x"), b"\n" * 70_000, 70_000)))
        with pytest.raises(BadInput, match="at most"):
            done(remote.submit(RecordBlock(TIME, "s", "o", RecordClass("x"), b"y" * wire.MAX_REQUEST + b"\n", 1)))
        site.append(remote, "yine")
    site.must_hold()
    assert not path_of(site).exists()


def test_the_socket_is_for_its_owner_alone(site):
    with serving(site):
        assert path_of(site).stat().st_mode & 0o777 == 0o600


def test_many_requests_of_many_callers_are_answered_in_order(site):
    with serving(site) as (archive, _), RemoteArchive.connect(path_of(site)) as remote:
        answers: list[list] = [[] for _ in range(5)]

        def call(caller):
            for number in range(100):
                message = f"{caller}-{number}"
                answers[caller].append((message, remote.submit(block(message))))

        threads = [threading.Thread(target=call, args=(caller,)) for caller in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for mine in answers:
            refs = []
            for message, future in mine:
                appended = done(future)
                site.remember(appended, [message])
                refs.append(appended.first)
            assert refs == sorted(refs)
        archive.check()
    assert len(site.must_hold()) == 500


def test_closing_a_connection_waits_for_its_answers(site):
    with serving(site):
        remote = RemoteArchive.connect(path_of(site))
        futures = [remote.submit(block(f"{number}")) for number in range(200)]
        remote.close()
        for number, future in enumerate(futures):
            site.remember(future.result(0), [f"{number}"])
        with pytest.raises(Unavailable, match="has ended"):
            done(remote.submit(block("geç")))
        with pytest.raises(Unavailable):
            remote.status()
    assert len(site.must_hold()) == 200


def test_what_a_dying_process_did_not_answer_is_unknown(site):
    site.open().close()
    with pretending(path_of(site)) as listener, RemoteArchive.connect(path_of(site)) as remote:
        theirs, _ = listener.accept()
        future = remote.submit(block("x"))
        assert wire.receive(theirs, wire.MAX_REQUEST)[0] is Kind.APPEND
        theirs.close()
        with pytest.raises(UnknownState, match="may or may not"):
            done(future)
        with pytest.raises(Unavailable):
            remote.seal()


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\x00\x00\x03\x10[]",
        b"\x00\x00\x00\x03\x11[]",
        b"\x00\x00",
        b"\xff\xff\xff\xff\x10",
        b"\x00\x00\x00\x01\x63",
        b"\x00\x00\x00\x09\x10ab",
    ],
)
def test_a_broken_answer_is_unknown_too(site, answer):
    site.open().close()
    with pretending(path_of(site)) as listener, RemoteArchive.connect(path_of(site)) as remote:
        theirs, _ = listener.accept()
        future = remote.submit(block("x"))
        theirs.sendall(answer)
        theirs.shutdown(socket.SHUT_WR)
        with pytest.raises(UnknownState):
            done(future)
        theirs.close()


def test_an_answer_to_nothing_ends_the_connection(site):
    site.open().close()
    with pretending(path_of(site)) as listener, RemoteArchive.connect(path_of(site)) as remote:
        theirs, _ = listener.accept()
        wire.send(theirs, Kind.ANSWER, b"[]")
        remote._threads[1].join(PATIENT_S)
        with pytest.raises(Unavailable):
            remote.status()
        theirs.close()


def test_no_answer_in_time_is_unavailable(site):
    site.open().close()
    with pretending(path_of(site)) as listener:
        remote = RemoteArchive.connect(path_of(site))
        theirs, _ = listener.accept()
        with pytest.raises(Unavailable, match="no answer to status"):
            remote.status(timeout_s=0.01)
        theirs.close()
        remote.close()


def test_a_reset_connection_is_unknown(site):
    site.open().close()
    with pretending(path_of(site)) as listener:
        remote = RemoteArchive.connect(path_of(site))
        theirs, _ = listener.accept()
        future = remote.submit(block("x"))
        theirs.close()  # unread request: the kernel resets
        with pytest.raises(UnknownState):
            done(future)
        remote.close()


def test_nobody_at_the_socket_is_unavailable(site):
    with pytest.raises(Unavailable, match="does not answer"):
        RemoteArchive.connect(path_of(site))


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x00\x00",
        b"\xff\xff\xff\xff\x01",
        b"\x00\x00\x00\x00\x01",
        b"\x00\x00\x00\x01\x63",
        b"\x00\x00\x00\x01\x10",
        b"\x00\x00\x00\x09\x01abc",
        b"\x00\x00\x00\x03\x01ab",
        b"\x00\x00\x00\x07\x01\x00\x00\x00\x02{}",
        b"\x00\x00\x00\x09\x01\x00\x00\x00\x04nope",
    ],
)
def test_a_broken_request_is_refused_and_harms_nobody_else(site, request_bytes):
    with serving(site) as (archive, _), RemoteArchive.connect(path_of(site)) as other:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path_of(site)))
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
            kind, body = wire.receive(connection, wire.MAX_ANSWER)
            assert kind is Kind.FAULT
            assert isinstance(wire.parse_fault(body), BadInput)
            assert wire.receive(connection, wire.MAX_ANSWER) is None
        site.append(other, "hâlâ")
        archive.check()


def test_a_block_that_lies_about_its_lines_is_refused():
    body = wire.pack_block(block("a", "b"))
    assert wire.parse_block(body) == block("a", "b")
    header = json.dumps(["2026-11-23T09:00:00Z", "s", "o", "access", 3]).encode()
    with pytest.raises(BadInput, match="2 lines that claims 3"):
        wire.parse_block(struct.pack(">I", len(header)) + header + b"a\nb\n")
    for bad in (["2026-11-23T09:00:00", "s", "o", "access", 1], ["2026-11-23T09:00:00Z", "s\t", "o", "access", 1], 5):
        header = json.dumps(bad).encode()
        with pytest.raises(BadInput, match="not a block"):
            wire.parse_block(struct.pack(">I", len(header)) + header + b"a\n")


def test_errors_keep_their_kind_on_the_way():
    for kind in (BadInput, IntegrityError, Unavailable, UnknownState):
        again = wire.parse_fault(wire.pack_fault(kind("sözler")))
        assert type(again) is kind
        assert str(again) == "sözler"
    assert type(wire.parse_fault(wire.pack_fault(SettingsFault("x")))) is UnknownState
    appended = Appended(RecordRef(NAME, 1, 2), RecordRef(NAME, 1, 5))
    assert wire.parse_appended(wire.pack_appended(appended)) == appended


def test_another_user_is_not_served_and_not_believed(site, monkeypatch):
    with serving(site):
        monkeypatch.setattr("retention.wire.trusted", lambda uid: False)
        with pytest.raises(Unavailable, match="who is not us"):
            RemoteArchive.connect(path_of(site))
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path_of(site)))
            assert connection.recv(1) == b""


def test_who_is_trusted(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert [wire.trusted(uid) for uid in (0, 1000, 1001)] == [True, True, False]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert wire.trusted(1001)


def test_a_long_path_works_all_the_same(tmp_path):
    root = tmp_path / ("uzun-klasör-adı-" * 6) / ("b" * 100)
    site = Site(root)
    assert len(os.fsencode(path_of(site))) > 200
    with serving(site) as (archive, _), RemoteArchive.connect(path_of(site)) as remote:
        site.append(remote, "x")
        archive.check()
    address = wire.Address(path_of(site))
    address.close()
    address.close()


def test_a_stale_socket_is_replaced(site):
    site.open().close()
    with pretending(path_of(site)):
        pass
    assert path_of(site).exists()
    with serving(site), RemoteArchive.connect(path_of(site)) as remote:
        site.append(remote, "x")


def test_a_client_that_goes_away_does_not_stop_the_server(site):
    site.disk = disk = FullDisk(2 * 2**20)
    with serving(site) as (archive, _):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(path_of(site)))
        disk.room = 0
        for _ in range(5):
            wire.send(connection, Kind.APPEND, wire.pack_block(block("x" * 10)))
        while archive.status().waiting_blocks < 5:
            archive._thread.join(0.01)
        connection.close()
        disk.room = 9 * 2**20
        archive.wake()
        with RemoteArchive.connect(path_of(site)) as remote:
            done(remote.submit(block("y")))
        archive.check()


def test_stopping_answers_those_who_wait_for_room(site):
    site.disk = disk = FullDisk(2 * 2**20)
    with site.open() as archive:
        server = SocketServer(archive, path_of(site)).start()
        remote = RemoteArchive.connect(path_of(site))
        disk.room = 0
        future = remote.submit(block("x" * 100))
        while archive.status().waiting_blocks == 0:
            archive._thread.join(0.01)
        server.stop()
        with pytest.raises(Unavailable, match="clos"):
            done(future)
        remote.close()


def test_a_connection_that_breaks_while_it_is_read_ends_alone(site, monkeypatch):
    with serving(site):
        original = wire.receive

        def broken(connection, limit):
            if limit == wire.MAX_REQUEST:
                raise ConnectionResetError
            return original(connection, limit)

        monkeypatch.setattr("retention.wire.receive", broken)
        with RemoteArchive.connect(path_of(site)) as remote, pytest.raises((Unavailable, UnknownState)):
            remote.status()


def test_open_sink_takes_the_free_archive_and_leaves_it_closed(site):
    with open_sink(*site.places, clock=SystemClock(), options=SMALL) as sink:
        assert isinstance(sink, Archive)
        assert not sink._options.wait_for_space
        site.append(sink, "bir")
    with site.open() as archive:
        assert archive.seal() == SealMade(1, 1, 1)
        archive.check()


def test_open_sink_uses_the_socket_where_the_archive_runs(site):
    with serving(site) as (archive, _):
        with open_sink(*site.places, clock=SystemClock(), options=SMALL) as sink:
            assert isinstance(sink, RemoteArchive)
            site.append(sink, "bir")
            assert sink.seal() == SealMade(1, 1, 1)
        archive.check()
        site.append(archive, "iki")
    site.must_hold()


def test_open_sink_waits_a_little_for_a_holder_without_socket(site):
    site.open().close()
    lock = ArchiveLock(site.root / "run" / "archive.lock")
    with (
        pytest.raises(Unavailable, match="held by another process"),
        open_sink(*site.places, clock=SystemClock(), patience_s=0),
    ):
        pytest.fail("opened")
    threading.Timer(0.1, lock.release).start()
    with open_sink(*site.places, clock=SystemClock(), options=SMALL) as sink:
        site.append(sink, "bir")


PROGRAM = """
import os, sys
from pathlib import Path
from archive_kit import Site, block
from retention.socket_server import SocketServer
site = Site(Path(sys.argv[1]))
archive = site.open()
SocketServer(archive, site.root / "run" / "archive.sock").start()
archive.submit(block("bir", "iki")).result()
print("ready", flush=True)
sys.stdin.read(1)
archive.submit(block("üç")).result()
print("durable", flush=True)
os._exit(9)
"""


def test_a_real_process_that_dies_keeps_what_it_acknowledged(site):
    """Acknowledged, then dead at once, without closing anything: the next start has every record."""
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(site.root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert program.stdout.readline() == "ready\n"
    with RemoteArchive.connect(path_of(site)) as remote:
        site.append(remote, "uzaktan")
        assert remote.status().records == 3
    with site.reader() as reader:
        assert reader.settled() == 1
    program.communicate("x", timeout=PATIENT_S)
    assert program.returncode == 9
    site.unknown += ["bir", "iki", "üç"]
    with site.open(disk=Disk()) as archive:
        archive.check()
        assert sorted(site.must_hold()) == ["bir", "iki", "uzaktan", "üç"]
        assert archive.seal().records == 4
        archive.check()
