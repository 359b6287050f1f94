"""Who is where: stays of devices at addresses, people at devices, and the lines that leases and logins write."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import truth_lines as say
from truth_world import DAY, HOUR, MINUTE, SECOND, Book, Person, Presence, Span, Stay, start_of_simulation

if TYPE_CHECKING:
    from random import Random

LEASE_MS = 600 * SECOND
_OWN_CARD = frozenset({"wifi", "guest", "vpn"})  # a phone or another card: not the MAC of the wired one


@dataclass(slots=True)
class Folk:
    """The people, by what they are."""

    staff: list[Person]
    guests: list[Person]


@dataclass(slots=True)
class Life:
    """What is filled while the fortnight runs."""

    rng: Random
    book: Book
    days: int
    folk: Folk
    stays: list[Stay] = field(default_factory=list)
    sessions: int = 0

    def day(self, number: int) -> int:
        return start_of_simulation() + number * DAY

    def session(self) -> str:
        self.sessions += 1
        return f"{self.sessions:08X}"


def people(count: int) -> Folk:
    staff = []
    for number in range(count * 6 // 10):
        name = f"{('ayse', 'mehmet', 'zeynep', 'emre', 'elif', 'kaan')[number % 6]}.s{number}"
        staff.append(Person(name, "username", (name, name.upper(), f"BELEDIYE\\{name}", f"{name}@belediye.example")))
    guests = []
    for number in range(count - len(staff)):
        if number % 3 == 2:
            tckn = f"1{number:05d}00146"[:11].ljust(11, "2")
            guests.append(Person(tckn, "national_id", (tckn,)))
        else:
            digits = f"500{number:07d}"
            spelled = (f"90{digits}", f"0{digits}", f"+90{digits}", digits)
            guests.append(Person(f"+90{digits}", "phone", spelled))
    return Folk(staff, guests)


def mac_of(label: str, *, random: bool) -> str:
    """Return an invented MAC; `random` sets the locally administered bit, as phones do per network."""
    number = int.from_bytes(sha256(label.encode()).digest()[:3], "big")
    return f"{'DA' if random else '00'}-00-5E-{number >> 16:02X}-{number >> 8 & 255:02X}-{number & 255:02X}"


def _served(stays: list[Stay], pool: list[str]) -> list[Stay]:
    """Give addresses out, the one freed last first: so they change hands within minutes."""
    free, busy, served = list(reversed(pool)), [], []
    for number, stay in enumerate(sorted(stays, key=lambda s: (s.start, s.mac))):
        while busy and busy[0][0] <= stay.start:
            free.append(heapq.heappop(busy)[2])
        if not free:
            continue
        stay.ip = free.pop()
        held = stay.end + 2 * SECOND if stay.dhcp is None or stay.release else stay.end + LEASE_MS + 5 * SECOND
        heapq.heappush(busy, (held, number, stay.ip))
        served.append(stay)
    return served


def _lease_lines(life: Life, stay: Stay) -> None:
    book, at, first = life.book, stay.start, True
    source = stay.dhcp
    while source is not None and at < stay.end:
        if source == "dhcp-kultur":
            verb = "Assign" if first else "Renew"
            line = book.write(source, at, lambda d, v=verb: say.windows_dhcp(d, v, stay.ip, stay.mac, stay.host))
        elif source == "portal-spor":
            line = book.write(source, at, lambda d: say.pfsense_dhcpd(d, stay.ip, stay.mac, stay.host))
        elif source == "hs-kutuphane":
            line = book.write(source, at, lambda d: say.mikrotik_dhcp(d, stay.ip, stay.mac, stay.host, assigned=True))
        else:
            line = book.write(source, at, lambda d: say.dhcpd(d, "ACK", stay.ip, stay.mac, stay.host))
        stay.leases.append((at, line))
        if source == "hs-kutuphane":
            break
        first = False
        at += LEASE_MS // 2 + life.rng.randrange(4 * SECOND)
    if source == "hs-kutuphane":
        gone = stay.end if stay.release else stay.end + LEASE_MS
        book.write(source, gone, lambda d: say.mikrotik_dhcp(d, stay.ip, stay.mac, stay.host, assigned=False))
    elif stay.release and source == "dhcp-kultur":
        book.write(source, stay.end, lambda d: say.windows_dhcp(d, "Release", stay.ip, stay.mac, stay.host))
    elif stay.release and source == "dhcp-merkez":
        book.write(source, stay.end, lambda d: say.dhcpd(d, "RELEASE", stay.ip, stay.mac, stay.host))


def _presence(life: Life, stay: Stay, person: Person | None, mode: str, span: tuple[int, int]) -> Presence:
    source = {
        "fsso": "fw-merkez", "vpn": "fw-merkez", "directory": "dc-kultur", "radius_ip": "radius",
        "radius_mac": "radius", "hotspot": "hs-kutuphane", "portal": "portal-spor",
    }.get(mode)  # fmt: skip
    presence = Presence(person, mode, source, *span, stay)
    stay.presences.append(presence)
    if person is not None:
        user = life.rng.choice(person.spellings)
        writer = _WRITERS.get(mode)
        if writer is not None:
            writer(life, presence, user)
    return presence


def _mark(life: Life, presence: Presence, at: int, kind: str, text: Any) -> None:
    assert presence.source is not None
    presence.marks.append((at, kind, life.book.write(presence.source, at, text)))


def _bare(user: str) -> str:
    """Return a user name without its domain, as the firewall and the directory write it."""
    return user.rsplit("\\", maxsplit=1)[-1].split("@", maxsplit=1)[0]


def _fsso(life: Life, presence: Presence, user: str) -> None:
    ip, bare = presence.stay.ip, _bare(user)
    presence.named_by_firewall = life.rng.random() < 0.4
    _mark(life, presence, presence.start, "in", lambda d: say.fortigate_fsso(d, bare, ip, on=True))
    if life.rng.random() < 0.92:
        _mark(life, presence, presence.end, "out", lambda d: say.fortigate_fsso(d, bare, ip, on=False))


def _vpn(life: Life, presence: Presence, user: str) -> None:
    f = {
        "ip": presence.stay.ip, "user": _bare(user), "tunnel": 1000 + life.sessions,
        "remote": f"192.0.2.{128 + life.sessions % 100}", "duration": presence.end - presence.start,
    }  # fmt: skip
    life.sessions += 1
    _mark(life, presence, presence.start, "in", lambda d: say.fortigate_vpn(d, {**f, "up": True}))
    _mark(life, presence, presence.end, "out", lambda d: say.fortigate_vpn(d, {**f, "up": False}))


def _directory(life: Life, presence: Presence, user: str) -> None:
    rng, stay = life.rng, presence.stay
    bare = _bare(user)
    at, first = presence.start, True
    if rng.random() < 0.4:
        _at_the_desk(life, presence, bare)
    while at < presence.end:
        logon = f"0x{rng.randrange(1 << 28):x}"
        who = {
            "TargetUserName": bare, "TargetDomainName": "BELEDIYE", "IpAddress": f"::ffff:{stay.ip}",
            "IpPort": str(50000 + rng.randrange(9000)),
        }  # fmt: skip
        if first:
            more = {**who, "ServiceName": "krbtgt", "Status": "0x0", "PreAuthType": "2"}
            _mark(life, presence, at, "in", lambda d, m=more: say.windows_security(d, 4768, m))
        elif rng.random() < 0.6:
            more = {
                **who, "TargetUserName": f"{bare}@BELEDIYE.EXAMPLE", "ServiceName": "FS1$", "Status": "0x0",
            }  # fmt: skip
            _mark(life, presence, at, "seen", lambda d, m=more: say.windows_security(d, 4769, m))
        else:
            more = {
                **who, "LogonType": "3", "TargetLogonId": logon, "WorkstationName": stay.host.upper(),
                "LogonProcessName": "Kerberos", "IpAddress": stay.ip,
            }  # fmt: skip
            _mark(life, presence, at, "seen", lambda d, m=more: say.windows_security(d, 4624, m))
            gone = {"TargetUserName": bare, "TargetDomainName": "BELEDIYE", "TargetLogonId": logon, "LogonType": "3"}
            life.book.write("dc-kultur", at + 9 * SECOND, lambda d, m=gone: say.windows_security(d, 4634, m))
        first = False
        at += rng.randrange(8 * MINUTE, 25 * MINUTE)


def _at_the_desk(life: Life, presence: Presence, bare: str) -> None:
    """Write the PC's own logon and log-off: they name no address, and the one on the controller goes on."""
    stay, logon = presence.stay, f"0x{life.rng.randrange(1 << 28):x}"
    who = {"TargetUserName": bare, "TargetDomainName": "BELEDIYE", "TargetLogonId": logon, "LogonType": "2"}
    pc, local = (
        stay.host.upper(),
        {**who, "IpAddress": "127.0.0.1", "IpPort": "0", "WorkstationName": stay.host.upper()},
    )
    life.book.write("dc-kultur", presence.start, lambda d: say.windows_security(d, 4624, local, pc))
    life.book.write("dc-kultur", presence.end, lambda d: say.windows_security(d, 4647, who, pc))


