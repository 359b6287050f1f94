"""Names of indices and documents: pure functions of the record, so a replay can never write twice.

A record stands in `some-<class>-<period of reception>` and a fact in `some-fact-<layer>-<period>`, whatever happens to
clusters and cursors. (A data stream would put a replayed record behind its rollover into a second index.) Periods are
those of UTC: `2026.11`, `2026.w47` (ISO 8601 week), `2026.11.23`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from some.index.engine import from_us

if TYPE_CHECKING:
    from collections.abc import Callable

    from some.index.facts.fact import Layer
    from some.record import RecordRef

FACT: Final = "fact"
"""Stands where a record class stands; no record class has this name."""

MINUTE: Final = "minute"
"""Stands where a layer of facts stands; no layer has this name."""

EVERYTHING: Final = "all"
"""Ending of the alias of all records."""

_DAY_US: Final = 86_400_000_000
_ID_BYTES: Final = 15
"""Of SHA-256: 120 bits, which base64url writes without padding and Lucene keeps as bytes."""


class Period(StrEnum):
    """How long an index receives; what retention destroys is always a whole one."""

    MONTH = "month"
    WEEK = "week"
    DAY = "day"


_FORMS: Final = {
    Period.MONTH: re.compile(r"([0-9]{4})\.([0-9]{2})"),
    Period.WEEK: re.compile(r"([0-9]{4})\.w([0-9]{2})"),
    Period.DAY: re.compile(r"([0-9]{4})\.([0-9]{2})\.([0-9]{2})"),
}


def index_of(prefix: str, record_class: str, period: Period, received_us: int) -> str:
    """Return the index of a record of that class, received then (microseconds since 1970 UTC)."""
    return f"{prefix}-{record_class}-{_period_of(period, received_us // _DAY_US)}"


def fact_index_of(prefix: str, layer: Layer, period: Period, received_us: int) -> str:
    """Return the index of a fact of that layer whose record was received then."""
    return f"{prefix}-{FACT}-{layer}-{_period_of(period, received_us // _DAY_US)}"


def minutes_index_of(prefix: str, day: int) -> str:
    """Return the index of what sources did minute by minute on a day of device time (days since 1970 UTC).

    Always that of the day's month: it holds one small document for each source and day.
    """
    return f"{minutes_alias(prefix)}-{_period_of(Period.MONTH, day)}"


@lru_cache(maxsize=4_096)
def _period_of(period: Period, day: int) -> str:
    moment = from_us(day * _DAY_US)
    if period is Period.MONTH:
        return f"{moment:%Y.%m}"
    if period is Period.DAY:
        return f"{moment:%Y.%m.%d}"
    year, week, _ = moment.isocalendar()
    return f"{year:04d}.w{week:02d}"


def alias_of(prefix: str, record_class: str) -> str:
    """Return the alias of a class, for Kibana and for people."""
    return f"{prefix}-{record_class}"


def pattern_of(prefix: str, record_class: str) -> str:
    """Return the pattern of all indices of a class; a class name has no hyphen, so it matches no other class."""
    return f"{prefix}-{record_class}-*"


def records(prefix: str, classes: frozenset[str] | None) -> str:
    """Return the aliases to search: of these classes (None: of every class), never those of facts."""
    if classes is None:
        return alias_of(prefix, EVERYTHING)
    return ",".join(alias_of(prefix, one) for one in sorted(classes))


def facts_alias(prefix: str, layer: Layer | None = None) -> str:
    """Return the alias of the facts of a layer, or of every layer."""
    return f"{prefix}-{FACT}s" if layer is None else f"{prefix}-{FACT}-{layer}"


def minutes_alias(prefix: str) -> str:
    """Return the alias of what sources did minute by minute; it is no part of the alias of facts."""
    return f"{prefix}-{FACT}-{MINUTE}"


def document_id(ref: RecordRef) -> str:
    """Return the `_id` of a record's document: a hash of REF."""
    return _identity(str(ref))


def identities(ledger: str, segment: int) -> Callable[[int], str]:
    """Return the function from a position of that segment to the `_id` of its document (faster than many REFs)."""
    start = hashlib.sha256(f"{ledger}/{segment:06d}/".encode())

    def identity(position: int) -> str:
        made = start.copy()
        made.update(b"%06d" % position)
        return base64.urlsafe_b64encode(made.digest()[:_ID_BYTES]).decode("ascii")

    return identity


def fact_id(ref: RecordRef, ordinal: int) -> str:
    """Return the `_id` of the `ordinal`-th fact of a record."""
    return _identity(f"{ref}#{ordinal}")


def _identity(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()[:_ID_BYTES]).decode("ascii")


def class_of(prefix: str, index: str) -> str | None:
    """Return the record class whose index that is, None for an index of facts or of somebody else."""
    parts = index.removeprefix(f"{prefix}-").split("-")
    mine = index.startswith(f"{prefix}-") and len(parts) == 2  # noqa: PLR2004 - class and period
    return parts[0] if mine and ends_at(index) is not None else None


def layer_of(prefix: str, index: str) -> str | None:
    """Return the layer of facts (or MINUTE) whose index that is, None for any other index."""
    parts = index.removeprefix(f"{prefix}-{FACT}-").split("-")
    mine = index.startswith(f"{prefix}-{FACT}-") and len(parts) == 2  # noqa: PLR2004 - layer and period
    return parts[0] if mine and ends_at(index) is not None else None


def ends_at(index: str) -> datetime | None:
    """Return when the period of an index is over, so all in it was received before; None for one that is not ours."""
    written = index.rpartition("-")[2]
    for period, form in _FORMS.items():
        match = form.fullmatch(written)
        if match is not None:
            try:
                return _end(period, [int(one) for one in match.groups()])
            except ValueError:
                return None
    return None


def _end(period: Period, numbers: list[int]) -> datetime:
    if period is Period.DAY:
        year, month, day = numbers
        return datetime(year, month, day, tzinfo=UTC) + timedelta(days=1)
    year, number = numbers
    if period is Period.WEEK:
        return datetime.fromisocalendar(year, number, 1).replace(tzinfo=UTC) + timedelta(weeks=1)
    last = datetime(year, number, 28, tzinfo=UTC)
    return (last + timedelta(days=4)).replace(day=1)


def ended(index: str, moment: datetime) -> bool:
    """Tell whether everything in that index was received before `moment`; False for an index that is not ours."""
    over = ends_at(index)
    return over is not None and over <= moment
