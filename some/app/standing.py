"""`some status` and `some doctor`: how things stand, what is wrong, and how to mend it."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from some.app import elastic, wiring
from some.clock import to_text
from some.errors import SettingsFault, SomeError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from some.app.site import Site
    from some.index.engine import EngineStatus

FRESH_S = 10.0
FULL_SHARE = 0.9
_UNSYNCHRONISED = 5
_RMEM = Path("/proc/sys/net/core/rmem_max")


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the doctor: what was looked at, whether it is fine, and otherwise what to do (Turkish, English)."""

    name: str
    fine: bool
    found: str
    mend: str = ""

    def told(self) -> dict[str, Any]:
        """Return the check for machines."""
        return {"name": self.name, "fine": self.fine, "found": self.found, "mend": self.mend}

    def words(self) -> str:
        """Return the check for people."""
        mark = "tamam " if self.fine else "BOZUK "
        return f"{mark}  {self.name}: {self.found}" + (
            f"\n        → {self.mend}" if self.mend and not self.fine else ""
        )


def status(site: Site) -> dict[str, Any]:
    """Return counters and lag: archive, seals, stamps, collectors, index, disk."""
    running, archive = archive_status(site)
    told = collectors(site)
    return {
        "ledger": site.ledger.name,
        "running": running,
        "archive": archive,
        "waiting_stamps": waiting_stamps(site),
        "collectors": told.get("collectors", []) if running else [],
        "index": _index(site),
        **({"elastic": _elastic(site)} if elastic.configured(site) else {}),
        "disk": _disk(site),
        "at": to_text(site.clock.now()),
    }


def status_words(found: dict[str, Any]) -> str:
    """Return the status for people, Turkish first."""
    archive, index, disk = found["archive"], found["index"], found["disk"]
    lines = [
        f"Defter {found['ledger']}: {'çalışıyor / running' if found['running'] else 'durmuş / stopped'}",
        f"Mühür / seals: {archive.get('seals', 0)}; damga bekleyen / waiting stamps: {len(found['waiting_stamps'])}",
        f"Dizin / index: {index.get('documents', 0)} belge, gecikme / lag {index.get('lag_records', 0)} kayıt",
        f"Disk: {disk['used'] / disk['total']:.0%} dolu / full",
    ]
    if "elastic" in found:
        away = f" ({found['elastic']['fault']})" if "fault" in found["elastic"] else ""
        lines.append(f"Elasticsearch: gecikme / lag {found['elastic']['lag_records']} kayıt{away}")
    lines += [
        f"  {one['listener']}: {one['received']} kayıt, {one['kernel_drops']} çekirdek kaybı / kernel drops"
        for one in found["collectors"]
    ]
    return "\n".join(lines)


def doctor(site: Site) -> list[Check]:
    """Look at everything that goes wrong in practice."""
    return [
        *_keys(site),
        *_disk_checks(site),
        _clock_check(),
        _buffer_check(site),
        *_archive_checks(site),
        *_index_checks(site),
        *_tsa_checks(site),
        *_account_checks(site),
    ]


def elastic_checks(site: Site) -> list[Check]:
    """Look at the Elasticsearch that is configured: version, privileges, templates, clock, disks; raises UsageFault."""
    return [
        Check(f"{one.code} {one.where}", one.severity != "error", one.text, one.text) for one in elastic.examine(site)
    ]


def archive_status(site: Site) -> tuple[bool, dict[str, Any]]:
    """Return whether the archive process runs, and its own words (else what the files say)."""
    if wiring.archive_is_owned(site):
        try:
            with wiring.archive_client(site) as client:
                return True, client.status().to_json()
        except SomeError as fault:
            return True, {"state": "away", "fault": str(fault)}
    reader = wiring.reader(site)
    seals = reader.seals()
    return False, {"state": "stopped", "seals": len(seals)}


def collectors(site: Site) -> dict[str, Any]:
    """Return what the collect process wrote last; empty where it wrote nothing."""
    try:
        found: dict[str, Any] = orjson.loads((site.run / "collectors.json").read_bytes())
    except (OSError, ValueError):
        return {}
    return found


def waiting_stamps(site: Site) -> list[int]:
    """Return the seals that should have a stamp and have none; empty without an authority."""
    if not site.settings.tsa.url or not site.ledger.head.exists():
        return []
    try:
        return wiring.stamper(site).waiting()
    except (SettingsFault, Unavailable):
        return []


def oldest_waiting_s(site: Site, found: dict[str, Any]) -> float:
    """Return how many seconds ago the oldest seal was closed that waits for its stamp; 0 where none does."""
    if not found["waiting_stamps"]:
        return 0.0
    closed_at = wiring.reader(site).seal(found["waiting_stamps"][0]).closed_at
    return max(0.0, (site.clock.now() - closed_at).total_seconds())


def _elastic(site: Site) -> dict[str, Any]:
    """Return how far Elasticsearch is; where it is away, the lag is known all the same."""
    lag = elastic.lag(site)
    known = {"lag_records": lag.records, "lag_s": round(lag.seconds, 3), "lag_exact": lag.exact}
    try:
        with elastic.engine(site) as engine:
            return {**_told(engine.status()), **known}
    except SomeError as fault:
        return {"fault": str(fault), **known}


