"""What every part of the desk stands on: the rooms below it, and the few steps that several use cases share."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from typing import TYPE_CHECKING

import sqlalchemy as sa

from some import audit
from some.actor import Actor, ActorKind, Permission, system_actor
from some.app.accounts.credentials import digest_of, new_secret, peer_key
from some.app.accounts.models import Account, Brake, RecoveryCode, SignInSession
from some.app.accounts.outcomes import AccountFault, Seat, SessionFacts, SignedIn
from some.app.accounts.roles import ALWAYS
from some.app.accounts.rules import AccountRules, SecondFactor
from some.app.accounts.second_factor import new_recovery_codes, recovery_digest
from some.database import new_id
from some.errors import NotFound
from some.wording import marked

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from some.app.accounts.passwords import Passwords
    from some.app.accounts.roles import RoleBook
    from some.app.accounts.rules import BrakeRule
    from some.app.accounts.second_factor import SecretBox
    from some.clock import Clock
    from some.database import Database

LOCK = "accounts"
"""The name under which use cases that count (the last administrator, failures, used codes) exclude each other."""

AGENT_LENGTH = 200
LONGEST_NAME = 120
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._@-]{0,62}[a-z0-9])?")


class Office:
    """The rooms that a use case works with; each part of the desk extends it by its use cases."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        roles: RoleBook,
        *,
        passwords: Passwords,
        box: SecretBox,
        rules: AccountRules | None = None,
    ) -> None:
        """Work on `database`; `rules` defaults to the handbook's."""
        self.database = database
        self.clock = clock
        self.roles = roles
        self.passwords = passwords
        self.box = box
        self.rules = rules or AccountRules()

    def _actor(self, account: Account) -> Actor:
        """Return who `account` acts as today; who still owes a second factor may only set one up."""
        permissions = ALWAYS if self._must_enrol(account) else self.roles.permissions_of(account.role_names)
        return Actor(f"account:{account.id}", account.name, ActorKind.ACCOUNT, account.role_names, permissions)

    def _must_enrol(self, account: Account) -> bool:
        if account.totp is not None or self.rules.second_factor is SecondFactor.OPTIONAL:
            return False
        return self.rules.second_factor is SecondFactor.EVERYONE or self._administers(account.role_names)

    def _administers(self, roles: frozenset[str]) -> bool:
        return bool(roles & self.roles.administrator_roles())

    def _facts(self, row: SignInSession, account: Account) -> SessionFacts:
        return SessionFacts(
            id=row.id,
            account_id=account.id,
            account_name=account.name,
            display_name=account.display_name,
            created_at=row.created_at,
            ends_at=row.created_at + self.rules.absolute,
            stepped_up_until=row.stepped_up_at and row.stepped_up_at + self.rules.step_up,
            second_factor=account.totp is not None,
            must_enrol=self._must_enrol(account),
            preferences=json.loads(account.preferences),
        )

    def _open_session(self, session: Session, account: Account, seat: Seat, *, half: bool) -> tuple[str, SignInSession]:
        now = self.clock.now()
        secret = new_secret()
        row = SignInSession(
            id=new_id(now),
            digest=digest_of(secret),
            account_id=account.id,
            half=half,
            created_at=now,
            seen_at=now,
            peer=peer_key(seat.peer),
            agent=seat.agent[:AGENT_LENGTH],
        )
        session.add(row)
        return secret, row

    def _let_in(self, session: Session, account: Account, seat: Seat, **facts: audit.Fact) -> SignedIn:
        """Open a full session of `account`, with its audit entry."""
        secret, row = self._open_session(session, account, seat, half=False)
        account.signed_in_at = row.created_at
        actor = self._actor(account)
        audit.record(
            session,
            self.clock,
            actor,
            "account.signed_in",
            subject=account.name,
            session=row.id,
            peer=row.peer,
            **facts,
        )
        return SignedIn(secret, actor, self._facts(row, account))

    def _end_sessions(self, session: Session, account_id: str, *, but: str = "") -> int:
        """End the open sessions of an account except `but`; return how many."""
        ended = session.execute(
            sa.update(SignInSession)
            .where(SignInSession.account_id == account_id, SignInSession.ended_at.is_(None), SignInSession.id != but)
            .values(ended_at=self.clock.now())
            .returning(SignInSession.id)
        )
        return len(ended.all())

    def _own(self, session: Session, actor: Actor) -> Account:
        """Return the account that `actor` is; raises AccountFault for tokens and local users, who have none."""
        actor.require(Permission.SELF_MANAGE)
        account = session.get(Account, actor.id.removeprefix("account:")) if actor.kind is ActorKind.ACCOUNT else None
        if account is None or account.disabled_at is not None:
            raise AccountFault(marked("Only a signed-in account can do this."))
        return account

    def _named(self, session: Session, name: str) -> Account:
        account = find(session, name)
        if account is None:
            msg = f"no account is called {name[:64]!r}"
            raise NotFound(msg)
        return account

    def _replace_recovery_codes(self, session: Session, account: Account) -> tuple[str, ...]:
        self._drop_recovery_codes(session, account)
        now = self.clock.now()
        codes = new_recovery_codes()
        session.add_all(
            RecoveryCode(id=new_id(now), account_id=account.id, digest=recovery_digest(code)) for code in codes
        )
        return codes

    def _drop_recovery_codes(self, session: Session, account: Account) -> None:
        session.execute(sa.delete(RecoveryCode).where(RecoveryCode.account_id == account.id))

    def _lift_brakes(self, session: Session, account: Account) -> None:
        """Forget the failures of this name, from wherever they came; those of peers stay."""
        session.execute(sa.delete(Brake).where(Brake.key.startswith(name_key(account.name), autoescape=True)))

    def _administrators(self, session: Session) -> set[str]:
        """Return the ids of the enabled accounts that may manage accounts."""
        found = session.scalars(sa.select(Account).where(Account.disabled_at.is_(None)))
        return {account.id for account in found if self._administers(account.role_names)}

    def _keep_an_administrator(self, session: Session, leaving: Account) -> None:
        if self._administrators(session) == {leaving.id}:
            raise AccountFault(marked("The last administrator cannot be disabled or lose the role."))


