"""A second opinion before a token is accepted: the `openssl` program that an expert will use years later.

Our own check is stricter in every known respect but one cannot know; what `openssl` refuses would be a poor proof in
court. `openssl ts -verify` (3.0) refuses RSA-PSS tokens as such, so those go to `openssl cms -verify`, which cannot see
ESSCertID. A program that is missing, too old or does not end is no opinion, and our own check decides alone.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from retention.tsa.fault import Reason, TokenFault
from retention.tsa.reply import Form
from some.diagnostics import named

if TYPE_CHECKING:
    from retention.tsa.token import CheckedToken
    from retention.tsa.trust import TrustAnchors

_RSA_PSS = "1.2.840.113549.1.1.10"
_KNOWN = (b"OpenSSL 1.1.1", b"OpenSSL 3.", b"OpenSSL 4.")


@dataclass(frozen=True, slots=True)
class OpensslCheck:
    """The program and how many seconds it may take."""

    program: Path
    limit_s: float = 20.0

    @classmethod
    def find(cls, *, path: str | None = None, limit_s: float = 20.0) -> OpensslCheck | None:
        """Return the check with the `openssl` on PATH (or `path`); None where there is none that knows our options."""
        program = shutil.which("openssl", path=path)
        if program is None:
            return None
        found = cls(Path(program), limit_s)
        answer = found._run([program, "version"])
        return found if answer is not None and answer.stdout.startswith(_KNOWN) else None

    def agree(self, reply: bytes, request: bytes, checked: CheckedToken, anchors: TrustAnchors) -> None:
        """Return where openssl takes the reply (or has no opinion); raises TokenFault where it refuses it."""
        with TemporaryDirectory(prefix="some-tsa-") as folder:
            place = Path(folder)
            (place / "roots.pem").write_bytes(anchors.roots_pem())
            (place / "between.pem").write_bytes(anchors.intermediates_pem())
            (place / "all.pem").write_bytes(anchors.roots_pem() + anchors.intermediates_pem())
            (place / "request.tsq").write_bytes(request)
            (place / "reply.tsr").write_bytes(reply)
            (place / "token.der").write_bytes(checked.token)
            answer = self._run([str(self.program), *_arguments(place, checked, anchors)])
        if answer is not None and answer.returncode != 0:
            lines = answer.stderr.decode(errors="replace").split("\n")
            words = next((line for line in lines if "error" in line.lower()), "no reason given")
            raise TokenFault(Reason.CROSS_CHECK, f"openssl refuses a token that our own check takes: {words[:200]}")

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes] | None:
        try:
            return subprocess.run(command, capture_output=True, timeout=self.limit_s, check=False)
        except (OSError, subprocess.TimeoutExpired) as fault:
            named("retention.tsa").warning("openssl.not_run", error=type(fault).__name__)
            return None


def _arguments(place: Path, checked: CheckedToken, anchors: TrustAnchors) -> list[str]:
    at = str(int(checked.gen_time.timestamp()))
    trust = ["-partial_chain", "-attime", at, "-CAfile"]
    if checked.signature_algorithm == _RSA_PSS:
        # `cms` builds its path from the token and this one file only
        token = ["-inform", "DER", "-in", str(place / "token.der"), "-out", str(place / "content.der")]
        return ["cms", "-verify", *token, "-purpose", "timestampsign", *trust, str(place / "all.pem")]
    between = ["-untrusted", str(place / "between.pem")] if anchors.intermediates else []
    bare = ["-token_in"] if checked.form is Form.TOKEN else []
    stamp = ["-queryfile", str(place / "request.tsq"), "-in", str(place / "reply.tsr"), *bare]
    return ["ts", "-verify", *stamp, *trust, str(place / "roots.pem"), *between]
