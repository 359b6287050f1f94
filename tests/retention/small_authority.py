"""A small time-stamping authority for tests: makes RFC 3161 replies for any time, signed with keys made once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from retention.tsa.request import StampRequest

_BIRTH = datetime(2020, 1, 1, tzinfo=UTC)
_END = datetime(2040, 1, 1, tzinfo=UTC)
POLICY = "1.2.3.4.1"


@cache
def _identity(name: str, *, intermediate: bool) -> tuple[list[x509.Certificate], rsa.RSAPrivateKey]:
    """Return root, perhaps an intermediate, and signer, with the signer's key; made once, because keys are costly."""
    names = [f"{name} root", *([f"{name} intermediate"] if intermediate else []), name]
    chain: list[x509.Certificate] = []
    issuer: tuple[x509.Name, rsa.RSAPrivateKey] | None = None
    for serial, common_name in enumerate(names, 1):
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        issuer = issuer or (subject, key)
        chain.append(_certificate(subject, key, issuer, serial, ca=common_name != name))
        issuer = (subject, key)
    return chain, key


def _certificate(
    subject: x509.Name, key: rsa.RSAPrivateKey, issuer: tuple[x509.Name, rsa.RSAPrivateKey], serial: int, *, ca: bool
) -> x509.Certificate:
    usage = {
        "content_commitment": False, "key_encipherment": False, "data_encipherment": False, "key_agreement": False,
        "encipher_only": False, "decipher_only": False,
    }  # fmt: skip
    issuer_id = x509.SubjectKeyIdentifier.from_public_key(issuer[1].public_key())
    builder = (
        x509.CertificateBuilder(issuer[0], subject, key.public_key(), serial, _BIRTH, _END)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not ca, key_cert_sign=ca, crl_sign=ca, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_id), critical=False)
    )
    if not ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(issuer[1], hashes.SHA256())


@dataclass(slots=True)
class Authority:
    """An authority; two of different `name` have different roots.

    `pss` signs with RSA-PSS; `intermediate` puts a certificate between root and signer that tokens do not carry; `bare`
    answers with the token alone, as some authorities hand it out.
    """

    name: str = "Test TSA"
    pss: bool = False
    intermediate: bool = False
    bare: bool = False
    serial: int = field(default=0)

    @property
    def intermediate_pem(self) -> bytes:
        """What stands between root and signer."""
        return b"".join(one.public_bytes(Encoding.PEM) for one in self._chain[1:-1])

    @property
    def _chain(self) -> list[x509.Certificate]:
        return _identity(self.name, intermediate=self.intermediate)[0]

    @property
    def root_pem(self) -> bytes:
        """The root to pin."""
        return self._chain[0].public_bytes(Encoding.PEM)

    def reply(self, asked: StampRequest, at: datetime) -> bytes:
        """Return a granted TimeStampResp with a token over what is `asked`, of the time `at` (whole seconds)."""
        signer, key = self._chain[-1], _identity(self.name, intermediate=self.intermediate)[1]
        self.serial += 1
        content = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": POLICY,
                "message_imprint": {
                    "hash_algorithm": {"algorithm": "sha256", "parameters": core.Null()},
                    "hashed_message": asked.digest.value,
                },
                "serial_number": self.serial,
                "gen_time": at.replace(microsecond=0),
                "nonce": asked.nonce,
            }
        )
        encapsulated = content.dump()
        der = signer.public_bytes(Encoding.DER)
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [sha256(encapsulated).digest()]},
                {
                    "type": "signing_certificate_v2",
                    "values": [tsp.SigningCertificateV2({"certs": [{"cert_hash": sha256(der).digest()}]})],
                },
            ]
        )
        signed = attributes.dump()
        if self.pss:
            scheme: padding.AsymmetricPadding = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
            algorithm = {
                "algorithm": "rsassa_pss",
                "parameters": algos.RSASSAPSSParams(
                    {
                        "hash_algorithm": {"algorithm": "sha256"},
                        "mask_gen_algorithm": {"algorithm": "mgf1", "parameters": {"algorithm": "sha256"}},
                        "salt_length": 32,
                    }
                ),
            }
        else:
            scheme = padding.PKCS1v15()
            algorithm = {"algorithm": "rsassa_pkcs1v15", "parameters": core.Null()}
        certificate = asn1_x509.Certificate.load(der)
        token = cms.ContentInfo(
            {
                "content_type": "signed_data",
                "content": {
                    "version": "v3",
                    "digest_algorithms": [{"algorithm": "sha256"}],
                    "encap_content_info": {
                        "content_type": "tst_info",
                        "content": core.ParsableOctetString(encapsulated),
                    },
                    "certificates": [certificate],
                    "signer_infos": [
                        {
                            "version": "v1",
                            "sid": {
                                "issuer_and_serial_number": {
                                    "issuer": certificate.issuer,
                                    "serial_number": certificate.serial_number,
                                }
                            },
                            "digest_algorithm": {"algorithm": "sha256"},
                            "signed_attrs": attributes,
                            "signature_algorithm": algorithm,
                            "signature": key.sign(signed, scheme, hashes.SHA256()),
                        }
                    ],
                },
            }
        )
        if self.bare:
            return bytes(token.dump())
        reply: bytes = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump()
        return reply
