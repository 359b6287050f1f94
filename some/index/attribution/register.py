"""The register of fixed addresses: who answers for an address, or for a device, at a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from some.index.attribution.window import Grade, microseconds

if TYPE_CHECKING:
    from ingest.declared import Sources, StaticHost
    from some.index.attribution.window import Moment


class Register:
    """The declared hosts, by address and by MAC."""

    def __init__(self, declared: Sources) -> None:
        """Take what is declared."""
        self._by_address: Final[dict[tuple[str, str], list[StaticHost]]] = {}
        self._by_mac: Final[dict[tuple[str, str], list[StaticHost]]] = {}
        for host in declared.register:
            self._by_address.setdefault((host.site, str(host.address)), []).append(host)
            if host.mac is not None:
                self._by_mac.setdefault((host.site, host.mac), []).append(host)

    def at_address(self, site: str | None, address: str, moment: Moment) -> list[tuple[StaticHost, Grade]]:
        """Return the lines for this address that held at `moment`, with how well that is known."""
        return _graded(self._by_address.get((site or "", address), ()), moment)

    def of_mac(self, site: str | None, mac: str, moment: Moment) -> list[tuple[StaticHost, Grade]]:
        """Return the lines for this MAC that held at `moment`, whatever their address."""
        return _graded(self._by_mac.get((site or "", mac), ()), moment)

    def all_hosts(self) -> list[StaticHost]:
        """Return every line."""
        return [host for hosts in self._by_address.values() for host in hosts]


def bounds(host: StaticHost) -> tuple[int | None, int | None]:
    """Return from and to of a line in microseconds; None is open."""
    return (
        None if host.start is None else microseconds(host.start),
        None if host.end is None else microseconds(host.end),
    )


def _graded(hosts: list[StaticHost] | tuple[()], moment: Moment) -> list[tuple[StaticHost, Grade]]:
    error = moment.error + moment.rounding
    found = []
    for host in hosts:
        start, end = bounds(host)
        if (start is None or start + error <= moment.at) and (end is None or moment.at < end - error):
            found.append((host, Grade.SURE))
        elif (start is None or start - error <= moment.at) and (end is None or moment.at < end + error):
            found.append((host, Grade.EDGE))
    return found
