"""Pages for coming in, for one's own account, and for the accounts of the others."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.responses import Response  # noqa: TC002 - FastAPI reads annotations

from some.actor import Permission
from some.app.web import account, answers, signing
from some.app.web.access import public, requires
from some.app.web.account_port import LinkFilled
from some.app.web.call import Call, Guest  # noqa: TC001 - as above
from some.wording import LANGUAGES

router = APIRouter(include_in_schema=False)

Text = Annotated[str, Form(max_length=1000)]
Texts = Annotated[list[str], Form()]
_YEAR_S = 365 * 86_400


@router.get("/giris")
def sign_in_form(seen: Guest = public(), sonra: str = "/", dil: str = "") -> Response:
    """Show the sign-in page; `dil` chooses its language."""
    response = answers.page(seen, signing.form(seen, sonra))
    if dil in LANGUAGES:
        answers.set_cookie(seen, response, "language", dil, _YEAR_S)
    return response


@router.post("/giris")
def sign_in(name: Text, password: Text, seen: Guest = public(), sonra: Text = "/") -> Response:
    """Check a password."""
    return signing.entered(seen, name, password, sonra)


@router.post("/giris/kod")
def second_step(ticket: Text, code: Text, seen: Guest = public(), sonra: Text = "/") -> Response:
    """Check a code."""
    return signing.confirmed(seen, ticket, code, sonra)


@router.post("/cikis")
def sign_out(call: Call = requires(Permission.SELF_MANAGE)) -> Response:
    """Close the session."""
    call.edge.ports.accounts.sign_out(call.session)
    response = answers.turn("/giris")
    answers.drop_cookie(call, response, "session")
    return response


@router.get("/kurulum/{link}")
def link_form(link: str, seen: Guest = public()) -> Response:
    """Show the page behind a one-time link."""
    page = signing.link(seen, link)
    return answers.page(seen, page, 200 if page.offer else 404)


@router.post("/kurulum/{link}")
def use_link(
    *, link: str, password: Text, seen: Guest = public(), name: Text = "", display_name: Text = "", code: Text = ""
) -> Response:
    """Use a one-time link."""
    return signing.link_used(seen, link, LinkFilled(name, display_name, password, code.replace(" ", "")))


@router.get("/hesap")
def show_account(call: Call = requires(Permission.SELF_MANAGE)) -> Response:
    """Show one's own account."""
    return answers.page(call, account.page(call))


@router.post("/hesap/parola")
def change_password(old: Text, new: Text, call: Call = requires(Permission.SELF_MANAGE)) -> Response:
    """Change one's own password."""
    return account.password_changed(call, old, new)


@router.post("/hesap/ikinci-adim/ac")
def offer_totp(call: Call = requires(Permission.SELF_MANAGE)) -> Response:
    """Offer a second factor."""
    return answers.page(call, account.page(call, offer=call.edge.ports.accounts.offer_totp(call.visitor.actor)))


@router.post("/hesap/ikinci-adim")
def confirm_totp(code: Text, call: Call = requires(Permission.SELF_MANAGE)) -> Response:
    """Switch the second factor on."""
    return account.totp_confirmed(call, code)


@router.post("/hesap/ikinci-adim/kapat")
def drop_totp(password: Text, call: Call = requires(Permission.SELF_MANAGE)) -> Response:
    """Switch the second factor off."""
    return account.totp_dropped(call, password)


@router.post("/hesap/oturum/{session}/kapat")
def revoke_session(session: str, call: Call = requires(Permission.SELF_MANAGE)) -> Response:
    """Close one of one's own sessions."""
    call.edge.ports.accounts.revoke_session(call.visitor.actor, session)
    return answers.turn("/hesap#oturumlar")


@router.post("/hesap/anahtar")
def create_token(
    token_name: Text, days: Annotated[int, Form(ge=1, le=730)], call: Call = requires(Permission.TOKENS_MANAGE),
    permissions: Texts = [],  # noqa: B006 - FastAPI copies it
) -> Response:  # fmt: skip
    """Make a machine token."""
    return account.token_made(call, token_name, days, permissions)


@router.post("/hesap/anahtar/{token}/kaldir")
def revoke_token(token: str, call: Call = requires(Permission.TOKENS_MANAGE)) -> Response:
    """Revoke a machine token."""
    call.edge.ports.accounts.revoke_token(call.visitor.actor, token)
    return answers.turn("/hesap#anahtarlar")


@router.post("/hesap/gorunum")
def set_preferences(
    language: Text, theme: Text, call: Call = requires(Permission.SELF_MANAGE), shortcuts: Text = ""
) -> Response:
    """Keep how pages look."""
    call.edge.ports.accounts.set_preferences(
        call.visitor.actor, language=language, theme=theme, shortcuts=bool(shortcuts)
    )
    response = answers.turn("/hesap#gorunum")
    answers.set_cookie(call, response, "language", language if language in LANGUAGES else "tr", _YEAR_S)
    return response


@router.get("/yonetim")
def show_administration(call: Call = requires(Permission.ACCOUNTS_MANAGE)) -> Response:
    """Show all accounts."""
    return answers.page(call, account.administration(call))


@router.post("/yonetim/hesap")
def create_account(
    name: Text, display_name: Text, call: Call = requires(Permission.ACCOUNTS_MANAGE), reason: Text = "",
    roles: Texts = [],  # noqa: B006 - FastAPI copies it
) -> Response:  # fmt: skip
    """Make an account."""
    return account.account_made(call, name, display_name, roles, reason)


@router.post("/yonetim/hesap/{name}/roller")
def set_roles(
    name: str, call: Call = requires(Permission.ACCOUNTS_MANAGE), reason: Text = "",
    roles: Texts = [],  # noqa: B006 - FastAPI copies it
) -> Response:  # fmt: skip
    """Replace an account's roles."""
    return account.roles_set(call, name, roles, reason)


@router.post("/yonetim/hesap/{name}/kapat")
def disable_account(name: str, call: Call = requires(Permission.ACCOUNTS_MANAGE)) -> Response:
    """Disable an account."""
    return account.disabled_set(call, name, disabled=True)


@router.post("/yonetim/hesap/{name}/ac")
def enable_account(name: str, call: Call = requires(Permission.ACCOUNTS_MANAGE)) -> Response:
    """Enable an account."""
    return account.disabled_set(call, name, disabled=False)


@router.post("/yonetim/hesap/{name}/sifirla")
def reset_account(name: str, call: Call = requires(Permission.ACCOUNTS_MANAGE)) -> Response:
    """Take an account's password away and make a one-time link."""
    return account.was_reset(call, name)