def _radius(life: Life, presence: Presence, user: str) -> None:
    stay = presence.stay
    net = "10.99.1.2" if stay.site == "merkez" else "10.99.2.2"
    f = {"session": life.session(), "user": user, "nas": net, "mac": stay.mac}
    if presence.mode == "radius_ip":
        f["ip"] = stay.ip
    at, status = presence.start, "Start"
    while at < presence.end:
        took = at - presence.start
        g = {**f, "status": status, "took": took}
        kind = "in" if status == "Start" else "seen"
        _mark(life, presence, at, kind, lambda d, g=g: say.radius_detail(d, g))
        status, at = "Interim-Update", at + 5 * MINUTE
    if life.rng.random() < 0.95:
        g = {**f, "status": "Stop", "took": presence.end - presence.start}
        _mark(life, presence, presence.end, "out", lambda d: say.radius_detail(d, g))


def _hotspot(life: Life, presence: Presence, user: str) -> None:
    ip = presence.stay.ip
    why = life.rng.choice(("keepalive timeout", "session timeout", "user request"))
    _mark(life, presence, presence.start, "in", lambda d: say.mikrotik_hotspot(d, user, ip, out=None))
    _mark(life, presence, presence.end, "out", lambda d: say.mikrotik_hotspot(d, user, ip, out=why))


