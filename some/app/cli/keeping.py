"""Keeping the platform on the command line: status, doctor, user, schema."""

from __future__ import annotations

import getpass
import sys
from typing import Annotated

import typer

from some.app.cli.options import DEFAULT_FOLDER, AsJson, Config, Folder, answer
from some.app.cli.records import _site
from some.errors import ExitCode, UsageFault


def add_to(app: typer.Typer) -> None:
    """Add the verbs of this file to the program."""
    app.command(help="Sayaçlar ve gecikmeler. / Counters and lag.")(status)
    app.command(help="Ne bozuk, nasıl düzelir. / What is wrong and how to mend it.")(doctor)
    app.command(help="Ayarların JSON şeması ya da varsayılanları. / Settings as JSON schema or YAML.")(schema)
    user = typer.Typer(no_args_is_help=True, help="Hesaplar. / Accounts.")
    user.command("list", help="Hesapları listeler. / Lists accounts.")(user_list)
    user.command("add", help="Hesap açar. / Makes an account.")(user_add)
    user.command("roles", help="Rolleri değiştirir. / Replaces the roles.")(user_roles)
    user.command("disable", help="Hesabı kapatır. / Disables an account.")(user_disable)
    user.command("enable", help="Hesabı açar. / Enables an account.")(user_enable)
    user.command("reset", help="Parolayı ve ikinci adımı sıfırlar. / Resets password and second factor.")(user_reset)
    user.command("link", help="Tek kullanımlık kurulum bağlantısı. / One-time set-up link.")(user_link)
    app.add_typer(user, name="user")


def status(config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Print what the archive, the collectors, the index and the stamps are doing."""
    from some.app import standing  # noqa: PLC0415 - heavy imports only where a verb needs them

    found = standing.status(_site(config, data))
    answer(found, standing.status_words(found), as_json=as_json)


def doctor(
    es: Annotated[bool, typer.Option("--es", help="Yalnız Elasticsearch. / Elasticsearch only.")] = False,
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Print what is wrong and how to mend it; exit 1 where something must be mended."""
    from some.app import standing  # noqa: PLC0415 - heavy imports only where a verb needs them

    site = _site(config, data)
    found = standing.elastic_checks(site) if es else standing.doctor(site)
    document = {"ok": all(one.fine for one in found), "checks": [one.told() for one in found]}
    words = "\n".join(one.words() for one in found)
    answer(document, words, as_json=as_json)
    if not document["ok"]:
        raise typer.Exit(int(ExitCode.NO))


def schema(
    defaults: Annotated[bool, typer.Option("--defaults", help="Açıklamalı YAML. / Commented YAML.")] = False,
) -> None:
    """Print the JSON schema of the settings file, or its commented defaults."""
    from some.app import settings_text  # noqa: PLC0415 - heavy imports only where a verb needs them

    typer.echo(settings_text.defaults_text() if defaults else settings_text.schema_text(), nl=False)


Name = Annotated[str, typer.Argument(help="Hesap adı. / Account name.")]
Roles = Annotated[list[str], typer.Option("--role", help="Rol; birden çok olabilir. / Role; repeatable.")]


def user_list(config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Print all accounts with their roles."""
    from some.app import people  # noqa: PLC0415 - heavy imports only where a verb needs them

    accounts = people.listed(_site(config, data))
    words = "\n".join(
        f"{one['name']}  {', '.join(one['roles'])}{'  (kapalı / disabled)' if one['disabled'] else ''}"
        for one in accounts
    )
    answer({"accounts": accounts}, words or "hesap yok / no accounts", as_json=as_json)


def user_add(
    name: Name,
    role: Roles,
    display: Annotated[str, typer.Option("--display", help="Görünen ad. / Display name.")] = "",
    config: Config = None,
    data: Folder = DEFAULT_FOLDER,
    as_json: AsJson = False,
) -> None:
    """Make an account; the first password is read from standard input, or asked for on a terminal."""
    from some.app import people  # noqa: PLC0415 - heavy imports only where a verb needs them

    people.add(_site(config, data), name, display or name, role, _password())
    answer({"account": name, "roles": role}, f"hesap açıldı / account made: {name}", as_json=as_json)


def user_roles(
    name: Name, role: Roles, config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False
) -> None:
    """Replace the roles of an account."""
    from some.app import people  # noqa: PLC0415 - heavy imports only where a verb needs them

    people.set_roles(_site(config, data), name, role)
    answer({"account": name, "roles": role}, f"roller / roles: {name}: {', '.join(role)}", as_json=as_json)


def user_disable(name: Name, config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Disable an account and close its sessions."""
    from some.app import people  # noqa: PLC0415 - heavy imports only where a verb needs them

    people.set_disabled(_site(config, data), name, disabled=True)
    answer({"account": name, "disabled": True}, f"hesap kapatıldı / disabled: {name}", as_json=as_json)


def user_enable(name: Name, config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Enable an account again."""
    from some.app import people  # noqa: PLC0415 - heavy imports only where a verb needs them

    people.set_disabled(_site(config, data), name, disabled=False)
    answer({"account": name, "disabled": False}, f"hesap açıldı / enabled: {name}", as_json=as_json)


def user_reset(name: Name, config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Take password and second factor away and print a one-time link: the way back for one locked out."""
    from some.app import people  # noqa: PLC0415 - heavy imports only where a verb needs them

    link = people.reset(_site(config, data), name)
    answer({"account": name, "link": link}, link, as_json=as_json)


def user_link(config: Config = None, data: Folder = DEFAULT_FOLDER, as_json: AsJson = False) -> None:
    """Print a new one-time set-up link; exit 77 once an administrator exists."""
    from some.app import people  # noqa: PLC0415 - heavy imports only where a verb needs them

    link = people.setup_link(_site(config, data))
    answer({"link": link}, link, as_json=as_json)


def _password() -> str:
    """Read a password without showing it; never from an argument, where every user of the machine could see it."""
    if sys.stdin.isatty():
        return getpass.getpass("Parola / Password: ")
    password = sys.stdin.readline().rstrip("\n")
    if not password:
        raise UsageFault("the password is read from standard input, and nothing came")
    return password
