"""At which site a record's addresses are: inside addresses mean something only there."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from ingest.parsers.values import Memo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.declared import Network, Sources


class Sites:
    """The rule of sites, made of what is declared; without declarations every site is None."""

    def __init__(self, declared: Sources | None = None) -> None:
        """Take the declarations of `sources.yaml`."""
        held = {} if declared is None else declared.sources
        self._sites: Final = {name: source.site for name, source in held.items()}
        self._networks: Final = {
            name: sorted(source.nas_sites, key=lambda one: -one[0].prefixlen)
            for name, source in held.items()
            if source.nas_sites
        }
        self._logins: Final = Memo[tuple[str, str | None, str | None], str | None](lambda key: self._of_login(*key))

    def of_source(self, source: str) -> str | None:
        """Return the declared site of a source."""
        return self._sites.get(source)

    def maps_logins(self, source: str) -> bool:
        """Say whether the logins of this source are of several sites."""
        return source in self._networks

    def of_login(self, source: str, observer: str | None, client: str | None) -> str | None:
        """Return the site of a login: by the NAS (`observer`), else by the client's address, else the source's own.

        Of several networks that hold the address the most specific counts.
        """
        return self._logins[source, observer, client]

    def _of_login(self, source: str, observer: str | None, client: str | None) -> str | None:
        networks = self._networks.get(source, ())
        for address in (observer, client):
            found = None if address is None else _first(networks, address)
            if found is not None:
                return found
        return self.of_source(source)


def _first(networks: Sequence[tuple[Network, str]], address: str) -> str | None:
    found = ip_address(address)
    return next((site for network, site in networks if found in network), None)
