"""Transactions, times and migrations mean the same on SQLite and on PostgreSQL."""

from __future__ import annotations

import stat
import threading
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError, StatementError

from some import outbox
from some.app.accounts.models import Account, AccountRole
from some.app.migrations import run
from some.app.migrations.tables import ROOMS, all_tables
from some.database import connect, hold, new_id, sqlite_url
from some.errors import SettingsFault, Unavailable

AT = datetime(2026, 11, 23, 9, 0, 0, 123456, tzinfo=UTC)


def _account(name: str, at: datetime = AT) -> Account:
    return Account(id=new_id(AT), name=name, display_name=name, created_at=at)


def test_models_and_migrations_describe_the_same_tables(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, all_tables()) == []


def test_every_module_with_tables_is_named_in_the_migrations():
    root = Path(run.__file__).parents[3]
    floors = [path for floor in ("some", "reports") for path in (root / floor).rglob("*.py")]
    texts = [path for path in floors if "(Model)" in path.read_text(encoding="utf-8")]
    named = {Path(room.__file__) for room in ROOMS}
    assert set(texts) == named


def test_head_is_the_newest_file():
    script = ScriptDirectory.from_config(run.configuration(None))
    assert script.get_heads() == [run.HEAD]
    assert len(list(script.walk_revisions())) == len(list((Path(run.__file__).parent / "versions").glob("v*.py")))


def test_migrating_twice_changes_nothing(empty_database):
    assert run.migrate(empty_database) == run.Migrated(None, run.HEAD)
    assert run.migrate(empty_database) == run.Migrated(run.HEAD, run.HEAD)


def test_at_head_alembic_is_not_needed(database, monkeypatch):
    monkeypatch.setattr(run, "_climb", lambda connection: pytest.fail("climbed"))
    assert run.migrate(database).before == run.HEAD


def test_several_programs_may_start_at_once(empty_database):
    results = []
    threads = [threading.Thread(target=lambda: results.append(run.migrate(empty_database))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 3
    assert {result.after for result in results} == {run.HEAD}


def test_a_database_of_a_newer_program_is_left_alone(database):
    with database.engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SettingsFault, match="9999"):
        run.migrate(database)


def test_a_failed_step_leaves_the_database_as_it_was(empty_database, monkeypatch):
    def refuse(connection):
        raise IntegrityError("no", None, Exception("no"))

    monkeypatch.setattr(run, "_check_references", refuse)
    with pytest.raises(IntegrityError):
        run.migrate(empty_database)
    with empty_database.engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []


def test_an_error_in_a_transaction_takes_everything_back(database):
    def broken():
        with database.transaction() as session:
            session.add(_account("ali"))
            session.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    with database.reading() as session:
        assert session.scalars(sa.select(Account)).all() == []


def test_references_are_enforced(database):
    with pytest.raises(IntegrityError), database.transaction() as session:
        session.add(AccountRole(account_id="nobody", role="analist"))


def test_times_come_back_aware_and_exact(database):
    here = AT.astimezone(timezone(timedelta(hours=3)))
    with database.transaction() as session:
        session.add(_account("ali", here))
    with database.reading() as session:
        found = session.scalars(sa.select(Account.created_at)).one()
        assert session.scalar(sa.select(sa.func.count()).where(Account.created_at <= AT)) == 1
        assert session.scalar(sa.select(sa.func.count()).where(Account.created_at < AT)) == 0
    assert found == AT
    assert found.tzinfo is UTC


def test_a_naive_time_is_refused(database):
    with pytest.raises(StatementError, match="aware"), database.transaction() as session:
        session.add(_account("ali", AT.replace(tzinfo=None)))


def test_a_second_writer_waits_for_the_first(database):
    """Two transactions that read a number and write it back plus one must both count."""
    with database.transaction() as session:
        outbox.put(session, "count", "0", AT)

    def raise_by_one():
        for _ in range(5):
            with database.transaction() as session:
                hold(session, "count")
                row = session.scalars(sa.select(outbox.OutboxRow)).one()
                row.payload = str(int(row.payload) + 1)

    threads = [threading.Thread(target=raise_by_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert session.scalars(sa.select(outbox.OutboxRow.payload)).one() == "20"


def test_a_reader_sees_one_state_and_does_not_wait(database):
    with database.reading() as reading:
        assert reading.scalar(sa.select(sa.func.count(Account.id))) == 0
        with database.transaction() as session:
            session.add(_account("ali"))
        assert reading.scalar(sa.select(sa.func.count(Account.id))) == 0
    with database.reading() as reading:
        assert reading.scalar(sa.select(sa.func.count(Account.id))) == 1


def test_sqlite_is_private_durable_and_strict_about_references(tmp_path):
    path = tmp_path / "state" / "some.sqlite"
    database = connect(sqlite_url(path))
    with database.engine.connect() as connection:
        asked = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in PRAGMAS}
    database.close()
    assert asked == PRAGMAS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_locked_database_is_unavailable(tmp_path, monkeypatch):
    monkeypatch.setattr("some.database.BUSY_TIMEOUT_S", 0)
    first, second = (connect(sqlite_url(tmp_path / "some.sqlite")) for _ in range(2))
    run.migrate(first)
    with first.transaction() as session:
        session.add(_account("ali"))
        session.flush()
        with pytest.raises(Unavailable, match="locked"), second.transaction() as other:
            other.add(_account("veli"))
    first.close()
    second.close()


@pytest.mark.parametrize("url", ["nonsense", "sqlite://", "sqlite:///:memory:", "mysql://x/y"])
def test_an_address_that_cannot_be_used_is_named(url):
    with pytest.raises(SettingsFault):
        connect(url)


def test_without_the_extra_postgresql_says_what_to_install(monkeypatch):
    def missing(*_, **__):
        raise ModuleNotFoundError("psycopg")

    monkeypatch.setattr(sa, "create_engine", missing)
    with pytest.raises(SettingsFault, match="'pg'"):
        connect("postgresql://some@db.example.org/some")


@given(st.datetimes(min_value=datetime(1970, 1, 1), max_value=datetime(9999, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - Hypothesis wants naive bounds
def test_an_id_is_a_uuid_of_version_7_that_sorts_by_time(moment):
    made = uuid.UUID(new_id(moment))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    later = moment + timedelta(microseconds=1)
    assert str(made) < new_id(later)


def test_at_head_a_start_costs_little(database):
    """Not a promise about speed, but about work: two statements, no Alembic."""
    seen = []
    sa.event.listen(database.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    begun = time.process_time()
    run.migrate(database)
    print(f"at head: {(time.process_time() - begun) * 1000:.1f} ms, {len(seen)} statements")  # noqa: T201 - a measurement
    assert sum("alembic_version" in statement for statement in seen) <= 3


def test_the_history_can_be_climbed_from_every_version(empty_database, monkeypatch):
    """A database that an older program left is brought to the same tables, its rows kept."""
    with empty_database.engine.begin() as connection:
        command.upgrade(run.configuration(connection), "0001")
    with empty_database.transaction() as session:
        session.add(_account("ali"))
    assert run.migrate(empty_database) == run.Migrated("0001", run.HEAD)
    with empty_database.reading() as session:
        assert session.scalars(sa.select(Account.name)).one() == "ali"
    with empty_database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, all_tables()) == []
