"""Machine tokens: how programs come in. `some_<id>_<secret>`, of which only the digest of the whole is kept."""

from __future__ import annotations

import hmac
from ipaddress import ip_network
from typing import TYPE_CHECKING

import sqlalchemy as sa

from some import audit
from some.actor import Actor, ActorKind, Permission
from some.app.accounts.credentials import digest_of, is_within, new_token, token_id
from some.app.accounts.models import Account, MachineToken
from some.app.accounts.office import Office, accept_display_name
from some.app.accounts.outcomes import AccountFault, IssuedToken, TokenView
from some.errors import NotFound
from some.wording import marked

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime, timedelta

    from sqlalchemy.orm import Session


class TokenDesk(Office):
    """Use cases on machine tokens; all need `tokens.manage` but the machine's own."""

    def issue_token(
        self,
        actor: Actor,
        label: str,
        permissions: Iterable[Permission],
        lasts: timedelta,
        *,
        networks: Iterable[str] = (),
    ) -> IssuedToken:
        """Make a token; its text is shown once. Raises AccountFault, NotPermitted.

        A token may never more than its maker, neither now nor later: when he loses a role, so do his tokens. One made
        at the command line has no owner and keeps what it was given.
        """
        actor.require(Permission.TOKENS_MANAGE)
        label, permissions, networks = accept_display_name(label), frozenset(permissions), _networks(networks)
        self._accept_grant(actor, permissions, lasts)
        number, text = new_token()
        now = self.clock.now()
        with self.database.transaction() as session:
            owner = self._own(session, actor) if actor.kind is ActorKind.ACCOUNT else None
            row = MachineToken(
                id=number,
                digest=digest_of(text),
                label=label,
                owner_id=owner.id if owner else None,
                permissions=",".join(sorted(permissions)),
                networks=",".join(networks),
                created_at=now,
                expires_at=now + lasts,
            )
            session.add(row)
            audit.record(
                session,
                self.clock,
                actor,
                "token.issued",
                subject=f"token:{number}",
                label=label,
                permissions=row.permissions,
                networks=row.networks,
                days=lasts.days,
            )
            return IssuedToken(text, self._view(row, owner))

    def _accept_grant(self, actor: Actor, permissions: frozenset[Permission], lasts: timedelta) -> None:
        for permission in sorted(permissions):
            actor.require(permission)
        if not permissions or permissions & {Permission.SELF_MANAGE}:
            raise AccountFault(marked("A token needs permissions, and none that belong to a person alone."))
        if not 0 < lasts.total_seconds() <= self.rules.longest_token.total_seconds():
            raise AccountFault(marked("A token lasts at most %(days)s days."), days=self.rules.longest_token.days)

    def recognise_token(self, text: str, peer: str) -> Actor | None:
        """Return who a machine token acts as; None: unknown, revoked, expired, from a wrong network, owner closed."""
        number = token_id(text)
        if number is None:
            return None
        now = self.clock.now()
        with self.database.reading() as session:
            row = session.get(MachineToken, number)
            if row is None or not hmac.compare_digest(row.digest, digest_of(text)):
                return None
            owner = session.get(Account, row.owner_id) if row.owner_id else None
            if not self._active(row, owner, now) or not is_within(peer, _split(row.networks)):
                return None
            actor = Actor(f"token:{row.id}", row.label, ActorKind.TOKEN, frozenset(), self._granted(row, owner))
            touch = row.used_at is None or now - row.used_at >= self.rules.touch_every
        if touch:
            with self.database.transaction() as session:
                session.execute(
                    sa.update(MachineToken).where(MachineToken.id == number).values(used_at=now, used_from=peer)
                )
        return actor

    def tokens(self, actor: Actor) -> list[TokenView]:
        """Return all machine tokens, newest first; never their secrets."""
        actor.require(Permission.TOKENS_MANAGE)
        with self.database.reading() as session:
            found = session.execute(
                sa.select(MachineToken, Account)
                .outerjoin(Account, Account.id == MachineToken.owner_id)
                .order_by(MachineToken.created_at.desc(), MachineToken.id)
            ).all()
            return [self._view(row, owner) for row, owner in found]

    def revoke_token(self, actor: Actor, number: str) -> None:
        """Let a token be refused from now on; raises NotFound."""
        actor.require(Permission.TOKENS_MANAGE)
        with self.database.transaction() as session:
            row = self._token(session, number)
            row.revoked_at = row.revoked_at or self.clock.now()
            audit.record(session, self.clock, actor, "token.revoked", subject=f"token:{row.id}", label=row.label)

    def _token(self, session: Session, number: str) -> MachineToken:
        row = session.get(MachineToken, number)
        if row is None:
            msg = f"no such token: {number[:32]!r}"
            raise NotFound(msg)
        return row

    def _granted(self, row: MachineToken, owner: Account | None) -> frozenset[Permission]:
        known = {permission.value for permission in Permission}
        granted = frozenset(Permission(text) for text in _split(row.permissions) if text in known)
        return granted if owner is None else granted & self._actor(owner).permissions

    def _active(self, row: MachineToken, owner: Account | None, now: datetime) -> bool:
        closed = owner is not None and owner.disabled_at is not None
        return row.revoked_at is None and now < row.expires_at and not closed

    def _view(self, row: MachineToken, owner: Account | None) -> TokenView:
        return TokenView(
            id=row.id,
            label=row.label,
            owner=owner.name if owner else None,
            permissions=self._granted(row, owner),
            networks=_split(row.networks),
            created_at=row.created_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
            used_from=row.used_from,
            revoked_at=row.revoked_at,
            active=self._active(row, owner, self.clock.now()),
        )


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split(",")) if text else ()


def _networks(texts: Iterable[str]) -> tuple[str, ...]:
    try:
        return tuple(str(ip_network(text.strip(), strict=False)) for text in texts)
    except ValueError as error:
        raise AccountFault(marked("Not a network in CIDR notation: %(cause)s"), cause=str(error)) from error
