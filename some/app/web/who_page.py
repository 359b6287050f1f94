"""The context of Kim kullandı?."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from some.app.web.pages import Page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Binding:
    """Who (or where), and from when to when; `evidence` are record references."""

    name: str
    kind: str
    start: str
    end: str
    evidence: Sequence[str]


@dataclass(frozen=True, slots=True)
class EvidenceLine:
    """One record that the answer leans on; `ref` is empty where a step needs none (the static register)."""

    layer: str
    statement: str
    start: str
    end: str
    estimated: bool
    ref: str


@dataclass(frozen=True, slots=True)
class GapLine:
    """What is missing, and whether its source was alive."""

    layer: str
    text: str
    source: str
    alive: str


@dataclass(frozen=True, slots=True)
class PackageLine:
    """One package that was made for the question."""

    number: str
    made_at: datetime
    whole: bool
    href: str


@dataclass(frozen=True, slots=True)
class OtherQuestion:
    """Another question of the same request."""

    number: str
    subject: str
    verdict: str
    tone: str
    mark: str
    href: str
    current: bool


@dataclass(frozen=True, slots=True)
class WhoAnswer:
    """An answer, ready to show; `findings` is None where no package was checked."""

    number: str
    verdict: str
    tone: str
    mark: str
    title: str
    asked_at: datetime
    persons: Sequence[Binding]
    periods: Sequence[Binding]
    chart: Any
    lines: Sequence[EvidenceLine]
    gaps: Sequence[GapLine]
    notes: Sequence[str]
    clock_error_s: float
    packages: Sequence[PackageLine]
    findings: Sequence[str] | None
    may_reply: bool


@dataclass(frozen=True, slots=True)
class WhoPage(Page):
    """The form on the left, the answer on the right."""

    template: ClassVar[str] = "who.html"
    form: Mapping[str, str]
    fault: str
    answer: WhoAnswer | None
    others: Sequence[OtherQuestion]
    offset: str
