"""The gettext catalogue and the way we write numbers and times: Turkish first, English second.

Messages are English msgids; the `.po` files of `some/locale/<lang>/` hold the translations and are read at the first
message, so a command that prints none pays nothing. There are no lazy strings: text that stands in a table is wrapped
in `marked` where it is written and translated where it is shown.

Notation follows TDK and this house: `1.284.306`, `%41,8`, `23.11.2026 14:36`, `43 sa 12 dk`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from typing import TYPE_CHECKING

from some.errors import SettingsFault

if TYPE_CHECKING:
    from datetime import datetime, timedelta, tzinfo

LANGUAGES = ("tr", "en")
DEFAULT_LANGUAGE = "tr"
ZONE = "Europe/Istanbul"
"""The zone that pages show when a site says nothing else."""

_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_KIB = 1024

_MONTHS = {
    "tr": (
        "Ocak",
        "Şubat",
        "Mart",
        "Nisan",
        "Mayıs",
        "Haziran",
        "Temmuz",
        "Ağustos",
        "Eylül",
        "Ekim",
        "Kasım",
        "Aralık",
    ),
    "en": (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
}
_WEEKDAYS = {
    "tr": ("Pazartesi", "Salı", "Çarşamba", "Perşembe", "Cuma", "Cumartesi", "Pazar"),
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}


class Translator:
    """Translates msgids into one language; call it, or give `gettext` and `ngettext` to Jinja (newstyle)."""

    def __init__(self, language: str) -> None:
        """Speak `language` (`tr` or `en`); raises SettingsFault for any other."""
        if language not in LANGUAGES:
            msg = f"no catalogue for language {language!r}; expected one of: {', '.join(LANGUAGES)}"
            raise SettingsFault(msg)
        self.language = language

    @cached_property
    def _catalogue(self) -> NullTranslations:
        return NullTranslations() if self.language == "en" else _read(self.language)

    def __call__(self, msgid: str, **values: object) -> str:
        """Return `msgid` in this language, `%(name)s` filled from `values`; without values, `%` means itself."""
        text = self._catalogue.gettext(msgid)
        return text % values if values else text

    def gettext(self, msgid: str) -> str:
        """Return `msgid` in this language, or itself where the catalogue lacks it."""
        return self._catalogue.gettext(msgid)

    def ngettext(self, one: str, many: str, number: int, **values: object) -> str:
        """Return the form for `number`, with `%(number)s` written in this language's way."""
        text = self._catalogue.ngettext(one, many, number)
        return text % {"number": Notation(self.language).count(number), **values}

    def plural(self, one: str, many: str, number: int) -> str:
        """Return the form for `number` unfilled: what Jinja's `{% trans %}…{% pluralize %}` calls."""
        return self._catalogue.ngettext(one, many, number)


def translator(language: str = DEFAULT_LANGUAGE) -> Translator:
    """Make the translator of `language`, usually named `_`; make one for a process and keep it."""
    return Translator(language)


def marked(msgid: str) -> str:
    """Return `msgid` as it is; tells the catalogue test that somebody will translate it later."""
    return msgid


def _read(language: str) -> NullTranslations:
    from babel.messages.mofile import write_mo  # noqa: PLC0415 - 60 ms that only a message should cost
    from babel.messages.pofile import read_po  # noqa: PLC0415 - as above

    parts = sorted(
        (path for path in files("some").joinpath(f"locale/{language}").iterdir() if path.name.endswith(".po")),
        key=lambda path: path.name,
    )
    joined = NullTranslations()
    for part in parts:
        compiled = BytesIO()
        write_mo(compiled, read_po(BytesIO(part.read_bytes()), locale=language))
        compiled.seek(0)
        spoken = GNUTranslations(compiled)
        spoken.add_fallback(joined)
        joined = spoken
    return joined


