"""The state of the search page, all of it in its URL: query, filters, range, order, page, open record, open field."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from some.app.web.record_pages import Pill
from some.clock import to_text
from some.errors import BadInput
from some.wording import marked

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from starlette.datastructures import QueryParams

    from some.app.web.display import Display

QUICK: dict[str, tuple[timedelta, str]] = {
    "15dk": (timedelta(minutes=15), marked("Last 15 minutes")),
    "1sa": (timedelta(hours=1), marked("Last hour")),
    "24sa": (timedelta(hours=24), marked("Last 24 hours")),
    "7g": (timedelta(days=7), marked("Last 7 days")),
    "30g": (timedelta(days=30), marked("Last 30 days")),
    "365g": (timedelta(days=365), marked("Last year")),
}
DEFAULT = "24sa"
MAX_BACK = 40
_PLAIN = re.compile(r"[^\W_][\w.\-]*")
_FILTER = re.compile(r"(-?)(@?[A-Za-z][\w.\-]{0,99}):(.{1,400})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter beside the query: `field` has (or, negated, has not) `value`."""

    negated: bool
    field: str
    value: str

    def __str__(self) -> str:
        """Return it as it stands in the URL."""
        return f"{'-' if self.negated else ''}{self.field}:{self.value}"

    @property
    def query(self) -> str:
        """Return it in the query language, quoted where needed."""
        quoted = self.value.replace("\\", "\\\\").replace('"', '\\"')
        value = self.value if _PLAIN.fullmatch(self.value) else f'"{quoted}"'
        return f"{'not ' if self.negated else ''}{self.field}:{value}"


@dataclass(frozen=True, slots=True)
class Ask:
    """What the URL asks for; `start` and `end` are set where the range is absolute, else `quick` holds."""

    text: str = ""
    quick: str = DEFAULT
    start: datetime | None = None
    end: datetime | None = None
    filters: tuple[Filter, ...] = ()
    oldest_first: bool = False
    cursor: str = ""
    back: tuple[str, ...] = ()
    record: str = ""
    field: str = ""
    live: bool = False

    def range(self, now: datetime) -> tuple[datetime, datetime]:
        """Return start and end; a quick range ends with the running minute, so that new records are inside."""
        if self.start is not None and self.end is not None:
            return self.start, self.end
        end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        return end - QUICK[self.quick][0], end

    @property
    def query(self) -> str:
        """Return query and filters as one query."""
        parts = [f"({self.text})"] if self.text.strip() and self.filters else [self.text]
        return " and ".join([*(part for part in parts if part.strip()), *(entry.query for entry in self.filters)])

    def pairs(self) -> list[tuple[str, str]]:
        """Return the URL's parameters, defaults left out."""
        pairs = [("q", self.text)] if self.text else []
        if self.start is not None and self.end is not None:
            pairs += [("bas", to_text(self.start)), ("son", to_text(self.end))]
        elif self.quick != DEFAULT:
            pairs.append(("aralik", self.quick))
        pairs += [("suz", str(entry)) for entry in self.filters]
        pairs += [("sira", "eski")] if self.oldest_first else []
        pairs += [("imlec", self.cursor)] if self.cursor else []
        pairs += [("geri", cursor) for cursor in self.back]
        pairs += [("alan", self.field)] if self.field else []
        pairs += [("canli", "1")] if self.live else []
        pairs += [("kayit", self.record)] if self.record else []
        return pairs

    def href(self, **changes: Any) -> str:
        """Return the page's address with `changes`; whatever changes the answer starts at its first page again."""
        if changes.keys() & {"text", "quick", "start", "end", "filters", "oldest_first", "live"}:
            changes = {"cursor": "", "back": (), "record": "", **changes}
        pairs = replace(self, **changes).pairs()
        return "/kayitlar" + (f"?{urlencode(pairs)}" if pairs else "")

    def with_filter(self, field: str, value: str, *, negated: bool = False) -> str:
        """Return the address with one more filter; its opposite goes."""
        rest = tuple(entry for entry in self.filters if (entry.field, entry.value) != (field, value))
        return self.href(filters=(*rest, Filter(negated, field, value)))

    def pills(self) -> Sequence[Pill]:
        """Return the filters as pills."""
        return [
            Pill(
                entry.negated,
                entry.field,
                entry.value,
                self.href(filters=tuple(other for other in self.filters if other != entry)),
            )
            for entry in self.filters
        ]


def read_ask(params: QueryParams, display: Display) -> Ask:
    """Return what the URL asks for; raises BadInput for times that are none. Unknown words fall back to defaults."""
    quick = params.get("aralik", "")
    start, end = None, None
    if quick not in QUICK:
        quick = DEFAULT
        if params.get("bas") and params.get("son"):
            start, end = display.parse(params["bas"]), display.parse(params["son"])
            if end <= start:
                raise BadInput(display.translate("the range ends before it begins"))
    filters = []
    for text in params.getlist("suz"):
        match = _FILTER.fullmatch(text)
        if match is not None:
            filters.append(Filter(bool(match[1]), match[2], match[3]))
    return Ask(
        text=params.get("q", "").strip(),
        quick=quick,
        start=start,
        end=end,
        filters=tuple(dict.fromkeys(filters)),
        oldest_first=params.get("sira") == "eski",
        cursor=params.get("imlec", ""),
        back=tuple(params.getlist("geri")[-MAX_BACK:]),
        record=params.get("kayit", ""),
        field=params.get("alan", ""),
        live=params.get("canli") == "1",
    )
