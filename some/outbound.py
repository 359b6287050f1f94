"""HTTP out: the only way by which this platform asks another machine something over HTTP.

Every exchange has four limits: time to connect, time between two pieces of the answer, time in all, and size. The limit
in all is kept by a watch that shuts the socket, because a peer that sends one byte every few seconds never trips the
other two (slow-loris), neither in the headers nor in the body. TLS is always verified. A redirect is followed only on
the same host and never from https to http. Proxies and trust come from settings, never from the environment.

Errors are `OutboundFault`, which is `Unavailable`: nothing is lost, try again. Their text names host, port and cause,
never the path's query, a header or the body: those may hold secrets.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError
from urllib3.exceptions import TimeoutError as Urllib3Timeout

from some.errors import BadInput, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

    from urllib3.poolmanager import PoolManager

_MIN_HIDDEN = 4
"""Hiding a shorter secret would blank half of every message and tell its length."""

_PIECE = 16 * 1024
_MAX_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
_KEEPING_METHOD = frozenset({307, 308})
_REDIRECTS = frozenset({301, 302, 303}) | _KEEPING_METHOD
_CHARSET = re.compile(r";\s*charset=\"?([A-Za-z0-9._:-]{1,40})", re.IGNORECASE)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Cause(StrEnum):
    """Why an exchange failed."""

    NAME = "name"
    REFUSED = "refused"
    TIME = "time"
    TLS = "tls"
    SIZE = "size"
    REDIRECT = "redirect"
    BROKEN = "broken"


class OutboundFault(Unavailable):
    """No usable answer came; `cause` says why. Nothing is lost, the caller may try again."""

    code = "outbound"

    def __init__(self, cause: Cause, where: str, text: str) -> None:
        """Say what failed at `where` (`https://host:port`)."""
        super().__init__(f"{where}: {text}")
        self.cause = cause


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds to connect, between two pieces, in all; bytes of the (decoded) body."""

    connect_s: float = 5.0
    read_s: float = 15.0
    total_s: float = 30.0
    max_bytes: int = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Exchange:
    """An answer that came whole: status, headers (names in lower case), body. Any status: the caller judges it."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Say whether the status is 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004 - the class of success in RFC 9110 section 15.3

    @property
    def content_type(self) -> str:
        """The media type in lower case without parameters; empty where none came."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def text(self, default: str = "utf-8") -> str:
        """Return the body in its declared encoding, or in `default` where none (or an unknown one) is declared."""
        match = _CHARSET.search(self.headers.get("content-type", ""))
        for encoding in (match[1] if match else default, default):
            with contextlib.suppress(LookupError, ValueError):
                return self.body.decode(encoding, errors="replace")
        return self.body.decode("latin-1")

    def excerpt(self, default: str = "utf-8", size: int = 200, hide: tuple[str, ...] = ()) -> str:
        """Return the start of the text on one line, without control characters and `hide`: fit for a message."""
        return shown(self.text(default), size, hide)


@dataclass(frozen=True, slots=True)
class Outbound:
    """How this site reaches the world: limits, proxy (URL), hosts that need none, CA file, our name."""

    limits: Limits = Limits()
    proxy: str | None = field(default=None, repr=False)
    direct_hosts: frozenset[str] = frozenset()
    ca_file: Path | None = None
    user_agent: str = "some-platform"

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        credentials: tuple[str, str] | None = None,
        limits: Limits | None = None,
    ) -> Exchange:
        """Ask once on a connection of its own; raises OutboundFault, or BadInput for a URL or header that is none."""
        with self.line() as line:
            return line.exchange(method, url, headers=headers, body=body, credentials=credentials, limits=limits)

    def line(self) -> Line:
        """Return a line for several exchanges, which keeps connections open; use it in `with`, from one thread."""
        return Line(self)


