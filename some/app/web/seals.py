"""Mühürler: the summary, the tile wall, the table, and one seal with what a stranger needs to check it."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from some.actor import Permission
from some.app.web import frames, hand_check
from some.app.web.pages import SealLine, SealNote, SealPanel, SealsPage, TileCell, WallRow
from some.app.web.ports import SealState
from some.app.web.record_pages import ChainLink
from some.clock import to_text
from some.errors import BadInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from some.app.web.call import Call
    from some.app.web.ports import Bundle, ProofStep, SealDetail, SealRow

DAYS = 14
LINES = 100
_WORST = (
    SealState.GAP,
    SealState.LATE,
    SealState.OPEN,
    SealState.CLOSED,
    SealState.COMMITTED,
    SealState.STAMPED,
    SealState.VERIFIED,
)
_TONES = {SealState.GAP: "bad", SealState.LATE: "warn"}
_DIGEST = re.compile(r"^[0-9a-f]{64}(?=  )")


def href(number: int | None, until: str = "") -> str:
    """Return the address of the page with one seal open."""
    pairs = [("muhur", str(number))] if number is not None else []
    pairs += [("son", until)] if until else []
    return "/muhurler" + (f"?{urlencode(pairs)}" if pairs else "")


def page(
    call: Call, number: int | None = None, until: str = "", *, proof: Sequence[ProofStep] = (), notice: str = ""
) -> SealsPage:
    """Return the seals of the fourteen days before `until` (ISO time, default now); raises BadInput, NotFound."""
    status, now = call.edge.ports.archive.status(), call.now
    end = min(call.display.parse(until), now) if until else now
    start = _midnight(call, end) - timedelta(days=DAYS - 1)
    rows = call.edge.ports.archive.seals(start, end + timedelta(hours=1) if not until else end)
    lines = rows[::-1][:LINES]
    older = lines[-1].opened if len(rows) > LINES else start
    return SealsPage(
        frame=frames.framed(call, "Seals", "seals", status),
        status=status,
        waiting_age=call.display.duration((now - status.waiting_since).total_seconds()) if status.waiting_since else "",
        days=DAYS,
        wall=_wall(call, rows, start, number, until),
        current_hour=call.display.local(now).hour,
        counts=_counts(rows),
        notes=_notes(call, rows),
        lines=[_line(call, row, number, until) for row in lines],
        older_href=f"/muhurler?{urlencode({'son': to_text(older)})}",
        newer_href="/muhurler" if until else "",
        panel=_panel(call, number, until, proof) if number is not None else None,
        may_seal=call.may(Permission.SEALS_MAKE),
        notice=notice,
    )


def verified(call: Call, number: int) -> SealsPage:
    """Verify one seal from bytes and return the page with every step's result."""
    call.audit("seal.verified", {}, str(number))
    return page(call, number, proof=call.edge.ports.archive.verify_seal(number))


def sealed(call: Call) -> SealsPage:
    """Close and commit what is open, now."""
    call.audit("seal.asked", {})
    number = call.edge.ports.archive.seal_now()
    if number is None:
        return page(call, notice=call._("Nothing was open; no seal was made."))
    return page(call, number, notice=call._("Seal #{n} was made.").format(n=call.display.number(number)))


def exported(call: Call, number: int, request_no: str, purpose: str) -> Bundle:
    """Return the evidence package of one seal, written down with its reason first."""
    call.edge.ports.archive.seal(number)
    call.audit("seal.exported", {"request_no": request_no, "purpose": purpose}, str(number))
    return call.edge.ports.archive.export_seal(number)


def cell(call: Call, row: SealRow, until: str = "", more: int = 0, *, current: bool = False) -> TileCell:
    """Return a tile; `more` other seals stand behind it."""
    show = call.display
    closed = f"–{show.clock(row.closed)}" if row.closed else ""
    words = [f"{show.short_day(row.opened)} {show.clock(row.opened)}{closed}"]
    words.append(call.edge.renderer.words(call.language).seal(row.state))
    if row.number is not None:
        words.insert(0, f"#{show.number(row.number)}")
    if more:
        words.append(call._("and {n} more").format(n=show.number(more)))
    return TileCell(row.state, href(row.number, until), " ".join(words), show.local(row.opened).strftime("%H"), current)


def _midnight(call: Call, moment: datetime) -> datetime:
    local = call.display.local(moment)
    return local.replace(hour=0, minute=0, second=0, microsecond=0)


def _wall(call: Call, rows: Sequence[SealRow], start: datetime, number: int | None, until: str) -> list[WallRow]:
    """Return fourteen days of 24 cells; a cell with several seals shows the open one of the URL, else the worst."""
    by_hour: dict[tuple[str, int], list[SealRow]] = {}
    for row in rows:
        local = call.display.local(row.opened)
        by_hour.setdefault((local.strftime("%Y%m%d"), local.hour), []).append(row)
    wall = []
    today = call.display.local(call.now).strftime("%Y%m%d")
    for place in range(DAYS):
        day = call.display.local(start) + timedelta(days=place)
        key = day.strftime("%Y%m%d")
        cells: list[TileCell | None] = []
        for hour in range(24):
            found = by_hour.get((key, hour), [])
            chosen = next((row for row in found if row.number is not None and row.number == number), None)
            shown = chosen or min(found, key=lambda row: _WORST.index(row.state), default=None)
            cells.append(cell(call, shown, until, len(found) - 1, current=chosen is not None) if shown else None)
        wall.append(WallRow(call.display.short_day(day), key == today, cells))
    return wall


