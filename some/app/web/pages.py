"""One frozen context per page: what its template sees, all of it, and nothing else.

Values arrive ready to show where only the server can know them (links, words that depend on several values); times and
numbers stay values and are written out by `show` in the template.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from markupsafe import Markup

    from some.app.web.account_port import AccountRow, LinkOffer, SessionRow, TokenRow, TotpOffer, Visitor
    from some.app.web.ports import ArchiveStatus, CollectorRow, ProofStep, SealDetail, SealRow, SealState
    from some.app.web.record_pages import ChainLink


@dataclass(frozen=True, slots=True)
class RailEntry:
    """One line of the rail."""

    name: str
    href: str
    icon: str
    current: bool
    count: str = ""


@dataclass(frozen=True, slots=True)
class RailGroup:
    """Lines of the rail under one caption (may be empty)."""

    name: str
    entries: Sequence[RailEntry]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The nearest thing that waits, for the top bar."""

    text: str
    age: str


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around every page. `visitor` is None before signing in; then the bare frame is drawn."""

    title: str
    section: str
    language: str
    theme: str
    institution: str
    help_contact: str | None
    form_token: str
    visitor: Visitor | None = None
    initials: str = ""
    rail: Sequence[RailGroup] = ()
    health_text: str = ""
    health_tone: str = ""
    health_icon: str = ""
    head_label: str = ""
    head: str = ""
    waiting: Waiting | None = None
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Every page has a frame; `template` names the file that draws it."""

    template: ClassVar[str]
    frame: Frame


@dataclass(frozen=True, slots=True)
class SignInPage(Page):
    """Name and password, then the code where `ticket` is set."""

    template: ClassVar[str] = "sign_in.html"
    name: str = ""
    ticket: str = ""
    next_path: str = "/"
    fault: str = ""
    fault_next: str = ""
    notice: str = ""


@dataclass(frozen=True, slots=True)
class LinkPage(Page):
    """The page behind a one-time link; `offer` is None where the link is not valid any more."""

    template: ClassVar[str] = "link.html"
    offer: LinkOffer | None
    qr: Markup | None
    name: str = ""
    display_name: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class CodesPage(Page):
    """Recovery codes, shown once after a link was used."""

    template: ClassVar[str] = "codes.html"
    codes: Sequence[str]


@dataclass(frozen=True, slots=True)
class ErrorPage(Page):
    """Cause, effect, next step, request number."""

    template: ClassVar[str] = "error.html"
    status: int
    cause: str
    effect: str
    next_step: str
    request_id: str


@dataclass(frozen=True, slots=True)
class Attention:
    """Something that waits for a person: what, since when, why it matters, where to go."""

    what: str
    when: str
    title: str
    text: str
    href: str
    action: str
    tone: str


@dataclass(frozen=True, slots=True)
class TileCell:
    """One tile: a state, its link and its full description."""

    state: SealState
    href: str
    label: str
    hour: str = ""
    current: bool = False


@dataclass(frozen=True, slots=True)
class CollectorLine:
    """A collector with its curve drawn."""

    row: CollectorRow
    curve: Markup
    rate: float
    state: str
    tone: str
    last: str
    href: str


@dataclass(frozen=True, slots=True)
class TodayPage(Page):
    """What needs attention now, and how the parts are."""

    template: ClassVar[str] = "today.html"
    now: datetime
    lead: str
    summary: str
    attention: Sequence[Attention]
    status: ArchiveStatus
    strip: Sequence[TileCell]
    collectors: Sequence[CollectorLine]
    rate: float
    documents: int
    index_text: str
    index_tone: str
    disk_share: float
    disk_days: int | None


@dataclass(frozen=True, slots=True)
class WallRow:
    """One day of the tile wall: 24 cells, None where there is nothing."""

    day: str
    today: bool
    cells: Sequence[TileCell | None]


@dataclass(frozen=True, slots=True)
class SealLine:
    """One line of the seal table."""

    row: SealRow
    href: str
    selected: bool
    lateness: str
    tone: str


@dataclass(frozen=True, slots=True)
class SealPanel:
    """Everything about one seal; `manifest` is the text in coloured pieces, `commands` what a stranger runs."""

    detail: SealDetail
    chain: Sequence[ChainLink]
    manifest: Sequence[tuple[str, str]]
    commands: Sequence[tuple[str, str]]
    lateness: str
    previous_href: str
    next_href: str
    close_href: str
    proof: Sequence[ProofStep]
    may_export: bool
    may_verify: bool


@dataclass(frozen=True, slots=True)
class SealNote:
    """A gap or late stamps in words."""

    cause: str
    effect: str
    tone: str
    mark: str
    href: str


@dataclass(frozen=True, slots=True)
class SealsPage(Page):
    """The seals of some days: summary, wall, table, panel."""

    template: ClassVar[str] = "seals.html"
    status: ArchiveStatus
    waiting_age: str
    days: int
    wall: Sequence[WallRow]
    current_hour: int
    counts: Sequence[tuple[SealState, int]]
    notes: Sequence[SealNote]
    lines: Sequence[SealLine]
    older_href: str
    newer_href: str
    panel: SealPanel | None
    may_seal: bool
    notice: str


@dataclass(frozen=True, slots=True)
class AccountPage(Page):
    """One's own account. `secrets` are shown once: recovery codes or a new machine token."""

    template: ClassVar[str] = "account.html"
    sessions: Sequence[SessionRow]
    tokens: Sequence[TokenRow]
    may_tokens: bool
    permissions: Sequence[str]
    offer: TotpOffer | None
    qr: Markup | None
    secrets: Sequence[str]
    secrets_title: str
    faults: dict[str, str]
    notice: str


@dataclass(frozen=True, slots=True)
class AdministrationPage(Page):
    """Accounts and their roles; `secret` is a new account's invitation link, shown once."""

    template: ClassVar[str] = "administration.html"
    accounts: Sequence[AccountRow]
    roles: Sequence[tuple[str, str]]
    secret: str
    secret_for: str
    fault: str
    notice: str
