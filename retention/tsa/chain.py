"""Certificate path at the token's time to a pinned root, and revocation with reasons (RFC 5280, RFC 3161). Pure.

The path is valid at genTime, not now: a token outlives the certificate that signed it (RFC 3161 section 4 and the
practice of EN 319 102). Certificates out of the token may help to build the path; only pinned ones end it. All that
come in here were read wholly (`retention.tsa.trust.wholly_read`), so that looking at them raises nothing.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509 import ReasonFlags
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from retention.tsa.fault import Reason, TokenFault
from retention.tsa.trust import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from retention.tsa.trust import TrustAnchors

_MAX_CERTIFICATES = 6
_MAX_SIGNATURES = 32
_KNOWN_CRITICAL = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.EXTENDED_KEY_USAGE,
        ExtensionOID.CERTIFICATE_POLICIES,
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME,
    }
)
_COMPROMISE = frozenset({ReasonFlags.key_compromise, ReasonFlags.ca_compromise, ReasonFlags.aa_compromise})


def path_to_root(
    signer: x509.Certificate, embedded: Sequence[x509.Certificate], anchors: TrustAnchors, at: datetime
) -> tuple[x509.Certificate, ...]:
    """Return signer, issuers and pinned root, all valid at `at`; raises TokenFault (chain, validity)."""
    candidates = [*anchors.roots, *anchors.intermediates, *embedded]
    waiting: list[tuple[x509.Certificate, ...]] = [(signer,)]
    outside: TokenFault | None = None
    tried = 0
    while waiting:
        path = waiting.pop()
        tip = path[-1]
        if not tip.not_valid_before_utc <= at <= tip.not_valid_after_utc:
            outside = _outside(tip, at)
            continue
        if tip in anchors.roots:
            return path
        for issuer in candidates:
            if issuer.subject != tip.issuer or issuer in path or len(path) == _MAX_CERTIFICATES:
                continue
            tried += 1
            if tried > _MAX_SIGNATURES:
                raise TokenFault(Reason.CHAIN, "too many certificates of the same name: no path was found in time")
            if _may_issue(issuer, below=len(path) - 1) and _signed_by(tip, issuer):
                waiting.append((*path, issuer))
    raise outside or TokenFault(
        Reason.CHAIN,
        f"no path from {signer.subject.rfc4514_string()} to a pinned root (roots in the token do not count)",
    )


def refuse_revoked(path: Sequence[x509.Certificate], anchors: TrustAnchors, at: datetime) -> datetime | None:
    """Raise TokenFault where a list says that the signer or an issuer was revoked in a way that touches `at`.

    RFC 3161 section 4: after a compromise nothing signed with the key counts, whenever it says it was made; so too
    where the TSA's entry has no reason. For other reasons tokens made before the revocation stay good. Returns when the
    newest list was issued that speaks about the signer; None where none does.
    """
    spoken: datetime | None = None
    for certificate, issuer in pairwise(path):
        for crl in anchors.crls:
            # an issuer in the path has a key that can sign: it signed the certificate below it
            if crl.issuer != issuer.subject or not crl.is_signature_valid(issuer.public_key()):  # type: ignore[arg-type]
                continue
            entry = crl.get_revoked_certificate_by_serial_number(certificate.serial_number)
            if entry is not None:
                _refuse_entry(entry, certificate, at, is_signer=certificate is path[0])
            if certificate is path[0]:
                spoken = max(crl.last_update_utc, spoken or crl.last_update_utc)
    return spoken


def may_stamp(signer: x509.Certificate) -> None:
    """RFC 3161 section 2.3: extended key usage is critical and timeStamping alone; raises TokenFault."""
    name = signer.subject.rfc4514_string()
    try:
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        raise TokenFault(Reason.PURPOSE, f"the certificate of {name} has no extended key usage") from None
    key_usage = _key_usage(signer)
    unknown = _unknown_critical(signer)
    if list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise TokenFault(Reason.PURPOSE, f"the certificate of {name} is not for time stamping alone")
    if not usage.critical:
        raise TokenFault(Reason.PURPOSE, f"the extended key usage of {name} is not critical (RFC 3161 section 2.3)")
    if key_usage is not None and not (key_usage.digital_signature or key_usage.content_commitment):
        raise TokenFault(Reason.PURPOSE, f"the key of {name} is not for signatures")
    if unknown:
        raise TokenFault(Reason.CERTIFICATE, f"the certificate of {name} has an unknown critical extension: {unknown}")


def _may_issue(issuer: x509.Certificate, *, below: int) -> bool:
    """Say whether `issuer` is a CA that may have `below` further CAs under it and may stand over a TSA."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    key_usage = _key_usage(issuer)
    purposes = _purposes(issuer)
    unknown = _unknown_critical(issuer)
    long_enough = constraints.path_length is None or constraints.path_length >= below
    fitting = not purposes or bool(
        purposes & {ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    )
    return constraints.ca and long_enough and fitting and not unknown and (key_usage is None or key_usage.key_cert_sign)


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Say whether the signature is the issuer's. SHA-1 and MD5 raise ValueError here (by test)."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, *UNREADABLE):
        return False
    return True


def _refuse_entry(
    entry: x509.RevokedCertificate, certificate: x509.Certificate, at: datetime, *, is_signer: bool
) -> None:
    name = certificate.subject.rfc4514_string()
    try:
        reason: ReasonFlags | None = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        reason = None
    said = reason.value if reason else "no reason given"
    if reason in _COMPROMISE or (reason is None and is_signer):
        raise TokenFault(Reason.REVOKED, f"the certificate of {name} was revoked ({said}): its tokens are void")
    if at >= entry.revocation_date_utc:
        when = entry.revocation_date_utc.isoformat()
        raise TokenFault(Reason.REVOKED, f"the certificate of {name} was revoked on {when} ({said}), before the token")


def _outside(certificate: x509.Certificate, at: datetime) -> TokenFault:
    start, end = certificate.not_valid_before_utc.isoformat(), certificate.not_valid_after_utc.isoformat()
    name = certificate.subject.rfc4514_string()
    return TokenFault(
        Reason.VALIDITY, f"the certificate of {name} runs {start} to {end}; the token is of {at.isoformat()}"
    )


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _purposes(certificate: x509.Certificate) -> set[x509.ObjectIdentifier]:
    try:
        return set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return set()


def _unknown_critical(certificate: x509.Certificate) -> str:
    unknown = [
        one.oid.dotted_string for one in certificate.extensions if one.critical and one.oid not in _KNOWN_CRITICAL
    ]
    return ", ".join(unknown)
