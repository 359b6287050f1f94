"""One client for Elasticsearch 8.19 and 9, and what its failures mean to us.

The client library of major 9 asks for `compatible-with=9`, which a server of major 8 refuses (400,
`media_type_header_exception`); so our transport rewrites the header, in both directions of a request, to what the
server can. Nothing is contacted before the first call. Secrets come from files, are read when the client is made and
are never part of a value that can be printed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import elasticsearch
from elastic_transport import (
    ConnectionTimeout,
    NodeConfig,
    RequestsHttpNode,
    TlsError,
    Transport,
    TransportApiResponse,
    TransportError,
    Urllib3HttpNode,
)

from some.errors import NotPermitted, SettingsFault, Unavailable
from some.index.elastic.names import Period

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

MAJORS: Final = (8, 9)
OLDEST: Final = (8, 19)
_WRITTEN = "compatible-with="
_MEDIA_FAULT = "media_type_header_exception"
_BAD_REQUEST, _UNKNOWN_USER, _FORBIDDEN, _NOT_FOUND, _NOT_ALLOWED = 400, 401, 403, 404, 405
_TOO_LARGE, _TOO_MANY, _SERVER = 413, 429, 500
_NO_CLUSTER = "_na_"
"""What a node says that has started and not yet read its own state: no identity to compare a cursor with."""

_PREFIX = re.compile(r"[a-z][a-z0-9]{0,31}")
_PRIVILEGE = re.compile(r"action \[([^\]]{1,120})\]")


@dataclass(frozen=True, slots=True)
class ElasticSettings:
    """Where Elasticsearch is and how it is used. Files hold the secrets; `urls` are nodes of one cluster.

    `ca_file` or `fingerprint` (SHA-256 of the certificate, hexadecimal) says whom to trust; without them the system
    does. `proxy` is an HTTP proxy's URL. `prefix` begins every name: one ledger, one prefix. `bulk_bytes` counts JSON.
    """

    urls: tuple[str, ...]
    api_key_file: Path | None = None
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    fingerprint: str | None = None
    proxy: str | None = None
    timeout_s: float = 30.0
    period: Period = Period.MONTH
    shards: int = 1
    replicas: int = 1
    bulk_bytes: int = 5_000_000
    bulk_documents: int = 2_000
    bulk_in_flight: int = 2
    prefix: str = "some"

    def __post_init__(self) -> None:
        """Raise SettingsFault for what contradicts itself."""
        if not self.urls:
            raise SettingsFault("index.elastic.urls: at least one address, such as https://es.example:9200")
        if _PREFIX.fullmatch(self.prefix) is None:
            raise SettingsFault(f"index.elastic.prefix: small letters and digits, not {self.prefix!r}")
        if self.api_key_file is not None and self.user is not None:
            raise SettingsFault("index.elastic: api_key_file or user and password_file, not both")
        if (self.user is None) is not (self.password_file is None):
            raise SettingsFault("index.elastic: user and password_file go together")
        if self.proxy is not None and self.fingerprint is not None:
            # behind a proxy the library does not check fingerprints, and would trust whomever it meets
            raise SettingsFault("index.elastic: behind a proxy name the authority (ca_file), not a fingerprint")


class VersionedTransport(Transport):
    """Speaks to the server in the newest form that both know, learned from its first refusal."""

    major: int = MAJORS[-1]

    def perform_request(  # type: ignore[override]
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        **options: Any,
    ) -> TransportApiResponse:
        """Send a request; see `Transport`."""
        answer = super().perform_request(method, target, headers=self._spoken(headers), **options)
        if self.major == MAJORS[-1] and answer.meta.status == _BAD_REQUEST and _MEDIA_FAULT in str(answer.body):
            self.major = MAJORS[0]
            answer = super().perform_request(method, target, headers=self._spoken(headers), **options)
        return answer

    def _spoken(self, headers: Mapping[str, str] | None) -> dict[str, str]:
        ours, theirs = f"{_WRITTEN}{self.major}", f"{_WRITTEN}{MAJORS[-1]}"
        return {name: str(value).replace(theirs, ours) for name, value in (headers or {}).items()}


class Refused(Exception):
    """The server answered that it cannot; `kind` is its name for the error. `reason` may quote a document."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        """Keep the reason out of the text of the error."""
        super().__init__(f"HTTP {status} {kind}")
        self.status = status
        self.kind = kind
        self.reason = reason


class Client:
    """Requests to one cluster. Safe to use from several threads.

    Raises Unavailable (away, too busy, its disks full: try again), NotPermitted (with the privilege that lacks),
    SettingsFault (not a server we can use) and Refused (everything else; a fault of the request).
    """

    def __init__(self, settings: ElasticSettings, server: elasticsearch.Elasticsearch) -> None:
        """Use `connect` instead."""
        self.settings = settings
        self._server = server
        self._version: str | None = None

    def __repr__(self) -> str:
        """Return the addresses only."""
        return f"Client({', '.join(self.settings.urls)})"

    def close(self) -> None:
        """Close the connections."""
        self._server.close()

    def version(self) -> str:
        """Return the oldest version among the nodes, asked for once; raises SettingsFault for one we do not know."""
        if self._version is None:
            self._version = self._ask_version()
        return self._version

    def _ask_version(self) -> str:
        try:
            nodes = self._send("GET", "/_nodes", params={"filter_path": "nodes.*.version"}) or {}
            found = [str(one["version"]) for one in nodes.get("nodes", {}).values()]
        except (NotPermitted, Refused):
            found = []
        if not found:
            found = [str(self._send("GET", "/")["version"]["number"])]
        oldest = min(found, key=_numbers)
        numbers = _numbers(oldest)
        if numbers[:2] < OLDEST or numbers[0] not in MAJORS:
            raise SettingsFault(f"index.elastic: Elasticsearch {oldest} is there; 8.19 or 9 is needed")
        return oldest

    def cluster(self) -> str:
        """Return the identity of the cluster: another one has other documents, whatever its address."""
        answer = self.request("GET", "/_cluster/state/version", params={"filter_path": "cluster_uuid"})
        found = str(answer["cluster_uuid"])
        if found == _NO_CLUSTER:
            raise Unavailable("Elasticsearch is still starting: it does not know its cluster yet")
        return found

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        allow: Collection[int] = (),
        timeout_s: float | None = None,
    ) -> Any:
        """Return the answer's JSON; for a status in `allow`, None. Bytes are sent as lines of JSON."""
        self.version()
        return self._send(method, path, body, params=params, allow=allow, timeout_s=timeout_s)

    def _send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        allow: Collection[int] = (),
        timeout_s: float | None = None,
    ) -> Any:
        kind = "x-ndjson" if isinstance(body, bytes) else "json"
        headers = {"accept": f"application/vnd.elasticsearch+json; {_WRITTEN}{MAJORS[-1]}"}
        if body is not None:
            headers["content-type"] = f"application/vnd.elasticsearch+{kind}; {_WRITTEN}{MAJORS[-1]}"
        target = path
        if params:
            target = f"{path}?{'&'.join(f'{name}={_written(value)}' for name, value in params.items())}"
        server = self._server if timeout_s is None else self._server.options(request_timeout=timeout_s)
        try:
            return server.perform_request(method, target, headers=headers, body=body).body
        except elasticsearch.ApiError as error:
            if error.meta.status in allow:
                return None
            raise _meaning(error) from None
        except elasticsearch.UnsupportedProductError as error:
            raise SettingsFault("index.elastic.urls: what answers there is not Elasticsearch") from error
        except TlsError as error:
            raise Unavailable(f"Elasticsearch's certificate is not trusted: {error.message}") from error
        except ConnectionTimeout as error:
            raise Unavailable("Elasticsearch did not answer in time") from error
        except TransportError as error:
            raise Unavailable(f"Elasticsearch cannot be reached: {error.message}") from error


