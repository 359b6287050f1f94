"""Which questions are asked: kinds and their shares, each drawn from connections that fit."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from truth_questions import Asker, Question, Truth, middle
from truth_world import MINUTE, SECOND, Conn

if TYPE_CHECKING:
    from municipality import Town

Fits = Callable[[Conn], bool]
Shape = Callable[["Draw", Conn], Question]
SHARES: dict[str, int] = {
    "exact, destination": 14, "exact": 20, "whole second": 8, "tolerance": 8, "reuse": 8, "clock edge": 5,
    "lingering": 6, "nobody": 7, "lost nat": 4, "lost lease": 2, "lost identity": 4, "proxy": 5, "vpn": 4, "hotspot": 5,
    "no ports": 4, "shared PC": 4, "several at once": 3, "unnamed": 3, "squatter": 2, "roaming": 4, "fixed": 3,
}  # fmt: skip


class Draw:
    """Draws questions of one kind after the other."""

    def __init__(self, town: Town, seed: int) -> None:
        """Sort connections into what they are good for."""
        self.town, self.asker, self.rng = town, Asker(town, seed), Random(seed + 1)
        self.conns = [c for c in town.conns if c.target_port != 123 and c.target_ip != "203.0.113.251"]

    def questions(self, count: int) -> list[tuple[Question, Truth, Conn | None]]:
        """Return `count` questions with their truth, kinds in their shares."""
        total = sum(SHARES.values())
        asked: list[tuple[Question, Truth, Conn | None]] = []
        for kind, share in SHARES.items():
            wanted = max(3, count * share // total)
            asked += [self.nobody() for _ in range(wanted)] if kind == "nobody" else self._kind(kind, wanted)
        return asked

    def nobody(self) -> tuple[Question, Truth, Conn | None]:
        q = self.asker.unused()
        return q, self.asker.truth(q, None), None

    def _kind(self, kind: str, wanted: int) -> list[tuple[Question, Truth, Conn | None]]:
        fits, shape = _KINDS[kind]
        pool = [c for c in self.conns if fits(self, c)]
        asked = []
        for _ in range(wanted if pool else 0):
            conn = self.rng.choice(pool)
            q = shape(self, conn)
            asked.append((q, self.asker.truth(q, conn), conn))
        return asked

    # --- which connections fit ---

    def plain(self, c: Conn) -> bool:
        return c.nat != "fw-spor" and c.presence.mode not in {"static", "none", "multi"} and c.client is None

    def outage(self, c: Conn) -> bool:
        return (
            c.unseen
            and self.town.book.deep(c.nat, c.opened)
            and self.town.book.deep(c.nat, c.closed)
            and (c.nat != "fw-spor" and c.client is None)
        )

    def loginless(self, c: Conn) -> bool:
        marks = c.presence.marks
        return (
            bool(marks)
            and c.nat != "fw-spor"
            and (
                not marks[0][2].kept or (not any(m[2].kept for m in marks)) or self._quiet(c.presence.source, c.opened)
            )
        )

    def leaseless(self, c: Conn) -> bool:
        return c.presence.mode in {"radius_mac", "directory", "fsso"} and self._quiet(c.presence.stay.dhcp, c.opened)

    def _quiet(self, source: str | None, at: int) -> bool:
        return source is not None and self.town.book.lost(source, at, at)

    def reused(self, c: Conn) -> bool:
        if c.nat in {"fw-spor", "squid"} or c.presence.mode == "none":
            return False
        near = self.town.keys.around((c.public_ip, c.public_port, c.transport), c.opened - 20 * SECOND, c.opened - 1)
        return any(other.person is not c.person for other in near)


def _at(draw: Draw, conn: Conn) -> int:
    """Return a moment inside; where packets alone tell of the connection, mostly one of theirs."""
    if conn.nat == "rt-kutuphane" and draw.rng.random() < 0.8:
        return draw.rng.choice(conn.lines)[0]
    return middle(draw.rng, conn)


def _bare(kind: str) -> Shape:
    return lambda draw, c: draw.asker.of(kind, c, _at(draw, c))


def _full(kind: str) -> Shape:
    return lambda draw, c: draw.asker.of(
        kind,
        c,
        _at(draw, c),
        target_ip=c.target_ip,
        target_port=None if draw.rng.random() < 0.2 else c.target_port,
    )


def _mixed(kind: str) -> Shape:
    bare, full = _bare(kind), _full(kind)
    return lambda draw, c: (bare if draw.rng.random() < 0.6 else full)(draw, c)


def _second(draw: Draw, c: Conn) -> Question:
    return draw.asker.of("whole second", c, _at(draw, c) // SECOND * SECOND, tolerance=1)


def _tolerant(draw: Draw, c: Conn) -> Question:
    return draw.asker.of("tolerance", c, _at(draw, c), tolerance=draw.rng.choice((1, 2, 5, 10, 30, 60)))


def _just_after(draw: Draw, c: Conn) -> Question:
    """Ask soon after the port went to this person, or for the moment between."""
    after = c.opened + draw.rng.randrange(-3 * SECOND, 6 * SECOND)
    return draw.asker.of("reuse", c, min(max(after, c.opened - 3 * SECOND), c.closed))


def _edge(draw: Draw, c: Conn) -> Question:
    """Ask around the ends of a connection, as far off as its source's clock may be."""
    error = draw.town.book.specs[c.nat].error_ms
    off = draw.rng.choice((-1, 1)) * draw.rng.randrange(error + 2 * SECOND)
    return draw.asker.of("clock edge", c, draw.rng.choice((c.opened, c.closed)) + off)


