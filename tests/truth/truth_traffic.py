"""What devices do on the Internet, how the sites' NATs hand public ports out, and what is logged of it."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import truth_lines as say
from truth_people import Life, mac_of
from truth_world import HOUR, MINUTE, SECOND, Book, Conn, Presence, Stay

if TYPE_CHECKING:
    from random import Random

NATS = {"merkez": "fw-merkez", "kultur": "fw-kultur", "kutuphane": "rt-kutuphane", "spor": "fw-spor"}
PUBLIC = {
    "fw-merkez": "198.51.100.10", "fw-kultur": "198.51.100.40", "rt-kutuphane": "192.0.2.33", "fw-spor": "192.0.2.65",
}  # fmt: skip
PROXY_IP = "10.20.30.5"
DMZ_PROXY = "198.51.100.20"
_TARGET_PORTS = (443, 443, 443, 80, 8443, 5223)


@dataclass(slots=True)
class _Ports:
    """A NAT's public ports. Shared: a port may serve several targets at once; else it belongs to one inner port."""

    rng: Random
    first: int
    count: int
    exclusive: bool
    linger: int
    freed: list[int] = field(default_factory=list)
    closing: list[tuple[int, int, tuple[int, str, str, int]]] = field(default_factory=list)
    held: dict[tuple[int, str, str, int], int] = field(default_factory=dict)
    last: dict[tuple[str, int], int] = field(default_factory=dict)

    def take(self, conn: Conn) -> int:
        """Return a port for a connection; callers come in the order of opening."""
        while self.closing and self.closing[0][0] < conn.opened:
            _, _, key = heapq.heappop(self.closing)
            self.freed.append(key[0])
        target = ("", 0) if self.exclusive else (conn.target_ip, conn.target_port)
        for turn in range(4000):
            if turn == 0 and target in self.last and self.rng.random() < 0.3:
                port = self.last[target]  # the same port to the same target again, for somebody else
            elif self.freed and turn < 6 and self.rng.random() < 0.6:
                port = self.freed.pop()
            else:
                port = self.first + self.rng.randrange(self.count)
            key = (port, conn.transport, *target)
            if self.held.get(key, 0) < conn.opened:
                end = conn.ended + self.linger
                self.held[key] = end
                self.last[target] = port
                heapq.heappush(self.closing, (end, self.rng.randrange(1 << 30), key))
                return port
        raise AssertionError("the NAT of the simulation has too few ports")


def _target(rng: Random) -> tuple[str, int]:
    if rng.random() < 0.5:
        number = rng.randrange(12)
        return f"203.0.113.{10 + number}", 443
    return f"203.0.113.{30 + rng.randrange(220)}", rng.choice(_TARGET_PORTS)


def _took(rng: Random) -> int:
    kind = rng.random()
    if kind < 0.65:
        return rng.randrange(200, 20 * SECOND)
    if kind < 0.88:
        return rng.randrange(20 * SECOND, 5 * MINUTE)
    return rng.randrange(5 * MINUTE, 90 * MINUTE)


def _conns(rng: Random, presence: Presence, every: int) -> list[Conn]:
    stay, conns = presence.stay, []
    at = presence.start + rng.randrange(SECOND, 40 * SECOND)
    while at < presence.end:
        took = _took(rng)
        if at + took > presence.end and rng.random() < 0.5:
            took = max(200, presence.end - at)
        target = _target(rng)
        stay.next_port = 49152 + (stay.next_port - 49151) % 16000
        transport = "udp" if rng.random() < 0.15 else "tcp"
        conn = Conn(
            NATS[stay.site], presence, presence.person, stay.ip, stay.next_port, stay.mac, transport, *target,
            at, at + took,
        )  # fmt: skip
        conns.append(conn)
        at += int(rng.expovariate(1.0) * every) + 50
    return conns


def _proxied(life: Life, conn: Conn, ports: dict[str, int], *, dmz: bool) -> Conn:
    """Turn a connection into one through the proxy: the client's request is a part of the proxy's own connection."""
    own = DMZ_PROXY if dmz else PROXY_IP
    ports[own] = 30000 + (ports.get(own, 30000) - 29999) % 30000
    start, end = conn.opened, min(conn.closed, conn.opened + 4 * MINUTE)
    presence = conn.presence
    user = presence.person.name if presence.person is not None and life.rng.random() < 0.5 else None
    told = {
        "took": end - start, "inner_ip": conn.inner_ip, "inner_port": conn.inner_port, "target_ip": conn.target_ip,
        "user": user, "own_ip": own, "own_port": ports[own],
    }  # fmt: skip
    line = life.book.write("squid", end, lambda d: say.squid(d, told))
    through = Conn(
        "squid" if dmz else conn.nat, presence, conn.person, own, ports[own], mac_of("proxy-1", random=False), "tcp",
        conn.target_ip, 80, start + 20, end + (0 if dmz else life.rng.randrange(100, 2 * SECOND)),
    )  # fmt: skip
    through.client, through.told = (start, end), line
    through.tags |= {"proxy", *(("proxy_named",) if user else ())}
    if dmz:
        through.public_ip, through.public_port = own, ports[own]
        through.lines.append((end, line))
    return through


