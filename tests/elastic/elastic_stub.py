"""A small, strict HTTP server that answers as it is told: for faults of the wire that a real server does not give."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class Seen:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answer = tuple[int, Any]


@dataclass
class Stub:
    """Answers with what `script` says; `major` is what it speaks, as a real server insists on it."""

    script: Callable[[Seen], Answer | None]
    major: int = 9
    version: str = ""
    seen: list[Seen] = field(default_factory=list)

    def __enter__(self) -> Self:
        """Listen."""
        stub = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                """Say nothing."""

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                request = Seen(
                    self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body
                )
                stub.seen.append(request)
                status, told = stub.answer(request)
                content = told if isinstance(told, bytes) else orjson.dumps(told)
                self.send_response(status)
                self.send_header("X-Elastic-Product", "Elasticsearch")
                self.send_header("Content-Type", f"application/vnd.elasticsearch+json;compatible-with={stub.major}")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815 - the library's names

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, request: Seen) -> Answer:
        """Insist on our media types, give the version, then what the script says."""
        for name in ("accept", "content-type"):
            value = request.headers.get(name)
            if value is None and (name == "accept" or request.body):
                return 400, {"error": {"type": "missing_header", "reason": name}}
            if value is not None and f"compatible-with={self.major}" not in value:
                reason = f"A compatible version is required on both Content-Type and Accept: {value}"
                return 400, {"error": {"type": "media_type_header_exception", "reason": reason}}
        told = self.script(request)
        if told is not None:
            return told
        if request.path.startswith("/_nodes?"):
            return 200, {"nodes": {"a": {"version": self.version or f"{self.major}.19.9"}}}
        return 404, {"error": {"type": "not_scripted", "reason": request.path}}
