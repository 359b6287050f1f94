"""What an administrator may set about attribution."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from some.index.attribution.window import DAY, SECOND

EDGE: Final = 10 * SECOND
"""Up to this much doubt between two clocks, a moment at the edge of the only binding there is counts as inside."""


@dataclass(frozen=True, slots=True)
class AttributionOptions:
    """Seconds. `silence_floor_s`: nothing shorter is a silence; the longest ones: how far an unknown end may lie."""

    silence_floor_s: float = 300.0
    longest_session_s: float = 2 * DAY / SECOND
    longest_lease_s: float = 14 * DAY / SECOND
    longest_login_s: float = 14 * DAY / SECOND
    unknown_clock_s: float = 120.0
    max_depth: int = 4

    def __post_init__(self) -> None:
        """Refuse what would make every answer wrong; the settings refuse it with a better message."""
        numbers = (self.silence_floor_s, self.longest_session_s, self.longest_lease_s, self.longest_login_s)
        if min(numbers) <= 0 or self.unknown_clock_s < 0 or self.max_depth < 1:
            msg = "attribution: every duration is above zero"
            raise ValueError(msg)
