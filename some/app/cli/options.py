"""The options that every verb takes, and how a verb answers: words for people, JSON for machines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DEFAULT_FOLDER = Path("data")

Config = Annotated[
    Path | None, typer.Option("--config", envvar="SOME_CONFIG", help="Ayar dosyası (YAML). / Settings file.")
]
Folder = Annotated[
    Path, typer.Option("--data", envvar="SOME_DATA", help="Veri dizini; yoksa yapılır. / Data directory.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Makineler için JSON. / JSON for machines.")]


def answer(document: Mapping[str, Any], words: str, *, as_json: bool) -> None:
    """Print the answer of a verb: one JSON object, or `words`."""
    if as_json:
        sys.stdout.buffer.write(orjson.dumps(document) + b"\n")
        sys.stdout.buffer.flush()
    else:
        typer.echo(words)


def lines(documents: Iterable[Mapping[str, Any]]) -> None:
    """Print documents, one JSON object a line, as they come."""
    out = sys.stdout.buffer
    for document in documents:
        out.write(orjson.dumps(document) + b"\n")
    out.flush()