def _portal(life: Life, presence: Presence, user: str) -> None:
    ip, mac = presence.stay.ip, presence.stay.mac
    verb = life.rng.choice(("DISCONNECT", "TIMEOUT"))
    _mark(life, presence, presence.start, "in", lambda d: say.pfsense_portal(d, "USER LOGIN", user, mac, ip))
    _mark(life, presence, presence.end, "out", lambda d: say.pfsense_portal(d, verb, user, mac, ip))


_WRITERS = {
    "fsso": _fsso, "vpn": _vpn, "directory": _directory, "radius_ip": _radius, "radius_mac": _radius,
    "hotspot": _hotspot, "portal": _portal,
}  # fmt: skip


def _visits(
    life: Life, day: int, hours: tuple[float, float], minutes: tuple[int, int], most: int
) -> list[tuple[int, int]]:
    """Return up to `most` spans of a day between the hours, one after the other."""
    rng, spans = life.rng, []
    at = life.day(day) + int((hours[0] + rng.random()) * HOUR)
    for _ in range(most):
        end = at + rng.randrange(minutes[0] * MINUTE, minutes[1] * MINUTE)
        if end > life.day(day) + int(hours[1] * HOUR):
            break
        spans.append((at, end))
        at = end + rng.randrange(8 * MINUTE, 50 * MINUTE)
    return spans


def _stay(life: Life, place: tuple[str, str], label: str, span: Span, dhcp: str | None) -> Stay:
    site, net = place
    random = net in {"wifi", "guest"} and sha256(label.encode()).digest()[0] % 5 < 3
    mac = mac_of(f"{label}{site if random else ''}{net if net in _OWN_CARD else ''}", random=random)
    return Stay(site, net, mac, label.replace(".", "-"), *span, life.rng.random() < 0.5, dhcp)


