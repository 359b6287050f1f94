"""What the desk answers: views for pages, secrets that are shown once, refusals with their reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from some.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from some.actor import Actor, Permission
    from some.wording import Translator


class AccountFault(BadInput):
    """The use case refuses; `told(_)` says why in the reader's language."""

    code = "account"

    def __init__(self, msgid: str, **values: object) -> None:
        """Say `msgid` (marked for the catalogue) filled with `values`."""
        super().__init__(msgid % values if values else msgid)
        self._msgid = msgid
        self._values = values

    def told(self, _: Translator) -> str:
        """Return the sentence in the translator's language."""
        return _(self._msgid, **self._values)


class Reason(StrEnum):
    """Why somebody was not let in. None of them says whether an account exists to one who lacks its password."""

    WRONG = "wrong"  # the name or the password is wrong
    WRONG_CODE = "wrong_code"  # the password was right, the code is not (or was used before)
    LOCKED = "locked"  # too many failures of this name or from this address; `retry_at` says when
    DISABLED = "disabled"  # the password was right, the account is closed
    EXPIRED = "expired"  # the second step came too late; start again


@dataclass(frozen=True, slots=True)
class Seat:
    """Where somebody sits: address of the peer, and what his browser calls itself (cut to 200 characters)."""

    peer: str
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not let in."""

    reason: Reason
    retry_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CodeNeeded:
    """The password was right; `challenge` goes back with the code (`answer_code`) before `expires_at`."""

    challenge: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """A session as its own page sees it; it ends at `ends_at` even when used, earlier when idle.

    `preferences` holds what the person chose for his pages (`people.PREFERENCES`), and only that.
    """

    id: str
    account_id: str
    account_name: str
    display_name: str
    created_at: datetime
    ends_at: datetime
    stepped_up_until: datetime | None
    second_factor: bool
    must_enrol: bool
    preferences: Mapping[str, str]

    def is_stepped_up(self, now: datetime) -> bool:
        """Say whether the password was asked for again a short while ago."""
        return self.stepped_up_until is not None and now < self.stepped_up_until


@dataclass(frozen=True, slots=True)
class Resumed:
    """Who this session belongs to, with today's permissions."""

    actor: Actor
    session: SessionFacts


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Let in: `secret` is the new cookie value, shown once."""

    secret: str
    actor: Actor
    session: SessionFacts


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an authenticator app needs: the secret to type, its otpauth URI, and the same as an SVG image."""

    secret: str
    uri: str
    svg: str


@dataclass(frozen=True, slots=True)
class LinkForm:
    """What the page behind a one-time link shows; `name` is empty for the first administrator, who chooses it."""

    purpose: str
    name: str
    display_name: str
    expires_at: datetime
    enrolment: Enrolment
    code_required: bool


@dataclass(frozen=True, slots=True)
class Welcome:
    """A one-time link was used: signed in, with recovery codes (shown once) where a second factor was set up."""

    signed_in: SignedIn
    recovery_codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """A one-time link's secret, shown once."""

    name: str
    secret: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as lists show it."""

    id: str
    name: str
    display_name: str
    roles: frozenset[str]
    enabled: bool
    has_password: bool
    second_factor: bool
    created_at: datetime
    signed_in_at: datetime | None
    locked_until: datetime | None


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as lists show it."""

    id: str
    created_at: datetime
    seen_at: datetime
    peer: str
    agent: str


@dataclass(frozen=True, slots=True)
class TokenView:
    """A machine token as lists show it; `active` says whether it would be taken now."""

    id: str
    label: str
    owner: str | None
    permissions: frozenset[Permission]
    networks: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None
    used_from: str | None
    revoked_at: datetime | None
    active: bool


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A new machine token; `text` is shown once."""

    text: str
    view: TokenView
