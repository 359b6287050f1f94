"""Our own messages: structlog JSON on stderr. Never record contents, personal data or secrets.

Event names are dotted and in the past tense (`segment.sealed`). Who-did-what is not diagnostics: it is an audit entry.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger


def configure(*, level: str = "info", readable: bool = False) -> None:
    """Send our messages to stderr: one JSON object a line, or coloured text where a person reads along."""
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if readable else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )


def named(room: str) -> FilteringBoundLogger:
    """Return the logger of one room, e.g. `named("retention.sealing")`."""
    logger: FilteringBoundLogger = structlog.get_logger(room=room)
    return logger
