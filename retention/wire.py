"""What goes over `run/archive.sock`: length-prefixed frames, requests answered in order.

A frame is `length (4 bytes, big-endian) kind (1 byte) body`; the length counts kind and body. An `append` body is
`header length (4 bytes) header (JSON) payload`; every other body is JSON or empty. The socket is local and both ends
are this package, yet each side checks what it reads: limits, names, times and counts.
"""

from __future__ import annotations

import json
import os
import socket
import struct
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from retention.segment import MAX_FRAME_CONTENT
from some.clock import from_text, to_text
from some.errors import BadInput, IntegrityError, SomeError, Unavailable, UnknownState
from some.record import Appended, RecordBlock, RecordClass, RecordRef

if TYPE_CHECKING:
    from pathlib import Path

MAX_REQUEST = MAX_FRAME_CONTENT + 64 * 1024
MAX_ANSWER = 4 * 1024 * 1024
_LONGEST_PATH = 107
_LENGTH = struct.Struct(">I")
_PEER = struct.Struct("3i")
_ERRORS: dict[str, type[SomeError]] = {
    kind.code: kind for kind in (BadInput, IntegrityError, Unavailable, UnknownState)
}


class Kind(IntEnum):
    """What a frame is."""

    APPEND = 1
    SEAL = 2
    STATUS = 3
    ANSWER = 16
    FAULT = 17


def send(connection: socket.socket, kind: Kind, body: bytes) -> None:
    """Send one frame; raises OSError."""
    connection.sendall(_LENGTH.pack(len(body) + 1) + bytes([kind]))
    connection.sendall(body)


def receive(connection: socket.socket, limit: int) -> tuple[Kind, bytes] | None:
    """Return the next frame, None at the end; raises BadInput for one too long, cut short, or of no known kind."""
    head = _exactly(connection, _LENGTH.size + 1)
    if not head:
        return None
    if len(head) < _LENGTH.size + 1:
        raise BadInput("the connection ended in the middle of a frame")
    length = _LENGTH.unpack_from(head)[0] - 1
    if not 0 <= length <= limit:
        raise BadInput(f"a frame of {length} bytes; at most {limit} are taken")
    try:
        kind = Kind(head[-1])
    except ValueError as fault:
        raise BadInput(f"a frame of unknown kind {head[-1]}") from fault
    body = _exactly(connection, length)
    if len(body) != length:
        raise BadInput("the connection ended in the middle of a frame")
    return kind, body


def pack_block(block: RecordBlock) -> bytes:
    """Return the body of an `append` request."""
    header = json.dumps(
        [to_text(block.received_at), block.source, block.origin, block.record_class, block.count]
    ).encode()
    return b"".join((_LENGTH.pack(len(header)), header, block.payload))


def parse_block(body: bytes) -> RecordBlock:
    """Return the block in the body of an `append` request; raises BadInput."""
    try:
        (length,) = _LENGTH.unpack_from(body)
        received_at, source, origin, record_class, count = json.loads(body[4 : 4 + length])
        payload = body[4 + length :]
        block = RecordBlock(from_text(received_at), source, origin, RecordClass(record_class), payload, count)
    except (ValueError, TypeError, struct.error) as fault:
        raise BadInput(f"not a block of records: {fault}") from fault
    lines = payload.count(b"\n")
    if lines != count:
        raise BadInput(f"a block of {lines} lines that claims {count}")
    return block


def pack_appended(appended: Appended) -> bytes:
    """Return the body of the answer to `append`."""
    return json.dumps([str(appended.first), str(appended.last)]).encode()


def parse_appended(body: bytes) -> Appended:
    """Return what `pack_appended` wrote; raises BadInput."""
    try:
        first, last = json.loads(body)
        return Appended(RecordRef.parse(first), RecordRef.parse(last))
    except (ValueError, TypeError) as fault:
        raise BadInput(f"not an answer to append: {fault}") from fault


def pack_json(values: Any) -> bytes:
    """Return any other body."""
    return json.dumps(values).encode()


def pack_fault(fault: SomeError) -> bytes:
    """Return the body of a FAULT answer."""
    return pack_json([fault.code, str(fault)])


def parse_fault(body: bytes) -> SomeError:
    """Return the error that the other side met; an unknown one is UnknownState. Raises BadInput."""
    try:
        code, text = json.loads(body)
        return _ERRORS.get(code, UnknownState)(text)
    except (ValueError, TypeError) as fault:
        raise BadInput(f"not an error: {fault}") from fault


def peer_uid(connection: socket.socket) -> int:
    """Return the user id of the process at the other end (SO_PEERCRED, unix(7))."""
    packed = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
    return int(_PEER.unpack(packed)[1])


def trusted(uid: int) -> bool:
    """Return whether user `uid` may speak to us: the same user, or root on either side."""
    return uid in {0, os.geteuid()} or os.geteuid() == 0


class Address:
    """The socket's address. A path beyond 107 bytes (unix(7)) is reached through its folder's descriptor."""

    def __init__(self, path: Path) -> None:
        """Open the folder of `path` where that is needed."""
        self._folder: int | None = None
        self.text = str(path)
        if len(os.fsencode(self.text)) > _LONGEST_PATH:
            self._folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            self.text = f"/proc/self/fd/{self._folder}/{path.name}"

    def close(self) -> None:
        """Release the folder."""
        if self._folder is not None:
            os.close(self._folder)
            self._folder = None

    def __enter__(self) -> str:
        """Return the address to bind or connect to."""
        return self.text

    def __exit__(self, *_: object) -> None:
        """Release the folder."""
        self.close()


def _exactly(connection: socket.socket, size: int) -> bytes:
    """Return `size` bytes, fewer only at the end of the connection."""
    if not size:
        return b""
    taken = bytearray(size)
    view, filled = memoryview(taken), 0
    while filled < size:
        count = connection.recv_into(view[filled:])
        if not count:
            break
        filled += count
    return bytes(view[:filled])
