"""The worker: the index's follower, and the scheduled jobs under the leader lock.

Jobs are few and idempotent: stamp what waits, witness audit entries in the archive, verify everything once a day, note
the disk. APScheduler only calls them; what they did stands in `job_run`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from some import audit
from some.app import elastic, jobs, proving, wiring
from some.app.stopping import stop_signals
from some.diagnostics import named
from some.errors import ExitCode, SomeError, Unavailable, UsageFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from some.app.site import Site

RELAY_S = 1.0
STAMP_S = 20.0
DISK_S = 3600.0
VERIFY_HOUR = 6
DROP_HOUR = 5
ROUND = 500
"""Seals stamped in one round, so that a long backlog does not hold the stamp lock for an hour."""

log = named("app.working")


def run(site: Site, only: str) -> int:
    """Work until SIGTERM or SIGINT. `only` is "", "index", "elastic" or "jobs"."""
    if only not in {"", "index", "elastic", "jobs"}:
        raise UsageFault(f"--only {only}: expected index, elastic or jobs")
    stop = threading.Event()
    for number in stop_signals():
        signal.signal(number, lambda *_: stop.set())
    with ExitStack() as stack:
        if only in {"", "jobs"}:
            stack.enter_context(_leader(site))
            stack.enter_context(_scheduled(site))
        if only == "elastic":
            stack.enter_context(elastic.follower(site)).run(stop)
        elif only != "jobs":
            follower = stack.enter_context(wiring.follower(site))
            follower.run(stop)
        else:
            stop.wait()
    return int(ExitCode.OK)


@contextmanager
def _leader(site: Site) -> Iterator[None]:
    """Hold `run/leader.lock`: two schedulers on one data directory would do everything twice."""
    descriptor = os.open(site.run / "leader.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as fault:
        os.close(descriptor)
        raise Unavailable(f"{site.folder}: another worker runs the jobs") from fault
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _scheduled(site: Site) -> Iterator[None]:
    from apscheduler.executors.pool import ThreadPoolExecutor  # noqa: PLC0415 - only the worker needs it
    from apscheduler.schedulers.background import BackgroundScheduler  # noqa: PLC0415 - as above

    scheduler = BackgroundScheduler(
        timezone=site.zone,
        executors={"default": ThreadPoolExecutor(4)},
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": 3600},
    )
    scheduler.add_job(_guarded("relay", lambda: relay(site)), "interval", seconds=RELAY_S)
    scheduler.add_job(
        _guarded("disk", lambda: note_disk(site)), "interval", seconds=DISK_S, next_run_time=site.clock.now()
    )
    scheduler.add_job(_guarded("verify", lambda: verify(site)), "cron", hour=VERIFY_HOUR)
    if site.settings.index.elastic.keep_days:
        scheduler.add_job(_guarded("drop", lambda: drop_old(site)), "cron", hour=DROP_HOUR)
    if site.settings.tsa.url:
        scheduler.add_job(
            _guarded("stamp", lambda: stamp(site)), "interval", seconds=STAMP_S, next_run_time=site.clock.now()
        )
    scheduler.start()
    try:
        yield
    finally:
        scheduler.shutdown(wait=True)


def _guarded(name: str, work: Callable[[], object]) -> Callable[[], None]:
    """Return `work` for the scheduler: what we raise on purpose is told and tried again at the next turn."""

    def turn() -> None:
        try:
            work()
        except SomeError as fault:
            log.warning("job.failed", job=name, code=fault.code, cause=str(fault))

    return turn


def relay(site: Site) -> int:
    """Append waiting audit entries to the archive; quiet while there are none or the archive is away."""
    with wiring.database(site) as database:
        if not wiring.audit_waits(database):
            return 0
        with wiring.open_sink(site) as sink:
            return audit.relay(database, sink, site.clock)


def stamp(site: Site) -> dict[str, Any]:
    """Stamp what waits, once; a round that found nothing to do leaves no row."""
    stamper = wiring.stamper(site)
    if not stamper.waiting():
        return {}
    made = stamper.stamp_waiting(ROUND)
    told = {"stamped": made.stamped, "waiting": len(made.waiting), "fault": made.fault, "code": made.code}
    with wiring.database(site) as database:
        return jobs.run_and_note(database, site.clock, "stamp", lambda: told)


def verify(site: Site) -> dict[str, Any]:
    """Verify everything and keep the verdict for the pages."""
    with wiring.database(site) as database:
        return jobs.run_and_note(
            database, site.clock, "verify", lambda: proving.told(proving.verify(site, None, offline=False))
        )


def drop_old(site: Site) -> dict[str, Any]:
    """Drop indices of Elasticsearch whose time is over."""
    with wiring.database(site) as database:
        return jobs.run_and_note(database, site.clock, "drop", lambda: {"dropped": elastic.drop_old(site)})


def note_disk(site: Site) -> dict[str, Any]:
    """Keep how full the disk is and how much the archive holds, so that growth can be shown."""
    with wiring.database(site) as database:
        return jobs.run_and_note(database, site.clock, "disk", lambda: disk_use(site.archive))


def disk_use(folder: Path) -> dict[str, Any]:
    """Return total and used bytes of the file system that holds `folder`."""
    use = shutil.disk_usage(folder)
    return {"total": use.total, "used": use.used}
