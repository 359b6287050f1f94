"""Which sources would hold a layer, and whether they spoke around the asked time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from some.index.attribution.answer import Gap, LayerName, Reason
from some.index.facts.fact import Layer

if TYPE_CHECKING:
    from some.index.attribution.clocks import Clocks
    from some.index.attribution.silence import Silence
    from some.index.facts.fact import FactStore

_LAYERS: Final = {
    LayerName.NAT: Layer.NAT,
    LayerName.PROXY: Layer.NAT,
    LayerName.LEASE: Layer.LEASE,
    LayerName.IDENTITY: Layer.IDENTITY,
    LayerName.VPN: Layer.IDENTITY,
}


class Alive:
    """Says of a missing layer who would have told it, and whether they were alive from `start` to `end`."""

    def __init__(self, store: FactStore, clocks: Clocks, silence: Silence, start: int, end: int) -> None:
        """Look around the true times `start` to `end`."""
        self._speakers: Final = store.speakers()
        self._clocks: Final = clocks
        self._silence: Final = silence
        self._start: Final = start
        self._end: Final = end

    def speaks(self, layer: Layer, site: str | None) -> bool:
        """Say whether any source ever told of this layer at this site."""
        return bool(self._of(layer, site))

    def gap(self, layer: LayerName, reason: Reason, site: str | None, *, sources: tuple[str, ...] = ()) -> Gap:
        """Return the gap with its sources (those of the layer at the site, where none are given)."""
        told = sources or self._of(_LAYERS[layer], site)
        return Gap(layer, reason, told, self.spoke(told))

    def spoke(self, sources: tuple[str, ...]) -> bool | None:
        """Say whether all of them spoke around the time; None where there are none."""
        if not sources:
            return None
        return all(
            self._silence.spoke_around(
                one, self._clocks.device_time(one, self._start), self._clocks.device_time(one, self._end)
            )
            for one in sources
        )

    def broken(self, sources: tuple[str, ...], start: int, end: int) -> tuple[str, ...]:
        """Return those of `sources` that may have failed to tell what happened between the true times."""
        return tuple(
            one
            for one in sources
            if self._silence.breaks(one, self._clocks.device_time(one, start), self._clocks.device_time(one, end))
        )

    def _of(self, layer: Layer, site: str | None) -> tuple[str, ...]:
        return tuple(sorted({one.source for one in self._speakers if one.layer is layer and one.site == site}))
