"""The accounts desk behind the port of the pages."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from some.actor import Permission
from some.app.accounts import outcomes
from some.app.accounts.outcomes import AccountFault
from some.app.accounts.outcomes import Seat as DeskSeat
from some.app.web.account_port import (
    AccountRow,
    LinkOffer,
    Refused,
    SecondStep,
    SessionRow,
    SignedIn,
    TokenRow,
    TotpOffer,
    Visitor,
    Welcome,
)
from some.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

    from some.actor import Actor
    from some.app.accounts.desk import AccountsDesk
    from some.app.accounts.roles import RoleBook
    from some.app.web.account_port import LinkFilled, Seat

SETUP = "setup"
BESIDE = ("analist",)
"""What the first administrator is besides: one person must be able to begin; `some doctor` reminds of it later."""
BESIDE_REASON = "first administrator: one person begins alone"


class DeskDoor:
    """`AccountsDoor` on the real desk."""

    def __init__(self, desk: AccountsDesk, roles: RoleBook) -> None:
        """Show `desk`; `roles` gives the labels."""
        self._desk = desk
        self._roles = roles

    def sign_in(self, name: str, password: str, seat: Seat) -> SignedIn | SecondStep | Refused:
        """Check a password."""
        given = self._desk.sign_in(name, password, _seat(seat), previous=seat.previous)
        if isinstance(given, outcomes.CodeNeeded):
            return SecondStep(given.challenge)
        return _signed(given)

    def second_step(self, ticket: str, code: str, seat: Seat) -> SignedIn | Refused:
        """Check a code."""
        return _signed(self._desk.answer_code(ticket, code, _seat(seat), previous=seat.previous))

    def visitor(self, token: str, language: str) -> Visitor | None:
        """Return who holds the cookie."""
        resumed = self._desk.resume(token)
        if resumed is None:
            return None
        actor, session = resumed.actor, resumed.session
        chosen = self._desk.preferences(actor)
        return Visitor(
            actor=actor,
            name=session.account_name,
            display_name=actor.name,
            role=", ".join(self._labels(actor.roles, chosen.get("language", language))),
            language=chosen.get("language"),
            theme=chosen.get("theme", "system"),
            shortcuts=chosen.get("shortcuts", "on") == "on",
            totp=session.second_factor,
            session=session.id,
            must_enrol=session.must_enrol,
        )

    def bearer(self, token: str, address: str) -> Visitor | None:
        """Return the machine behind a token."""
        actor = self._desk.recognise_token(token, address)
        return Visitor(actor, actor.name, actor.name, "") if actor else None

    def sign_out(self, token: str) -> None:
        """Close the session."""
        self._desk.sign_out(token)

    def link_offer(self, link: str) -> LinkOffer | None:
        """Return what a link's page shows."""
        try:
            form = self._desk.open_link(link)
        except AccountFault:
            return None
        totp = TotpOffer(form.enrolment.uri, form.enrolment.secret)
        return LinkOffer(form.purpose, form.name, form.display_name, totp, form.code_required)

    def use_link(self, link: str, filled: LinkFilled, seat: Seat) -> Welcome:
        """Use a link."""
        if self._desk.open_link(link).purpose == SETUP:
            welcome = self._desk.complete_setup(
                link,
                name=filled.name,
                display_name=filled.display_name,
                password=filled.password,
                seat=_seat(seat),
                code=filled.code,
                roles_beside=BESIDE,
                reason=BESIDE_REASON,
            )
        else:
            welcome = self._desk.accept_link(link, password=filled.password, seat=_seat(seat), code=filled.code)
        return Welcome(welcome.signed_in.secret, welcome.recovery_codes)

    def change_password(self, actor: Actor, old: str, new: str, seat: Seat) -> SignedIn | Refused:
        """Change one's own password."""
        return _signed(self._desk.change_password(actor, old, new, _seat(seat)))

    def offer_totp(self, actor: Actor) -> TotpOffer:
        """Offer a second factor."""
        offer = self._desk.offer_second_factor(actor)
        return TotpOffer(offer.uri, offer.secret)

    def confirm_totp(self, actor: Actor, code: str) -> Sequence[str]:
        """Switch the second factor on."""
        return self._desk.confirm_second_factor(actor, code)

    def drop_totp(self, actor: Actor, password: str, seat: Seat) -> Refused | None:
        """Switch the second factor off."""
        refused = self._desk.drop_second_factor(actor, password, _seat(seat))
        return Refused(refused.reason.value, refused.retry_at) if refused else None

    def sessions(self, actor: Actor) -> Sequence[SessionRow]:
        """Return one's own sessions."""
        return [
            SessionRow(view.id, view.created_at, view.seen_at, view.peer, view.agent)
            for view in self._desk.sessions(actor)
        ]

    def revoke_session(self, actor: Actor, session: str) -> None:
        """Close one of one's own sessions."""
        self._desk.revoke_session(actor, session)

    def tokens(self, actor: Actor) -> Sequence[TokenRow]:
        """Return the tokens that are taken now."""
        return [
            TokenRow(
                view.id,
                view.label,
                view.created_at,
                view.expires_at,
                view.used_at,
                sorted(permission.value for permission in view.permissions),
            )
            for view in self._desk.tokens(actor)
            if view.active
        ]

    def create_token(self, actor: Actor, name: str, days: int, permissions: Sequence[str]) -> str:
        """Make a token."""
        try:
            wanted = [Permission(text) for text in permissions]
        except ValueError as error:
            raise BadInput(str(error)) from error
        return self._desk.issue_token(actor, name, wanted, timedelta(days=days)).text

    def revoke_token(self, actor: Actor, token: str) -> None:
        """Revoke a token."""
        self._desk.revoke_token(actor, token)

    def set_preferences(self, actor: Actor, *, language: str, theme: str, shortcuts: bool) -> None:
        """Keep how pages look."""
        chosen = {"language": language, "theme": theme, "shortcuts": "on" if shortcuts else "off"}
        self._desk.set_preferences(actor, chosen)

    def accounts(self, actor: Actor) -> Sequence[AccountRow]:
        """Return all accounts."""
        return [
            AccountRow(
                name=view.name,
                display_name=view.display_name,
                roles=sorted(view.roles),
                disabled=not view.enabled,
                totp=view.second_factor,
                last_seen_at=view.signed_in_at,
                locked_until=view.locked_until,
            )
            for view in self._desk.accounts(actor)
        ]

    def roles(self, language: str) -> Sequence[tuple[str, str]]:
        """Return the roles that may be given; duties belong to rooms that do not exist yet on screen."""
        return [
            (role.name, role.label.get(language, role.name)) for role in self._roles.roles.values() if not role.is_duty
        ]

    def create_account(self, actor: Actor, name: str, display_name: str, roles: Sequence[str], reason: str) -> str:
        """Make an account."""
        link = self._desk.create_account(actor, name, display_name, roles, reason=reason)
        if link is None:
            raise AssertionError  # only a password given at the command line makes no invitation
        return link.secret

    def reset_account(self, actor: Actor, name: str) -> str:
        """Reset an account."""
        return self._desk.reset_account(actor, name).secret

    def set_roles(self, actor: Actor, name: str, roles: Sequence[str], reason: str) -> None:
        """Replace roles; duties that this page does not show are kept."""
        held = next((view.roles for view in self._desk.accounts(actor) if view.name == name), frozenset())
        duties = {role for role in held if role in self._roles.roles and self._roles.roles[role].is_duty}
        self._desk.set_roles(actor, name, {*roles, *duties}, reason=reason)

    def set_disabled(self, actor: Actor, name: str, *, disabled: bool) -> None:
        """Disable or enable."""
        if disabled:
            self._desk.disable(actor, name)
        else:
            self._desk.enable(actor, name)

    def _labels(self, names: frozenset[str], language: str) -> list[str]:
        book = self._roles.roles
        return [book[name].label.get(language, name) for name in sorted(names) if name in book]


def _seat(seat: Seat) -> DeskSeat:
    return DeskSeat(seat.address, seat.agent)


def _signed(given: outcomes.SignedIn | outcomes.Refused) -> SignedIn | Refused:
    if isinstance(given, outcomes.Refused):
        return Refused(given.reason.value, given.retry_at)
    return SignedIn(given.secret)
