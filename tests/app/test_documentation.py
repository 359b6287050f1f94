"""What the documents promise exists: commands, metrics, settings, files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from some.app import serving
from some.app.cli.main import program
from some.app.settings import Settings
from some.app.site import open_site

if TYPE_CHECKING:
    import click

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_make_target_that_is_named_exists(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))

    named = set(re.findall(r"(?:^|`)make ([a-z-]+)\b", document.read_text(encoding="utf-8"), re.MULTILINE))

    assert named <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_verb_that_is_named_exists(document: Path) -> None:
    command: click.Command = typer.main.get_command(program())
    verbs = set(command.commands)  # type: ignore[attr-defined]
    named = set(re.findall(r"`(?:\.venv/bin/)?some (?:--data \S+ )?([a-z]+)", document.read_text(encoding="utf-8")))

    assert named <= verbs


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_linked_file_exists(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8"))

    assert [link for link in links if not (document.parent / link).exists()] == []


def test_every_setting_that_is_named_exists() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for section, key in re.findall(r"`(tsa|seal|web|collect|index|archive|ledger)\.([a-z_]+)", text):
        model = Settings.model_fields[section].annotation
        assert key in model.model_fields, f"{section}.{key}"  # type: ignore[union-attr]


def test_the_documented_metrics_are_the_metrics(tmp_path: Path) -> None:
    site = open_site(None, tmp_path / "data")
    made = set(re.findall(r"^# TYPE (\S+) ", serving.metrics(site).decode(), re.MULTILINE))
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    documented = {name for name in re.findall(r"`(some_[a-z_]+)`", text) if not name.startswith("some_collector_")}

    assert documented == made
