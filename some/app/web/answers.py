"""Answers: pages, redirects, downloads, cookies, and the error page."""

from __future__ import annotations

from traceback import extract_tb
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import orjson
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from some.app.web import frames
from some.app.web.access import EnrolNeeded, SignInNeeded, takes_tokens, visitor_of
from some.app.web.call import call_of, cookie_name, guest
from some.app.web.pages import ErrorPage
from some.diagnostics import named
from some.errors import BadInput, IntegrityError, NotFound, NotPermitted, SomeError, Unavailable, UnknownState
from some.index.query.tree import QueryFault
from some.wording import marked

if TYPE_CHECKING:
    from starlette.requests import Request

    from some.app.web.account_port import Visitor
    from some.app.web.call import Guest
    from some.app.web.pages import Page
    from some.app.web.ports import Bundle

SEE_OTHER = 303

_ERRORS: tuple[tuple[type[Exception], int, str, str, str], ...] = (
    (
        NotFound,
        404,
        marked("There is nothing at this address."),
        marked("It may have been removed by lawful disposal, or you may not know of it."),
        marked("Check the address, or search under Records."),
    ),
    (
        NotPermitted,
        403,
        marked("Your role may not do this."),
        marked("Nothing was changed or shown."),
        marked("Ask an administrator for the permission, or sign in with another account."),
    ),
    (
        BadInput,
        400,
        marked("This request cannot be understood."),
        marked("Nothing was changed."),
        marked("Correct what is named above and send it again."),
    ),
    (
        Unavailable,
        503,
        marked("A part that this page needs does not answer."),
        marked("No record is lost; collecting goes on."),
        marked("Try again in a minute. If it stays so: some doctor"),
    ),
    (
        UnknownState,
        503,
        marked("It is not known whether the last step persisted."),
        marked("The archive finds out by itself when it starts again."),
        marked("Start the platform again, then look at Seals."),
    ),
    (
        IntegrityError,
        500,
        marked("The archive's bytes contradict their digests."),
        marked("What you asked for is not shown, because it may not be what was received."),
        marked("Run “some verify” and keep its output."),
    ),
)
_UNEXPECTED = (
    500,
    marked("Something happened that nobody foresaw."),
    marked("No record is lost; this page could not be made."),
    marked("Try again; if it happens again, give the request number to the administrator."),
)


def page(seen: Guest, content: Page, status: int = 200) -> HTMLResponse:
    """Return a page."""
    return HTMLResponse(seen.edge.renderer.page(content), status)


def turn(path: str) -> RedirectResponse:
    """Send the browser on by GET to one of our own addresses."""
    return RedirectResponse(own_path(path), SEE_OTHER)


def own_path(path: str) -> str:
    """Return `path` where it is one of ours, else the first page: no open redirects."""
    parts = urlsplit(path)
    ours = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if ours and path.isprintable() else "/"


def download(bundle: Bundle) -> StreamingResponse:
    """Return a file to keep."""
    name = quote(bundle.name)
    return StreamingResponse(
        bundle.pieces,
        media_type=bundle.media_type,
        headers={"content-disposition": f"attachment; filename*=UTF-8''{name}"},
    )


def set_cookie(seen: Guest, response: Response, name: str, value: str, max_age: int | None = None) -> None:
    """Set one of our cookies: HttpOnly, SameSite=Lax, and with `__Host-` and Secure over https."""
    secure = seen.edge.ports.settings.secure
    response.set_cookie(
        cookie_name(name, secure=secure), value, path="/", httponly=True, samesite="lax", secure=secure, max_age=max_age
    )


def drop_cookie(seen: Guest, response: Response, name: str) -> None:
    """Take one of our cookies away."""
    set_cookie(seen, response, name, "", 0)


def failed(request: Request, error: Exception) -> Response:
    """Return what an error looks like: a page with cause, effect and next step, or JSON for machines."""
    if takes_tokens(request.url.path):
        return _failed_json(request, error)
    if isinstance(error, SignInNeeded):
        if request.method != "GET":
            return turn("/giris")
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return turn("/giris" if path == "/" else f"/giris?sonra={quote(path, safe='')}")
    if isinstance(error, EnrolNeeded):
        return turn("/hesap#ikinci-adim")
    visitor = getattr(request.state, "visitor", None)
    if visitor is None and isinstance(error, HTTPException):
        visitor = visitor_of(request)
    return _error_page(request, error, visitor)


def _error_page(request: Request, error: Exception, visitor: Visitor | None) -> HTMLResponse:
    status, cause, effect, next_step = _told(error)
    seen = call_of(request, visitor) if visitor else guest(request)
    title = marked("Error")
    frame = frames.framed(call_of(request, visitor), title, "") if visitor else frames.bare(seen, title)
    effect = f"{seen.fault(error)}. {seen._(effect)}" if isinstance(error, BadInput) else seen._(effect)
    return page(seen, ErrorPage(frame, status, seen._(cause), effect, seen._(next_step), seen.request_id), status)


def _told(error: Exception) -> tuple[int, str, str, str]:
    if isinstance(error, RequestValidationError):
        return _ERRORS[2][1:]
    if isinstance(error, HTTPException):
        status = error.status_code
        entry = next((entry for entry in _ERRORS if entry[1] == status), None)
        return entry[1:] if entry else (status, *_ERRORS[2][2:])
    return next((entry[1:] for entry in _ERRORS if isinstance(error, entry[0])), _UNEXPECTED)


def _failed_json(request: Request, error: Exception) -> Response:
    status = 401 if isinstance(error, SignInNeeded) else _told(error)[0]
    body: dict[str, Any] = {"error": _code(error, status), "request": request.scope["some.request_id"]}
    if isinstance(error, SomeError) and not isinstance(error, QueryFault):
        body["message"] = str(error)
    if isinstance(error, QueryFault):
        body |= {"message": error.msgid % error.values, "column": error.column}
    if isinstance(error, RequestValidationError):
        body["message"] = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    headers = {"www-authenticate": "Bearer"} if status == 401 else None  # noqa: PLR2004 - RFC 9110 15.5.2
    return Response(orjson.dumps(body), status, headers, "application/json")


def _code(error: Exception, status: int) -> str:
    if isinstance(error, SomeError):
        return error.code
    return {400: "bad_input", 404: "not_found", 405: "method_not_allowed", 422: "bad_input"}.get(status, "error")


def unexpected(request: Request, error: Exception) -> Response:
    """Return the page of an error that nobody foresaw, and leave its kind and stack in the diagnostics.

    Neither message nor variables are written there: both may hold record contents. The page needs no room below,
    because any of them may be what failed.
    """
    named("web").error(
        "request.failed",
        request=request.scope["some.request_id"],
        path=request.scope["route"].path if "route" in request.scope else "",
        cause=type(error).__name__,
        frames=[f"{frame.filename}:{frame.lineno} {frame.name}" for frame in extract_tb(error.__traceback__)],
    )
    if takes_tokens(request.url.path):
        return _failed_json(request, error)
    return _error_page(request, error, None)
