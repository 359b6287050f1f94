"""RFC 3161 section 3.4: a time-stamp request by HTTP POST, with Basic authentication where the authority wants it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retention.tsa.authority import QUERY_TYPE, REPLY_TYPE, PasswordFile, reply_in
from some.outbound import place

if TYPE_CHECKING:
    from some.outbound import Outbound


@dataclass(frozen=True, slots=True)
class Rfc3161:
    """A plain authority. `outbound.limits` should be those of `retention.tsa.authority.SHORT_LIMITS`."""

    url: str
    outbound: Outbound
    user: str | None = None
    password: PasswordFile | None = None

    @property
    def name(self) -> str:
        """Scheme, host and port of the address: a path or query may hold a secret."""
        return place(self.url)

    def ask(self, request: bytes) -> bytes:
        """Send the request and return the reply's bytes, unchecked; raises Unavailable."""
        credentials: tuple[str, str] | None = None
        hidden: tuple[str, ...] = ()
        if self.user is not None and self.password is not None:
            password = self.password.read().decode(errors="surrogateescape")
            credentials = (self.user, password)
            pair = f"{self.user}:{password}".encode(errors="surrogateescape")
            hidden = (b64encode(pair).decode(), password)
        answer = self.outbound.exchange(
            "POST",
            self.url,
            headers={"Content-Type": QUERY_TYPE, "Accept": REPLY_TYPE},
            body=request,
            credentials=credentials,
        )
        return reply_in(answer, self.name, secrets=hidden)

    def credit(self) -> None:
        """RFC 3161 has no question for it."""
        return
