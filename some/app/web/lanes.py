"""The lanes of an answer as SVG: x in per cent, the asked window as a band, overflow as arrows with true times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from some.app.web.display import Display

_HEIGHT, _BAR, _HEAD = 56, 26, 30
_LEFT, _WIDTH = 14.0, 84.0
_TICKS = 6


@dataclass(frozen=True, slots=True)
class Window:
    """What was asked: `at` ± `error`; the chart shows `at` ± `reach`."""

    at: datetime
    error: timedelta
    reach: timedelta

    def place(self, moment: datetime) -> float:
        """Return where a moment stands, in per cent of the chart's width."""
        share = (moment - (self.at - self.reach)) / (2 * self.reach)
        return _LEFT + _WIDTH * min(1.0, max(0.0, share))


@dataclass(frozen=True, slots=True)
class Lane:
    """One step of the chain; an open end is None."""

    layer: str
    name: str
    statement: str
    start: datetime | None
    end: datetime | None
    estimated: bool


def chart(rows: Sequence[Lane], window: Window, display: Display, title: str) -> Markup:
    """Return the lanes, the asked window across all of them."""
    height = _HEAD + _HEIGHT * len(rows) + 4
    pieces = [_axis(window, display, height), *(_lane(row, place, window, display) for place, row in enumerate(rows))]
    low, high = window.place(window.at - window.error), window.place(window.at + window.error)
    band = Markup(
        '<rect class="asked" x="{x:.3f}%" width="{w:.3f}%" y="{y}" height="{h}"/>'
        '<text class="ask" x="{at:.3f}%" y="10" text-anchor="middle">{text}</text>'
    ).format(
        x=low, w=max(0.3, high - low), y=_HEAD - 6, h=height - _HEAD + 4, at=window.place(window.at),
        text=f"{display.second(window.at)} ± {display.decimal(window.error.total_seconds())} sn"
        if display.language == "tr" else f"{display.second(window.at)} ± {window.error.total_seconds():g} s",
    )  # fmt: skip
    return (
        Markup('<svg class="chart lanes" height="{h}" role="img" aria-label="{title}">').format(h=height, title=title)
        + Markup("").join(pieces)
        + band
        + Markup("</svg>")
    )


def _axis(window: Window, display: Display, height: int) -> Markup:
    pieces = []
    for tick in range(_TICKS + 1):
        moment = window.at - window.reach + 2 * window.reach * tick / _TICKS
        x = window.place(moment)
        pieces.append(
            Markup('<line class="grid" x1="{x:.2f}%" x2="{x:.2f}%" y1="{top}" y2="{h}"/>').format(
                x=x, top=_HEAD, h=height
            )
        )
        if tick != _TICKS // 2:
            pieces.append(
                Markup('<text x="{x:.2f}%" y="22" text-anchor="middle">{text}</text>').format(
                    x=x, text=display.second(moment)
                )
            )
    return Markup('<g class="axis" aria-hidden="true">') + Markup("").join(pieces) + Markup("</g>")


def _lane(row: Lane, place: int, window: Window, display: Display) -> Markup:
    y = _HEAD + _HEIGHT * place
    first, last = window.at - window.reach, window.at + window.reach
    start, end = row.start or first, row.end or last
    x, right = window.place(start), window.place(end)
    before, after = row.start is None or row.start < first, row.end is None or row.end > last
    times = [display.second(row.start) if row.start else "?", display.second(row.end) if row.end else "?"]
    label = f"{'← ' if before else ''}{times[0]} – {times[1]}{' →' if after else ''}"
    words = f"{row.name}: {row.statement} ({label})"
    tone = row.layer + (" guess" if row.estimated else "")
    return Markup(
        '<g><title>{words}</title><text class="name" x="0" y="{mid}">{name}</text>'
        '<rect class="lane {tone}" x="{x:.3f}%" width="{w:.3f}%" y="{y}" height="{bar}" rx="3"/>'
        '<text x="{x:.3f}%" dx="4" y="{below}">{label}</text></g>'
    ).format(
        words=words, name=row.name, mid=y + 17, tone=tone, x=x, w=max(0.4, right - x), y=y, bar=_BAR, below=y + 40,
        label=label,
    )  # fmt: skip
