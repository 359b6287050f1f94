"""Brings the state database to the newest version; every process does it at its start.

All steps run in one transaction that excludes other writers, so two processes that start together cannot both migrate,
and a step that fails leaves the database as it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from some.diagnostics import named
from some.errors import IntegrityError, SettingsFault, Unavailable

if TYPE_CHECKING:
    from alembic.config import Config
    from sqlalchemy.engine import Connection

    from some.database import Database

HEAD = "0003"
"""The newest version; a test compares it with the files, so that a start need not load Alembic to know it."""

_LOCK = 0x534F4D45
"""Key of PostgreSQL's advisory lock: the bytes of SOME."""


@dataclass(frozen=True, slots=True)
class Migrated:
    """From which version (None: an empty database) to which."""

    before: str | None
    after: str


def migrate(database: Database) -> Migrated:
    """Bring `database` to `HEAD`; raises Unavailable, or SettingsFault where a newer program wrote it."""
    try:
        before = _version(database)
        if before == HEAD:
            return Migrated(before, HEAD)
        with database.engine.connect() as connection:
            return _climb(connection)
    except OperationalError as error:
        msg = f"the database cannot be migrated now: {error.orig}"
        raise Unavailable(msg) from error


def _version(database: Database) -> str | None:
    with database.engine.connect() as connection:
        return _version_on(connection)


def _version_on(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    version: str | None = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return version


def _climb(connection: Connection) -> Migrated:
    from alembic import command  # noqa: PLC0415 - a quarter second that only a new version should cost
    from alembic.util import CommandError  # noqa: PLC0415 - as above

    sqlite = connection.dialect.name == "sqlite"
    if sqlite:
        _foreign_keys(connection, "OFF")  # a table made anew would otherwise take its dependants along
    try:
        with connection.begin():
            if not sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            before = _version_on(connection)
            if before != HEAD:
                command.upgrade(configuration(connection), "head")
                _check_references(connection)
    except CommandError as error:
        msg = f"the database is of version {before}, which this program does not know; install the newer program"
        raise SettingsFault(msg) from error
    finally:
        if sqlite:
            _foreign_keys(connection, "ON")
    named("database").info("database.migrated", before=before, after=HEAD)
    return Migrated(before, HEAD)


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for `connection`; also what a developer's `alembic revision` needs."""
    from alembic.config import Config  # noqa: PLC0415 - as above

    made = Config()
    made.set_main_option("script_location", str(Path(__file__).parent))
    made.attributes["connection"] = connection
    return made


def _foreign_keys(connection: Connection, state: str) -> None:
    """Set the pragma on the driver's own connection: inside a transaction SQLite ignores it."""
    driver: Any = connection.connection.driver_connection
    driver.execute(f"PRAGMA foreign_keys = {state}")


def _check_references(connection: Connection) -> None:
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        msg = f"a migration would break {len(broken)} references, first in {broken[0][0]}; nothing was changed"
        raise IntegrityError(msg)