def connect(settings: ElasticSettings) -> Client:
    """Return a client; nothing is contacted yet. Raises SettingsFault where a file of secrets cannot be read."""
    secrets: dict[str, Any] = {}
    if settings.api_key_file is not None:
        secrets["api_key"] = _secret(settings.api_key_file, "api_key_file")
    if settings.user is not None and settings.password_file is not None:
        secrets["basic_auth"] = (settings.user, _secret(settings.password_file, "password_file"))
    trust: dict[str, Any] = {}
    if settings.ca_file is not None:
        trust["ca_certs"] = str(settings.ca_file)
    if settings.fingerprint is not None:
        trust["ssl_assert_fingerprint"] = settings.fingerprint
    try:
        server = elasticsearch.Elasticsearch(
            list(settings.urls),
            transport_class=VersionedTransport,
            node_class=Urllib3HttpNode if settings.proxy is None else _behind(settings.proxy),
            request_timeout=settings.timeout_s,
            max_retries=len(settings.urls),
            retry_on_status=(),
            retry_on_timeout=False,
            http_compress=False,
            connections_per_node=max(4, 2 * settings.bulk_in_flight),
            **secrets,
            **trust,
        )
    except (ValueError, OSError) as error:
        raise SettingsFault(f"index.elastic: {error}") from error
    return Client(settings, server)


