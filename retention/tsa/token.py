"""The strict check of a time stamp, apart from how it came. Pure: bytes, expectations, trust and times in, proof out.

It fits both moments: when the reply arrives (nonce and clock known), and years later (`nonce=None`, `at` = as-of time).
RFC 3161, RFC 5816, RFC 5652, RFC 5035. What stock verifiers leave out is here: exactly one signer, the contentType
attribute, the algorithm of the imprint, ESSCertID present and matching, extended key usage critical, no future time.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from retention.tsa.chain import may_stamp, path_to_root, refuse_revoked
from retention.tsa.fault import Reason, TokenFault
from retention.tsa.reply import TST_INFO, Form, open_reply, reading
from retention.tsa.trust import UNREADABLE, wholly_read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from retention.tsa.reply import Algorithm, Opened, TokenFacts
    from retention.tsa.trust import TrustAnchors
    from some.digest import Digest

TOLERANCE = timedelta(minutes=5)
"""How far a token's time may lie after `at`: clocks of two honest machines differ, and what was taken on arrival must
not be refused by a verification in the next minute."""

_HASHES: dict[str, type[hashes.HashAlgorithm]] = {
    "2.16.840.1.101.3.4.2.1": hashes.SHA256,
    "2.16.840.1.101.3.4.2.2": hashes.SHA384,
    "2.16.840.1.101.3.4.2.3": hashes.SHA512,
}
_SHA1 = "1.3.14.3.2.26"
_IMPRINTS = {"sha256": "2.16.840.1.101.3.4.2.1", "sha512": "2.16.840.1.101.3.4.2.3"}
_RSA = "1.2.840.113549.1.1.1"
_RSA_PSS = "1.2.840.113549.1.1.10"
_EC = "1.2.840.10045.2.1"
# signature algorithm -> the digest algorithm that it implies (RFC 8017, RFC 5758); the bare key types imply none
_RSA_WITH = {
    _RSA: None,
    "1.2.840.113549.1.1.11": hashes.SHA256,
    "1.2.840.113549.1.1.12": hashes.SHA384,
    "1.2.840.113549.1.1.13": hashes.SHA512,
}
_ECDSA_WITH = {
    _EC: None,
    "1.2.840.10045.4.3.2": hashes.SHA256,
    "1.2.840.10045.4.3.3": hashes.SHA384,
    "1.2.840.10045.4.3.4": hashes.SHA512,
}
_MGF1 = "mgf1"
_MIN_RSA_BITS = 2048
_MIN_EC_BITS = 256
_MAX_SALT = 64
_CONTENT_TYPE = "1.2.840.113549.1.9.3"
_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
_ESS_V1 = "1.2.840.113549.1.9.16.2.12"
_ESS_V2 = "1.2.840.113549.1.9.16.2.47"
_KEY_ID_TAG = 0x80


@dataclass(frozen=True, slots=True)
class Expected:
    """What the token must be about.

    `nonce`: what we sent, None where it is no longer known. `earliest`: the aware time before which it cannot have been
    made, None where that is unknown.
    """

    digest: Digest
    nonce: int | None = None
    earliest: datetime | None = None


@dataclass(frozen=True, slots=True)
class CheckedToken:
    """A token that passed every check; there is no other way to get one.

    `token` is the bare CMS token (DER) out of the reply, `form` says how it came, `authority` is the signer's subject
    (RFC 4514), `path` signer to root (DER), `revocation_as_of` when the newest list was issued that speaks about the
    signer (None: no list does), `signature_algorithm` dotted.
    """

    form: Form
    gen_time: datetime
    serial: int
    policy: str
    authority: str
    accuracy: timedelta | None
    digest: Digest
    nonce: int | None
    signer_certificate: bytes
    path: tuple[bytes, ...]
    revocation_as_of: datetime | None
    signature_algorithm: str
    token: bytes


def check_reply(
    reply: bytes, expected: Expected, anchors: TrustAnchors, *, at: datetime, tolerance: timedelta = TOLERANCE
) -> CheckedToken:
    """Return the checked token in `reply` (TimeStampResp or bare token, DER), or raise TokenFault with its reason.

    `at`: the time (aware) that must not lie before the token's own time by more than `tolerance`: now, or the as-of
    time of a later verification. The certificate path is judged at the token's time.
    """
    opened = open_reply(reply)
    facts = opened.facts
    embedded = _load(opened.certificates)
    signer = _signer(opened.signer_id, [*embedded, *anchors.intermediates, *anchors.roots])
    _check_attributes(opened)
    _check_ess(opened, signer)
    _check_signature(opened, signer)
    may_stamp(signer)
    path = path_to_root(signer, embedded, anchors, facts.gen_time)
    _check_statement(facts, expected, anchors, latest=at + tolerance)
    return CheckedToken(
        form=facts.form,
        gen_time=facts.gen_time,
        serial=facts.serial,
        policy=facts.policy,
        authority=signer.subject.rfc4514_string(),
        accuracy=facts.accuracy,
        digest=expected.digest,
        nonce=facts.nonce,
        signer_certificate=signer.public_bytes(Encoding.DER),
        path=tuple(one.public_bytes(Encoding.DER) for one in path),
        revocation_as_of=refuse_revoked(path, anchors, facts.gen_time),
        signature_algorithm=opened.signature_algorithm.oid,
        token=opened.token,
    )


def _load(certificates: tuple[bytes, ...]) -> list[x509.Certificate]:
    """Return those that can be read: a broken one beside the path harms nobody, one in the path will be missed."""
    found = []
    for der in certificates:
        with contextlib.suppress(*UNREADABLE):
            found.append(wholly_read(x509.load_der_x509_certificate(der)))
    return found


def _signer(signer_id: bytes, candidates: list[x509.Certificate]) -> x509.Certificate:
    """RFC 5652 section 5.3: the signer is named by issuer and serial number, or by subject key identifier."""
    with reading("the signer's name"):
        if signer_id[0] == _KEY_ID_TAG:
            key_id: bytes = core.OctetString.load(signer_id, strict=True, tag_type="implicit", tag=0).native
            matches = [one for one in candidates if _key_id(one) == key_id]
        else:
            stated = cms.IssuerAndSerialNumber.load(signer_id, strict=True)
            named = (stated["issuer"].dump(), stated["serial_number"].native)
            matches = [one for one in candidates if _name(one) == named]
    if not matches:
        raise TokenFault(Reason.CERTIFICATE, "the signer's certificate is neither in the token nor among the anchors")
    return matches[0]


def _name(certificate: x509.Certificate) -> tuple[bytes, int]:
    """Return issuer as encoded in the certificate and serial number."""
    inner = asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER))["tbs_certificate"]
    return inner["issuer"].dump(), certificate.serial_number


def _key_id(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return None


def _check_attributes(opened: Opened) -> None:
    """RFC 5652 section 5.3: contentType and messageDigest bind the signature to TSTInfo."""
    with reading("a signed attribute"):
        content_type = core.ObjectIdentifier.load(_single(opened, _CONTENT_TYPE), strict=True).dotted
        stated = core.OctetString.load(_single(opened, _MESSAGE_DIGEST), strict=True).native
    if content_type != TST_INFO:
        raise TokenFault(
            Reason.ATTRIBUTES, f"the signature is for content of type {content_type}, not for a time stamp"
        )
    found = _digest(opened.digest_algorithm, opened.content)
    if stated != found:
        raise TokenFault(Reason.MESSAGE_DIGEST, "the signed digest is not the digest of TSTInfo")


def _single(opened: Opened, name: str) -> bytes:
    values = opened.attributes.get(name, ())
    if len(values) != 1:
        raise TokenFault(Reason.ATTRIBUTES, f"signed attribute {name}: {len(values)} values instead of one")
    return values[0]


def _check_ess(opened: Opened, signer: x509.Certificate) -> None:
    """RFC 3161 section 2.4.2, RFC 5816: the signed attributes name the signer's certificate by its hash."""
    stated: list[tuple[str, Any]] = []
    with reading("ESSCertID"):
        if _ESS_V1 in opened.attributes:
            first = tsp.SigningCertificate.load(_single(opened, _ESS_V1), strict=True)["certs"][0]
            stated.append((_SHA1, first))
        if _ESS_V2 in opened.attributes:
            second = tsp.SigningCertificateV2.load(_single(opened, _ESS_V2), strict=True)["certs"][0]
            stated.append((second["hash_algorithm"]["algorithm"].dotted, second))
    if not stated:
        raise TokenFault(Reason.ESS_MISSING, "the token does not say which certificate signed it (ESSCertID, RFC 5816)")
    der = signer.public_bytes(Encoding.DER)
    for algorithm, certificate in stated:
        with reading("ESSCertID"):
            named = certificate["issuer_serial"]
            wrong_name = not isinstance(named, core.Void) and _issuer_serial(named) != _name(signer)
            wrong_hash = certificate["cert_hash"].native != _digest(algorithm, der)
        if wrong_hash or wrong_name:
            raise TokenFault(Reason.ESS_FOREIGN, "ESSCertID names another certificate than the signer's (RFC 5816)")


