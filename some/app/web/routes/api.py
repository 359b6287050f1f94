"""JSON for machines (bearer tokens) and for our own pages (session cookie)."""

from __future__ import annotations

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request  # noqa: TC002 - FastAPI reads annotations
from starlette.responses import Response

from some.actor import Permission
from some.app.web import machine
from some.app.web.access import public, requires
from some.app.web.call import Call, Guest  # noqa: TC001 - as above

router = APIRouter(prefix="/api/v1", tags=["v1"])

Time = Annotated[str, Query(max_length=40, description="RFC 3339 with zone")]


def _json(content: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(content), status, media_type="application/json")


@router.get("/records", summary="Search records")
def search(
    *,
    call: Call = requires(Permission.RECORDS_SEARCH),
    q: Annotated[str, Query(max_length=4096, description="query, as in the pages")] = "",
    start: Annotated[str, Query(alias="from", max_length=40, description="RFC 3339, included")] = "",
    end: Annotated[str, Query(alias="to", max_length=40, description="RFC 3339, excluded")] = "",
    cursor: Annotated[str, Query(max_length=1000, description="next_cursor of the page before")] = "",
    limit: Annotated[int, Query(ge=1, le=machine.MAX_LIMIT)] = 100,
    order: Annotated[str, Query(pattern="^(oldest|newest)$")] = "oldest",
) -> Response:
    """Return `documents`, `next_cursor` (null on the last page) and `findings`; a query fault is 400 with `column`."""
    return _json(machine.search(call, q, start=start, end=end, cursor=cursor, limit=limit, order=order))


@router.get("/records/{ledger}/{segment}/{position}", summary="One record")
def record(ledger: str, segment: str, position: str, call: Call = requires(Permission.RECORDS_SEARCH)) -> Response:
    """Return the document of one record reference."""
    return _json(machine.record(call, ledger, segment, position))


@router.post("/attribution", summary="Who used this address?")
async def attribution(request: Request, call: Call = requires(Permission.ATTRIBUTION_ASK)) -> Response:
    """Answer one question; keys as the options of `some ask`, with `request_no` and `purpose`. 400 names a mistake."""
    return _json(await run_in_threadpool(machine.ask, call, await machine.body(request)))


@router.get("/seals", summary="Seals")
def seals(
    call: Call = requires(Permission.SEALS_READ),
    start: Annotated[str, Query(alias="from", max_length=40)] = "",
    end: Annotated[str, Query(alias="to", max_length=40)] = "",
) -> Response:
    """Return `seals`, oldest first; a gap has no number."""
    return _json(machine.seals(call, start, end))


@router.get("/seals/{number}", summary="One seal")
def seal(number: int, call: Call = requires(Permission.SEALS_READ)) -> Response:
    """Return one seal with its manifest."""
    return _json(machine.seal(call, number))


@router.get("/status", summary="Counters and lag")
def status(call: Call = requires(Permission.STATUS_READ)) -> Response:
    """Return archive, index and collectors."""
    return _json(machine.status(call))


@router.get("/openapi.json", include_in_schema=False)
def schema(request: Request, _seen: Guest = public()) -> Response:
    """Return the description of this interface."""
    return _json(request.app.openapi())
