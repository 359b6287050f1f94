"""How far the follower of Elasticsearch has read, and what it has to tell: one small SQLite file.

`DATA/index/elastic/cursor.sqlite`. The cursor moves only behind records that the server has acknowledged, so a crash
means that some are sent again, which changes nothing (their `_id` exists already).
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from typing import TYPE_CHECKING, Final, Self

from some.errors import Unavailable
from some.index.engine import IndexFinding
from some.record import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NAME: Final = "cursor.sqlite"
FORMAT: Final = "1"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS finding (
  code TEXT NOT NULL, place TEXT NOT NULL, severity TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (code, place)) STRICT;
"""


class Standing:
    """One connection; writing needs the follower's lock, which this class does not take."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use `open_for_writing` or `reading` instead."""
        self._db = connection

    @classmethod
    def open_for_writing(cls, folder: Path, ledger: str) -> Self:
        """Open or make the file in `folder`; raises Unavailable where it is of another ledger."""
        with _faults():
            connection = sqlite3.connect(folder / NAME, isolation_level=None, check_same_thread=False, timeout=10)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
            connection.execute("INSERT OR IGNORE INTO fact VALUES ('format', ?)", (FORMAT,))
            connection.execute("INSERT OR IGNORE INTO fact VALUES ('ledger', ?)", (ledger,))
        opened = cls(connection)
        opened.expect(ledger)
        return opened

    def expect(self, ledger: str) -> None:
        """Raise Unavailable where the file is of another ledger or format."""
        with _faults():
            held = dict(self._db.execute("SELECT name, value FROM fact WHERE name IN ('format', 'ledger')"))
        if held != {"format": FORMAT, "ledger": ledger}:
            raise Unavailable(f"the cursor is of {held}, not of ledger {ledger}; run `some index rebuild`")

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    def cursor(self) -> Cursor:
        """Return how far everything is in Elasticsearch."""
        with _faults():
            row = self._db.execute("SELECT value FROM fact WHERE name = 'cursor'").fetchone()
        if row is None:
            return Cursor()
        held = json.loads(row[0])
        return Cursor(held["done_below"], {int(segment): place for segment, place in held["positions"].items()})

    def commit(self, cursor: Cursor, findings: Iterable[IndexFinding], dead: int) -> None:
        """Commit point of the follower: everything before `cursor` is acknowledged or in the file of dead letters."""
        value = json.dumps({"done_below": cursor.done_below, "positions": dict(cursor.positions)})
        with _faults():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.execute("INSERT OR REPLACE INTO fact VALUES ('cursor', ?)", (value,))
                for one in findings:
                    self._db.execute(
                        "INSERT OR REPLACE INTO finding VALUES (?, ?, ?, ?)",
                        (one.code, one.where, one.severity, one.text),
                    )
                if dead:
                    self._db.execute("INSERT OR REPLACE INTO fact VALUES ('dead', ?)", (str(self.dead() + dead),))
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def cluster(self) -> str | None:
        """Return the identity of the cluster that the cursor speaks of, None where none was met yet."""
        with _faults():
            row = self._db.execute("SELECT value FROM fact WHERE name = 'cluster'").fetchone()
        return None if row is None else str(row[0])

    def belong(self, cluster: str) -> None:
        """Note which cluster the cursor speaks of."""
        with _faults():
            self._db.execute("INSERT OR REPLACE INTO fact VALUES ('cluster', ?)", (cluster,))

    def dead(self) -> int:
        """Return how many documents the server refused for good."""
        with _faults():
            row = self._db.execute("SELECT value FROM fact WHERE name = 'dead'").fetchone()
        return 0 if row is None else int(row[0])

    def findings(self) -> tuple[IndexFinding, ...]:
        """Return what the follower has to tell, in a stable order."""
        with _faults():
            rows = self._db.execute("SELECT code, severity, place, text FROM finding ORDER BY code, place")
            return tuple(IndexFinding(*row) for row in rows)


@contextlib.contextmanager
def reading(folder: Path, ledger: str) -> Iterator[Standing | None]:
    """Give the file for reading, None where nothing has been followed yet."""
    path = folder / NAME
    if not path.exists():
        yield None
        return
    with _faults():
        uri = f"{path.absolute().as_uri()}?mode=ro"
        opened = Standing(sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=10))
    try:
        opened.expect(ledger)
        yield opened
    finally:
        opened.close()


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(f"the cursor of Elasticsearch's follower does not answer ({error})") from error
