"""The archive behind the port of the pages: status, seals, collectors, proofs, bundles."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from retention import verify_steps
from retention.bundle import export_record, export_seal
from retention.seal_timer import SealTimer
from retention.tsa.reply import read_token
from some.app import jobs, proving, standing, wiring
from some.app.seal_view import SealView, Verified
from some.app.web.ports import (
    ArchiveHealth,
    ArchiveStatus,
    Bundle,
    CollectorRow,
    DiskUse,
    ProofStep,
    RecordPlace,
    SealDetail,
    SealRow,
    SealState,
    StepOutcome,
)
from some.clock import from_text
from some.digest import sha256
from some.errors import SomeError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from some.app.site import Site
    from some.database import Database
    from some.index.engine import Engine
    from some.record import RecordRef, StoredRecord

PIECE = 1024 * 1024
DAY_S = 86400.0
_OUTCOMES = {
    verify_steps.Result.HOLDS: StepOutcome.PROVED,
    verify_steps.Result.FAILS: StepOutcome.FAILED,
    verify_steps.Result.OPEN: StepOutcome.WAITING,
}


class SiteArchive:
    """`ArchiveView` over a site. Shared between threads; opens what it needs for each question."""

    def __init__(self, site: Site, database: Database, engine: Engine) -> None:
        """Read through `site`; `database` holds what the jobs noted, `engine` knows how many records there are."""
        self._site, self._database, self._engine = site, database, engine
        self._reader = wiring.reader(site)
        tsa = site.settings.tsa
        self._seals = SealView(
            self._reader, interval_s=site.settings.seal.interval_s, late_s=tsa.late_s, tsa=tsa.url or None
        )

    def status(self) -> ArchiveStatus:
        """Return the state now; never raises."""
        site = self._site
        running, told = standing.archive_status(site)
        waiting = standing.waiting_stamps(site)
        last, oldest = self._fact(told.get("seals")), self._fact(waiting[0] if waiting else None)
        opened = told.get("open_segments", [])
        verified = self._verified_run()
        return ArchiveStatus(
            ledger=site.ledger.name,
            health=_health(running, told, waiting, last),
            head=last.number if last else None,
            records=self._records(),
            open_segments=len(opened),
            open_records=sum(one["records"] for one in opened),
            open_bytes=sum(one["stored_bytes"] for one in opened),
            open_since=last.closed if last else None,
            last_seal_at=last.closed if last else None,
            next_seal_at=self._next_seal(last) if running else None,
            waiting_stamps=len(waiting),
            waiting_since=oldest.closed if oldest else None,
            stamp_limit_s=site.settings.tsa.late_s,
            tsa=site.settings.tsa.url or None,
            trial=site.clock.simulated or site.settings.tsa.trial,
            key=self._key(),
            disk=self._disk(),
            verified_at=verified.ended_at if verified else None,
            verified_findings=int(verified.told["errors"] + verified.told["warnings"]) if verified else None,
            reason=told.get("chain_fault") or told.get("fault") or self._stamp_fault(),
        )

    def seals(self, start: datetime, end: datetime) -> Sequence[SealRow]:
        """Return seals, gaps and the open one with start <= opened < end, oldest first."""
        rows = self._seals.rows(start, end, self._verified())
        running, told = standing.archive_status(self._site)
        opened = told.get("open_segments", [])
        last = self._fact(told.get("seals"))
        since = last.closed if last and last.closed else self._site.clock.now()
        if running and start <= since < end:
            records = sum(one["records"] for one in opened)
            size = sum(one["stored_bytes"] for one in opened)
            rows.append(SealRow(None, SealState.OPEN, since, None, len(opened), records, size))
        return rows

    def seal(self, number: int) -> SealDetail:
        """Return one seal; raises NotFound."""
        row = self._seals.row(number, self._verified())
        ledger = self._site.ledger
        token = ledger.token(number)
        verified = self._verified()
        return SealDetail(
            row=row,
            manifest=ledger.manifest(number).read_text(encoding="utf-8"),
            previous=number - 1 if number > 1 else None,
            next=number + 1 if ledger.manifest(number + 1).exists() else None,
            key_file=ledger.public_key.name,
            root_fingerprint=self._root_fingerprint(),
            stamp_serial=f"{read_token(token.read_bytes()).serial:x}" if row.stamped_at else None,
            verified_at=verified.at if verified and number <= verified.seals else None,
        )

    def collectors(self) -> Sequence[CollectorRow]:
        """Return every collector, in the order of the settings."""
        told = standing.collectors(self._site)
        settings = self._site.settings.collect
        places = {
            "syslog_udp": f"{settings.syslog_udp.host}:{settings.syslog_udp.port}/udp",
            "syslog_tcp": f"{settings.syslog_tcp.host}:{settings.syslog_tcp.port}/tcp",
            "netflow": f"{settings.netflow.host}:{settings.netflow.port}/udp",
        }
        fresh = bool(told) and (self._site.clock.now() - from_text(told["at"])).total_seconds() < standing.FRESH_S
        return [
            CollectorRow(
                name=one["listener"],
                kind=one["listener"].partition("_")[0],
                record_class=settings.default_class,
                series=one["per_minute"],
                total=one["received"],
                last_record_at=None,
                drops=one["kernel_drops"],
                state="off" if not fresh else "dropping" if one["kernel_drops"] else "ok",
                endpoint=places.get(one["listener"]),
            )
            for one in told.get("collectors", [])
        ]

    def record(self, ref: RecordRef) -> StoredRecord:
        """Return a record as received; raises NotFound, or IntegrityError where the segment is damaged."""
        return self._reader.get(ref)

    def segment_states(self, segments: Collection[int]) -> Mapping[int, SealState]:
        """Return the state of the seal that each segment belongs to; one without a seal is open."""
        verified = self._verified()
        seals = {segment: self._reader.seal_of(segment) for segment in segments}
        return {
            segment: self._seals.row(seal, verified).state if seal else SealState.OPEN
            for segment, seal in seals.items()
        }

    def place(self, ref: RecordRef) -> RecordPlace:
        """Return where `ref` stands; raises NotFound, or IntegrityError where the segment is damaged."""
        stored = self._reader.get(ref)
        seal = self._reader.seal_of(ref.segment)
        return RecordPlace(
            ref=ref,
            record_class=stored.record_class,
            segment_file=self._site.ledger.segment(ref.segment, stored.record_class).name,
            line_digest=sha256(stored.raw).hex,
            size=len(stored.raw),
            seal=self._seals.row(seal, self._verified()) if seal else None,
        )

    def verify_record(self, ref: RecordRef) -> Sequence[ProofStep]:
        """Re-derive line, segment, manifest, stamp from bytes; raises NotFound."""
        self._reader.get(ref)
        if self._reader.seal_of(ref.segment) is None:
            now = self._site.clock.now()
            return [ProofStep("record", StepOutcome.WAITING, str(ref), now, "the record is durable; its seal follows")]
        return self._steps(verify_steps.verify_record(proving.proof_source(self._site), ref))

    def verify_seal(self, number: int) -> Sequence[ProofStep]:
        """Re-derive one seal from bytes; raises NotFound."""
        return self._steps(verify_steps.verify_seal(proving.proof_source(self._site), number))

    def seal_now(self) -> int | None:
        """Close and commit what is open."""
        with wiring.open_sink(self._site) as archive:
            return archive.seal().seal

    def export_record(self, ref: RecordRef) -> Bundle:
        """Return the offline evidence package of one record; raises NotFound."""
        name = f"{str(ref).replace('/', '-')}.zip"
        return _bundle(name, lambda out: export_record(proving.proof_source(self._site), ref, out))

    def export_seal(self, number: int) -> Bundle:
        """Return the offline evidence package of one seal; raises NotFound."""
        name = f"{self._site.ledger.name}-{number:06d}.zip"
        return _bundle(name, lambda out: export_seal(proving.proof_source(self._site), number, out))

    def _steps(self, steps: Sequence[verify_steps.Step]) -> list[ProofStep]:
        now = self._site.clock.now()
        return [ProofStep(step.name.value, _OUTCOMES[step.result], step.scope, now, step.text) for step in steps]

    def _records(self) -> int:
        """Return how many records the archive has, as the index and its lag tell."""
        try:
            found = self._engine.status()
        except SomeError:
            return 0
        return found.documents + found.lag_records

    def _fact(self, number: int | None) -> SealRow | None:
        if not number:
            return None
        try:
            return self._seals.row(number, None)
        except SomeError:
            return None

    def _verified_run(self) -> jobs.JobRun | None:
        try:
            with self._database.reading() as session:
                return jobs.last_run(session, "verify")
        except SomeError:
            return None

    def _verified(self) -> Verified | None:
        run = self._verified_run()
        return Verified(run.started_at, run.told["seals"]) if run and run.told.get("ok") else None

    def _stamp_fault(self) -> str | None:
        try:
            with self._database.reading() as session:
                run = jobs.last_run(session, "stamp")
        except SomeError:
            return None
        return run.told.get("fault") if run else None

    def _next_seal(self, last: SealRow | None) -> datetime:
        now = self._site.clock.now()
        timer = SealTimer(self._site.clock, self._site.settings.seal.interval_s, last.closed if last else None)
        return now + timedelta(seconds=timer.wait_s())

    def _key(self) -> str:
        path = self._site.ledger.public_key
        return sha256(path.read_bytes()).hex if path.exists() else ""

    def _root_fingerprint(self) -> str | None:
        from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 - only where a token is shown

        try:
            trust = proving.joint_trust(self._site)
        except SomeError:
            return None
        return trust.anchors.roots[0].fingerprint(SHA256()).hex() if trust and trust.anchors.roots else None

    def _disk(self) -> DiskUse:
        use = shutil.disk_usage(self._site.folder)
        try:
            with self._database.reading() as session:
                past = jobs.last_run(session, "disk")
        except SomeError:
            past = None
        span = (self._site.clock.now() - past.started_at).total_seconds() if past else 0.0
        growth = int((use.used - past.told["used"]) / span * DAY_S) if past and span > DAY_S / 24 else None
        return DiskUse(use.total, use.used, growth)


def _health(running: bool, told: dict[str, object], waiting: Sequence[int], last: SealRow | None) -> ArchiveHealth:  # noqa: FBT001 - a fact, not a switch
    if told.get("chain_fault") or told.get("damaged") or told.get("state") in {"failed", "disk-full"}:
        return ArchiveHealth.BROKEN
    if not running or told.get("state") == "away":
        return ArchiveHealth.AWAY
    if waiting:
        return ArchiveHealth.WAITING
    return ArchiveHealth.SOUND if last is not None else ArchiveHealth.EMPTY


def _bundle(name: str, write: wiring.WriteBundle) -> Bundle:
    """Make a bundle in a private folder that is gone when the last piece was given away."""
    folder = Path(tempfile.mkdtemp(prefix="some-export-"))
    try:
        write(folder / name)
    except BaseException:
        shutil.rmtree(folder)
        raise

    def pieces() -> Iterator[bytes]:
        try:
            with (folder / name).open("rb") as bundle:
                while piece := bundle.read(PIECE):
                    yield piece
        finally:
            shutil.rmtree(folder)

    return Bundle(name, "application/zip", pieces())
