"""Time-based codes (RFC 6238), recovery codes, and the box that TOTP secrets lie in.

A TOTP secret must be readable to be checked, so it is sealed with AES-256-GCM under a key that is not in the database:
a copy of the database alone makes no codes.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from io import BytesIO
from typing import TYPE_CHECKING

from some.app.accounts.outcomes import Enrolment
from some.durable import PRIVATE, Disk
from some.errors import IntegrityError, SettingsFault

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

STEP_S = 30
WINDOW = 1
"""Codes of one step before and after count too, for clocks that are off by up to 30 s (RFC 6238 section 5.2)."""

RECOVERY_CODES = 10
KEY_BYTES = 32
_NONCE_BYTES = 12
_CODE = re.compile(r"[0-9]{6}")
_RECOVERY_ALPHABET = "23456789abcdefghjkmnpqrstuvwxyz"
_RECOVERY_LENGTH = 12


class SecretBox:
    """Seals short secrets under one key, each bound to the row it belongs to."""

    def __init__(self, key: bytes) -> None:
        """Use `key` (32 bytes)."""
        if len(key) != KEY_BYTES:
            msg = f"the key of the account secrets has {KEY_BYTES} bytes, not {len(key)}"
            raise SettingsFault(msg)
        self._key = key

    @classmethod
    def at(cls, path: Path, disk: Disk) -> SecretBox:
        """Return the box whose key lies at `path`, making the key (mode 0600) where there is none."""
        try:
            disk.make_folder(path.parent)
            disk.write_new(path, secrets.token_bytes(KEY_BYTES), PRIVATE)
        except FileExistsError:
            pass
        return cls(path.read_bytes())

    def seal(self, secret: str, row: str) -> str:
        """Return `secret` sealed for the row with id `row`."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - only codes pay for it

        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = AESGCM(self._key).encrypt(nonce, secret.encode(), row.encode())
        return base64.b64encode(nonce + sealed).decode()

    def open(self, sealed: str, row: str) -> str:
        """Return what `seal` was given; raises IntegrityError where key, row or text do not fit."""
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - as above

        content = base64.b64decode(sealed)
        try:
            return AESGCM(self._key).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], row.encode()).decode()
        except InvalidTag as error:
            msg = f"the sealed secret of {row} does not open: another key, or somebody changed it; reset the account"
            raise IntegrityError(msg) from error


def new_totp_secret() -> str:
    """Return 160 random bits in base32 (RFC 4226 section 4, requirement 6)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def enrolment(secret: str, name: str, issuer: str) -> Enrolment:
    """Return what an authenticator app needs for the account `name`."""
    import pyotp  # noqa: PLC0415 - as above
    import segno  # noqa: PLC0415 - as above

    uri = pyotp.TOTP(secret).provisioning_uri(name=name or issuer, issuer_name=issuer)
    image = BytesIO()
    segno.make(uri, error="m").save(image, kind="svg", xmldecl=False, svgns=True, omitsize=True, border=2)
    return Enrolment(secret, uri, image.getvalue().decode())


def accepted_step(secret: str, code: str, now: datetime, last_step: int) -> int | None:
    """Return the time step that `code` belongs to, or None: wrong, too old, or of a step already used."""
    import pyotp  # noqa: PLC0415 - as above

    code = re.sub(r"\s", "", code)
    if _CODE.fullmatch(code) is None:
        return None
    current = int(now.timestamp()) // STEP_S
    totp = pyotp.TOTP(secret)
    found = None
    for step in range(current - WINDOW, current + WINDOW + 1):
        if hmac.compare_digest(totp.generate_otp(step), code) and step > last_step:
            found = step
    return found


def new_recovery_codes() -> tuple[str, ...]:
    """Return ten codes of 59 bits: `k3mq-7xwd-p2hs`, without letters that look alike."""
    return tuple(_recovery_code() for _ in range(RECOVERY_CODES))


def recovery_digest(code: str) -> str:
    """Return the SHA-256 of a recovery code as typed, whatever its case, spaces and dashes."""
    return hashlib.sha256(re.sub(r"[\s-]", "", code).casefold().encode()).hexdigest()


def _recovery_code() -> str:
    text = "".join(secrets.choice(_RECOVERY_ALPHABET) for _ in range(_RECOVERY_LENGTH))
    return "-".join((text[:4], text[4:8], text[8:]))
