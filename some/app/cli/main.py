"""The program `some`: its verbs, the shared options before or after a verb, and errors as exit codes."""

from __future__ import annotations

import os
import sys

import typer

from some import diagnostics
from some.app.cli import asking, evidence, keeping, records, running
from some.errors import ExitCode, SomeError

_WITH_VALUE = ("--config", "--data")
_FLAGS = ("--json",)


def program() -> typer.Typer:
    """Return the program with all its verbs."""
    app = typer.Typer(
        name="some",
        help="SOME platformu: 5651 kayıtları, mühürler, ispatlar. / Records that stand up in court.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for room in (running, records, asking, evidence, keeping):
        room.add_to(app)
    return app


def run() -> None:
    """Run the command line and exit with the code that design and documentation promise."""
    diagnostics.configure(level=os.environ.get("SOME_TEST_LEVEL", "info"), readable=sys.stderr.isatty())
    arguments = _shared_options_last(sys.argv[1:])
    try:
        program()(arguments, standalone_mode=True)
    except SomeError as fault:
        typer.echo(f"some: {fault}", err=True)
        sys.exit(int(fault.exit_code))
    except BrokenPipeError:
        # The reader (head, less) has seen enough; nothing is wrong. Python would complain again while closing stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(int(ExitCode.OK))


def _shared_options_last(arguments: list[str]) -> list[str]:
    """Move `--data DIR` and the like from before the verb to behind it: both places are documented."""
    moved: list[str] = []
    rest = list(arguments)
    while rest and rest[0].startswith("--"):
        name, has_value, _ = rest[0].partition("=")
        if name in _WITH_VALUE:
            take = 1 if has_value else 2
        elif name in _FLAGS:
            take = 1
        else:
            break
        moved += rest[:take]
        rest = rest[take:]
    end = rest.index("--") if "--" in rest else len(rest)
    return rest[:end] + moved + rest[end:]
