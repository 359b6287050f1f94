"""Words of the screen that stand for values of the code, by language; each msgid is `marked` for the catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from some.app.web.ports import SealState, StepOutcome
from some.wording import marked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from some.wording import Translator


_SEAL = {
    SealState.OPEN: marked("Open"),
    SealState.CLOSED: marked("Closed"),
    SealState.COMMITTED: marked("Committed"),
    SealState.STAMPED: marked("Stamped"),
    SealState.VERIFIED: marked("Verified"),
    SealState.LATE: marked("Late stamp"),
    SealState.GAP: marked("Gap"),
}
_OUTCOME = {
    StepOutcome.PROVED: marked("proved"),
    StepOutcome.FAILED: marked("failed"),
    StepOutcome.WAITING: marked("waiting"),
}
_STEP = {
    "line": marked("Line"),
    "segment": marked("Segment"),
    "manifest": marked("Manifest"),
    "signature": marked("Signature"),
    "chain": marked("Chain"),
    "stamp": marked("Time stamp"),
}
_CLASS = {
    "access": marked("access"),
    "hosting": marked("hosting"),
    "address": marked("address"),
    "identity": marked("identity"),
    "audit": marked("audit"),
    "mail": marked("mail"),
    "dns": marked("dns"),
    "feed": marked("feed"),
}
_COLLECTOR = {
    "ok": marked("as usual"),
    "silent": marked("silent"),
    "dropping": marked("losing records"),
    "clock": marked("clock is off"),
    "slow": marked("slower than usual"),
    "off": marked("not listening"),
}


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One keyboard shortcut: the keys as printed, what it does (msgid)."""

    keys: tuple[str, ...]
    text: str


SHORTCUTS = (
    Shortcut(("/",), marked("Go to the query")),
    Shortcut(("Ctrl", "K"), marked("Search or go to")),
    Shortcut(("j", "k"), marked("Next and previous row")),
    Shortcut(("Enter",), marked("Open the row")),
    Shortcut(("Esc",), marked("Close")),
    Shortcut(("y",), marked("Freeze the time range")),
    Shortcut(("Ctrl", "Enter"), marked("Send the form")),
    Shortcut(("g", "b"), marked("Go to Today")),
    Shortcut(("g", "k"), marked("Go to Records")),
    Shortcut(("g", "m"), marked("Go to Seals")),
    Shortcut(("?",), marked("Show this list")),
)
"""The registry that feeds the sheet; static/keys.js acts on the same keys (a test compares both)."""


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language."""

    translate: Translator

    def _of(self, table: Mapping[str, str], key: str) -> str:
        return self.translate(table[key]) if key in table else key

    def seal(self, state: SealState) -> str:
        """Return the word of a seal's state."""
        return self.translate(_SEAL[state])

    def outcome(self, outcome: StepOutcome) -> str:
        """Return the word of a verification step's result."""
        return self.translate(_OUTCOME[outcome])

    def step(self, name: str) -> str:
        """Return the name of a verification step."""
        return self._of(_STEP, name)

    def record_class(self, name: str) -> str:
        """Return the word of a record class; a site's own classes keep their name."""
        return self._of(_CLASS, name)

    def collector(self, state: str) -> str:
        """Return the word of a collector's state."""
        return self._of(_COLLECTOR, state)
