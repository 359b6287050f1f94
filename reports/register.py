"""The register of replies: a number for each, never used twice, with the digest of what was handed over."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the annotations of a table when the program runs
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from some.database import Model, hold, new_id
from some.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOCK = "reply_number"


class RegisteredReply(Model):
    """One reply. `sums_sha256` is empty until the package is written; `question` and `answer` are JSON."""

    __tablename__ = "reply"
    __table_args__ = (sa.UniqueConstraint("year", "ordinal"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    year: Mapped[int]
    ordinal: Mapped[int]
    request_no: Mapped[str] = mapped_column(index=True)
    purpose: Mapped[str]
    asked_by: Mapped[str]
    made_at: Mapped[datetime]
    question: Mapped[str]
    verdict: Mapped[str]
    answer: Mapped[str]
    sums_sha256: Mapped[str] = mapped_column(default="")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is entered when a number is taken."""

    request_no: str
    purpose: str
    asked_by: str
    made_at: datetime
    year: int
    question: Mapping[str, Any]
    answer: Mapping[str, Any]


def take_number(session: Session, entry: Entry) -> RegisteredReply:
    """Enter a reply under the next number of its year (`CVP-2026-0001`) and return its row."""
    hold(session, _LOCK)
    last = session.scalar(sa.select(sa.func.max(RegisteredReply.ordinal)).where(RegisteredReply.year == entry.year))
    ordinal = (last or 0) + 1
    row = RegisteredReply(
        id=new_id(entry.made_at),
        number=f"CVP-{entry.year}-{ordinal:04d}",
        year=entry.year,
        ordinal=ordinal,
        request_no=entry.request_no,
        purpose=entry.purpose,
        asked_by=entry.asked_by,
        made_at=entry.made_at,
        question=json.dumps(entry.question, ensure_ascii=False),
        verdict=str(entry.answer["verdict"]),
        answer=json.dumps(entry.answer, ensure_ascii=False),
        sums_sha256="",
    )
    session.add(row)
    session.flush()
    return row


def find(session: Session, number: str) -> RegisteredReply:
    """Return the reply of that number; raises NotFound."""
    row = session.scalar(sa.select(RegisteredReply).where(RegisteredReply.number == number))
    if row is None:
        msg = f"there is no reply {number!r}"
        raise NotFound(msg)
    return row


def latest(session: Session, limit: int = 100) -> list[RegisteredReply]:
    """Return the newest replies, newest first."""
    order = sa.desc(RegisteredReply.year), sa.desc(RegisteredReply.ordinal)
    return list(session.scalars(sa.select(RegisteredReply).order_by(*order).limit(limit)))
