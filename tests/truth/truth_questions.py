"""Questions to the town and what is true, knowable and nameable for each; reasoned from the truth and the kept lines.

Three shades. *knowable*: certain must be answered; the margins are wider than any rule asks for, so that nobody can
argue. *forbidden*: certain must not be answered (with the reason). Between the two either is right, as long as a
certain answer names the true opener.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from truth_people import LEASE_MS
from truth_traffic import DMZ_PROXY, PUBLIC
from truth_world import DAY, HOUR, MINUTE, SECOND, Conn, Presence, rfc3339

if TYPE_CHECKING:
    from municipality import Town

MARGIN = 3 * SECOND
LONGEST = 2 * DAY
"""How long an end that nobody logged may be away."""
_WIDE = {"fw-merkez": 4, "fw-kultur": 40, "rt-kutuphane": 300, "fw-spor": 4, "squid": 4}
"""Seconds around T in which somebody else's use of the port may matter (error, rounding, lingering translations)."""
_NAMES_DEVICE = {"none", "fsso", "portal", "hotspot", "radius_ip", "radius_mac", "directory"}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked; `at` in milliseconds, `tolerance` in seconds."""

    number: int
    kind: str
    public_ip: str
    public_port: int
    transport: str
    at: int
    tolerance: int = 0
    target_ip: str | None = None
    target_port: int | None = None

    def words(self) -> dict[str, Any]:
        """Return the line of `some ask --batch`."""
        asked: dict[str, Any] = {
            "public-ip": self.public_ip, "public-port": self.public_port, "protocol": self.transport,
            "at": rfc3339(self.at), "tolerance": self.tolerance,
        }  # fmt: skip
        if self.target_ip is not None:
            asked["dst"] = self.target_ip if self.target_port is None else f"{self.target_ip}:{self.target_port}"
        return asked


@dataclass(slots=True)
class Truth:
    """What is true. `openers`: of connections in [T - tolerance, T + tolerance]; `near`: the same, generously."""

    openers: frozenset[str]
    near: frozenset[str]
    knowable: bool = False
    forbidden: str | None = None
    gap: tuple[str, bool | None] | None = None
    gap_only: bool = False
    must_list: str | None = None
    why: list[str] = field(default_factory=list)


NOBODY = "nobody"


def _name(conn: Conn) -> str:
    return conn.person.name if conn.person is not None else f"{NOBODY}:{conn.mac}"


class Asker:
    """Makes questions of all kinds and judges what can be known."""

    def __init__(self, town: Town, seed: int) -> None:
        """Remember the town."""
        self.town, self.rng = town, Random(seed)
        self.number = 0

    # --- what can be known -------------------------------------------------------------------------------------

    @staticmethod
    def _unnamed(conn: Conn) -> list[str] | None:
        """Return why nothing can name the person; empty where the register names him; None where logins decide."""
        mode = conn.presence.mode
        if mode == "static":
            named = conn.person is not None and conn.person.kind != "host"
            return [] if named else ["identity: a host without a person"]
        if conn.rider is not None or "rides" in conn.tags:
            return ["proxy: one connection for two clients"]
        if conn.person is None or conn.presence.source is None or mode == "multi":
            return [f"identity: {mode}"]
        return None

    def proven(self, conn: Conn) -> tuple[bool, list[str]]:
        """Return whether kept lines alone bind the inner address to the person at the opening, and if not, why."""
        presence, book = conn.presence, self.town.book
        unnamed = self._unnamed(conn)
        if unnamed is not None or presence.source is None:
            return not unnamed, unnamed or []
        at = conn.opened if conn.client is None else conn.client[0]
        specs = book.specs
        margin = MARGIN + specs[conn.nat].error_ms + specs[presence.source].error_ms
        why: list[str] = []
        if not presence.start + margin <= at <= presence.end - margin:
            why.append("identity: opened too near its ends")
        before = [m for m in presence.marks if m[2].kept and m[1] != "out" and m[0] <= at - margin]
        after = [m for m in presence.marks if m[2].kept and m[0] >= at + margin]
        if not before or not presence.marks[0][2].kept:
            why.append("identity: login lost")
        elif presence.mode in {"directory", "fsso", "hotspot", "portal", "radius_ip", "radius_mac", "vpn"}:
            if not after:
                why.append("identity: nothing after")
            elif book.lost(presence.source, before[-1][0], after[0][0]):
                why.append("identity: silence between")
            elif book.lost(presence.source, before[0][0], at + margin):
                why.append("identity: silence since login")
        if presence.mode in {"directory", "fsso", "radius_mac"}:
            why += self._leased(presence, at, margin)
        return not why, why

    def _leased(self, presence: Presence, at: int, margin: int) -> list[str]:
        stay, book = presence.stay, self.town.book
        if stay.dhcp is None:
            return []
        margin += book.specs[stay.dhcp].error_ms
        before = [lease for lease in stay.leases if lease[0] <= at - margin]
        after = [lease for lease in stay.leases if lease[0] >= at + margin]
        if not before or not before[-1][1].kept:
            return ["lease: lost"]
        if at + margin > before[-1][0] + LEASE_MS:
            return ["lease: near its end"]
        if book.lost(stay.dhcp, before[-1][0], at + margin):
            return ["lease: silence"]
        if stay.dhcp == "dhcp-kultur" and (not after or not after[0][1].kept):
            return ["lease: nothing after, and the lines do not tell a length"]
        return []

    def _matching(self, q: Question, wide: int) -> list[Conn]:
        start, end = q.at - q.tolerance * SECOND - wide, q.at + q.tolerance * SECOND + wide
        found = self.town.keys.around((q.public_ip, q.public_port, q.transport), start, end)
        if q.target_ip is not None:
            found = [c for c in found if c.target_ip == q.target_ip and q.target_port in {None, c.target_port}]
        if q.public_ip == PUBLIC["fw-spor"]:
            found = self._by_target(q, start, end)
        return found

    def _open_ended(self, q: Question, start: int) -> list[Conn]:
        """Return earlier connections of the port whose end no kept line tells: they may last, for all that is logged.

        On the ASA the next translation of the port ends them. MikroTik's lines tell packets, never an end.
        """
        found = self.town.keys.around((q.public_ip, q.public_port, q.transport), start - LONGEST, start + MINUTE)
        if q.target_ip is not None:
            found = [c for c in found if c.target_ip == q.target_ip and q.target_port in {None, c.target_port}]
        if found and found[0].nat == "fw-kultur":
            last = max((c.opened for c in found if c.lines[0][1].kept and c.opened < start - MINUTE), default=0)
            found = [c for c in found if c.opened >= last]
        if q.public_ip == PUBLIC["rt-kutuphane"]:  # where the first packet has no NAT part, the start is unknown too
            later = self.town.keys.around((q.public_ip, q.public_port, q.transport), start, start + LONGEST)
            late = [c for c in later if "first_packet_without_nat" in c.tags]
            found += [c for c in late if q.target_ip is None or c.target_ip == q.target_ip]
        return [c for c in found if not c.unseen and (c.nat == "rt-kutuphane" or not c.whole)]

    def _by_target(self, q: Question, start: int, end: int) -> list[Conn]:
        return [
            c
            for c in self.town.conns
            if c.nat == "fw-spor"
            and c.touches(start, end)
            and c.transport == q.transport
            and (q.target_ip is None or (c.target_ip == q.target_ip and q.target_port in {None, c.target_port}))
        ]

    def truth(self, q: Question, conn: Conn | None) -> Truth:
        """Return the truth of a question; `conn` is the connection that it was made from."""
        nat = (
            conn.nat
            if conn is not None
            else next(n for n, ip in (*PUBLIC.items(), ("squid", DMZ_PROXY)) if ip == q.public_ip)
        )
        spec, book = self.town.book.specs[nat], self.town.book
        wide = _WIDE[nat] * SECOND + spec.error_ms
        strict, near = self._matching(q, 0), self._matching(q, wide)
        lasting = self._open_ended(q, q.at - q.tolerance * SECOND - wide)
        truth = Truth(frozenset(map(_name, strict)), frozenset(map(_name, [*near, *lasting])))
        self._forbid(q, truth, near, nat)
        if conn is None:
            if (
                not near
                and not lasting
                and not book.lost(nat, q.at - 30 * MINUTE, q.at + 30 * MINUTE)
                and nat != "fw-spor"
            ):
                truth.gap, truth.gap_only = ("nat", True), True
            return truth
        if conn.unseen and book.deep(nat, q.at) and not [c for c in [*near, *lasting] if not c.unseen]:
            # fw-spor tells no ends: somebody's earlier connection may always have lasted
            truth.gap, truth.gap_only = ("nat", False), nat != "fw-spor"
            truth.forbidden = "every line of the NAT is lost"
            return truth
        proven, why = self.proven(conn)
        truth.why += why
        alone = truth.near == {_name(conn)} and all(self.proven(c)[0] for c in [*near, *lasting])
        shown = self._shown(q, conn)
        if not alone:
            truth.why.append("nat: others near, or unproven")
        if conn.person is not None and conn.whole and proven and shown and conn in strict:
            truth.must_list = conn.person.name
            truth.knowable = alone and truth.forbidden is None and nat != "fw-spor"
        if conn.whole and shown and not proven and truth.near == {_name(conn)} and truth.forbidden is None:
            self._missing(q, conn, truth)
        return truth

    def _shown(self, q: Question, conn: Conn) -> bool:  # noqa: PLR0911 - one reason after the other
        """Return whether the NAT's lines show the connection at T beyond doubt, and it was not silent around."""
        book, mended = self.town.book, self.town.mended
        if book.lost(conn.nat, q.at - 20 * MINUTE, q.at + 20 * MINUTE):
            return False
        if conn.nat == "fw-merkez" and conn.opened - 5 * MINUTE <= mended <= conn.closed + 5 * MINUTE:
            return False
        if conn.told is not None and not conn.told.kept:
            return False
        if conn.client is not None and not conn.client[0] + 200 <= q.at <= conn.client[1] - 200:
            return False
        if conn.client is not None and q.tolerance:
            return False
        if conn.nat == "rt-kutuphane":
            fine = "first_packet_without_nat" not in conn.tags
            return fine and any(abs(at - q.at) <= SECOND for at, _ in conn.lines)
        if conn.nat == "fw-spor":
            return abs(q.at - conn.opened) <= SECOND
        return True

    def _forbid(self, q: Question, truth: Truth, near: list[Conn], nat: str) -> None:
        """Set `forbidden` where the lines themselves leave no way to be certain, by whatever reading."""
        spec = self.town.book.specs[nat]
        reach = max(0, spec.error_ms - 2 * SECOND) + q.tolerance * SECOND
        if spec.received:
            reach = q.tolerance * SECOND
        several = set()
        for conn in near:
            off = spec.residual(conn.opened)
            if not conn.whole:
                continue
            if conn.opened + off <= q.at + reach - SECOND and conn.closed + off >= q.at - reach + SECOND:
                several.add(_name(conn))
                if conn.presence.mode == "multi":
                    truth.forbidden = "a host that several people share"
                if conn.person is None:
                    truth.forbidden = "a connection that nobody can be named for"
        if len(several) > 1:
            truth.forbidden = f"several used it: {sorted(several)}"

    def _missing(self, q: Question, conn: Conn, truth: Truth) -> None:
        """Name the layer that is missing where that is beyond doubt."""
        presence, book = conn.presence, self.town.book
        if presence.mode == "none" and presence.stay.net != "squat":
            truth.gap, truth.forbidden = ("identity", None), "nobody logged in"
        if presence.source is None or conn.client is not None or "firewall_named" in conn.tags:
            return
        at = conn.opened
        seen = [m for m in presence.marks if m[2].kept]
        deep = book.deep(presence.source, at) and book.deep(presence.source, q.at)
        if presence.marks and not seen and at - presence.start > 5 * MINUTE:
            truth.gap, truth.forbidden = ("identity", False if deep else None), "the login was lost"
        elif presence.mode == "radius_mac" and not any("identity" in why for why in truth.why):
            leases = [line for moment, line in presence.stay.leases if moment <= at]
            dhcp = presence.stay.dhcp
            if leases and dhcp is not None and not any(line.kept for line in leases):
                deep = book.deep(dhcp, at) and book.deep(dhcp, q.at)
                later = any(line.kept for _, line in presence.stay.leases)
                if not later:
                    truth.gap, truth.forbidden = ("lease", False if deep else None), "every line of the lease was lost"

    # --- questions -------------------------------------------------------------------------------------------------

    def of(self, kind: str, conn: Conn, at: int, **more: Any) -> Question:
        self.number += 1
        return Question(self.number, kind, conn.public_ip, conn.public_port, conn.transport, at, **more)

    def unused(self) -> Question:
        """Return a question for a port, protocol or destination that nobody used for an hour around."""
        rng, town = self.rng, self.town
        while True:
            conn = rng.choice(town.conns)
            if conn.nat in {"fw-spor", "squid"}:
                continue
            at = conn.opened + rng.randrange(max(1, conn.closed - conn.opened))
            turn = rng.randrange(3)
            self.number += 1
            target: tuple[str | None, int | None] = (None, None)
            port, transport = conn.public_port, conn.transport
            if turn == 0:
                port = 18000 + rng.randrange(1900)
            elif turn == 1:
                transport = "tcp" if transport == "udp" else "udp"
            else:
                target = ("203.0.113.251", 443)
            q = Question(self.number, "nobody", conn.public_ip, port, transport, at, 0, *target)
            wide = 900 * SECOND if conn.nat == "rt-kutuphane" else 180 * SECOND
            if not self._matching(q, wide):
                return q


def middle(rng: Random, conn: Conn) -> int:
    """Return a moment inside the connection, or inside the request that a proxy served."""
    start, end = conn.client or (conn.opened, conn.closed)
    return start + rng.randrange(max(1, end - start))


def beyond(town: Town) -> int:
    """Return the last moment of the town."""
    return town.life.day(0) + town.days * DAY + HOUR
