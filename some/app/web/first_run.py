"""What an empty archive says: one command that makes the first record, where we listen, when the first seal is due."""

from __future__ import annotations

from typing import TYPE_CHECKING

from some.app.web.record_pages import Command, FirstRun

if TYPE_CHECKING:
    from some.app.web.call import Call
    from some.app.web.ports import ArchiveStatus, Listener

_ANY = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared with, not listened on


def told(call: Call, status: ArchiveStatus) -> FirstRun:
    """Return the empty state's words; the command names the listener that really listens."""
    listeners = call.edge.ports.settings.listeners
    chosen = next((one for one in listeners if one.protocol == "tcp"), next(iter(listeners), None))
    names = ", ".join(f"{one.port}/{one.protocol}" for one in listeners)
    if status.next_seal_at is not None:
        seal = call._("First seal at {time}.").format(time=call.display.clock(status.next_seal_at))
    else:
        seal = call._("The first seal follows.")
    return FirstRun(
        command=_command(chosen, call.host, call._("SOME first record")) if chosen else None,
        listening=call._("listening on {names} · 0 lines came").format(names=names)
        if names
        else call._("no listener is switched on (settings collect.syslog_udp, collect.syslog_tcp)"),
        first_seal=seal,
        tsa=status.tsa is not None,
    )


def _command(listener: Listener, reached_as: str, text: str) -> Command:
    host = reached_as.replace("localhost", "127.0.0.1") if listener.host in _ANY else listener.host
    way = "-d" if listener.protocol == "udp" else "-T"
    return Command("logger", f"-n {host} -P {listener.port} {way} --rfc5424", f'"{text}"')
