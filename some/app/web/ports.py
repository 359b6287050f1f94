"""What the pages need from the rooms below, as small protocols and frozen values.

The web room draws; it never opens the archive, the index or the database itself. `some/app/wiring.py` joins these
protocols to the real rooms, the tests to invented ones. All times are aware UTC, all sizes bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import datetime

    from some.actor import Actor
    from some.record import RecordRef, StoredRecord


Fact = str | int | float | bool | None
"""What an audit fact may be."""


class SealState(StrEnum):
    """How far a seal has come; the star's fill on screen. A local seal is never called stamped."""

    OPEN = "open"
    CLOSED = "closed"
    COMMITTED = "committed"
    STAMPED = "stamped"
    VERIFIED = "verified"
    LATE = "late"
    GAP = "gap"


class ArchiveHealth(StrEnum):
    """The one word of the top bar."""

    SOUND = "sound"
    EMPTY = "empty"
    WAITING = "waiting"
    BROKEN = "broken"
    AWAY = "away"


@dataclass(frozen=True, slots=True)
class DiskUse:
    """Bytes of the file system that holds the data directory; `per_day` is growth (bytes), None while unknown."""

    total: int
    used: int
    per_day: int | None = None


@dataclass(frozen=True, slots=True)
class ArchiveStatus:
    """The archive as its process sees it now.

    `waiting_since` is when the oldest unstamped seal was committed. `tsa` is the authority's name, None where no TSA is
    configured. `trial` marks a ledger whose clock or TSA is a test: its stamps have no legal value.
    """

    ledger: str
    health: ArchiveHealth
    head: int | None
    records: int
    open_segments: int
    open_records: int
    open_bytes: int
    open_since: datetime | None
    last_seal_at: datetime | None
    next_seal_at: datetime | None
    waiting_stamps: int
    waiting_since: datetime | None
    stamp_limit_s: int
    tsa: str | None
    trial: bool
    key: str
    disk: DiskUse
    verified_at: datetime | None = None
    verified_findings: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SealRow:
    """One seal, or the hole where one should be (`state` gap, `number` None), as the wall and table show it.

    `lateness_s` is the time from commit to stamp; `reason` explains a gap or a late stamp in words, if known.
    """

    number: int | None
    state: SealState
    opened: datetime
    closed: datetime | None
    segments: int
    records: int
    size: int
    committed_at: datetime | None = None
    stamped_at: datetime | None = None
    tsa: str | None = None
    lateness_s: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class SealDetail:
    """A seal with what a stranger needs to check it.

    `manifest` is the signed text; `root_fingerprint` the SHA-256 (hex) of the TSA's root certificate to be pinned;
    `stamp_serial` the token's serial number in hex; `verified_at` the last time somebody verified this seal.
    """

    row: SealRow
    manifest: str
    previous: int | None
    next: int | None
    key_file: str
    root_fingerprint: str | None = None
    stamp_serial: str | None = None
    verified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where a record stands in the archive; `seal` is None while its segment is open or unsealed."""

    ref: RecordRef
    record_class: str
    segment_file: str
    line_digest: str
    size: int
    seal: SealRow | None = None
    retained_until: datetime | None = None
    retention_basis: str | None = None


class StepOutcome(StrEnum):
    """The result of one verification step; `waiting` is neither proof nor failure (no stamp yet)."""

    PROVED = "proved"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True, slots=True)
class ProofStep:
    """One step of a verification: `name` line, segment, manifest, signature or stamp; `scope` says what was read.

    `scope` and `finding` are sentences for people in the asker's language or English.
    """

    name: str
    outcome: StepOutcome
    scope: str
    checked_at: datetime
    finding: str | None = None


@dataclass(frozen=True, slots=True)
class CollectorRow:
    """One collector's counters; `series` is records per minute, oldest first, one number per minute shown.

    `state` is `ok`, `silent`, `dropping`, `clock`, `slow` or `off`; `detail` a short phrase for people.
    """

    name: str
    kind: str
    record_class: str
    series: Sequence[int]
    total: int
    last_record_at: datetime | None
    drops: int
    state: str
    detail: str | None = None
    endpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Bundle:
    """A download: a file name, its media type and its bytes in pieces."""

    name: str
    media_type: str
    pieces: Iterator[bytes]


class ArchiveView(Protocol):
    """The archive, read-only but for `seal_now`."""

    def status(self) -> ArchiveStatus:
        """Return the state now; never raises: an archive process that is away is a state of its own."""
        ...

    def seals(self, start: datetime, end: datetime) -> Sequence[SealRow]:
        """Return seals (and gaps, and the open one) with start <= opened < end, oldest first."""
        ...

    def seal(self, number: int) -> SealDetail:
        """Return one seal; raises NotFound."""
        ...

    def collectors(self) -> Sequence[CollectorRow]:
        """Return every collector, in the order of the settings."""
        ...

    def record(self, ref: RecordRef) -> StoredRecord:
        """Return a record as received; raises NotFound, or IntegrityError where the segment is damaged."""
        ...

    def segment_states(self, segments: Collection[int]) -> Mapping[int, SealState]:
        """Return the state of the seal that each segment belongs to; what is missing counts as open."""
        ...

    def place(self, ref: RecordRef) -> RecordPlace:
        """Return where `ref` stands; raises NotFound, or IntegrityError where the segment is damaged."""
        ...

    def verify_record(self, ref: RecordRef) -> Sequence[ProofStep]:
        """Re-derive the chain line, segment, manifest, stamp from bytes; raises NotFound."""
        ...

    def verify_seal(self, number: int) -> Sequence[ProofStep]:
        """Re-derive one seal from bytes; raises NotFound."""
        ...

    def seal_now(self) -> int | None:
        """Close and commit what is open; return the new seal's number, None where nothing was open."""
        ...

    def export_record(self, ref: RecordRef) -> Bundle:
        """Return the offline evidence package of one record; raises NotFound."""
        ...

    def export_seal(self, number: int) -> Bundle:
        """Return the offline evidence package of one seal; raises NotFound."""
        ...


class AuditPort(Protocol):
    """Who saw or took what: an entry in the chain, not a diagnostic."""

    def write(self, actor: Actor, kind: str, facts: Mapping[str, Fact], subject: str = "") -> None:
        """Write one audit entry about `subject` (a REF, a seal); raises Unavailable: then the act must not happen."""
        ...


@dataclass(frozen=True, slots=True)
class Listener:
    """Where the platform listens for syslog, for the first-run command: protocol is udp, tcp or tls."""

    protocol: str
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class WebSettings:
    """What the edge is told by the settings.

    `hosts` are the names a request may use besides loopback; `zone` an IANA name for what people see; `secure` is true
    where users come over https (then cookies carry `__Host-` and Secure).
    """

    institution: str
    hosts: frozenset[str] = frozenset()
    zone: str = "Europe/Istanbul"
    secure: bool = False
    listeners: tuple[Listener, ...] = ()
    help_contact: str | None = None
    version: str = ""
