"""What values look like in storage, and how they come back.

ip: 16 bytes, big-endian, IPv4 as IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2), so a network is one BETWEEN and one order
holds for both families, as in Elasticsearch. date: microseconds since the epoch. The rest as it is.
"""

from __future__ import annotations

import ipaddress
from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import TYPE_CHECKING

import pyarrow as pa

from ingest.ecs import FieldKind

if TYPE_CHECKING:
    from ingest.ecs import Field

_MAPPED = bytes(10) + b"\xff\xff"

_ARROW = {
    FieldKind.KEYWORD: pa.string(),
    FieldKind.TEXT: pa.string(),
    FieldKind.LONG: pa.int64(),
    FieldKind.DOUBLE: pa.float64(),
    FieldKind.BOOLEAN: pa.bool_(),
    FieldKind.IP: pa.binary(),
    FieldKind.DATE: pa.int64(),
}

_DUCKDB = {
    FieldKind.KEYWORD: "VARCHAR",
    FieldKind.TEXT: "VARCHAR",
    FieldKind.LONG: "BIGINT",
    FieldKind.DOUBLE: "DOUBLE",
    FieldKind.BOOLEAN: "BOOLEAN",
    FieldKind.IP: "BLOB",
    FieldKind.DATE: "BIGINT",
}


def arrow_type(field: Field) -> pa.DataType:
    """Return the Arrow type of the field's column."""
    kind = _ARROW[field.kind]
    return pa.list_(kind) if field.many else kind


def duckdb_type(field: Field) -> str:
    """Return the DuckDB type of the field's column."""
    return _DUCKDB[field.kind] + ("[]" if field.many else "")


def pack_ip(text: str) -> bytes:
    """Return the 16 bytes of an address; raises OSError for what is none."""
    return inet_pton(AF_INET6, text) if ":" in text else _MAPPED + inet_pton(AF_INET, text)


def unpack_ip(packed: bytes) -> str:
    """Return the canonical text (RFC 5952; IPv4-mapped as IPv4)."""
    if packed.startswith(_MAPPED):
        return inet_ntop(AF_INET, packed[12:])
    return str(ipaddress.IPv6Address(packed))


def bounds(network: str) -> tuple[bytes, bytes]:
    """Return the first and the last address of a canonical network, packed."""
    block = ipaddress.ip_network(network)
    return pack_ip(str(block.network_address)), pack_ip(str(block.broadcast_address))
