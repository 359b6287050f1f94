"""The accounts desk: one method for each use case, each with its audit entry in the same transaction.

The parts are `setup` (one-time links, new accounts), `sign_in` (the door and sessions), `people` (accounts that exist)
and `tokens` (machines); `open_desk` joins them to a data directory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from some.app.accounts.passwords import Passwords
from some.app.accounts.people import PeopleDesk
from some.app.accounts.second_factor import SecretBox
from some.app.accounts.tokens import TokenDesk

if TYPE_CHECKING:
    from pathlib import Path

    from some.app.accounts.roles import RoleBook
    from some.app.accounts.rules import AccountRules
    from some.clock import Clock
    from some.database import Database
    from some.durable import Disk

KEY_FILE = "accounts.key"


class AccountsDesk(PeopleDesk, TokenDesk):
    """All use cases on accounts, sessions and tokens; safe to share between threads."""


def open_desk(
    database: Database, clock: Clock, roles: RoleBook, *, keys: Path, disk: Disk, rules: AccountRules | None = None
) -> AccountsDesk:
    """Return the desk on `database`; `keys` is the folder of the data directory's secrets (DATA/keys)."""
    box = SecretBox.at(keys / KEY_FILE, disk)
    return AccountsDesk(database, clock, roles, passwords=Passwords(), box=box, rules=rules)