def _behind(proxy: str) -> type[RequestsHttpNode]:
    class ProxiedNode(RequestsHttpNode):
        """Goes through the proxy of the settings, and through none that the environment names."""

        def __init__(self, config: NodeConfig) -> None:
            """See `RequestsHttpNode`."""
            super().__init__(config)
            self.session.trust_env = False
            self.session.proxies = {"http": proxy, "https": proxy}

    return ProxiedNode


def _secret(path: Path, name: str) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeError) as error:
        raise SettingsFault(f"index.elastic.{name}: {path} cannot be read: {type(error).__name__}") from None


def _written(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in re.findall(r"[0-9]+", version.partition("-")[0])[:3])


def _meaning(error: elasticsearch.ApiError) -> Exception:
    """Return the error of ours that the server's answer is."""
    status = error.meta.status
    told = error.body if isinstance(error.body, dict) else {}
    fault = told.get("error", {})
    kind = str(fault.get("type", "")) if isinstance(fault, dict) else ""
    reason = str(fault.get("reason", "")) if isinstance(fault, dict) else str(fault)
    found: Exception
    if status == _UNKNOWN_USER:
        found = NotPermitted("Elasticsearch does not know us (401): check user and password_file, or api_key_file")
    elif kind == "cluster_block_exception":
        found = Unavailable(f"Elasticsearch refuses to write, its disks may be full ({blocks(reason)})")
    elif status == _FORBIDDEN:
        found = NotPermitted(f"Elasticsearch does not permit this (403): {privilege(reason)}")
    elif status == _TOO_MANY:
        found = Unavailable("Elasticsearch is too busy (429)")
    elif status >= _SERVER:
        found = Unavailable(f"Elasticsearch failed ({status} {kind})")
    else:
        found = Refused(status, kind, reason)
    return found


def privilege(reason: str) -> str:
    """Return what lacks, from the sentence of a security exception."""
    match = _PRIVILEGE.search(reason)
    wanted = re.search(r"granted by the (?:index|cluster) privileges \[([^\]]{1,200})\]", reason)
    return f"{match[1] if match else 'an action'} needs one of the privileges {wanted[1] if wanted else '(not told)'}"


def blocks(reason: str) -> str:
    """Return the names of the blocks in the sentence of a cluster block exception, without its advice to read on."""
    return "; ".join(re.findall(r"\[([A-Z_]+/[0-9]+/[^\];]{1,160})", reason)) or "a block"
