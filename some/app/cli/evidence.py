"""Evidence on the command line: seal, stamp, verify, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from some.app.cli.options import DEFAULT_FOLDER, AsJson, Config, Folder, answer
from some.app.cli.records import _site, _time
from some.errors import ExitCode, UsageFault


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file to the program."""
    app.command(help="Şimdi kapatır ve mühürler. / Closes and commits now.")(seal)
    app.command(help="Bekleyen mühürleri damgalatır. / Stamps what waits.")(stamp)
    app.command(help="Her baytı yeniden doğrular. / Checks everything from bytes.")(verify)
    app.command(help="Çevrimdışı delil paketi yazar. / Writes an offline bundle.")(export)


def seal(config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Close the open segments and commit a seal over them, also when nothing came."""
    from some.app import proving  # noqa: PLC0415 - heavy imports only where a verb needs them

    made = proving.seal(_site(config, data))
    document = {"seal": made.seal, "segments": made.segments, "records": made.records}
    answer(document, f"mühür #{made.seal}: {made.segments} bölüm, {made.records} kayıt / sealed", as_json=as_json)


def stamp(
    credit: Annotated[bool, typer.Option("--credit", help="Kalan kontör. / What is left.")] = False,
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Ask the time-stamping authority for every seal that waits; exit 69 while it does not answer."""
    from some.app import proving  # noqa: PLC0415 - heavy imports only where a verb needs them

    site = _site(config, data)
    if credit:
        left = proving.credit(site)
        answer(
            {"credit": left},
            f"kalan: {left} / left" if left is not None else "bildirilmiyor / not told",
            as_json=as_json,
        )
        return
    made = proving.stamp(site)
    document = {"stamped": made.stamped, "waiting": made.waiting, "fault": made.fault}
    words = f"damgalanan: {made.stamped or '–'}; damga bekleyen: {made.waiting or '–'}"
    answer(document, f"{words}; {made.fault}" if made.fault else words, as_json=as_json)
    if made.waiting and made.fault:
        integrity = (made.code or "").startswith("token.")
        raise typer.Exit(int(ExitCode.INTEGRITY if integrity else ExitCode.UNAVAILABLE))


def verify(
    as_of: Annotated[str, typer.Option("--as-of", help="Yaşlar bu ana göre. / Ages count against this.")] = "",
    offline: Annotated[bool, typer.Option("--offline", help="Yalnız dosyalar. / Files alone, no database.")] = False,
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Check the whole archive from bytes: one line per finding; errors make the exit code 90."""
    from some.app import proving  # noqa: PLC0415 - heavy imports only where a verb needs them

    checked = proving.verify(_site(config, data), _time(as_of, "--as-of"), offline=offline)
    findings = [
        {"code": found.code, "severity": found.severity.value, "where": found.where, "text": found.text}
        for found in checked.findings
    ]
    document = {"ok": checked.ok, "records": checked.records, "seals": checked.seals, "findings": findings}
    words = [f"{found['severity']:7}  {found['code']}  {found['where']}: {found['text']}" for found in findings]
    verdict = "SAĞLAM / OK" if checked.ok else "BULGU VAR / FINDINGS"
    words.append(f"{verdict}: {checked.records} kayıt / records, {checked.seals} mühür / seals")
    answer(document, "\n".join(words), as_json=as_json)
    if not checked.ok:
        raise typer.Exit(int(ExitCode.INTEGRITY))


def export(
    number: Annotated[int | None, typer.Option("--seal", min=1, help="Mühür numarası. / Seal number.")] = None,
    record: Annotated[str, typer.Option("--record", help="Kayıt: dugum1/000001/000000. / REF.")] = "",
    out: Annotated[Path, typer.Option("--out", help="Yeni dizin ya da .zip. / New folder or .zip.")] = Path("paket"),
    request_no: Annotated[str, typer.Option("--request-no", help="Talep/müzekkere no. / Request number.")] = "",
    purpose: Annotated[str, typer.Option("--purpose", help="Amaç. / Purpose.")] = "",
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Write a bundle that stock tools check: one seal with its segments, or one record with its path."""
    from some.app import proving  # noqa: PLC0415 - heavy imports only where a verb needs them

    if (number is None) == (record == ""):
        raise UsageFault("export: either --seal N or --record REF")
    order = proving.ExportOrder(seal=number, record=record, out=out, request_no=request_no, purpose=purpose)
    files = proving.export(_site(config, data), order)
    answer({"out": str(out), "files": files}, f"{out}: {len(files)} dosya / files", as_json=as_json)
    if not as_json and sys.stderr.isatty():
        typer.echo(f"{out}/DOGRULAMA.md", err=True)
