"""The collect process: archive, its socket, seal timer and collectors, on one event loop and one disk thread.

Starting: archive first (it recovers), then its socket, then the collectors. Stopping goes the other way round: the
collectors hand over what they have read and wait until it is durable, then the archive closes its segments.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

import orjson

from ingest.collectors.file_tail import FileTail
from ingest.collectors.netflow import Netflow
from ingest.collectors.syslog_tcp import SyslogTcp
from ingest.collectors.syslog_udp import SyslogUdp
from ingest.framing import Framing
from ingest.intake import Intake
from retention.seal_timer import SealTimer
from some.app import allocator, wiring
from some.app.stopping import stop_signals
from some.app.tail_memory import TailMemory
from some.app.traffic import Traffic
from some.clock import from_text
from some.diagnostics import named
from some.errors import ExitCode, UnknownState
from some.record import RecordClass

if TYPE_CHECKING:
    from ingest.collectors.collector import Collector
    from retention.archive import Archive
    from some.app.site import Site
    from some.record import Sink

COUNTERS_S = 1.0
SEAL_LOOK_S = 0.5

log = named("app.collecting")


def run(site: Site) -> int:
    """Collect until SIGTERM or SIGINT; return the exit code (91 where the disk left us not knowing)."""
    allocator.give_back()
    return asyncio.run(_run(site))


async def _run(site: Site) -> int:
    stopping = asyncio.Event()
    faults: list[UnknownState] = []
    loop = asyncio.get_running_loop()
    for number in stop_signals():
        loop.add_signal_handler(number, stopping.set)

    def fail(fault: UnknownState) -> None:
        faults.append(fault)
        stopping.set()

    async with AsyncExitStack() as stack:
        archive = stack.enter_context(wiring.own_archive(site))
        stack.enter_context(wiring.archive_socket(site, archive))
        collectors = build(site, archive, fail)
        traffic = Traffic(site.clock)
        for collector in collectors:
            await collector.start()
            stack.push_async_callback(collector.stop)
        tasks = [
            asyncio.create_task(_seal_in_time(site, archive, fail)),
            asyncio.create_task(_write_counters(site, collectors, traffic)),
        ]
        log.info("collectors.started", collectors=[collector.name for collector in collectors])
        await stopping.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if faults:
            # What the archive did not answer is unknown; waiting for it would be for ever. Recovery finds out.
            stack.pop_all()
            log.error("archive.state_unknown", cause=str(faults[0]))
            return int(ExitCode.UNKNOWN_STATE)
    return int(ExitCode.OK)


def build(site: Site, sink: Sink, fail: wiring.OnFault) -> list[Collector]:
    """Return the collectors that the settings ask for, not started; each has its own intake into `sink`."""
    settings = site.settings.collect
    built: list[Collector] = []
    if settings.syslog_udp.enabled:
        built.append(_udp(site, Intake(sink, settings.pending, on_fault=fail)))
    if settings.syslog_tcp.enabled:
        built.append(_tcp(site, Intake(sink, settings.pending, on_fault=fail)))
    if settings.netflow.enabled:
        built.append(_netflow(site, Intake(sink, settings.pending, on_fault=fail)))
    if settings.files:
        memory = TailMemory(site, wiring.reader(site))
        positions = memory.positions()
        names = wiring.file_names(site, wiring.sources(site))
        intake = Intake(memory.watch(sink), settings.pending, on_fault=fail)
        paths = [file.path for file in settings.files]
        built.append(FileTail("file", intake, site.clock, names, paths=paths, positions=positions))
    return built


def _udp(site: Site, intake: Intake) -> SyslogUdp:
    settings = site.settings.collect
    return SyslogUdp(
        "syslog_udp",
        intake,
        site.clock,
        wiring.source_names(wiring.sources(site)),
        record_class=RecordClass(settings.default_class),
        port=settings.syslog_udp.port,
        hosts=(settings.syslog_udp.host,),
        buffer_bytes=settings.syslog_udp.receive_buffer,
    )


def _netflow(site: Site, intake: Intake) -> Netflow:
    settings = site.settings.collect
    return Netflow(
        "netflow",
        intake,
        site.clock,
        wiring.source_names(wiring.sources(site)),
        record_class=RecordClass(settings.default_class),
        port=settings.netflow.port,
        hosts=(settings.netflow.host,),
        buffer_bytes=settings.netflow.receive_buffer,
    )


def _tcp(site: Site, intake: Intake) -> SyslogTcp:
    settings = site.settings.collect
    return SyslogTcp(
        "syslog_tcp",
        intake,
        site.clock,
        wiring.source_names(wiring.sources(site)),
        port=settings.syslog_tcp.port,
        hosts=(settings.syslog_tcp.host,),
        framing=Framing(settings.syslog_tcp.framing),
        limit=settings.max_message,
        connection_limit=settings.syslog_tcp.connections,
    )


async def _seal_in_time(site: Site, archive: Archive, fail: wiring.OnFault) -> None:
    """Seal at every interval, also when nothing came: the heartbeat. A failed seal is told and tried at the next."""
    last = archive.status().last_closed_at
    timer = SealTimer(site.clock, site.settings.seal.interval_s, from_text(last) if last else None)
    while True:
        await asyncio.sleep(min(timer.wait_s(), SEAL_LOOK_S))
        if timer.due():
            timer.sealed()
            try:
                await asyncio.to_thread(archive.seal)
            except UnknownState as fault:
                fail(fault)
            except wiring.SEAL_FAULTS as fault:
                log.error("seal.failed", cause=str(fault))  # noqa: TRY400 - the cause is the whole story


async def _write_counters(site: Site, collectors: list[Collector], traffic: Traffic) -> None:
    """Tell the other processes what the collectors count: `run/collectors.json`, replaced each second, never synced."""
    path = site.run / "collectors.json"
    stage = site.run / ".collectors.json.new"
    while True:
        counters = [collector.counters() for collector in collectors]
        told = {
            "at": site.clock.now(),
            "collectors": [asdict(one) | {"per_minute": traffic.seen(one)} for one in counters],
        }
        stage.write_bytes(orjson.dumps(told))
        stage.replace(path)
        await asyncio.sleep(COUNTERS_S)
