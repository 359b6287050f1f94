"""A server that speaks Kamu SM's protocol as strictly as its description allows, written apart from our client."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from asn1crypto import core
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from tsa_peer import Peer, answer

if TYPE_CHECKING:
    import socket

    from tsa_forge import TrialStamps

    from some.clock import Clock

REPLY = "application/timestamp-reply"
DRIFT_MS = 10 * 60 * 1000


class Refusal(Exception):
    """An error that goes out under HTTP 200."""


class KamuServer:
    """Customers with passwords and credit; credit is booked only when `book` is called, as theirs is: late."""

    def __init__(self, stamps: TrialStamps, clock: Clock, customers: dict[int, bytes], *, credit: int = 10) -> None:
        self.stamps = stamps
        self.clock = clock
        self.customers = customers
        self.credit = credit
        self.used = 0
        self.identities: list[str] = []

    def serve(self) -> Peer:
        return Peer(self._behave)

    def book(self) -> None:
        self.credit, self.used = self.credit - self.used, 0

    def _behave(self, _: Peer, connection: socket.socket, request: bytes) -> None:
        head, _, body = request.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        connection.sendall(self._answer(first, headers, body))

    def _answer(self, first: str, headers: dict[str, str], body: bytes) -> bytes:
        if first != "POST / HTTP/1.1" or "identity" not in headers:
            return answer("Erişim yasak: kimlik başlığı yok".encode("iso-8859-9"), status="403 Forbidden")
        if headers.get("content-type") != "application/timestamp-query":
            return answer(b"type", status="415 Unsupported Media Type")
        try:
            if body:
                return answer(self._stamp(headers, body), kind=REPLY)
            return answer(self._left(headers), kind=REPLY)
        except Refusal as refusal:
            return answer(self.stamps.rejection("bad_request", str(refusal)), kind=REPLY)

    def _stamp(self, headers: dict[str, str], body: bytes) -> bytes:
        asked = self.stamps.read(body)
        self._prove(headers["identity"], asked["message_imprint"]["hashed_message"].native)
        if self.credit <= 0:
            raise Refusal("Kontör yetersiz")
        self.used += 1
        return self.stamps.reply(body)

    def _left(self, headers: dict[str, str]) -> bytes:
        user, moment = headers.get("credit_req", ""), headers.get("credit_req_time", "")
        if not user.isdigit() or not moment.isdigit():
            raise Refusal("credit_req and credit_req_time are missing")
        if abs(int(moment) - int(self.clock.now().timestamp() * 1000)) > DRIFT_MS:
            raise Refusal("Request time is not acceptable")
        self._prove(headers["identity"], hashlib.sha1(f"{user}{moment}".encode(), usedforsecurity=False).digest())
        return b"%d\n" % self.credit

    def _prove(self, identity: str, digest: bytes) -> None:
        """Take the header apart and decrypt it: the password is right when the hash inside is the request's."""
        der = bytes.fromhex(identity)
        if identity != identity.lower() or identity in self.identities:
            raise Refusal("identity is not fresh lower-case hexadecimal")
        self.identities.append(identity)
        parts = core.Sequence.load(der, strict=True)
        kinds = [type(parts[place]) for place in range(len(parts))]
        if kinds != [core.Integer, core.OctetString, core.Integer, core.OctetString, core.OctetString]:
            raise Refusal("identity has another form")
        user, salt, rounds, iv, sealed = (parts[place].native for place in range(5))
        if user not in self.customers:
            raise Refusal(f"User {user} is not known")
        if (len(salt), rounds, len(iv)) != (16, 100, 16):
            raise Refusal("identity has other parameters")
        key = hashlib.pbkdf2_hmac("sha256", self.customers[user], salt, rounds, 32)
        decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
        plain = decryptor.update(sealed) + decryptor.finalize()
        fill = plain[-1]
        if plain[-fill:] != bytes([fill]) * fill or plain[:-fill] != digest:
            raise Refusal("Account could not be authenticated")
