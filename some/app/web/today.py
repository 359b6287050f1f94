"""Bugün: what waits for somebody, and how archive, collectors, index and disk are."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from some.app.web import charts, frames, seals
from some.app.web.pages import Attention, CollectorLine, TodayPage
from some.app.web.ports import SealState
from some.errors import SomeError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from some.app.web.call import Call
    from some.app.web.ports import ArchiveStatus, CollectorRow, SealRow
    from some.index.engine import EngineStatus

STRIP = 24
FULL, TIGHT = 0.9, 0.8
LAG_S = 60.0
_TONES = {"ok": "plain", "silent": "bad", "dropping": "bad", "clock": "warn", "slow": "warn", "off": "bad"}


def page(call: Call) -> TodayPage:
    """Return the page; parts that do not answer are named, the others stay."""
    now, archive = call.now, call.edge.ports.archive
    status = archive.status()
    rows = archive.collectors()
    latest = archive.seals(now - timedelta(days=2), now + timedelta(days=1))
    index, index_text, index_tone = _index(call)
    attention = [
        *_stamps(call, status),
        *_holes(call, latest),
        *_silence(call, rows),
        *_index_attention(call, index, index_text, index_tone),
        *_disk(call, status),
    ]
    rate = sum(row.series[-1] for row in rows if row.series) / 60
    return TodayPage(
        frame=frames.framed(call, "Today", "today", status),
        now=now,
        lead=_lead(call, attention),
        summary=_summary(call, status, rows),
        attention=attention,
        status=status,
        strip=[seals.cell(call, row) for row in latest[-STRIP:]],
        collectors=[_line(call, row) for row in rows],
        rate=rate,
        documents=index.documents if index else 0,
        index_text=index_text,
        index_tone=index_tone,
        disk_share=_share(status),
        disk_days=_days(status),
    )


def _lead(call: Call, attention: Sequence[Attention]) -> str:
    serious = [entry for entry in attention if entry.tone in ("bad", "warn")]
    if not serious:
        return call._("Nothing waits for you today.")
    if len(serious) == 1:
        return call._("One matter waits for you today.")
    return call._("{n} matters wait for you today.").format(n=call.display.number(len(serious)))


def _summary(call: Call, status: ArchiveStatus, rows: Sequence[CollectorRow]) -> str:
    number = call.display.number
    parts = [frames.health_text(call, status)]
    parts.append(call._("{n} records retained").format(n=number(status.records)))
    if status.tsa is not None and status.waiting_stamps:
        parts.append(call._("{n} seals wait for a stamp").format(n=number(status.waiting_stamps)))
    silent = sum(row.state in ("silent", "off") for row in rows)
    if silent:
        parts.append(call._("{n} sources are silent").format(n=number(silent)))
    return "; ".join(parts) + "."


def _stamps(call: Call, status: ArchiveStatus) -> list[Attention]:
    if status.tsa is None:
        return [
            Attention(
                what=call._("No stamps"),
                when="",
                title=call._("No time-stamping authority is configured"),
                text=call._("Seals are local until then; 5651 asks for a qualified stamp. Setting tsa.url."),
                href="/muhurler",
                action=call._("Seals"),
                tone="plain",
            )
        ]
    if not status.waiting_stamps or status.waiting_since is None:
        return []
    age = (call.now - status.waiting_since).total_seconds()
    return [
        Attention(
            what=call.display.duration(age),
            when=call._("since {time}").format(time=call.display.minute(status.waiting_since)),
            title=call._("{n} seals wait for a stamp").format(n=call.display.number(status.waiting_stamps)),
            text=(status.reason or call._("{tsa} has not answered yet.").format(tsa=status.tsa))
            + " "
            + call._("No record is lost; stamping is tried again by itself."),
            href="/muhurler",
            action=call._("Seals"),
            tone="bad" if age > status.stamp_limit_s else "warn",
        )
    ]


def _holes(call: Call, latest: Sequence[SealRow]) -> list[Attention]:
    found = []
    for row in latest:
        if row.state not in (SealState.GAP, SealState.LATE):
            continue
        gap = row.state is SealState.GAP
        found.append(
            Attention(
                what=call._("Gap") if gap else call._("Late stamp"),
                when=call.display.minute(row.opened),
                title=call._("This hour has no seal")
                if gap
                else call._("Seal #{n} was stamped late").format(n=call.display.number(row.number or 0)),
                text=row.reason or call._("No reason is written down."),
                href=seals.href(row.number),
                action=call._("Open the seal"),
                tone="bad" if gap else "warn",
            )
        )
    return found


def _silence(call: Call, rows: Sequence[CollectorRow]) -> list[Attention]:
    return [
        Attention(
            what=call.edge.renderer.words(call.language).collector(row.state),
            when=_last(call, row),
            title=row.name,
            text=row.detail
            or (
                call._("{n} records were lost on the wire").format(n=call.display.number(row.drops))
                if row.drops
                else ""
            ),
            href=_records_of(row),
            action=call._("Records"),
            tone=_TONES.get(row.state, "warn"),
        )
        for row in rows
        if row.state != "ok"
    ]


def _index(call: Call) -> tuple[EngineStatus | None, str, str]:
    """Return the engine's status in words; an engine that fails is a sentence, not an error page."""
    try:
        index = call.edge.ports.engine.status()
    except SomeError as error:
        return None, call._("The index does not answer: {detail}").format(detail=error), "bad"
    number = call.display.number
    if index.lag_records <= 0:
        text, tone = call._("The index holds every record."), "ok"
    else:
        text = call._("{n} records behind the archive, {age}").format(
            n=number(index.lag_records), age=call.display.duration(index.lag_seconds)
        )
        tone = "warn" if index.lag_seconds > LAG_S else "plain"
    if index.pipeline_errors:
        text += " " + call._("{n} lines no parser understood; they are kept as they came.").format(
            n=number(index.pipeline_errors)
        )
    return index, text, tone


