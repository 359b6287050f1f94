"""Engine, transactions and the words every table is built from: SQLite by default, PostgreSQL where a site wants it.

A *write* transaction is `BEGIN IMMEDIATE` on SQLite (one writer at a time, `synchronous=FULL`, so a commit is on the
disk when it returns) and READ COMMITTED on PostgreSQL, where `hold` gives the same exclusion by name. Both kinds of
failure keep their meaning: `Unavailable` = nothing happened, try again; `UnknownState` = the commit may or may not have
persisted.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Session

from some.clock import from_text, to_text
from some.durable import PRIVATE, Disk
from some.errors import SettingsFault, Unavailable, UnknownState

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Dialect, Engine

BUSY_TIMEOUT_S = 10
"""How long a writer waits for another one before it gives up with Unavailable."""

_ROOM_BYTES = 6 * 1024 * 1024  # more than the 4 MiB at which SQLite empties its write-ahead log
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcTime(sa.types.TypeDecorator[datetime]):
    """An aware time in UTC with microseconds; 27 characters of RFC 3339 on SQLite, so that text order is time order.

    A naive time is refused with ValueError when it is written, and never comes back.
    """

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> sa.types.TypeEngine[Any]:
        """Return CHAR(27) on SQLite and TIMESTAMP WITH TIME ZONE elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(sa.CHAR(27))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Return what the database stores."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"a stored time is aware: {value!r}"
            raise ValueError(msg)
        return to_text(value) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware time in UTC."""
        del dialect
        if value is None:
            return None
        return from_text(value) if isinstance(value, str) else value.astimezone(UTC)


class Model(DeclarativeBase):
    """What every table's class extends; constraint names follow one convention, so migrations can name them."""

    metadata = sa.MetaData(naming_convention=_NAMING)
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads this attribute from the class and never changes it
        datetime: UtcTime(),
        str: sa.Text(),
    }


class Database:
    """One database and its two kinds of transaction; safe to share between threads, not over a fork."""

    def __init__(self, engine: Engine) -> None:
        """Use `engine` as made by `connect`; opens nothing yet."""
        self.engine = engine
        self._writing = engine
        options = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reading = engine.execution_options(some_reading=True, **options)

    @property
    def is_sqlite(self) -> bool:
        """True where the state is one file."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Yield a session whose changes are durable when the block ends, or gone when it raises.

        Raises Unavailable (locked, full, unreachable: nothing changed) or UnknownState (the commit itself broke off).
        """
        with Session(self._writing, expire_on_commit=False) as session:
            try:
                yield session
                session.flush()
            except OperationalError as error:
                session.rollback()
                raise _unavailable(error) from error
            except BaseException:
                session.rollback()
                raise
            _commit(session)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Yield a session that sees one state of the database and changes nothing; raises Unavailable."""
        with Session(self._reading, expire_on_commit=False, autoflush=False) as session:
            try:
                yield session
            except OperationalError as error:
                raise _unavailable(error) from error

    def keep_room(self) -> None:
        """Let SQLite's files be as large now as some hundred sign-ins need, so that a full disk locks nobody out later.

        Pages that were used and freed stay in the file, and a write-ahead log keeps its size while a connection is
        open; so a long-running program calls this at its start. Raises Unavailable where the disk is full already.
        """
        if not self.is_sqlite:
            return
        with self.transaction() as session:
            session.execute(sa.text("DROP TABLE IF EXISTS kept_room"))
            session.execute(sa.text("CREATE TABLE kept_room (content BLOB)"))
            session.execute(sa.text("INSERT INTO kept_room VALUES (zeroblob(:size))"), {"size": _ROOM_BYTES})
        with self.transaction() as session:
            session.execute(sa.text("DROP TABLE kept_room"))

    def close(self) -> None:
        """Give back all connections."""
        self.engine.dispose()


def connect(url: str) -> Database:
    """Return the database at `url`: `sqlite:////path/some.sqlite` or `postgresql://user@host/name`.

    A missing SQLite file is made with mode 0600, for it holds password hashes. Raises SettingsFault for a URL that
    cannot be used, and for PostgreSQL without the `pg` extra.
    """
    try:
        parsed = sa.make_url(url)
    except sa.exc.ArgumentError as error:
        msg = "the database address is not a URL; expected sqlite:////path/file or postgresql://user@host/name"
        raise SettingsFault(msg) from error
    if parsed.get_backend_name() == "sqlite":
        return Database(_sqlite(parsed))
    if parsed.get_backend_name() == "postgresql":
        return Database(_postgresql(parsed))
    msg = f"a database of kind {parsed.drivername!r} is not known; expected sqlite or postgresql"
    raise SettingsFault(msg)


def sqlite_url(path: Path) -> str:
    """Return the URL of the SQLite file at `path`."""
    return f"sqlite:///{path.absolute()}"


def hold(session: Session, name: str) -> None:
    """Let nobody else past the same `name` until this write transaction ends.

    On SQLite the write transaction already excludes every other one; on PostgreSQL this takes an advisory lock.
    """
    if session.get_bind().dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        session.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def new_id(now: datetime) -> str:
    """Return a new row identity: a UUID version 7 of `now`, so that text order is time order.

    RFC 9562 section 5.7, with the microseconds below the millisecond in front of the random bits (section 6.2, method
    3); what happens in the same 0.25 µs has no order.
    """
    microseconds = (now - _EPOCH) // timedelta(microseconds=1)
    milliseconds, rest = divmod(microseconds, 1000)
    tail = secrets.randbits(62)
    number = (milliseconds & ((1 << 48) - 1)) << 80 | 0x7 << 76 | (rest * 4096 // 1000) << 64 | 0b10 << 62 | tail
    figures = f"{number:032x}"
    return "-".join((figures[:8], figures[8:12], figures[12:16], figures[16:20], figures[20:]))


def _sqlite(url: sa.URL) -> Engine:
    if not url.database or url.database == ":memory:":
        msg = "the state database is a file: sqlite:////path/some.sqlite"
        raise SettingsFault(msg)
    path = Path(url.database)
    Disk().make_folder(path.parent)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE))
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _record: object) -> None:
    """Set what SQLite forgets with each connection; and take transactions out of the driver's hands."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock at once: a transaction that reads first and writes later could otherwise fail half-way."""
    reading = connection.get_execution_options().get("some_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _postgresql(url: sa.URL) -> Engine:
    url = url.set(drivername="postgresql+psycopg")
    try:
        return sa.create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": BUSY_TIMEOUT_S})
    except ModuleNotFoundError as error:
        msg = "PostgreSQL needs the extra 'pg': pip install 'some-platform[pg]'"
        raise SettingsFault(msg) from error


def _commit(session: Session) -> None:
    try:
        session.commit()
    except OperationalError as error:
        session.rollback()
        if error.connection_invalidated or "disk I/O error" in str(error.orig):
            msg = f"the database broke off during a commit: {_cause(error)}"
            raise UnknownState(msg) from error
        raise _unavailable(error) from error


def _unavailable(error: DBAPIError) -> Unavailable:
    return Unavailable(f"the database does not answer: {_cause(error)}")


def _cause(error: DBAPIError) -> str:
    """Return the driver's own first line; the statement and its parameters may hold personal data and stay out."""
    return (str(error.orig).splitlines() or [type(error.orig).__name__])[0]
