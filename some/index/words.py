"""Word lists: which words a large file of documents holds, so that a search passes by files that have none of them.

Beside a merged file lies `<name>.words.parquet`: the different tokens of its records, in their order. A look at a list
reads one row group of it instead of the text of all records. A list only ever spares work: a file that has none, or one
whose list is damaged, is searched.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from some.index.query.tree import And, FreeText, Node, Or
from some.index.scan import FilesChanged

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from some.index.catalogue import StoredFile
    from some.index.scan import Scan

LISTED_FROM = 20_000
"""Records from which on a file gets a list; smaller ones are read faster than a list is made."""

_MOST_WORDS = 8_000_000
"""A file with more different words than this gets no list: they stand in memory while it is made."""
_MOST_SOUGHT = 16
_TOGETHER = 2_000_000
_ROW_GROUP = 65_536
_LAST = "\U0010ffff"


class Gathered:
    """The different words of token texts that come piece by piece."""

    def __init__(self) -> None:
        """Begin with none."""
        self._held: list[pa.Array] = []
        self._count = 0
        self._too_many = False

    def add(self, texts: pa.Array) -> None:
        """Take the words of token texts (tokens with single spaces between them)."""
        if self._too_many:
            return
        self._held.append(pc.unique(pc.split_pattern(texts.drop_null(), " ").flatten()))
        self._count += len(self._held[-1])
        if self._count > _TOGETHER:
            self._join()

    def write(self, path: Path) -> bool:
        """Write the list to `path`; returns whether there is one. Raises pyarrow.ArrowException, OSError."""
        self._join()
        if self._too_many:
            return False
        words = self._held[0].filter(pc.not_equal(self._held[0], ""))
        table = pa.table({"word": words.take(pc.sort_indices(words))})
        pq.write_table(
            table, path, row_group_size=_ROW_GROUP, compression="zstd", compression_level=1, use_dictionary=False,
            column_encoding={"word": "DELTA_BYTE_ARRAY"}, write_page_checksum=True,
        )  # fmt: skip
        return True

    def _join(self) -> None:
        together = pa.chunked_array(self._held, pa.string()).unique()
        self._count, self._held = len(together), [together]
        if self._count > _MOST_WORDS:
            self._too_many, self._held = True, []


def holding(scan: Scan, held: Sequence[StoredFile], tree: Node | None) -> list[StoredFile]:
    """Return the files of `held` that may hold a match of `tree`, in their order; raises Unavailable."""
    wanted = [] if tree is None else list(dict.fromkeys(_sought(tree)))[:_MOST_SOUGHT]
    lists = [one.word_list for one in held if one.word_list is not None]
    if tree is None or not wanted or not lists:
        return list(held)
    selects, values = [], []
    for number, word in enumerate(wanted):
        begins = word.removesuffix("*")
        test, bounds = ("word = ?", [word]) if begins == word else ("word >= ? AND word < ?", [begins, begins + _LAST])
        selects.append(f"SELECT DISTINCT {number}, filename FROM documents WHERE {test}")  # noqa: S608 - bound values
        values += bounds
    try:
        _, rows = scan.ask(lists, " UNION ALL ".join(selects), values, alike=True, named=True)
    except FilesChanged:
        return list(held)  # whether the documents changed too is seen when they are read
    words: dict[str, set[str]] = defaultdict(set)
    for number, path in rows:
        words[scan.relative(path)].add(wanted[number])
    unread = {one.where for one in scan.findings_in(lists)}
    missing = frozenset(wanted)
    return [
        one
        for one in held
        if one.word_list is None
        or one.word_list.path in unread
        or _may_match(tree, missing - words[one.word_list.path])
    ]


def _sought(node: Node) -> Iterator[str]:
    """Give the words (`abc`) and beginnings of words (`abc*`) whose absence can rule a file out."""
    match node:
        case And(parts) | Or(parts):
            for part in parts:
                yield from _sought(part)
        case FreeText(tokens):
            yield from (token for token in tokens if "*" not in token or token.find("*") == len(token) - 1 > 0)


def _may_match(node: Node, missing: AbstractSet[str]) -> bool:
    match node:
        case And(parts):
            return all(_may_match(part, missing) for part in parts)
        case Or(parts):
            return any(_may_match(part, missing) for part in parts)
        case FreeText(tokens):
            return not any(token in missing for token in tokens)
        case _:
            return True
