"""The search page: reads the URL, asks the engine, and lays out what came back."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from some.app.web import charts, documents, first_run, frames, panels
from some.app.web.ask import QUICK, read_ask
from some.app.web.ports import SealState
from some.app.web.record_pages import FieldEntry, FieldGroup, QueryBar, RecordPanel, RecordsPage, Row, TopEntry, Volume
from some.errors import BadInput
from some.index.engine import Query
from some.index.query.bind import Options, understand
from some.index.query.tree import QueryFault
from some.record import RecordRef

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from starlette.datastructures import QueryParams

    from some.app.web.ask import Ask
    from some.app.web.call import Call
    from some.index.engine import Document, Histogram, IndexFinding, Page

ROWS = 50
BUCKETS = 97
"""Enough for a day in slices of 15 minutes, where the engine's grid knows that width."""

TOP = 5
BY = "event.action"
IN_TABLE = ("@timestamp", "event.action", "source.ip", "destination.ip", "source.bytes", "user.name", "observer.name")
OFTEN = (
    "some.class",
    "some.source",
    "rule.name",
    "network.transport",
    "destination.port",
    "source.nat.ip",
    "host.name",
)
_TONES = {1: "deny", 2: "reset", 3: "login"}
_MAX_TEXT = 300


def page(call: Call, params: QueryParams) -> RecordsPage:
    """Return the page that the URL asks for; a bad query is shown with its column, never an error page."""
    ask = read_ask(params, call.display)
    status = call.edge.ports.archive.status()
    start, end = ask.range(call.now)
    empty = RecordsPage(
        frame=frames.framed(call, "Records", "records", status),
        bar=_bar(call, ask, start, end),
        took="",
        volume=None,
        groups=(),
        top=(),
        sample=0,
        rows=(),
        older_href="",
        newest_href="",
        panel=None,
        first_run=first_run.told(call, status) if status.records == 0 else None,
        partial=(),
        field_names=" ".join(sorted(call.edge.ports.fields)),
    )
    if empty.first_run is not None:
        return empty
    if call.region == "panel" and ask.record:
        return dataclasses.replace(empty, panel=_panel(call, ask, ()))
    try:
        query = read_query(call, ask.text, ask.query, start, end)
    except QueryFault as fault:
        bar = dataclasses.replace(empty.bar, fault=call.told(fault.msgid, fault.values), column=fault.column)
        return dataclasses.replace(empty, bar=bar)
    return _answered(call, ask, query, empty)


def read_query(call: Call, typed: str, whole: str, start: datetime | None, end: datetime | None) -> Query:
    """Return the query of `whole`, faults placed in what was `typed`; raises QueryFault."""
    options = Options(call.now, call.display.zone)
    tree = understand(typed, options)
    if whole != typed:
        tree = understand(whole, options)
    return Query(text=whole, tree=tree, start=start, end=end, classes=call.classes)


def written_down(call: Call, query: Query, *, live: bool) -> None:
    """Write the search into the audit record; of a live question one entry in five minutes."""
    if live and not call.edge.tails.due(call.visitor.actor.id, query.text, *sorted(query.classes or ())):
        return
    call.audit(
        "records.searched",
        {
            "query": query.text,
            "from": call.display.utc(query.start) if query.start else None,
            "to": call.display.utc(query.end) if query.end else None,
            "live": live,
        },
    )


def _answered(call: Call, ask: Ask, query: Query, empty: RecordsPage) -> RecordsPage:
    engine, clock = call.edge.ports.engine, call.edge.ports.clock
    written_down(call, query, live=ask.live)
    begun = clock.monotonic()
    found = engine.search(query, limit=ROWS, cursor=ask.cursor or None, newest_first=not ask.oldest_first)
    histogram = engine.histogram(query, BUCKETS, BY, zone=call.display.zone)
    groups = _groups(call, ask, found.documents)
    top, sample, findings = _top(call, ask, query)
    took = clock.monotonic() - begun
    rows = _rows(call, ask, found.documents)
    return dataclasses.replace(
        empty,
        took=call._("{n} s").format(n=call.display.decimal(took, 2)),
        volume=_volume(call, histogram),
        groups=groups,
        top=top,
        sample=sample,
        rows=rows,
        older_href=_older(ask, found),
        newest_href=_newer(ask),
        panel=_panel(call, ask, rows) if ask.record else None,
        partial=[finding.text for finding in (*found.findings, *histogram.findings, *findings)],
    )


def _older(ask: Ask, found: Page) -> str:
    if found.next_cursor is None:
        return ""
    return ask.href(cursor=found.next_cursor, back=(*ask.back, ask.cursor or "-"), record="")


def _newer(ask: Ask) -> str:
    if not ask.cursor:
        return ""
    previous = ask.back[-1] if ask.back else "-"
    return ask.href(cursor="" if previous == "-" else previous, back=ask.back[:-1], record="")


