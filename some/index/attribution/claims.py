"""Who claims an address at a moment: one value for each person and each way of knowing it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from some.index.attribution.answer import Gap, LayerName, Reason, Step
    from some.index.attribution.window import Grade
    from some.record import RecordRef


@dataclass(frozen=True, slots=True)
class Claim:
    """A person, how well it is known that he held the address at the moment, and the binding's ends in true time.

    `weakness` says why the grade is not sure. `way` is how it is known: a login method, `session` or `register`.
    `device` is the MAC that the binding is of, where that is known.
    """

    person: str
    kind: str
    grade: Grade
    start: int
    end: int
    layer: LayerName
    way: str
    source: str | None
    evidence: tuple[RecordRef, ...]
    device: str | None = None
    weakness: Reason | None = None


@dataclass(frozen=True, slots=True)
class Owner:
    """Whoever held the inner address when the connection was opened.

    `proven`: exactly one individual, and nothing stays open. `gaps` say what stays open, or what is missing.
    `macs` and `hosts` are what is known of the device.
    """

    claims: tuple[Claim, ...]
    proven: bool
    gaps: tuple[Gap, ...]
    steps: tuple[Step, ...]
    macs: tuple[str, ...]
    hosts: tuple[str, ...]

    @property
    def persons(self) -> set[str]:
        """Return the names."""
        return {one.person for one in self.claims}
