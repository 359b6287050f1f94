"""A run of segment lines, cut into columns.

A line is `received_at TAB source TAB origin TAB escaped` (retention/SPEC.md); everything here works on whole runs,
never on one object per record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from some import clock
from some.errors import IntegrityError
from some.index.engine import to_us
from some.record import unescape

if TYPE_CHECKING:
    from some.record import RecordRun

_PREFIX_TABS = 3


@dataclass(frozen=True, slots=True)
class SourceRun:
    """The records of one source in a run, in order; `places` are their positions in the segment."""

    source: str
    places: list[int] = field(default_factory=list)
    received_us: list[int] = field(default_factory=list)
    origins: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)


def cut(run: RecordRun) -> list[SourceRun]:
    """Return the run by source, first seen first; raises IntegrityError where the lines are not segment lines.

    Lines of one received block begin alike up to the third tab, so the prefix is read once per stretch of equal ones.
    """
    lines = run.lines.split(b"\n")
    if lines.pop() or len(lines) != run.count:
        raise _broken(run, f"{len(lines)} lines are not {run.count} records")
    found: dict[bytes, SourceRun] = {}
    times: dict[bytes, int] = {}
    start = 0
    while start < run.count:
        received, source, origin, prefix = _prefix(run, lines[start])
        size = len(prefix)
        end = start + 1
        while end < run.count and lines[end].startswith(prefix):
            end += 1
        held = found.get(source)
        if held is None:
            held = found[source] = SourceRun(source.decode("utf-8", "replace"))
        moment = times.get(received)
        if moment is None:
            moment = times[received] = _moment(run, received)
        held.messages.extend([line[size:] for line in lines[start:end]])
        held.places.extend(range(run.first + start, run.first + end))
        held.received_us.extend([moment] * (end - start))
        held.origins.extend([origin.decode("utf-8", "replace")] * (end - start))
        start = end
    if b"\\" in run.lines:
        for held in found.values():
            held.messages[:] = [unescape(line) if b"\\" in line else line for line in held.messages]
    return list(found.values())


def _prefix(run: RecordRun, line: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    parts = line.split(b"\t", _PREFIX_TABS)
    if len(parts) <= _PREFIX_TABS:
        raise _broken(run, "a line has no four parts")
    received, source, origin, message = parts
    return received, source, origin, line[: len(line) - len(message)]


def _moment(run: RecordRun, received: bytes) -> int:
    try:
        return to_us(clock.from_text(received.decode("ascii")))
    except ValueError as error:
        raise _broken(run, str(error)) from error


def _broken(run: RecordRun, why: str) -> IntegrityError:
    return IntegrityError(f"segment {run.segment} from record {run.first}: {why}")
