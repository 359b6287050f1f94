"""The reply package of a question: its evidence sealed and taken out, the letter written, the whole registered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from reports import package, register
from reports.reply import MOST_EVIDENCE, EvidenceRecord, Reply, Request
from retention.bundle import export_record
from some import audit
from some.actor import Permission
from some.app import proving, wiring
from some.durable import Disk
from some.errors import IntegrityError, NotFound
from some.index import text
from some.record import RecordRef, unescape

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from reports.register import RegisteredQuestion
    from retention.proof import Source
    from some.actor import Actor
    from some.app.site import Site
    from some.database import Database

FOLDER: Final = "replies"


@dataclass(frozen=True, slots=True)
class Made:
    """A package: its number and folder, the digest of its SHA256SUMS, how many records it holds."""

    number: str
    folder: Path
    sums_sha256: str
    records: int


def make(site: Site, database: Database, actor: Actor, question: str) -> Made:
    """Write the package of a question; raises NotPermitted, NotFound, Unavailable, IntegrityError.

    Records that are not sealed yet are sealed first: an unsealed record proves nothing. The number is taken before the
    package is written, so a crash leaves a number without digest, which is shown as unfinished and never used again.
    """
    actor.require(Permission.ATTRIBUTION_ASK)
    actor.require(Permission.RECORDS_EXPORT)
    now = site.clock.now()
    year = now.astimezone(site.zone).year
    with database.transaction() as session:
        asked = register.find_question(session, question)
        number = register.take_number(session, question, actor.id, now, year).number
        audit.record(
            session, site.clock, actor, "reply.made", subject=number, question=question, request_no=asked.request_no,
            purpose=asked.purpose,
        )  # fmt: skip
    wiring.witness(site, database)
    refs = evidence_of(asked.told)
    source = _sealed(site, refs)
    folder = site.folder / FOLDER / number
    disk = Disk()
    disk.make_folder(site.folder / FOLDER)
    disk.make_folder(folder)
    evidence = [_taken(source, folder, place, ref) for place, ref in enumerate(refs[:MOST_EVIDENCE], start=1)]
    reply = _reply(site, number, asked, now=now, evidence=evidence, left_out=len(refs) - len(evidence))
    sums = package.write(reply, folder, disk)
    with database.transaction() as session:
        register.find_reply(session, number).sums_sha256 = sums
        audit.record(session, site.clock, actor, "reply.finished", subject=number, sums_sha256=sums)
    wiring.witness(site, database)
    return Made(number, folder, sums, len(evidence))


def check(site: Site, database: Database, number: str) -> list[str]:
    """Return what is wrong with a registered package now (Turkish sentences): its files, and each record's proof."""
    with database.reading() as session:
        reply = register.find_reply(session, number)
        expected, refs = reply.sums_sha256, evidence_of(register.find_question(session, reply.question).told)
    folder = site.folder / FOLDER / number
    if not expected or not folder.is_dir():
        return [f"{number}: paket tamamlanmamış ya da klasörü yok"]
    wrong = package.faults(folder, expected)
    source = proving.proof_source(site)
    for ref in refs[:MOST_EVIDENCE]:
        try:
            source.record(ref)
        except (IntegrityError, NotFound) as fault:
            wrong.append(f"{ref}: {fault}")
    return wrong


def evidence_of(answer: Mapping[str, Any]) -> list[RecordRef]:
    """Return the records that an answer leans on, each once, in the order of its chain and persons."""
    texts = _references([*answer.get("chain", []), *answer.get("persons", []), *answer.get("periods", [])])
    return [RecordRef.parse(one) for one in dict.fromkeys(texts)]


def _references(parts: Iterable[Mapping[str, Any]]) -> list[str]:
    return [ref for part in parts for ref in part.get("evidence", [])]


def _sealed(site: Site, refs: list[RecordRef]) -> Source:
    """Return the ledger to read proofs from, after sealing what is not sealed yet; raises NotFound."""
    if not refs:
        return proving.proof_source(site)
    try:
        source = proving.proof_source(site)
        for segment in {ref.segment for ref in refs}:
            source.seal_of(segment)
    except NotFound:
        with wiring.open_sink(site) as archive:
            archive.seal()
        return proving.proof_source(site)
    return source


def _taken(source: Source, folder: Path, place: int, ref: RecordRef) -> EvidenceRecord:
    name = f"{package.EVIDENCE}/{place:02d}"
    (folder / package.EVIDENCE).mkdir(mode=0o750, exist_ok=True)
    export_record(source, ref, folder / name)
    proof = source.record(ref)
    received, own, _, line = proof.line.split(b"\t", 3)
    raw = unescape(line)
    return EvidenceRecord(
        number=place,
        ref=str(ref),
        source=own.decode("utf-8", "replace"),
        received_at=datetime.fromisoformat(received.decode("ascii")),
        digest=hashlib.sha256(raw).hexdigest(),
        text=text.decode(raw),
        folder=name,
        seal=proof.sealed.manifest.seal,
        stamped_at=None if proof.sealed.token is None else proof.sealed.token.gen_time,
    )


def _reply(
    site: Site, number: str, asked: RegisteredQuestion, *, now: datetime, evidence: list[EvidenceRecord], left_out: int
) -> Reply:
    return Reply(
        number=number,
        institution=site.settings.institution.name,
        made_at=now,
        zone=site.zone,
        request=Request(asked.request_no, asked.purpose, asked.asked),
        answer=asked.told,
        evidence=evidence,
        trial=site.settings.ledger.trial or site.clock.simulated,
        left_out=left_out,
    )
