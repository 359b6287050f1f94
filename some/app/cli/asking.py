"""Questions of attribution and the replies to them: ask, report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from some.app.cli.options import DEFAULT_FOLDER, AsJson, Config, Folder, answer, lines
from some.app.cli.records import _site
from some.errors import BadInput, ExitCode, UsageFault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from some.app.asking import Request
    from some.app.site import Site
    from some.database import Database

Questions = list[tuple[dict[str, Any], "Request"]]


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file to the program."""
    app.command(help="Bu adresi o anda kim kullandı? / Who used this address at this time?")(ask)
    report = typer.Typer(no_args_is_help=True, help="Cevap paketleri. / Reply packages.")
    report.command("reply", help="Bir sorunun cevap paketini yazar. / Writes the reply to a question.")(report_reply)
    report.command("check", help="Verilmiş bir paketi yeniden doğrular. / Checks a package again.")(report_check)
    report.command("list", help="Verilmiş paketler, yenisi önce. / Packages, newest first.")(report_list)
    app.add_typer(report, name="report")


def ask(
    public_ip: Annotated[str, typer.Option("--public-ip", help="Genel IP. / Public address.")] = "",
    public_port: Annotated[str, typer.Option("--public-port", help="Genel port. / Public port.")] = "",
    protocol: Annotated[str, typer.Option("--protocol", help="tcp, udp, icmp.")] = "",
    at: Annotated[str, typer.Option("--at", help="RFC 3339, ör. 2026-11-20T13:03:12.250+03:00")] = "",
    tolerance: Annotated[str, typer.Option("--tolerance", help="± saniye. / Seconds.")] = "",
    dst: Annotated[str, typer.Option("--dst", help="Hedef: A[:P]. / Destination.")] = "",
    inner_ip: Annotated[str, typer.Option("--inner-ip", help="İç adres: kim, ne zaman? / Inner address.")] = "",
    mac: Annotated[str, typer.Option("--mac", help="Cihaz: nerede, ne zaman? / Device.")] = "",
    person: Annotated[str, typer.Option("--person", help="Kişi: nerede, ne zaman? / Person.")] = "",
    place: Annotated[str, typer.Option("--site", help="Yerleşke. / Site of the inner address.")] = "",
    start: Annotated[str, typer.Option("--from", help="RFC 3339")] = "",
    end: Annotated[str, typer.Option("--to", help="RFC 3339")] = "",
    request_no: Annotated[str, typer.Option("--request-no", help="Müzekkere no. / Request.")] = "",
    purpose: Annotated[str, typer.Option("--purpose", help="Amaç. / Purpose.")] = "",
    batch: Annotated[str, typer.Option("--batch", help="JSON satırları; - standart girdi. / JSON lines.")] = "",
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Answer who used a public address and port at a time, or where an inner address, device or person was."""
    from some.actor import local_actor  # noqa: PLC0415 - heavy imports only where a verb needs them
    from some.app import asking, wiring  # noqa: PLC0415 - as above

    site = _site(config, data)
    given = {
        "public_ip": public_ip, "public_port": public_port, "protocol": protocol, "at": at, "tolerance": tolerance,
        "dst": dst, "inner_ip": inner_ip, "mac": mac, "person": person, "site": place, "from": start, "to": end,
    }  # fmt: skip
    question = {key: value for key, value in given.items() if value}
    with wiring.database(site) as database:
        if batch:
            if question:
                raise UsageFault(f"ask: --batch stands alone, without --{next(iter(question)).replace('_', '-')}")
            questions = _batch(site, database, batch, (request_no, purpose))
            lines(asking.batch(site, database, local_actor(), questions))
            return
        if not question:
            raise UsageFault("ask: --public-ip with --at, or --inner-ip, --mac or --person, or --batch FILE")
        on_behalf = asking.request(request_no, purpose, needed=asking.reason_is_needed(site, database))
        told = asking.asked(site, database, local_actor(), question, on_behalf)
    answer(told, _words(told), as_json=as_json)


def report_reply(
    question: Annotated[str, typer.Argument(help="SRG-2026-0001")],
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Write letter, answer, evidence and digests of a question to DATA/replies, under a number of its own."""
    from some.actor import local_actor  # noqa: PLC0415 - heavy imports only where a verb needs them
    from some.app import replying, wiring  # noqa: PLC0415 - as above

    site = _site(config, data)
    with wiring.database(site) as database:
        made = replying.make(site, database, local_actor(), question)
    document = {"number": made.number, "folder": str(made.folder), "sha256": made.sums_sha256, "records": made.records}
    answer(document, f"{made.number}: {made.folder}, {made.records} kayıt / records", as_json=as_json)


def report_check(
    number: Annotated[str, typer.Argument(help="CVP-2026-0001")],
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Compare a package with the register, and prove its records again; exit 90 where something is wrong."""
    from some.app import replying, wiring  # noqa: PLC0415 - heavy imports only where a verb needs them

    site = _site(config, data)
    with wiring.database(site) as database:
        wrong = replying.check(site, database, number)
    words = "\n".join(wrong) if wrong else f"{number}: paket sağlam / the package is whole"
    answer({"number": number, "ok": not wrong, "findings": wrong}, words, as_json=as_json)
    if wrong:
        raise typer.Exit(int(ExitCode.INTEGRITY))


def report_list(config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Print the packages that were made, newest first."""
    from reports import register  # noqa: PLC0415 - heavy imports only where a verb needs them
    from some.app import wiring  # noqa: PLC0415 - as above
    from some.clock import to_text  # noqa: PLC0415 - as above

    site = _site(config, data)
    with wiring.database(site) as database, database.reading() as session:
        rows = [
            {"number": row.number, "question": row.question, "made_at": to_text(row.made_at), "sha256": row.sums_sha256}
            for row in register.latest_replies(session)
        ]
    words = "\n".join(f"{row['number']}  {row['question']}  {row['made_at']}" for row in rows) or "paket yok / none"
    answer({"replies": rows}, words, as_json=as_json)


def _batch(site: Site, database: Database, name: str, default: tuple[str, str]) -> Questions:
    """Return the questions of a file of JSON lines; raises BadInput with the number of the line."""
    from some.app import asking  # noqa: PLC0415 - heavy imports only where a verb needs them

    questions: Questions = []
    needed = asking.reason_is_needed(site, database)
    for number, line in enumerate(_lines_of(name), start=1):
        if not line.strip():
            continue
        place = f"{name}, line {number}"
        try:
            given = json.loads(line)
        except ValueError as fault:
            raise BadInput(f"{place}: no JSON: {fault}") from fault
        if not isinstance(given, dict):
            raise BadInput(f"{place}: expected an object with the names of options as keys")
        question, request_no, purpose = asking.split_line(given, place)
        on_behalf = asking.request(request_no or default[0], purpose or default[1], needed=needed)
        questions.append((question, on_behalf))
    return questions


def _lines_of(name: str) -> list[str]:
    if name == "-":
        return sys.stdin.read().splitlines()
    try:
        return Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as fault:
        raise BadInput(f"--batch {name}: cannot be read: {fault}") from fault


_VERDICTS = {"certain": "KESİN / certain", "candidates": "ADAYLAR / candidates", "gap": "BOŞLUK / gap"}


def _words(told: Mapping[str, Any]) -> str:
    """Return an answer in words: verdict, persons, chain, gaps."""
    parts = [f"{told['number']}: {_VERDICTS.get(told.get('verdict', ''), '')}".rstrip(": ")]
    parts += [f"  {one['person']} ({one['kind']}) {one['from']} … {one['to']}" for one in told.get("persons", [])]
    parts += [f"  [{one['layer']}] {one['statement']}" for one in told.get("chain", [])]
    parts += [
        f"  ? [{one['layer']}] {one['reason']} {one.get('source') or ''}".rstrip() for one in told.get("gaps", [])
    ]
    parts += [f"  {json.dumps(one, ensure_ascii=False)}" for one in told.get("periods", [])]
    if "clock_error_s" in told:
        parts.append(f"  saat hatası / clock error: {told['clock_error_s']} s")
    return "\n".join(parts)