def _issuer_serial(stated: Any) -> tuple[bytes, int]:
    """RFC 5035 section 5: issuer holds exactly one directoryName."""
    names = stated["issuer"]
    if len(names) != 1 or names[0].name != "directory_name":
        return b"", 0
    return names[0].chosen.untag().dump(), stated["serial_number"].native


def _check_signature(opened: Opened, signer: x509.Certificate) -> None:
    """RSA PKCS#1 v1.5, RSA-PSS or ECDSA over the signed attributes as they came (RFC 5652 section 5.4)."""
    digest = _HASHES.get(opened.digest_algorithm)
    if digest is None:
        raise TokenFault(Reason.ALGORITHM, f"signed with a digest that is not sound: {opened.digest_algorithm}")
    key = signer.public_key()
    algorithm = opened.signature_algorithm
    try:
        if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MIN_RSA_BITS:
            key.verify(opened.signature, opened.signed_attributes, _padding(algorithm, digest), digest())
        elif isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= _MIN_EC_BITS:
            _require(algorithm, _ECDSA_WITH, digest)
            key.verify(opened.signature, opened.signed_attributes, ec.ECDSA(digest()))
        else:
            raise TokenFault(Reason.ALGORITHM, "the signer's key is neither RSA of 2048 bits nor EC of 256, or more")
    except InvalidSignature:
        raise TokenFault(Reason.SIGNATURE, "the signature does not fit the signed attributes and the key") from None


