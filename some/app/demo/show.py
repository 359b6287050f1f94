"""`some demo`: three sealed and test-stamped hours through the real collectors, and a tampered copy to be found.

Everything runs on one simulated clock that starts three hours ago; only sockets, disk and CPU are real. The ledger and
its manifests say *deneme*, and so does every page that shows its stamps.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
import yaml

from ingest.collectors.syslog_tcp import SyslogTcp
from ingest.collectors.syslog_udp import SyslogUdp
from retention.segment import compress, compressor, expand, frames_of
from some.actor import local_actor
from some.app import collecting, everything, proving, wiring
from some.app.demo import traffic
from some.app.demo.tsa import TrialAuthority, TrialKeys, TrialStamps
from some.app.site import Site, open_site
from some.app.supervisor import Supervisor
from some.clock import SimulatedClock, SystemClock, TrialClock
from some.errors import UnknownState, UsageFault
from some.wording import translator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.collectors.collector import Collector
    from retention.archive import Archive

HOURS = 3
STEPS_AN_HOUR = 12
ACCOUNT = "demo"
ROLES = ("sistem-yoneticisi", "analist", "uyum")
_WAIT_S = 20.0


def run(folder: Path | None, *, serve: bool, as_json: bool) -> int:
    """Build the demonstration and, with `serve`, show its pages until Ctrl-C."""
    folder = (folder or Path(tempfile.mkdtemp(prefix="some-demo-"))).absolute()
    if folder.exists() and any(folder.iterdir()):
        raise UsageFault(f"{folder} is not empty; a demonstration starts in a folder of its own")
    start = SystemClock().now().replace(microsecond=0) - timedelta(hours=HOURS)
    clock = SimulatedClock(start)
    keys = TrialKeys.make(start)
    with TrialAuthority(TrialStamps(keys, clock)).start() as authority:
        _configure(folder, keys, authority.url)
        site = open_site(None, folder, clock)
        asyncio.run(_live(site, clock))
        proving.stamp(site)
    with wiring.follower(site) as follower:
        follower.run_once()
    copy = _tampered_copy(site)
    password = _make_account(site)
    _tell(site, copy, password, as_json=as_json, serve=serve)
    return _serve(folder, keys) if serve else 0


def _configure(folder: Path, keys: TrialKeys, url: str) -> None:
    config = folder / "config"
    config.mkdir(parents=True, exist_ok=True)
    (config / "tsa-roots.pem").write_bytes(keys.roots_pem)
    settings = {
        "institution": {"name": "Örnekşehir Belediyesi"},
        "ledger": {"name": "deneme", "trial": True},
        "collect": {"syslog_udp": {"host": "127.0.0.1", "port": 0}, "syslog_tcp": {"host": "127.0.0.1", "port": 0}},
        "tsa": {"url": url, "roots": "tsa-roots.pem", "trial": True},
    }
    (config / "some.yaml").write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")


async def _live(site: Site, clock: SimulatedClock) -> None:
    """Send three hours through the collectors; seal and stamp at each full hour of the simulated clock."""

    def fail(fault: UnknownState) -> None:
        raise fault

    async with AsyncExitStack() as stack:
        archive = stack.enter_context(wiring.own_archive(site))
        collectors = collecting.build(site, archive, fail)
        for collector in collectors:
            await collector.start()
            stack.push_async_callback(collector.stop)
        ports = [collector.addresses[0][1] for collector in collectors if isinstance(collector, SyslogUdp | SyslogTcp)]
        sent = 0
        for number, (_, step) in enumerate(traffic.steps(clock.now(), HOURS * STEPS_AN_HOUR), 1):
            clock.advance(traffic.STEP.total_seconds())
            sent += await asyncio.to_thread(_send, step, ports)
            await _until_durable(collectors, sent)
            if number % STEPS_AN_HOUR == 0:
                await _seal_and_stamp(site, archive)


def _send(step: traffic.Step, ports: Sequence[int]) -> int:
    """Send one step's lines as devices do; return how many records that makes."""
    udp_port, tcp_port = ports
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        for line in step.datagrams:
            udp.sendto(line, ("127.0.0.1", udp_port))
    with socket.create_connection(("127.0.0.1", tcp_port)) as tcp:
        tcp.sendall(b"".join(line + b"\n" for line in step.stream))
    return len(step.datagrams) + len(step.stream)


async def _until_durable(collectors: Sequence[Collector], sent: int) -> None:
    async with asyncio.timeout(_WAIT_S):
        while sum(one.counters().durable for one in collectors) < sent:  # noqa: ASYNC110 - counters tell nobody; milliseconds
            await asyncio.sleep(0.005)


async def _seal_and_stamp(site: Site, archive: Archive) -> None:
    await asyncio.to_thread(archive.seal)
    await asyncio.to_thread(proving.stamp, site)


def _tampered_copy(site: Site) -> Path:
    """Copy the data directory and change one address in one sealed record of the copy, as a forger would."""
    copy = site.folder.with_name(site.folder.name + "-bozuk")
    shutil.copytree(site.folder, copy, ignore=shutil.ignore_patterns("run", "index"))
    original = next((copy / "archive").rglob("seg-*.access.log.zst"))
    content = b"".join(expand(frame) for _, frame in frames_of(original.read_bytes()))
    forged = content.replace(f"srcip={traffic.NOISY}".encode(), b"srcip=10.20.14.38", 1)
    if forged == content:
        forged = content.replace(b"srcip=10.20.14.", b"srcip=10.20.41.", 1)
    original.write_bytes(compress(forged, compressor(1)))
    return copy


def _make_account(site: Site) -> str:
    password = secrets.token_urlsafe(12)
    with wiring.database(site) as database:
        desk = wiring.accounts(site, database)
        desk.create_account(
            local_actor(), ACCOUNT, "Deneme Kullanıcısı", ROLES, password=password, reason="demonstration"
        )
        wiring.witness(site, database)
    return password


def _tell(site: Site, copy: Path, password: str, *, as_json: bool, serve: bool) -> None:
    if as_json:
        made = {"data": str(site.folder), "tampered": str(copy), "account": ACCOUNT, "password": password}
        sys.stdout.buffer.write(orjson.dumps(made) + b"\n")
        sys.stdout.buffer.flush()
        return
    _ = translator(site.settings.language)
    words = [
        _("A demonstration: invented traffic, three sealed hours, stamps of a test authority (no legal value)."),
        f"    some --data {site.folder} verify",
        _("In this copy one address in one record was changed:"),
        f"    some --data {copy} verify",
    ]
    if serve:
        words += [
            _("Pages: %(address)s", address=f"http://{wiring.web_place(site)}"),
            _("Account: %(name)s, password: %(password)s", name=ACCOUNT, password=password),
        ]
    sys.stdout.write("\n" + "\n".join(words) + "\n\n")
    sys.stdout.flush()


def _serve(folder: Path, keys: TrialKeys) -> int:
    """Run the parts on the demonstration's data until Ctrl-C, with the test authority in this process."""
    site = open_site(None, folder)
    clock = TrialClock()
    supervisor = Supervisor(everything.parts(site), clock)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop())
    port = int(site.settings.tsa.url.rpartition(":")[2].strip("/"))
    with TrialAuthority(TrialStamps(keys, clock), port=port).start():
        return supervisor.run(ready=lambda: False, announce=lambda: None)
