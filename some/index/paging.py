"""The order of results, and where a page ends. Pages are cut by key, never by offset: new records move no page."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from some.errors import BadInput
from some.index import words
from some.index.fields import POSITION, SEGMENT, TIME
from some.index.query.sql import Condition, quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from some.index.catalogue import StoredFile
    from some.index.scan import Scan

KEY = f"{quoted(TIME)}, {quoted(SEGMENT)}, {quoted(POSITION)}"
_FIRST_FILES = 8
_MOST_FILES = 512
_CURSOR = re.compile(r"([on])(-?[0-9]{1,19}):([0-9]{1,18}):([0-9]{1,18})")


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Where a document stands in the order of results: `@timestamp` in microseconds, then its reference."""

    at: int
    segment: int
    position: int


@dataclass(frozen=True, slots=True)
class Hit:
    """A match: its key, and the file (absolute path) that it is in."""

    key: Key
    path: str


def cursor_after(key: Key, *, newest_first: bool) -> str:
    """Return the opaque text that continues behind `key`."""
    text = f"{'n' if newest_first else 'o'}{key.at}:{key.segment}:{key.position}"
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(text: str, *, newest_first: bool) -> Key:
    """Return the key that `cursor_after` was given; raises BadInput, also for a cursor of the other order."""
    try:
        plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        plain = ""
    match = _CURSOR.fullmatch(plain)
    if match is None or (match[1] == "n") is not newest_first:
        msg = "not a cursor of this list; start again from its first page"
        raise BadInput(msg)
    return Key(int(match[2]), int(match[3]), int(match[4]))


def hits(
    scan: Scan, held: Sequence[StoredFile], where: Condition, *, after: Key | None, wanted: int, newest_first: bool
) -> list[Hit]:
    """Return the first `wanted` matches after `after`.

    Files are read in the order of time and in growing groups, and reading ends as soon as no later file can hold an
    earlier match: a page from the end of a long archive opens few files.
    """
    order, compare = ("DESC", "<") if newest_first else ("ASC", ">")
    test, values = where.text, [*where.values]
    if after is not None:
        test = f"{test} AND {quoted(TIME)} {compare}= ? AND ({KEY}) {compare} (?, ?, ?)"
        values += [after.at, after.at, after.segment, after.position]
    ordered = ", ".join(f"{quoted(name)} {order}" for name in (TIME, SEGMENT, POSITION))
    select = f"SELECT {KEY}, filename FROM documents WHERE {test} ORDER BY {ordered} LIMIT ?"  # noqa: S608 - bound values
    files = _in_order(held, after, newest_first=newest_first)
    found: list[Hit] = []
    start, size = 0, _FIRST_FILES
    while start < len(files):
        group = words.holding(scan, files[start : start + size], where.tree)
        start, size = start + size, min(2 * size, _MOST_FILES)
        _, rows = scan.ask(group, select, [*values, wanted])
        found += [Hit(Key(*row[:3]), row[3]) for row in rows]
        found.sort(key=lambda hit: hit.key, reverse=newest_first)
        del found[wanted:]
        if start < len(files) and len(found) == wanted:
            last = found[-1].key.at
            if last > files[start].last_us if newest_first else last < files[start].first_us:
                break
    return found


def _in_order(held: Sequence[StoredFile], after: Key | None, *, newest_first: bool) -> list[StoredFile]:
    if newest_first:
        left = [one for one in held if after is None or one.first_us <= after.at]
        return sorted(left, key=lambda one: (-one.last_us, one.path))
    left = [one for one in held if after is None or one.last_us >= after.at]
    return sorted(left, key=lambda one: (one.first_us, one.path))
