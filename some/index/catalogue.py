"""Which files the embedded index has, and how far the follower has read: one SQLite file, one transaction.

A file counts from the moment its row is committed together with the cursor behind its last record. A crash before that
leaves a file that nobody names (removed at the next start) and a cursor that has not moved: every record is indexed
exactly once. `synchronous=NORMAL` may lose the last transactions in a power cut, rows and cursor alike, which is the
same crash; the files themselves are synced before their row is written. Readers open the file read-only and never lock.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from some.errors import Unavailable
from some.index.engine import IndexFinding
from some.index.facts.fact import VERSION, Layer, Speaker
from some.index.facts.shapes import pile_hours
from some.record import Cursor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

FORMAT = 3
"""Of files and catalogue together; an index of another format must be made anew (`some index rebuild`)."""

NAME = "catalogue.sqlite"
_LIST = ".words.parquet"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS file (
  path TEXT PRIMARY KEY, class TEXT NOT NULL, hour INTEGER NOT NULL, level INTEGER NOT NULL,
  first_us INTEGER NOT NULL, last_us INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
  low_segment INTEGER NOT NULL, low_position INTEGER NOT NULL,
  high_segment INTEGER NOT NULL, high_position INTEGER NOT NULL,
  errors INTEGER NOT NULL, sha256 TEXT NOT NULL, words TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS file_time ON file (first_us, last_us);
CREATE INDEX IF NOT EXISTS file_class ON file (class, first_us, last_us);
CREATE INDEX IF NOT EXISTS file_hour ON file (class, hour, level);
CREATE INDEX IF NOT EXISTS file_segment ON file (low_segment, high_segment);
CREATE VIEW IF NOT EXISTS document_file AS SELECT * FROM file WHERE class NOT GLOB 'fact-*';
CREATE TABLE IF NOT EXISTS retired (path TEXT PRIMARY KEY, at REAL NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS finding (
  code TEXT NOT NULL, place TEXT NOT NULL, severity TEXT NOT NULL, text TEXT NOT NULL,
  PRIMARY KEY (code, place)) STRICT;
CREATE TABLE IF NOT EXISTS speaker (
  source TEXT NOT NULL, site TEXT NOT NULL, layer TEXT NOT NULL, PRIMARY KEY (source, site, layer)) STRICT;
"""
_COLUMNS = (
    "path, class, hour, level, first_us, last_us, rows, bytes, "
    "low_segment, low_position, high_segment, high_position, errors, sha256, words"
)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One Parquet file. `path` is relative to the index folder, `hour` is hours since the epoch at reception.

    `first_us` and `last_us` bound `@timestamp` (of facts: what they attest; `hour` is the first of a day); low and high
    bound (segment, position); `level` is how often the rows were merged; `errors` counts pipeline errors;
    `sha256` is of the file, `words` of its word list ("" where it has none: `some.index.words`).
    """

    path: str
    record_class: str
    hour: int
    level: int
    first_us: int
    last_us: int
    rows: int
    size: int
    low: tuple[int, int]
    high: tuple[int, int]
    errors: int
    sha256: str
    words: str = ""

    @property
    def word_list(self) -> StoredFile | None:
        """The word list beside the file, as a file."""
        return replace(self, path=word_list_of(self.path), sha256=self.words, words="") if self.words else None


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over all files of documents; `newest_us` is the highest `@timestamp`."""

    rows: int
    errors: int
    newest_us: int | None


