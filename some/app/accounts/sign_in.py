"""The door: sign in, the second step, come back, step up, sign out.

An attempt is counted as failed *before* the password is looked at, in a transaction of its own, and taken back when it
turns out right. So neither many attempts at once nor a crash between them buys anybody a free guess. The slow hash
runs between transactions, never inside one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

from some import audit
from some.actor import Permission
from some.app.accounts.credentials import digest_of, peer_key
from some.app.accounts.models import Account, Brake, RecoveryCode, SignInSession
from some.app.accounts.office import (
    LOCK,
    Office,
    count_attempt,
    door,
    find,
    forgive_attempt,
    name_key,
)
from some.app.accounts.outcomes import CodeNeeded, Reason, Refused, Resumed, SessionView, SignedIn
from some.app.accounts.second_factor import accepted_step, recovery_digest
from some.database import hold
from some.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from some.actor import Actor
    from some.app.accounts.outcomes import Seat


class SignInDesk(Office):
    """Use cases of somebody who comes to the door."""

    def sign_in(
        self, name: str, password: str, seat: Seat, *, code: str = "", previous: str = ""
    ) -> SignedIn | CodeNeeded | Refused:
        """Let `name` in, ask for the code, or refuse. `previous` is the cookie he came with; its session ends.

        With `code` both steps are done at once; without it an account with a second factor gets a challenge.
        """
        with self.database.transaction() as session:
            hold(session, LOCK)
            account = find(session, name)
            keys = self._keys(session, account, name, seat)
            locked = self._count(session, keys)
            encoded = account.password if account else None
        if locked:
            return Refused(Reason.LOCKED, locked)
        checked = self.passwords.check(encoded, password)
        renewed = self.passwords.hash(password) if checked.stale else None
        with self.database.transaction() as session:
            hold(session, LOCK)
            account = find(session, name)
            if account is None or not checked.matches or account.password != encoded:
                return self._refuse(session, account, keys, seat, Reason.WRONG)
            account.password = renewed or account.password
            return self._after_password(session, account, keys, seat, code=code, previous=previous)

    def answer_code(self, challenge: str, code: str, seat: Seat, *, previous: str = "") -> SignedIn | Refused:
        """Take the second step of `sign_in`: a TOTP code, or one of the recovery codes."""
        with self.database.transaction() as session:
            hold(session, LOCK)
            row = self._live(session, challenge, half=True)
            account = session.get(Account, row.account_id) if row else None
            if row is None or account is None or account.totp is None:
                return Refused(Reason.EXPIRED)
            keys = self._keys(session, account, account.name, seat)
            locked = self._count(session, keys)
            if locked:
                return Refused(Reason.LOCKED, locked)
            if account.disabled_at is not None:
                return self._refuse(session, account, keys, seat, Reason.DISABLED)
            factor = self._spend_code(session, account, code)
            if factor is None:
                return self._refuse(session, account, keys, seat, Reason.WRONG_CODE)
            row.ended_at = self.clock.now()
            return self._admit(session, account, keys, seat, previous=previous, factor=factor)

    def resume(self, secret: str) -> Resumed | None:
        """Return who the cookie `secret` belongs to, or None: unknown, ended, idle for too long, or too old.

        `seen_at` is written at most once a minute, so a session may end up to a minute before its idle limit.
        """
        now = self.clock.now()
        with self.database.reading() as session:
            row = self._live(session, secret, half=False)
            account = session.get(Account, row.account_id) if row else None
            if row is None or account is None or account.disabled_at is not None:
                return None
            resumed = Resumed(self._actor(account), self._facts(row, account))
            touch = now - row.seen_at >= self.rules.touch_every
        if touch:
            with self.database.transaction() as session:
                session.execute(
                    sa.update(SignInSession).where(SignInSession.id == resumed.session.id).values(seen_at=now)
                )
        return resumed

    def step_up(self, secret: str, password: str, seat: Seat, *, code: str = "") -> SignedIn | Refused:
        """Ask the signed-in person again before something grave; the cookie changes, the session's end does not."""
        resumed = self.resume(secret)
        if resumed is None:
            return Refused(Reason.EXPIRED)
        given = self.sign_in(resumed.session.account_name, password, seat, code=code, previous=secret)
        if isinstance(given, CodeNeeded):
            return Refused(Reason.WRONG_CODE)
        if isinstance(given, Refused):
            return given
        with self.database.transaction() as session:
            row = session.get_one(SignInSession, given.session.id)
            account = session.get_one(Account, row.account_id)
            row.created_at = resumed.session.created_at
            row.stepped_up_at = self.clock.now()
            audit.record(session, self.clock, given.actor, "account.stepped_up", subject=account.name, session=row.id)
            return SignedIn(given.secret, given.actor, self._facts(row, account))

    def sign_out(self, secret: str) -> None:
        """End the session of the cookie `secret`; an unknown one is fine."""
        with self.database.transaction() as session:
            row = self._live(session, secret, half=False)
            if row is None:
                return
            account = session.get_one(Account, row.account_id)
            row.ended_at = self.clock.now()
            audit.record(
                session, self.clock, self._actor(account), "account.signed_out", subject=account.name, session=row.id
            )

    def sessions(self, actor: Actor, name: str = "") -> list[SessionView]:
        """Return the open sessions of `actor`, or with `accounts.manage` those of `name`, newest first."""
        with self.database.reading() as session:
            account = self._whose(session, actor, name)
            found = session.scalars(
                sa.select(SignInSession)
                .where(SignInSession.account_id == account.id, SignInSession.half.is_(False))
                .order_by(SignInSession.created_at.desc())
            )
            return [
                SessionView(row.id, row.created_at, row.seen_at, row.peer, row.agent)
                for row in found
                if self._is_live(row)
            ]

    def revoke_session(self, actor: Actor, session_id: str, name: str = "") -> None:
        """End one session of `actor`, or of `name`; raises NotFound."""
        with self.database.transaction() as session:
            account = self._whose(session, actor, name)
            row = session.get(SignInSession, session_id)
            if row is None or row.account_id != account.id or not self._is_live(row):
                msg = "no such open session"
                raise NotFound(msg)
            row.ended_at = self.clock.now()
            audit.record(session, self.clock, actor, "account.session_revoked", subject=account.name, session=row.id)

    def _ask_password(self, name: str, password: str, encoded: str | None, seat: Seat) -> Refused | None:
        """Ask a signed-in person's password again, through the same brakes; None when it is right."""
        with self.database.transaction() as session:
            hold(session, LOCK)
            keys = self._keys(session, find(session, name), name, seat)
            locked = self._count(session, keys)
        if locked:
            return Refused(Reason.LOCKED, locked)
        matches = self.passwords.check(encoded, password).matches
        with self.database.transaction() as session:
            hold(session, LOCK)
            if not matches:
                return self._refuse(session, find(session, name), keys, seat, Reason.WRONG)
            self._forgive(session, keys, entirely=True)
        return None

    def _whose(self, session: Session, actor: Actor, name: str) -> Account:
        if not name:
            return self._own(session, actor)
        actor.require(Permission.ACCOUNTS_MANAGE)
        return self._named(session, name)

    def _live(self, session: Session, secret: str, *, half: bool) -> SignInSession | None:
        row = session.scalar(sa.select(SignInSession).where(SignInSession.digest == digest_of(secret)))
        return row if row is not None and row.half is half and self._is_live(row) else None

    def _is_live(self, row: SignInSession) -> bool:
        now = self.clock.now()
        if row.ended_at is not None:
            return False
        if row.half:
            return now < row.created_at + self.rules.half
        idle = now - row.seen_at >= self.rules.idle
        return not idle and now < row.created_at + self.rules.absolute

    def _keys(self, session: Session, account: Account | None, name: str, seat: Seat) -> tuple[str, str]:
        """Return the brakes of this attempt: the name (apart for a seat it signed in from before), and the peer.

        The seat's own brake is why a stranger who keeps a name locked does not lock out its owner at his desk.
        """
        peer = peer_key(seat.peer)
        known = account is not None and session.scalar(
            sa.select(SignInSession.id)
            .where(
                SignInSession.account_id == account.id,
                SignInSession.peer == peer,
                SignInSession.half.is_(False),
                SignInSession.created_at > self.clock.now() - self.rules.known_seat,
            )
            .limit(1)
        )
        return name_key(name, peer if known else ""), f"peer:{peer}"

    def _count(self, session: Session, keys: tuple[str, str]) -> datetime | None:
        """Count the attempt on both brakes, unless one of them is locked already."""
        now = self.clock.now()
        brakes = [session.get(Brake, key) for key in keys]
        locks = [brake.until for brake in brakes if brake is not None and brake.until is not None and now < brake.until]
        if locks:
            return max(locks)
        count_attempt(session, keys[0], self.rules.name_brake, now)
        count_attempt(session, keys[1], self.rules.peer_brake, now)
        return None

    def _forgive(self, session: Session, keys: tuple[str, str], *, entirely: bool) -> None:
        """Take the attempt back; a success clears the name's failures, never the peer's: he might be anybody."""
        forgive_attempt(session, keys[0], self.rules.name_brake, entirely=entirely)
        forgive_attempt(session, keys[1], self.rules.peer_brake, entirely=False)

    def _admit(
        self, session: Session, account: Account, keys: tuple[str, str], seat: Seat, *, previous: str, factor: str
    ) -> SignedIn:
        self._forgive(session, keys, entirely=True)
        old = self._live(session, previous, half=False) if previous else None
        if old is not None:
            old.ended_at = self.clock.now()
        return self._let_in(session, account, seat, factor=factor)

    def _refuse(
        self, session: Session, account: Account | None, keys: tuple[str, str], seat: Seat, reason: Reason
    ) -> Refused:
        """Leave the attempt counted and say so; what was typed as a name is written only where it is one."""
        subject = account.name if account else ""
        peer = peer_key(seat.peer)
        audit.record(
            session, self.clock, door(), "account.sign_in_failed", subject=subject, peer=peer, reason=reason.value
        )
        for kind, key in zip(("name", "peer"), keys, strict=True):
            brake = session.get_one(Brake, key)
            if brake.until is not None:
                audit.record(
                    session,
                    self.clock,
                    door(),
                    "account.locked",
                    subject=subject,
                    brake=kind,
                    peer=peer,
                    failures=brake.failures,
                    seconds=round((brake.until - brake.last_at).total_seconds()),
                )
        return Refused(reason)

    def _after_password(
        self, session: Session, account: Account, keys: tuple[str, str], seat: Seat, *, code: str, previous: str
    ) -> SignedIn | CodeNeeded | Refused:
        if account.disabled_at is not None:
            return self._refuse(session, account, keys, seat, Reason.DISABLED)
        if account.totp is None:
            return self._admit(session, account, keys, seat, previous=previous, factor="password")
        if not code:
            self._forgive(session, keys, entirely=False)
            secret, row = self._open_session(session, account, seat, half=True)
            return CodeNeeded(secret, row.created_at + self.rules.half)
        factor = self._spend_code(session, account, code)
        if factor is None:
            return self._refuse(session, account, keys, seat, Reason.WRONG_CODE)
        return self._admit(session, account, keys, seat, previous=previous, factor=factor)

    def _spend_code(self, session: Session, account: Account, code: str) -> str | None:
        """Use up a TOTP step or a recovery code; return which kind it was, or None."""
        if account.totp is not None:
            step = accepted_step(self.box.open(account.totp, account.id), code, self.clock.now(), account.totp_step)
            if step is not None:
                account.totp_step = step
                return "totp"
        spare = session.scalar(
            sa.select(RecoveryCode).where(
                RecoveryCode.account_id == account.id,
                RecoveryCode.digest == recovery_digest(code),
                RecoveryCode.used_at.is_(None),
            )
        )
        if spare is None:
            return None
        spare.used_at = self.clock.now()
        return "recovery_code"
