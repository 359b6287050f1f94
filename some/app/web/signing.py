"""Coming in: password, code, one-time links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from some.app.web import answers, frames, pictures
from some.app.web.account_port import LinkFilled, Refused, SecondStep
from some.app.web.pages import CodesPage, LinkPage, SignInPage
from some.errors import BadInput
from some.wording import marked

if TYPE_CHECKING:
    from starlette.responses import Response

    from some.app.web.account_port import LinkOffer, SignedIn
    from some.app.web.call import Guest

_REFUSED = {
    "wrong": marked("User name or password is wrong."),
    "wrong_code": marked("The code is wrong or was used before."),
    "locked": marked("Too many failed attempts."),
    "disabled": marked("This account is closed."),
    "expired": marked("The second step came too late."),
}
_NEXT = {
    "wrong": marked("Nothing was changed; try again."),
    "wrong_code": marked("Wait for the next code; check the telephone's clock."),
    "disabled": marked("An administrator can open it again."),
    "expired": marked("Begin again with the password."),
}
_TITLES = {
    "setup": marked("First administrator"),
    "invitation": marked("Welcome"),
    "reset": marked("New password"),
}


def form(seen: Guest, next_path: str, *, name: str = "", notice: str = "") -> SignInPage:
    """Return the empty form."""
    return SignInPage(
        frames.bare(seen, marked("Sign in")), name=name, next_path=answers.own_path(next_path), notice=notice
    )


def entered(seen: Guest, name: str, password: str, next_path: str) -> Response:
    """Answer a password: in, on to the code, or back with the reason."""
    given = seen.edge.ports.accounts.sign_in(name, password, seen.seat)
    if isinstance(given, SecondStep):
        frame = frames.bare(seen, marked("Verification code"))
        return answers.page(seen, SignInPage(frame, ticket=given.ticket, next_path=answers.own_path(next_path)))
    return _answered(seen, given, next_path, name=name)


def confirmed(seen: Guest, ticket: str, code: str, next_path: str) -> Response:
    """Answer a code: in, or back with the reason; a ticket that is gone leads back to the password."""
    given = seen.edge.ports.accounts.second_step(ticket, code.replace(" ", ""), seen.seat)
    return _answered(seen, given, next_path, ticket=ticket)


def link(seen: Guest, secret: str) -> LinkPage:
    """Return the page behind a one-time link."""
    return _link_page(seen, seen.edge.ports.accounts.link_offer(secret))


def link_used(seen: Guest, secret: str, filled: LinkFilled) -> Response:
    """Use a one-time link: signed in, with recovery codes where a second factor was set up."""
    try:
        welcome = seen.edge.ports.accounts.use_link(secret, filled, seen.seat)
    except BadInput as error:
        offer = seen.edge.ports.accounts.link_offer(secret)
        page = _link_page(seen, offer, fault=seen.fault(error), filled=filled)
        return answers.page(seen, page, 400)
    if welcome.recovery_codes:
        frame = frames.bare(seen, marked("Second factor"))
        response: Response = answers.page(seen, CodesPage(frame, welcome.recovery_codes))
    else:
        response = answers.turn("/")
    answers.set_cookie(seen, response, "session", welcome.token)
    return response


def _link_page(seen: Guest, offer: LinkOffer | None, *, fault: str = "", filled: LinkFilled | None = None) -> LinkPage:
    title = _TITLES.get(offer.purpose, _TITLES["invitation"]) if offer else marked("Set-up link")
    return LinkPage(
        frames.bare(seen, title),
        offer=offer,
        qr=pictures.qr(offer.totp.uri) if offer and offer.totp else None,
        name=filled.name if filled else "",
        display_name=filled.display_name if filled else "",
        fault=fault,
    )


def _answered(seen: Guest, given: SignedIn | Refused, next_path: str, *, name: str = "", ticket: str = "") -> Response:
    if not isinstance(given, Refused):
        response = answers.turn(next_path)
        answers.set_cookie(seen, response, "session", given.token)
        return response
    if given.reason == "expired":
        ticket = ""
    title = marked("Verification code") if ticket else marked("Sign in")
    page = SignInPage(
        frames.bare(seen, title),
        name=name,
        ticket=ticket,
        next_path=answers.own_path(next_path),
        fault=refusal(seen, given),
        fault_next=_next(seen, given),
    )
    return answers.page(seen, page, 429 if given.reason == "locked" else 401)


def refusal(seen: Guest, given: Refused) -> str:
    """Return why somebody was not let in."""
    return seen._(_REFUSED.get(given.reason, _REFUSED["wrong"]))


def _next(seen: Guest, given: Refused) -> str:
    if given.retry_at is not None:
        return seen._("Try again after {time}.").format(time=seen.display.second(given.retry_at))
    return seen._(_NEXT.get(given.reason, _NEXT["wrong"]))