class Line:
    """Several exchanges over kept connections. One thread at a time."""

    def __init__(self, outbound: Outbound) -> None:
        """Prepare; nothing is sent before the first exchange."""
        self._outbound = outbound
        self._watch = _Watch()
        self._session = _Session()
        self._session.trust_env = False
        for scheme in _PORTS:
            self._session.mount(f"{scheme}://", _WatchedAdapter(self._watch))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        self._session.close()
        self._watch.forget(only_let_go=False)

    def exchange(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        credentials: tuple[str, str] | None = None,
        limits: Limits | None = None,
    ) -> Exchange:
        """Ask and return the whole answer; raises OutboundFault or BadInput."""
        limits = limits or self._outbound.limits
        where = place(url)
        with self._watch.limit(limits.total_s):
            for _ in range(_MAX_REDIRECTS + 1):
                try:
                    found = self._ask(
                        method, url, headers=headers or {}, body=body, credentials=credentials, limits=limits
                    )
                except (requests.exceptions.InvalidURL, requests.exceptions.InvalidHeader, UnicodeError):
                    raise BadInput(f"{where}: the URL or a header cannot be sent") from None
                except (requests.RequestException, OSError) as error:
                    raise self._fault(error, where, limits) from None
                if found.status not in _REDIRECTS or "location" not in found.headers:
                    return found
                method, url = _follow(method, url, found, where)
        raise OutboundFault(Cause.REDIRECT, where, f"more than {_MAX_REDIRECTS} redirects")

    def _ask(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None,
        credentials: tuple[str, str] | None,
        limits: Limits,
    ) -> Exchange:
        outbound = self._outbound
        proxy = None if urlsplit(url).hostname in outbound.direct_hosts else outbound.proxy
        response = self._session.request(
            method,
            url,
            headers={"User-Agent": outbound.user_agent, "Accept-Encoding": "identity", **headers},
            data=body,
            auth=_basic(credentials) if credentials else None,
            timeout=(limits.connect_s, limits.read_s),
            allow_redirects=False,
            stream=True,
            verify=str(outbound.ca_file) if outbound.ca_file else True,
            proxies={"http": proxy, "https": proxy} if proxy else None,
        )
        with contextlib.closing(response):
            content = b"".join(_pieces(response, limits.max_bytes, place(url)))
            self._watch.check()
            names = {name.lower(): value for name, value in response.headers.items()}
            return Exchange(response.status_code, names, content)

    def _fault(self, error: Exception, where: str, limits: Limits) -> OutboundFault:
        if self._watch.over:
            return OutboundFault(Cause.TIME, where, f"no whole answer within {limits.total_s:g} s")
        return _explain(error, where)


class _Session(requests.Session):
    """A session that never looks at a redirect: requests would read its whole body first, whatever its size."""

    def get_redirect_target(self, resp: requests.Response) -> None:  # noqa: ARG002 - the signature of requests
        return


class _Watch:
    """Shuts the line's sockets when an exchange has lasted too long; the reader then sees an error or an end.

    It holds a duplicate of each socket: the original is gone into the TLS layer while the handshake runs, and into the
    answer when the peer says `Connection: close`. A duplicate is closed with the exchange that let its connection go.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[tuple[HTTPConnection, socket.socket]] = []
        self.over = False

    @contextlib.contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        self.over = False
        timer = threading.Timer(seconds, self._shut)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
            self.forget(only_let_go=True)

    def add(self, connection: HTTPConnection, connected: socket.socket) -> None:
        with self._lock:
            self._sockets.append((connection, connected.dup()))

    def check(self) -> None:
        """Raise where time is up: an answer without a length looks whole when its socket was shut."""
        if self.over:
            raise TimeoutError("time is up")

    def forget(self, *, only_let_go: bool) -> None:
        with self._lock:
            kept = [held for held in self._sockets if only_let_go and held[0].sock is not None]
            for held in self._sockets:
                if held not in kept:
                    held[1].close()
            self._sockets = kept

    def _shut(self) -> None:
        with self._lock:
            self.over = True
            for _, duplicate in self._sockets:
                with contextlib.suppress(OSError):
                    duplicate.shutdown(socket.SHUT_RDWR)


class _WatchedAdapter(HTTPAdapter):
    """An adapter whose connections are known to the watch from the moment they are open."""

    def __init__(self, watch: _Watch) -> None:
        self._watch = watch
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _pools(self._watch)

    def _through_proxy(self, proxy: str, **kwargs: Any) -> PoolManager:
        pools: PoolManager = super().proxy_manager_for(proxy, **kwargs)
        pools.pool_classes_by_scheme = _pools(self._watch)
        return pools

    proxy_manager_for = _through_proxy


def _pools(watch: _Watch) -> dict[str, Any]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()
            watch.add(self, connected)
            return connected

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            connected = super()._new_conn()
            watch.add(self, connected)
            return connected

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def shown(text: str, size: int = 200, hide: tuple[str, ...] = ()) -> str:
    """Return what a message may show of a peer's text: one line, printable, short; `hide` is what it may echo."""
    for secret in hide:
        if len(secret) >= _MIN_HIDDEN:
            text = text.replace(secret, "***")
    return _UNPRINTABLE.sub(" ", text).strip()[:size]