@dataclass(frozen=True, slots=True)
class Notation:
    """How one language writes numbers."""

    language: str = DEFAULT_LANGUAGE

    def count(self, number: int) -> str:
        """Return `1.284.306` (tr), `1,284,306` (en)."""
        return self._points(f"{number:,}")

    def decimal(self, number: float, places: int = 1) -> str:
        """Return `1.284,5` (tr), `1,284.5` (en)."""
        return self._points(f"{number:,.{places}f}")

    def percent(self, share: float, places: int = 1) -> str:
        """Return a share of 1 as `%41,8` (tr), `41.8%` (en)."""
        figures = self.decimal(share * 100, places)
        if self.language == "tr":
            return f"-%{figures[1:]}" if figures.startswith("-") else f"%{figures}"
        return f"{figures}%"

    def size(self, octets: int) -> str:
        """Return bytes as `812 B`, `4,2 MiB`, `1,3 TiB` (IEC 80000-13 prefixes)."""
        amount, unit = float(octets), "B"
        for unit in ("B", "KiB", "MiB", "GiB", "TiB", "PiB"):
            if abs(amount) < _KIB or unit == "PiB":
                break
            amount /= _KIB
        return f"{self.count(octets)} B" if unit == "B" else f"{self.decimal(amount)} {unit}"

    def duration(self, length: timedelta) -> str:
        """Return the two largest units: `43 sa 12 dk`, `3 gün 4 sa`, `12 dk`, `45 sn` (tr); `43 h 12 min` (en).

        Hours are counted up to 72 of them, because legal clocks are (KVKK Kurul 2019/10: 72 saat).
        """
        day, hour, minute, second = ("gün", "sa", "dk", "sn") if self.language == "tr" else ("d", "h", "min", "s")
        seconds = round(length.total_seconds())
        sign, seconds = ("-", -seconds) if seconds < 0 else ("", seconds)
        if seconds > 3 * _DAY:
            return sign + self._two(seconds // _DAY, day, seconds % _DAY // _HOUR, hour)
        if seconds >= _HOUR:
            return sign + self._two(seconds // _HOUR, hour, seconds % _HOUR // _MINUTE, minute)
        if seconds >= _MINUTE:
            return sign + self._two(seconds // _MINUTE, minute, 0, second)
        return f"{sign}{seconds} {second}"

    def _two(self, large: int, large_unit: str, small: int, small_unit: str) -> str:
        return f"{self.count(large)} {large_unit}" + (f" {small} {small_unit}" if small else "")

    def _points(self, text: str) -> str:
        return text.translate(str.maketrans(",.", ".,")) if self.language == "tr" else text


@dataclass(frozen=True, slots=True)
class Calendar:
    """How one language writes times, in one zone."""

    language: str
    zone: tzinfo

    def moment(self, at: datetime) -> str:
        """Return `23.11.2026 14:36` (tr), `23 Nov 2026 14:36` (en)."""
        return f"{self.day(at)} {at.astimezone(self.zone):%H:%M}"

    def exact(self, at: datetime) -> str:
        """Return the moment with seconds, for evidence: `23.11.2026 14:36:07`."""
        return f"{self.day(at)} {at.astimezone(self.zone):%H:%M:%S}"

    def day(self, at: datetime) -> str:
        """Return `23.11.2026` (tr), `23 Nov 2026` (en)."""
        here = at.astimezone(self.zone)
        if self.language == "tr":
            return f"{here:%d.%m.%Y}"
        return f"{here.day} {_MONTHS['en'][here.month - 1][:3]} {here.year}"

    def long_day(self, at: datetime) -> str:
        """Return `23 Ekim 2026 Cuma` (tr), `Friday, 23 October 2026` (en)."""
        here = at.astimezone(self.zone)
        month = _MONTHS[self.language][here.month - 1]
        weekday = _WEEKDAYS[self.language][here.weekday()]
        if self.language == "tr":
            return f"{here.day} {month} {here.year} {weekday}"
        return f"{weekday}, {here.day} {month} {here.year}"

    def hour(self, at: datetime) -> str:
        """Return `14:36`."""
        return f"{at.astimezone(self.zone):%H:%M}"

    def zone_name(self, at: datetime) -> str:
        """Return the offset that stands beside ranges: `UTC+3`, `UTC-4:30`, `UTC`."""
        offset = at.astimezone(self.zone).utcoffset()
        minutes = round(offset.total_seconds() / _MINUTE) if offset else 0
        if minutes == 0:
            return "UTC"
        hours, rest = divmod(abs(minutes), 60)
        return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02d}" if rest else "")

    def relative(self, at: datetime, now: datetime) -> str:
        """Return `az önce`, `3 saat önce`, `2 gün sonra` (tr); `just now`, `3 hours ago`, `in 2 days` (en)."""
        seconds = round((now - at).total_seconds())
        past, seconds = seconds >= 0, abs(seconds)
        turkish = self.language == "tr"
        if seconds < _MINUTE:
            early, late = ("az önce", "birazdan") if turkish else ("just now", "in a moment")
            return early if past else late
        number, one, word = _largest(seconds)
        if turkish:
            return f"{number} {word} {'önce' if past else 'sonra'}"
        text = f"{number} {one}{'' if number == 1 else 's'}"
        return f"{text} ago" if past else f"in {text}"


def _largest(seconds: int) -> tuple[int, str, str]:
    if seconds < _HOUR:
        return seconds // _MINUTE, "minute", "dakika"
    if seconds < _DAY:
        return seconds // _HOUR, "hour", "saat"
    return seconds // _DAY, "day", "gün"
