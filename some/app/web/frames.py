"""What stands around every page: rail, archive state, what waits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from some.actor import Permission
from some.app.web.pages import Frame, RailEntry, RailGroup, Waiting
from some.app.web.ports import ArchiveHealth
from some.wording import marked

if TYPE_CHECKING:
    from some.app.web.call import Call, Guest
    from some.app.web.ports import ArchiveStatus


@dataclass(frozen=True, slots=True)
class Door:
    """A page that the rail leads to, for those who may enter."""

    section: str
    href: str
    icon: str
    name: str
    permission: Permission


RAIL: tuple[tuple[str, tuple[Door, ...]], ...] = (
    ("", (Door("today", "/", "home", marked("Today"), Permission.STATUS_READ),)),
    (
        marked("Record"),
        (
            Door("records", "/kayitlar", "list", marked("Records"), Permission.RECORDS_SEARCH),
            Door("who", "/kim-kullandi", "person", marked("Who used it?"), Permission.ATTRIBUTION_ASK),
            Door("seals", "/muhurler", "seal", marked("Seals"), Permission.SEALS_READ),
        ),
    ),
    (
        marked("Institution"),
        (Door("administration", "/yonetim", "sliders", marked("Administration"), Permission.ACCOUNTS_MANAGE),),
    ),
)
"""Only pages that exist, in the order of the rail; a later page adds its line here."""

_HEALTH = {
    ArchiveHealth.SOUND: (marked("Archive sound"), "own", "seal-stamped"),
    ArchiveHealth.EMPTY: (marked("Archive empty"), "plain", "seal-open"),
    ArchiveHealth.WAITING: (marked("Archive sound, stamps wait"), "filed", "seal-committed"),
    ArchiveHealth.BROKEN: (marked("Archive has findings"), "bad", "broken"),
    ArchiveHealth.AWAY: (marked("The archive process does not answer"), "bad", "warn"),
}


def health_text(call: Call, status: ArchiveStatus) -> str:
    """Return the archive's state in a few words."""
    return call._(_HEALTH[status.health][0])


def bare(seen: Guest, title: str) -> Frame:
    """Return the frame of pages before signing in."""
    settings = seen.edge.ports.settings
    return Frame(
        title=seen._(title),
        section="",
        language=seen.language,
        theme="system",
        institution=settings.institution,
        help_contact=settings.help_contact,
        form_token=seen.form_token,
    )


def framed(call: Call, title: str, section: str, status: ArchiveStatus | None = None) -> Frame:
    """Return the frame of a page; `status` is given where the page has asked for it already."""
    status = status or call.edge.ports.archive.status()
    settings = call.edge.ports.settings
    text, tone, icon = _HEALTH[status.health]
    head_label, head = _head(call, status)
    name = call.visitor.display_name
    return Frame(
        title=call._(title),
        section=section,
        language=call.language,
        theme=call.visitor.theme,
        institution=settings.institution,
        help_contact=settings.help_contact,
        form_token=call.form_token,
        visitor=call.visitor,
        initials="".join(part[0] for part in name.split()[:2]),
        rail=_rail(call, section, status),
        health_text=call._(text),
        health_tone=tone,
        health_icon=icon,
        head_label=head_label,
        head=head,
        waiting=_waiting(call, status),
        trial=status.trial,
    )


def _rail(call: Call, section: str, status: ArchiveStatus) -> list[RailGroup]:
    counts = {"seals": call.display.number(status.waiting_stamps) if status.waiting_stamps and status.tsa else ""}
    groups = []
    for caption, doors in RAIL:
        entries = [
            RailEntry(call._(door.name), door.href, door.icon, door.section == section, counts.get(door.section, ""))
            for door in doors
            if call.may(door.permission)
        ]
        if entries:
            groups.append(RailGroup(call._(caption) if caption else "", entries))
    return groups


def _head(call: Call, status: ArchiveStatus) -> tuple[str, str]:
    """Return the head's number, or when the first seal is due."""
    if status.head is not None:
        return call._("head"), f"#{call.display.number(status.head)}"
    if status.next_seal_at is not None:
        return call._("first seal"), call.display.clock(status.next_seal_at)
    return "", ""


def _waiting(call: Call, status: ArchiveStatus) -> Waiting | None:
    if not status.waiting_stamps or status.waiting_since is None or status.tsa is None:
        return None
    text = call._("{n} seals wait for a stamp").format(n=call.display.number(status.waiting_stamps))
    return Waiting(text, call.display.duration((call.now - status.waiting_since).total_seconds()))