def place(url: str) -> str:
    """Return `scheme://host:port` of `url`, which is all of it that messages may show; raises BadInput."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme, parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    if scheme not in _PORTS or not host:
        raise BadInput("not an http or https URL with a host")
    shown = f"[{host}]" if ":" in host else host
    return f"{scheme}://{shown}:{port or _PORTS[scheme]}"


def _basic(credentials: tuple[str, str]) -> HTTPBasicAuth:
    """Return the credentials in UTF-8 (RFC 7617 section 2.1): requests would send text as Latin-1."""
    user, password = (part.encode(errors="surrogateescape") for part in credentials)
    return HTTPBasicAuth(user, password)


def _follow(method: str, url: str, found: Exchange, where: str) -> tuple[str, str]:
    """Return method and URL of the next step, or refuse it (RFC 9110 section 15.4)."""
    try:
        target = urljoin(url, found.headers["location"])
        there = place(target)
    except (BadInput, ValueError):
        raise OutboundFault(Cause.REDIRECT, where, "redirected to what is no http URL") from None
    upgrade = where.startswith("http://") and there == f"https://{urlsplit(url).hostname}:443"
    if there != where and not upgrade:
        raise OutboundFault(Cause.REDIRECT, where, f"redirected to {there}, which is another place: not followed")
    if method not in {"GET", "HEAD"} and found.status not in _KEEPING_METHOD:
        raise OutboundFault(Cause.REDIRECT, where, f"a {method} was redirected with status {found.status}")
    return method, target


def _pieces(response: requests.Response, max_bytes: int, where: str) -> Iterator[bytes]:
    """Yield the body; refuse it as soon as it is too large, whatever length it declares."""
    left = max_bytes
    for piece in response.iter_content(_PIECE):
        left -= len(piece)
        if left < 0:
            raise OutboundFault(Cause.SIZE, where, f"the answer is larger than {max_bytes} bytes")
        yield piece


_WORDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Cause, str], ...] = (
    (NameResolutionError, Cause.NAME, "the name was not found"),
    (requests.exceptions.ProxyError, Cause.REFUSED, "the proxy cannot be reached or refuses"),
    (NewConnectionError, Cause.REFUSED, "no connection"),  # which is a kind of Urllib3Timeout
    ((TimeoutError, Urllib3Timeout, requests.Timeout), Cause.TIME, "no answer in time"),
    ((ssl.SSLError, requests.exceptions.SSLError), Cause.TLS, "TLS failed"),
    (BaseException, Cause.BROKEN, "the answer broke off or is no HTTP"),
)


def _explain(error: Exception, where: str) -> OutboundFault:
    """Return the fault for what requests, urllib3 or the socket raised, in our words: theirs quote the whole URL."""
    parts = list(_chain(error))
    cause, words = next((cause, words) for kinds, cause, words in _WORDS if any(isinstance(p, kinds) for p in parts))
    details = [p.verify_message for p in parts if isinstance(p, ssl.SSLCertVerificationError)]
    if cause is Cause.REFUSED:
        details = [p.strerror for p in parts if isinstance(p, OSError) and p.errno and p.strerror]
    return OutboundFault(cause, where, ": ".join([words, *details[:1]]))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and everything it wraps: requests and urllib3 use arguments, `reason` and the cause for that."""
    waiting: list[object] = [error]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop(0)
        if isinstance(part, BaseException) and id(part) not in seen:
            seen.add(id(part))
            yield part
            waiting += [*part.args, getattr(part, "reason", None), part.__cause__, part.__context__]
