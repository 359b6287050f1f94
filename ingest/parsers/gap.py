"""Gap records: what the wire or the kernel lost, counted and retained like any record.

{"kind": "gap", "listener": "syslog_udp", "dropped": 12, \
"from": "2026-11-23T18:35:40.000000Z", "to": "2026-11-23T18:35:43.000000Z"}
"""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any, Final

from ingest.parsers.lines import ParseFailure
from ingest.parsers.times import iso

NAME: Final = "gap"
ORIGIN: Final = "gap:"
_LARGEST = 2**63 - 1


def read(message: bytes) -> dict[str, Any] | ParseFailure:
    """Return the flat document of a gap record (`ingest/collectors/udp.py` writes them)."""
    try:
        told = json.loads(message)
    except (ValueError, RecursionError):
        return ParseFailure(NAME, "not a JSON object")
    if not isinstance(told, dict):
        return ParseFailure(NAME, "not a JSON object")
    dropped, begun, ended = told.get("dropped"), told.get("from"), told.get("to")
    if not isinstance(dropped, int) or isinstance(dropped, bool) or not 0 <= dropped <= _LARGEST:
        return ParseFailure(NAME, "`dropped` is not a count")
    start = iso(begun, UTC) if isinstance(begun, str) else None
    end = iso(ended, UTC) if isinstance(ended, str) else None
    document = {
        "@timestamp": end,
        "event.module": NAME,
        "event.action": "log-gap",
        "event.category": ["host"],
        "event.type": ["info"],
        "event.outcome": "failure",
        "event.start": start,
        "event.end": end,
        "some.dropped": dropped,
    }
    return {name: value for name, value in document.items() if value is not None}
