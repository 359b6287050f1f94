"""Who did what: the text in the database, its witness in the archive.

`record` writes the entry and an outbox row in the caller's transaction. `relay` appends one line for each entry to the
archive: {"entry","kind","time","actor","digest"}, with the entry id as its idempotency key. The digest is salted, so
the archive holds no personal text and a text erased by law cannot be guessed back from it.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from some import outbox
from some.canonical import dumps
from some.clock import to_text
from some.database import Model, hold, new_id
from some.diagnostics import named
from some.errors import IntegrityError, Unavailable, UnknownState
from some.record import RecordBlock, RecordClass, RecordRef, escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from some.actor import Actor
    from some.clock import Clock
    from some.database import Database
    from some.record import Sink

AUDIT = RecordClass("audit")
SOURCE = "some"
OUTBOX_KIND = "audit"
BATCH = 500
ENTRY_LOST = "entry.lost"
"""What an outbox row says when its entry has vanished before it was archived; `audit_check` makes it an error."""

_APPEND_LIMIT_S = 60.0

Fact = str | int | float | bool | None
"""What a fact may be; lists and trees belong into the record that the fact points at."""


class AuditEntry(Model):
    """One act. Never changed after it is written; `salt` is 32 random bytes in hexadecimal."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        sa.Index("ix_audit_entry_at", "at", "id"),
        sa.Index("ix_audit_entry_subject", "subject", "at"),
        sa.Index("ix_audit_entry_actor", "actor", "at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    at: Mapped[datetime]
    actor: Mapped[str]
    actor_kind: Mapped[str]
    actor_name: Mapped[str]
    subject: Mapped[str]
    facts: Mapped[str]
    salt: Mapped[str]

    @property
    def told(self) -> dict[str, Fact]:
        """The facts as they were given."""
        told: dict[str, Fact] = json.loads(self.facts)
        return told


@dataclass(frozen=True, slots=True)
class AuditQuestion:
    """Which entries to list, newest first; `kind` matches itself and everything below it (`account` → `account.…`)."""

    kind: str = ""
    actor: str = ""
    subject: str = ""
    before: str = ""
    limit: int = 50


def record(session: Session, clock: Clock, actor: Actor, kind: str, /, *, subject: str = "", **facts: Fact) -> str:
    """Write that `actor` did `kind` (dotted, past tense) to `subject`, with its outbox row; return the entry id.

    Call it in the transaction that changes what the entry tells of: both persist, or neither. Facts are never secrets.
    """
    now = clock.now()
    entry = AuditEntry(
        id=new_id(now),
        kind=kind,
        at=now,
        actor=actor.id,
        actor_kind=actor.kind.value,
        actor_name=actor.name,
        subject=subject,
        facts=dumps(facts).decode(),
        salt=secrets.token_hex(32),
    )
    session.add(entry)
    outbox.put(session, OUTBOX_KIND, entry.id, now)
    return entry.id


def listed(session: Session, question: AuditQuestion) -> list[AuditEntry]:
    """Return the entries that `question` asks for, newest first; `before` is the id of the last one already seen.

    The text is for who may `records.read_audit`; the caller asks.
    """
    wanted = sa.select(AuditEntry).order_by(AuditEntry.at.desc(), AuditEntry.id.desc()).limit(question.limit)
    if question.kind:
        kind = question.kind
        wanted = wanted.where(sa.or_(AuditEntry.kind == kind, AuditEntry.kind.startswith(f"{kind}.", autoescape=True)))
    if question.actor:
        wanted = wanted.where(AuditEntry.actor == question.actor)
    if question.subject:
        wanted = wanted.where(AuditEntry.subject == question.subject)
    last = session.get(AuditEntry, question.before) if question.before else None
    if last is not None:
        older = sa.and_(AuditEntry.at == last.at, AuditEntry.id < last.id)
        wanted = wanted.where(sa.or_(AuditEntry.at < last.at, older))
    return list(session.scalars(wanted))


def digest_of(entry: AuditEntry) -> str:
    """Return `sha256:<hex>` of salt ‖ RFC 8785 text of everything that the entry says."""
    text = dumps(
        {
            "entry": entry.id,
            "kind": entry.kind,
            "time": to_text(entry.at),
            "actor": entry.actor,
            "actor_kind": entry.actor_kind,
            "actor_name": entry.actor_name,
            "subject": entry.subject,
            "facts": entry.facts,
        }
    )
    return f"sha256:{hashlib.sha256(bytes.fromhex(entry.salt) + text).hexdigest()}"


def line_of(entry: AuditEntry) -> bytes:
    """Return the record's message as it stands in the archive, without LF."""
    return dumps(
        {
            "entry": entry.id,
            "kind": entry.kind,
            "time": to_text(entry.at),
            "actor": entry.actor,
            "digest": digest_of(entry),
        }
    )


def block_of(entries: Sequence[AuditEntry], received_at: datetime) -> RecordBlock:
    """Return `entries` (at least one) as one block of class audit."""
    origin = f"audit:{entries[0].id}" if len(entries) == 1 else "audit:batch"
    payload = b"".join(escape(line_of(entry)) + b"\n" for entry in entries)
    return RecordBlock(received_at, SOURCE, origin, AUDIT, payload, len(entries))


def relay(database: Database, sink: Sink, clock: Clock) -> int:
    """Append the entries that wait, in order, and return how many became durable.

    A row is marked done with its REF after the archive has it. A crash between appends it again under the same entry
    id, which is allowed; a relay that runs beside another finds nothing to do. When the archive refuses, or cannot say,
    the rows wait: 2 s, doubling, at most 10 minutes.
    """
    relayed = 0
    while (count := _relay_batch(database, sink, clock)) == BATCH:
        relayed += count
    return relayed + count


def _relay_batch(database: Database, sink: Sink, clock: Clock) -> int:
    now = clock.now()
    with database.reading() as session:
        if not _due(session, 1, now):
            return 0
    with database.transaction() as session:
        hold(session, "audit.relay")
        rows = _due(session, BATCH, now)
        if not rows:
            return 0
        outbox.lease(session, rows[0], now + timedelta(seconds=_APPEND_LIMIT_S))
        found = session.scalars(sa.select(AuditEntry).where(AuditEntry.id.in_([row.payload for row in rows])))
        by_id = {entry.id: entry for entry in found}
    lost = [row for row in rows if row.payload not in by_id]
    if lost:
        return _settle_lost(database, lost, now)
    try:
        appended = sink.submit(block_of([by_id[row.payload] for row in rows], now)).result(_APPEND_LIMIT_S)
    except (Unavailable, UnknownState, TimeoutError) as error:
        with database.transaction() as session:
            due = outbox.postpone(session, rows[0], now)
        named("audit").warning("audit.relay_postponed", cause=str(error), waiting=len(rows), due=to_text(due))
        return 0
    if appended.records != len(rows):
        msg = f"the archive took {appended.records} audit records where {len(rows)} were handed over"
        raise IntegrityError(msg)
    first = appended.first
    references = [RecordRef(first.ledger, first.segment, first.position + place) for place in range(len(rows))]
    with database.transaction() as session:
        outbox.settle(session, [(row.number, str(ref)) for row, ref in zip(rows, references, strict=True)], clock.now())
    return len(rows)


def _due(session: Session, limit: int, now: datetime) -> list[outbox.Waiting]:
    """Return what waits, oldest first; nothing while the oldest is not due, for order is kept."""
    rows = outbox.waiting(session, OUTBOX_KIND, limit)
    return rows if rows and rows[0].due_at <= now else []


def _settle_lost(database: Database, lost: Sequence[outbox.Waiting], now: datetime) -> int:
    """Mark rows whose entry somebody took away, so that the rest can go on; the check reports them as errors."""
    named("audit").error("audit.entry_lost", entries=[row.payload for row in lost])
    with database.transaction() as session:
        outbox.settle(session, [(row.number, ENTRY_LOST) for row in lost], now)
    return 0
