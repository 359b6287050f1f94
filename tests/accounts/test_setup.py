"""One-time links: they work once, for a while, and the door for the first administrator closes for ever."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
import sqlalchemy as sa
from conftest import LOCAL, PASSWORD, SEAT, START

from some.actor import Permission, system_actor
from some.app.accounts.desk import AccountsDesk, open_desk
from some.app.accounts.models import OneTimeLink
from some.app.accounts.outcomes import AccountFault, CodeNeeded, Reason, SignedIn
from some.app.accounts.rules import AccountRules, SecondFactor
from some.durable import Disk
from some.errors import NotFound, NotPermitted, SettingsFault
from some.wording import translator

STARTER = system_actor("start", Permission.ACCOUNTS_MANAGE)


@pytest.fixture
def link(desk):
    return desk.issue_setup_link(STARTER)


def set_up(desk, link, **changes):
    given = {"name": "yonetici", "display_name": "Bir Yönetici", "password": PASSWORD, "seat": SEAT, **changes}
    return desk.complete_setup(link.secret, **given)


def test_the_first_administrator_is_signed_in_and_the_door_closes(desk, link):
    assert desk.setup_open()
    welcome = set_up(desk, link)
    assert welcome.signed_in.actor.may(Permission.ACCOUNTS_MANAGE)
    assert not welcome.signed_in.actor.may(Permission.RECORDS_SEARCH), "who manages accounts does not search"
    assert desk.resume(welcome.signed_in.secret) is not None
    assert not desk.setup_open()
    with pytest.raises(AccountFault, match="closed"):
        desk.issue_setup_link(STARTER)
    with pytest.raises(AccountFault, match="not valid"):
        set_up(desk, link, name="ikinci")


def test_a_link_lives_thirty_minutes(desk, link, clock):
    assert link.expires_at == START + timedelta(minutes=30)
    clock.advance(30 * 60 - 1)
    assert desk.open_link(link.secret).purpose == "setup"
    clock.advance(1)
    with pytest.raises(AccountFault, match="not valid"):
        desk.open_link(link.secret)
    with pytest.raises(AccountFault, match="not valid"):
        set_up(desk, link)
    assert desk.setup_open(), "a link that ran out closes nothing"


def test_a_newer_link_kills_the_older(desk, link):
    newer = desk.issue_setup_link(STARTER)
    with pytest.raises(AccountFault, match="not valid"):
        set_up(desk, link)
    assert isinstance(set_up(desk, newer).signed_in, SignedIn)


def test_two_links_at_once_make_one_administrator(desk, link, database):
    """Even if an older link were still valid, the second use finds the door closed."""
    with database.transaction() as session:
        session.execute(sa.update(OneTimeLink).values(expires_at=START + timedelta(hours=1)))
    newer = desk.issue_setup_link(STARTER)
    with database.transaction() as session:
        session.execute(sa.update(OneTimeLink).values(expires_at=START + timedelta(hours=1)))
    set_up(desk, newer)
    with pytest.raises(AccountFault, match="closed"):
        set_up(desk, link, name="ikinci")


def test_an_administrator_made_at_the_command_line_closes_the_door(desk, link):
    assert desk.create_account(LOCAL, "yonetici", "Bir Yönetici", ["sistem-yoneticisi"], password=PASSWORD) is None
    assert not desk.setup_open()
    with pytest.raises(AccountFault, match="closed"):
        set_up(desk, link, name="ikinci")


def test_an_analyst_does_not_close_the_door(desk):
    desk.create_account(LOCAL, "elif", "Elif", ["analist"], password=PASSWORD)
    assert desk.setup_open()


def test_only_a_digest_of_the_link_is_kept(desk, link, database):
    with database.reading() as session:
        assert link.secret not in repr(vars(session.scalars(sa.select(OneTimeLink)).one()))


def test_an_unknown_link_is_not_valid(desk):
    with pytest.raises(AccountFault, match="not valid"):
        desk.open_link("uydurma")


def test_setup_with_an_authenticator(desk, link, clock):
    form = desk.open_link(link.secret)
    assert desk.open_link(link.secret).enrolment == form.enrolment, "reloading the page keeps the secret"
    assert form.enrolment.svg.startswith("<svg")
    totp = pyotp.parse_uri(form.enrolment.uri)
    welcome = set_up(desk, link, code=totp.at(clock.now()))
    assert len(welcome.recovery_codes) == 10
    assert isinstance(desk.sign_in("yonetici", PASSWORD, SEAT), CodeNeeded)
    clock.advance(60)
    assert isinstance(desk.sign_in("yonetici", PASSWORD, SEAT, code=totp.at(clock.now())), SignedIn)


def test_a_wrong_code_leaves_everything_as_it_was(desk, link):
    desk.open_link(link.secret)
    with pytest.raises(AccountFault, match="code is not right"):
        set_up(desk, link, code="12345x")
    assert desk.setup_open()
    assert isinstance(set_up(desk, link).signed_in, SignedIn)


def test_where_a_second_factor_is_required_setup_insists(desk, database, clock, roles):
    rules = AccountRules(second_factor=SecondFactor.ADMINISTRATORS)
    strict = AccountsDesk(database, clock, roles, passwords=desk.passwords, box=desk.box, rules=rules)
    link = strict.issue_setup_link(STARTER)
    form = strict.open_link(link.secret)
    assert form.code_required
    with pytest.raises(AccountFault, match="required"):
        set_up(strict, link)
    code = pyotp.TOTP(form.enrolment.secret).at(clock.now())
    assert not set_up(strict, link, code=code).signed_in.session.must_enrol


def test_one_person_may_take_two_roles_with_a_reason(desk, link):
    with pytest.raises(AccountFault, match="different people"):
        set_up(desk, link, roles_beside=["analist"])
    welcome = set_up(desk, link, roles_beside=["analist"], reason="Tek kişilik SOME")
    assert welcome.signed_in.actor.may(Permission.RECORDS_SEARCH)
    assert welcome.signed_in.actor.may(Permission.ACCOUNTS_MANAGE)


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("kısa-parola", "too short"),
        ("x" * 257, "too long"),
        ("yonetici-2026!", "user name"),
        ("BenYONETICI12345", "user name"),
        ("Parola123456!", "easy to guess"),
        ("belediye.2026.", "easy to guess"),
        ("aaaaaaaaaaaaaaa", "easy to guess"),
        ("qwertyuiopas", "easy to guess"),
        ("123456789012", "easy to guess"),
        ("passwordpassword", "easy to guess"),
    ],
)
def test_weak_passwords_are_refused_with_the_reason(desk, link, password, why):
    with pytest.raises(AccountFault, match=why):
        set_up(desk, link, password=password)


@pytest.mark.parametrize("password", ["doğru at pil zımba", "Çok uzun bir cümle.", "kırlangıç-deniz-9", "x7#Kq2!mZp4w"])
def test_good_passwords_are_taken(desk, link, password):
    assert isinstance(set_up(desk, link, password=password).signed_in, SignedIn)


def test_a_turkish_letter_typed_as_two_code_points_is_the_same_password(desk, link):
    set_up(desk, link, password="şemsiye kırlangıç")
    assert isinstance(desk.sign_in("yonetici", "s\u0327emsiye kırlangıc\u0327", SEAT), SignedIn)


@pytest.mark.parametrize("name", ["", "-ali", "ali veli", "a" * 65, "çağrı", "ali\n", "ali/../x", "<b>"])
def test_odd_names_are_refused(desk, link, name):
    if name == "ali\n":
        assert set_up(desk, link, name=name).signed_in.session.account_name == "ali"
        return
    with pytest.raises(AccountFault, match="user name"):
        set_up(desk, link, name=name)


@pytest.mark.parametrize("shown", ["", "  ", "x" * 121, "a\u202eb"])
def test_odd_display_names_are_refused(desk, link, shown):
    with pytest.raises(AccountFault, match="first and last name"):
        set_up(desk, link, display_name=shown)


def test_an_invited_person_chooses_the_password(desk, clock):
    invitation = desk.create_account(LOCAL, "Elif.Aksoy", "Elif  Aksoy", ["analist", "some-lideri"])
    assert desk.sign_in("elif.aksoy", "", SEAT).reason is Reason.WRONG
    form = desk.open_link(invitation.secret)
    assert (form.purpose, form.name, form.display_name) == ("invitation", "elif.aksoy", "Elif Aksoy")
    clock.advance(71 * 3600)
    welcome = desk.accept_link(invitation.secret, password=PASSWORD, seat=SEAT)
    assert welcome.signed_in.actor.roles == {"analist", "some-lideri"}
    with pytest.raises(AccountFault, match="not valid"):
        desk.accept_link(invitation.secret, password=PASSWORD, seat=SEAT)


def test_a_setup_link_is_no_invitation_and_the_reverse(desk, link):
    invitation = desk.create_account(LOCAL, "elif", "Elif", ["analist"])
    with pytest.raises(AccountFault, match="not valid"):
        desk.accept_link(link.secret, password=PASSWORD, seat=SEAT)
    with pytest.raises(AccountFault, match="not valid"):
        set_up(desk, invitation)


def test_a_reset_takes_everything_away_and_gives_a_way_back(desk, link, clock):
    form = desk.open_link(link.secret)
    code = pyotp.TOTP(form.enrolment.secret).at(clock.now())
    welcome = set_up(desk, link, code=code)
    for _ in range(5):
        desk.sign_in("yonetici", "yanlış-parola-1", SEAT)
    way_back = desk.reset_account(LOCAL, "yonetici")
    assert desk.resume(welcome.signed_in.secret) is None
    assert desk.sign_in("yonetici", PASSWORD, SEAT).reason is Reason.WRONG, "no longer locked, no longer known"
    assert desk.sign_in("yonetici", PASSWORD, SEAT, code=welcome.recovery_codes[0]).reason is Reason.WRONG
    new = "yepyeni bir parola"
    assert isinstance(desk.accept_link(way_back.secret, password=new, seat=SEAT).signed_in, SignedIn)
    assert isinstance(desk.sign_in("yonetici", new, SEAT), SignedIn)
    assert not desk.setup_open()


def test_a_disabled_accounts_link_is_dead(desk):
    invitation = desk.create_account(LOCAL, "elif", "Elif", ["analist"])
    desk.disable(LOCAL, "elif")
    with pytest.raises(AccountFault, match="not valid"):
        desk.open_link(invitation.secret)


def test_a_browser_never_sets_another_persons_password(desk, link):
    administrator = set_up(desk, link).signed_in.actor
    with pytest.raises(NotPermitted, match="command line"):
        desk.create_account(administrator, "elif", "Elif", ["analist"], password=PASSWORD)
    assert desk.create_account(administrator, "elif", "Elif", ["analist"]) is not None


def test_names_are_given_once(desk):
    desk.create_account(LOCAL, "elif", "Elif", ["analist"])
    with pytest.raises(AccountFault, match="already"):
        desk.create_account(LOCAL, "ELİF", "Elif", ["analist"])
    with pytest.raises(SettingsFault, match="no such role"):
        desk.create_account(LOCAL, "veli", "Veli", ["kral"])
    with pytest.raises(NotFound):
        desk.reset_account(LOCAL, "yok")


def test_refusals_are_told_in_turkish(desk, link):
    with pytest.raises(AccountFault) as caught:
        set_up(desk, link, password="kısa")
    assert caught.value.told(translator("tr")) == "Parola çok kısa; en az 12 karakter olmalı."
    assert caught.value.told(translator("en")) == str(caught.value)


def test_the_desk_of_a_data_directory_makes_its_key_once(tmp_path, database, clock, roles):
    first = open_desk(database, clock, roles, keys=tmp_path / "keys", disk=Disk())
    second = open_desk(database, clock, roles, keys=tmp_path / "keys", disk=Disk())
    assert second.box.open(first.box.seal("gizli", "x"), "x") == "gizli"
    assert (tmp_path / "keys" / "accounts.key").stat().st_mode & 0o777 == 0o600
