"""What a parser is given and what it answers: lines in, columns out, never one object per record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

Columns = dict[str, list[Any]]
"""ECS field -> values, all of one length; None = absent. Kinds as `ingest/ecs.py` says."""


@dataclass(frozen=True, slots=True)
class ParseFailure:
    """Why a line was not understood; a value, because parsers do not raise. `reason` goes into error.message."""

    format: str
    reason: str

    def __str__(self) -> str:
        """Return the sentence for error.message."""
        return f"{self.format}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines for one parser. Line i is `texts[i][starts[i]:]`: what stands before is a syslog header.

    `received` is in microseconds since 1970 UTC; `zone` is the zone of times that name none.
    """

    texts: Sequence[str]
    starts: Sequence[int]
    received: Sequence[int]
    zone: tzinfo

    def __len__(self) -> int:
        """How many lines these are."""
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Part:
    """Columns for the lines at `positions` (of the `Lines` that the parser was given)."""

    positions: Sequence[int]
    columns: Columns


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parser's answer: every position stands in exactly one part or in `refused`."""

    parts: list[Part] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)


class Parser(Protocol):
    """One format. May hold caches of pure functions; the answer never depends on what it has seen before."""

    name: str
    begins: str
    """Pattern without groups that lines of this format match where the syslog header ends; it need not be certain."""

    def parse(self, lines: Lines) -> Parsed:
        """Return the columns of the lines that are of this format. Never raises, whatever the lines hold."""
        ...

    def failure(self, line: str) -> ParseFailure:
        """Say why `line` is not of this format."""
        ...


def select(values: Sequence[Any], positions: Sequence[int]) -> Sequence[Any]:
    """Return `values` at `positions`, in their order; a range over all of them costs nothing."""
    if isinstance(positions, range) and len(positions) == len(values):
        return values
    return [values[position] for position in positions]
