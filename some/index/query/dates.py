"""Dates in queries: `now-1h`, `now-7d/d`, `2026-11`, `2026-11-23T18:35+03:00`, `23.11.2026 18:35`.

A date names a period as long as its last part (a year, a day, a minute …); comparisons take its start or its end, so
`@timestamp > 2026-11-23` begins on the 24th and `@timestamp <= 2026-11-23` includes the whole 23rd, as in Kibana.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo

from some.index.engine import to_us

_MATHS = re.compile(r"now(?P<steps>(?:[+-][0-9]{1,6}[smhdw])*)(?:/(?P<round>[smhdw]))?")
_STEP = re.compile(r"([+-][0-9]+)([smhdw])")
_ISO = re.compile(
    r"(?P<year>[0-9]{4})(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2})"
    r"(?:[T ](?P<hour>[0-9]{2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,](?P<fraction>[0-9]{1,9}))?)?)?"
    r"(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?)?)?)?"
)
_TURKISH = re.compile(
    r"(?P<day>[0-9]{1,2})\.(?P<month>[0-9]{1,2})\.(?P<year>[0-9]{4})"
    r"(?: (?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?)?"
)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MICROSECOND = timedelta(microseconds=1)
_DECEMBER = 12


def period(text: str, now: datetime, zone: tzinfo) -> tuple[int, int]:
    """Return the period that `text` names: first microsecond and the one after its last; raises ValueError.

    Dates without a zone are the wall clock of `zone`; `/d` cuts to its midnight (`/w` to Monday).
    """
    maths = _MATHS.fullmatch(text)
    try:
        start, end = _relative(maths, now, zone) if maths else _absolute(text, zone)
        return to_us(start), to_us(end)
    except OverflowError as error:
        raise ValueError(text) from error


def _relative(maths: re.Match[str], now: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    moment = now.astimezone(UTC)
    for amount, unit in _STEP.findall(maths["steps"]):
        moment += int(amount) * _UNITS[unit]
    if not maths["round"]:
        return moment, moment + _MICROSECOND
    start = _cut(moment.astimezone(zone), maths["round"])
    wall = start.replace(tzinfo=None) + _UNITS[maths["round"]]
    return start.astimezone(UTC), wall.replace(tzinfo=zone).astimezone(UTC)


def _cut(moment: datetime, unit: str) -> datetime:
    if unit == "s":
        return moment.replace(microsecond=0)
    if unit == "m":
        return moment.replace(second=0, microsecond=0)
    if unit == "h":
        return moment.replace(minute=0, second=0, microsecond=0)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday()) if unit == "w" else day


def _absolute(text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    match = _ISO.fullmatch(text) or _TURKISH.fullmatch(text)
    if match is None:
        raise ValueError(text)
    part = match.groupdict()
    fraction = (part.get("fraction") or "")[:6]
    wall = datetime(  # noqa: DTZ001 - the zone follows below
        int(part["year"]),
        int(part["month"] or 1),
        int(part["day"] or 1),
        int(part["hour"] or 0),
        int(part["minute"] or 0),
        int(part["second"] or 0),
        int(fraction.ljust(6, "0")),
    )
    written = part.get("zone")
    where = _zone(written) if written else zone
    start = wall.replace(tzinfo=where).astimezone(UTC)
    return start, (_next(wall, part, fraction)).replace(tzinfo=where).astimezone(UTC)


def _zone(text: str) -> tzinfo:
    return datetime.fromisoformat(f"2000-01-01T00:00:00{text}").tzinfo or UTC


def _next(wall: datetime, part: dict[str, str | None], fraction: str) -> datetime:
    if part["month"] is None:
        return wall.replace(year=wall.year + 1)
    if part["day"] is None:
        month = wall.month % _DECEMBER + 1
        return wall.replace(year=wall.year + (month == 1), month=month)
    if part["hour"] is None:
        return wall + _UNITS["d"]
    if part["minute"] is None:
        return wall + _UNITS["h"]
    if part["second"] is None:
        return wall + _UNITS["m"]
    return wall + timedelta(microseconds=10 ** (6 - len(fraction)))
