"""The command line as administrators and outsiders use it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from some.app.cli.main import _shared_options_last, program
from some.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import click
    from conftest import Some

DOC = (Path(__file__).resolve().parents[2] / "docs" / "command-line.md").read_text(encoding="utf-8")
LINES = b"".join(b"<134>Nov 23 10:00:%02d gw-merkez deneme: kay\xc4\xb1t %d\n" % (at % 60, at) for at in range(100))


def verbs(command: click.Command, name: str = "some") -> Iterator[tuple[str, click.Command]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
    else:
        for each, one in inner.items():
            yield from verbs(one, f"{name} {each}")


VERBS = dict(verbs(typer.main.get_command(program())))


def test_every_verb_and_option_is_documented() -> None:
    for name, command in VERBS.items():
        assert f"`{name}" in DOC, name
        for parameter in command.params:
            for option in parameter.opts:
                if option.startswith("--") and option != "--help":
                    assert option in DOC, f"{name} {option}"


def test_every_documented_verb_exists() -> None:
    documented = {
        match.group(1).strip()
        for match in re.finditer(
            r"`(some [a-z]+(?: (?:list|add|roles|disable|enable|reset|link|wait|rebuild|compare|reply|check))?)", DOC
        )
    }

    assert documented - {"some append", *VERBS} == set()


def test_every_exit_code_is_documented() -> None:
    documented = {int(number) for number in re.findall(r"^\| (\d+) \|", DOC, re.MULTILINE)}

    assert documented == {int(code) for code in ExitCode}


@pytest.mark.parametrize("name", [name for name in VERBS if name != "some schema"])
def test_every_verb_takes_the_shared_options_and_has_help(name: str) -> None:
    options = {option for parameter in VERBS[name].params for option in parameter.opts}

    assert VERBS[name].help
    if name != "some demo":
        assert {"--config", "--data"} <= options
    assert "--json" in options


def test_shared_options_may_stand_before_the_verb() -> None:
    given = ["--data", "d", "--json", "search", "x", "--", "--config"]

    assert _shared_options_last(given) == ["search", "x", "--data", "d", "--json", "--", "--config"]
    assert _shared_options_last(["--help"]) == ["--help"]


def test_append_seal_search_verify_export_without_up(some: Some, tmp_path: Path) -> None:
    appended = some.told("append", "--class", "access", "--source", "gw", stdin=LINES)
    sealed = some.told("seal")
    found = some.documents("search", 'some.source:gw and "kayıt 42"')
    checked = some.told("verify")
    exported = some.told("export", "--record", appended["first"], "--out", str(tmp_path / "paket"))

    assert (appended["records"], appended["first"], appended["last"]) == (
        100,
        "dugum1/000001/000000",
        "dugum1/000001/000099",
    )
    assert sealed["seal"] == 1
    assert sealed["records"] >= 100
    assert [one["some"]["ref"] for one in found] == ["dugum1/000001/000042"]
    assert found[0]["event"]["original"] == "<134>Nov 23 10:00:42 gw-merkez deneme: kayıt 42"
    assert found[0]["some"]["origin"].startswith("import:")
    assert checked["ok"]
    assert checked["records"] >= 100
    assert "DOGRULAMA.md" in exported["files"]


def test_all_documents_come_oldest_first_and_the_limit_holds(some: Some) -> None:
    some.told("append", "--source", "gw", stdin=LINES)
    everything = some.documents("search", "some.source:gw", "--all")

    assert len(everything) == 100
    assert [(one["@timestamp"], one["some"]["ref"]) for one in everything] == sorted(
        (one["@timestamp"], one["some"]["ref"]) for one in everything
    )
    assert len(some.documents("search", "some.source:gw", "--limit", "7")) == 7


def test_deleting_the_index_changes_no_answer(some: Some) -> None:
    some.told("append", "--source", "gw", stdin=LINES)
    before = some("search", "some.source:gw").stdout
    for path in sorted((some.folder / "index").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()

    assert some("search", "some.source:gw").stdout == before
    some.told("index", "rebuild")
    assert some("search", "some.source:gw").stdout == before


def test_parse_gives_one_document_a_line_in_order(some: Some) -> None:
    documents = some.documents("parse", stdin=b"<134>Nov 23 10:00:00 gw test: bir\n\xff\x00\n\nson")

    assert len(documents) == 4
    assert documents[0]["message"] == "bir"
    assert documents[2]["event"]["kind"] == "pipeline_error"
    assert not some.folder.exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("append", "--framing", "morse"), ExitCode.USAGE, "morse"),
        (("append", "--class", "Not A Class"), ExitCode.USAGE, "record class"),
        (("search", "no.such.field:x"), ExitCode.BAD_INPUT, "no.such.field"),
        (("search", "x", "--from", "yesterday"), ExitCode.USAGE, "--from"),
        (("search", "x", "--engine", "lucene"), ExitCode.USAGE, "lucene"),
        (("parse", "--format", "morse"), ExitCode.USAGE, "morse"),
        (("export",), ExitCode.USAGE, "--seal"),
        (("export", "--record", "../../etc/passwd", "--out", "x"), ExitCode.BAD_INPUT, "reference"),
        (("export", "--seal", "1", "--out", "x"), ExitCode.NO, "ledger"),
        (("stamp",), ExitCode.SETTINGS, "tsa.url"),
        (("frobnicate",), ExitCode.USAGE, "frobnicate"),
        (("work", "--only", "tea"), ExitCode.USAGE, "tea"),
        (("--config", "missing.yaml", "status"), ExitCode.SETTINGS, "missing.yaml"),
    ],
)
def test_nonsense_gets_a_clear_error_and_its_exit_code(
    some: Some, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = some(*arguments, code=int(code))

    assert words in done.stderr.decode()
    assert b"Traceback" not in done.stderr


def test_wrong_settings_name_key_file_line_and_what_was_expected(
    some: Some, write_settings: Callable[[str], None]
) -> None:
    write_settings("seal:\n  interval_s: soon\nweb:\n  prt: 80\n")
    words = some("status", code=78).stderr.decode()

    assert "some.yaml, line 2" in words
    assert "seal.interval_s" in words
    assert "valid integer" in words
    assert "web.prt" in words
    assert "port" in words


def test_a_mistyped_variable_is_named(some: Some) -> None:
    assert b"SOME_SEALS__INTERVAL_S" in some("status", code=78, SOME_SEALS__INTERVAL_S="5").stderr
    assert b"SOME_SEAL__INTERVAL_S" in some("status", code=78, SOME_SEAL__INTERVAL_S="soon").stderr


def test_a_changed_record_is_an_integrity_finding(some: Some) -> None:
    some.told("append", "--source", "gw", stdin=LINES)
    some.told("seal")
    segment = next((some.folder / "archive").rglob("seg-000001.access.log.zst"))
    stored = bytearray(segment.read_bytes())
    stored[len(stored) // 3] ^= 1
    segment.write_bytes(stored)
    checked = some.told("verify", code=90)

    assert not checked["ok"]
    assert any("seg-000001" in finding["where"] for finding in checked["findings"] if finding["severity"] == "error")


def test_an_account_of_the_command_line_and_what_the_archive_says_of_it(some: Some) -> None:
    some("user", "add", "ayse", "--role", "analist", stdin=b"parola-yerine-cumle\n")
    listed = some.told("user", "list")["accounts"]
    entries = some.documents("search", "some.class:audit and event.action:account.created")

    assert [(one["name"], one["roles"]) for one in listed] == [("ayse", ["analist"])]
    assert len(entries) == 1
    assert "ayse" not in entries[0]["event"]["original"]
    assert some.told("verify")["ok"]


def test_the_text_of_an_audit_entry_cannot_be_changed_unnoticed(some: Some) -> None:
    import sqlite3  # noqa: PLC0415 - the forger's own tool

    some("user", "add", "ayse", "--role", "analist", stdin=b"parola-yerine-cumle\n")
    with sqlite3.connect(some.folder / "state" / "some.sqlite") as database:
        database.execute("UPDATE audit_entry SET subject = 'mehmet' WHERE kind = 'account.created'")
    database.close()

    codes = {finding["code"] for finding in some.told("verify", code=90)["findings"] if finding["severity"] == "error"}
    assert codes == {"audit.digest_mismatch"}
    assert some.told("verify", "--offline")["ok"]


def test_settings_files_in_the_repository_are_what_the_code_says() -> None:
    from some.app.settings_text import defaults_text, schema_text  # noqa: PLC0415 - only this test needs it

    config = Path(__file__).resolve().parents[2] / "config"

    assert (config / "some.yaml").read_text(encoding="utf-8") == defaults_text()
    assert (config / "some.schema.json").read_text(encoding="utf-8") == schema_text()
