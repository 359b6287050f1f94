"""A site in a temporary folder, and `some` as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]


class Some:
    """Runs `some` on one data directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SOME_")},
            "SOME_DATA": str(folder),
            "SOME_TEST_LEVEL": "error",
            "PYTHONPATH": str(ROOT),
        }

    def __call__(
        self, *arguments: str, stdin: bytes = b"", code: int = 0, **settings: str
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "some.app.cli", *arguments],
            input=stdin,
            capture_output=True,
            env=self.environment | settings,
            cwd=self.folder.parent,
            check=False,
            timeout=240,
        )
        assert done.returncode == code, done.stderr.decode() + done.stdout.decode()
        return done

    def told(self, *arguments: str, stdin: bytes = b"", code: int = 0, **settings: str) -> Any:
        return json.loads(self(*arguments, "--json", stdin=stdin, code=code, **settings).stdout)

    def documents(self, *arguments: str, stdin: bytes = b"") -> list[dict[str, Any]]:
        return [json.loads(line) for line in self(*arguments, stdin=stdin).stdout.splitlines()]


@pytest.fixture
def some(tmp_path: Path) -> Some:
    return Some(tmp_path / "data")


@pytest.fixture
def write_settings(some: Some) -> Callable[[str], None]:
    def write(text: str) -> None:
        folder = some.folder / "config"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "some.yaml").write_text(text, encoding="utf-8")

    return write
