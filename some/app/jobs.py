"""What scheduled jobs did: the truth stands in rows, not in a scheduler's memory."""

from __future__ import annotations

import json
from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the annotations of a table when the program runs
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, Session, mapped_column

from some.database import Model, new_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from some.clock import Clock
    from some.database import Database

KEPT_RUNS = 500
"""Rows kept of one job; older ones go when a new one comes."""


class JobRun(Model):
    """One run of one job: when, how it ended, and its result as JSON."""

    __tablename__ = "job_run"
    __table_args__ = (sa.Index("ix_job_run_job", "job", "started_at"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    job: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str]
    result: Mapped[str]

    @property
    def told(self) -> dict[str, Any]:
        """The result as it was given."""
        told: dict[str, Any] = json.loads(self.result)
        return told


def run_and_note(database: Database, clock: Clock, job: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run `work` and write its row: `outcome` is done or failed. Its errors are raised again after they are noted."""
    started_at = clock.now()
    outcome, result = "failed", {}
    try:
        result = work()
        outcome = "done"
    finally:
        with database.transaction() as session:
            session.add(
                JobRun(
                    id=new_id(started_at),
                    job=job,
                    started_at=started_at,
                    ended_at=clock.now(),
                    outcome=outcome,
                    result=json.dumps(result, ensure_ascii=False),
                )
            )
            _forget(session, job)
    return result


def last_run(session: Session, job: str, outcome: str = "done") -> JobRun | None:
    """Return the newest run of `job` that ended so, None where there is none."""
    wanted = sa.select(JobRun).where(JobRun.job == job, JobRun.outcome == outcome)
    return session.scalar(wanted.order_by(JobRun.started_at.desc()).limit(1))


def _forget(session: Session, job: str) -> None:
    newest = sa.select(JobRun.id).where(JobRun.job == job).order_by(JobRun.started_at.desc()).limit(KEPT_RUNS)
    session.execute(sa.delete(JobRun).where(JobRun.job == job, JobRun.id.not_in(newest)))
