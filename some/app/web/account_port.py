"""What the pages need from the accounts desk, as one protocol and frozen values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from some.actor import Actor


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
