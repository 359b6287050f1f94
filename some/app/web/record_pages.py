"""The contexts of the search page and of one record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from some.app.web.pages import Page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from markupsafe import Markup

    from some.app.web.charts import Part
    from some.app.web.ports import ProofStep, RecordPlace, SealState


@dataclass(frozen=True, slots=True)
class Pill:
    """An active filter: its parts and the link that takes it away."""

    negated: bool
    field: str
    value: str
    remove_href: str


@dataclass(frozen=True, slots=True)
class QueryBar:
    """The query as typed, its range and its filters; `hidden` is carried along by the forms."""

    text: str
    fault: str
    column: int
    quick: str
    ranges: Sequence[tuple[str, str]]
    start: datetime
    end: datetime
    pills: Sequence[Pill]
    hidden: Sequence[tuple[str, str]]
    clear_href: str
    order_href: str
    oldest_first: bool
    live: bool
    live_href: str
    freeze_href: str


@dataclass(frozen=True, slots=True)
class Volume:
    """The histogram: drawn, and the same figures for the table."""

    chart: Markup
    parts: Sequence[Part]
    rows: Sequence[tuple[datetime, int, Sequence[int]]]
    total: int
    width: str


@dataclass(frozen=True, slots=True)
class FieldEntry:
    """A field in the list; `distinct` counts different values among the records shown."""

    name: str
    mark: str
    title: str
    distinct: int
    href: str
    open: bool


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Fields under one caption."""

    name: str
    fields: Sequence[FieldEntry]


@dataclass(frozen=True, slots=True)
class TopEntry:
    """A frequent value with the links that ask for it or against it."""

    text: str
    share: float
    with_href: str
    without_href: str


@dataclass(frozen=True, slots=True)
class Row:
    """One record in the table; `text` is set where no field could be shown."""

    ref: str
    href: str
    page_href: str
    at: datetime
    state: SealState
    action: str
    action_tone: str
    source: str
    source_port: str
    target: str
    target_port: str
    size: int | None
    user: str
    device: str
    text: str
    selected: bool
    day: datetime | None


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One link of the proof chain."""

    name: str
    detail: str
    state: SealState
    done: bool


@dataclass(frozen=True, slots=True)
class FieldValue:
    """One field of a record with its filter links (empty where it cannot be filtered by)."""

    name: str
    label: str
    value: str
    with_href: str = ""
    without_href: str = ""


@dataclass(frozen=True, slots=True)
class RecordPanel:
    """Everything about one record; `place` is None where the archive cannot say (the reason is in `place_fault`)."""

    ref: str
    path: str
    at: datetime
    received_at: datetime | None
    source: str
    origin: str
    record_class: str
    raw: str
    raw_size: int
    fields: Sequence[FieldValue]
    place: RecordPlace | None
    place_fault: str
    chain: Sequence[ChainLink]
    proof: Sequence[ProofStep]
    error: str
    may_export: bool
    may_verify: bool
    close_href: str = ""
    previous_href: str = ""
    next_href: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """A command line in three colours."""

    program: str
    options: str
    text: str


@dataclass(frozen=True, slots=True)
class FirstRun:
    """What an empty archive says: the command, where we listen, when the first seal is due."""

    command: Command | None
    listening: str
    first_seal: str
    tsa: bool


@dataclass(frozen=True, slots=True)
class RecordsPage(Page):
    """The search page. `first_run` is set while the archive is empty; `partial` where an answer is incomplete."""

    template: ClassVar[str] = "records.html"
    bar: QueryBar
    took: str
    volume: Volume | None
    groups: Sequence[FieldGroup]
    top: Sequence[TopEntry]
    sample: int
    rows: Sequence[Row]
    older_href: str
    newest_href: str
    panel: RecordPanel | None
    first_run: FirstRun | None
    partial: Sequence[str]
    field_names: str


@dataclass(frozen=True, slots=True)
class RecordPage(Page):
    """One record on a page of its own."""

    template: ClassVar[str] = "record.html"
    panel: RecordPanel
