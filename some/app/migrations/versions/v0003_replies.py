"""The register of replies to authorities."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from some.database import UtcTime

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TEXTS = ("request_no", "purpose", "asked_by")


def upgrade() -> None:
    """Make the table of replies."""
    op.create_table(
        "reply",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("ordinal", sa.Integer(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in _TEXTS),
        sa.Column("made_at", UtcTime(), nullable=False),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("question", "verdict", "answer", "sums_sha256")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reply")),
        sa.UniqueConstraint("number", name=op.f("uq_reply_number")),
        sa.UniqueConstraint("year", "ordinal", name=op.f("uq_reply_year")),
    )
    op.create_index("ix_reply_request_no", "reply", ["request_no"], unique=False)