def _ride(life: Life, first: Conn, others: list[Presence]) -> Conn | None:
    """Let another client's request use the proxy's open connection, as persistent connections do."""
    assert first.client is not None
    start = first.client[1] + life.rng.randrange(1, 9) * SECOND
    end = start + life.rng.randrange(2, 20) * SECOND
    there = [p for p in others if p.start + MINUTE < start and end < p.end - MINUTE and p.person is not first.person]
    if not there or end + 3 * SECOND > life.day(life.days):
        return None
    presence = life.rng.choice(there)
    presence.stay.next_port = 49152 + (presence.stay.next_port - 49151) % 16000
    told = {
        "took": end - start, "inner_ip": presence.stay.ip, "inner_port": presence.stay.next_port,
        "target_ip": first.target_ip, "user": None, "own_ip": first.inner_ip, "own_port": first.inner_port,
    }  # fmt: skip
    rider = Conn(
        first.nat, presence, presence.person, first.inner_ip, first.inner_port, first.mac, "tcp", first.target_ip, 80,
        start, end + 500,
    )  # fmt: skip
    rider.client, rider.told = (start, end), life.book.write("squid", end, lambda d: say.squid(d, told))
    rider.tags |= {"proxy", "rides"}
    first.closed, first.rider = first.client[1], rider
    return rider


def _squatters(life: Life) -> list[Presence]:
    """Devices that nobody gave an address: they use one whose lease still runs although its holder has gone."""
    found = []
    for stay in [s for s in life.stays if s.site == "merkez" and s.net == "lan" and s.dhcp and not s.release]:
        if life.rng.random() < 0.15 and stay.presences[0].mode == "fsso":
            start = stay.end + 20 * SECOND
            mac = mac_of(f"yabanci{stay.start}", random=True)
            alien = Stay("merkez", "squat", mac, "", start, start + 6 * MINUTE, release=False, dhcp=None, ip=stay.ip)
            alien.presences.append(Presence(None, "none", None, start, start + 6 * MINUTE, alien))
            life.stays.append(alien)
            found.append(alien.presences[0])
    return found