def fold_name(name: str) -> str:
    """Return the form under which names are compared: NFKC, İ I ı as i, lower case."""
    text = unicodedata.normalize("NFKC", name).translate({ord("İ"): "i", ord("I"): "i", ord("ı"): "i"}).casefold()
    return unicodedata.normalize("NFKC", text).strip()


def accept_name(name: str) -> str:
    """Return the folded name if an account may be called so; raises AccountFault."""
    folded = fold_name(name)
    if _NAME.fullmatch(folded) is None:
        raise AccountFault(
            marked(
                "A user name has 1 to 64 characters: letters without Turkish marks, digits, and . _ - @ between them."
            )
        )
    return folded


def accept_display_name(text: str) -> str:
    """Return the trimmed name of a person; raises AccountFault for none, a very long one, or control characters."""
    text = " ".join(text.split())
    if not text or len(text) > LONGEST_NAME or not text.isprintable():
        raise AccountFault(marked("Expected a first and last name of at most 120 characters."))
    return text


def find(session: Session, name: str) -> Account | None:
    """Return the account of that name, however it is typed."""
    return session.scalar(sa.select(Account).where(Account.name == fold_name(name)))


def door() -> Actor:
    """Return who acts before anybody is known: the sign-in page itself."""
    return system_actor("sign-in")


def name_key(name: str, known_peer: str = "") -> str:
    """Return the brake's key of a typed name: a digest, for people type passwords into the name field."""
    return f"name:{hashlib.sha256(fold_name(name).encode()).hexdigest()[:32]}:{known_peer}"


def count_attempt(session: Session, key: str, rule: BrakeRule, now: datetime) -> datetime | None:
    """Count one attempt of `key` as failed until proven right; or return until when `key` must wait, uncounted."""
    brake = session.get(Brake, key)
    if brake is None:
        brake = Brake(key=key, failures=0, last_at=now)
        session.add(brake)
    if brake.until is not None and now < brake.until:
        return brake.until
    if now - brake.last_at > rule.forget_after:
        brake.failures = 0
    brake.failures += 1
    brake.last_at = now
    wait = rule.wait_after(brake.failures)
    brake.until = now + wait if wait else None
    return None


def forgive_attempt(session: Session, key: str, rule: BrakeRule, *, entirely: bool) -> None:
    """Take back the attempt that turned out right, and with `entirely` those before it."""
    brake = session.get(Brake, key)
    if brake is not None:
        brake.failures = 0 if entirely else max(0, brake.failures - 1)
        wait = None if entirely else rule.wait_after(brake.failures)
        brake.until = brake.last_at + wait if wait else None
