"""What stands in `seals/`, for screens and proofs. Reads manifests; checks nothing but their form."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retention.chain import segments_of
from retention.checkpoint import Checkpoint
from retention.manifest import Manifest
from some.errors import IntegrityError, NotFound

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from retention.layout import Ledger


@dataclass(frozen=True, slots=True)
class SealFacts:
    """One seal as a screen shows it; `size` is the content in bytes, `token` where the token stands or would stand."""

    number: int
    opened_at: datetime
    closed_at: datetime
    segments: int
    records: int
    size: int
    trial: bool
    notes: tuple[str, ...]
    committed: bool
    signed: bool
    stamped: bool
    token: Path


class Seals:
    """The seals of one ledger. Remembers which seal lists which segment; safe to share between threads."""

    def __init__(self, ledger: Ledger) -> None:
        """Nothing is read before the first question."""
        self._ledger = ledger
        self._lock = threading.Lock()
        self._seal_of: dict[int, int] = {}
        self._scanned = 0

    def committed(self) -> int:
        """Return the number of the last committed seal, 0 for none; raises IntegrityError for a damaged head."""
        try:
            return Checkpoint.parse(self._ledger.head.read_text("utf-8")).size
        except FileNotFoundError:
            return 0

    def manifest(self, number: int) -> Manifest:
        """Return one manifest; raises NotFound, or IntegrityError."""
        try:
            return Manifest.parse(self._ledger.manifest(number).read_bytes())
        except FileNotFoundError as fault:
            raise NotFound(f"no seal {number}") from fault

    def facts(self, number: int) -> SealFacts:
        """Return one seal's facts; raises NotFound, or IntegrityError."""
        manifest = self.manifest(number)
        token = self._ledger.token(number)
        return SealFacts(
            number, manifest.opened_at, manifest.closed_at, len(manifest.segments), manifest.records,
            sum(segment.size for segment in manifest.segments), manifest.trial,
            tuple(f"{note.key}: {note.text}" for note in manifest.notes),
            number <= self.committed(), self._ledger.signature(number).exists(), token.exists(), token,
        )  # fmt: skip

    def newest(self, limit: int, before: int | None = None) -> list[SealFacts]:
        """Return up to `limit` committed seals, newest first, only those numbered below `before` if given."""
        last = self.committed()
        start = last if before is None else min(last, before - 1)
        return [self.facts(number) for number in range(start, max(0, start - limit), -1)]

    def seal_of(self, segment: int) -> int | None:
        """Return the number of the committed seal that lists `segment`, None while there is none."""
        with self._lock:
            last = self.committed()
            while self._scanned < last:
                number = self._scanned + 1
                try:
                    text = self._ledger.manifest(number).read_bytes()
                except FileNotFoundError as fault:
                    raise IntegrityError(f"seal {number}: its manifest is missing") from fault
                self._seal_of |= dict.fromkeys(segments_of(text), number)
                self._scanned = number
            return self._seal_of.get(segment)
