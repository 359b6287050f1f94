"""When sources spoke: minutes by device time, read from the store in blocks and kept while an `Attribution` lives."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from some.index.attribution.window import MINUTE
from some.index.facts.fact import Span

if TYPE_CHECKING:
    from some.index.facts.fact import FactStore, Minute

_BLOCK: Final = 60
"""Minutes in a block: a clock is read from the half hours around a record, and there are many records."""
_KEPT: Final = 16_384


class Speech:
    """The minutes of every source, block by block."""

    def __init__(self, store: FactStore) -> None:
        """Read from `store` when asked."""
        self._store: Final = store
        self._blocks: Final[OrderedDict[tuple[str, int], list[Minute]]] = OrderedDict()

    def minutes(self, source: str, start: int, end: int) -> list[Minute]:
        """Return the minutes in which the source spoke, from `start` to `end` (microseconds, device time), in order."""
        first, last = start // MINUTE, end // MINUTE
        found: list[Minute] = []
        for block in range(first // _BLOCK, last // _BLOCK + 1):
            held = self._block(source, block)
            found.extend(
                held[
                    bisect_left(held, first, key=lambda one: one.minute) : bisect_right(
                        held, last, key=lambda one: one.minute
                    )
                ]
            )
        return found

    def _block(self, source: str, block: int) -> list[Minute]:
        key = (source, block)
        held = self._blocks.get(key)
        if held is None:
            span = Span(block * _BLOCK * MINUTE, (block + 1) * _BLOCK * MINUTE - 1)
            held = sorted(self._store.minutes(source, span), key=lambda one: one.minute)
            self._blocks[key] = held
            while len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(key)
        return held
