"""`some seal`, `stamp`, `verify`, `export`: the evidence from the command line and from the pages."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from retention import verify as verifier
from retention.bundle import export_record, export_seal
from retention.finding import Finding, Severity
from retention.proof import Source
from retention.tsa.trust import Trust, TrustAnchors
from retention.verify_times import TimeLimits
from some import audit
from some.actor import local_actor
from some.app import audit_check, wiring
from some.errors import NotFound, SettingsFault, UsageFault
from some.record import RecordRef

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from retention.sealing import SealMade
    from retention.tsa.stamping import StampRound
    from some.actor import Actor
    from some.app.site import Site

_REQUEST = re.compile(r"[^\x00-\x1f\x7f]{0,200}")


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """What `some export` was told: one seal, or one record (its reference as text)."""

    seal: int | None
    record: str
    out: Path
    request_no: str
    purpose: str


def seal(site: Site) -> SealMade:
    """Close and commit now, in the process that owns the archive."""
    with wiring.database(site) as database:
        with database.transaction() as session:
            audit.record(session, site.clock, local_actor(), "seal.ordered")
        wiring.witness(site, database)
    with wiring.open_sink(site) as archive:
        return archive.seal()


def stamp(site: Site) -> StampRound:
    """Stamp every seal that waits."""
    if not site.settings.tsa.url:
        raise SettingsFault("tsa.url: no time-stamping authority is configured; nothing is ever simulated")
    return wiring.stamper(site).stamp_waiting()


def credit(site: Site) -> int | None:
    """Ask the first authority how many stamps are left."""
    configured = wiring.authorities(site)
    if not configured:
        raise SettingsFault("tsa.url: no time-stamping authority is configured")
    return configured[0][0].credit()


def verify(
    site: Site,
    as_of: datetime | None,
    *,
    offline: bool,
    progress: Callable[[verifier.Progress], None] = lambda _: None,
) -> verifier.Verdict:
    """Check the archive from bytes and, unless `offline`, the audit texts of the database against their records."""
    options = verifier.VerifyOptions(
        folder=site.ledger.folder,
        ledger=site.ledger.name,
        as_of=as_of or site.clock.now(),
        trust=joint_trust(site),
        limits=TimeLimits(late=site.settings.tsa.late_s, stamp_interval=site.settings.tsa.interval_s),
        workers=os.cpu_count() or 1,
    )
    if not site.ledger.head.exists():
        note = Finding("archive.empty", Severity.NOTE, site.ledger.name, "there is no ledger here yet")
        return verifier.Verdict(0, 0, (note,))
    verdict = verifier.verify(options, progress)
    if offline:
        return verdict
    with wiring.database(site) as database:
        found = audit_check.compare(database, audit_check.witnesses_of(wiring.reader(site)))
    return verifier.Verdict(verdict.records, verdict.seals, (*verdict.findings, *found))


def proof_source(site: Site) -> Source:
    """Return the ledger to read proofs from; raises NotFound where there is none."""
    return Source.open(site.ledger.folder, site.ledger.name, joint_trust(site), site.clock.now())


def joint_trust(site: Site) -> Trust | None:
    """Return what is believed about all configured authorities together, None where there is none."""
    configured = [trust for _, trust in wiring.authorities(site)]
    if not configured:
        return None
    anchors = [trust.anchors for trust in configured]
    return Trust(
        TrustAnchors(
            tuple(root for one in anchors for root in one.roots),
            tuple(between for one in anchors for between in one.intermediates),
            tuple(crl for one in anchors for crl in one.crls),
            # An authority whose policies are not restricted lets any policy through.
            frozenset().union(*(one.policies for one in anchors))
            if all(one.policies for one in anchors)
            else frozenset(),
        ),
        trial=any(trust.trial for trust in configured),
    )


def told(verdict: verifier.Verdict) -> dict[str, Any]:
    """Return a verdict as the pages keep it: numbers, findings counted by severity, the first fifty in words."""
    findings = verdict.findings
    return {
        "ok": verdict.ok,
        "records": verdict.records,
        "seals": verdict.seals,
        "errors": sum(found.severity is Severity.ERROR for found in findings),
        "warnings": sum(found.severity is Severity.WARNING for found in findings),
        "findings": [
            {"code": found.code, "severity": found.severity.value, "where": found.where, "text": found.text}
            for found in sorted(
                findings, key=lambda found: [Severity.ERROR, Severity.WARNING, Severity.NOTE].index(found.severity)
            )[:50]
        ],
    }


def export(site: Site, order: ExportOrder, actor: Actor | None = None) -> list[str]:
    """Write a bundle and return its file names; who took what for whom is witnessed first."""
    actor = actor or local_actor()
    ref = RecordRef.parse(order.record) if order.record else None
    if not site.ledger.head.exists():
        raise NotFound("there is no ledger here yet")
    with wiring.database(site) as database:
        if not (_REQUEST.fullmatch(order.request_no) and _REQUEST.fullmatch(order.purpose)):
            raise UsageFault("--request-no and --purpose: at most 200 printable characters")
        if not wiring.accounts(site, database).setup_open() and not (order.request_no and order.purpose):
            raise UsageFault("export: --request-no and --purpose are needed once an administrator exists")
        with database.transaction() as session:
            audit.record(
                session, site.clock, actor, "evidence.exported", subject=str(ref) if ref else f"seal {order.seal}",
                request_no=order.request_no, purpose=order.purpose,
            )  # fmt: skip
        wiring.witness(site, database)
    source = proof_source(site)
    made = export_record(source, ref, order.out) if ref else export_seal(source, order.seal or 0, order.out)
    return list(made.files)