def _padding(algorithm: Algorithm, digest: type[hashes.HashAlgorithm]) -> padding.AsymmetricPadding:
    if algorithm.oid != _RSA_PSS:
        _require(algorithm, _RSA_WITH, digest)
        return padding.PKCS1v15()
    with reading("the parameters of RSA-PSS"):
        stated = algos.RSASSAPSSParams.load(algorithm.parameters or b"", strict=True)
        used = _HASHES.get(stated["hash_algorithm"]["algorithm"].dotted)
        generator = stated["mask_gen_algorithm"]
        mask = _HASHES.get(generator["parameters"]["algorithm"].dotted)
        salt = int(stated["salt_length"])
        known = generator["algorithm"].native == _MGF1 and int(stated["trailer_field"]) == 1
    if used is not digest or mask is None or not known or not 0 <= salt <= _MAX_SALT:
        raise TokenFault(Reason.ALGORITHM, "RSA-PSS with other parameters than the digest's (RFC 4055 section 3.1)")
    return padding.PSS(padding.MGF1(mask()), salt)


def _require(
    algorithm: Algorithm,
    known: Mapping[str, type[hashes.HashAlgorithm] | None],
    digest: type[hashes.HashAlgorithm],
) -> None:
    if algorithm.oid not in known or known[algorithm.oid] not in {None, digest}:
        raise TokenFault(Reason.ALGORITHM, f"signature algorithm {algorithm.oid} fits neither the key nor the digest")


def _check_statement(facts: TokenFacts, expected: Expected, anchors: TrustAnchors, *, latest: datetime) -> None:
    if anchors.policies and facts.policy not in anchors.policies:
        raise TokenFault(Reason.POLICY, f"made under policy {facts.policy}, which is not an allowed one")
    wanted = expected.digest
    if facts.imprint_algorithm != _IMPRINTS[wanted.algorithm]:
        raise TokenFault(
            Reason.IMPRINT, f"the imprint is of algorithm {facts.imprint_algorithm}, not {wanted.algorithm}"
        )
    if facts.imprint != wanted.value:
        raise TokenFault(Reason.IMPRINT, f"stamps {facts.imprint.hex()[:128]}, not {wanted.hex}")
    if expected.nonce is not None and facts.nonce != expected.nonce:
        raise TokenFault(Reason.NONCE, "the nonce is not the one of the request: not an answer to it")
    if facts.gen_time > latest:
        raise TokenFault(Reason.FUTURE, f"made at {facts.gen_time.isoformat()}, which is after {latest.isoformat()}")
    if expected.earliest is not None and facts.gen_time < expected.earliest:
        earliest = expected.earliest.isoformat()
        raise TokenFault(
            Reason.PAST, f"made at {facts.gen_time.isoformat()}, although nothing was there before {earliest}"
        )


def _digest(algorithm: str, content: bytes) -> bytes:
    """Return the digest; SHA-1 only where RFC 3161 fixes it (ESSCertID version 1)."""
    if algorithm == _SHA1:
        return hashlib.sha1(content, usedforsecurity=False).digest()
    if algorithm not in _HASHES:
        raise TokenFault(Reason.ALGORITHM, f"a digest that is not sound: {algorithm}")
    running = hashes.Hash(_HASHES[algorithm]())
    running.update(content)
    return running.finalize()
