"""The registers of questions and of replies to authorities."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from some.database import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def _numbered(table: str) -> list[sa.Column[int] | sa.Constraint]:
    return [
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("number", name=op.f(f"uq_{table}_number")),
        sa.UniqueConstraint("year", "ordinal", name=op.f(f"uq_{table}_year_ordinal")),
    ]


def upgrade() -> None:
    """Make the tables of questions and replies."""
    op.create_table(
        "question",
        *_texts("id", "number", "request_no", "purpose", "asked_by", "question", "verdict", "answer"),
        sa.Column("asked_at", UtcTime(), nullable=False),
        *_numbered("question"),
    )
    op.create_index("ix_question_request_no", "question", ["request_no"], unique=False)
    op.create_table(
        "reply",
        *_texts("id", "number", "question", "made_by", "sums_sha256"),
        sa.Column("made_at", UtcTime(), nullable=False),
        *_numbered("reply"),
        sa.ForeignKeyConstraint(["question"], ["question.number"], name=op.f("fk_reply_question_question")),
    )
    op.create_index("ix_reply_question", "reply", ["question"], unique=False)