def _index_attention(call: Call, index: EngineStatus | None, text: str, tone: str) -> list[Attention]:
    found = []
    if tone in ("bad", "warn"):
        when = call.display.minute(index.newest) if index and index.newest else ""
        what = call._("Index is behind") if index else call._("Index is away")
        found.append(Attention(what, when, call._("Index"), text, "", "", tone))
    found += [
        Attention(call._("Index"), finding.where, finding.code, finding.text, "", "", _severity(finding.severity))
        for finding in (index.findings if index else ())
    ]
    if index and index.pipeline_errors:
        found.append(
            Attention(
                what=call._("{n} lines").format(n=call.display.number(index.pipeline_errors)),
                when="",
                title=call._("No parser understood these lines"),
                text=call._("They are kept and searchable as they came; a source's format may be set wrongly."),
                href="/kayitlar?q=event.kind%3Apipeline_error&aralik=30g",
                action=call._("Records"),
                tone="plain",
            )
        )
    return found


def _severity(severity: str) -> str:
    return {"error": "bad", "warning": "warn"}.get(severity, "plain")


def _disk(call: Call, status: ArchiveStatus) -> list[Attention]:
    share, days = _share(status), _days(status)
    if share < TIGHT:
        return []
    text = call._("When it is full, collectors stop telling senders that records arrived.")
    return [
        Attention(
            what=call.display.percent(share),
            when=call._("enough for {n} days").format(n=call.display.number(days)) if days is not None else "",
            title=call._("The disk fills up"),
            text=text,
            href="",
            action="",
            tone="bad" if share >= FULL else "warn",
        )
    ]


def _share(status: ArchiveStatus) -> float:
    return status.disk.used / status.disk.total if status.disk.total else 0.0


def _days(status: ArchiveStatus) -> int | None:
    """Return days until the disk is full at today's growth, None where growth is unknown or none."""
    per_day = status.disk.per_day
    return (status.disk.total - status.disk.used) // per_day if per_day else None


def _line(call: Call, row: CollectorRow) -> CollectorLine:
    tone = _TONES.get(row.state, "warn")
    state = row.detail or call.edge.renderer.words(call.language).collector(row.state)
    if row.drops:
        state = call._("{n} lost").format(n=call.display.number(row.drops))
    title = call._("{name}: records per minute, last {n}").format(
        name=row.name, n=call.display.number(row.series[-1] if row.series else 0)
    )
    curve = charts.sparkline(row.series, title, tone)
    return CollectorLine(
        row=row,
        curve=curve,
        rate=row.series[-1] / 60 if row.series else 0.0,
        state=state,
        tone=tone,
        last=_last(call, row),
        href=_records_of(row),
    )


def _last(call: Call, row: CollectorRow) -> str:
    if row.last_record_at is None:
        return call._("no record yet")
    return call._("last record {time}").format(time=_near(call, row.last_record_at))


def _near(call: Call, moment: datetime) -> str:
    same = call.display.day(moment) == call.display.day(call.now)
    return call.display.second(moment) if same else call.display.minute(moment)


def _records_of(row: CollectorRow) -> str:
    return f"/kayitlar?suz=some.class%3A{row.record_class}"
