"""A small exporter: messages of IPFIX and NetFlow 9 from templates and values."""

from __future__ import annotations

import ipaddress
import struct

VARIABLE = 65_535
EXPORTED = 1_795_458_944  # 2026-11-23 18:35:44 UTC
UPTIME = 86_400_000


def ip(text):
    return ipaddress.ip_address(text).packed


def number(value, length):
    return value.to_bytes(length, "big")


def template_set(version, number_, fields, scope=None):
    """`fields` are (element, length) or (element, length, enterprise); with `scope` an options template."""
    specs = b""
    for element, length, *enterprise in fields:
        if enterprise and version == 10:
            specs += struct.pack(">HHI", element | 0x8000, length, *enterprise)
        else:
            specs += struct.pack(">HH", element, length)
    if scope is None:
        head = struct.pack(">HH", number_, len(fields))
        kind = 0 if version == 9 else 2
    elif version == 9:
        head = struct.pack(">HHH", number_, 4 * scope, 4 * (len(fields) - scope))
        kind = 1
    else:
        head = struct.pack(">HHH", number_, len(fields), scope)
        kind = 3
    return whole_set(kind, head + specs)


def record(fields, values):
    """Values are bytes of the field's length; those of variable length get theirs in front."""
    found = b""
    for (_, length, *_), value in zip(fields, values, strict=True):
        if length == VARIABLE:
            found += bytes([len(value)]) if len(value) < 255 else b"\xff" + struct.pack(">H", len(value))
        found += value
    return found


def whole_set(kind, content, padding=0):
    return struct.pack(">HH", kind, 4 + len(content) + padding) + content + b"\x00" * padding


def message(version, *sets, exported=EXPORTED, uptime=UPTIME, sequence=7, domain=1, count=None):
    content = b"".join(sets)
    if version == 9:
        count = len(sets) if count is None else count
        return struct.pack(">HHIIII", 9, count, uptime, exported, sequence, domain) + content
    return struct.pack(">HHIII", 10, 16 + len(content), exported, sequence, domain) + content


def alone(version, fields, values, number_=256, **header):
    """Return a message of one template and one record."""
    sets = template_set(version, number_, fields), whole_set(number_, record(fields, values))
    return message(version, *sets, **header)