def _people_of(life: Life, net_of: tuple[str, str, str], days_of: list[tuple[Person, Span]]) -> None:
    """Let people come to a net (site, net, how they are recognised) with devices of their own."""
    site, net, mode = net_of
    dhcp = {
        ("merkez", "lan"): "dhcp-merkez", ("merkez", "wifi"): "dhcp-merkez", ("kultur", "lan"): "dhcp-kultur",
        ("kultur", "wifi"): "dhcp-kultur", ("kutuphane", "guest"): "hs-kutuphane", ("spor", "guest"): "portal-spor",
    }.get((site, net))  # fmt: skip
    third = {"lan": "10.20.30", "wifi": "10.20.40", "vpn": "10.20.50", "guest": "10.20.30"}[net]
    if site == "spor":
        third = "10.20.31"
    wanted = [(_stay(life, (site, net), person.name, span, dhcp), person) for person, span in days_of]
    size = max(6, len({person.name for person, _ in days_of}) * 2 // 3)
    served = {
        id(stay) for stay in _served([stay for stay, _ in wanted], [f"{third}.{60 + n}" for n in range(min(size, 180))])
    }
    for stay, person in wanted:
        if id(stay) not in served:
            continue
        life.stays.append(stay)
        _lease_lines(life, stay)
        late = stay.start + life.rng.randrange(2 * SECOND, 40 * SECOND)
        unnamed = mode in {"hotspot", "portal"} and life.rng.random() < 0.06
        last = stay.end - life.rng.randrange(SECOND, 20 * SECOND)
        _presence(life, stay, None if unnamed else person, "none" if unnamed else mode, (late, last))


def _shared(life: Life, site: str, mode: str, ip: str) -> None:
    """One PC in the day room: people log in one after another."""
    for day in range(life.days):
        span = (life.day(day) + 8 * HOUR, life.day(day) + 18 * HOUR)
        stay = _stay(life, (site, "lan"), f"ortak-{site}", span, "dhcp-merkez" if site == "merkez" else "dhcp-kultur")
        stay.ip = ip
        life.stays.append(stay)
        _lease_lines(life, stay)
        at = stay.start + 10 * MINUTE
        while at < stay.end - HOUR:
            end = at + life.rng.randrange(20 * MINUTE, 70 * MINUTE)
            _presence(life, stay, life.rng.choice(life.folk.staff), mode, (at, end))
            at = end + life.rng.randrange(2 * MINUTE, 9 * MINUTE)


def _refused(d: int) -> str:
    return say.pfsense_portal(d, "FAILURE", "00005e005399", "00-00-5E-00-53-99", "10.20.31.9")


def _always_on(life: Life) -> None:
    """Devices that keep the servers talking day and night: cameras with leases, and no person behind them."""
    whole = (life.day(0), life.day(life.days))
    nets = (
        ("merkez", "dhcp-merkez", "10.20.30"),
        ("kultur", "dhcp-kultur", "10.20.30"),
        ("spor", "portal-spor", "10.20.31"),
    )
    for site, dhcp, third in nets:
        for number in range(5):
            stay = _stay(life, (site, "lan"), f"kamera{number}-{site}", whole, dhcp)
            stay.ip, stay.start, stay.release = f"{third}.{20 + number}", whole[0] + number * 57 * SECOND, False
            life.stays.append(stay)
            _lease_lines(life, stay)
            _presence(life, stay, None, "none", (stay.start, stay.end))
    for at in range(whole[0], whole[1], 100 * SECOND):
        ip = f"10.20.30.{20 + at // 1000 % 3}"
        up = at // (100 * SECOND) % 2 == 0
        life.book.write(
            "hs-kutuphane", at, lambda d, i=ip, u=up: say.mikrotik_dhcp(d, i, "00-00-5E-00-53-77", "tablet", assigned=u)
        )
        who = {"TargetUserName": "FS1$", "TargetDomainName": "BELEDIYE", "IpAddress": "::ffff:10.20.30.7"}
        life.book.write("dc-kultur", at, lambda d, w=who: say.windows_security(d, 4768, {**w, "Status": "0x0"}))
        life.book.write(
            "portal-spor",
            at,
            lambda d: say.pfsense_portal(d, "FAILURE", "00005e005399", "00-00-5E-00-53-99", "10.20.31.9"),
        )
    for number, site in enumerate(("merkez", "kultur")):
        for day in range(life.days):
            stay = _stay(life, (site, "wifi"), f"nobet{number}", (life.day(day), life.day(day) + DAY - MINUTE), None)
            stay.ip = f"10.20.40.{10 + number}"
            life.stays.append(stay)
            _presence(life, stay, life.folk.staff[number], "radius_ip", (stay.start + 90 * SECOND, stay.end - MINUTE))


def fixed_hosts(life: Life) -> list[dict[str, object]]:
    """Return the register; their stays last the whole time."""
    register: list[dict[str, object]] = []
    whole = (life.day(0), life.day(life.days))
    rows: list[tuple[str, str, str, Person | None, bool]] = [
        (site, f"{'10.20.31' if site == 'spor' else '10.20.30'}.{8 + number}", f"sunucu{number}-{site}", None, False)
        for site in ("merkez", "kultur", "kutuphane", "spor")
        for number in range(2)
    ]
    rows += [("merkez", "10.20.30.30", "pc-muhasebe", life.folk.staff[2], False)]
    rows += [("kultur", "10.20.30.30", "pc-sahne", life.folk.staff[3], False)]
    rows += [("kultur", "10.20.30.31", "terminal-1", None, True), ("kutuphane", "10.20.30.31", "kiosk-1", None, True)]
    rows += [("merkez", "10.20.30.5", "proxy-1", None, True)]
    for site, ip, host, person, multi in rows:
        mac = mac_of(host, random=False)
        register.append({"site": site, "address": ip, "mac": mac, "host": host})
        if person is not None:
            register[-1]["person"] = person.name
        if multi:
            register[-1]["multi_user"] = True
        stay = Stay(site, "static", mac, host, *whole, release=False, dhcp=None, ip=ip)
        life.stays.append(stay)
        mode = "multi" if multi else "static"
        owner = person or (None if multi else Person(host, "host", (host,)))
        if host != "proxy-1":
            _presence(life, stay, owner, mode, whole)
    return register


def populate(life: Life) -> None:
    """Let the people come and go on all days."""
    rng, staff, guests = life.rng, life.folk.staff, life.folk.guests
    wired: dict[str, list[tuple[Person, Span]]] = {"merkez": [], "kultur": []}
    wifi: dict[str, list[tuple[Person, Span]]] = {"merkez": [], "kultur": []}
    vpn: list[tuple[Person, Span]] = []
    hotspot: list[tuple[Person, Span]] = []
    portal: list[tuple[Person, Span]] = []
    for day in range(life.days):
        for number, person in enumerate(staff):
            site = ("merkez", "kultur")[number % 2]
            if rng.random() < 0.55:
                wired[site] += [(person, span) for span in _visits(life, day, (8, 18), (35, 170), 4)]
            elif rng.random() < 0.8:
                first = rng.randrange(2)
                for turn, span in enumerate(_visits(life, day, (8, 19), (20, 90), 6)):
                    wifi[("merkez", "kultur")[(first + turn) % 2]].append((person, span))
            if rng.random() < 0.4:
                vpn += [(person, span) for span in _visits(life, day, (18.6, 23.5), (12, 60), 4)]
        for number, person in enumerate(guests):
            target = hotspot if number % 2 else portal
            target += [(person, span) for span in _visits(life, day, (9, 21), (18, 80), 5)]
    for site in ("merkez", "kultur"):
        _people_of(life, (site, "lan", {"merkez": "fsso", "kultur": "directory"}[site]), wired[site])
        _people_of(life, (site, "wifi", {"merkez": "radius_ip", "kultur": "radius_mac"}[site]), wifi[site])
    _people_of(life, ("merkez", "vpn", "vpn"), vpn)
    _people_of(life, ("kutuphane", "guest", "hotspot"), hotspot)
    _people_of(life, ("spor", "guest", "portal"), portal)
    _shared(life, "merkez", "fsso", "10.20.30.40")
    _shared(life, "kultur", "directory", "10.20.30.40")
    _always_on(life)
