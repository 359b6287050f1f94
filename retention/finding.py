"""What a check reports."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is: an error contradicts the evidence, a warning weakens it, a note explains it."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report: stable dotted `code`, severity, place (file, seal, reference) and words with numbers."""

    code: str
    severity: Severity
    where: str
    text: str
