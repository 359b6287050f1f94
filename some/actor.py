"""Who acts, and what he may.

Permissions are constants of the code: one for each family of verbs and routes. Roles are data (`config/roles.yaml`).
Whatever changes or shows something takes an `Actor` and asks `require` first.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from some.errors import NotPermitted

_NO_LOGIN = 4294967295


class Permission(StrEnum):
    """One for each family of verbs and routes; the comment says what it opens."""

    SELF_MANAGE = "self.manage"  # one's own password, second factor and sessions
    STATUS_READ = "status.read"  # counters, lag, health
    SOURCES_READ = "sources.read"  # capability of sources, silence, clock offset
    SOURCES_MANAGE = "sources.manage"  # declare and change sources, sites and the register
    RECORDS_SEARCH = "records.search"  # search and read records (class audit apart)
    RECORDS_READ_AUDIT = "records.read_audit"  # records of class audit, and the audit text in the database
    RECORDS_EXPORT = "records.export"  # bundles and files that leave the platform
    RECORDS_APPEND = "records.append"  # offline import
    RECORDS_UNMASK = "records.unmask"  # show personal data that pages mask; asks why, and is audited
    ATTRIBUTION_ASK = "attribution.ask"  # who used this address and port at this time
    INDEX_REBUILD = "index.rebuild"  # make the index anew, compare engines
    SEALS_READ = "seals.read"  # manifests, seals, tokens, proofs
    SEALS_MAKE = "seals.make"  # close and commit now, stamp what waits
    SEALS_VERIFY = "seals.verify"  # check everything again
    RETENTION_READ = "retention.read"  # what is kept how long, what would be destroyed
    RETENTION_HOLD = "retention.hold"  # set and release a legal hold
    RETENTION_DISPOSE = "retention.dispose"  # lawful destruction
    INCIDENTS_READ = "incidents.read"  # signals, incidents, timelines, clocks
    INCIDENTS_WORK = "incidents.work"  # triage, classify, note, assign
    INCIDENTS_CLOSE = "incidents.close"  # the closing gate
    EVIDENCE_READ = "evidence.read"  # evidence and custody
    EVIDENCE_KEEP = "evidence.keep"  # take in, hand over, return
    FILINGS_READ = "filings.read"  # submissions to authorities and their receipts
    FILINGS_SEND = "filings.send"  # submit and settle
    PLAYBOOKS_READ = "playbooks.read"  # playbooks and runs
    PLAYBOOKS_RUN = "playbooks.run"  # start runs, do steps
    PLAYBOOKS_APPROVE = "playbooks.approve"  # approve playbooks and gated steps
    USOM_READ = "usom.read"  # indicators, advisories, notices, matches
    USOM_SYNC = "usom.sync"  # fetch now, import offline
    USOM_EXPORT = "usom.export"  # block lists
    GOVERNANCE_READ = "governance.read"  # duties, policies, exercises, findings
    GOVERNANCE_WORK = "governance.work"  # keep the registers
    GOVERNANCE_APPROVE = "governance.approve"  # approve policies and forms
    REPORTS_READ = "reports.read"  # published reports
    REPORTS_MAKE = "reports.make"  # draw up reports
    ACCOUNTS_MANAGE = "accounts.manage"  # accounts, roles, locks, other people's sessions
    TOKENS_MANAGE = "tokens.manage"  # machine tokens
    SETTINGS_READ = "settings.read"  # settings without secrets
    SETTINGS_CHANGE = "settings.change"  # site files and secrets


class ActorKind(StrEnum):
    """Where an actor's authority comes from."""

    ACCOUNT = "account"
    TOKEN = "token"  # noqa: S105 - a word, not a secret
    OS = "os"
    SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Actor:
    """Someone who acts: `id` is stable and printable (`account:…`, `token:…`, `os:…`, `system:…`), `name` is spoken."""

    id: str
    name: str
    kind: ActorKind
    roles: frozenset[str] = frozenset()
    permissions: frozenset[Permission] = frozenset()

    def may(self, permission: Permission) -> bool:
        """Say whether the actor holds `permission`; for showing, never instead of `require`."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Return if the actor holds `permission`; raises NotPermitted."""
        if permission not in self.permissions:
            msg = f"{self.id} lacks the permission {permission.value}"
            raise NotPermitted(msg)


def local_actor() -> Actor:
    """Return who sits at this command line: `os:<login>`.

    Access to the data directory is his authority, so he may everything. The login is the audit login of the kernel
    (`/proc/self/loginuid`, which `sudo` and `su` do not change), else the owner of this process; never the environment.
    """
    uid = os.getuid()
    try:
        at_login = int(Path("/proc/self/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        at_login = _NO_LOGIN
    if at_login != _NO_LOGIN:
        uid = at_login
    try:
        login = pwd.getpwuid(uid).pw_name
    except KeyError:
        login = str(uid)
    return Actor(f"os:{login}", login, ActorKind.OS, frozenset(), frozenset(Permission))


def system_actor(room: str, *permissions: Permission) -> Actor:
    """Return the platform itself acting in `room` (e.g. `sealing`), with no more than the named permissions."""
    return Actor(f"system:{room}", room, ActorKind.SYSTEM, frozenset(), frozenset(permissions))
