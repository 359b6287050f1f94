"""Runs checks on all cores, or right here where starting processes would cost more than it saves."""

from __future__ import annotations

import multiprocessing
from collections import deque
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from some.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

Order = TypeVar("Order")
Answer = TypeVar("Answer")


class Workers:
    """Answers orders in their order; `pool` None means in this process."""

    def __init__(self, pool: ProcessPoolExecutor | None, count: int) -> None:
        """Take `pool`, which the caller closes; at most `4 * count` orders are under way, so memory stays bounded."""
        self._pool = pool
        self._window = 4 * count

    def answers(self, work: Callable[[Order], Answer], orders: Iterable[Order]) -> Iterator[Answer]:
        """Yield `work(order)` for each order, in order; raises Unavailable where a process was killed."""
        if self._pool is None:
            yield from map(work, orders)
            return
        waiting = deque()  # type: ignore[var-annotated]  # futures of Answer; a TypeVar cannot be named here
        try:
            for order in orders:
                waiting.append(self._pool.submit(work, order))
                if len(waiting) >= self._window:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BrokenExecutor as fault:
            raise Unavailable("a checking process was killed (memory?); nothing is known yet, run it again") from fault


@contextmanager
def workers(count: int) -> Iterator[Workers]:
    """Give workers on `count` processes, none for 1; processes are spawned, so that the caller may have threads."""
    if count <= 1:
        yield Workers(None, 1)
        return
    with ProcessPoolExecutor(count, mp_context=multiprocessing.get_context("spawn")) as pool:
        yield Workers(pool, count)
