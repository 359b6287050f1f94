"""The registers of questions and of replies: a number for each, never used twice.

A question keeps what was asked, for whom, why, and the answer as it was given; a reply is the package that left the
house for one question, with the digest of its SHA256SUMS.
"""

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
    from collections.abc import Mapping, Sequence

_LOCK = "reply_number"


class RegisteredQuestion(Model):
    """One question of attribution with its answer; both as JSON."""

    __tablename__ = "question"
    __table_args__ = (sa.UniqueConstraint("year", "ordinal"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    year: Mapped[int]
    ordinal: Mapped[int]
    request_no: Mapped[str] = mapped_column(index=True)
    purpose: Mapped[str]
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    question: Mapped[str]
    verdict: Mapped[str]
    answer: Mapped[str]

    @property
    def asked(self) -> dict[str, Any]:
        """The question as it was given."""
        asked: dict[str, Any] = json.loads(self.question)
        return asked

    @property
    def told(self) -> dict[str, Any]:
        """The answer as it was given."""
        told: dict[str, Any] = json.loads(self.answer)
        return told


class RegisteredReply(Model):
    """One package. `sums_sha256` is empty until it is written whole."""

    __tablename__ = "reply"
    __table_args__ = (sa.UniqueConstraint("year", "ordinal"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[str] = mapped_column(unique=True)
    year: Mapped[int]
    ordinal: Mapped[int]
    question: Mapped[str] = mapped_column(sa.ForeignKey("question.number"), index=True)
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    sums_sha256: Mapped[str] = mapped_column(default="")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is entered of one question; `verdict` is the answer's, or empty for one that has none."""

    request_no: str
    purpose: str
    asked_by: str
    asked_at: datetime
    year: int
    question: Mapping[str, Any]
    answer: Mapping[str, Any]


def enter(session: Session, entries: Sequence[Entry]) -> list[RegisteredQuestion]:
    """Enter questions under the next numbers of their year (`SRG-2026-0001`), in order."""
    hold(session, _LOCK)
    last: dict[int, int] = {}
    rows = []
    for one in entries:
        if one.year not in last:
            last[one.year] = _last(session, RegisteredQuestion, one.year)
        last[one.year] += 1
        rows.append(
            RegisteredQuestion(
                id=new_id(one.asked_at),
                number=f"SRG-{one.year}-{last[one.year]:04d}",
                year=one.year,
                ordinal=last[one.year],
                request_no=one.request_no,
                purpose=one.purpose,
                asked_by=one.asked_by,
                asked_at=one.asked_at,
                question=json.dumps(one.question, ensure_ascii=False),
                verdict=str(one.answer.get("verdict", "")),
                answer=json.dumps(one.answer, ensure_ascii=False),
            )
        )
    session.add_all(rows)
    session.flush()
    return rows


def take_number(session: Session, question: str, made_by: str, made_at: datetime, year: int) -> RegisteredReply:
    """Enter a reply to a question under the next number of its year (`CVP-2026-0001`); raises NotFound."""
    hold(session, _LOCK)
    find_question(session, question)
    ordinal = _last(session, RegisteredReply, year) + 1
    row = RegisteredReply(
        id=new_id(made_at),
        number=f"CVP-{year}-{ordinal:04d}",
        year=year,
        ordinal=ordinal,
        question=question,
        made_by=made_by,
        made_at=made_at,
        sums_sha256="",
    )
    session.add(row)
    session.flush()
    return row


def find_question(session: Session, number: str) -> RegisteredQuestion:
    """Return the question of that number; raises NotFound."""
    row = session.scalar(sa.select(RegisteredQuestion).where(RegisteredQuestion.number == number))
    if row is None:
        msg = f"there is no question {number!r}"
        raise NotFound(msg)
    return row


def find_reply(session: Session, number: str) -> RegisteredReply:
    """Return the reply of that number; raises NotFound."""
    row = session.scalar(sa.select(RegisteredReply).where(RegisteredReply.number == number))
    if row is None:
        msg = f"there is no reply {number!r}"
        raise NotFound(msg)
    return row


def of_request(session: Session, request_no: str, limit: int = 100) -> list[RegisteredQuestion]:
    """Return the newest questions of one request, newest first."""
    asked = sa.select(RegisteredQuestion).where(RegisteredQuestion.request_no == request_no)
    return list(session.scalars(asked.order_by(RegisteredQuestion.id.desc()).limit(limit)))


def replies_to(session: Session, question: str) -> list[RegisteredReply]:
    """Return the packages made for a question, oldest first."""
    asked = sa.select(RegisteredReply).where(RegisteredReply.question == question)
    return list(session.scalars(asked.order_by(RegisteredReply.id)))


def latest_replies(session: Session, limit: int = 100) -> list[RegisteredReply]:
    """Return the newest packages, newest first."""
    return list(session.scalars(sa.select(RegisteredReply).order_by(RegisteredReply.id.desc()).limit(limit)))


def _last(session: Session, table: type[RegisteredQuestion | RegisteredReply], year: int) -> int:
    return session.scalar(sa.select(sa.func.max(table.ordinal)).where(table.year == year)) or 0
