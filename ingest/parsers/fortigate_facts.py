"""What FortiGate's lines tell about intervals: the word in `some.fact`, layout by layout from columns already made.

Message numbers and actions: FortiOS Log Message Reference 6.0 to 7.6 (traffic; event/user; event/vpn; event/system).
A login without a user or without an address tells nobody's interval, so it has no word; nor has a refused session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ingest.fact_words import FactWord, LoginMethod

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.parsers.lines import Columns

REFUSING: Final = frozenset({"deny", "denied", "block", "blocked", "dropped", "drop", "reset", "discard"})
NOT_YET_ENDED: Final = frozenset({20, 21})  # LOG_ID_TRAFFIC_STAT, LOG_ID_TRAFFIC_SNIFFER_STAT
JUST_STARTED: Final = frozenset({4, 15, 16})  # OTHER_START, START_FORWARD, START_LOCAL
_SNIFFER: Final = "sniffer"  # a copy of somebody else's traffic: it is that device that translates

_TUNNELS = {
    "tunnel-up": FactWord.LOGIN,
    "tunnel-stats": FactWord.LOGIN_SEEN,
    "tunnel-down": FactWord.LOGOUT,
}
_LEASES = {
    "dhcpack": FactWord.LEASE_GRANTED,
    "dhcprelease": FactWord.LEASE_ENDED,
    "dhcpdecline": FactWord.LEASE_ENDED,
    "dhcpexpire": FactWord.LEASE_ENDED,
}
_SIGNED_IN = ("-logon", "-login")
_SIGNED_OUT = ("-logoff", "-logout")
_METHODS = {"fsso": LoginMethod.FSSO, "rsso": LoginMethod.RADIUS}
_AUTHENTICATION = {"success": FactWord.LOGIN, "timed_out": FactWord.LOGOUT, "timeout": FactWord.LOGOUT}


def session(columns: Columns, message: int, subtype: str, disposition: str | None, *, refusals: bool) -> None:
    """Fill in the word of traffic lines of one layout.

    `refusals` tells whether any of them may be refused; `disposition` is `trandisp`, what was translated: where it
    does not say `snat`, what else stands in the line is no public side.
    """
    if subtype == _SNIFFER:
        return
    word = FactWord.SESSION
    if message in NOT_YET_ENDED:
        word = FactWord.SESSION_SEEN
    elif message in JUST_STARTED:
        word = FactWord.SESSION_OPENED
    count = len(columns["event.module"])
    words: list[str | None] = [word.value] * count
    if refusals:
        words = [None if action in REFUSING else word.value for action in columns["event.action"]]
    columns["some.fact"] = words
    if disposition is not None and "snat" not in disposition:
        for name in ("source.nat.ip", "source.nat.port"):
            if name in columns:
                columns[name] = [
                    value if told is None else None for told, value in zip(words, columns[name], strict=True)
                ]


def lease(columns: Columns) -> None:
    """Fill in the word of what the DHCP server says."""
    words = [_LEASES.get(action) for action in columns["event.action"]]
    columns["some.fact"] = [None if word is None else word.value for word in words]


def tunnel(columns: Columns) -> None:
    """Fill in words of tunnels; the outer address is then the source, as it is the person who called in.

    Without an address that was assigned (site to site, web mode) nobody's interval is told.
    """
    count = len(columns["event.module"])
    absent: list[None] = [None] * count
    words = [_TUNNELS.get((action or "").lower()) for action in columns.get("event.action", absent)]
    users, assigned = columns.get("user.name", absent), columns.get("some.assigned.ip", absent)
    told = [
        word if word is not None and user is not None and address is not None else None
        for word, user, address in zip(words, users, assigned, strict=True)
    ]
    _logins(columns, told, [LoginMethod.VPN if word else None for word in told])
    outer = columns.get("destination.ip")
    if outer is not None and any(told):
        inner = columns.get("source.ip", absent)
        columns["source.ip"] = [out if word else own for word, out, own in zip(told, outer, inner, strict=True)]
        columns["destination.ip"] = [own if word else out for word, out, own in zip(told, outer, inner, strict=True)]


def sign_in(columns: Columns, statuses: Sequence[str] | None) -> None:
    """Fill in words of the firewall's own sign-ins and of those that a directory's agent told it."""
    count = len(columns["event.module"])
    absent: list[None] = [None] * count
    users, addresses = columns.get("user.name", absent), columns.get("source.ip", absent)
    found = [
        _sign_in((action or "").lower(), status.lower()) if user is not None and address is not None else (None, None)
        for action, status, user, address in zip(
            columns.get("event.action", absent), statuses or [""] * count, users, addresses, strict=True
        )
    ]
    _logins(columns, [word for word, _ in found], [method for _, method in found])


def _sign_in(action: str, status: str) -> tuple[FactWord | None, LoginMethod | None]:
    if "fail" in status or "error" in status:
        return None, None
    method = _METHODS.get(action.partition("-")[0], LoginMethod.FIREWALL)
    if action.endswith(_SIGNED_IN):
        return FactWord.LOGIN, method
    if action.endswith(_SIGNED_OUT):
        return FactWord.LOGOUT, method
    word = _AUTHENTICATION.get(status) if action == "authentication" else None
    return word, None if word is None else method


def _logins(columns: Columns, words: Sequence[FactWord | None], methods: Sequence[LoginMethod | None]) -> None:
    if any(words):
        columns["some.fact"] = [None if word is None else word.value for word in words]
        columns["some.login.method"] = [None if method is None else method.value for method in methods]
