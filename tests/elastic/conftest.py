"""Real Elasticsearch servers, one at a time in each test process."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from elastic_server import Distribution, ElasticServer, StandingServer, distributions

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parents[1] / "index"))  # the archive in memory, and what stores of facts answer

STANDING = os.environ.get("SOME_TEST_ES_URL")
FOUND = distributions()
WHY_NOT = "no Elasticsearch is prepared here: `make es` says why"


def absent() -> None:
    """Skip with the reason, or fail where a server is required."""
    if os.environ.get("SOME_TEST_ES_REQUIRED") == "1":
        pytest.fail(WHY_NOT)
    pytest.skip(WHY_NOT)


@pytest.fixture(
    scope="session",
    params=[STANDING] if STANDING else FOUND or [None],
    ids=lambda one: one.version if isinstance(one, Distribution) else "standing" if one else "none",
)
def elastic(request: pytest.FixtureRequest) -> Iterator[ElasticServer | StandingServer]:
    """Give a server of each version that runs here, or the one of SOME_TEST_ES_URL; tests make indices of their own."""
    if request.param is None:
        absent()
    if STANDING:
        yield StandingServer(STANDING)
        return
    with ElasticServer(request.param) as server:
        yield server


@pytest.fixture(scope="session")
def distribution() -> Distribution:
    """Return the newest version that this machine runs, for tests that start a server of their own."""
    if not FOUND:
        absent()
    return FOUND[0]