def traffic(life: Life, every: int) -> list[Conn]:
    """Return all connections with their lines written; `every` is the mean pause of one person in milliseconds."""
    rng = life.rng
    conns: list[Conn] = []
    own_ports: dict[str, int] = {}
    presences = [presence for stay in life.stays for presence in stay.presences] + _squatters(life)
    browsers = [p for p in presences if p.mode == "fsso"]
    for presence in presences:
        pause = {"static": 12 * MINUTE, "multi": 4 * MINUTE, "none": 25 * MINUTE}.get(presence.mode, every)
        if presence.stay.net in {"squat", "guest"}:
            pause = min(pause, every)
        for conn in _conns(rng, presence, pause):
            if presence.mode == "multi":
                if not 8 <= (conn.opened // HOUR + 3) % 24 < 18:
                    continue
                conn.person = rng.choice(life.folk.staff)
            browses = presence.stay.net == "lan" and presence.mode == "fsso" and conn.closed <= presence.end
            through = browses and rng.random() < 0.25
            one = _proxied(life, conn, own_ports, dmz=rng.random() < 0.3) if through else conn
            if one.closed < life.day(life.days):
                conns.append(one)
                rider = (
                    _ride(life, one, browsers)
                    if one.told is not None and one.nat != "squid" and (rng.random() < 0.2)
                    else None
                )
                conns += [rider] if rider is not None else []
    _beats(life, conns)
    conns.sort(key=lambda c: (c.opened, c.nat, c.inner_ip, c.inner_port))
    count = max(240, len(conns) // max(1, life.days) // 40)
    numbers = {
        nat: _Ports(
            rng,
            20000,
            count * (4 if nat == "rt-kutuphane" else 1),
            nat == "fw-kultur",
            30 * SECOND if nat == "fw-kultur" else SECOND,
        )
        for nat in PUBLIC
    }
    for number, conn in enumerate(conns):
        if conn.nat != "squid" and "rides" not in conn.tags:
            conn.public_ip, conn.public_port = PUBLIC[conn.nat], numbers[conn.nat].take(conn)
            _LOGS[conn.nat](life, conn, number + 1000)
            if conn.rider is not None:
                conn.rider.public_ip, conn.rider.public_port = conn.public_ip, conn.public_port
                conn.rider.lines = conn.lines
    return conns


def _beats(life: Life, conns: list[Conn]) -> None:
    """Let a server of each site ask for the time every 50 seconds, so that no firewall is ever quiet."""
    for stay in [s for s in life.stays if s.net == "static" and s.host.startswith("sunucu0")]:
        for at in range(life.day(0) + 5 * SECOND, life.day(life.days) - MINUTE, 50 * SECOND):
            stay.next_port = 49152 + (stay.next_port - 49151) % 16000
            conns.append(
                Conn(
                    NATS[stay.site], stay.presences[0], stay.presences[0].person, stay.ip, stay.next_port, stay.mac,
                    "udp", "203.0.113.250", 123, at, at + 300,
                )
            )  # fmt: skip
    _proxy_beats(life, conns)


def _proxy_beats(life: Life, conns: list[Conn]) -> None:
    """Let a server fetch through the proxy every two minutes, so that the proxy is never quiet either."""
    server = next(s for s in life.stays if s.host == "sunucu1-merkez")
    for turn, at in enumerate(range(life.day(0) + 11 * SECOND, life.day(life.days) - MINUTE, 2 * MINUTE)):
        server.next_port = 49152 + (server.next_port - 49151) % 16000
        told = {
            "took": 400, "inner_ip": server.ip, "inner_port": server.next_port, "target_ip": "203.0.113.251",
            "user": None, "own_ip": DMZ_PROXY, "own_port": 61000 + turn % 3000,
        }  # fmt: skip
        line = life.book.write("squid", at + 400, lambda d, told=told: say.squid(d, told))
        conn = Conn(
            "squid", server.presences[0], server.presences[0].person, DMZ_PROXY, 61000 + turn % 3000, server.mac,
            "tcp", "203.0.113.251", 80, at, at + 400, DMZ_PROXY, 61000 + turn % 3000, [(at + 400, line)],
        )  # fmt: skip
        conn.client, conn.told = (at, at + 400), line
        conns.append(conn)


def _flat(conn: Conn, **more: Any) -> dict[str, Any]:
    return {
        "inner_ip": conn.inner_ip, "inner_port": conn.inner_port, "target_ip": conn.target_ip, "mac": conn.mac,
        "target_port": conn.target_port, "public_ip": conn.public_ip, "public_port": conn.public_port,
        "transport": conn.transport, **more,
    }  # fmt: skip


def _write(book: Book, conn: Conn, at: int, text: Any) -> None:
    conn.lines.append((at, book.write(conn.nat, at, text)))


def _fortigate(life: Life, conn: Conn, number: int) -> None:
    named = conn.presence.named_by_firewall and conn.client is None
    user = conn.person.name.upper() if named and conn.person is not None else None
    if named:
        conn.tags.add("firewall_named")
    seen = conn.opened + 2 * MINUTE
    while seen < conn.ended - MINUTE:
        f = _flat(conn, ended=False, session=number, duration=seen - conn.opened, user=user)
        _write(life.book, conn, seen, lambda d, f=f: say.fortigate_session(d, f))
        seen += 2 * MINUTE
    f = _flat(conn, ended=True, session=number, duration=conn.ended - conn.opened, user=user)
    _write(life.book, conn, conn.ended, lambda d: say.fortigate_session(d, f))


def _asa(life: Life, conn: Conn, number: int) -> None:
    f, took, gone = _flat(conn), conn.closed - conn.opened, conn.closed + 25 * SECOND
    _write(life.book, conn, conn.opened, lambda d: say.asa_translation(d, f, None))
    _write(life.book, conn, conn.opened, lambda d: say.asa_built(d, number, f))
    _write(life.book, conn, conn.closed, lambda d: say.asa_teardown(d, number, took, f))
    _write(life.book, conn, gone, lambda d: say.asa_translation(d, f, gone - conn.opened))


def _mikrotik(life: Life, conn: Conn, number: int) -> None:
    rng, f, at = life.rng, _flat(conn), conn.opened
    if rng.random() < 0.2:
        conn.tags.add("first_packet_without_nat")
        _write(life.book, conn, at, lambda d: say.mikrotik_packet(d, "new", "SYN", f))
        at = min(conn.closed, at + 60)
        _write(life.book, conn, at, lambda d: say.mikrotik_packet(d, "established,snat", "ACK", f))
    else:
        _write(life.book, conn, at, lambda d: say.mikrotik_packet(d, "new,snat", "SYN", f))
    at += rng.randrange(200, 90 * SECOND)
    while at < conn.closed - SECOND:
        _write(life.book, conn, at, lambda d: say.mikrotik_packet(d, "established,snat", "ACK,PSH", f))
        at += rng.randrange(2 * SECOND, 6 * MINUTE)
    _write(life.book, conn, conn.closed, lambda d: say.mikrotik_packet(d, "established,snat", "ACK,FIN", f))


def _pfsense(life: Life, conn: Conn, number: int) -> None:
    f = _flat(conn)
    _write(life.book, conn, conn.opened, lambda d: say.filterlog(d, f))


_LOGS = {"fw-merkez": _fortigate, "fw-kultur": _asa, "rt-kutuphane": _mikrotik, "fw-spor": _pfsense}
