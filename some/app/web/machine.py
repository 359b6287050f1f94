"""The JSON interface: the same questions as the pages, in the shapes of the command line."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

import orjson

from some.app import asking
from some.app.web import records
from some.clock import from_text, to_text
from some.errors import BadInput, NotFound
from some.record import RecordRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from some.app.web.call import Call

MAX_LIMIT = 1_000
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)


def search(call: Call, q: str, *, start: str, end: str, cursor: str, limit: int, order: str) -> dict[str, Any]:
    """Return a page of documents; raises QueryFault, BadInput."""
    query = records.read_query(call, q, q, moment("from", start), moment("to", end))
    records.written_down(call, query, live=False)
    page = call.edge.ports.engine.search(
        query, limit=min(limit, MAX_LIMIT), cursor=cursor or None, newest_first=order == "newest"
    )
    return {
        "documents": page.documents,
        "next_cursor": page.next_cursor,
        "findings": [dataclasses.asdict(finding) for finding in page.findings],
    }


def record(call: Call, ledger: str, segment: str, position: str) -> dict[str, Any]:
    """Return one document; raises NotFound, also for classes that the caller may not see."""
    ref = _ref(ledger, segment, position)
    document = call.edge.ports.engine.get(ref)
    if document is None or document.get("some", {}).get("class") not in call.classes:
        raise NotFound(f"no record {ref}")
    call.audit("record.opened", {}, str(ref))
    return document


async def body(request: Request) -> dict[str, Any]:
    """Return the JSON object of a request; raises BadInput for anything else (the edge limits its size)."""
    try:
        given = orjson.loads(await request.body())
    except orjson.JSONDecodeError as error:
        raise BadInput(f"the body is no JSON: {error}") from error
    if not isinstance(given, dict):
        raise BadInput("expected a JSON object with the names of options as keys")
    return given


def ask(call: Call, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the answer to one question, registered under its `number`; raises BadInput."""
    question, request_no, purpose = asking.split_line(given, "the question")
    if not (request_no and purpose):
        raise BadInput("request_no and purpose: needed with every question")
    return call.edge.ports.attribution.ask(call.visitor.actor, question, request_no, purpose)


def seals(call: Call, start: str, end: str) -> dict[str, Any]:
    """Return seals opened in a range, oldest first; gaps have no number."""
    last = moment("to", end) or call.now
    rows = call.edge.ports.archive.seals(moment("from", start) or _FIRST, last)
    return {"seals": [_plain(row) for row in rows]}


def seal(call: Call, number: int) -> dict[str, Any]:
    """Return one seal with its manifest; raises NotFound."""
    detail = call.edge.ports.archive.seal(number)
    told: dict[str, Any] = _plain(detail)
    row: dict[str, Any] = told.pop("row")
    return row | told


def status(call: Call) -> dict[str, Any]:
    """Return archive, index and collectors as they are now."""
    ports = call.edge.ports
    return {
        "archive": _plain(ports.archive.status()),
        "index": _plain(ports.engine.status()),
        "collectors": [_plain(row) for row in ports.archive.collectors()],
        "version": ports.settings.version,
    }


def moment(name: str, text: str) -> datetime | None:
    """Return the time in a parameter, None for an empty one; raises BadInput naming it."""
    if not text:
        return None
    try:
        return from_text(text)
    except ValueError as error:
        raise BadInput(f"{name}: not an RFC 3339 time with its zone: {text[:40]!r}") from error


def _ref(ledger: str, segment: str, position: str) -> RecordRef:
    try:
        return RecordRef.parse(f"{ledger}/{segment}/{position}")
    except BadInput as error:
        raise NotFound(str(error)) from error


def _plain(value: Any) -> Any:
    """Return a frozen value as JSON has it: times RFC 3339 UTC, words for enums."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value
