"""The outermost layer: request number, host names, body sizes, requests of other sites, and headers on every answer."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse

from some.app.accounts.same_origin import SAFE_METHODS, CrossSite, check_same_origin, form_token
from some.app.web.call import cookie_name

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from some.app.web.ports import WebSettings

MAX_BODY = 1024 * 1024
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "x-frame-options": "DENY",
}


class TooLarge(Exception):
    """A body is larger than any form of ours."""


class Guard:
    """ASGI middleware; everything else runs inside it."""

    def __init__(self, app: ASGIApp, settings: WebSettings) -> None:
        """Guard `app` as `settings` say."""
        self._app = app
        self._secure = settings.secure
        self._hosts = LOOPBACK | {host.lower() for host in settings.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what may not come in; pass on the rest."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope["some.request_id"] = secrets.token_hex(6)
        cookies = cookie_parser(headers.get("cookie", ""))
        secret = cookies.get(cookie_name("form", secure=self._secure), "")
        fresh = "" if secret else secrets.token_urlsafe(24)
        scope["some.form_token"] = form_token(secret or fresh)
        send = self._answering(scope, send, fresh)
        refusal = self._refusal(headers)
        if refusal is None:
            try:
                receive = await self._checked(scope, headers, receive, secret)
            except CrossSite:
                refusal = PlainTextResponse("The request does not come from our own pages.\n", 403)
            except TooLarge:
                refusal = PlainTextResponse(f"The body is larger than {MAX_BODY} bytes.\n", 413)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, headers: Headers) -> PlainTextResponse | None:
        host = headers.get("host", "").lower()
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if name not in self._hosts:
            return PlainTextResponse("Unknown host name; the setting web.hosts lists those that are served.\n", 421)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            return PlainTextResponse(f"The body is larger than {MAX_BODY} bytes.\n", 413)
        return None

    async def _checked(self, scope: Scope, headers: Headers, receive: Receive, secret: str) -> Receive:
        """Refuse other sites' requests; a browser that names no origin must send the form token in the body."""
        if scope["method"] in SAFE_METHODS:
            return receive
        body = await _read(receive)
        if not headers.get("authorization"):  # no other site can make a browser send a bearer token
            scheme = "https" if self._secure else scope["scheme"]
            check_same_origin(
                headers,
                {f"{scheme}://{headers['host'].lower()}"},
                method=scope["method"],
                session_secret=secret,
                sent_token=_token_in(headers, body),
            )
        return _again(body, receive)

    def _answering(self, scope: Scope, send: Send, fresh: str) -> Send:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
                headers["x-request-id"] = scope["some.request_id"]
                if self._secure:
                    headers["strict-transport-security"] = "max-age=31536000"
                if fresh and headers.get("content-type", "").startswith("text/html"):
                    name = cookie_name("form", secure=self._secure)
                    tail = "; Secure" if self._secure else ""
                    headers.append("set-cookie", f"{name}={fresh}; Path=/; HttpOnly; SameSite=Lax{tail}")
            await send(message)

        return answer


async def _read(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _token_in(headers: Headers, body: bytes) -> str:
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return parse_qs(body.decode("utf-8", "replace")).get("form_token", [""])[0]
    return headers.get("x-form-token", "")
