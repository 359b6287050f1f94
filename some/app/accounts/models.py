"""The tables of accounts. Secrets stand here as digests only; TOTP secrets are sealed (see `second_factor`)."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - SQLAlchemy reads the annotations of a table when the program runs

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from some.database import Model


class Account(Model):
    """A person. Accounts are disabled, never deleted: audit entries point at them for ever."""

    __tablename__ = "account"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    display_name: Mapped[str]
    password: Mapped[str | None]
    totp: Mapped[str | None]
    totp_pending: Mapped[str | None]
    totp_step: Mapped[int] = mapped_column(sa.BigInteger(), default=0)
    created_at: Mapped[datetime]
    password_at: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]
    signed_in_at: Mapped[datetime | None]
    preferences: Mapped[str] = mapped_column(default="{}")
    roles: Mapped[list[AccountRole]] = relationship(
        cascade="all, delete-orphan", lazy="selectin", order_by="AccountRole.role"
    )

    @property
    def role_names(self) -> frozenset[str]:
        """The roles and duties given to this account."""
        return frozenset(row.role for row in self.roles)


class AccountRole(Model):
    """One role or duty of one account."""

    __tablename__ = "account_role"

    account_id: Mapped[str] = mapped_column(sa.ForeignKey("account.id"), primary_key=True)
    role: Mapped[str] = mapped_column(primary_key=True)


class RecoveryCode(Model):
    """One of the codes that stand in for a lost authenticator, once."""

    __tablename__ = "account_recovery_code"

    id: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("account.id"), index=True)
    digest: Mapped[str]
    used_at: Mapped[datetime | None]


class SignInSession(Model):
    """A browser that signed in, or is half-way: `half` sessions passed the password and still owe the code."""

    __tablename__ = "account_session"

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[str] = mapped_column(sa.ForeignKey("account.id"), index=True)
    half: Mapped[bool]
    created_at: Mapped[datetime]
    seen_at: Mapped[datetime]
    stepped_up_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    peer: Mapped[str]
    agent: Mapped[str]


class MachineToken(Model):
    """A program's credential; `permissions` and `networks` are comma-separated."""

    __tablename__ = "machine_token"

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str]
    label: Mapped[str]
    owner_id: Mapped[str | None] = mapped_column(sa.ForeignKey("account.id"), index=True)
    permissions: Mapped[str]
    networks: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    used_from: Mapped[str | None]
    revoked_at: Mapped[datetime | None]


class OneTimeLink(Model):
    """A link that works once: `setup` (the first administrator), `invitation`, `reset`; only its digest is kept."""

    __tablename__ = "account_link"

    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    purpose: Mapped[str]
    account_id: Mapped[str | None] = mapped_column(sa.ForeignKey("account.id"), index=True)
    totp_pending: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Brake(Model):
    """Failed attempts of one key (a name or a peer, as a digest where it is a name) and until when it must wait."""

    __tablename__ = "account_brake"

    key: Mapped[str] = mapped_column(primary_key=True)
    failures: Mapped[int]
    last_at: Mapped[datetime]
    until: Mapped[datetime | None]
