"""The syslog header, RFC 3164 and RFC 5424, with what senders make of it; and messages of no format that we know.

<38>Nov 23 21:35:43 gw.example.org sshd[412]: Accepted publickey for ayse from 192.0.2.7 port 51022 ssh2

Known variants: no PRI (files), PRI alone, a space after it, a year before or after the day or after the time,
fractions, zones, ISO time in the old form (`<30>2026-11-23T21:35:43+03:00 host tag: …`), no host, no tag, Cisco's
sequence numbers (`<189>17: fw: *Nov 23 21:35:43.123: %SYS-5-…`), RFC 5424 without structured data, BOM. Of Cisco's
firewalls the mnemonic (`%ASA-6-302013:`) is no tag but where their message begins, after `time: `, `time host : `,
`time host: `, `:time zone: ` (EMBLEM). Without PRI and tag an ISO time counts where what follows is known: that
mnemonic, or MikroTik's topics (`firewall,info `).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import methodcaller
from typing import TYPE_CHECKING, Any, Final

from ingest.parsers.lines import Columns, ParseFailure, select
from ingest.parsers.times import BSD_STAMP, ISO_STAMP, StampsByZone
from ingest.parsers.values import Memo, whole, words

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

NAME: Final = "syslog"
_MAX_PRIORITY = 191  # RFC 5424 section 6.2.1

MNEMONIC: Final = r"%(?:ASA|FTD|PIX|FWSM)-(?:[A-Za-z_]{1,20}-)?[0-7]-[0-9]{6}(?![0-9])"
"""Where the messages of Cisco's firewalls begin."""
_HOST = (
    r"(?:([^ \t:\[\]=\"<({*%,;|\-][^ \t\[\]=\"<({,;|]{0,254}+(?<!:)"
    rf"|[^ \t:\[\]=\"<({{*%,;|\-][^ \t:\[\]=\"<({{,;|]{{0,254}}+(?=: {MNEMONIC})):? )?"
)
_RELAYED = r"(?:[^ \t\[\]=\"<({,;|]{1,255}+ (?=[^ :\[\]]{1,64}\[[0-9]{1,10}\]:))?"  # a relay's name before the sender's
_TAG = rf"(?:(?:: )?(?!{MNEMONIC})([^ \t:\[\]=\"<{{]{{1,64}})(?:\[([^\] ]{{0,64}})\])?:(?: |$))?"
_STRUCTURE = r"((?:\[(?:[^\]\"\\]|\\.|\"(?:[^\"\\]|\\.)*+\")*+\])++|-)"
_HEAD = re.compile(
    r"\ufeff?(?:<([0-9]{1,3})> ?)?"
    r"(?:(?=[:0-9JFMASOND])(?::? ?(?=[0-9JFMASOND]))(?:"  # one look spares most lines three attempts
    rf"1 (?:{ISO_STAMP}|-) ([^ ]{{1,255}}) ([^ ]{{1,128}}) ([^ ]{{1,128}}) ([^ ]{{1,64}})"
    rf"(?: {_STRUCTURE}(?= |$))? ?\ufeff?()"
    rf"|({BSD_STAMP}):? {{1,2}}{_HOST}{_RELAYED}{_TAG}()"
    rf"|{ISO_STAMP}:? {{1,2}}{_HOST}{_TAG}()"
    r"))?"
)
_V5, _BSD, _ISO = 10, 15, 22  # the groups that mark which form matched
_PRI_ONLY = 1
_VOUCHED = re.compile(rf"[ :]{{0,3}}{MNEMONIC}|[a-z0-9\-]{{2,20}}(?:,[a-z0-9\-!]{{1,20}}){{1,5}} ")
"""What makes a time and a host without PRI and tag a header."""
_CISCO = re.compile(
    rf"(?:\d{{1,10}}: )?(?:([^\s:=]{{1,255}}): ?)?(?:\d{{1,10}}: )?(?:: )?[*.]?({BSD_STAMP})(?: [A-Z]{{2,5}})?: ?"
    r"(?:(%[^\s:]{1,64}) ?: )?"
)


