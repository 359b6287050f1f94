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


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session just opened: `token` is the opaque cookie value, shown once."""

    token: str


@dataclass(frozen=True, slots=True)
class SecondStep:
    """The password was right; `ticket` (short-lived, opaque) goes with the TOTP code."""

    ticket: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Not let in: `reason` is wrong, wrong_code, locked, disabled or expired; `retry_at` is set where it is locked."""

    reason: str
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """Where somebody sits: address of the peer, what his browser calls itself, the session cookie he came with."""

    address: str
    agent: str = ""
    previous: str = ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is behind a request: the actor with permissions, and how he wants to see pages.

    `session` names the session (not its token) so that a list can mark it; None for machine tokens. Where `must_enrol`
    holds, he may only set up his second factor.
    """

    actor: Actor
    name: str
    display_name: str
    role: str
    language: str | None = None
    theme: str = "system"
    shortcuts: bool = True
    totp: bool = False
    session: str | None = None
    must_enrol: bool = False


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One open session of an account."""

    id: str
    opened_at: datetime
    last_seen_at: datetime
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """One machine token, never its secret."""

    id: str
    name: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    permissions: Sequence[str]


@dataclass(frozen=True, slots=True)
class AccountRow:
    """One account as an administrator sees it; its name is its address."""

    name: str
    display_name: str
    roles: Sequence[str]
    disabled: bool
    totp: bool
    last_seen_at: datetime | None
    locked_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class TotpOffer:
    """A second factor not yet confirmed: the otpauth URI for the QR picture and the secret to type."""

    uri: str
    secret: str


@dataclass(frozen=True, slots=True)
class LinkOffer:
    """The page behind a one-time link: `purpose` is `setup` (the first administrator), `invitation` or `reset`.

    `name` is empty where the person chooses it. `totp` is the second factor to set up; `code_required` says it must be.
    """

    purpose: str
    name: str
    display_name: str
    totp: TotpOffer | None
    code_required: bool


@dataclass(frozen=True, slots=True)
class LinkFilled:
    """What was typed on that page; `code` is empty where the second factor is left for later."""

    name: str
    display_name: str
    password: str
    code: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """A one-time link was used: the session's cookie value, and recovery codes (shown once) if a factor was set up."""

    token: str
    recovery_codes: Sequence[str] = ()


class AccountsDoor(Protocol):
    """Accounts as the pages use them; every method that changes something writes its own audit entry.

    Raises BadInput with a sentence for people where a name, password, code, role or choice does not do.
    """

    def sign_in(self, name: str, password: str, seat: Seat) -> SignedIn | SecondStep | Refused:
        """Check a password; equally slow for unknown names."""
        ...

    def second_step(self, ticket: str, code: str, seat: Seat) -> SignedIn | Refused:
        """Check a TOTP or recovery code against a ticket of `sign_in`."""
        ...

    def visitor(self, token: str, language: str) -> Visitor | None:
        """Return who holds the session cookie `token`, None where it is unknown, revoked or expired."""
        ...

    def bearer(self, token: str, address: str) -> Visitor | None:
        """Return the machine behind a bearer token, None where it is unknown, revoked, expired or somewhere else."""
        ...

    def sign_out(self, token: str) -> None:
        """Close the session of this cookie; unknown tokens are no error."""
        ...

    def link_offer(self, link: str) -> LinkOffer | None:
        """Return what the page behind a one-time link shows; None where the link is unknown, used or too old."""
        ...

    def use_link(self, link: str, filled: LinkFilled, seat: Seat) -> Welcome:
        """Use the link and sign in; raises BadInput."""
        ...

    def change_password(self, actor: Actor, old: str, new: str, seat: Seat) -> SignedIn | Refused:
        """Change the actor's own password; every session closes and a new one begins. Raises BadInput."""
        ...

    def offer_totp(self, actor: Actor) -> TotpOffer:
        """Make (or return the waiting) second factor that `confirm_totp` will switch on."""
        ...

    def confirm_totp(self, actor: Actor, code: str) -> Sequence[str]:
        """Switch the offered factor on; returns recovery codes, shown once. Raises BadInput."""
        ...

    def drop_totp(self, actor: Actor, password: str, seat: Seat) -> Refused | None:
        """Switch the second factor off; asks the password again."""
        ...

    def sessions(self, actor: Actor) -> Sequence[SessionRow]:
        """Return the actor's open sessions, newest first."""
        ...

    def revoke_session(self, actor: Actor, session: str) -> None:
        """Close one of the actor's sessions; raises NotFound."""
        ...

    def tokens(self, actor: Actor) -> Sequence[TokenRow]:
        """Return the machine tokens that are taken now."""
        ...

    def create_token(self, actor: Actor, name: str, days: int, permissions: Sequence[str]) -> str:
        """Make a machine token with at most the actor's own permissions; returns it, shown once. Raises BadInput."""
        ...

    def revoke_token(self, actor: Actor, token: str) -> None:
        """Revoke a machine token; raises NotFound."""
        ...

    def set_preferences(self, actor: Actor, *, language: str, theme: str, shortcuts: bool) -> None:
        """Keep how the actor wants to see pages; raises BadInput."""
        ...

    def accounts(self, actor: Actor) -> Sequence[AccountRow]:
        """Return all accounts by name."""
        ...

    def roles(self, language: str) -> Sequence[tuple[str, str]]:
        """Return the roles that may be given as (id, label in `language`)."""
        ...

    def create_account(self, actor: Actor, name: str, display_name: str, roles: Sequence[str], reason: str) -> str:
        """Make an account; returns the secret of its one-time invitation link. Raises BadInput."""
        ...

    def reset_account(self, actor: Actor, name: str) -> str:
        """Take away password, factor and sessions; returns the secret of a one-time link. Raises NotFound."""
        ...

    def set_roles(self, actor: Actor, name: str, roles: Sequence[str], reason: str) -> None:
        """Replace an account's roles; the last administrator keeps his (BadInput)."""
        ...

    def set_disabled(self, actor: Actor, name: str, *, disabled: bool) -> None:
        """Disable or enable an account; disabling closes its sessions. The last administrator stays (BadInput)."""
        ...


class AuditPort(Protocol):
    """Who saw or took what: an entry in the chain, not a diagnostic."""

    def write(self, actor: Actor, kind: str, facts: Mapping[str, Fact], subject: str = "") -> None:
        """Write one audit entry about `subject` (a REF, a seal); raises Unavailable, and then the act must not happen."""
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
    where users come over https (then cookies carry `__Host-` and Secure). `classes` are the record classes that exist.
    """

    institution: str
    hosts: frozenset[str] = frozenset()
    zone: str = "Europe/Istanbul"
    secure: bool = False
    listeners: tuple[Listener, ...] = ()
    help_contact: str | None = None
    version: str = ""
    classes: frozenset[str] = frozenset({"access", "hosting", "address", "identity", "audit", "mail", "dns"})
