"""Compares the audit text in the database with its witness in the archive.

Both are needed: the archive proves that nobody changed the text, the text says what the digest stands for. A duplicate
of one entry is fine (a relay that died between appending and marking), an entry that waits to be archived is a note;
everything else that does not fit is an error, because somebody took away, invented or changed something.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import sqlalchemy as sa

from retention.finding import Finding, Severity
from some import audit
from some.audit import AuditEntry
from some.index.runs import runs
from some.outbox import OutboxRow
from some.record import Cursor, RecordRef, unescape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from some.database import Database
    from some.record import RecordReader

_BATCH = 500
_READ_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Witness:
    """One audit record of the archive: where it stands, and its message."""

    ref: RecordRef
    message: bytes


@dataclass(slots=True)
class _Tally:
    """What the archive was seen to hold."""

    findings: list[Finding] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    repeated: int = 0


def compare(database: Database, witnesses: Iterable[Witness]) -> list[Finding]:
    """Return what does not fit between the database and the audit records `witnesses` (the whole archive's).

    Hand over an iterator that starts reading only here: entries that were marked as archived before must be among the
    witnesses, and what is archived while this runs does not disturb it. Codes: `audit.unreadable`,
    `audit.text_missing`, `audit.digest_mismatch`, `audit.record_missing`, `audit.entry_lost` and
    `audit.outbox_missing` are errors, `audit.waiting` and `audit.repeated` notes.
    """
    archived, lost, waiting, orphans = _rows(database)
    tally = _Tally()
    for batch in _in_batches(witnesses):
        _judge(database, batch, tally)
    for entry in sorted(archived.keys() - tally.seen):
        text = f"the entry is marked as archived at {archived[entry]}, but no record of it was found"
        tally.findings.append(Finding("audit.record_missing", Severity.ERROR, entry, text))
    for entry in lost:
        text = "the entry vanished from the database before it was archived"
        tally.findings.append(Finding("audit.entry_lost", Severity.ERROR, entry, text))
    for entry in sorted(orphans - tally.seen):
        text = "the entry was neither archived nor does it wait to be: its outbox row is gone"
        tally.findings.append(Finding("audit.outbox_missing", Severity.ERROR, entry, text))
    if tally.repeated:
        text = f"{tally.repeated} records repeat an entry that was archived before; a relay was interrupted"
        tally.findings.append(Finding("audit.repeated", Severity.NOTE, "archive", text))
    if waiting:
        text = f"{waiting} entries are not yet archived"
        tally.findings.append(Finding("audit.waiting", Severity.NOTE, "database", text))
    return tally.findings


def witnesses_of(reader: RecordReader) -> Iterator[Witness]:
    """Yield every audit record that `reader` can read; a damaged segment is the verifier's finding, not ours."""
    everything = runs(reader, Cursor(), max_bytes=_READ_BYTES, damaged=lambda _: None, classes=frozenset({audit.AUDIT}))
    for run in everything:
        if run.record_class != audit.AUDIT:
            continue
        for place, line in enumerate(run.lines.splitlines()):
            _, source, _, message = line.split(b"\t", 3)
            if source == audit.SOURCE.encode():
                yield Witness(RecordRef(run.ledger, run.segment, run.first + place), unescape(message))


def _rows(database: Database) -> tuple[dict[str, str], list[str], int, set[str]]:
    """Return archived entries with their REF, lost ones, how many wait, and entries without an outbox row."""
    with database.reading() as session:
        found = session.execute(
            sa.select(OutboxRow.payload, OutboxRow.done_at, OutboxRow.result).where(OutboxRow.kind == audit.OUTBOX_KIND)
        )
        archived: dict[str, str] = {}
        lost: list[str] = []
        waiting = 0
        for entry, done_at, result in found:
            if done_at is None:
                waiting += 1
            elif result == audit.ENTRY_LOST:
                lost.append(entry)
            else:
                archived[entry] = result or ""
        has_row = sa.exists().where(OutboxRow.kind == audit.OUTBOX_KIND, OutboxRow.payload == AuditEntry.id)
        orphans = set(session.scalars(sa.select(AuditEntry.id).where(~has_row)))
    return archived, lost, waiting, orphans


def _judge(database: Database, batch: Sequence[Witness], tally: _Tally) -> None:
    """Compare some records with their entries."""
    told: list[tuple[Witness, str, dict[str, str]]] = []
    for witness in batch:
        content = _content(witness.message)
        if content is None:
            text = "the audit record is not one JSON object with entry, kind, time, actor and digest"
            tally.findings.append(Finding("audit.unreadable", Severity.ERROR, str(witness.ref), text))
        else:
            told.append((witness, content["entry"], content))
    with database.reading() as session:
        wanted = {entry for _, entry, _ in told}
        rows = {row.id: row for row in session.scalars(sa.select(AuditEntry).where(AuditEntry.id.in_(wanted)))}
        for witness, entry, content in told:
            tally.repeated += entry in tally.seen
            tally.seen.add(entry)
            row = rows.get(entry)
            if row is None:
                text = f"the record tells of entry {entry} ({content['kind']}), which the database does not hold"
                tally.findings.append(Finding("audit.text_missing", Severity.ERROR, str(witness.ref), text))
            elif audit.line_of(row) != witness.message:
                text = f"the text of entry {entry} ({content['kind']}) is not the one that was archived"
                tally.findings.append(Finding("audit.digest_mismatch", Severity.ERROR, str(witness.ref), text))


def _content(message: bytes) -> dict[str, str] | None:
    try:
        content = json.loads(message)
    except ValueError:
        return None
    if not isinstance(content, dict) or set(content) != {"entry", "kind", "time", "actor", "digest"}:
        return None
    return content if all(isinstance(value, str) for value in content.values()) else None


def _in_batches(witnesses: Iterable[Witness]) -> Iterator[list[Witness]]:
    batch: list[Witness] = []
    for witness in witnesses:
        batch.append(witness)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
