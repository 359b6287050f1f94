"""DuckDB over the files that the catalogue names.

The connection may read below the index folder and nowhere else, loads no extension, and its settings are locked. Every
question has a time limit. A file that vanished was replaced by a merge: the question is asked again with what the
catalogue names now. A damaged file is found by its digest, left out and named; the other files stay served.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import duckdb

from ingest.ecs import FIELD
from some.errors import Unavailable
from some.index import files
from some.index.catalogue import is_word_list
from some.index.engine import IndexFinding
from some.index.fields import POSITION, SEGMENT
from some.index.query.sql import quoted
from some.index.storage import duckdb_type

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from some.index.catalogue import StoredFile

DAMAGED = "index.file_damaged"


_COLUMNS = [
    *(f"{quoted(field.name)} {duckdb_type(field)}" for field in FIELD.values()),
    *(f"{quoted(name)} VARCHAR" for name in files.schema().names if name.endswith("#tokens")),
    f"{quoted(SEGMENT)} BIGINT, {quoted(POSITION)} BIGINT, filename VARCHAR",
]
_NOTHING = f"CREATE TABLE nothing ({', '.join(_COLUMNS)})"
"""What is asked where there are no files: an answer without rows, not an error."""


class FilesChanged(Exception):
    """A file is gone: the catalogue names others now."""


class Scan:
    """One DuckDB instance; safe to use from several threads, each question gets a connection of its own."""

    def __init__(self, folder: Path, *, threads: int = 2, memory: str = "512MB", time_limit_s: float = 30.0) -> None:
        """Read files below `folder`; a question may take `time_limit_s` seconds."""
        self._folder = folder
        self._limit_s = time_limit_s
        self._database = duckdb.connect(
            ":memory:",
            config={
                "threads": threads,
                "memory_limit": memory,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "preserve_insertion_order": False,
                "temp_directory": "",
            },
        )
        self._database.execute(_NOTHING)
        # a file's name is never used twice, so no entry of this cache goes stale
        self._database.execute("SET parquet_metadata_cache = true")
        # the order matters: the second closes the list, the third closes everything
        self._database.execute(f"SET allowed_directories = ['{str(folder).replace(chr(39), chr(39) * 2)}']")
        self._database.execute("SET enable_external_access = false")
        self._database.execute("SET lock_configuration = true")
        self._damaged: dict[str, IndexFinding] = {}

    def close(self) -> None:
        """Let the instance go."""
        self._database.close()

    @property
    def findings(self) -> tuple[IndexFinding, ...]:
        """Damaged files met so far."""
        return tuple(self._damaged[path] for path in sorted(self._damaged))

    def relative(self, path: str) -> str:
        """Return the path that the catalogue has, of a path that an answer names."""
        return path.removeprefix(f"{self._folder}/")

    def findings_in(self, held: Sequence[StoredFile]) -> tuple[IndexFinding, ...]:
        """Return the findings about these files."""
        return tuple(self._damaged[one.path] for one in held if one.path in self._damaged)

    def ask(
        self,
        held: Sequence[StoredFile],
        select: str,
        values: Sequence[Any],
        *,
        alike: bool = False,
        named: bool = False,
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Run `select` over the table `documents` (the rows of `held`) and return column names and rows.

        `alike` says that all files have the same columns, and that there is one; `named` that each row shall tell its
        file. Raises Unavailable (time, memory) and FilesChanged.
        """
        while True:
            whole = [one for one in held if one.path not in self._damaged]
            try:
                return self._run(whole, select, values, alike=alike and bool(whole), named=named)
            except duckdb.InterruptException as error:
                msg = f"the search took longer than {self._limit_s:g} s; narrow it by time or field"
                raise Unavailable(msg) from error
            except duckdb.OutOfMemoryException as error:
                msg = "the search needs more memory than it may use; narrow it by time or field"
                raise Unavailable(msg) from error
            except duckdb.Error as error:
                if not self._examine(whole):
                    msg = f"the index cannot be read: {error}"
                    raise Unavailable(msg) from error

    def _run(
        self, held: Sequence[StoredFile], select: str, values: Sequence[Any], *, alike: bool, named: bool
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        source, given = "SELECT * FROM nothing", [*values]
        paths = [str(self._folder / one.path) for one in held]
        if alike:
            source = "SELECT * FROM read_parquet(?, filename = true)" if named else "SELECT * FROM read_parquet(?)"
            given = [paths, *values]
        elif held:
            paths.insert(0, str(self._folder / files.SCHEMA_NAME))
            source, given = "SELECT * FROM read_parquet(?, union_by_name = true, filename = true)", [paths, *values]
        connection = self._database.cursor()
        timer = threading.Timer(self._limit_s, connection.interrupt)
        timer.start()
        try:
            answer = connection.execute(f"WITH documents AS NOT MATERIALIZED ({source}) {select}", given)
            rows = answer.fetchall()
            return [column[0] for column in answer.description or ()], rows
        finally:
            timer.cancel()
            timer.join()
            connection.close()

    def _examine(self, held: Sequence[StoredFile]) -> bool:
        """Look for what made a question fail; returns whether it is worth asking again. Raises FilesChanged."""
        if held and not (self._folder / files.SCHEMA_NAME).exists():
            raise FilesChanged(files.SCHEMA_NAME)
        met = False
        for one in held:
            try:
                intact = files.digest(self._folder / one.path) == one.sha256
            except FileNotFoundError as error:
                raise FilesChanged(one.path) from error
            except OSError:
                intact = False
            if not intact:
                self.condemn(one)
                met = True
        return met

    def condemn(self, one: StoredFile) -> None:
        """Leave a file out of every answer from now on, and say so."""
        severity, text = "error", f"{one.rows} records of this file cannot be searched"
        if is_word_list(one.path):
            severity, text = "warning", f"a search reads {one.rows} records more than it must"
        text = f"{text}; `some index rebuild` makes the index anew"
        self._damaged[one.path] = IndexFinding(DAMAGED, severity, one.path, text)
