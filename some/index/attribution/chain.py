"""Proxies and further translations: an inner address and port may itself be somebody's public side.

The same question is asked again for it, at the moment the outer connection was opened and in the asked window, until an
address is reached that translates nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from some.index.attribution.nat import has_port, overlaps
from some.index.attribution.window import MINUTE, SECOND, Grade, apart
from some.index.facts.fact import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from some.index.attribution.joining import Connection
    from some.index.attribution.nat import Translations
    from some.index.facts.fact import Fact, FactStore

_NEAR: Final = 10 * MINUTE
_SLACK: Final = 2 * SECOND


@dataclass(frozen=True, slots=True)
class Behind:
    """One way inwards: the connections from the outermost to the innermost.

    `proven`: every step is attested. `proxy`: the last address is a proxy's, and the proxy's own log names no session
    for it. `loop`: the way goes in a circle, or too deep.
    """

    path: tuple[Connection, ...]
    proven: bool
    proxy: bool = False
    loop: bool = False


class Inwards:
    """Follows connections inwards."""

    def __init__(self, store: FactStore, translations: Translations, depth: int) -> None:
        """Go at most `depth` steps."""
        self._store: Final = store
        self._translations: Final = translations
        self._depth: Final = depth

    def follow(self, connection: Connection, start: int, end: int) -> list[Behind]:
        """Return every way inwards from a connection for the asked window `start` to `end` (true times)."""
        return self._follow((connection,), True, start, end)

    def _follow(self, path: tuple[Connection, ...], proven: bool, start: int, end: int) -> list[Behind]:  # noqa: FBT001 - a path's own property
        outer = path[-1]
        if outer.inner_port is None and outer.family != "block":
            return [Behind(path, proven)]
        made = self._on(outer, start, end)
        further = [one for one in made if one.public_ip == outer.inner_ip and _matches(one, outer)]
        ends = {(one.site, one.inner_ip, one.inner_port) for one in path}
        found: list[Behind] = []
        for one in further:
            opened, asked = one.held.grade(outer.opened), overlaps(one, start, end)
            # a proxy keeps its connection for whoever comes next: what it opened it for says nothing of later
            sure = asked is True or (opened >= Grade.EDGE and not (one.family == "proxied" and asked is None))
            if not sure and opened is Grade.NO and asked is None:
                continue
            if (one.site, one.inner_ip, one.inner_port) in ends or len(path) >= self._depth:
                found.append(Behind(path, proven, loop=True))
            else:
                found += self._follow((*path, one), proven and sure, start, end)
        if found:
            return found
        proxy = any(one.family == "proxied" and one.public_ip == outer.inner_ip for one in made)
        return [Behind(path, proven, proxy=proxy)]

    def _on(self, outer: Connection, start: int, end: int) -> Sequence[Connection]:
        """Return connections whose public side is the outer one's inner address, near its opening and in the window.

        Only those count that are told whole, or were alive then: an address that a site declares as a public one is
        looked up as far back as any.
        """
        error = outer.opened.error + outer.opened.rounding + _NEAR
        facts: dict[object, Fact] = {}
        spans = [Span(outer.opened.at - error, outer.opened.at + error)]
        if start > spans[0].end or end < spans[0].start:
            spans.append(Span(start - error, end + error))
        declared = bool(self._translations.sites_of(outer.inner_ip))
        for span in spans:
            reach = self._translations.longest if declared else 0
            for fact in self._store.public_side(
                Span(span.start - reach, span.end + reach),
                public_ip=outer.inner_ip,
                transport=outer.transport,
                site=outer.site,
                told=True,
            ):
                if fact.public_ip == outer.inner_ip and fact.inner_ip is not None:
                    facts[fact.ref] = fact
        return self._translations.joined(list(facts.values()), start, end) if facts else []


def _matches(inner: Connection, outer: Connection) -> bool:
    """Say whether `inner` can be the near side of `outer`: its public port is the other's inner one.

    A proxy that tells no port of its own is matched by destination and time.
    """
    if inner.inner_ip == outer.inner_ip and inner.inner_port == outer.inner_port:
        return False
    if inner.public_port is not None or inner.port_first is not None:
        return has_port(inner, outer.inner_port)
    return (
        inner.target_ip is not None
        and (inner.target_ip, inner.target_port) == (outer.target_ip, outer.target_port)
        and inner.held.start - apart(inner.held, outer.opened) - _SLACK <= outer.opened.at
        and outer.opened.at <= inner.held.end + apart(inner.held, outer.opened) + _SLACK
    )
