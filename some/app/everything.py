"""`some up`: everything on one machine, and the words that a first start needs."""

from __future__ import annotations

import signal
import socket
import sys
from typing import TYPE_CHECKING

from some.actor import local_actor
from some.app import elastic, wiring
from some.app.supervisor import Part, Supervisor
from some.errors import Unavailable
from some.wording import Calendar, Translator, translator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from some.app.accounts.outcomes import IssuedLink
    from some.app.site import Site

FOLLOWER_NICENESS = 5
"""The index may lag; reception may not."""


def run(site: Site) -> int:
    """Run all parts until SIGTERM or Ctrl-C; return the exit code. Raises Unavailable where they run already."""
    if wiring.archive_is_owned(site):
        raise Unavailable(f"{site.folder}: the platform is running here already (some status tells more)")
    words = _first_words(site, translator(site.settings.language))
    supervisor = Supervisor(parts(site), site.clock)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stop())
    return supervisor.run(ready=lambda: _answers(site), announce=lambda: _say(words))


def parts(site: Site) -> Sequence[Part]:
    """Return what `up` runs; the first one is stopped last."""
    shared = ("--data", str(site.folder), *(("--config", str(site.config)) if site.config else ()))
    behind = [Part("index", ("work", "--only", "index", *shared), niceness=FOLLOWER_NICENESS)]
    if elastic.configured(site):
        behind.append(Part("elastic", ("work", "--only", "elastic", *shared), niceness=FOLLOWER_NICENESS))
    return (
        Part("collect", ("collect", *shared)),
        *behind,
        Part("jobs", ("work", "--only", "jobs", *shared)),
        Part("web", ("web", *shared)),
    )


def _first_words(site: Site, _: Translator) -> list[str]:
    """Return what a person reads once the parts answer; makes the database and, where needed, the set-up link."""
    words = [_("The platform is running: %(address)s", address=f"http://{wiring.web_place(site)}")]
    link = _setup_link(site)
    if link is not None:
        until = Calendar(site.settings.language, site.zone).hour(link.expires_at)
        words += [
            _("Make the first administrator here (once, until %(time)s):", time=until),
            f"    {wiring.link_address(site, link.secret)}",
        ]
    tcp, udp = site.settings.collect.syslog_tcp, site.settings.collect.syslog_udp
    if tcp.enabled or udp.enabled:
        port, flag = (tcp.port, "-T") if tcp.enabled else (udp.port, "-d")
        words += [_("Send a first record:"), f'    logger -n 127.0.0.1 -P {port} {flag} "SOME ilk kayıt"']
    if not site.settings.tsa.url:
        words.append(_("No time-stamping authority is configured: seals are signed, not time-stamped."))
    words.append(_("Ctrl-C stops in order."))
    return words


def _setup_link(site: Site) -> IssuedLink | None:
    with wiring.database(site) as database:
        desk = wiring.accounts(site, database)
        return desk.issue_setup_link(local_actor()) if desk.setup_open() else None


def _answers(site: Site) -> bool:
    """Say whether collectors and pages listen."""
    host, port = site.settings.web.host, site.settings.web.port
    if not (site.run / "collectors.json").exists():
        return False
    try:
        socket.create_connection((host if host not in {"0.0.0.0", "::"} else "127.0.0.1", port), 0.2).close()  # noqa: S104 - compared, not bound
    except OSError:
        return False
    return True


def _say(words: list[str]) -> None:
    sys.stdout.write("\n" + "\n".join(words) + "\n\n")
    sys.stdout.flush()
