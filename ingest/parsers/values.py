"""Single values: addresses, MACs, numbers, protocols. Pure functions, and a bounded memory of what they answered."""

from __future__ import annotations

import re
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

K = TypeVar("K")
V = TypeVar("V")

MAX_PORT: Final = 65535
LONGEST_S: Final = 10 * 366 * 86_400
"""A session or lease that says it lasted longer than ten years is not believed."""

_NOTHING: frozenset[str | None] = frozenset({None, "", "-", "N/A", "n/a"})
_MEMO_LIMIT = 65_536
_WHOLE = re.compile(r"[0-9]{1,18}")
_NOT_HEX = re.compile(r"[:.\-]")
_MAC = re.compile(r"[0-9A-F]{12}")
_TRANSPORTS = {
    "1": "icmp", "2": "igmp", "6": "tcp", "17": "udp", "41": "ipv6", "47": "gre", "50": "esp", "51": "ah",
    "58": "ipv6-icmp", "88": "eigrp", "89": "ospf", "103": "pim", "112": "vrrp", "132": "sctp",
}  # fmt: skip


class Memo(dict[K, V]):
    """Remembers a pure function's answers: `list(map(memo.__getitem__, column))`. Bounded: when full it starts anew."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[K], V]) -> None:
        """Remember `function`, which must depend on its argument alone."""
        super().__init__()
        self._function = function

    def __missing__(self, key: K) -> V:
        """Ask the function and remember its answer."""
        if len(self) >= _MEMO_LIMIT:
            self.clear()
        value = self[key] = self._function(key)
        return value

    def column(self, values: Iterable[K]) -> list[V]:
        """Return the answers for a column of values."""
        return list(map(self.__getitem__, values))


def address(text: str | None) -> str | None:
    """Return the canonical text of an IP address (RFC 5952; mapped IPv4 as IPv4); None for all zeros and for none."""
    if not text:
        return None
    try:
        value = ip_address(text.partition("%")[0].strip("[]"))
    except ValueError:
        return None
    if isinstance(value, IPv6Address) and value.ipv4_mapped is not None:
        value = value.ipv4_mapped
    return None if value.is_unspecified else str(value)


def mac(text: str | None) -> str | None:
    """Return a MAC address as ECS wants it (`00-00-5E-00-53-23`), or None."""
    if not text:
        return None
    digits = _NOT_HEX.sub("", text).upper()
    if _MAC.fullmatch(digits) is None:
        return None
    return "-".join(digits[at : at + 2] for at in range(0, 12, 2))


def whole(text: str | None) -> int | None:
    """Return a number of at most 18 digits, or None."""
    return int(text) if text is not None and _WHOLE.fullmatch(text) else None


def wholes(values: Sequence[str | None]) -> list[int | None]:
    """Return `whole` of a column; fast where every value is one."""
    return [int(text) if text is not None and _WHOLE.fullmatch(text) else None for text in values]


def at_most(limit: int, values: list[int | None]) -> list[int | None]:
    """Return `values` without those above `limit`."""
    return [None if value is None or value > limit else value for value in values]


def port(text: str | None) -> int | None:
    """Return a port from 1 to 65535; 0 and anything else is None, because no session has it."""
    value = whole(text)
    return value if value is not None and 0 < value <= MAX_PORT else None


def ports(values: Sequence[str | None]) -> list[int | None]:
    """Return the ports of a column of one to five digits, or None, without a look at each: `port` is for any text."""
    return [None if text is None or not 0 < (number := int(text)) <= MAX_PORT else number for text in values]


def transport(number: str | None) -> str | None:
    """Return ECS network.transport for an IANA protocol number."""
    return None if number is None else _TRANSPORTS.get(number)


def word(text: str | None) -> str | None:
    """Return text, or None for what formats write when they have nothing: empty, `-`, `N/A`."""
    return None if text in _NOTHING else text


def words(values: Sequence[str | None]) -> list[str | None]:
    """Return `word` of a column; fast where all of them say something."""
    if _NOTHING.isdisjoint(values):
        return list(values)
    return [None if text in _NOTHING else text for text in values]


def lower(text: str | None) -> str | None:
    """Return `word` in lower case."""
    found = word(text)
    return None if found is None else found.lower()


def decoded(values: Sequence[str | None]) -> list[str | None]:
    """Return paths with %XX decoded, so that a search for a Turkish word finds it; the original keeps the escapes."""
    return [unquote(text) if text and "%" in text else text or None for text in values]


def unescaped(text: str | None) -> str | None:
    """Return `word` with %XX decoded (RFC 3986 section 2.1), as Squid writes user names."""
    found = word(text)
    return unquote(found) if found is not None and "%" in found else found
