"""The small protocol behind which time-stamping authorities stand, and what their transports share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from retention.tsa.reply import MAX_REPLY_BYTES
from some.errors import Unavailable
from some.outbound import Limits, shown

if TYPE_CHECKING:
    from pathlib import Path

    from some.outbound import Exchange

QUERY_TYPE = "application/timestamp-query"
REPLY_TYPE = "application/timestamp-reply"
SHORT_LIMITS = Limits(connect_s=5.0, read_s=15.0, total_s=30.0, max_bytes=MAX_REPLY_BYTES)
"""A stamp takes about a second; the caller puts the site's `tsa.timeout_s` in the place of these."""

_MAX_PASSWORD = 1024


class Authority(Protocol):
    """Somebody outside who stamps. Bytes come back as they were sent: checking them is not the transport's work."""

    @property
    def name(self) -> str:
        """What messages and diagnostics call it; holds no secret."""
        ...

    def ask(self, request: bytes) -> bytes:
        """Send the DER of a TimeStampReq and return the reply's bytes; raises Unavailable."""
        ...

    def credit(self) -> int | None:
        """Return how many stamps are left, None where the authority does not say; raises Unavailable."""
        ...


@dataclass(frozen=True, slots=True)
class PasswordFile:
    """Where a password stands. It is read when it is used, so that it can change and is never kept."""

    path: Path

    def read(self) -> bytes:
        """Return the first line without its end; raises Unavailable (a stamp can wait for an administrator)."""
        try:
            with self.path.open("rb") as stream:
                line = stream.readline(_MAX_PASSWORD)
        except OSError as fault:
            raise Unavailable(f"the password file {self.path} cannot be read: {fault.strerror}") from fault
        password = line.rstrip(b"\r\n")
        if not password:
            raise Unavailable(f"the password file {self.path} is empty")
        return password


def reply_in(answer: Exchange, name: str, *, secrets: tuple[str, ...] = ()) -> bytes:
    """Return the body of an answer that is a time-stamp reply by status and type; raises Unavailable with its text.

    Text comes in ISO-8859-9 where no encoding is declared, as Kamu SM sends it. `secrets` never reach the message,
    whatever the peer echoes.
    """
    if not answer.ok:
        words = answer.excerpt("iso-8859-9", hide=secrets)
        raise Unavailable(f"{name} answered with status {answer.status}: {words or 'no text'}")
    if answer.content_type != REPLY_TYPE:
        kind = shown(answer.content_type, 80, secrets) or "no content type"
        raise Unavailable(f"{name} answered with {kind} instead of {REPLY_TYPE}")
    return answer.body
