"""A real Elasticsearch that a test starts, stops, kills and starts again on the same folder of data."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import orjson

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "some-es"
START_LIMIT_S = 120
STOP_LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class Distribution:
    """One unpacked server and the Java that runs it."""

    version: str
    home: Path
    java: Path


def distributions() -> list[Distribution]:
    """Return the servers that `sh tests/es` has prepared, newest first."""
    listed = subprocess.run(["sh", str(ROOT / "tests" / "es"), "list"], capture_output=True, text=True, check=True)
    found = [line.split(" ") for line in listed.stdout.splitlines()]
    return [Distribution(version, Path(home), Path(java)) for version, home, java in found]


@dataclass(frozen=True, slots=True)
class Certificate:
    """PEM files of a server's certificate and key, and of the authority that clients trust."""

    authority: Path
    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Security:
    """Who may do what. `users`: name -> (password, roles); `roles`: the text of `roles.yml`."""

    users: Mapping[str, tuple[str, tuple[str, ...]]]
    roles: str = ""
    certificate: Certificate | None = None


@dataclass(slots=True)
class ElasticServer:
    """One node with its own folder; use it as a context, which removes the folder at the end."""

    distribution: Distribution
    settings: Mapping[str, str] = field(default_factory=dict)
    security: Security | None = None
    folder: Path = field(init=False)
    port: int = field(init=False)
    pid: int | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Make the folder and choose the port, which stays the same when the server starts again."""
        self.folder = Path(tempfile.mkdtemp(prefix="some-es-"))
        self.folder.chmod(0o755)
        self.port = free_port()

    def __enter__(self) -> Self:
        """Start."""
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop and remove."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        scheme = "https" if self.security and self.security.certificate else "http"
        return f"{scheme}://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        """Whether the process lives (a zombie does not)."""
        if self.pid is None:
            return False
        try:
            state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return False
        return state != "Z"

    def start(self) -> None:
        """Start and return when it listens; the data of an earlier run are still there."""
        config = self.folder / "config"
        if not config.exists():
            shutil.copytree(self.distribution.home / "config", config)
            (config / "elasticsearch.yml").write_text(self._settings())
            if self.security:
                self._write_security(config, self.security)
            for name in ("data", "logs", "snapshots", "tmp"):
                (self.folder / name).mkdir()
        account = _account(self.folder)
        pidfile = self.folder / "pid"
        pidfile.unlink(missing_ok=True)
        with (self.folder / "output").open("wb") as output:
            done = subprocess.run(
                [self.distribution.home / "bin" / "elasticsearch", "-d", "-p", pidfile],
                env={
                    "PATH": os.environ["PATH"],
                    "ES_PATH_CONF": str(config),
                    "ES_JAVA_HOME": str(self.distribution.java),
                    "ES_JAVA_OPTS": f"-Xms512m -Xmx512m -Xlog:disable -XX:ErrorFile={self.folder}/logs/%p.log",
                    "ES_TMPDIR": str(self.folder / "tmp"),
                },
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=START_LIMIT_S,
                check=False,
                **account,
            )
        if done.returncode != 0 or not pidfile.exists():
            said = (self.folder / "output").read_text(errors="replace")[-3000:]
            msg = f"Elasticsearch {self.distribution.version} did not start: {said}"
            raise RuntimeError(msg)
        self.pid = int(pidfile.read_text())

    def stop(self) -> None:
        """Stop in an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End at once, as a power failure does to a process; nothing happens where it does not run."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self.pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, how)
        limit = time.monotonic() + STOP_LIMIT_S
        while self.running:
            if time.monotonic() > limit:
                msg = f"Elasticsearch {self.pid} does not end"
                raise RuntimeError(msg)
            time.sleep(0.02)  # a process that is no child cannot be waited for
        self.pid = None

    def call(self, method: str, path: str, body: Any = None, *, user: str | None = None) -> tuple[int, Any]:
        """Return status and answer of one request, made without the client that is under test."""
        credentials, context = None, None
        if self.security:
            name = user or next(iter(self.security.users))
            credentials = f"{name}:{self.security.users[name][0]}"
            if self.security.certificate:
                context = ssl.create_default_context(cafile=str(self.security.certificate.authority))
        return _request(method, self.url + path, body, credentials, context)

    def _settings(self) -> str:
        lines = {
            "discovery.type": "single-node",
            "http.host": "127.0.0.1",
            "http.port": str(self.port),
            "transport.host": "127.0.0.1",
            "transport.port": str(free_port()),
            "path.data": str(self.folder / "data"),
            "path.logs": str(self.folder / "logs"),
            "path.repo": str(self.folder / "snapshots"),
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "xpack.security.enabled": "true" if self.security else "false",
            "xpack.security.autoconfiguration.enabled": "false",
        }
        if self.security and self.security.certificate:
            lines |= {
                "xpack.security.http.ssl.enabled": "true",
                "xpack.security.http.ssl.certificate": "http.crt",
                "xpack.security.http.ssl.key": "http.key",
            }
        return "".join(f"{name}: {value}\n" for name, value in (lines | dict(self.settings)).items())

    @staticmethod
    def _write_security(config: Path, security: Security) -> None:
        held: dict[str, list[str]] = {}
        users = []
        for name, (password, roles) in security.users.items():
            users.append(f"{name}:{_hashed(password)}\n")
            for role in roles:
                held.setdefault(role, []).append(name)
        (config / "users").write_text("".join(users))
        (config / "users_roles").write_text("".join(f"{role}:{','.join(names)}\n" for role, names in held.items()))
        (config / "roles.yml").write_text(security.roles)
        if security.certificate:
            shutil.copy(security.certificate.certificate, config / "http.crt")
            shutil.copy(security.certificate.key, config / "http.key")


class StandingServer:
    """A server that stands already: SOME_TEST_ES_URL, with `user:password@` where it wants them."""

    def __init__(self, url: str) -> None:
        """Remember where it is."""
        parts = urlsplit(url)
        self._credentials = None if parts.username is None else f"{parts.username}:{parts.password or ''}"
        self.url = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return status and answer of one request."""
        return _request(method, self.url + path, body, self._credentials, None)


def _request(
    method: str, url: str, body: Any, credentials: str | None, context: ssl.SSLContext | None
) -> tuple[int, Any]:
    sent = body if isinstance(body, bytes) else None if body is None else orjson.dumps(body)
    kind = "application/x-ndjson" if isinstance(body, bytes) else "application/json"
    request = Request(url, sent, {"Content-Type": kind}, method=method)  # noqa: S310 - a server of the tests
    if credentials is not None:
        request.add_header("Authorization", f"Basic {base64.b64encode(credentials.encode()).decode()}")
    try:
        with build_opener(ProxyHandler({}), HTTPSHandler(context=context)).open(request, timeout=60) as answer:
            return answer.status, orjson.loads(answer.read() or b"null")
    except HTTPError as error:
        with error:
            text = error.read()
        return error.code, orjson.loads(text or b"null")


def free_port() -> int:
    """Return a port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _hashed(password: str) -> str:
    """Return the password as the server's file realm keeps it (PBKDF2, HMAC-SHA512, 32 bytes)."""
    salt = os.urandom(32)
    made = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 10_000, 32)
    return f"{{PBKDF2}}10000${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"


def _account(folder: Path) -> dict[str, Any]:
    """Give `folder` to the account that runs the server; root must not run it itself."""
    if os.geteuid() != 0:
        return {}
    account = pwd.getpwnam(ACCOUNT)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, account.pw_uid, account.pw_gid)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
