"""The product as an administrator drives it: its command line, nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import yaml
from municipality import Town, stream

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random

    from truth_questions import Question

WAIT_S = 3000


class Product:
    """One data directory."""

    def __init__(self, folder: Path) -> None:
        """Take an empty folder."""
        self.folder = folder
        self._environment = os.environ | {"SOME_DATA": str(folder)}
        self._environment.pop("SOME_CONFIG", None)

    def declare(self, town: Town) -> None:
        """Write what the site knows of its sources."""
        config = self.folder / "config"
        config.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(town.declared(), allow_unicode=True, sort_keys=False)
        (config / "sources.yaml").write_text(text, encoding="utf-8")

    def take(self, town: Town, shuffle: Random | None = None) -> None:
        """Append every source's lines, and wait for the index; `shuffle` mixes sources and lines."""
        specs = list(town.book.specs.values())
        if shuffle is not None:
            shuffle.shuffle(specs)
        for spec in specs:
            more = ["--received"] if spec.received else []
            arguments = ["--source", spec.name, "--class", spec.record_class, "--framing", spec.framing, *more]
            self._run(["append", *arguments], stream(town, spec, shuffle))
        self._run(["index", "wait", "--timeout", str(WAIT_S)])

    def ask(self, questions: Sequence[Question], name: str = "questions.jsonl") -> list[dict[str, Any]]:
        """Return the answers of `some ask --batch`."""
        path = self.folder / name
        reason = {"request-no": "2026/1", "purpose": "deneme"}
        lines = [json.dumps({**question.words(), **reason}) for question in questions]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return [json.loads(line) for line in self._run(["ask", "--batch", str(path)]).splitlines()]

    def _run(self, arguments: Sequence[str], given: bytes = b"") -> bytes:
        done = subprocess.run(
            [sys.executable, "-m", "some.app.cli", *arguments],
            input=given, env=self._environment, capture_output=True, check=False, timeout=WAIT_S,
        )  # fmt: skip
        assert done.returncode == 0, f"some {' '.join(arguments)}: {done.returncode}\n{done.stderr.decode()[-3000:]}"
        return done.stdout
