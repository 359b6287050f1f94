"""Charts as SVG made on the server: no inline style, x in per cent, titles on bars; the page repeats the figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from some.app.web.display import Display
    from some.index.engine import Bucket, Histogram

HEIGHT = 84
_TOP, _BASE = 8, 66
_LABELS = 12
_NICE = (1, 2, 5)
_KILO, _MEGA = 1_000, 1_000_000

TONES = {
    "deny": 1, "denied": 1, "drop": 1, "dropped": 1, "block": 1, "blocked": 1, "reject": 1, "failure": 1, "ip-conn": 1,
    "client-rst": 2, "server-rst": 2, "timeout": 2, "reset": 2, "pipeline_error": 2,
    "login": 3, "logon": 3, "logout": 3, "session": 3, "start": 3,
    "accept": 0, "allow": 0, "allowed": 0, "close": 0, "pass": 0, "success": 0, "event": 0,
}  # fmt: skip
"""Colour class of a value: 1 denied, 2 reset, 3 session, 0 let through; others take what is left."""


@dataclass(frozen=True, slots=True)
class Part:
    """One colour of the histogram: `tone` is its class (`s0` to `s5`), `total` its records in the whole range."""

    name: str
    tone: int
    total: int
    rest: bool = False


def parts(histogram: Histogram, rest: str) -> tuple[Part, ...]:
    """Return the colours of a histogram; what the engine did not split stands last as `rest`."""
    totals = dict.fromkeys(histogram.values, 0)
    everything = 0
    for bucket in histogram.buckets:
        everything += bucket.total
        for value, count in bucket.parts.items():
            totals[value] = totals.get(value, 0) + count
    free = iter([0, 3, 4, 2, 5] if not any(value in TONES for value in totals) else [4, 5, 4, 5])
    named = [Part(value, TONES[value] if value in TONES else next(free), total) for value, total in totals.items()]
    left = everything - sum(totals.values())
    if left > 0 or not named:
        named.append(Part(rest, 5 if named else 0, left, rest=True))
    return tuple(sorted(named, key=lambda part: (part.tone in (1, 2), part.tone)))


def ceiling(largest: int) -> int:
    """Return the smallest 1, 2 or 5 times a power of ten, times two, that is at least `largest`."""
    power = 1
    while True:
        for nice in _NICE:
            if 2 * nice * power >= largest:
                return 2 * nice * power
        power *= 10


def short(value: int, display: Display) -> str:
    """Return an axis label: `40 b` (bin, thousand), `2 mn`."""
    _ = display.translate
    if value >= _MEGA:
        return _("{n} million").format(n=display.number(value / _MEGA))
    if value >= _KILO:
        return _("{n} thousand").format(n=display.number(value / _KILO))
    return display.number(value)


def volume(histogram: Histogram, shown: Sequence[Part], display: Display, title: str) -> Markup:
    """Return the records over time as stacked bars."""
    count = max(1, len(histogram.buckets))
    top = ceiling(max((bucket.total for bucket in histogram.buckets), default=1) or 1)
    pieces = [Markup('<g class="axis" aria-hidden="true">')]
    for level in (0, top // 2, top):
        y = _BASE - (_BASE - _TOP) * level / top
        pieces.append(
            Markup('<line class="grid" x1="3%" x2="100%" y1="{y:.1f}" y2="{y:.1f}"/>').format(y=y)
            + Markup('<text x="2.6%" y="{y:.1f}" text-anchor="end">{text}</text>').format(
                y=y + 4, text=short(level, display)
            )
        )
    pieces.append(Markup("</g>"))
    for place, bucket in enumerate(histogram.buckets):
        pieces.append(_bar(bucket, place, count, top, shown=shown, display=display))
    step = max(1, -(-count // _LABELS))
    for place in range(0, count, step):
        label = _label(histogram, place, display)
        x = 3 + 97 * place / count
        pieces.append(Markup('<text x="{x:.2f}%" y="80" aria-hidden="true">{label}</text>').format(x=x, label=label))
    return (
        Markup('<svg class="chart" height="{height}" role="img" aria-label="{title}" data-brush>').format(
            height=HEIGHT, title=title
        )
        + Markup("").join(pieces)
        + Markup("</svg>")
    )


def _label(histogram: Histogram, place: int, display: Display) -> str:
    moment = histogram.buckets[place].start
    if histogram.width.total_seconds() >= 86_400:  # noqa: PLR2004 - seconds in a day
        return display.local(moment).strftime("%d.%m" if display.language == "tr" else "%m-%d")
    if histogram.width.total_seconds() < 60:  # noqa: PLR2004 - seconds in a minute
        return display.second(moment)
    return display.clock(moment)


def _bar(bucket: Bucket, place: int, count: int, top: int, *, shown: Sequence[Part], display: Display) -> Markup:
    """Return one bucket, its parts stacked upwards in the order of `shown`."""
    y = float(_BASE)
    pieces = []
    for part in shown:
        records = count_of(part, bucket, shown)
        if records <= 0:
            continue
        height = max(0.5, (_BASE - _TOP) * records / top)
        y -= height
        pieces.append(
            Markup('<rect class="s{tone}" x="{x:.3f}%" width="{w:.3f}%" y="{y:.2f}" height="{h:.2f}"/>').format(
                tone=part.tone, x=3 + 97 * place / count, w=97 * 0.92 / count, y=y, h=height
            )
        )
    if not pieces:
        return Markup("")
    title = f"{display.minute(bucket.start)}: {display.number(bucket.total)}"
    return Markup("<g><title>{title}</title>").format(title=title) + Markup("").join(pieces) + Markup("</g>")


def count_of(part: Part, bucket: Bucket, shown: Sequence[Part]) -> int:
    """Return how much of `bucket` belongs to `part`; the part that stands for the rest takes what is not named."""
    if not part.rest:
        return bucket.parts.get(part.name, 0)
    names = {other.name for other in shown if not other.rest}
    return bucket.total - sum(count for name, count in bucket.parts.items() if name in names)


def sparkline(series: Sequence[int], title: str, tone: str = "plain") -> Markup:
    """Return a small curve of `series`, scaled to its own largest value."""
    width, height = 94.0, 20.0
    top = max(series, default=0) or 1
    count = max(2, len(series))
    points = [
        f"{width * place / (count - 1):.1f} {height - 1 - (height - 3) * value / top:.1f}"
        for place, value in enumerate(series or (0, 0))
    ]
    line = "M" + "L".join(points)
    return Markup(
        '<svg class="spark {tone}" viewBox="0 0 94 20" preserveAspectRatio="none" role="img" aria-label="{title}">'
        '<path class="a" d="{line}L94 20L0 20Z"/><path class="l" d="{line}"/></svg>'
    ).format(tone=tone, title=title, line=escape(line))
