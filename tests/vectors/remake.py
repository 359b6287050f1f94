"""Remake the test vectors of retention/SPEC.md: `python tests/vectors/remake.py` writes vectors.json beside itself.

The vectors are made from the words of the SPEC with hashlib and struct alone; the platform's code is not used here, so
that a mistake in it cannot make its own vector.
"""

from __future__ import annotations

import base64
import json
import struct
from hashlib import sha256, shake_256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SEED = bytes(range(32))
KEY = bytes(range(100, 132))
# the leaf inputs of the Certificate Transparency reference tree
CT_ENTRIES = [
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
]  # fmt: skip
RAW = [b"", b"plain", b"a\nb", b"a\r\nb", b"\x00", b"\\", b"\\n", b"\t", bytes(range(256)), "ğüşiöç İ".encode()]


def main() -> None:
    """Write the file."""
    Path(__file__).with_name("vectors.json").write_text(text(), encoding="utf-8")


def text() -> str:
    """Return the file's text."""
    return json.dumps(vectors(), indent=1, ensure_ascii=True) + "\n"


def vectors() -> dict[str, Any]:
    """Return all vectors by section of the SPEC."""
    lines = [
        f"2026-11-23T09:00:0{1 + index // 2}.000000Z\tgw-merkez\tudp:192.0.2.7:51234\tmessage {index}".encode()
        for index in range(3)
    ]
    manifests = manifest_texts(lines)
    return {
        "line_and_escape": [{"raw": raw.hex(), "escaped": escape(raw).hex()} for raw in RAW],
        "salt": [{"seed": SEED.hex(), "position": at, "salt": salt(at).hex()} for at in (0, 1, 4095, 4096, 10**6)],
        "leaf": [{"position": at, "line": line.hex(), "leaf": leaf(at, line).hex()} for at, line in enumerate(lines)],
        "tree": [
            {"records": count, "line": "record %d", "root": tree_of(count).hex()} for count in (1, 2, 3, 7, 4097, 8200)
        ],
        "rfc6962": {"entries": CT_ENTRIES, "roots": [ct_root(count).hex() for count in range(len(CT_ENTRIES) + 1)]},
        "path": [path_vector(*shape) for shape in ((0, 1), (0, 7), (3, 7), (6, 7), (4, 5), (512, 1025), (1024, 1025))],
        "table": {
            "frames": [[0, 0, 0], [33, 100, 2]],
            "end": 71,
            "content": 248,
            "records": 3,
            "packed": table().hex(),
        },
        "manifest": [
            {"text": one.decode(), "sha256": sha256(one).hexdigest(), "signature": sign(one)} for one in manifests
        ],
        "key": {"private": KEY.hex(), "pem": pem().decode(), "hash": key_hash().hex()},
        "checkpoint": [checkpoint(manifests[:size]) for size in (0, 1, 2)],
    }


def escape(raw: bytes) -> bytes:
    """Section 3."""
    return b"".join({92: b"\\\\", 10: b"\\n", 13: b"\\r", 0: b"\\0"}.get(byte, bytes([byte])) for byte in raw)


def salt(position: int) -> bytes:
    """Section 4."""
    salts = shake_256(SEED + struct.pack(">Q", position // 4096)).digest(65_536)
    return salts[16 * (position % 4096) :][:16]


def leaf(position: int, line: bytes) -> bytes:
    """Section 4."""
    return sha256(b"\x00" + salt(position) + line).digest()


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written there."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = largest_power_below(len(leaves))
    return sha256(b"\x01" + mth(leaves[:split]) + mth(leaves[split:])).digest()


def path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1, as it is written there."""
    if len(leaves) == 1:
        return []
    split = largest_power_below(len(leaves))
    if index < split:
        return [*path(index, leaves[:split]), mth(leaves[split:])]
    return [*path(index - split, leaves[split:]), mth(leaves[:split])]


def largest_power_below(count: int) -> int:
    """Return the largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def tree_of(count: int) -> bytes:
    """Section 5, over lines `record 0`, `record 1` and so on."""
    return mth([leaf(at, b"record %d" % at) for at in range(count)])


def ct_root(count: int) -> bytes:
    """Return the root over the first entries of the reference tree."""
    return mth([sha256(b"\x00" + bytes.fromhex(entry)).digest() for entry in CT_ENTRIES[:count]])


def path_vector(index: int, size: int) -> dict[str, Any]:
    """Return a path over leaves SHA-256("0"), SHA-256("1") and so on."""
    leaves = [sha256(b"%d" % at).digest() for at in range(size)]
    return {"index": index, "size": size, "root": mth(leaves).hex(), "path": [one.hex() for one in path(index, leaves)]}


def table() -> bytes:
    """Section 6."""
    body = b"SOMETBL1" + struct.pack("<9Q", 0, 0, 0, 33, 100, 2, 71, 248, 3)
    return b"\x5e\x2a\x4d\x18" + struct.pack("<I", len(body) + 4) + body + struct.pack("<I", 8 + len(body) + 4)


def manifest_texts(lines: list[bytes]) -> list[bytes]:
    """Section 7: an empty first seal, and a second one that lists a segment, a note and a token."""
    key = sha256(pem()).hexdigest()
    first = (
        "# some-manifest v1\n# ledger dugum1\n# seal 1\n# trial deneme, hukuki degeri yoktur\n"
        "# opened 2026-11-23T08:00:00.000000Z\n# closed 2026-11-23T09:00:00.000000Z\n# interval 3600\n# records 0\n"
        f"{key}  dugum1.pub.pem\n"
    ).encode()
    content = b"".join(line + b"\n" for line in lines)
    root = mth([leaf(at, line) for at, line in enumerate(lines)]).hex()
    second = (
        "# some-manifest v1\n# ledger dugum1\n# seal 2\n"
        "# opened 2026-11-23T09:00:00.000000Z\n# closed 2026-11-23T10:00:00.000000Z\n# interval 3600\n# records 3\n"
        f"# segment 000002 access records 3 bytes {len(content)} first 2026-11-23T09:00:01.000000Z "
        f"last 2026-11-23T09:00:02.000000Z tree rfc6962-sha256-salt16 {root}\n"
        "# note dropped 12 udp datagrams lost in the kernel\n"
        f"{sha256(content).hexdigest()}  seg-000002.access.log\n{key}  dugum1.pub.pem\n"
        f"{sha256(first).hexdigest()}  seal-000001.manifest\n{sha256(b'a reply').hexdigest()}  seal-000001.tsr\n"
    ).encode()
    return [first, second]


def sign(content: bytes) -> str:
    """Section 8; Ed25519 is deterministic."""
    return Ed25519PrivateKey.from_private_bytes(KEY).sign(content).hex()


def public_key() -> bytes:
    """Return the raw public key."""
    return Ed25519PrivateKey.from_private_bytes(KEY).public_key().public_bytes_raw()


def pem() -> bytes:
    """Return the public key file."""
    key = Ed25519PrivateKey.from_private_bytes(KEY).public_key()
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_hash() -> bytes:
    """Section 9."""
    return sha256(b"dugum1\n\x01" + public_key()).digest()[:4]


def checkpoint(manifests: list[bytes]) -> dict[str, str]:
    """Section 9."""
    root = mth([sha256(b"\x00" + sha256(one).digest()).digest() for one in manifests])
    stated = f"dugum1\n{len(manifests)}\n{base64.b64encode(root).decode()}\n"
    line = base64.b64encode(key_hash() + bytes.fromhex(sign(stated.encode()))).decode()
    return {"head": stated, "note": f"{stated}\n\u2014 dugum1 {line}\n"}


if __name__ == "__main__":
    main()
