"""The seals as the pages show them: state of each, late stamps, gaps. Reads files; believes nothing about tokens.

What is shown here is for finding one's way. Whether it is true is what *Doğrula* and `some verify` say.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from retention.tsa.reply import read_token
from some.app.web.ports import SealRow, SealState
from some.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from retention.reading import ArchiveReader
    from retention.seal_facts import SealFacts

GAP_SLACK_S = 300.0
"""As `retention.verify_times`: beyond the interval that a manifest promises."""

_CACHE = 20_000
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Verified:
    """The last whole verification without a contradiction: which seals it covered, and when."""

    at: datetime
    seals: int


class SealView:
    """Rows of one ledger; remembers what can no longer change (a seal that has its token). Shared between threads."""

    def __init__(self, reader: ArchiveReader, *, interval_s: int, late_s: int, tsa: str | None) -> None:
        """Nothing is read before the first question."""
        self._reader = reader
        self._interval, self._late, self._tsa = interval_s, late_s, tsa
        self._rows: dict[int, SealRow] = {}

    def rows(self, start: datetime, end: datetime, verified: Verified | None) -> list[SealRow]:
        """Return seals and gaps with start <= opened < end, oldest first."""
        found = [row for row in self._newest_first(start) if row.opened < end]
        return [_judged(row, verified) for row in self._with_gaps(found[::-1]) if start <= row.opened]

    def row(self, number: int, verified: Verified | None) -> SealRow:
        """Return one seal; raises NotFound, or IntegrityError for a manifest that cannot be read."""
        return _judged(self._row(number), verified)

    def _newest_first(self, start: datetime) -> Iterator[SealRow]:
        before: int | None = None
        while facts := self._reader.seals(limit=_PAGE if before else 48, before=before):
            for one in facts:
                row = self._rows.get(one.number) or self._made(one)
                yield row
                if row.opened < start:
                    return
            before = facts[-1].number

    def _row(self, number: int) -> SealRow:
        return self._rows.get(number) or self._made(self._reader.seal(number))

    def _made(self, facts: SealFacts) -> SealRow:
        row = SealRow(
            number=facts.number,
            state=SealState.COMMITTED,
            opened=facts.opened_at,
            closed=facts.closed_at,
            segments=facts.segments,
            records=facts.records,
            size=facts.size,
            committed_at=facts.closed_at,
            reason="; ".join(facts.notes) or None,
        )
        if not facts.stamped:
            return row
        try:
            gen_time = read_token(facts.token.read_bytes()).gen_time
        except (IntegrityError, OSError):
            return row
        lateness = round((gen_time - facts.closed_at).total_seconds())
        state = SealState.LATE if lateness > self._late else SealState.STAMPED
        row = replace(row, state=state, stamped_at=gen_time, tsa=self._tsa, lateness_s=max(0, lateness))
        if len(self._rows) >= _CACHE:
            self._rows.clear()
        self._rows[facts.number] = row
        return row

    def _with_gaps(self, rows: Sequence[SealRow]) -> Iterator[SealRow]:
        last: SealRow | None = None
        for row in rows:
            if last is not None and last.closed is not None and row.closed is not None:
                hole = (row.closed - last.closed).total_seconds() - self._interval
                if hole > GAP_SLACK_S:
                    until = row.opened if row.opened > last.closed else row.closed
                    yield SealRow(None, SealState.GAP, last.closed, until, 0, 0, 0, reason=row.reason)
            yield row
            last = row


def _judged(row: SealRow, verified: Verified | None) -> SealRow:
    """Show a stamped seal as verified where a whole verification saw it with its stamp."""
    if verified is None or row.state is not SealState.STAMPED or row.number is None or row.stamped_at is None:
        return row
    if row.number <= verified.seals and row.stamped_at <= verified.at:
        return replace(row, state=SealState.VERIFIED)
    return row
