"""Audit records: who did what on this platform. The text stays in the database, the record holds its digest.

{"actor":"user-7","digest":"sha256:6f1e…","entry":"0193-…","kind":"evidence.exported",\
"time":"2026-11-23T18:35:43.123456Z"}
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any, Final

from ingest.parsers.lines import ParseFailure
from ingest.parsers.times import iso

NAME: Final = "audit"
ORIGIN: Final = "audit:"


def read(message: bytes) -> dict[str, Any] | ParseFailure:
    """Return the flat document of an audit record (`some/audit.py` writes them)."""
    try:
        told = json.loads(message)
    except (ValueError, RecursionError):
        return ParseFailure(NAME, "not a JSON object")
    if not isinstance(told, dict):
        return ParseFailure(NAME, "not a JSON object")
    missing = [name for name in ("entry", "kind", "time", "actor", "digest") if not isinstance(told.get(name), str)]
    if missing:
        return ParseFailure(NAME, f"no text in {', '.join(missing)}")
    return {
        "@timestamp": iso(told["time"], UTC),
        "event.module": NAME,
        "event.action": told["kind"],
        "event.id": told["entry"],
        "event.hash": told["digest"],
        "event.category": ["configuration"],
        "event.type": ["info"],
        "user.id": told["actor"],
    }
