"""Certificates and tokens as wanted, right or wrong on purpose. The product's own writer of tokens does no wrong."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from retention.tsa.request import StampRequest
from retention.tsa.token import Expected
from retention.tsa.trust import TrustAnchors
from some.app.demo.tsa import TRIAL_POLICY, TrialKeys, TrialStamps
from some.clock import SimulatedClock
from some.digest import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

NOW = datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
STAMPING = (ExtendedKeyUsageOID.TIME_STAMPING,)
SERVER = ExtendedKeyUsageOID.SERVER_AUTH


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(*, certificates: bool = False, signatures: bool = True) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=signatures,
        content_commitment=False,
        key_encipherment=not signatures,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=certificates,
        encipher_only=False,
        decipher_only=False,
    )


class Ca:
    """A certification authority with its key."""

    def __init__(
        self,
        subject: str,
        key: rsa.RSAPrivateKey,
        *,
        parent: Ca | None = None,
        ca: bool = True,
        path_length: int | None = None,
        constraints: bool = True,
        key_usage: x509.KeyUsage | None = None,
        purposes: Iterable[x509.ObjectIdentifier] = (),
        digest: hashes.HashAlgorithm | None = None,
        extra: Iterable[tuple[x509.ExtensionType, bool]] = (),
        life: tuple[datetime, datetime] = (NOW - 3650 * DAY, NOW + 3650 * DAY),
    ) -> None:
        self.key = key
        self.parent = parent or self
        builder = x509.CertificateBuilder(
            subject_name=name(subject),
            issuer_name=parent.certificate.subject if parent else name(subject),
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=life[0],
            not_valid_after=life[1],
        )
        if constraints:
            builder = builder.add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        if key_usage is not None or constraints:
            builder = builder.add_extension(key_usage or usage(certificates=True), critical=True)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical=critical)
        self.certificate = builder.sign(self.parent.key, digest or hashes.SHA256())

    def leaf(
        self,
        key: Any,
        *,
        subject: str = "Test TSA",
        purposes: Iterable[x509.ObjectIdentifier] = STAMPING,
        critical: bool = True,
        key_usage: x509.KeyUsage | None = None,
        life: tuple[datetime, datetime] = (NOW - 365 * DAY, NOW + 365 * DAY),
        extra: Iterable[tuple[x509.ExtensionType, bool]] = (),
        digest: hashes.HashAlgorithm | None = None,
    ) -> x509.Certificate:
        builder = x509.CertificateBuilder(
            subject_name=name(subject),
            issuer_name=self.certificate.subject,
            public_key=key.public_key(),
            serial_number=x509.random_serial_number(),
            not_valid_before=life[0],
            not_valid_after=life[1],
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        if key_usage is not False:
            builder = builder.add_extension(key_usage or usage(), critical=True)
        if purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=critical)
        for extension, is_critical in extra:
            builder = builder.add_extension(extension, critical=is_critical)
        return builder.sign(self.key, digest or hashes.SHA256())

    def crl(
        self,
        *entries: tuple[x509.Certificate, datetime, x509.ReasonFlags | None],
        issued: datetime = NOW,
        key: Any = None,
        extra: Iterable[tuple[x509.ExtensionType, bool]] = (),
    ) -> bytes:
        builder = x509.CertificateRevocationListBuilder()
        builder = builder.issuer_name(self.certificate.subject).last_update(issued).next_update(issued + 30 * DAY)
        for certificate, when, reason in entries:
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(when)
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        builder = builder.add_extension(x509.CRLNumber(1), critical=False)
        for extension, critical in extra:
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(Encoding.PEM)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


class Forge(TrialStamps):
    """A writer of tokens whose every part can be replaced by a keyword."""

    def __init__(self, signer: x509.Certificate, key: Any, issuer: x509.Certificate, **twists: Any) -> None:
        super().__init__(TrialKeys(issuer, signer, key), SimulatedClock(twists.pop("at", NOW)))
        self.twists = twists

    def statement(self, asked: tsp.TimeStampReq) -> tsp.TSTInfo:
        stated = super().statement(asked)
        for field, value in self.twists.get("state", {}).items():
            stated[field] = value
        for field in self.twists.get("unstate", ()):
            del stated[field]
        return stated

    def attributes(self, content: bytes) -> list[cms.CMSAttribute]:
        attributes = super().attributes(content)
        if "ess" in self.twists:
            attributes = [*attributes[:2], *self.twists["ess"](self.keys.certificate)]
        return self.twists.get("attributes", lambda kept: kept)(attributes)

    def sign(self, attributes: bytes) -> tuple[cms.SignedDigestAlgorithm, bytes]:
        if "sign" in self.twists:
            return self.twists["sign"](self.keys.key, attributes)
        return super().sign(attributes)

    def signers(self, content: bytes) -> list[cms.SignerInfo]:
        return self.twists.get("signers", lambda kept: kept)(super().signers(content))

    def certificates(self) -> list[asn1_x509.Certificate]:
        if "certificates" in self.twists:
            return [encoded(one) for one in self.twists["certificates"]]
        return super().certificates()

    def answer(self, request: StampRequest) -> bytes:
        """Return the reply to `request`."""
        return self.reply(request.der)


def encoded(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))


def without(kind: str) -> Callable[[list[cms.CMSAttribute]], list[cms.CMSAttribute]]:
    return lambda attributes: [one for one in attributes if one["type"].native != kind]


def ess_v1(certificate: x509.Certificate, *, issuer_serial: bool = True) -> list[cms.CMSAttribute]:
    der = certificate.public_bytes(Encoding.DER)
    stated: dict[str, Any] = {"cert_hash": hashlib.sha1(der, usedforsecurity=False).digest()}
    if issuer_serial:
        stated["issuer_serial"] = named(certificate)
    return [cms.CMSAttribute({"type": "signing_certificate", "values": [tsp.SigningCertificate({"certs": [stated]})]})]


def ess_v2(
    certificate: x509.Certificate,
    *,
    algorithm: str = "sha256",
    issuer_serial: dict[str, Any] | None = None,
    digest: bytes | None = None,
) -> list[cms.CMSAttribute]:
    der = certificate.public_bytes(Encoding.DER)
    stated: dict[str, Any] = {"cert_hash": digest or hashlib.new(algorithm, der).digest()}
    if algorithm != "sha256":
        stated["hash_algorithm"] = {"algorithm": algorithm}
    if issuer_serial is not None:
        stated["issuer_serial"] = issuer_serial
    value = tsp.SigningCertificateV2({"certs": [stated]})
    return [cms.CMSAttribute({"type": "signing_certificate_v2", "values": [value]})]


def named(certificate: x509.Certificate) -> dict[str, Any]:
    issuer = asn1_x509.GeneralName("directory_name", encoded(certificate).issuer)
    return {"issuer": [issuer], "serial_number": certificate.serial_number}


def sign_pss(salt: int = 32, *, mask: str = "sha256", digest: str = "sha256") -> Callable[[Any, bytes], Any]:
    def sign(key: rsa.RSAPrivateKey, content: bytes) -> tuple[cms.SignedDigestAlgorithm, bytes]:
        known = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha512": hashes.SHA512}
        parameters = algos.RSASSAPSSParams(
            {
                "hash_algorithm": {"algorithm": digest},
                "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": mask}},
                "salt_length": salt,
            }
        )
        scheme = padding.PSS(padding.MGF1(known[mask]()), salt)
        signature = key.sign(content, scheme, known[digest]())
        return cms.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": parameters}), signature

    return sign


def sign_ecdsa(algorithm: str = "sha256_ecdsa") -> Callable[[Any, bytes], Any]:
    def sign(key: ec.EllipticCurvePrivateKey, content: bytes) -> tuple[cms.SignedDigestAlgorithm, bytes]:
        signature = key.sign(content, ec.ECDSA(hashes.SHA256()))
        return cms.SignedDigestAlgorithm({"algorithm": algorithm}), signature

    return sign


def sign_broken(key: rsa.RSAPrivateKey, content: bytes) -> tuple[cms.SignedDigestAlgorithm, bytes]:
    return cms.SignedDigestAlgorithm({"algorithm": "sha256_rsa"}), key.sign(
        content + b"x", padding.PKCS1v15(), hashes.SHA256()
    )


class World:
    """One good root with its TSA, one rogue of each, and a request: made once, because RSA keys take time."""

    def __init__(self) -> None:
        self.root = Ca("Test TSA Root", rsa_key())
        self.tsa_key = rsa_key()
        self.tsa = self.root.leaf(self.tsa_key)
        self.rogue = Ca("Rogue Root", rsa_key())
        self.twin = Ca("Test TSA Root", self.rogue.key)
        self.rogue_key = rsa_key()
        self.ec_key = ec.generate_private_key(ec.SECP256R1())
        self.manifest = b"# evidence-manifest v1\n# seq 1\n"
        self.request = StampRequest.make(sha256(self.manifest))
        self.anchors = TrustAnchors.parse(self.root.pem, policies=[TRIAL_POLICY])
        self.expected = Expected(self.request.digest, self.request.nonce)

    def forge(self, *, signer: x509.Certificate | None = None, key: Any = None, **twists: Any) -> Forge:
        twists.setdefault("certificates", [signer or self.tsa, self.root.certificate])
        return Forge(signer or self.tsa, key or self.tsa_key, self.root.certificate, **twists)

    def reply(self, **twists: Any) -> bytes:
        return self.forge(**twists).answer(self.request)


def status_of(reply: bytes, status: int) -> bytes:
    """Return `reply` with another PKIStatus and everything else as it was."""
    taken = tsp.TimeStampResp.load(reply)
    token = taken["time_stamp_token"].dump()
    return core.Sequence.load(_sequence(_sequence(bytes([2, 1, status])) + token)).dump()


def _sequence(content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82, size >> 8, size & 255])
    return b"\x30" + length + content
