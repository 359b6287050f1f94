"""`python -m some.app.cli`: how the supervisor starts its parts."""

from __future__ import annotations

from some.app.cli.main import run

if __name__ == "__main__":
    run()