class Catalogue:
    """One connection. Writing needs the follower's lock, which this class does not take."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use `connection`; call `open_for_writing` or `open_for_reading` instead."""
        self._db = connection

    @classmethod
    def open_for_writing(cls, folder: Path, ledger: str) -> Self:
        """Open or make the catalogue of `ledger` in `folder`; raises Unavailable where another one is there."""
        with _faults():
            connection = sqlite3.connect(folder / NAME, isolation_level=None, check_same_thread=False, timeout=10)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
            connection.execute("INSERT OR IGNORE INTO fact VALUES ('format', ?)", (str(FORMAT),))
            connection.execute("INSERT OR IGNORE INTO fact VALUES ('facts', ?)", (str(VERSION),))
            connection.execute("INSERT OR IGNORE INTO fact VALUES ('ledger', ?)", (ledger,))
        opened = cls(connection)
        opened.expect(ledger)
        return opened

    @classmethod
    def open_for_reading(cls, folder: Path, ledger: str) -> Self | None:
        """Open the catalogue read-only; None where there is none yet."""
        path = folder / NAME
        if not path.exists():
            return None
        with _faults():
            connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=10,
            )
            opened = cls(connection)
            opened.expect(ledger)
            return opened

    def expect(self, ledger: str) -> None:
        """Raise Unavailable where the index holds another ledger, has another format, or facts of another version."""
        with _faults():
            facts = dict(self._db.execute("SELECT name, value FROM fact WHERE name IN ('format', 'facts', 'ledger')"))
        if facts != {"format": str(FORMAT), "facts": str(VERSION), "ledger": ledger}:
            msg = (
                f"the index holds {facts}, not ledger {ledger} in format {FORMAT} with facts {VERSION}; "
                "run `some index rebuild`"
            )
            raise Unavailable(msg)

    def close(self) -> None:
        """Close the connection."""
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside becomes visible at once, or not at all. This is the follower's commit point."""
        with _faults():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def cursor(self) -> Cursor:
        """Return how far the follower has read."""
        with _faults():
            row = self._db.execute("SELECT value FROM fact WHERE name = 'cursor'").fetchone()
        if row is None:
            return Cursor()
        held = json.loads(row[0])
        return Cursor(held["done_below"], {int(segment): place for segment, place in held["positions"].items()})

    def move(self, cursor: Cursor) -> None:
        """Write the cursor; inside `transaction` only."""
        value = json.dumps({"done_below": cursor.done_below, "positions": dict(cursor.positions)})
        self._db.execute("INSERT OR REPLACE INTO fact VALUES ('cursor', ?)", (value,))

    def add(self, files: Iterable[StoredFile]) -> None:
        """Name new files; inside `transaction` only."""
        self._db.executemany(
            f"INSERT INTO file ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",  # noqa: S608 - our own columns
            [
                (
                    *(one.path, one.record_class, one.hour, one.level, one.first_us, one.last_us, one.rows, one.size),
                    *(*one.low, *one.high, one.errors, one.sha256, one.words),
                )
                for one in files
            ],
        )

    def retire(self, files: Iterable[StoredFile], at: float) -> None:
        """Name files no longer; they stay on the disk for readers that just looked. Inside `transaction` only."""
        for one in files:
            self._db.execute("DELETE FROM file WHERE path = ?", (one.path,))
            self._db.execute("INSERT OR REPLACE INTO retired VALUES (?, ?)", (one.path, at))

    def retired(self, before: float) -> list[str]:
        """Return the paths that were retired before `before` (seconds since the epoch)."""
        with _faults():
            return [path for (path,) in self._db.execute("SELECT path FROM retired WHERE at < ?", (before,))]

    def forget_retired(self, paths: Iterable[str]) -> None:
        """Forget files that are gone; inside `transaction` only."""
        self._db.executemany("DELETE FROM retired WHERE path = ?", [(path,) for path in paths])

    def named(self) -> set[str]:
        """Return the paths of all files, named and retired, and of the word lists that may lie beside them."""
        with _faults():
            rows = self._db.execute("SELECT path, words FROM file UNION SELECT path, 'perhaps' FROM retired")
            return {name for path, words in rows for name in (path, *([word_list_of(path)] if words else []))}

    def classes(self) -> frozenset[str]:
        """Return every record class that has a document."""
        with _faults():
            return frozenset(name for (name,) in self._db.execute("SELECT DISTINCT class FROM document_file"))

    def files(
        self, classes: frozenset[str] | None = None, start_us: int | None = None, end_us: int | None = None
    ) -> list[StoredFile]:
        """Return the files that may hold `start_us <= @timestamp < end_us` of these classes, earliest first.

        Files of documents only.
        """
        where: list[str] = ["1"]
        values: list[str | int] = []
        if start_us is not None:
            where.append("last_us >= ?")
            values.append(start_us)
        if end_us is not None:
            where.append("first_us < ?")
            values.append(end_us)
        found = self._select(" AND ".join(where) + " ORDER BY first_us, path", values, "document_file")
        return [one for one in found if classes is None or one.record_class in classes]

    def facts(self, record_class: str, start_us: int, end_us: int) -> list[StoredFile]:
        """Return the files of a class of facts that may attest something from `start_us` to `end_us` (inclusive)."""
        return self._select("class = ? AND first_us <= ? AND last_us >= ?", [record_class, end_us, start_us])

    def every(self) -> list[StoredFile]:
        """Return all files, of documents and of facts."""
        return self._select("1 ORDER BY path", [])

    def heard(self, speakers: Iterable[Speaker]) -> None:
        """Keep who gave facts; inside `transaction` only."""
        self._db.executemany(
            "INSERT OR IGNORE INTO speaker VALUES (?, ?, ?)",
            [(one.source, one.site or "", one.layer) for one in speakers],
        )

    def speakers(self) -> list[Speaker]:
        """Return everyone who ever gave facts."""
        with _faults():
            rows = self._db.execute("SELECT source, site, layer FROM speaker ORDER BY source, site, layer")
            return [Speaker(source, site or None, Layer(layer)) for source, site, layer in rows]

    def named_as(self, path: str) -> StoredFile | None:
        """Return the file of that name, None where the catalogue does not name it (any more)."""
        found = self._select("path = ?", [path])
        return found[0] if found else None

    def holding(self, segment: int, position: int) -> list[StoredFile]:
        """Return the files of documents whose range holds the record."""
        return self._select(
            "(low_segment, low_position) <= (?, ?) AND (high_segment, high_position) >= (?, ?)",
            [segment, position, segment, position],
            "document_file",
        )

    def touching(self, first: int, last: int) -> list[StoredFile]:
        """Return the files, also of facts, that may hold records of segments `first` to `last`."""
        return self._select("low_segment <= ? AND high_segment >= ? ORDER BY path", [last, first])

    def crowded(self, at_least: int, below_rows: int, below_facts: int) -> list[tuple[str, int, int, int]]:
        """Return (class, hour, level, files) of each pile of at least so many small files, largest pile first.

        Small is fewer than `below_rows` documents or `below_facts` facts.
        """
        with _faults():
            return self._db.execute(
                "SELECT class, hour, level, count(*) FROM file "
                "WHERE rows < CASE WHEN class NOT GLOB 'fact-*' THEN ? ELSE ? END "
                "GROUP BY class, hour, level HAVING count(*) >= ? ORDER BY count(*) DESC, class, hour, level",
                (below_rows, below_facts, at_least),
            ).fetchall()

    def scattered(self, before_hour: int, below_rows: int, below_facts: int) -> list[tuple[str, int]]:
        """Return (class, hour) of piles that get no more records and still have several files of few rows.

        A pile of documents is over with its hour, one of facts with its day or month; few is fewer than `below_rows`
        documents or `below_facts` facts.
        """
        hours = pile_hours()
        with _faults():
            found = self._db.execute(
                "SELECT class, hour FROM file "
                "WHERE hour < ? AND rows < CASE WHEN class NOT GLOB 'fact-*' THEN ? ELSE ? END "
                "GROUP BY class, hour HAVING count(*) > 1 ORDER BY hour, class",
                (before_hour, below_rows, below_facts),
            ).fetchall()
        return [(name, hour) for name, hour in found if hour + hours.get(name, 1) <= before_hour]

    def pile(self, record_class: str, hour: int, level: int | None = None) -> list[StoredFile]:
        """Return the files of a class and hour (and level), lowest records first."""
        where = "class = ? AND hour = ?"
        values: list[str | int] = [record_class, hour]
        if level is not None:
            where += " AND level = ?"
            values.append(level)
        return self._select(where + " ORDER BY low_segment, low_position", values)

    def totals(self) -> Totals:
        """Return the sums over all files of documents."""
        with _faults():
            row = self._db.execute(
                "SELECT coalesce(sum(rows), 0), coalesce(sum(errors), 0), max(last_us) FROM document_file"
            )
            return Totals(*row.fetchone())

    def report(self, finding: IndexFinding) -> None:
        """Keep a finding (the newest of its code and place); inside `transaction` only."""
        self._db.execute(
            "INSERT OR REPLACE INTO finding VALUES (?, ?, ?, ?)",
            (finding.code, finding.where, finding.severity, finding.text),
        )

    def findings(self) -> tuple[IndexFinding, ...]:
        """Return the kept findings, in a stable order."""
        with _faults():
            rows = self._db.execute("SELECT code, severity, place, text FROM finding ORDER BY code, place")
            return tuple(IndexFinding(*row) for row in rows)

    def _select(self, where: str, values: Sequence[int | str], table: str = "file") -> list[StoredFile]:
        with _faults():
            rows = self._db.execute(f"SELECT {_COLUMNS} FROM {table} WHERE {where}", values)  # noqa: S608 - own text
            return [_stored(*row) for row in rows]


def _stored(path: str, record_class: str, *numbers: Any) -> StoredFile:
    hour, level, first_us, last_us, rows, size, *bounds, errors, sha256, words = numbers
    low, high = (bounds[0], bounds[1]), (bounds[2], bounds[3])
    return StoredFile(path, record_class, hour, level, first_us, last_us, rows, size, low, high, errors, sha256, words)


def word_list_of(path: str) -> str:
    """Return where the word list of the file at `path` lies, if it has one."""
    return f"{path.removesuffix('.parquet')}{_LIST}"


def is_word_list(path: str) -> bool:
    """Say whether a path is a word list's."""
    return path.endswith(_LIST)


@contextlib.contextmanager
def reading(folder: Path, ledger: str) -> Iterator[Catalogue | None]:
    """Give the catalogue for reading, None where nothing has been indexed yet."""
    opened = Catalogue.open_for_reading(folder, ledger)
    try:
        yield opened
    finally:
        if opened is not None:
            opened.close()


@contextlib.contextmanager
def _faults() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        msg = f"the index catalogue does not answer ({error}); if it stays so, run `some index rebuild`"
        raise Unavailable(msg) from error
