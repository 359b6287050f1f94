"""The settings as text: the commented defaults (`config/some.yaml`) and the JSON schema for editors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from some.app.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """\
# yaml-language-server: $schema=some.schema.json
# Every setting with its default. Copy what you change into DATA/config/some.yaml (or name a file with --config).
# Each can also be set in the environment: SOME_SECTION__KEY, e.g. SOME_SEAL__INTERVAL_S=600
"""


def schema_text() -> str:
    """Return the JSON schema of the settings file."""
    return json.dumps(Settings.model_json_schema(), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def defaults_text() -> str:
    """Return the commented defaults as YAML; loading it gives the defaults again."""
    return _HEAD + "\n".join(_lines(Settings(), 0)) + "\n"


def _lines(section: BaseModel, depth: int) -> Iterator[str]:
    margin = "  " * depth
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            if depth == 0:
                yield ""
            if (type(value).__doc__ or "").strip():
                yield f"{margin}# {(type(value).__doc__ or '').strip()}"
            yield f"{margin}{name}:"
            yield from _lines(value, depth + 1)
        else:
            yield f"{margin}{name}: {_scalar(value)}{f'  # {field.description}' if field.description else ''}"


def _scalar(value: Any) -> str:
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
