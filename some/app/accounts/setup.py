"""One-time links: the first administrator, invitations, resets. Nobody but the person himself ever knows a password.

A fresh installation has no account and no password. It prints a link that works once, for 30 minutes; the door closes
for ever when an administrator exists. Who loses everything resets at the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from some import audit
from some.actor import ActorKind, Permission
from some.app.accounts.credentials import digest_of, new_secret
from some.app.accounts.models import Account, AccountRole, OneTimeLink
from some.app.accounts.office import LOCK, Office, accept_display_name, accept_name, find
from some.app.accounts.outcomes import AccountFault, IssuedLink, LinkForm, Welcome
from some.app.accounts.passwords import accept_password
from some.app.accounts.rules import SecondFactor
from some.app.accounts.second_factor import accepted_step, enrolment, new_totp_secret
from some.database import hold, new_id
from some.errors import NotPermitted
from some.wording import marked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from sqlalchemy.orm import Session

    from some.actor import Actor
    from some.app.accounts.outcomes import Seat

SETUP = "setup"
INVITATION = "invitation"
RESET = "reset"


class SetupDesk(Office):
    """Use cases around one-time links."""

    def setup_open(self) -> bool:
        """Say whether the first administrator may still be made: none exists, and none ever did."""
        with self.database.reading() as session:
            return self._setup_open(session)

    def issue_setup_link(self, actor: Actor) -> IssuedLink:
        """Make the link for the first administrator; an earlier one dies. Raises AccountFault once one exists."""
        actor.require(Permission.ACCOUNTS_MANAGE)
        with self.database.transaction() as session:
            hold(session, LOCK)
            self._require_open(session)
            link = self._issue(session, SETUP, None, self.rules.setup_link)
            audit.record(session, self.clock, actor, "setup.link_issued")
            return link

    def open_link(self, secret: str) -> LinkForm:
        """Return what the page behind a one-time link shows; raises AccountFault for one that is not valid now."""
        with self.database.transaction() as session:
            row, account = self._valid(session, secret)
            if row.totp_pending is None:
                row.totp_pending = self.box.seal(new_totp_secret(), row.id)
            name = account.name if account else ""
            return LinkForm(
                purpose=row.purpose,
                name=name,
                display_name=account.display_name if account else "",
                expires_at=row.expires_at,
                enrolment=enrolment(self.box.open(row.totp_pending, row.id), name, self.rules.issuer),
                code_required=self._code_required(row, account),
            )

    def complete_setup(
        self,
        secret: str,
        *,
        name: str,
        display_name: str,
        password: str,
        seat: Seat,
        code: str = "",
        roles_beside: Iterable[str] = (),
        reason: str = "",
    ) -> Welcome:
        """Make the first administrator and sign him in. Raises AccountFault.

        `code` proves the authenticator that the page offered; without it there is no second factor yet. A one-person
        SOME may take further roles at once (`roles_beside`) and must then write why.
        """
        name, display_name = accept_name(name), accept_display_name(display_name)
        roles = frozenset({self._administrator_role()}) | self.roles.known(roles_beside)
        encoded = self.passwords.hash(accept_password(password, name))
        with self.database.transaction() as session:
            hold(session, LOCK)
            row, _ = self._valid(session, secret)
            if row.purpose != SETUP:
                raise AccountFault(_NOT_VALID)
            self._require_open(session)
            reason = self._reasoned(roles, reason)
            account = self._new_account(session, name, display_name, roles)
            codes = self._equip(session, row, account, encoded, code)
            facts: dict[str, audit.Fact] = {"roles": ",".join(sorted(roles)), "second_factor": bool(codes)}
            audit.record(
                session, self.clock, self._actor(account), "setup.completed", subject=name, reason=reason, **facts
            )
            return Welcome(self._let_in(session, account, seat, factor="setup"), codes)

    def accept_link(self, secret: str, *, password: str, seat: Seat, code: str = "") -> Welcome:
        """Take an invitation or a reset: the person chooses his password and is signed in. Raises AccountFault."""
        form = self.open_link(secret)
        if form.purpose == SETUP:
            raise AccountFault(_NOT_VALID)
        encoded = self.passwords.hash(accept_password(password, form.name))
        with self.database.transaction() as session:
            hold(session, LOCK)
            row, account = self._valid(session, secret)
            if account is None:
                raise AccountFault(_NOT_VALID)
            codes = self._equip(session, row, account, encoded, code)
            self._end_sessions(session, account.id)
            facts: dict[str, audit.Fact] = {"purpose": row.purpose, "second_factor": bool(codes)}
            audit.record(
                session, self.clock, self._actor(account), "account.link_accepted", subject=account.name, **facts
            )
            return Welcome(self._let_in(session, account, seat, factor="link"), codes)

    def create_account(
        self,
        actor: Actor,
        name: str,
        display_name: str,
        roles: Iterable[str],
        *,
        reason: str = "",
        password: str | None = None,
    ) -> IssuedLink | None:
        """Make an account and return its invitation (72 h). Raises AccountFault, NotPermitted.

        Roles that should stay apart need a `reason`. Only the local command line may set a `password` at once (then
        there is no invitation): an administrator in a browser never knows another person's password.
        """
        actor.require(Permission.ACCOUNTS_MANAGE)
        name, display_name, roles = accept_name(name), accept_display_name(display_name), self.roles.known(roles)
        encoded = self._local_password(actor, name, password)
        with self.database.transaction() as session:
            hold(session, LOCK)
            reason = self._reasoned(roles, reason)
            account = self._new_account(session, name, display_name, roles)
            account.password, account.password_at = encoded, self.clock.now() if encoded else None
            audit.record(
                session,
                self.clock,
                actor,
                "account.created",
                subject=name,
                roles=",".join(sorted(roles)),
                reason=reason,
                with_password=encoded is not None,
            )
            return None if encoded else self._issue(session, INVITATION, account, self.rules.invitation)

    def reset_account(self, actor: Actor, name: str) -> IssuedLink:
        """Take away password, second factor and sessions of `name`, lift its lock, and return a link (30 min).

        Raises NotFound, NotPermitted. At the command line this is the way back in for a locked-out administrator.
        """
        actor.require(Permission.ACCOUNTS_MANAGE)
        with self.database.transaction() as session:
            hold(session, LOCK)
            account = self._named(session, name)
            account.password = account.totp = account.totp_pending = None
            self._drop_recovery_codes(session, account)
            ended = self._end_sessions(session, account.id)
            self._lift_brakes(session, account)
            audit.record(session, self.clock, actor, "account.reset", subject=account.name, sessions_ended=ended)
            lasts = self.rules.reset_link if account.signed_in_at else self.rules.invitation
            return self._issue(session, RESET, account, lasts)

    def _setup_open(self, session: Session) -> bool:
        used = session.scalar(
            sa.select(OneTimeLink.id).where(OneTimeLink.purpose == SETUP, OneTimeLink.used_at.is_not(None)).limit(1)
        )
        held = sa.select(AccountRole.account_id).where(AccountRole.role.in_(self.roles.administrator_roles())).limit(1)
        return used is None and session.scalar(held) is None

    def _require_open(self, session: Session) -> None:
        if not self._setup_open(session):
            raise AccountFault(marked("Setup is closed: an administrator exists. Reset accounts at the command line."))

    def _administrator_role(self) -> str:
        """Return the role of the first administrator: of those that manage accounts, the one that permits most."""
        return max(self.roles.administrator_roles(), key=lambda role: (len(self.roles.roles[role].permissions), role))

    def _reasoned(self, roles: frozenset[str], reason: str) -> str:
        reason = " ".join(reason.split())
        clashes = self.roles.conflicts(roles)
        if clashes and not reason:
            raise AccountFault(
                marked("These roles should be held by different people: %(roles)s. Write the reason to go on."),
                roles="; ".join(" + ".join(group) for group in clashes),
            )
        return reason[:500]

    def _new_account(self, session: Session, name: str, display_name: str, roles: frozenset[str]) -> Account:
        if find(session, name) is not None:
            raise AccountFault(marked("There is an account of that name already."))
        now = self.clock.now()
        account = Account(
            id=new_id(now),
            name=name,
            display_name=display_name,
            created_at=now,
            roles=[AccountRole(role=role) for role in sorted(roles)],
        )
        session.add(account)
        session.flush()
        return account

    def _local_password(self, actor: Actor, name: str, password: str | None) -> str | None:
        if password is None:
            return None
        if actor.kind is not ActorKind.OS:
            msg = "only the local command line may set a password for somebody"
            raise NotPermitted(msg)
        return self.passwords.hash(accept_password(password, name))

    def _issue(self, session: Session, purpose: str, account: Account | None, lasts: timedelta) -> IssuedLink:
        now = self.clock.now()
        account_id = account.id if account else None
        earlier = OneTimeLink.account_id == account_id if account_id else OneTimeLink.purpose == SETUP
        session.execute(
            sa.update(OneTimeLink)
            .where(earlier, OneTimeLink.used_at.is_(None))
            .values(expires_at=now, totp_pending=None)
        )
        secret = new_secret()
        session.add(
            OneTimeLink(
                id=new_id(now),
                digest=digest_of(secret),
                purpose=purpose,
                account_id=account_id,
                created_at=now,
                expires_at=now + lasts,
            )
        )
        return IssuedLink(account.name if account else "", secret, now + lasts)

    def _valid(self, session: Session, secret: str) -> tuple[OneTimeLink, Account | None]:
        row = session.scalar(sa.select(OneTimeLink).where(OneTimeLink.digest == digest_of(secret)).with_for_update())
        if row is None or row.used_at is not None or self.clock.now() >= row.expires_at:
            raise AccountFault(_NOT_VALID)
        account = session.get(Account, row.account_id) if row.account_id else None
        if account is not None and account.disabled_at is not None:
            raise AccountFault(_NOT_VALID)
        return row, account

    def _code_required(self, row: OneTimeLink, account: Account | None) -> bool:
        if self.rules.second_factor is SecondFactor.ADMINISTRATORS:
            return row.purpose == SETUP or (account is not None and self._administers(account.role_names))
        return self.rules.second_factor is SecondFactor.EVERYONE

    def _equip(self, session: Session, row: OneTimeLink, account: Account, encoded: str, code: str) -> tuple[str, ...]:
        """Use the link up: password, and the second factor if `code` proves it; return the recovery codes."""
        now = self.clock.now()
        if not code and self._code_required(row, account):
            raise AccountFault(marked("A second factor is required here; enter the code of the authenticator app."))
        row.used_at = now
        account.password, account.password_at = encoded, now
        if not code:
            row.totp_pending = None
            return ()
        secret = self.box.open(row.totp_pending, row.id) if row.totp_pending else new_totp_secret()
        step = accepted_step(secret, code, now, 0)
        if step is None:
            raise AccountFault(marked("The code is not right; check the clock of the phone."))
        account.totp, account.totp_step, row.totp_pending = self.box.seal(secret, account.id), step, None
        return self._replace_recovery_codes(session, account)


_NOT_VALID = marked("This link is not valid: it was used, is too old, or a newer one was made.")
