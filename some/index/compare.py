"""Two engines asked the same: where do their answers differ? Reads pages of both, day by day counts first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from some.index.engine import Query

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from some.index.engine import Document, Engine

_BUCKETS: Final = 400
_PAGE: Final = 500
_TOP: Final = 50
_FIELDS: Final = ("some.class", "some.source", "event.module", "event.action", "some.fact", "network.transport")


@dataclass(frozen=True, slots=True)
class Difference:
    """What was asked, and what each engine answered (as short JSON)."""

    question: str
    one: str
    other: str


def compare(one: Engine, other: Engine, *, sample: int = 5_000) -> Iterator[Difference]:
    """Yield where `one` and `other` answer differently; nothing where they agree.

    Counts over time and the most frequent values are compared over everything; of the documents, the oldest and the
    newest `sample` are compared whole. Both must have caught up. Raises Unavailable.
    """
    everything = Query()
    counts = [engine.count(everything) for engine in (one, other)]
    if counts[0] != counts[1]:
        yield Difference("count", *map(str, counts))
    bars = [_bars(engine) for engine in (one, other)]
    if bars[0] != bars[1]:
        yield Difference("histogram", *(_short(sorted(set(left) - set(right))) for left, right in _both_ways(bars)))
    for field in _FIELDS:
        tops = [_tops(engine, field) for engine in (one, other)]
        if tops[0] != tops[1]:
            yield Difference(f"top {field}", *map(_short, tops))
    for newest_first in (False, True):
        yield from _documents(one, other, sample, newest_first=newest_first)


def _both_ways(bars: Sequence[list[str]]) -> tuple[tuple[list[str], list[str]], ...]:
    return (bars[0], bars[1]), (bars[1], bars[0])


def _bars(engine: Engine) -> list[str]:
    found = engine.histogram(Query(), _BUCKETS)
    return [f"{one.start.isoformat()}+{found.width / timedelta(seconds=1):g}s={one.total}" for one in found.buckets]


def _tops(engine: Engine, field: str) -> list[Any]:
    # values as frequent as the last one shown may be chosen differently: they are left out
    found = engine.top_values(Query(), field, _TOP).values
    least = found[-1].count if len(found) == _TOP else 0
    return sorted([str(one.value), one.count] for one in found if one.count > least)


def _documents(one: Engine, other: Engine, sample: int, *, newest_first: bool) -> Iterator[Difference]:
    left, right = (_read(engine, sample, newest_first=newest_first) for engine in (one, other))
    for mine, theirs in zip(left, right, strict=False):
        if mine != theirs:
            yield Difference(f"document {mine.get('some', {}).get('ref')}", *map(_short, _apart(mine, theirs)))


def _read(engine: Engine, sample: int, *, newest_first: bool) -> Iterator[Document]:
    cursor, left = None, sample
    while left > 0:
        page = engine.search(Query(), limit=min(_PAGE, left), cursor=cursor, newest_first=newest_first)
        yield from page.documents
        cursor, left = page.next_cursor, left - len(page.documents)
        if cursor is None:
            return


def _apart(mine: Document, theirs: Document) -> tuple[dict[str, Any], dict[str, Any]]:
    keys = [key for key in {*mine, *theirs} if mine.get(key) != theirs.get(key)]
    return {key: mine.get(key) for key in sorted(keys)}, {key: theirs.get(key) for key in sorted(keys)}


def _short(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)[:400]
