"""What the site trusts about an authority. Parsed once from PEM bytes that the caller read; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from some.errors import SettingsFault

if TYPE_CHECKING:
    from collections.abc import Iterable

_DOTTED = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,38})){1,32}")
_CRL = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)

UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What cryptography raises for a certificate that it cannot read, at loading or at the first look into a part."""


@dataclass(frozen=True, slots=True)
class TrustAnchors:
    """Pinned roots; certificates that may help to reach them; revocation lists; allowed policies (empty: any).

    A certificate inside a token is never a root, whatever it says about itself.
    """

    roots: tuple[x509.Certificate, ...]
    intermediates: tuple[x509.Certificate, ...] = ()
    crls: tuple[x509.CertificateRevocationList, ...] = ()
    policies: frozenset[str] = frozenset()

    @classmethod
    def parse(
        cls, roots: bytes, *, intermediates: bytes = b"", crls: bytes = b"", policies: Iterable[str] = ()
    ) -> TrustAnchors:
        """Return the anchors in PEM texts (several blocks each; CRLs may be empty); raises SettingsFault."""
        allowed = frozenset(policies)
        for policy in allowed:
            if _DOTTED.fullmatch(policy) is None:
                raise SettingsFault(f"a time-stamp policy is a dotted object identifier, not {policy[:80]!r}")
        return cls(
            _certificates(roots, "roots"),
            _certificates(intermediates, "intermediates") if intermediates.strip() else (),
            _lists(crls),
            allowed,
        )

    def roots_pem(self) -> bytes:
        """Return the roots as PEM, for tools that read files."""
        return b"".join(root.public_bytes(Encoding.PEM) for root in self.roots)

    def intermediates_pem(self) -> bytes:
        """Return the intermediates as PEM; empty where there are none."""
        return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in self.intermediates)


@dataclass(frozen=True, slots=True)
class Trust:
    """How far one authority is believed. `trial` (deneme): its stamps have no standing in law, and we say so."""

    anchors: TrustAnchors
    trial: bool = False


def wholly_read(certificate: x509.Certificate) -> x509.Certificate:
    """Return `certificate` with every part looked into once; raises one of UNREADABLE now instead of later."""
    for part in ("subject", "issuer", "not_valid_before_utc", "not_valid_after_utc", "extensions"):
        getattr(certificate, part)
    certificate.public_key()
    return certificate


def _certificates(pem: bytes, what: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(wholly_read(one) for one in x509.load_pem_x509_certificates(pem))
    except UNREADABLE as fault:
        raise SettingsFault(f"the {what} of the time-stamping authority are not readable PEM certificates") from fault


def _lists(pem: bytes) -> tuple[x509.CertificateRevocationList, ...]:
    blocks = _CRL.findall(pem)
    if pem.strip() and not blocks:
        raise SettingsFault("the revocation lists of the time-stamping authority are not PEM")
    try:
        lists = tuple(x509.load_pem_x509_crl(block) for block in blocks)
        for one in lists:
            _refuse_indirect(one)
    except UNREADABLE as fault:
        raise SettingsFault("a revocation list of the time-stamping authority cannot be read") from fault
    return lists


def _refuse_indirect(crl: x509.CertificateRevocationList) -> None:
    """Refuse a list that speaks about certificates of other issuers (RFC 5280 5.2.5): we would misread it."""
    try:
        point = crl.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except x509.ExtensionNotFound:
        return
    if point.indirect_crl:
        raise SettingsFault("an indirect revocation list (RFC 5280 section 5.2.5) cannot be used here")
