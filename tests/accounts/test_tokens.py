"""Machine tokens: never more than their maker, never longer than promised, only from where they belong."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from conftest import LOCAL, PASSWORD, SEAT

from some.actor import ActorKind, Permission
from some.app.accounts.models import MachineToken
from some.app.accounts.outcomes import AccountFault
from some.audit import AuditEntry
from some.errors import NotFound, NotPermitted

MONTH = timedelta(days=30)
PEER = "192.0.2.50"


@pytest.fixture
def maker(desk):
    """Return an administrator who may also read status."""
    desk.create_account(LOCAL, "ayse", "Ayşe", ["sistem-yoneticisi"], password=PASSWORD)
    desk.create_account(LOCAL, "fatma", "Fatma", ["sistem-yoneticisi"], password=PASSWORD)
    return desk.sign_in("ayse", PASSWORD, SEAT).actor


def issue(desk, maker, *permissions, lasts=MONTH, **given):
    return desk.issue_token(maker, "nagios", permissions or [Permission.STATUS_READ], lasts, **given)


def test_a_token_acts_with_its_permissions_and_no_more(desk, maker):
    issued = issue(desk, maker)
    assert re.fullmatch(r"some_[0-9a-f]{16}_[0-9a-f]{64}", issued.text)
    actor = desk.recognise_token(issued.text, PEER)
    assert (actor.kind, actor.name, actor.id) == (ActorKind.TOKEN, "nagios", f"token:{issued.view.id}")
    assert actor.permissions == {Permission.STATUS_READ}


def test_nobody_gives_a_token_what_he_lacks(desk, maker):
    with pytest.raises(NotPermitted):
        issue(desk, maker, Permission.RECORDS_SEARCH)
    for permissions in ([], [Permission.SELF_MANAGE]):
        with pytest.raises(AccountFault):
            desk.issue_token(maker, "nagios", permissions, MONTH)


def test_a_token_loses_what_its_maker_loses(desk, maker):
    issued = issue(desk, maker, Permission.STATUS_READ, Permission.SEALS_MAKE)
    desk.set_roles(LOCAL, "ayse", ["gozlemci"])
    assert desk.recognise_token(issued.text, PEER).permissions == {Permission.STATUS_READ}
    desk.disable(LOCAL, "ayse")
    assert desk.recognise_token(issued.text, PEER) is None


def test_a_token_of_the_command_line_stands_alone(desk, maker):
    issued = issue(desk, LOCAL, Permission.RECORDS_SEARCH)
    assert desk.recognise_token(issued.text, PEER).permissions == {Permission.RECORDS_SEARCH}
    assert issued.view.owner is None


def test_a_token_ends_on_time(desk, maker, clock):
    issued = issue(desk, maker, lasts=timedelta(days=1))
    clock.advance(86399)
    assert desk.recognise_token(issued.text, PEER) is not None
    clock.advance(1)
    assert desk.recognise_token(issued.text, PEER) is None
    for lasts in (timedelta(0), timedelta(days=-1), timedelta(days=731)):
        with pytest.raises(AccountFault, match="at most"):
            issue(desk, maker, lasts=lasts)


def test_a_revoked_token_is_refused_at_once(desk, maker):
    issued = issue(desk, maker)
    desk.revoke_token(maker, issued.view.id)
    assert desk.recognise_token(issued.text, PEER) is None
    assert not desk.tokens(maker)[0].active
    with pytest.raises(NotFound):
        desk.revoke_token(maker, "yok")


@pytest.mark.parametrize(
    ("peer", "taken"),
    [
        ("192.0.2.50", True),
        ("::ffff:192.0.2.50", True),
        ("2001:db8:1::7", True),
        ("198.51.100.1", False),
        ("2001:db8:2::7", False),
        ("junk", False),
        ("", False),
    ],
)
def test_a_token_works_only_from_its_networks(desk, maker, peer, taken):
    issued = issue(desk, maker, networks=["192.0.2.7/24", " 2001:db8:1::/48"])
    assert (desk.recognise_token(issued.text, peer) is not None) is taken


def test_a_network_must_be_one(desk, maker):
    with pytest.raises(AccountFault, match="CIDR"):
        issue(desk, maker, networks=["192.0.2.0/33"])


def test_a_changed_or_foreign_text_is_no_token(desk, maker):
    text = issue(desk, maker).text
    last = "0" if text[-1] != "0" else "1"
    for wrong in (
        text[:-1] + last,
        text.upper(),
        text + " ",
        text[:-1],
        "",
        "Bearer x",
        "some__",
        f"some_{'0' * 16}_{'0' * 64}",
    ):
        assert desk.recognise_token(wrong, PEER) is None


def test_only_a_digest_is_kept_and_use_is_noted_once_a_minute(desk, maker, database, clock):
    issued = issue(desk, maker)
    secret = issued.text.rsplit("_", 1)[1]
    desk.recognise_token(issued.text, PEER)
    clock.advance(59)
    desk.recognise_token(issued.text, "192.0.2.51")
    with database.reading() as session:
        row = session.scalars(sa.select(MachineToken)).one()
        facts = session.scalars(sa.select(AuditEntry.facts)).all()
    assert secret not in repr(vars(row))
    assert secret not in " ".join(facts)
    assert row.used_from == PEER
    clock.advance(1)
    desk.recognise_token(issued.text, "192.0.2.51")
    assert desk.tokens(maker)[0].used_from == "192.0.2.51"


def test_a_permission_that_the_program_no_longer_knows_is_dropped(desk, maker, database):
    issued = issue(desk, LOCAL)
    with database.transaction() as session:
        session.execute(sa.update(MachineToken).values(permissions="status.read,gone.away"))
    assert desk.recognise_token(issued.text, PEER).permissions == {Permission.STATUS_READ}
