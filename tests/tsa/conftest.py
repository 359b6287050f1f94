"""What every test of time stamps stands on: one small world of keys and certificates."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from tsa_forge import World
from tsa_site import Site

from retention.layout import Ledger


@pytest.fixture(scope="session")
def world() -> World:
    return World()


@pytest.fixture
def site(tmp_path: Path, world: World) -> Site:
    folder = tmp_path / "archive" / "dugum1"
    folder.mkdir(parents=True)
    return Site(Ledger(folder, "dugum1"), world)
