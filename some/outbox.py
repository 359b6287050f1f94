"""What must be sent or witnessed, written in the same transaction as its cause.

A row is put with its cause and settled by a relay after the other side has it. A relay that dies in between sends the
row again: whoever receives must recognise the identity that the payload carries.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from some.database import Model

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(minutes=10)


class OutboxRow(Model):
    """One thing that waits for a relay, or was relayed (`done_at`, with what the other side said in `result`)."""

    __tablename__ = "outbox"
    __table_args__ = (sa.Index("ix_outbox_kind_done_at", "kind", "done_at", "id"),)

    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
    )
    kind: Mapped[str]
    payload: Mapped[str]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    attempts: Mapped[int] = mapped_column(default=0)
    done_at: Mapped[datetime | None]
    result: Mapped[str | None]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A row as a relay sees it; `attempts` counts those that failed."""

    number: int
    payload: str
    due_at: datetime
    attempts: int


def put(session: Session, kind: str, payload: str, at: datetime) -> None:
    """Let `payload` wait for the relay of `kind`, from the moment this transaction commits."""
    session.add(OutboxRow(kind=kind, payload=payload, created_at=at, due_at=at, attempts=0))


def waiting(session: Session, kind: str, limit: int) -> list[Waiting]:
    """Return up to `limit` rows of `kind` that are not settled, oldest first, due or not."""
    found = session.execute(
        sa.select(OutboxRow.id, OutboxRow.payload, OutboxRow.due_at, OutboxRow.attempts)
        .where(OutboxRow.kind == kind, OutboxRow.done_at.is_(None))
        .order_by(OutboxRow.id)
        .limit(limit)
    )
    return [Waiting(*row) for row in found]


def settle(session: Session, results: Iterable[tuple[int, str]], at: datetime) -> None:
    """Mark rows (number, what the other side answered) as done."""
    changes = [{"id": number, "done_at": at, "result": result} for number, result in results]
    if changes:
        session.execute(sa.update(OutboxRow), changes)


def postpone(session: Session, row: Waiting, at: datetime) -> datetime:
    """Count one failure of `row` and return when it is due again: 2 s, doubling, at most 10 minutes."""
    delay = min(FIRST_DELAY * (1 << min(row.attempts, 20)), LONGEST_DELAY)
    session.execute(
        sa.update(OutboxRow).where(OutboxRow.id == row.number).values(attempts=row.attempts + 1, due_at=at + delay)
    )
    return at + delay


def lease(session: Session, row: Waiting, until: datetime) -> None:
    """Keep other relays away from `row` (and what stands behind it) until `until`; counts as no attempt."""
    session.execute(sa.update(OutboxRow).where(OutboxRow.id == row.number).values(due_at=until))


def count_waiting(session: Session, kind: str) -> int:
    """Return how many rows of `kind` are not settled."""
    return session.scalar(sa.select(sa.func.count()).where(OutboxRow.kind == kind, OutboxRow.done_at.is_(None))) or 0
