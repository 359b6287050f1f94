"""Reads documents for screens: dotted names, values as text, times parsed back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ingest.ecs import FieldKind
from some.clock import from_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ingest.ecs import Field
    from some.index.engine import Document

HIDDEN = frozenset({"event.original", "some.text"})
"""Shown as the raw line, or made only for searching."""

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


_MARKS = {
    FieldKind.LONG: "#",
    FieldKind.DOUBLE: "#",
    FieldKind.BOOLEAN: "?",
    FieldKind.IP: "ip",
    FieldKind.DATE: "z",
}


def mark(field: Field | None) -> str:
    """Return the letter that stands for a field's kind: a text, # number, ip, z time, ? truth."""
    return _MARKS.get(field.kind, "a") if field else "a"


def label(field: Field | None, language: str) -> str:
    """Return a field's name on screen, empty for one that the registry does not know."""
    if field is None:
        return ""
    return field.label_tr if language == "tr" else field.label_en


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the leaves by dotted name, in order."""
    leaves: dict[str, Any] = {}
    for key, value in document.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            leaves |= flat(value, f"{name}.")
        elif value is not None:
            leaves[name] = value
    return leaves


def values(value: Any) -> list[str]:
    """Return a leaf's values as text; booleans as the query language writes them."""
    if isinstance(value, list):
        return [text for part in value for text in values(part)]
    if isinstance(value, bool):
        return ["true" if value else "false"]
    return [str(value)]


def first(leaves: Mapping[str, Any], *names: str) -> str:
    """Return the first value of the first of `names` that is there, else an empty text."""
    for name in names:
        if name in leaves:
            found = values(leaves[name])
            if found:
                return found[0]
    return ""


def moment(leaves: Mapping[str, Any], name: str = "@timestamp") -> datetime:
    """Return a time of the document; one that cannot be read is shown as 1970, never hidden."""
    try:
        return from_text(str(leaves.get(name, "")))
    except ValueError:
        return _NO_TIME


def counted(documents: Iterable[Document]) -> dict[str, int]:
    """Return how many different values each field has among `documents`."""
    seen: dict[str, set[str]] = {}
    for document in documents:
        for name, value in flat(document).items():
            if name not in HIDDEN:
                seen.setdefault(name, set()).update(values(value))
    return {name: len(found) for name, found in seen.items()}
