"""The web process: the ports of the pages joined to a site, served by uvicorn."""

from __future__ import annotations

import signal
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

import uvicorn
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from ingest.ecs import FIELD
from some import audit
from some.app import standing, wiring
from some.app.archive_view import SiteArchive
from some.app.attribution_view import SiteAttribution
from some.app.stopping import stop_signals
from some.app.web.application import create_app
from some.app.web.edge import USUAL_CLASSES, Ports
from some.app.web.people import DeskDoor
from some.app.web.ports import Listener, WebSettings
from some.errors import ExitCode, Unavailable
from some.wording import translator

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from fastapi import FastAPI

    from some.actor import Actor
    from some.app.site import Site
    from some.database import Database
    from some.index.elastic.engine import Elastic
    from some.index.embedded import Embedded

GRACE_S = 5
_COUNTED = ("received", "received_bytes", "durable", "truncated", "bad_frames", "cut", "kernel_drops", "connections")


class _Server(uvicorn.Server):
    """uvicorn, which leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Capture nothing."""
        yield


def run(site: Site) -> int:
    """Serve until SIGTERM or SIGINT; raises Unavailable where the port is not to be had."""
    web = site.settings.web
    with application(site) as app:
        config = uvicorn.Config(
            app,
            host=web.host,
            port=web.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
            proxy_headers=web.https,
        )
        server = _Server(config)

        def stop(*_: object) -> None:
            server.should_exit = True

        for number in stop_signals():
            signal.signal(number, stop)
        try:
            server.run()
        except SystemExit as fault:
            raise Unavailable(f"the pages cannot listen on {web.host} port {web.port}") from fault
    return int(ExitCode.OK)


@contextmanager
def application(site: Site) -> Iterator[FastAPI]:
    """Yield the web application over a site; its database and index are open meanwhile."""
    with wiring.database(site) as database, wiring.engine(site) as engine:
        roles = wiring.roles(site)
        with suppress(Unavailable):  # the disk is full already: what room there is must do
            database.keep_room()
        yield create_app(
            Ports(
                settings=_settings(site),
                clock=site.clock,
                archive=SiteArchive(site, database, engine),
                engine=engine,
                accounts=DeskDoor(wiring.accounts(site, database), roles),
                audit=_Audit(site, database),
                attribution=SiteAttribution(site, database),
                translator=translator,
                ready=lambda: _ready(site, database),
                metrics=lambda: metrics(site),
                fields=FIELD,
                classes=lambda: _classes(site, engine),
            )
        )


class _Audit:
    """`AuditPort` on the state database; the worker witnesses the entries in the archive a second later."""

    def __init__(self, site: Site, database: Database) -> None:
        self._site, self._database = site, database

    def write(self, actor: Actor, kind: str, facts: Mapping[str, audit.Fact], subject: str = "") -> None:
        """Write one audit entry; raises Unavailable, and then the act must not happen."""
        with self._database.transaction() as session:
            audit.record(session, self._site.clock, actor, kind, subject=subject, **facts)


def _settings(site: Site) -> WebSettings:
    settings = site.settings
    listeners = [
        Listener(protocol, one.host, one.port)
        for protocol, one in (("udp", settings.collect.syslog_udp), ("tcp", settings.collect.syslog_tcp))
        if one.enabled
    ]
    return WebSettings(
        institution=settings.institution.name,
        hosts=frozenset({*settings.web.hosts, settings.web.host}),
        zone=settings.time_zone,
        secure=settings.web.https,
        listeners=tuple(listeners),
        version=_version(),
    )


def _classes(site: Site, engine: Embedded | Elastic) -> frozenset[str]:
    """Return every record class there is: the usual ones, those of the settings, and what the index has met."""
    declared = {source.record_class for source in wiring.sources(site).sources.values()}
    return USUAL_CLASSES | declared | {site.settings.collect.default_class} | engine.classes()


def _version() -> str:
    try:
        return version("some-platform")
    except PackageNotFoundError:
        return ""


def _ready(site: Site, database: Database) -> dict[str, bool]:
    """Say which parts can answer. A lagging index or an absent authority does not make the platform unready."""
    try:
        with database.reading():
            pass
        state = True
    except Unavailable:
        state = False
    return {"state": state, "archive": wiring.archive_is_owned(site)}


def metrics(site: Site) -> bytes:
    """Return the counters as Prometheus reads them."""
    registry = CollectorRegistry()
    found = standing.status(site)

    def gauge(name: str, about: str, value: float, **labels: str) -> None:
        one = gauges.get(name) or gauges.setdefault(name, Gauge(name, about, list(labels), registry=registry))
        (one.labels(**labels) if labels else one).set(value)

    gauges: dict[str, Gauge] = {}
    archive, index = found["archive"], found["index"]
    gauge("some_archive_up", "1 while the archive process runs", float(found["running"]))
    gauge("some_seals", "committed seals", float(archive.get("seals") or 0))
    gauge("some_stamps_waiting", "committed seals that wait for their time stamp", float(len(found["waiting_stamps"])))
    gauge("some_stamps_waiting_seconds", "age of the oldest waiting seal", standing.oldest_waiting_s(site, found))
    gauge("some_index_documents", "documents in the index", float(index.get("documents", 0)))
    gauge("some_index_lag_records", "records that the index has not yet", float(index.get("lag_records", 0)))
    gauge(
        "some_index_pipeline_errors",
        "records that no parser understood",
        float(index.get("pipeline_errors", 0)),
    )
    gauge("some_disk_free_bytes", "free bytes where the data directory is", float(found["disk"]["free"]))
    for one in found["collectors"]:
        for name in _COUNTED:
            gauge(
                f"some_collector_{name}",
                f"{name} since the collector started",
                float(one[name]),
                collector=one["listener"],
            )
    return generate_latest(registry)
