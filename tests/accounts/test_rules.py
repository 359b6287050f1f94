"""Pure parts: origins, roles, lock-out arithmetic, who sits at the command line."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from datetime import timedelta

import pytest
import yaml
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from some.actor import Actor, ActorKind, Permission, local_actor, system_actor
from some.app.accounts.credentials import peer_key
from some.app.accounts.office import fold_name
from some.app.accounts.passwords import Passwords
from some.app.accounts.roles import read_roles
from some.app.accounts.rules import AccountRules
from some.app.accounts.same_origin import CrossSite, check_same_origin, form_token
from some.errors import NotPermitted, SettingsFault, Unavailable

OURS = {"https://some.example.bel.tr"}
ORIGIN = "https://some.example.bel.tr"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": ORIGIN},
        {"origin": ORIGIN, "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin"},
        {"origin": "null", "sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "none"},
    ],
)
def test_our_own_pages_may_post(headers):
    check_same_origin(headers, OURS)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": "https://evil.example", "sec-fetch-site": "same-origin"},
        {"origin": "https://evil.example", "sec-fetch-site": "none"},
        {"origin": "http://some.example.bel.tr"},
        {"origin": "https://some.example.bel.tr.evil.example"},
        {"origin": "https://some.example.bel.tr:8443"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_other_sites_may_not(headers):
    with pytest.raises(CrossSite):
        check_same_origin(headers, OURS)
    with pytest.raises(CrossSite):
        check_same_origin(headers, OURS, session_secret="s", sent_token="wrong")


def test_other_sites_may_link_to_us():
    check_same_origin({"sec-fetch-site": "cross-site"}, OURS, method="GET")


def test_an_old_browser_needs_the_form_token():
    check_same_origin({}, OURS, session_secret="s", sent_token=form_token("s"))
    with pytest.raises(CrossSite):
        check_same_origin({}, OURS, session_secret="s", sent_token=form_token("t"))
    with pytest.raises(CrossSite):
        check_same_origin({}, OURS, sent_token=form_token(""))
    with pytest.raises(CrossSite):
        check_same_origin({"origin": "https://evil.example"}, OURS, session_secret="s", sent_token=form_token("s"))


def test_the_shipped_roles_keep_duties_apart(roles):
    administrator = roles.permissions_of(["sistem-yoneticisi"])
    assert Permission.ACCOUNTS_MANAGE in administrator
    secret = {Permission.RECORDS_SEARCH, Permission.RECORDS_READ_AUDIT, Permission.RECORDS_EXPORT}
    assert not administrator & (secret | {Permission.ATTRIBUTION_ASK, Permission.RETENTION_DISPOSE})
    for name in ("mudur", "analist", "uyum", "kurul-uyesi", "gozlemci"):
        assert not roles.permissions_of([name]) & {Permission.ACCOUNTS_MANAGE, Permission.TOKENS_MANAGE}
    disposers = [role.name for role in roles.roles.values() if Permission.RETENTION_DISPOSE in role.permissions]
    holders = [role.name for role in roles.roles.values() if Permission.RETENTION_HOLD in role.permissions]
    assert not set(disposers) & set(holders), "who destroys is not who holds"


def test_every_permission_is_given_by_some_role(roles):
    given = roles.permissions_of(roles.roles)
    assert given == frozenset(Permission)


def test_every_role_and_duty_has_both_languages(roles):
    for role in roles.roles.values():
        assert set(role.label) == {"tr", "en"}
        assert role.is_duty or set(role.about) == {"tr", "en"}
        assert not (role.is_duty and role.permissions)


def test_an_unknown_role_permits_nothing(roles):
    assert roles.permissions_of(["gone"]) == {Permission.SELF_MANAGE}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"roles": {"x": {"label": {}, "permissions": ["records.fly"]}}}, r"permissions\[0\]: no such permission"),
        ({"roles": {"x": {"label": {}, "permission": []}}}, "permission"),
        ({"rolles": {}}, "rolles"),
        ({"roles": {"x": None}}, r"roles\.x: expected a mapping"),
        ({"roles": {"x": {}}}, "label"),
        ({"apart": ["analist"]}, "list of lists"),
        ({"roles": {"x": {"label": {"de": "x"}}}}, r"label\.de: unknown key"),
        ({"roles": {}, "apart": []}, "accounts.manage"),
        ({"apart": [["analist", "kral"]]}, "kral"),
        ({"duties": {"analist": {"label": {}}}}, "analist"),
    ],
)
def test_a_wrong_roles_file_is_named(change, named):
    tree = yaml.safe_load((ROOT / "config" / "roles.yaml").read_text(encoding="utf-8"))
    with pytest.raises(SettingsFault, match=named) as caught:
        read_roles(yaml.safe_dump({**tree, **change}), "site/roles.yaml")
    assert str(caught.value).startswith("site/roles.yaml:")


@pytest.mark.parametrize("text", ["[]", "a: [", "", "roles: {}\nroles: {}"])
def test_a_file_that_is_no_mapping_is_refused(text):
    with pytest.raises(SettingsFault, match=r"roles\.yaml"):
        read_roles(text, "roles.yaml")


@given(st.integers(0, 10_000))
def test_waits_grow_and_never_pass_their_limit(failures):
    for rule in (AccountRules().name_brake, AccountRules().peer_brake):
        now, then = rule.wait_after(failures) or timedelta(0), rule.wait_after(failures + 1) or timedelta(0)
        assert timedelta(0) <= now <= then <= rule.longest
        assert (now == timedelta(0)) == (failures <= rule.free)


@given(st.text(max_size=40))
def test_folding_a_name_twice_changes_nothing(name):
    assert fold_name(fold_name(name)) == fold_name(name)


def test_peers():
    assert peer_key("192.0.2.1") == peer_key("::ffff:192.0.2.1") == "192.0.2.1"
    assert peer_key("2001:db8::1") == peer_key("2001:db8::ffff") == "2001:db8::/64"
    assert len(peer_key("x" * 500)) == 64


def test_the_local_actor_is_the_login_not_the_environment(monkeypatch):
    monkeypatch.setenv("LOGNAME", "baskasi")
    monkeypatch.setenv("USER", "baskasi")
    monkeypatch.setenv("SUDO_USER", "baskasi")
    actor = local_actor()
    assert actor.kind is ActorKind.OS
    assert actor.id == f"os:{actor.name}"
    assert actor.name != "baskasi"
    assert actor.name == pwd.getpwnam(actor.name).pw_name or actor.name == str(os.getuid())
    assert actor.permissions == frozenset(Permission)


def test_who_lacks_a_permission_is_told_which():
    actor = system_actor("sealing", Permission.SEALS_MAKE)
    actor.require(Permission.SEALS_MAKE)
    with pytest.raises(NotPermitted, match=r"system:sealing lacks the permission seals\.verify"):
        actor.require(Permission.SEALS_VERIFY)
    assert isinstance(actor, Actor)


def test_hashes_wait_their_turn_but_not_for_ever(monkeypatch):
    monkeypatch.setattr("some.app.accounts.passwords._QUEUE_LIMIT_S", 0)
    passwords = Passwords(time_cost=1, memory_kib=8, parallelism=1, at_once=2)
    with passwords._turn(), passwords._turn(), pytest.raises(Unavailable, match="too many"):
        passwords.hash("x")
    assert passwords.hash("x")


def test_a_command_that_needs_no_database_does_not_load_one():
    assert not _loaded_by("some.actor, some.wording") & {"sqlalchemy", "babel", "yaml", "argon2"}
    dear = {"alembic", "babel", "argon2", "pyotp", "segno", "cryptography"}
    assert not _loaded_by("some.app.accounts.desk, some.app.migrations.run") & dear


def _loaded_by(modules):
    program = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.split())
