"""Which fields play a part of their own in the index. The registry itself is `ingest.ecs`."""

from __future__ import annotations

from typing import Final

TIME: Final = "@timestamp"
REF: Final = "some.ref"
TEXT: Final = "some.text"
ORIGINAL: Final = "event.original"

SEGMENT: Final = "#segment"
POSITION: Final = "#position"
"""Columns of storage that make up `some.ref`; the mark keeps them apart from field names."""

WHOLE_RECORD: Final = frozenset({TEXT, ORIGINAL})
"""Fields whose words are looked for in the text of the whole record."""

UNINDEXED_CLASSES: Final = frozenset({"feed"})
"""Classes that are retained but not indexed: raw answers of a feed are nothing to search in."""


def tokens_of(field: str) -> str:
    """Return the storage column that holds the token text of a field of kind text."""
    return TEXT if field in WHOLE_RECORD else f"{field}#tokens"
