"""Who may call which route: every route asks `requires(…)` or says `public()`; a test walks them all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import Depends
from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation

from some.actor import Permission
from some.app.web.call import Call, Guest, call_of, guest, language_of, read_cookie
from some.errors import NotPermitted

if TYPE_CHECKING:
    from some.app.web.account_port import Visitor
    from some.app.web.edge import Edge


class SignInNeeded(NotPermitted):
    """Nobody is known behind this request."""

    code = "sign_in_needed"


class EnrolNeeded(NotPermitted):
    """The site asks this person for a second factor; nothing else is open before it is set up."""

    code = "enrol_needed"


class Requires:
    """A dependency that gives the route its `Call`, after checking one permission."""

    def __init__(self, permission: Permission) -> None:
        """Ask for `permission`."""
        self.permission = permission

    def __call__(self, request: Request) -> Call:
        """Return the call; raises SignInNeeded, NotPermitted."""
        visitor = visitor_of(request)
        if visitor is None:
            raise SignInNeeded("sign in, or send a bearer token")
        request.state.visitor = visitor
        if visitor.must_enrol and self.permission is not Permission.SELF_MANAGE:
            raise EnrolNeeded("set up a second factor first")
        visitor.actor.require(self.permission)
        return call_of(request, visitor)


class Public:
    """A dependency that says: this route is open to everybody, on purpose."""

    def __call__(self, request: Request) -> Guest:
        """Return the request as a guest's."""
        return guest(request)


def requires(permission: Permission) -> Any:
    """Declare the permission of a route; the parameter's value is the `Call`."""
    return Depends(Requires(permission))


def public() -> Any:
    """Declare that a route is open; the parameter's value is the `Guest`."""
    return Depends(Public())


def visitor_of(request: Request) -> Visitor | None:
    """Return who sends this request: by bearer token under /api and /metrics, else by session cookie."""
    edge: Edge = request.app.state.edge
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        if not takes_tokens(request.url.path):
            return None
        return edge.ports.accounts.bearer(secret.strip(), request.client.host if request.client else "")
    token = read_cookie(request, "session")
    return edge.ports.accounts.visitor(token, language_of(request)) if token else None


def takes_tokens(path: str) -> bool:
    """Say whether machines come here: pages are for people."""
    return path.startswith("/api/") or path == "/metrics"
