"""The commands by which a stranger checks one seal with `zstd`, `sha256sum` and `openssl` alone.

The root certificate is pinned by the fingerprint that stands here, not by the chain in the package, and the stamp is
checked at its own time (`-attime`), so that it also passes after the authority's certificate has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from some.app.web.call import Call
    from some.app.web.ports import SealDetail

ROOT_FILE = "tsa-root.pem"
CUT = "\\\n  "
"""A command goes on in the next line."""


def commands(call: Call, detail: SealDetail) -> list[tuple[str, str]]:
    """Return the commands in coloured pieces: comments, program names, expected output."""
    row = detail.row
    if row.number is None or row.committed_at is None:
        return []
    name = f"seal-{row.number:06d}"
    steps: list[tuple[str, str]] = []

    def step(title: str, *lines: tuple[str, str]) -> None:
        place = sum(tone == "c" for tone, _text in steps) + 1
        steps.append(("c", f"# {place}  {title}\n"))
        for program, rest in lines:
            steps.append(("k" if rest else "g", program))
            steps.append(("", f" {rest}\n" if rest else "\n"))
        steps.append(("", "\n"))

    step(
        call._("are segments and previous seal unchanged?"),
        ("zstd", "-dqk seg-*.log.zst"),
        ("sha256sum", f"-c {name}.manifest"),
    )
    step(
        call._("did this ledger sign the manifest?"),
        (
            "openssl",
            f"pkeyutl -verify -rawin -pubin {CUT}-inkey {detail.key_file} {CUT}-in {name}.manifest -sigfile {name}.sig",
        ),
        ("Signature Verified Successfully", ""),
    )
    if row.stamped_at is None or detail.root_fingerprint is None:
        steps[-1] = ("", "")
        return steps
    step(
        call._("is this the root that the authority publishes?"),
        ("openssl", f"x509 -in {ROOT_FILE} {CUT}-noout -fingerprint -sha256"),
        (_wrapped(detail.root_fingerprint), ""),
    )
    at = int(row.stamped_at.timestamp())
    step(
        call._("do time and authority of the stamp hold?"),
        (
            "openssl",
            f"ts -verify -data {name}.manifest {CUT}-in {name}.tsr -CAfile {ROOT_FILE} {CUT}-attime {at}",
        ),
        ("Verification: OK", ""),
    )
    steps[-1] = ("", "")
    return steps


def _wrapped(fingerprint: str) -> str:
    """Return the fingerprint as openssl prints it, in two lines."""
    pairs = [fingerprint[place : place + 2].upper() for place in range(0, len(fingerprint), 2)]
    half = len(pairs) // 2
    return f"sha256 Fingerprint=\n  {':'.join(pairs[:half])}:\n  {':'.join(pairs[half:])}"
