"""Pages for people: Bugün, Kayıtlar, Mühürler."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations
from starlette.responses import Response  # noqa: TC002 - as above

from some.actor import Permission
from some.app.web import answers, jump, panels, records, seals, today, who
from some.app.web.access import requires
from some.app.web.call import Call  # noqa: TC001 - as above

router = APIRouter(include_in_schema=False)

RequestNo = Annotated[str, Form(min_length=1, max_length=80)]
Purpose = Annotated[str, Form(min_length=1, max_length=200)]


@router.get("/")
def show_today(call: Call = requires(Permission.STATUS_READ)) -> Response:
    """Show Bugün."""
    return answers.page(call, today.page(call))


@router.get("/git")
def go(_call: Call = requires(Permission.SELF_MANAGE), hedef: str = "") -> Response:
    """Search or go to."""
    return answers.turn(jump.target(hedef))


@router.get("/kayitlar")
def show_records(request: Request, call: Call = requires(Permission.RECORDS_SEARCH)) -> Response:
    """Show the search page."""
    return answers.page(call, records.page(call, request.query_params))


@router.get("/kayitlar/{ledger}/{segment}/{position}")
def show_record(ledger: str, segment: str, position: str, call: Call = requires(Permission.RECORDS_SEARCH)) -> Response:
    """Show one record."""
    return answers.page(call, panels.page(call, panels.parse_ref(ledger, segment, position)))


@router.post("/kayitlar/{ledger}/{segment}/{position}/dogrula")
def verify_record(ledger: str, segment: str, position: str, call: Call = requires(Permission.SEALS_VERIFY)) -> Response:
    """Verify one record, and show each step."""
    return answers.page(call, panels.verified(call, panels.parse_ref(ledger, segment, position)))


@router.post("/kayitlar/{ledger}/{segment}/{position}/paket")
def export_record(
    *,
    ledger: str,
    segment: str,
    position: str,
    request_no: RequestNo,
    purpose: Purpose,
    call: Call = requires(Permission.RECORDS_EXPORT),
) -> Response:
    """Download the evidence package of one record."""
    ref = panels.parse_ref(ledger, segment, position)
    return answers.download(panels.exported(call, ref, request_no, purpose))


@router.get("/kim-kullandi")
def show_who(request: Request, call: Call = requires(Permission.ATTRIBUTION_ASK)) -> Response:
    """Show the form, or one question with its answer."""
    return answers.page(call, who.page(call, request.query_params))


@router.post("/kim-kullandi")
async def ask_who(request: Request, call: Call = requires(Permission.ATTRIBUTION_ASK)) -> Response:
    """Ask, and turn to the answer."""
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    made = await run_in_threadpool(who.ask, call, form)
    return answers.turn(made) if isinstance(made, str) else answers.page(call, made, 400)


@router.post("/kim-kullandi/{number}/paket")
def make_reply(number: str, call: Call = requires(Permission.RECORDS_EXPORT)) -> Response:
    """Make and download the reply package of a question."""
    return answers.download(who.replied(call, number))


@router.get("/kim-kullandi/paket/{number}")
def take_reply(number: str, call: Call = requires(Permission.RECORDS_EXPORT)) -> Response:
    """Download a package again."""
    return answers.download(who.package(call, number))


@router.post("/kim-kullandi/{question}/paket/{number}/dogrula")
def check_reply(question: str, number: str, call: Call = requires(Permission.ATTRIBUTION_ASK)) -> Response:
    """Check a package against register and archive."""
    return answers.page(call, who.checked(call, question, number))


@router.get("/muhurler")
def show_seals(call: Call = requires(Permission.SEALS_READ), muhur: str = "", son: str = "") -> Response:
    """Show the seals."""
    return answers.page(call, seals.page(call, seals.number_in(muhur), seals.checked_until(call, son)))


@router.post("/muhurler/simdi")
def seal_now(call: Call = requires(Permission.SEALS_MAKE)) -> Response:
    """Close and commit now."""
    return answers.page(call, seals.sealed(call))


@router.post("/muhurler/{number}/dogrula")
def verify_seal(number: int, call: Call = requires(Permission.SEALS_VERIFY)) -> Response:
    """Verify one seal, and show each step."""
    return answers.page(call, seals.verified(call, number))


@router.post("/muhurler/{number}/paket")
def export_seal(
    number: int, request_no: RequestNo, purpose: Purpose, call: Call = requires(Permission.RECORDS_EXPORT)
) -> Response:
    """Download the evidence package of one seal."""
    return answers.download(seals.exported(call, number, request_no, purpose))