_Groups = Callable[["re.Match[str]"], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Form:
    """What one form of header holds: `names` of fields, `texts(match)` their texts, `at` where its time stands.

    `stamp` is `bsd`, `iso` (three groups from `at` on) or empty.
    """

    stamp: str
    at: int
    names: tuple[str, ...]
    texts: _Groups


def _form(stamp: str, at: int, **groups: int) -> Form:
    names = tuple(f"log.syslog.{name}" for name in groups)
    return Form(stamp, at, names, methodcaller("group", *groups.values()))


_FORMS = {
    _PRI_ONLY: _form("", 0),
    _V5: _form("iso", 2, hostname=5, appname=6, procid=7, msgid=8, structured_data=9),
    _BSD: _form("bsd", 11, hostname=12, appname=13, procid=14),
    _ISO: _form("iso", 16, hostname=19, appname=20, procid=21),
}
_CISCO_FORM = _form("bsd", 2, hostname=1, appname=3)
_ISO_TAG = 20
NO_HEADER: Final = 0


def _priority(text: str | None) -> tuple[int | None, int | None, int | None]:
    """Return priority, facility and severity (RFC 5424 section 6.2.1)."""
    if text is None or int(text) > _MAX_PRIORITY:
        return None, None, None
    value = int(text)
    return value, value >> 3, value & 7


class Headers:
    """Reads the headers of a block: once to find where messages begin, once more for the columns of a batch."""

    def __init__(self) -> None:
        """Start with empty memories."""
        self._stamps = StampsByZone()
        self._pids: Memo[str | None, int | None] = Memo(whole)
        self._priorities: Memo[str | None, tuple[int | None, int | None, int | None]] = Memo(_priority)

    @staticmethod
    def read(texts: Sequence[str]) -> tuple[list[re.Match[str]], list[int]]:
        """Return each line's header and its kind (`NO_HEADER` where there is none)."""
        matches: list[Any] = list(map(_HEAD.match, texts))
        kinds = [match.lastindex or NO_HEADER for match in matches]
        if _ISO in kinds:  # without PRI and tag an ISO time says little: any application may write so
            for at, match in enumerate(matches):
                if kinds[at] != _ISO or match[_PRI_ONLY] or match[_ISO_TAG]:
                    continue
                if _VOUCHED.match(texts[at], match.end()) is None:
                    kinds[at] = NO_HEADER
        return matches, kinds

    def columns(self, kind: int, matches: Sequence[re.Match[str]]) -> Columns:
        """Return the log.syslog.* columns of headers of one kind."""
        if kind == NO_HEADER:
            return {}
        return self._columns(_FORMS[kind], [match[_PRI_ONLY] for match in matches], matches)

    def _columns(self, form: Form, priorities: Sequence[str | None], matches: Sequence[re.Match[str]]) -> Columns:
        columns: Columns = {}
        if any(priorities):
            found = [self._priorities[text] for text in set(priorities)]
            if len(found) == 1:  # as with most senders: one priority for all they say
                found *= len(priorities)
            else:
                found = self._priorities.column(priorities)
            columns["log.syslog.priority"] = [one[0] for one in found]
            columns["log.syslog.facility.code"] = [one[1] for one in found]
            columns["log.syslog.severity.code"] = [one[2] for one in found]
        if form.names:
            found_texts = zip(*map(form.texts, matches), strict=True)
            columns.update((name, words(texts)) for name, texts in zip(form.names, found_texts, strict=True))
        return columns

    def times(
        self, kind: int, matches: Sequence[re.Match[str]], received: Sequence[int], zone: tzinfo
    ) -> list[int | None]:
        """Return the times that headers of one kind name."""
        if kind == NO_HEADER:
            return [None] * len(matches)
        return self._times(_FORMS[kind], matches, received, zone)

    def _times(
        self, form: Form, matches: Sequence[re.Match[str]], received: Sequence[int], zone: tzinfo
    ) -> list[int | None]:
        if not form.stamp:
            return [None] * len(matches)
        stamps = self._stamps[zone]
        if form.stamp == "bsd":
            return stamps.bsd([match[form.at] for match in matches], received)
        seconds, fractions, zones = zip(
            *(match.group(form.at, form.at + 1, form.at + 2) for match in matches), strict=True
        )
        if None in seconds:  # RFC 5424 writes `-` where a sender has no clock
            return [
                None if text is None else stamps.split_iso([text], [part], [name])[0]
                for text, part, name in zip(seconds, fractions, zones, strict=True)
            ]
        return stamps.split_iso(seconds, fractions, zones)

    def moments(self, texts: Sequence[str], received: Sequence[int], zone: tzinfo) -> list[int]:
        """Return for each line the time that its header names, else that of its reception.

        For formats whose durations count back from the header's time.
        """
        heads, kinds = self.read(texts)
        moments = list(received)
        for kind in set(kinds):
            rows = [row for row, other in enumerate(kinds) if other == kind]
            found = self.times(kind, select(heads, rows), select(received, rows), zone)
            for row, moment in zip(rows, found, strict=True):
                if moment is not None:
                    moments[row] = moment
        return moments

    def generic(
        self, kind: int, matches: Sequence[re.Match[str]], texts: Sequence[str], received: Sequence[int], zone: tzinfo
    ) -> Columns:
        """Return the columns of messages of no known format: the header's, and `message`."""
        columns = self.columns(kind, matches)
        columns["@timestamp"] = self.times(kind, matches, received, zone)
        columns["message"] = [text[match.end() :] for text, match in zip(texts, matches, strict=True)]
        return _named(columns, self._pids)

    def cisco(
        self, heads: Sequence[re.Match[str]], texts: Sequence[str], received: Sequence[int], zone: tzinfo
    ) -> list[Columns | None]:
        """Return one row of columns for each line with PRI alone that is Cisco's form after all; None for others."""
        found: list[Columns | None] = []
        for head, text, at in zip(heads, texts, received, strict=True):
            match = _CISCO.match(text, head.end())
            if match is None:
                found.append(None)
                continue
            columns = self._columns(_CISCO_FORM, [head[_PRI_ONLY]], [match])
            columns["@timestamp"] = self._times(_CISCO_FORM, [match], [at], zone)
            columns["message"] = [text[match.end() :]]
            found.append(_named(columns, self._pids))
        return found


def _named(columns: Columns, pids: Memo[str | None, int | None]) -> Columns:
    """Add what ECS calls host and process to the columns of a header."""
    if "log.syslog.hostname" in columns:
        columns["host.hostname"] = columns["log.syslog.hostname"]
    if "log.syslog.appname" in columns:
        columns["process.name"] = columns["log.syslog.appname"]
    if "log.syslog.procid" in columns:
        columns["process.pid"] = pids.column(columns["log.syslog.procid"])
    columns["event.module"] = [NAME] * len(columns["message"])
    return columns


def failure(line: str, asked: str) -> ParseFailure:
    """Say why `line` is no syslog message; `asked` is the format that was asked for (`auto` or our own)."""
    return ParseFailure(asked, "empty record" if not line.strip() else "no syslog header and no known format")
