"""One seal from its bytes: manifest, signature, token and request. Runs in worker processes, a batch at a time.

What stands here concerns one seal alone; what ties seals to each other is `retention.verify_chain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_public_key

from retention.finding import Finding, Severity
from retention.layout import Ledger, manifest_name, token_name
from retention.manifest import MAX_MANIFEST_BYTES, Manifest
from retention.tsa.fault import Reason, TokenFault
from retention.tsa.reply import MAX_REPLY_BYTES, read_token
from retention.tsa.request import MAX_REQUEST_BYTES, StampRequest
from retention.tsa.token import Expected, check_reply
from retention.tsa.trust import TrustAnchors
from retention.verify_files import FileFault, read_whole
from some.digest import sha256 as digest_of
from some.errors import BadInput, IntegrityError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

MAX_KEY_BYTES = 4096
SIGNATURE_BYTES = 64


@dataclass(frozen=True, slots=True)
class PackedAnchors:
    """Trust anchors as bytes, because certificates do not travel between processes."""

    roots: bytes
    intermediates: bytes
    crls: bytes
    policies: frozenset[str]

    @classmethod
    def pack(cls, anchors: TrustAnchors) -> PackedAnchors:
        """Return `anchors` as PEM texts."""
        crls = b"".join(crl.public_bytes(Encoding.PEM) for crl in anchors.crls)
        return cls(anchors.roots_pem(), anchors.intermediates_pem(), crls, anchors.policies)

    def unpack(self) -> TrustAnchors:
        """Return the anchors."""
        return TrustAnchors.parse(
            self.roots, intermediates=self.intermediates, crls=self.crls, policies=self.policies
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SealsOrder:
    """Check these seals (numbers in order). `key` is the raw Ed25519 key, None where it cannot be read."""

    folder: Path
    ledger: str
    seals: tuple[int, ...]
    stamped: frozenset[int]
    requested: frozenset[int]
    key: bytes | None
    anchors: PackedAnchors | None
    as_of: datetime


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a token says; `checked` is False where no roots were given and only its form and imprint were looked at."""

    gen_time: datetime
    serial: int
    policy: str
    authority: str
    revocation_as_of: datetime | None
    checked: bool


@dataclass(frozen=True, slots=True)
class SealResult:
    """One seal as found: `manifest` and `stamp` are None where they cannot be used, and a finding says why.

    `reply_sha256` is the digest of the authority's reply as a file, which a later manifest lists.
    """

    seal: int
    manifest_sha256: str | None
    manifest: Manifest | None
    reply_sha256: str | None
    stamp: Stamp | None
    findings: tuple[Finding, ...]


def check_seals(order: SealsOrder) -> list[SealResult]:
    """Return one result per seal; never raises for what stands in the files."""
    anchors = order.anchors.unpack() if order.anchors else None
    key = Ed25519PublicKey.from_public_bytes(order.key) if order.key else None
    return [_Seal(order, seal, key, anchors).check() for seal in order.seals]


