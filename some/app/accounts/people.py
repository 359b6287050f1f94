"""Accounts as an administrator sees them, and what each person does with his own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from some import audit
from some.actor import Permission
from some.app.accounts.models import Account, AccountRole, Brake
from some.app.accounts.office import LOCK, name_key
from some.app.accounts.outcomes import AccountFault, AccountView, Refused
from some.app.accounts.passwords import accept_password
from some.app.accounts.second_factor import accepted_step, enrolment, new_totp_secret
from some.app.accounts.setup import SetupDesk
from some.app.accounts.sign_in import SignInDesk
from some.canonical import dumps
from some.database import hold
from some.wording import marked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sqlalchemy.orm import Session

    from some.actor import Actor
    from some.app.accounts.outcomes import Enrolment, Seat, SignedIn

PREFERENCES = {"language": ("tr", "en"), "theme": ("system", "light", "dark"), "shortcuts": ("on", "off")}
"""What a person may choose for his pages, and from what; the first is the default."""


class PeopleDesk(SetupDesk, SignInDesk):
    """Use cases on accounts that exist."""

    def accounts(self, actor: Actor) -> list[AccountView]:
        """Return all accounts by name; needs `accounts.manage`."""
        actor.require(Permission.ACCOUNTS_MANAGE)
        now = self.clock.now()
        with self.database.reading() as session:
            found = session.scalars(sa.select(Account).order_by(Account.name)).all()
            keys = {name_key(account.name): account.id for account in found}
            locks = dict(
                session.execute(sa.select(Brake.key, Brake.until).where(Brake.key.in_(keys), Brake.until > now)).all()
            )
            until = {keys[key]: moment for key, moment in locks.items()}
            return [
                AccountView(
                    id=account.id,
                    name=account.name,
                    display_name=account.display_name,
                    roles=account.role_names,
                    enabled=account.disabled_at is None,
                    has_password=account.password is not None,
                    second_factor=account.totp is not None,
                    created_at=account.created_at,
                    signed_in_at=account.signed_in_at,
                    locked_until=until.get(account.id),
                )
                for account in found
            ]

    def set_roles(self, actor: Actor, name: str, roles: Iterable[str], *, reason: str = "") -> None:
        """Replace the roles and duties of `name`.

        Raises AccountFault for one's own, for the last administrator's, and for roles that should stay apart where no
        `reason` is given.
        """
        actor.require(Permission.ACCOUNTS_MANAGE)
        roles = self.roles.known(roles)
        with self.database.transaction() as session:
            hold(session, LOCK)
            account = self._other(session, actor, name)
            reason = self._reasoned(roles, reason)
            before = account.role_names
            if not self._administers(roles):
                self._keep_an_administrator(session, account)
            account.roles = [row for row in account.roles if row.role in roles] + [
                AccountRole(role=role) for role in sorted(roles - before)
            ]
            audit.record(
                session,
                self.clock,
                actor,
                "account.roles_set",
                subject=account.name,
                before=",".join(sorted(before)),
                after=",".join(sorted(roles)),
                reason=reason,
            )

    def disable(self, actor: Actor, name: str) -> None:
        """Close the account, its sessions and its tokens; raises AccountFault for oneself, the last administrator."""
        actor.require(Permission.ACCOUNTS_MANAGE)
        with self.database.transaction() as session:
            hold(session, LOCK)
            account = self._other(session, actor, name)
            self._keep_an_administrator(session, account)
            account.disabled_at = account.disabled_at or self.clock.now()
            ended = self._end_sessions(session, account.id)
            audit.record(session, self.clock, actor, "account.disabled", subject=account.name, sessions_ended=ended)

    def enable(self, actor: Actor, name: str) -> None:
        """Open a closed account again, with its roles and password."""
        actor.require(Permission.ACCOUNTS_MANAGE)
        with self.database.transaction() as session:
            account = self._named(session, name)
            account.disabled_at = None
            audit.record(session, self.clock, actor, "account.enabled", subject=account.name)

    def unlock(self, actor: Actor, name: str) -> None:
        """Forget the failed attempts of `name`."""
        actor.require(Permission.ACCOUNTS_MANAGE)
        with self.database.transaction() as session:
            hold(session, LOCK)
            account = self._named(session, name)
            self._lift_brakes(session, account)
            audit.record(session, self.clock, actor, "account.unlocked", subject=account.name)

    def change_password(self, actor: Actor, old: str, new: str, seat: Seat) -> SignedIn | Refused:
        """Change one's own password; every session ends and a new one begins. Raises AccountFault for a weak one.

        The old password is asked through the door's own brakes, so a stolen session cannot be used to guess it.
        """
        with self.database.reading() as session:
            own = self._own(session, actor)
            name, encoded_old, account_id = own.name, own.password, own.id
        accept_password(new, name)
        refused = self._ask_password(name, old, encoded_old, seat)
        if refused:
            return refused
        encoded = self.passwords.hash(new)
        with self.database.transaction() as session:
            hold(session, LOCK)
            account = self._own(session, actor)
            account.password, account.password_at = encoded, self.clock.now()
            ended = self._end_sessions(session, account_id)
            audit.record(session, self.clock, actor, "account.password_changed", subject=name, sessions_ended=ended)
            return self._let_in(session, account, seat, factor="password_change")

    def offer_second_factor(self, actor: Actor) -> Enrolment:
        """Return the second factor that waits to be confirmed, making one where none waits."""
        with self.database.transaction() as session:
            account = self._own(session, actor)
            if account.totp_pending is None:
                account.totp_pending = self.box.seal(new_totp_secret(), account.id)
            return enrolment(self.box.open(account.totp_pending, account.id), account.name, self.rules.issuer)

    def confirm_second_factor(self, actor: Actor, code: str) -> tuple[str, ...]:
        """Switch the offered factor on and return the recovery codes, shown once. Raises AccountFault."""
        with self.database.transaction() as session:
            hold(session, LOCK)
            account = self._own(session, actor)
            if account.totp_pending is None:
                raise AccountFault(marked("No second factor waits to be confirmed; begin again."))
            secret = self.box.open(account.totp_pending, account.id)
            step = accepted_step(secret, code, self.clock.now(), 0)
            if step is None:
                raise AccountFault(marked("The code is not right; check the clock of the phone."))
            account.totp, account.totp_step, account.totp_pending = account.totp_pending, step, None
            audit.record(session, self.clock, actor, "account.second_factor_set", subject=account.name)
            return self._replace_recovery_codes(session, account)

    def renew_recovery_codes(self, actor: Actor, password: str, seat: Seat) -> tuple[str, ...] | Refused:
        """Replace the recovery codes; asks the password again."""
        refused = self._ask_own(actor, password, seat)
        if refused:
            return refused
        with self.database.transaction() as session:
            account = self._own(session, actor)
            if account.totp is None:
                raise AccountFault(marked("There is no second factor."))
            audit.record(session, self.clock, actor, "account.recovery_codes_renewed", subject=account.name)
            return self._replace_recovery_codes(session, account)

    def drop_second_factor(self, actor: Actor, password: str, seat: Seat) -> Refused | None:
        """Switch the second factor off; asks the password again. Where it is required, a new one is due at once."""
        refused = self._ask_own(actor, password, seat)
        if refused:
            return refused
        with self.database.transaction() as session:
            account = self._own(session, actor)
            account.totp = account.totp_pending = None
            self._drop_recovery_codes(session, account)
            audit.record(session, self.clock, actor, "account.second_factor_dropped", subject=account.name)
        return None

    def preferences(self, actor: Actor) -> dict[str, str]:
        """Return how the person wants to see pages (`PREFERENCES`); only what he chose."""
        with self.database.reading() as session:
            chosen: dict[str, str] = json.loads(self._own(session, actor).preferences)
            return chosen

    def set_preferences(self, actor: Actor, chosen: Mapping[str, str]) -> None:
        """Keep how the person wants to see pages; raises AccountFault for what `PREFERENCES` does not offer."""
        for key, value in chosen.items():
            if value not in PREFERENCES.get(key, ()):
                raise AccountFault(marked("There is no such choice: %(choice)s."), choice=f"{key}={value}"[:80])
        with self.database.transaction() as session:
            account = self._own(session, actor)
            account.preferences = dumps({**json.loads(account.preferences), **chosen}).decode()
            audit.record(session, self.clock, actor, "account.preferences_set", subject=account.name, **chosen)

    def _other(self, session: Session, actor: Actor, name: str) -> Account:
        """Return the account of `name`, which is not the actor's: nobody gives himself rights or locks himself out."""
        account = self._named(session, name)
        if actor.id == f"account:{account.id}":
            raise AccountFault(marked("Nobody changes the roles or state of his own account."))
        return account

    def _ask_own(self, actor: Actor, password: str, seat: Seat) -> Refused | None:
        with self.database.reading() as session:
            own = self._own(session, actor)
            name, encoded = own.name, own.password
        return self._ask_password(name, password, encoded, seat)
