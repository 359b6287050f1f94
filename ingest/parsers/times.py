"""Points in time, in microseconds since 1970 UTC. Pure: what the text leaves open comes from the arguments.

A text without a zone is read in the source's zone. A text without a year (RFC 3164) is the latest that is not after
reception; one day of grace lets a clock that runs ahead, or stands in another zone, pass New Year before we do.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

from ingest.parsers.values import Memo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LEAP_YEARS_AT_MOST = 9  # 1896 to 1904 held no 29 February between them
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_OFFSETS = {"utc": 0, "gmt": 0, "z": 0, "wet": 0, "cet": 60, "cest": 120, "eet": 120, "eest": 180, "trt": 180}

MONTH: Final = r"[JFMASOND][aceopu][bcglnprtvy]"
ISO_STAMP: Final = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?([Zz]|[+-]\d\d:?\d\d)?"
"""Groups: to the second, fraction, zone."""
BSD_STAMP: Final = (
    rf"(?:\d{{4}} )?{MONTH} {{1,2}}\d{{1,2}} (?:\d{{4}} )?\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?"
    r"(?: (?:19|20)\d\d(?=[ :]))?(?: (?:UTC|GMT|[+-]\d\d:?\d\d)(?=[ :])| [A-Z]{2,5}(?=:))?"
)

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[T ](?:time=)?(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?([Zz]|[+-]\d\d:?\d\d)?", re.ASCII
)
_CLF = re.compile(r"(\d\d)/([A-Za-z]{3})/(\d{4}):(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?: ([+-]\d{4}))?", re.ASCII)
_BSD = re.compile(
    r"(?:(\d{4}) )?([A-Z][a-z]{2}) +(\d{1,2}) (?:(\d{4}) )?(\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?"
    r"(?: (\d{4}))?(?: ([A-Z]{2,5}|[+-]\d\d:?\d\d))?",
    re.ASCII,
)


def microseconds(moment: datetime) -> int:
    """Return an aware time as microseconds since 1970 UTC."""
    return (moment - _EPOCH) // _MICROSECOND


def zone_of(text: str | None) -> tzinfo | None:
    """Return the zone that `+0300`, `+03:00`, `+03`, `Z` or a known abbreviation names; None for anything else."""
    if not text:
        return None
    minutes = _OFFSETS.get(text.lower())
    if minutes is None:
        digits = text[1:].replace(":", "")
        digits = f"{digits}00" if len(digits) == len("03") else digits  # what strftime's %Z writes for Türkiye
        if text[0] not in "+-" or len(digits) != len("0300") or not digits.isascii() or not digits.isdigit():
            return None
        minutes = int(digits[:2]) * 60 + int(digits[2:])
        minutes = -minutes if text[0] == "-" else minutes
    return timezone(timedelta(minutes=minutes)) if abs(minutes) < 24 * 60 else None


def _moment(parts: Sequence[str | None], fraction: str | None, zone: tzinfo) -> int | None:
    """Return the time of (year, month, day, hour, minute, second) texts; a leap second is the second after."""
    year, month, day, hour, minute, second = (int(part or 0) for part in parts)
    leap = second == 60  # noqa: PLR2004 - the sixtieth second exists only as a leap second (RFC 3339 section 5.7)
    try:
        at = microseconds(datetime(year, month, day, hour, minute, second - leap, tzinfo=zone))
    except (ValueError, OverflowError):
        return None
    return at + leap * SECOND + int((fraction or "0").ljust(6, "0")[:6])


def iso(text: str, zone: tzinfo) -> int | None:
    """Return the time of `2026-11-23T21:35:43.120+03:00` (fraction and zone may be missing), or None."""
    found = _ISO.fullmatch(text)
    if found is None:
        return None
    return _moment(found.groups()[:6], found[7], zone_of(found[8]) or zone)


def clf(text: str, zone: tzinfo) -> int | None:
    """Return the time of `23/Nov/2026:21:35:43 +0300` (common log format), or None."""
    found = _CLF.fullmatch(text)
    month = _MONTHS.get(found[2].lower()) if found else None
    if found is None or month is None:
        return None
    parts = (found[3], str(month), found[1], *found.groups()[3:6])
    return _moment(parts, found[7], zone_of(found[8]) or zone)


def bsd(text: str, zone: tzinfo, received_day: int) -> int | None:
    """Return the time of `Nov 23 21:35:43` with whatever senders add (year, fraction, zone), or None.

    `received_day` is the UTC day of reception (microseconds // DAY).
    """
    found = _BSD.fullmatch(text)
    month = _MONTHS.get(found[2].lower()) if found else None
    if found is None or month is None:
        return None
    where = zone_of(found[10]) or zone
    year = found[1] or found[4] or found[9]
    rest = (str(month), found[3], *found.groups()[4:7])
    if year is not None:
        return _moment((year, *rest), found[8], where)
    limit = (received_day + 2) * DAY  # the end of the day after reception
    try:
        latest = (_EPOCH + timedelta(microseconds=limit)).year
    except OverflowError:
        return None
    for candidate in range(latest + 1, max(latest - _LEAP_YEARS_AT_MOST, 0), -1):
        at = _moment((str(candidate), *rest), found[8], where)
        if at is not None and at < limit:
            return at
    return None


def epoch(text: str | None) -> int | None:
    """Return the time of digits that count seconds, milli-, micro- or nanoseconds: their number tells which."""
    if text is None or not text.isascii() or not text.isdigit():
        return None
    digits = len(text)
    if digits == 10:  # noqa: PLR2004 - seconds have ten digits from 2001 to 2286, milliseconds thirteen, and so on
        return int(text) * SECOND
    if digits in (13, 16, 19):
        return int(text[:16].ljust(16, "0"))
    return None


class Stamps:
    """Remembers the times of texts in one zone."""

    def __init__(self, zone: tzinfo) -> None:
        """Read texts without a zone in `zone`."""
        self.iso: Memo[str, int | None] = Memo(lambda text: iso(text, zone))
        self.clf: Memo[str, int | None] = Memo(lambda text: clf(text, zone))
        self._seconds: Memo[tuple[str, str | None], int | None] = Memo(lambda key: iso(key[0] + (key[1] or ""), zone))
        self._bsd: Memo[tuple[str, int], int | None] = Memo(lambda key: bsd(key[0], zone, key[1]))

    def split_iso(
        self, seconds: Sequence[str], fractions: Sequence[str | None], zones: Sequence[str | None]
    ) -> list[int | None]:
        """Return the times of the groups of ISO_STAMP; fractions rarely come twice, so they are not remembered."""
        found = map(self._seconds.__getitem__, zip(seconds, zones, strict=True))
        return [
            at if part is None or at is None else at + int(part.ljust(6, "0")[:6])
            for at, part in zip(found, fractions, strict=True)
        ]

    def bsd(self, texts: Sequence[str], received: Sequence[int]) -> list[int | None]:
        """Return the times of a column of RFC 3164 stamps."""
        return list(map(self._bsd.__getitem__, zip(texts, [at // DAY for at in received], strict=True)))


class StampsByZone(dict["tzinfo", Stamps]):
    """One `Stamps` for each zone asked for; bounded, because a line may name any zone."""

    def __missing__(self, zone: tzinfo) -> Stamps:
        """Make the zone's memory."""
        if len(self) >= 64:  # noqa: PLR2004 - the world has fewer than 64 offsets in use
            self.clear()
        stamps = self[zone] = Stamps(zone)
        return stamps
