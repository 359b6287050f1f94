"""Numbers, sizes, times and durations as people here read them: `1.284.306`, `%41,8`, `23.11.2026 14:36`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from babel.dates import format_date

from some.errors import BadInput
from some.wording import Calendar, Notation

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from some.wording import Translator

_LOCAL = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_ISO = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")


@dataclass(frozen=True, slots=True)
class Display:
    """One language and one zone: the house's notation and calendar, and what only screens need."""

    language: str
    zone: ZoneInfo
    translate: Translator

    def number(self, value: float) -> str:
        """Return a whole number with the language's group mark."""
        return Notation(self.language).count(round(value))

    def decimal(self, value: float, digits: int = 1) -> str:
        """Return a number with `digits` decimals."""
        return Notation(self.language).decimal(value, digits)

    def percent(self, share: float) -> str:
        """Return a share of 1 as `%41,8` or `41.8%`."""
        return Notation(self.language).percent(share)

    def size(self, octets: int) -> str:
        """Return bytes as `17,4 MiB`."""
        return Notation(self.language).size(octets)

    def duration(self, seconds: float) -> str:
        """Return the two largest units: `43 sa 12 dk`, `5 sn`."""
        return Notation(self.language).duration(timedelta(seconds=max(0, round(seconds))))

    def local(self, moment: datetime) -> datetime:
        """Return `moment` in the zone of the reader."""
        return moment.astimezone(self.zone)

    def day(self, moment: datetime) -> str:
        """Return the date alone."""
        return Calendar(self.language, self.zone).day(moment)

    def minute(self, moment: datetime) -> str:
        """Return date and minute: `23.11.2026 14:36`."""
        return Calendar(self.language, self.zone).moment(moment)

    def typed(self, moment: datetime) -> str:
        """Return date and minute as `parse` reads them back and inputs show them."""
        pattern = "%d.%m.%Y %H:%M" if self.language == "tr" else "%Y-%m-%d %H:%M"
        return self.local(moment).strftime(pattern)

    def clock(self, moment: datetime) -> str:
        """Return hours and minutes."""
        return self.local(moment).strftime("%H:%M")

    def second(self, moment: datetime) -> str:
        """Return hours, minutes and seconds."""
        return self.local(moment).strftime("%H:%M:%S")

    def exact(self, moment: datetime) -> str:
        """Return the date and the time to the millisecond."""
        return f"{self.day(moment)} {self.milli(moment)}"

    def milli(self, moment: datetime) -> str:
        """Return the time to the millisecond: `11:59:59,912`."""
        mark = "," if self.language == "tr" else "."
        return f"{self.second(moment)}{mark}{self.local(moment).microsecond // 1000:03d}"

    def long_day(self, moment: datetime) -> str:
        """Return `23 Kasım 2026 Pazartesi`."""
        return Calendar(self.language, self.zone).long_day(moment)

    def short_day(self, moment: datetime) -> str:
        """Return `23 Kas Pzt`."""
        pattern = "d MMM EEE" if self.language == "tr" else "EEE d MMM"
        return format_date(self.local(moment).date(), pattern, locale=self.language)

    def day_month(self, moment: datetime) -> str:
        """Return `23 Kasım`."""
        return format_date(self.local(moment).date(), "d MMMM", locale=self.language)

    def utc(self, moment: datetime) -> str:
        """Return RFC 3339 UTC with milliseconds, for titles and `datetime` attributes."""
        return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def offset(self, moment: datetime) -> str:
        """Return the zone as people write it: `UTC+3`."""
        return Calendar(self.language, self.zone).zone_name(moment)

    def parse(self, text: str) -> datetime:
        """Return the aware UTC time that a person typed (`23.11.2026 11:15` or ISO 8601); raises BadInput."""
        stripped = text.strip()
        local, iso = _LOCAL.fullmatch(stripped), _ISO.fullmatch(stripped)
        try:
            if local is not None:
                day, month, year, hour, minute, second = (int(part or 0) for part in local.groups())
                return datetime(year, month, day, hour, minute, second, tzinfo=self.zone).astimezone(UTC)
            if iso is not None:
                year, month, day, hour, minute, second = (int(part or 0) for part in iso.groups())
                return datetime(year, month, day, hour, minute, second, tzinfo=self.zone).astimezone(UTC)
            moment = datetime.fromisoformat(stripped)
        except ValueError as error:
            raise BadInput(self._not_a_time(stripped)) from error
        if moment.tzinfo is None:
            raise BadInput(self._not_a_time(stripped))
        return moment.astimezone(UTC)

    def _not_a_time(self, text: str) -> str:
        return self.translate("not a time: {text} (expected e.g. {example})").format(
            text=text[:40], example="23.11.2026 14:36" if self.language == "tr" else "2026-11-23 14:36"
        )