def _index(site: Site) -> dict[str, Any]:
    try:
        with wiring.embedded(site) as engine:
            return _told(engine.status())
    except SomeError as fault:
        return {"fault": str(fault)}


def _told(found: EngineStatus) -> dict[str, Any]:
    return {
        "documents": found.documents,
        "pipeline_errors": found.pipeline_errors,
        "newest": to_text(found.newest) if found.newest else None,
        "lag_records": found.lag_records,
        "lag_s": round(found.lag_seconds, 3),
        "findings": [f"{one.code} {one.where}: {one.text}" for one in found.findings],
    }


def _disk(site: Site) -> dict[str, int]:
    use = shutil.disk_usage(site.folder)
    return {"total": use.total, "used": use.used, "free": use.free}


def _keys(site: Site) -> Iterator[Check]:
    loose = [
        path.name
        for path in (site.keys, *site.keys.iterdir())
        if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    found = (
        "yalnız sahibi okur / private"
        if not loose
        else f"başkaları okuyabilir / readable by others: {', '.join(loose)}"
    )
    yield Check("anahtarlar / keys", not loose, found, f"chmod -R go= {site.keys}")


def _disk_checks(site: Site) -> Iterator[Check]:
    use = shutil.disk_usage(site.folder)
    share = use.used / use.total
    mend = "yer açın ya da veri dizinini büyütün / make room or enlarge the data directory"
    yield Check("disk", share < FULL_SHARE, f"{share:.0%} dolu / full, {use.free // 2**20} MiB boş / free", mend)


class _Timex(ctypes.Structure):
    """The start of `struct timex`; we read the return value alone."""

    _fields_ = (("modes", ctypes.c_uint), ("rest", ctypes.c_char * 252))


def _clock_check() -> Check:
    """Ask the kernel whether something (chrony, ntpd, the host) keeps the clock right: adjtimex(2) with no change."""
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(_Timex()))
    fine = 0 <= state < _UNSYNCHRONISED
    found = "eşitleniyor / synchronised" if fine else "eşitlenmiyor / not synchronised"
    return Check("saat / clock", fine, found, "chrony ya da systemd-timesyncd kurun / install chrony")


def _buffer_check(site: Site) -> Check:
    wanted = site.settings.collect.syslog_udp.receive_buffer
    most = int(_RMEM.read_text()) if _RMEM.exists() else wanted
    told = next((one for one in collectors(site).get("collectors", []) if one["listener"] == "syslog_udp"), None)
    given = told["buffer_bytes"] if told else (wanted if os.geteuid() == 0 else min(wanted, most))
    found = f"{given} bayt verildi, {wanted} istendi / given of asked"
    return Check("UDP tamponu / buffer", given >= wanted, found, f"sysctl -w net.core.rmem_max={wanted}")


def _archive_checks(site: Site) -> Iterator[Check]:
    running, archive = archive_status(site)
    state = archive["state"]
    fine = state in {"ok", "stopped"} and not archive.get("chain_fault")
    found = (
        archive.get("chain_fault") or archive.get("fault") or ("çalışıyor / running" if running else "durmuş / stopped")
    )
    yield Check("arşiv / archive", fine, str(found), "some verify; sonra / then some seal")
    for text in (*archive.get("damaged", ()), *archive.get("faults", ())):
        yield Check("arşiv / archive", fine=False, found=str(text), mend="some verify")


def _index_checks(site: Site) -> Iterator[Check]:
    index = _index(site)
    findings = index.get("findings", [])
    lag = index.get("lag_records", 0)
    fine = not findings and "fault" not in index
    found = "; ".join(findings) or index.get("fault") or f"{index['documents']} belge / documents, {lag} gecikme / lag"
    yield Check("dizin / index", fine, found, "some index rebuild")


def _tsa_checks(site: Site) -> Iterator[Check]:
    name = "zaman damgası / time stamps"
    if not site.settings.tsa.url:
        found = "yapılandırılmadı; mühürler imzalı, damgasız / none configured; seals are signed, not stamped"
        yield Check(name, fine=True, found=found)
        return
    try:
        wiring.authorities(site)
    except SettingsFault as fault:
        yield Check(name, fine=False, found=str(fault), mend="tsa.roots, tsa.user, tsa.password_file")
        return
    waiting = waiting_stamps(site)
    yield Check(name, not waiting, f"{len(waiting)} mühür damga bekliyor / seals wait", "some stamp")
    if shutil.which("openssl") is None:
        yield Check("openssl", fine=False, found="yok / missing", mend="apt-get install openssl")


def _account_checks(site: Site) -> Iterator[Check]:
    try:
        with wiring.database(site) as database:
            desk = wiring.accounts(site, database)
            if desk.setup_open():
                yield Check(
                    "hesaplar / accounts", fine=False, found="yönetici yok / no administrator", mend="some user link"
                )
                return
            mixed = wiring.accounts_holding_too_much(desk)
    except SomeError as fault:
        yield Check("veritabanı / database", fine=False, found=str(fault), mend="state.url")
        return
    found = (
        "roller ayrı / roles are apart"
        if not mixed
        else f"ayrılması gereken roller bir kişide / roles to keep apart: {', '.join(mixed)}"
    )
    yield Check("hesaplar / accounts", fine=True, found=found)