def load_key(pem: bytes) -> Ed25519PublicKey:
    """Return the ledger's key; raises IntegrityError unless `pem` is exactly one Ed25519 public key."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, TypeError, UnsupportedAlgorithm) as fault:
        raise IntegrityError("not a public key in PEM") from fault
    if not isinstance(key, Ed25519PublicKey):
        raise IntegrityError("not an Ed25519 key")
    return key


class _Seal:
    """Checks one seal and collects what it finds."""

    def __init__(
        self, order: SealsOrder, seal: int, key: Ed25519PublicKey | None, anchors: TrustAnchors | None
    ) -> None:
        self._order, self._seal, self._key, self._anchors = order, seal, key, anchors
        self._ledger = Ledger(order.folder, order.ledger)
        self._findings: list[Finding] = []

    def check(self) -> SealResult:
        """Return what the seal's own files say."""
        text = self._read(self._ledger.manifest(self._seal), MAX_MANIFEST_BYTES)
        manifest = None if text is None else self._parse(text)
        reply_sha256, stamp = None, None
        if text is not None:
            self._check_signature(text)
            if self._seal in self._order.stamped:
                reply_sha256, stamp = self._check_token(text)
            elif self._seal in self._order.requested:
                self._nonce_of_request(text)
        found = None if text is None else sha256(text).hexdigest()
        return SealResult(self._seal, found, manifest, reply_sha256, stamp, tuple(self._findings))

    def _error(self, code: str, where: str, text: str) -> None:
        self._findings.append(Finding(code, Severity.ERROR, where, text))

    def _read(self, path: Path, limit: int) -> bytes | None:
        try:
            return read_whole(path, limit)
        except FileFault as fault:
            self._error(fault.code, path.name, str(fault))
            return None

    def _parse(self, text: bytes) -> Manifest | None:
        """Parse strictly, then see that it is this seal's of this ledger, and that it fixes the ledger's key."""
        name = manifest_name(self._seal)
        try:
            manifest = Manifest.parse(text)
        except (IntegrityError, OverflowError) as fault:
            self._error("manifest.damaged", name, str(fault))
            return None
        if (manifest.ledger, manifest.seal) != (self._order.ledger, self._seal):
            self._error("manifest.number", name, f"is of ledger {manifest.ledger}, seal {manifest.seal}")
            return None
        return manifest

    def _check_signature(self, text: bytes) -> None:
        """Check Ed25519 over the manifest's bytes; a committed seal without signature is signed at the next start."""
        path = self._ledger.signature(self._seal)
        name = path.name
        try:
            signature = read_whole(path, SIGNATURE_BYTES)
        except FileFault as fault:
            self._error("signature.missing" if fault.code == "file.missing" else fault.code, name, str(fault))
            return
        if self._key is None:
            return
        try:
            self._key.verify(signature, text)
        except InvalidSignature:
            self._error("signature.wrong", name, "does not fit the manifest and the ledger's key")

    def _check_token(self, text: bytes) -> tuple[str | None, Stamp | None]:
        """Check the token strictly: imprint of the manifest, nonce of the request, path to a pinned root."""
        name = token_name(self._seal)
        reply = self._read(self._ledger.token(self._seal), MAX_REPLY_BYTES)
        if reply is None:
            return None, None
        nonce = self._nonce_of_request(text) if self._seal in self._order.requested else None
        expected = Expected(digest_of(text), nonce)
        found = sha256(reply).hexdigest()
        try:
            if self._anchors is None:
                return found, _unpinned(reply, expected)
            token = check_reply(reply, expected, self._anchors, at=self._order.as_of)
        except TokenFault as fault:
            self._error(fault.code, name, str(fault))
            return found, None
        stamp = Stamp(token.gen_time, token.serial, token.policy, token.authority, token.revocation_as_of, checked=True)
        return found, stamp

    def _nonce_of_request(self, text: bytes) -> int | None:
        path = self._ledger.request(self._seal)
        request = self._read(path, MAX_REQUEST_BYTES)
        if request is None:
            return None
        try:
            asked = StampRequest.parse(request)
        except BadInput as fault:
            self._error("request.damaged", path.name, str(fault))
            return None
        if asked.digest != digest_of(text):
            self._error("request.damaged", path.name, "asks for a stamp over something else than the manifest")
            return None
        return asked.nonce


def _unpinned(reply: bytes, expected: Expected) -> Stamp:
    """Look at a token without roots: form and imprint only. `retention.verify` says once that this proves no time."""
    facts = read_token(reply)
    if facts.imprint != expected.digest.value:
        raise TokenFault(Reason.IMPRINT, f"stamps {facts.imprint.hex()[:128]}, not {expected.digest.hex}")
    if expected.nonce is not None and facts.nonce != expected.nonce:
        raise TokenFault(Reason.NONCE, "the nonce is not the one of the request: not an answer to it")
    return Stamp(facts.gen_time, facts.serial, facts.policy, "", None, checked=False)
