"""Every table of the platform. A room that has tables is named here, and the migration test finds what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports import register as replies
from some import audit, outbox
from some.app import jobs
from some.app.accounts import models as accounts
from some.database import Model

if TYPE_CHECKING:
    from types import ModuleType

    import sqlalchemy as sa

ROOMS: tuple[ModuleType, ...] = (outbox, audit, accounts, jobs, replies)
"""The modules whose import registers their tables."""


def all_tables() -> sa.MetaData:
    """Return the tables of all rooms as the models describe them."""
    return Model.metadata
