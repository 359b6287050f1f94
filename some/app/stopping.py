"""Which signals end a part: SIGTERM, and Ctrl-C unless the supervisor has said that it alone answers that."""

from __future__ import annotations

import signal


def stop_signals() -> tuple[signal.Signals, ...]:
    """Return the signals to handle. The supervisor starts its parts with SIGINT ignored, so that they stop in order."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        return (signal.SIGTERM,)
    return (signal.SIGTERM, signal.SIGINT)
