"""Records on the command line: parse, append, search, index."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from some.app.cli.options import DEFAULT_FOLDER, AsJson, Config, Folder, answer, lines
from some.clock import from_text
from some.errors import ExitCode, UsageFault

if TYPE_CHECKING:
    from datetime import datetime

    from some.app.site import Site

DEFAULT_LIMIT = 1000
Framing = Annotated[
    str,
    typer.Option("--framing", help="lines (satır), detail (FreeRADIUS), xml (<Event>), json. / What one record is."),
]
Engine = Annotated[str, typer.Option("--engine", help="embedded | elastic")]
_TIME_HELP = "RFC 3339, e.g. 2026-11-23T10:00:00Z or …+03:00"


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file to the program."""
    app.command(help="Satırları ayrıştırır, arşivlemez. / Lines in, one ECS document a line out.")(parse)
    app.command(help="Satırları arşive içe aktarır. / Offline import through the same archive.")(append)
    app.command(help="Kayıtları arar, eskiden yeniye. / Documents, oldest first.")(search)
    index = typer.Typer(no_args_is_help=True, help="Dizin: bekle, yeniden kur. / The index: wait, rebuild.")
    index.command("wait", help="Dizin yetişene kadar bekler. / Returns when the index has caught up.")(index_wait)
    index.command("rebuild", help="Dizini arşivden yeniden kurar. / Makes the index anew.")(index_rebuild)
    index.command("compare", help="İki motoru karşılaştırır. / Compares the engines.")(index_compare)
    app.add_typer(index, name="index")


def parse(
    format_name: Annotated[
        str, typer.Option("--format", help="Biçim; auto tanır. / Format; auto recognises.")
    ] = "auto",
    framing: Framing = "lines",
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Print one ECS document (nested JSON) for each input record, in order; a failure is a document too."""
    from some.app import importing  # noqa: PLC0415 - heavy imports only where a verb needs them
    from some.app.site import open_settings  # noqa: PLC0415 - as above

    del as_json
    lines(importing.parsed(sys.stdin.buffer, format_name, open_settings(config, data), framing))


def append(
    record_class: Annotated[str, typer.Option("--class", help="Kayıt sınıfı. / Record class, e.g. access.")] = "",
    source: Annotated[str, typer.Option("--source", help="Kaynak adı. / Source name.")] = "",
    framing: Framing = "lines",
    received: Annotated[
        bool, typer.Option("--received", help="Kayıt başında alınma zamanı ve sekme var. / Receive time and tab lead.")
    ] = False,
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Append standard input to the archive; print how many records and the first and last reference."""
    from some.app import importing  # noqa: PLC0415 - heavy imports only where a verb needs them

    site = _site(config, data)
    order = importing.ImportOrder(source=source, record_class=record_class, framing=framing, received=received)
    made = importing.append(site, sys.stdin.buffer, order)
    document = {"records": made.records, "first": _text(made.first), "last": _text(made.last)}
    words = (
        f"{made.records} kayıt kalıcı / durable: {made.first} … {made.last}" if made.records else "0 kayıt / records"
    )
    answer(document, words, as_json=as_json)


def search(
    query: Annotated[str, typer.Argument(help='Sorgu, e.g. source.ip:10.0.0.0/8 and event.action:"deny"')] = "",
    start: Annotated[str, typer.Option("--from", help=_TIME_HELP)] = "",
    end: Annotated[str, typer.Option("--to", help=_TIME_HELP)] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, help="En çok bu kadar belge. / At most.")] = DEFAULT_LIMIT,
    everything: Annotated[bool, typer.Option("--all", help="Sınırsız. / No limit.")] = False,
    engine: Engine = "",
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Print documents, oldest first, one JSON object a line, each with its record reference."""
    from some.app import searching  # noqa: PLC0415 - heavy imports only where a verb needs them

    del as_json
    site = _site(config, data)
    wanted = searching.Wanted(query, _time(start, "--from"), _time(end, "--to"), None if everything else limit, engine)
    lines(searching.documents(site, wanted))


def index_wait(
    timeout: Annotated[float, typer.Option("--timeout", min=0, help="Saniye. / Seconds.")] = 60.0,
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Return when the index has everything appended before the call; run the follower where none runs."""
    from some.app import searching  # noqa: PLC0415 - heavy imports only where a verb needs them

    waited = searching.wait(_site(config, data), timeout)
    answer({"documents": waited}, f"dizin güncel, {waited} belge / index is current", as_json=as_json)


def index_rebuild(
    engine: Engine = "", config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False
) -> None:
    """Make the index anew from the archive."""
    from some.app import searching  # noqa: PLC0415 - heavy imports only where a verb needs them

    made = searching.rebuild(_site(config, data), _known(engine))
    answer({"documents": made}, f"dizin yeniden kuruldu, {made} belge / index rebuilt", as_json=as_json)


def index_compare(
    sample: Annotated[int, typer.Option("--sample", min=1, help="Belge sayısı. / Documents at each end.")] = 5_000,
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Ask the embedded index and Elasticsearch the same, and print where they differ; exit 1 where they do."""
    from some.app import elastic  # noqa: PLC0415 - heavy imports only where a verb needs them

    found = elastic.compare(_site(config, data), sample)
    rows = [{"question": one.question, "embedded": one.one, "elastic": one.other} for one in found]
    words = "\n".join(f"{row['question']}\n  embedded: {row['embedded']}\n  elastic:  {row['elastic']}" for row in rows)
    answer({"same": not rows, "differences": rows}, words or "iki motor aynı / the engines agree", as_json=as_json)
    if rows:
        raise typer.Exit(int(ExitCode.NO))


def _known(engine: str) -> str:
    from some.app.searching import ENGINES  # noqa: PLC0415 - heavy imports only where a verb needs them

    if engine and engine not in ENGINES:
        raise UsageFault(f"--engine {engine}: not known; expected {' or '.join(ENGINES)}")
    return engine


def _site(config: Config, data: Folder) -> Site:
    from some.app.site import open_site  # noqa: PLC0415 - settings cost 100 ms that --help should not

    return open_site(config, data)


def _time(text: str, option: str) -> datetime | None:
    if not text:
        return None
    try:
        return from_text(text)
    except ValueError as fault:
        raise UsageFault(f"{option}: {text!r}: {_TIME_HELP} ({fault})") from fault


def _text(value: object | None) -> str | None:
    return str(value) if value is not None else None
