"""One record parsed, and how to look into the document."""

from __future__ import annotations

from datetime import UTC, datetime

from ingest.parsing import parse_lines

NOW = datetime(2026, 11, 23, 19, tzinfo=UTC)
SYSLOG = "<30>Nov 23 21:35:43 fw.example.org "
AT = "2026-11-23T18:35:43.000Z"


def one(text, format_name="auto", **options):
    (document,) = parse_lines([text.encode()], format_name, now=NOW, **options)
    return document


def at(document, path, default=None):
    for step in path.split("."):
        document = document.get(step, {}) if isinstance(document, dict) else {}
    return default if document == {} else document


def fact(document):
    return at(document, "some.fact")
