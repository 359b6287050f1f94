"""Accounts that exist: who may change what, and that somebody is always left to change it."""

from __future__ import annotations

import threading

import pyotp
import pytest
import sqlalchemy as sa
from conftest import LOCAL, PASSWORD, SEAT

from some.actor import Permission
from some.app.accounts.outcomes import AccountFault, Reason, Seat, SignedIn
from some.audit import AuditEntry
from some.errors import NotPermitted

ADMINISTRATOR = "sistem-yoneticisi"


@pytest.fixture
def people(desk):
    """Return two administrators and an analyst, signed in."""
    for name, role in (("ayse", ADMINISTRATOR), ("fatma", ADMINISTRATOR), ("elif", "analist")):
        desk.create_account(LOCAL, name, name.title(), [role], password=PASSWORD)
    return {name: desk.sign_in(name, PASSWORD, SEAT) for name in ("ayse", "fatma", "elif")}


def test_only_administrators_manage_accounts(desk, people):
    elif_ = people["elif"].actor
    for use_case in (
        lambda: desk.accounts(elif_),
        lambda: desk.create_account(elif_, "veli", "Veli", ["gozlemci"]),
        lambda: desk.set_roles(elif_, "ayse", ["gozlemci"]),
        lambda: desk.disable(elif_, "ayse"),
        lambda: desk.enable(elif_, "ayse"),
        lambda: desk.unlock(elif_, "ayse"),
        lambda: desk.reset_account(elif_, "ayse"),
        lambda: desk.issue_setup_link(elif_),
        lambda: desk.tokens(elif_),
    ):
        with pytest.raises(NotPermitted):
            use_case()


def test_roles_take_effect_in_open_sessions(desk, people):
    desk.set_roles(people["ayse"].actor, "elif", ["gozlemci"])
    resumed = desk.resume(people["elif"].secret)
    assert not resumed.actor.may(Permission.RECORDS_SEARCH)
    assert resumed.actor.roles == {"gozlemci"}


def test_nobody_changes_his_own_roles_or_state(desk, people):
    for use_case in (
        lambda: desk.set_roles(people["ayse"].actor, "ayse", [ADMINISTRATOR, "uyum"], reason="istedim"),
        lambda: desk.disable(people["ayse"].actor, "ayse"),
    ):
        with pytest.raises(AccountFault, match="own account"):
            use_case()


def test_roles_that_should_stay_apart_need_a_written_reason(desk, people, database):
    with pytest.raises(AccountFault, match="different people"):
        desk.set_roles(people["ayse"].actor, "elif", ["analist", "uyum"])
    desk.set_roles(people["ayse"].actor, "elif", ["analist", "uyum"], reason="Kadro yok")
    with database.reading() as session:
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.kind == "account.roles_set")).one()
    assert entry.told == {"before": "analist", "after": "analist,uyum", "reason": "Kadro yok"}


def test_the_last_administrator_stays(desk, people):
    desk.disable(people["ayse"].actor, "fatma")
    for use_case in (
        lambda: desk.disable(LOCAL, "ayse"),
        lambda: desk.set_roles(LOCAL, "ayse", ["gozlemci"]),
        lambda: desk.set_roles(LOCAL, "ayse", []),
    ):
        with pytest.raises(AccountFault, match="last administrator"):
            use_case()
    desk.enable(LOCAL, "fatma")
    desk.disable(LOCAL, "ayse")


