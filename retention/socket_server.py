"""Serves `append`, `seal` and `status` of one archive on `run/archive.sock` (mode 0600), in the archive process."""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import threading
from dataclasses import astuple
from typing import TYPE_CHECKING, Self

from retention import wire
from retention.wire import MAX_REQUEST, Kind
from some.diagnostics import named
from some.errors import BadInput, SomeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from retention.archive import Archive

    Answer = Callable[[], bytes]

_WAITING = 64
"""Requests of one connection that may be under way; then its reading stops, which slows its sender down."""

_log = named("retention.socket")


class SocketServer:
    """One thread takes connections; each connection has one that reads and one that answers in order."""

    def __init__(self, archive: Archive, path: Path) -> None:
        """Serve `archive` at `path`; nothing happens before `start`."""
        self._archive, self._path = archive, path
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept, name="archive socket", daemon=True)

    def start(self) -> Self:
        """Listen; a stale socket is removed, for only the holder of the archive's lock calls this."""
        self._path.unlink(missing_ok=True)
        with wire.Address(self._path) as address:
            self._listener.bind(address)
            os.chmod(address, 0o600)  # noqa: PTH101 - not a Path: it may lead through /proc; before `listen`
        self._listener.listen()
        self._accepting.start()
        return self

    def stop(self) -> None:
        """Remove the socket, close the archive (an answer may wait for it), and end the connections."""
        self._path.unlink(missing_ok=True)  # while the lock is held: the next holder makes its own
        self._listener.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._listener.close()
        self._archive.close()
        with self._lock:
            threads = list(self._threads)
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)  # what was asked is still answered
        for thread in threads:
            thread.join()

    def __enter__(self) -> Self:
        """Start."""
        return self.start()

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # shut down by `stop`
                return
            if not wire.trusted(wire.peer_uid(connection)):
                _log.warning("connection.refused", uid=wire.peer_uid(connection))
                connection.close()
                continue
            with self._lock:
                self._threads = [thread for thread in self._threads if thread.is_alive()]
                self._connections.add(connection)
                thread = threading.Thread(
                    target=self._serve, args=(connection,), name="archive connection", daemon=True
                )
                self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        answers: queue.Queue[Answer | None] = queue.Queue(_WAITING)
        answering = threading.Thread(target=_answer, args=(connection, answers), name="archive answers", daemon=True)
        answering.start()
        try:
            while (request := wire.receive(connection, MAX_REQUEST)) is not None:
                answers.put(self._take(*request))
        except BadInput as fault:
            answers.put(_refuse(fault))
        except OSError:
            _log.info("connection.broken")
        finally:
            answers.put(None)
            answering.join()
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _take(self, kind: Kind, body: bytes) -> Answer:
        """Begin what is asked; the result's bytes are taken when its turn to be answered comes."""
        if kind is Kind.APPEND:
            future = self._archive.submit(wire.parse_block(body))
            return lambda: wire.pack_appended(future.result())
        if kind is Kind.SEAL:
            return lambda: wire.pack_json(astuple(self._archive.seal()))
        if kind is Kind.STATUS:
            return lambda: wire.pack_json(self._archive.status().to_json())
        raise BadInput(f"{kind.name} is not a request")


def _refuse(fault: SomeError) -> Answer:
    def refuse() -> bytes:
        raise fault

    return refuse


def _answer(connection: socket.socket, answers: queue.Queue[Answer | None]) -> None:
    """Answer in order; where the other side is gone, go on taking, so that nobody waits for room in the queue."""
    while (answer := answers.get()) is not None:
        try:
            kind, body = Kind.ANSWER, answer()
        except SomeError as fault:
            kind, body = Kind.FAULT, wire.pack_fault(fault)
        with contextlib.suppress(OSError):
            wire.send(connection, kind, body)
