"""What a record says about an interval: the one word that a parser puts into `some.fact`.

Parsers know what a line of their format means, so they say it; whoever builds interval facts (`some.index.facts`) knows
no formats. A record without the word says nothing about an interval. The fields that count beside the word:

session.*      source.ip source.port source.nat.ip source.nat.port destination.ip destination.port network.transport;
               some.session.id (joins the records of one connection); event.start, event.end where told;
               source.mac, source.user.name where it tells them. A public port of 0 or an address of 0.0.0.0 is absent.
               `session.proxied` is a session whose public side is a proxy's own outgoing address and port.
translation.*  the same without a destination: the public port belongs to source.ip:source.port until it is closed
block.*        source.ip, source.nat.ip, some.nat.port_first, some.nat.port_last (inclusive)
lease.*        client.ip client.mac host.hostname, some.lease.duration (seconds; absent where the record does not say)
login*         the address: some.assigned.ip, else client.ip, else source.ip; the MAC: client.mac, else source.mac;
               user.name, else source.user.name; some.session.id; some.login.method; observer.ip (the NAS, for RADIUS)
restart        observer.ip or source alone: every login of that device has ended

The time of the word is @timestamp; event.start and event.end, where given, are the ends that the record itself tells.
"""

from __future__ import annotations

from enum import StrEnum


class FactWord(StrEnum):
    """What a record tells about an interval."""

    SESSION = "session"  # a whole connection: event.start to event.end
    SESSION_PROXIED = "session.proxied"  # the same, through a proxy
    SESSION_OPENED = "session.opened"
    SESSION_SEEN = "session.seen"  # alive at @timestamp; since event.start where that is given
    SESSION_CLOSED = "session.closed"
    TRANSLATION_OPENED = "translation.opened"
    TRANSLATION_CLOSED = "translation.closed"
    BLOCK_OPENED = "block.opened"
    BLOCK_CLOSED = "block.closed"
    LEASE_GRANTED = "lease.granted"  # also a renewal
    LEASE_ENDED = "lease.ended"  # released, expired, declined, deassigned
    LOGIN = "login"
    LOGIN_SEEN = "login.seen"  # interim accounting, a ticket renewed
    LOGOUT = "logout"
    RESTART = "restart"  # Accounting-On/Off, reboot: all logins of the device end


class LoginMethod(StrEnum):
    """How a person was recognised; goes into `some.login.method`."""

    PORTAL = "portal"  # captive portal, hotspot
    RADIUS = "radius"  # 802.1X or PPP accounting
    DIRECTORY = "directory"  # Active Directory, Kerberos, NTLM
    FSSO = "fsso"  # a firewall that was told by the directory
    FIREWALL = "firewall"  # the firewall's own sign-in
    VPN = "vpn"
