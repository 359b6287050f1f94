"""`some user`: accounts from the command line, as whoever may read the data directory."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from some.actor import local_actor
from some.app import wiring

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from some.app.accounts.desk import AccountsDesk
    from some.app.site import Site


@contextmanager
def _desk(site: Site) -> Iterator[AccountsDesk]:
    """Yield the desk, and witness in the archive what was done at it."""
    with wiring.database(site) as database:
        yield wiring.accounts(site, database)
        wiring.witness(site, database)


def listed(site: Site) -> list[dict[str, Any]]:
    """Return all accounts by name."""
    with wiring.database(site) as database:
        return [
            {
                "name": one.name,
                "display_name": one.display_name,
                "roles": sorted(one.roles),
                "disabled": not one.enabled,
                "second_factor": one.second_factor,
            }
            for one in wiring.accounts(site, database).accounts(local_actor())
        ]


def add(site: Site, name: str, display_name: str, roles: Sequence[str], password: str) -> None:
    """Make an account with a first password."""
    with _desk(site) as desk:
        desk.create_account(
            local_actor(), name=name, display_name=display_name, roles=roles, password=password, reason="command line"
        )


def set_roles(site: Site, name: str, roles: Sequence[str]) -> None:
    """Replace an account's roles."""
    with _desk(site) as desk:
        desk.set_roles(local_actor(), name, roles, reason="command line")


def set_disabled(site: Site, name: str, *, disabled: bool) -> None:
    """Disable or enable an account."""
    with _desk(site) as desk:
        (desk.disable if disabled else desk.enable)(local_actor(), name)


def reset(site: Site, name: str) -> str:
    """Return a one-time link through which the person chooses a new password; the second factor is gone."""
    with _desk(site) as desk:
        return wiring.link_address(site, desk.reset_account(local_actor(), name).secret)


def setup_link(site: Site) -> str:
    """Return a new one-time set-up link; raises NotPermitted once an administrator exists."""
    with _desk(site) as desk:
        return wiring.link_address(site, desk.issue_setup_link(local_actor()).secret)
