"""One request as the desks see it: who asks, in which language, and what the edge works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from some.actor import Permission
from some.app.accounts.outcomes import AccountFault
from some.app.web.account_port import Seat
from some.index.query.tree import QueryFault
from some.wording import DEFAULT_LANGUAGE, LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request

    from some.app.web.account_port import Visitor
    from some.app.web.display import Display
    from some.app.web.edge import Edge
    from some.app.web.ports import Fact
    from some.errors import SomeError

MAX_AGENT = 200


@dataclass(frozen=True, slots=True)
class Guest:
    """A request before anybody is known."""

    edge: Edge
    language: str
    form_token: str
    address: str
    agent: str
    request_id: str
    host: str
    origin: str
    session: str

    @property
    def display(self) -> Display:
        """How numbers and times look in the language of the request."""
        return self.edge.renderer.display(self.language)

    @property
    def now(self) -> datetime:
        """The time of the edge's clock."""
        return self.edge.ports.clock.now()

    def _(self, msgid: str) -> str:
        """Return `msgid` in the language of the request."""
        return self.display.translate(msgid)

    def fault(self, error: SomeError) -> str:
        """Return an error's sentence in the language of the request, as far as the catalogue knows it."""
        if isinstance(error, AccountFault):
            return error.told(self.display.translate)
        if isinstance(error, QueryFault):
            return self.told(error.msgid, error.values)
        return self._(str(error))

    @property
    def seat(self) -> Seat:
        """Where the visitor sits."""
        return Seat(self.address, self.agent, self.session)

    def told(self, msgid: str, values: Mapping[str, object]) -> str:
        """Return a msgid of another room, its `%(name)s` places filled."""
        return self._(msgid) % values if values else self._(msgid)


@dataclass(frozen=True, slots=True)
class Call(Guest):
    """A request of somebody known, with the permission its route asks for already checked."""

    visitor: Visitor
    region: str = ""

    def may(self, permission: Permission) -> bool:
        """Say whether the visitor holds `permission`, to show what is open to him."""
        return self.visitor.actor.may(permission)

    @property
    def classes(self) -> frozenset[str]:
        """The record classes that the visitor may see; class audit needs its own permission."""
        known = self.edge.ports.classes()
        return known if self.may(Permission.RECORDS_READ_AUDIT) else known - {"audit"}

    def audit(self, kind: str, facts: Mapping[str, Fact], subject: str = "") -> None:
        """Write down what the visitor does, before it is done."""
        self.edge.ports.audit.write(self.visitor.actor, kind, facts, subject)


def cookie_name(name: str, *, secure: bool) -> str:
    """Return the cookie's name: `__Host-` promises Secure, no Domain, Path=/ (RFC 6265bis 4.1.3.2)."""
    return f"__Host-some-{name}" if secure else f"some-{name}"


def read_cookie(request: Request, name: str) -> str:
    """Return the value of one of our cookies, empty where there is none."""
    edge: Edge = request.app.state.edge
    return request.cookies.get(cookie_name(name, secure=edge.ports.settings.secure), "")


def language_of(request: Request, chosen: str | None = None) -> str:
    """Return the account's language, else the cookie's, else Turkish.

    Accept-Language is not asked: many machines of a public body carry a browser whose owner never chose a language.
    """
    for wanted in (chosen, request.query_params.get("dil"), read_cookie(request, "language")):
        if wanted in LANGUAGES:
            return wanted
    return DEFAULT_LANGUAGE


def guest(request: Request) -> Guest:
    """Return the request as a guest's."""
    edge: Edge = request.app.state.edge
    return Guest(
        edge=edge,
        language=language_of(request),
        form_token=request.scope["some.form_token"],
        address=request.client.host if request.client else "",
        agent=request.headers.get("user-agent", "")[:MAX_AGENT],
        request_id=request.scope["some.request_id"],
        host=request.url.hostname or "127.0.0.1",
        origin=f"{'https' if edge.ports.settings.secure else request.url.scheme}://{request.url.netloc}",
        session=read_cookie(request, "session"),
    )


def call_of(request: Request, visitor: Visitor) -> Call:
    """Return the request as this visitor's."""
    seen = guest(request)
    return Call(
        edge=seen.edge,
        language=language_of(request, visitor.language),
        form_token=seen.form_token,
        address=seen.address,
        agent=seen.agent,
        request_id=seen.request_id,
        host=seen.host,
        origin=seen.origin,
        session=seen.session,
        visitor=visitor,
        region=request.headers.get("x-some-region", "")[:20],
    )