def _counts(rows: Sequence[SealRow]) -> list[tuple[SealState, int]]:
    counts = Counter(row.state for row in rows)
    return [(state, counts[state]) for state in SealState]


def _notes(call: Call, rows: Sequence[SealRow]) -> list[SealNote]:
    """Return runs of gaps and late stamps in words, newest first."""
    show, notes = call.display, []
    for state, group in itertools.groupby(rows, key=lambda row: row.state):
        if state not in _TONES:
            continue
        run = list(group)
        first, last = run[0], run[-1]
        span = f"{show.day_month(first.opened)} {show.clock(first.opened)}"
        if last.closed:
            span += f"–{show.clock(last.closed)}"
        effect = next((row.reason for row in run if row.reason), "") or call._("No reason is written down.")
        if state is SealState.GAP:
            cause = call._("{span}, gap.").format(span=span)
            effect = f"{call._('This time has no seal.')} {effect}"
        else:
            cause = call._("{span}, {n} late stamps.").format(span=span, n=show.number(len(run)))
            worst = max(row.lateness_s or 0 for row in run)
            effect = f"{call._('At most {age} late.').format(age=show.duration(worst))} {effect}"
        mark = "warn" if state is SealState.GAP else "clock"
        notes.append(SealNote(cause, effect, _TONES[state], mark, href(first.number) if first.number else ""))
    return notes[::-1]


def _lateness(call: Call, row: SealRow) -> tuple[str, str]:
    """Return how long the stamp took, and its tone."""
    if row.lateness_s is not None:
        return call.display.duration(row.lateness_s), "warn" if row.state is SealState.LATE else "plain"
    if row.state is SealState.COMMITTED:
        return (call._("waits"), "warn") if call.edge.ports.archive.status().tsa else (call._("local"), "plain")
    return "–", "plain"


def _line(call: Call, row: SealRow, number: int | None, until: str) -> SealLine:
    lateness, tone = _lateness(call, row)
    selected = row.number is not None and row.number == number
    return SealLine(row, href(row.number, until) if row.number is not None else "", selected, lateness, tone)


def _panel(call: Call, number: int, until: str, proof: Sequence[ProofStep]) -> SealPanel:
    detail = call.edge.ports.archive.seal(number)
    return SealPanel(
        detail=detail,
        chain=_chain(call, detail),
        manifest=[_coloured(line) for line in detail.manifest.splitlines(keepends=True)],
        commands=hand_check.commands(call, detail),
        lateness=_lateness(call, detail.row)[0],
        previous_href=href(detail.previous, until) if detail.previous is not None else "",
        next_href=href(detail.next, until) if detail.next is not None else "",
        close_href=href(None, until),
        proof=proof,
        may_export=call.may(Permission.RECORDS_EXPORT),
        may_verify=call.may(Permission.SEALS_VERIFY),
    )


def _coloured(line: str) -> tuple[str, str]:
    if line.startswith("#"):
        return "c", line
    match = _DIGEST.match(line)
    return ("", f"{match[0][:8]}…{match[0][-4:]}{line[64:]}") if match else ("", line)


def _chain(call: Call, detail: SealDetail) -> list[ChainLink]:
    row, show = detail.row, call.display

    def at(moment: datetime | None) -> str:
        return show.second(moment) if moment else call._("waits")

    stamp = SealState.LATE if row.state is SealState.LATE else SealState.STAMPED
    return [
        ChainLink(
            call._("Closed"), at(row.closed), SealState.CLOSED if row.closed else SealState.OPEN, row.closed is not None
        ),
        ChainLink(
            call._("Committed"),
            at(row.committed_at),
            SealState.COMMITTED if row.committed_at else SealState.OPEN,
            row.committed_at is not None,
        ),
        ChainLink(
            call._("Stamped"),
            at(row.stamped_at),
            stamp if row.stamped_at else SealState.OPEN,
            row.stamped_at is not None,
        ),
        ChainLink(
            call._("Verified"),
            show.minute(detail.verified_at) if detail.verified_at else call._("not yet"),
            SealState.VERIFIED if detail.verified_at else SealState.OPEN,
            detail.verified_at is not None,
        ),
    ]


def number_in(text: str) -> int | None:
    """Return the seal number that a URL names, None for none; raises NotFound for what is no number."""
    if not text:
        return None
    if not text.isdigit() or len(text) > 18:  # noqa: PLR2004 - digits of a seal number (retention/SPEC.md)
        raise NotFound(f"no seal {text[:40]!r}")
    return int(text)


def checked_until(call: Call, text: str) -> str:
    """Return the `son` parameter unchanged where it is a time; raises BadInput."""
    if text:
        try:
            call.display.parse(text)
        except BadInput as error:
            raise BadInput(f"son: {error}") from error
    return text
