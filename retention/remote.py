"""The archive process from outside: a `Sink` over its socket; `open_sink` for verbs that work with or without it."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections import deque
from concurrent.futures import Future
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from retention import wire
from retention.archive import Archive, no_notes
from retention.lock import ArchiveHeld
from retention.options import ArchiveOptions, ArchiveStatus
from retention.sealing import SealMade
from retention.wire import MAX_ANSWER, Kind
from some.errors import BadInput, SomeError, Unavailable, UnknownState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from retention.manifest import Note
    from some.clock import Clock
    from some.durable import Disk
    from some.record import Appended, RecordBlock

CONNECT_S = 10.0
STATUS_S = 30.0
SEAL_S = 900.0
_PAUSE_S = 0.05


class RemoteArchive:
    """A connection to the archive process; a `Sink`. Safe to share between threads; requests are answered in order.

    When the connection ends, everything unanswered fails with UnknownState: it may or may not have become durable.
    """

    def __init__(self, connection: socket.socket) -> None:
        """Use `RemoteArchive.connect`."""
        self._connection = connection
        self._requests: queue.SimpleQueue[tuple[Kind, bytes] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting: deque[Future[bytes]] = deque()
        self._ended = False
        self._threads = [
            threading.Thread(target=self._write, name="archive requests", daemon=True),
            threading.Thread(target=self._read, name="archive answers", daemon=True),
        ]

    @classmethod
    def connect(cls, path: Path, *, timeout_s: float = CONNECT_S) -> Self:
        """Connect to the socket at `path`; raises Unavailable (nobody there, or somebody who is not us)."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(timeout_s)
            with wire.Address(path) as address:
                connection.connect(address)
            uid = wire.peer_uid(connection)
            if not wire.trusted(uid):
                raise Unavailable(f"{path} is served by user {uid}, who is not us")  # noqa: TRY301 - closed below
            connection.settimeout(None)
        except OSError as fault:
            connection.close()
            raise Unavailable(f"the archive process does not answer at {path}: {fault}") from fault
        except Unavailable:
            connection.close()
            raise
        remote = cls(connection)
        for thread in remote._threads:
            thread.start()
        return remote

    def __enter__(self) -> Self:
        """Return the connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def submit(self, block: RecordBlock) -> Future[Appended]:
        """Hand over `block` (see `Sink.submit`)."""
        body = wire.pack_block(block)
        appended: Future[Appended] = Future()
        if len(body) > wire.MAX_REQUEST:
            appended.set_exception(BadInput(f"a block of {len(body)} bytes; at most {wire.MAX_REQUEST} are taken"))
            return appended
        appended.set_running_or_notify_cancel()
        self._ask(Kind.APPEND, body).add_done_callback(lambda answer: _pass_on(answer, appended))
        return appended

    def seal(self, *, timeout_s: float = SEAL_S) -> SealMade:
        """Seal now; raises as `Archive.seal` does, and Unavailable where no answer comes in time."""
        return SealMade(*self._result(Kind.SEAL, timeout_s))

    def status(self, *, timeout_s: float = STATUS_S) -> ArchiveStatus:
        """Return how the archive is; raises Unavailable where no answer comes in time."""
        return ArchiveStatus.from_json(self._result(Kind.STATUS, timeout_s))

    def close(self) -> None:
        """Wait for the answers to what was asked, then end the connection."""
        with self._lock:
            self._ended = True
        self._requests.put(None)
        for thread in self._threads:
            thread.join()
        self._connection.close()

    def _result(self, kind: Kind, timeout_s: float) -> Any:
        try:
            return json.loads(self._ask(kind, b"").result(timeout_s))
        except TimeoutError as fault:
            raise Unavailable(f"no answer to {kind.name.lower()} in {timeout_s:.0f} s") from fault

    def _ask(self, kind: Kind, body: bytes) -> Future[bytes]:
        answer: Future[bytes] = Future()
        with self._lock:
            if self._ended:
                answer.set_exception(Unavailable("the connection to the archive process has ended"))
            else:
                self._waiting.append(answer)
                self._requests.put((kind, body))
        return answer

    def _write(self) -> None:
        while (request := self._requests.get()) is not None:
            with contextlib.suppress(OSError):  # the reading thread sees the end and tells everybody
                wire.send(self._connection, *request)
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    def _read(self) -> None:
        reason = "the archive process ended the connection"
        try:
            while (frame := wire.receive(self._connection, MAX_ANSWER)) is not None:
                fault = wire.parse_fault(frame[1]) if frame[0] is Kind.FAULT else None
                with self._lock:
                    answer = self._waiting.popleft() if self._waiting else None
                if answer is None:
                    raise BadInput("an answer to nothing")  # noqa: TRY301 - ends the connection like any broken frame
                if fault is not None:
                    answer.set_exception(fault)
                else:
                    answer.set_result(frame[1])
        except (OSError, BadInput) as broken:
            reason = f"the connection to the archive process broke: {broken}"
        finally:
            with self._lock:
                self._ended = True
                left = list(self._waiting)
                self._waiting.clear()
            for answer in left:
                answer.set_exception(UnknownState(f"{reason}; what was not answered may or may not be retained"))


def _pass_on(answer: Future[bytes], appended: Future[Appended]) -> None:
    try:
        appended.set_result(wire.parse_appended(answer.result()))
    except BadInput as fault:
        appended.set_exception(fault if answer.exception() else UnknownState(str(fault)))
    except SomeError as fault:
        appended.set_exception(fault)


@contextlib.contextmanager
def open_sink(  # the whole of what an archive needs
    folder: Path, run: Path, ledger: str, keys: Path, *, clock: Clock, disk: Disk | None = None,
    options: ArchiveOptions | None = None, notes: Callable[[], Iterable[Note]] = no_notes, patience_s: float = 30.0,
) -> Iterator[Archive | RemoteArchive]:  # fmt: skip
    """Give a verb the archive: its own where the lock is free, else the archive process behind its socket.

    Where somebody holds the lock and no socket answers (another verb, or a process that is starting or stopping), both
    are tried again for `patience_s` seconds of real time; then Unavailable. A verb never waits for room on a full disk.
    """
    own = replace(options or ArchiveOptions(), wait_for_space=False)
    pause = threading.Event()
    left = patience_s
    opened: Archive | RemoteArchive | None = None
    while opened is None:
        try:
            opened = Archive.open(folder, run, ledger, keys, clock=clock, disk=disk, options=own, notes=notes)
        except ArchiveHeld as held:
            try:
                opened = RemoteArchive.connect(run / "archive.sock")
            except Unavailable as absent:
                if left <= 0:
                    raise Unavailable(f"{held}, and {absent}") from absent
                pause.wait(_PAUSE_S)
                left -= _PAUSE_S
    with opened:
        yield opened
