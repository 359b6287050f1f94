"""A database of each kind, and a desk on it whose hashes are cheap and whose clock is ours."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from some.actor import Actor, ActorKind, Permission
from some.app.accounts.desk import AccountsDesk
from some.app.accounts.outcomes import Seat
from some.app.accounts.passwords import Passwords
from some.app.accounts.roles import read_roles
from some.app.accounts.second_factor import SecretBox
from some.app.migrations.run import migrate
from some.clock import SimulatedClock
from some.database import connect, sqlite_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from some.app.accounts.roles import RoleBook
    from some.database import Database

ROOT = Path(__file__).parents[2]
START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
LOCAL = Actor("os:kurulum", "kurulum", ActorKind.OS, frozenset(), frozenset(Permission))
SEAT = Seat("192.0.2.10", "Firefox")
PASSWORD = "kırlangıç-deniz-9"


def _server_programs() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


def _as_owner(arguments: list[str], owner: str | None) -> None:
    command = ["runuser", "-u", owner, "--", *arguments] if owner else arguments
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"PostgreSQL would not start here: {done.stderr.strip()[-300:]}")


def _unprivileged() -> str | None:
    """Return whom the server must run as: PostgreSQL refuses root."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    pytest.skip("PostgreSQL refuses root, and there is no user postgres or nobody")


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """Start a private cluster on a socket of its own; durable settings off, for its content is thrown away."""
    pytest.importorskip("psycopg", reason="psycopg (extra pg) is not installed")
    programs = _server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server here (initdb not found); install postgresql to run these")
    owner = _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="some-pg-", dir="/tmp"))
    if owner:
        shutil.chown(folder, owner)
    cluster = folder / "cluster"
    _as_owner([f"{programs}/initdb", "-D", f"{cluster}", "-U", "some", "-A", "trust", "-E", "UTF8", "--no-sync"], owner)
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    control = [f"{programs}/pg_ctl", "-D", f"{cluster}", "-l", f"{folder}/server.txt", "-w"]
    _as_owner([*control, "-o", options, "start"], owner)
    try:
        yield f"postgresql://some@/postgres?host={folder}"
    finally:
        _as_owner([*control, "-m", "immediate", "stop"], owner)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database(request, tmp_path) -> Iterator[Database]:
    """Return a database without tables."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path / "state" / "some.sqlite")
    else:
        url = _fresh(request.getfixturevalue("postgresql_url"))
    database = connect(url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory) -> Path:
    """Return an SQLite file with all tables, to be copied."""
    path = tmp_path_factory.mktemp("template") / "some.sqlite"
    database = connect(sqlite_url(path))
    migrate(database)
    database.close()
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql_url) -> str:
    """Return the name of a PostgreSQL database with all tables, to be copied."""
    _create(postgresql_url, "template_some")
    database = connect(postgresql_url.replace("/postgres?", "/template_some?"))
    migrate(database)
    database.close()
    return "template_some"


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, tmp_path) -> Iterator[Database]:
    """Return a database with all tables."""
    if request.param == "sqlite":
        (tmp_path / "state").mkdir()
        path = tmp_path / "state" / "some.sqlite"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        url = sqlite_url(path)
    else:
        url = _fresh(request.getfixturevalue("postgresql_url"), request.getfixturevalue("postgresql_template"))
    database = connect(url)
    yield database
    database.close()


def _create(url: str, name: str, template: str = "template0") -> None:
    import psycopg  # noqa: PLC0415 - the fixture of the server skips where it is missing

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")


def _fresh(url: str, template: str = "template0") -> str:
    name = f"t{os.urandom(6).hex()}"
    _create(url, name, template)
    return url.replace("/postgres?", f"/{name}?")


@pytest.fixture
def clock() -> SimulatedClock:
    return SimulatedClock(START)


@pytest.fixture(scope="session")
def roles() -> RoleBook:
    return read_roles((ROOT / "config" / "roles.yaml").read_text(encoding="utf-8"), "roles.yaml")


@pytest.fixture
def desk(database, clock, roles) -> AccountsDesk:
    """Return a desk with cheap hashes; their real cost is measured elsewhere."""
    passwords = Passwords(time_cost=1, memory_kib=8, parallelism=1)
    return AccountsDesk(database, clock, roles, passwords=passwords, box=SecretBox(bytes(32)))
