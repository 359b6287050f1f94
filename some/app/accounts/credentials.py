"""Opaque secrets: 256 random bits each, of which only the SHA-256 digest is kept.

A fast digest is right here: nobody guesses 256 bits, so the cost that a password needs would only slow us down.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKEN = re.compile(r"some_([0-9a-f]{16})_([0-9a-f]{64})")
_V6_SITE = 64


def new_secret() -> str:
    """Return 256 random bits as 43 characters that fit a cookie or a link."""
    return secrets.token_urlsafe(32)


def digest_of(secret: str) -> str:
    """Return the SHA-256 of `secret` in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_token() -> tuple[str, str]:
    """Return (id, `some_<id>_<secret>`); the prefix lets scanners of leaked secrets recognise it."""
    number = secrets.token_hex(8)
    return number, f"some_{number}_{secrets.token_hex(32)}"


def token_id(text: str) -> str | None:
    """Return the id in a machine token, or None where `text` is none."""
    match = _TOKEN.fullmatch(text)
    return match[1] if match else None


def peer_key(peer: str) -> str:
    """Return what counts as one peer: an IPv4 address, or the /64 of an IPv6 address (RFC 6177: one site)."""
    try:
        address = ip_address(peer)
    except ValueError:
        return peer[:64]
    if address.version == 6:  # noqa: PLR2004 - the protocol's own number
        mapped = address.ipv4_mapped
        return str(mapped) if mapped else str(ip_network((address, _V6_SITE), strict=False))
    return str(address)


def is_within(peer: str, networks: Iterable[str]) -> bool:
    """Say whether `peer` lies in one of `networks` (CIDR); no networks means anywhere, junk means nowhere."""
    networks = list(networks)
    if not networks:
        return True
    try:
        address = ip_address(peer)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return any((mapped or address) in ip_network(network) for network in networks)