def _late(draw: Draw, c: Conn) -> Question:
    start = c.presence.end + SECOND
    return draw.asker.of("lingering", c, start + draw.rng.randrange(max(1, c.closed - start)))


def _at_opening(draw: Draw, c: Conn) -> Question:
    return draw.asker.of(
        "no ports", c, c.opened + draw.rng.randrange(800), target_ip=c.target_ip, target_port=c.target_port
    )


def _mode(*modes: str) -> Callable[[Draw, Conn], bool]:
    return lambda draw, c: c.presence.mode in modes and c.nat != "fw-spor" and c.client is None


def _roams(draw: Draw, c: Conn) -> bool:
    return c.presence.mode in {"radius_ip", "radius_mac"} and c.presence.stay.dhcp is not None


_KINDS: dict[str, tuple[Callable[[Draw, Conn], bool], Shape]] = {
    "exact, destination": (Draw.plain, _full("exact, destination")),
    "exact": (Draw.plain, _bare("exact")),
    "whole second": (Draw.plain, _second),
    "tolerance": (Draw.plain, _tolerant),
    "reuse": (Draw.reused, _just_after),
    "clock edge": (Draw.plain, _edge),
    "lingering": (lambda draw, c: draw.plain(c) and c.closed > c.presence.end + MINUTE, _late),
    "lost nat": (Draw.outage, _mixed("lost nat")),
    "lost lease": (Draw.leaseless, _mixed("lost lease")),
    "lost identity": (Draw.loginless, _mixed("lost identity")),
    "proxy": (lambda draw, c: c.client is not None, _mixed("proxy")),
    "vpn": (_mode("vpn"), _mixed("vpn")),
    "hotspot": (_mode("hotspot"), _mixed("hotspot")),
    "no ports": (lambda draw, c: c.nat == "fw-spor" and c.presence.mode != "static", _at_opening),
    "shared PC": (lambda draw, c: c.presence.stay.host.startswith("ortak") and c.client is None, _mixed("shared PC")),
    "several at once": (_mode("multi"), _mixed("several at once")),
    "unnamed": (lambda draw, c: _mode("none")(draw, c) and c.presence.stay.net != "squat", _mixed("unnamed")),
    "squatter": (lambda draw, c: c.presence.stay.net == "squat", _mixed("squatter")),
    "roaming": (_roams, _mixed("roaming")),
    "fixed": (
        lambda draw, c: _mode("static")(draw, c) and c.person is not None and c.person.kind != "host",
        _mixed("fixed"),
    ),
}