def _bar(call: Call, ask: Ask, start: datetime, end: datetime) -> QueryBar:
    absolute = ask.start is not None
    ranges = [(key, call._(text)) for key, (_length, text) in QUICK.items()]
    if absolute:
        ranges.insert(0, ("", call._("Chosen range")))
    dropped = {"q", "aralik", "imlec", "geri", "kayit"}
    return QueryBar(
        text=ask.text,
        fault="",
        column=0,
        quick="" if absolute else ask.quick,
        ranges=ranges,
        start=start,
        end=end,
        pills=ask.pills(),
        hidden=[(name, value) for name, value in ask.pairs() if name not in dropped],
        clear_href="/kayitlar",
        order_href=ask.href(oldest_first=not ask.oldest_first),
        oldest_first=ask.oldest_first,
        live=ask.live,
        live_href=ask.href(live=not ask.live),
        freeze_href=ask.href(start=start, end=end, live=False),
    )


def _volume(call: Call, histogram: Histogram) -> Volume:
    show = call.display
    shown = charts.parts(histogram, call._("other"))
    rows = [
        (bucket.start, bucket.total, [charts.count_of(part, bucket, shown) for part in shown])
        for bucket in histogram.buckets
    ]
    width = call._("{width} slices").format(width=show.duration(histogram.width.total_seconds()))
    title = call._("Records over time")
    total = sum(bucket.total for bucket in histogram.buckets)
    return Volume(charts.volume(histogram, shown, show, title), shown, rows, total, width)


def _groups(call: Call, ask: Ask, found: Sequence[Document]) -> list[FieldGroup]:
    counts = documents.counted(found)
    if ask.field and ask.field in call.edge.ports.fields:
        counts.setdefault(ask.field, 0)
    named = [(call._("In the table"), [name for name in IN_TABLE if name in counts])]
    named.append((call._("Often used"), [name for name in OFTEN if name in counts]))
    rest = sorted(counts.keys() - set(IN_TABLE) - set(OFTEN))
    named.append((call._("Other"), rest))
    return [
        FieldGroup(caption, [_entry(call, ask, name, counts[name]) for name in names])
        for caption, names in named
        if names
    ]


def _entry(call: Call, ask: Ask, name: str, distinct: int) -> FieldEntry:
    kind = call.edge.ports.fields.get(name)
    return FieldEntry(
        name=name,
        mark=documents.mark(kind),
        title=documents.label(kind, call.language) or name,
        distinct=distinct,
        href=ask.href(field="" if ask.field == name else name),
        open=ask.field == name,
    )


def _top(call: Call, ask: Ask, query: Query) -> tuple[Sequence[TopEntry], int, Sequence[IndexFinding]]:
    if ask.field not in call.edge.ports.fields:
        return (), 0, ()
    found = call.edge.ports.engine.top_values(query, ask.field, TOP)
    entries = []
    for top in found.values:
        text = documents.values(top.value)[0]
        entries.append(
            TopEntry(
                text,
                top.count / found.sample if found.sample else 0.0,
                ask.with_filter(ask.field, text),
                ask.with_filter(ask.field, text, negated=True),
            )
        )
    return entries, found.sample, found.findings


def _rows(call: Call, ask: Ask, found: Sequence[Document]) -> list[Row]:
    flats = [documents.flat(document) for document in found]
    refs = [RecordRef.parse(documents.first(leaves, "some.ref")) for leaves in flats]
    states = call.edge.ports.archive.segment_states({ref.segment for ref in refs})
    rows: list[Row] = []
    day = ""
    for leaves, ref in zip(flats, refs, strict=True):
        at = documents.moment(leaves)
        new_day = call.display.day(at) != day
        day = call.display.day(at)
        rows.append(_row(ask, leaves, ref, states, at if new_day else None))
    return rows


def _row(
    ask: Ask, leaves: Mapping[str, object], ref: RecordRef, states: Mapping[int, SealState], day: datetime | None
) -> Row:
    first = documents.first
    action = first(leaves, "event.action")
    source, target = (
        first(leaves, "source.ip", "source.address", "client.ip"),
        first(leaves, "destination.ip", "url.domain"),
    )
    user = first(leaves, "user.name", "source.user.name")
    size = first(leaves, "source.bytes", "network.bytes")
    known = bool(action or source or target or user)
    return Row(
        ref=str(ref),
        href=ask.href(record=str(ref)),
        page_href=f"/kayitlar/{ref}",
        at=documents.moment(leaves),
        state=states.get(ref.segment, SealState.OPEN),
        action=action,
        action_tone=_TONES.get(charts.TONES.get(action.lower(), 0), ""),
        source=source,
        source_port=first(leaves, "source.port"),
        target=target,
        target_port=first(leaves, "destination.port"),
        size=int(size) if size.isdigit() else None,
        user=user,
        device=first(leaves, "observer.name", "host.name", "some.source"),
        text="" if known else first(leaves, "message", "event.original")[:_MAX_TEXT] or "–",
        selected=str(ref) == ask.record,
        day=day,
    )


def _panel(call: Call, ask: Ask, rows: Sequence[Row]) -> RecordPanel | None:
    """Return the open record with its neighbours in the table; a reference that is none opens nothing."""
    try:
        ref = RecordRef.parse(ask.record)
    except BadInput:
        return None
    shown = panels.panel(call, ref, ask=ask)
    places = [place for place, row in enumerate(rows) if row.selected]
    before = rows[places[0] - 1].href if places and places[0] > 0 else ""
    after = rows[places[0] + 1].href if places and places[0] + 1 < len(rows) else ""
    return dataclasses.replace(shown, close_href=ask.href(record=""), previous_href=before, next_href=after)