def test_two_administrators_who_disable_each_other_at_once_leave_one(desk, people):
    faults = []

    def disable(actor, name):
        try:
            desk.disable(actor, name)
        except AccountFault as fault:
            faults.append(fault)

    threads = [
        threading.Thread(target=disable, args=(people["ayse"].actor, "fatma")),
        threading.Thread(target=disable, args=(people["fatma"].actor, "ayse")),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    enabled = [view.name for view in desk.accounts(LOCAL) if view.enabled and ADMINISTRATOR in view.roles]
    assert len(enabled) == 1
    assert len(faults) == 1


def test_disabling_closes_sessions_and_enabling_opens_the_door_again(desk, people):
    desk.disable(people["ayse"].actor, "elif")
    assert desk.resume(people["elif"].secret) is None
    assert desk.sign_in("elif", PASSWORD, SEAT).reason is Reason.DISABLED
    assert desk.sign_in("elif", "yanlış-parola-1", SEAT).reason is Reason.WRONG, "only who knows the password is told"
    desk.enable(people["ayse"].actor, "elif")
    assert desk.resume(people["elif"].secret) is None
    assert isinstance(desk.sign_in("elif", PASSWORD, SEAT), SignedIn)


def test_the_list_shows_locks_and_unlocking_lifts_them(desk, people):
    away = Seat("198.51.100.9")
    for _ in range(5):
        desk.sign_in("elif", "yanlış-parola-1", away)
    (view,) = [view for view in desk.accounts(LOCAL) if view.name == "elif"]
    assert view.locked_until is not None
    desk.unlock(LOCAL, "elif")
    assert isinstance(desk.sign_in("elif", PASSWORD, away), SignedIn)
    assert all(view.locked_until is None for view in desk.accounts(LOCAL))


def test_changing_the_password_ends_every_other_session(desk, people):
    elsewhere = desk.sign_in("elif", PASSWORD, Seat("198.51.100.9"))
    new = "yepyeni bir parola"
    assert desk.change_password(people["elif"].actor, "yanlış-parola-1", new, SEAT).reason is Reason.WRONG
    with pytest.raises(AccountFault, match="too short"):
        desk.change_password(people["elif"].actor, PASSWORD, "kısa", SEAT)
    changed = desk.change_password(people["elif"].actor, PASSWORD, new, SEAT)
    assert desk.resume(changed.secret) is not None
    assert desk.resume(elsewhere.secret) is None
    assert desk.resume(people["elif"].secret) is None
    assert desk.sign_in("elif", PASSWORD, SEAT).reason is Reason.WRONG
    assert isinstance(desk.sign_in("elif", new, SEAT), SignedIn)


def test_a_stolen_session_cannot_guess_the_password(desk, people):
    for _ in range(5):
        desk.change_password(people["elif"].actor, "yanlış-parola-1", "yepyeni bir parola", SEAT)
    refused = desk.change_password(people["elif"].actor, PASSWORD, "yepyeni bir parola", SEAT)
    assert refused.reason is Reason.LOCKED


def test_second_factor_and_recovery_codes_by_oneself(desk, people, clock):
    actor = people["elif"].actor
    with pytest.raises(AccountFault, match="begin again"):
        desk.confirm_second_factor(actor, "123456")
    offer = desk.offer_second_factor(actor)
    with pytest.raises(AccountFault, match="not right"):
        desk.confirm_second_factor(actor, "abc")
    first = desk.confirm_second_factor(actor, pyotp.TOTP(offer.secret).at(clock.now()))
    assert desk.renew_recovery_codes(actor, "yanlış-parola-1", SEAT).reason is Reason.WRONG
    second = desk.renew_recovery_codes(actor, PASSWORD, SEAT)
    assert not set(first) & set(second)
    assert desk.sign_in("elif", PASSWORD, SEAT, code=first[0]).reason is Reason.WRONG_CODE
    assert isinstance(desk.sign_in("elif", PASSWORD, SEAT, code=second[0]), SignedIn)
    assert desk.drop_second_factor(actor, "yanlış-parola-1", SEAT).reason is Reason.WRONG
    assert desk.drop_second_factor(actor, PASSWORD, SEAT) is None
    assert isinstance(desk.sign_in("elif", PASSWORD, SEAT), SignedIn)
    with pytest.raises(AccountFault, match="no second factor"):
        desk.renew_recovery_codes(actor, PASSWORD, SEAT)


def test_preferences_are_kept_and_checked(desk, people):
    actor = people["elif"].actor
    assert desk.preferences(actor) == {}
    desk.set_preferences(actor, {"theme": "dark", "language": "en"})
    desk.set_preferences(actor, {"theme": "light"})
    assert desk.preferences(actor) == {"theme": "light", "language": "en"}
    for wrong in ({"theme": "pink"}, {"colour": "dark"}):
        with pytest.raises(AccountFault, match="no such choice"):
            desk.set_preferences(actor, wrong)


def test_local_users_have_no_account_of_their_own(desk, people):
    with pytest.raises(AccountFault, match="signed-in"):
        desk.preferences(LOCAL)


def test_every_change_leaves_an_entry_with_its_actor(desk, people, database):
    administrator = people["ayse"].actor
    with database.reading() as session:
        before = set(session.scalars(sa.select(AuditEntry.id)))
    desk.create_account(administrator, "veli", "Veli", ["gozlemci"])
    desk.set_roles(administrator, "veli", ["analist"])
    desk.disable(administrator, "veli")
    desk.enable(administrator, "veli")
    desk.unlock(administrator, "veli")
    desk.reset_account(administrator, "veli")
    with database.reading() as session:
        new = session.scalars(sa.select(AuditEntry).where(AuditEntry.id.not_in(before))).all()
    assert {entry.kind.removeprefix("account.") for entry in new} == {
        "created",
        "roles_set",
        "disabled",
        "enabled",
        "unlocked",
        "reset",
    }
    assert {(entry.actor, entry.subject) for entry in new} == {(administrator.id, "veli")}
