"""Kamu SM (TUBITAK BILGEM), where public bodies of Turkey get their time stamps: RFC 3161 with its own sign-in.

Each request carries an `identity` header: lower-case hexadecimal of DER

    ESYAReqEx ::= SEQUENCE { userid INTEGER, salt OCTET STRING, iterationCount INTEGER,
                             iv OCTET STRING, encryptedMessageImprint OCTET STRING }

where the hash of the request is encrypted with AES-256-CBC (PKCS#7) under PBKDF2-HMAC-SHA256(password, salt, 100).
A request without it gets 403. Errors come under HTTP 200 as a TimeStampResp without token (`retention.tsa.reply` reads
them). What is left is asked with an empty body and two more headers; it is booked late, so the number lags. Their
server allows a clock 10 minutes off. It speaks HTTP, not HTTPS: the password is guarded by the header alone.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asn1crypto import core
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from retention.tsa.authority import QUERY_TYPE, REPLY_TYPE, PasswordFile, reply_in
from retention.tsa.fault import Reason, TokenFault
from retention.tsa.reply import open_reply
from retention.tsa.request import StampRequest
from some.errors import Unavailable
from some.outbound import place

if TYPE_CHECKING:
    from datetime import datetime

    from some.clock import Clock
    from some.outbound import Outbound

ITERATIONS = 100
USER_AGENT = "UEKAE TSS Client"
_SALT_BYTES = 16
_BLOCK_BITS = 128
_KEY_BYTES = 32
_MAX_CREDIT = 10


class Identity(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """ESYAReqEx, the DER of the `identity` header."""

    _fields = [  # noqa: RUF012 - how asn1crypto wants it
        ("userid", core.Integer),
        ("salt", core.OctetString),
        ("iterationCount", core.Integer),
        ("iv", core.OctetString),
        ("encryptedMessageImprint", core.OctetString),
    ]


def derive_key(password: bytes, salt: bytes, iterations: int = ITERATIONS) -> bytes:
    """Return the 32-byte AES key of one header."""
    return hashlib.pbkdf2_hmac("sha256", password, salt, iterations, _KEY_BYTES)


def identity(user: int, password: bytes, digest: bytes, *, salt: bytes, iv: bytes) -> str:
    """Return the `identity` header for a request about `digest` (raw hash). `salt` and `iv`: 16 bytes, fresh each."""
    padder = PKCS7(_BLOCK_BITS).padder()
    encryptor = Cipher(algorithms.AES256(derive_key(password, salt)), modes.CBC(iv)).encryptor()
    sealed = encryptor.update(padder.update(digest) + padder.finalize()) + encryptor.finalize()
    fields = {"userid": user, "salt": salt, "iterationCount": ITERATIONS, "iv": iv, "encryptedMessageImprint": sealed}
    return Identity(fields).dump().hex()  # type: ignore[no-any-return]  # bytes from an untyped library


def epoch_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970, as `credit_req_time` counts them."""
    return int(moment.timestamp() * 1000)


def credit_digest(user: int, milliseconds: int) -> bytes:
    """Return what the credit question's `identity` encrypts: SHA-1 over both decimal numbers, ASCII."""
    text = f"{user}{milliseconds}".encode("ascii")
    return hashlib.sha1(text, usedforsecurity=False).digest()


@dataclass(frozen=True, slots=True)
class KamuSm:
    """Kamu SM's authority for one customer number. `outbound.limits`: `retention.tsa.authority.SHORT_LIMITS`."""

    url: str
    outbound: Outbound
    user: int
    password: PasswordFile
    clock: Clock

    @property
    def name(self) -> str:
        """Scheme, host and port of the address."""
        return place(self.url)

    def ask(self, request: bytes) -> bytes:
        """Send the request with its identity and return the reply's bytes, unchecked; raises Unavailable."""
        return self._exchange(StampRequest.parse(request).digest.value, request, {})

    def credit(self) -> int:
        """Return how many stamps are left to this customer number; raises Unavailable."""
        now = epoch_ms(self.clock.now())
        headers = {"credit_req": str(self.user), "credit_req_time": str(now)}
        body = self._exchange(credit_digest(self.user, now), b"", headers)
        number = body.strip()
        if not (number.isdigit() and len(number) <= _MAX_CREDIT):
            raise Unavailable(f"{self.name} answered the credit question with no number: {_words(body)}")
        return int(number)

    def _exchange(self, digest: bytes, body: bytes, more: dict[str, str]) -> bytes:
        password = self.password.read()
        salt, iv = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_SALT_BYTES)
        header = identity(self.user, password, digest, salt=salt, iv=iv)
        headers = {
            "Content-Type": QUERY_TYPE,
            "Accept": REPLY_TYPE,
            "User-Agent": USER_AGENT,
            "Cache-Control": "no-cache",
            "Pragma": "no-cache",
            "identity": header,
            **more,
        }
        answer = self.outbound.exchange("POST", self.url, headers=headers, body=body)
        return reply_in(answer, self.name, secrets=(header, password.decode("iso-8859-9")))


def _words(body: bytes) -> str:
    """Return what a refusal says, which comes here too as a TimeStampResp without token."""
    try:
        open_reply(body)
    except TokenFault as fault:
        if fault.reason is Reason.REFUSED:
            return str(fault)
    return f"{len(body)} bytes of something else"
