"""The simulated clock passes time only forward, and steps the wall alone."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from some.clock import SimulatedClock, SystemClock, from_text, to_text

START = datetime(2026, 11, 23, 9, tzinfo=UTC)


def test_a_step_moves_the_wall_and_not_the_elapsed_time() -> None:
    clock = SimulatedClock(START)
    clock.advance(10)
    clock.step(-3600)

    assert clock.monotonic() == 10
    assert (clock.now() - START).total_seconds() == 10 - 3600


def test_time_does_not_pass_backwards() -> None:
    clock = SimulatedClock(START)

    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
    with pytest.raises(ValueError, match="aware"):
        SimulatedClock(START.replace(tzinfo=None))


def test_the_system_clock_is_aware_and_not_simulated() -> None:
    clock = SystemClock()

    assert clock.now().tzinfo is UTC
    assert not clock.simulated
    assert clock.monotonic() <= clock.monotonic()


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_read_back_and_sort_as_text(moment: datetime) -> None:
    text = to_text(moment)

    assert from_text(text) == moment


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        from_text("2026-11-23T10:00:00")
