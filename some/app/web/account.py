"""Hesap and Yönetim: one's own account, and the accounts of the others."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from some.actor import Permission
from some.app.web import answers, frames, pictures, signing
from some.app.web.account_port import Refused
from some.app.web.pages import AccountPage, AdministrationPage
from some.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.responses import Response

    from some.app.web.account_port import TotpOffer
    from some.app.web.call import Call

TOKEN_PERMISSIONS = (
    Permission.STATUS_READ,
    Permission.RECORDS_SEARCH,
    Permission.RECORDS_READ_AUDIT,
    Permission.SEALS_READ,
    Permission.SEALS_VERIFY,
    Permission.RECORDS_EXPORT,
)
"""What the JSON interface asks for; a token can hold no more than its maker."""


def page(
    call: Call,
    *,
    offer: TotpOffer | None = None,
    shown_once: Sequence[str] = (),
    shown_title: str = "",
    faults: Mapping[str, str] | None = None,
    notice: str = "",
) -> AccountPage:
    """Return one's own account; `faults` are sentences by section."""
    desk, actor = call.edge.ports.accounts, call.visitor.actor
    may_tokens = call.may(Permission.TOKENS_MANAGE)
    return AccountPage(
        frame=frames.framed(call, "Account", "account"),
        sessions=desk.sessions(actor),
        tokens=desk.tokens(actor) if may_tokens else (),
        may_tokens=may_tokens,
        permissions=[permission.value for permission in TOKEN_PERMISSIONS if call.may(permission)],
        offer=offer,
        qr=pictures.qr(offer.uri) if offer else None,
        secrets=shown_once,
        secrets_title=shown_title,
        faults=dict(faults or {}),
        notice=notice,
    )


def administration(
    call: Call, *, link: str = "", link_for: str = "", fault: str = "", notice: str = ""
) -> AdministrationPage:
    """Return all accounts; `link` is the invitation of a new one, shown once."""
    desk, actor = call.edge.ports.accounts, call.visitor.actor
    return AdministrationPage(
        frame=frames.framed(call, "Administration", "administration"),
        accounts=desk.accounts(actor),
        roles=desk.roles(call.language),
        secret=link,
        secret_for=link_for,
        fault=fault,
        notice=notice,
    )


def password_changed(call: Call, old: str, new: str) -> Response:
    """Change one's own password; the cookie changes with it."""
    try:
        given = call.edge.ports.accounts.change_password(call.visitor.actor, old, new, call.seat)
    except BadInput as error:
        return answers.page(call, page(call, faults={"password": call.fault(error)}), 400)
    if isinstance(given, Refused):
        return answers.page(call, page(call, faults={"password": signing.refusal(call, given)}), 400)
    response = answers.turn("/hesap#parola")
    answers.set_cookie(call, response, "session", given.token)
    return response


def totp_confirmed(call: Call, code: str) -> Response:
    """Switch the second factor on and show the recovery codes once."""
    desk, actor = call.edge.ports.accounts, call.visitor.actor
    try:
        codes = desk.confirm_totp(actor, code.replace(" ", ""))
    except BadInput as error:
        shown = page(call, offer=desk.offer_totp(actor), faults={"totp": call.fault(error)})
        return answers.page(call, shown, 400)
    visitor = dataclasses.replace(call.visitor, totp=True, must_enrol=False)
    shown = page(dataclasses.replace(call, visitor=visitor), shown_once=codes, shown_title=call._("Recovery codes"))
    return answers.page(call, shown)


def totp_dropped(call: Call, password: str) -> Response:
    """Switch the second factor off."""
    refused = call.edge.ports.accounts.drop_totp(call.visitor.actor, password, call.seat)
    if refused is not None:
        return answers.page(call, page(call, faults={"totp": signing.refusal(call, refused)}), 400)
    return answers.turn("/hesap#ikinci-adim")


def token_made(call: Call, name: str, days: int, permissions: Sequence[str]) -> Response:
    """Make a machine token and show it once."""
    try:
        text = call.edge.ports.accounts.create_token(call.visitor.actor, name, days, permissions)
    except BadInput as error:
        return answers.page(call, page(call, faults={"token": call.fault(error)}), 400)
    return answers.page(call, page(call, shown_once=[text], shown_title=call._("Machine token")))


def account_made(call: Call, name: str, display_name: str, roles: Sequence[str], reason: str) -> Response:
    """Make an account and show its invitation link once."""
    try:
        secret = call.edge.ports.accounts.create_account(call.visitor.actor, name, display_name, roles, reason)
    except BadInput as error:
        return answers.page(call, administration(call, fault=call.fault(error)), 400)
    return answers.page(call, administration(call, link=_link(call, secret), link_for=name))


def roles_set(call: Call, name: str, roles: Sequence[str], reason: str) -> Response:
    """Replace an account's roles."""
    try:
        call.edge.ports.accounts.set_roles(call.visitor.actor, name, roles, reason)
    except BadInput as error:
        return answers.page(call, administration(call, fault=call.fault(error)), 400)
    return answers.turn("/yonetim")


def disabled_set(call: Call, name: str, *, disabled: bool) -> Response:
    """Disable or enable an account."""
    try:
        call.edge.ports.accounts.set_disabled(call.visitor.actor, name, disabled=disabled)
    except BadInput as error:
        return answers.page(call, administration(call, fault=call.fault(error)), 400)
    return answers.turn("/yonetim")


def was_reset(call: Call, name: str) -> Response:
    """Take an account's password away and show its new one-time link once."""
    secret = call.edge.ports.accounts.reset_account(call.visitor.actor, name)
    return answers.page(call, administration(call, link=_link(call, secret), link_for=name))


def _link(call: Call, secret: str) -> str:
    return f"{call.origin}/kurulum/{secret}"
