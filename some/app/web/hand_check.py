"""The commands by which a stranger checks one seal with `zstd`, `sha256sum` and `openssl` alone.

The root certificate is pinned by the fingerprint that stands here, not by the chain in the package, and the stamp is
checked at its own time (`-attime`), so that it also passes after the authority's certificate has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from some.app.web.call import Call
    from some.app.web.ports import SealDetail

ROOT_FILE = "tsa-kok.pem"
CUT = "\\\n  "
"""A command goes on in the next line."""


def commands(call: Call, detail: SealDetail) -> list[tuple[str, str]]:
    """Return the commands in coloured pieces: comments, program names, expected output."""
    row = detail.row
    if row.number is None or row.committed_at is None:
        return []
    name = f"seal-{row.number:06d}"
    sign = f"-inkey {detail.key_file} {CUT}-in {name}.manifest -sigfile {name}.sig"
    steps: list[tuple[str, list[tuple[str, str]]]] = [
        (
            call._("are segments and previous seal unchanged?"),
            [("zstd", "-dqk seg-*.log.zst"), ("sha256sum", f"-c {name}.manifest")],
        ),
        (
            call._("did this ledger sign the manifest?"),
            [("openssl", f"pkeyutl -verify -rawin -pubin {CUT}{sign}"), ("Signature Verified Successfully", "")],
        ),
    ]
    if row.stamped_at is not None and detail.root_fingerprint is not None:
        at = int(row.stamped_at.timestamp())
        root = f"x509 -in {ROOT_FILE} {CUT}-noout -fingerprint -sha256"
        stamp = f"ts -verify -data {name}.manifest {CUT}-in {name}.tsr -CAfile {ROOT_FILE} {CUT}-attime {at}"
        steps += [
            (
                call._("is this the root that the authority publishes?"),
                [("openssl", root), (_wrapped(detail.root_fingerprint), "")],
            ),
            (call._("do time and authority of the stamp hold?"), [("openssl", stamp), ("Verification: OK", "")]),
        ]
    return _coloured(steps)


def _coloured(steps: list[tuple[str, list[tuple[str, str]]]]) -> list[tuple[str, str]]:
    """Return numbered steps as pieces; a line without arguments is what the program should print."""
    pieces: list[tuple[str, str]] = []
    for place, (title, lines) in enumerate(steps, 1):
        pieces.append(("c", f"{chr(10) if place > 1 else ''}# {place}  {title}\n"))
        for program, rest in lines:
            pieces += [("k", program), ("", f" {rest}\n")] if rest else [("g", f"{program}\n")]
    return pieces


def _wrapped(fingerprint: str) -> str:
    """Return the fingerprint as openssl prints it, in two lines."""
    pairs = [fingerprint[place : place + 2].upper() for place in range(0, len(fingerprint), 2)]
    half = len(pairs) // 2
    return f"sha256 Fingerprint=\n  {':'.join(pairs[:half])}:\n  {':'.join(pairs[half:])}"
