"""What every test of time stamps stands on: one small world of keys and certificates."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tsa_forge import World


@pytest.fixture(scope="session")
def world() -> World:
    return World()
