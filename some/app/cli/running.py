"""Running the platform: up, demo, collect, work, web."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from some.app.cli.options import DEFAULT_FOLDER, AsJson, Config, Folder
from some.app.cli.records import _site


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file to the program."""
    app.command(help="Her şeyi çalıştırır. / Runs everything.")(up)
    app.command(help="Uydurma trafikle gösterim. / A demonstration on invented traffic.")(demo)
    app.command(help="Toplayıcılar ve arşiv. / Collectors and archive.")(collect)
    app.command(help="Dizin ve zamanlanmış işler. / Index and scheduled jobs.")(work)
    app.command(help="Sayfalar ve API. / Pages and API.")(web)


def up(config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Run collectors with archive, follower, jobs and pages, each in a process of its own, until Ctrl-C."""
    from some.app import everything  # noqa: PLC0415 - heavy imports only where a verb needs them

    del as_json
    raise typer.Exit(everything.run(_site(config, data)))


def demo(
    folder: Annotated[Path | None, typer.Option("--out", help="Dizin; yoksa geçici. / Folder; else temporary.")] = None,
    build_only: Annotated[bool, typer.Option("--build-only", help="Sayfaları açmadan. / Without the pages.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make three sealed, test-stamped hours of invented municipal traffic and a tampered copy; then show the pages."""
    from some.app.demo import show  # noqa: PLC0415 - heavy imports only where a verb needs them

    raise typer.Exit(show.run(folder, serve=not build_only, as_json=as_json))


def collect(config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Run the collectors and the archive until SIGTERM or Ctrl-C."""
    from some.app import collecting  # noqa: PLC0415 - heavy imports only where a verb needs them

    del as_json
    raise typer.Exit(collecting.run(_site(config, data)))


def work(
    only: Annotated[
        str, typer.Option("--only", help="index | elastic | jobs; yoksa index ve jobs. / Default both.")
    ] = "",
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Run the follower of the index and the scheduled jobs (stamping, audit relay, nightly verification)."""
    from some.app import working  # noqa: PLC0415 - heavy imports only where a verb needs them

    del as_json
    raise typer.Exit(working.run(_site(config, data), only))


def web(config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Serve the pages and the API until SIGTERM or Ctrl-C."""
    from some.app import serving  # noqa: PLC0415 - heavy imports only where a verb needs them

    del as_json
    raise typer.Exit(serving.run(_site(config, data)))
