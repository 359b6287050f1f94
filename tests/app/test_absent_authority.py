"""The time-stamping authority is away for hours: sealing goes on, stamps queue, the lateness is told afterwards."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from some.app import proving, standing, wiring
from some.app.demo.tsa import TrialAuthority, TrialKeys, TrialStamps
from some.app.site import open_site
from some.clock import SimulatedClock
from some.record import RecordBlock, RecordClass

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2026, 11, 23, 6, tzinfo=UTC)
HOURS = 5


def test_hours_without_an_authority_are_stamped_later_and_reported(tmp_path: Path) -> None:
    clock = SimulatedClock(START)
    keys = TrialKeys.make(START)
    authority = TrialAuthority(TrialStamps(keys, clock)).start()
    port = int(authority.url.rsplit(":", 1)[1].strip("/"))
    authority.stop()
    config = tmp_path / "data" / "config"
    config.mkdir(parents=True)
    (config / "roots.pem").write_bytes(keys.roots_pem)
    (config / "some.yaml").write_text(
        f"tsa: {{url: 'http://127.0.0.1:{port}/', roots: roots.pem, trial: true, timeout_s: 2}}\n", encoding="utf-8"
    )
    site = open_site(None, tmp_path / "data", clock)
    with wiring.own_archive(site) as archive:
        for hour in range(HOURS):
            block = RecordBlock(clock.now(), "gw", "udp:x", RecordClass("access"), b"satir %d\n" % hour, 1)
            archive.submit(block).result(60)
            clock.advance(3600)
            assert archive.seal().seal == hour + 1

    away = proving.stamp(site)
    assert (away.stamped, away.waiting) == ([], list(range(1, HOURS + 1)))
    assert away.fault
    assert standing.waiting_stamps(site) == away.waiting
    assert not list((tmp_path / "data" / "archive").rglob("*.tsr")), "nothing is ever simulated"
    before = proving.verify(site, clock.now(), offline=True)
    assert before.ok
    assert {found.code for found in before.findings if found.severity.value == "warning"} >= {"stamp.waiting"}

    clock.advance(timedelta(hours=2).total_seconds())
    with TrialAuthority(TrialStamps(keys, clock), port=port).start():
        back = proving.stamp(site)
    assert (back.stamped, back.waiting) == (list(range(1, HOURS + 1)), [])
    after = proving.verify(site, clock.now(), offline=True)
    late = [found for found in after.findings if found.code == "stamp.late"]
    assert after.ok
    assert len(late) >= HOURS - 1
    assert all(any(figure.isdigit() for figure in found.text) for found in late)
