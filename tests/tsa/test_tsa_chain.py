"""Who may stamp, which path ends at a pinned root, what revocation does, and which anchors can be used."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from tsa_forge import (
    DAY,
    NOW,
    SERVER,
    STAMPING,
    Ca,
    name,
    usage,
)

from retention.tsa.fault import Reason, TokenFault
from retention.tsa.token import Expected, check_reply
from retention.tsa.trust import TrustAnchors
from some.digest import sha256
from some.errors import SettingsFault

SHA256_RSA = bytes.fromhex("06092a864886f70d01010b")
SHA1_RSA = bytes.fromhex("06092a864886f70d010105")


def reason_of(world, reply, anchors=None, **options):
    with pytest.raises(TokenFault) as caught:
        check_reply(reply, options.pop("expected", world.expected), anchors or world.anchors, at=NOW, **options)
    return caught.value.reason


def check(world, reply, anchors=None):
    return check_reply(reply, world.expected, anchors or world.anchors, at=NOW)


# the certificate's purpose


def test_key_usage_may_be_missing_but_not_wrong(world):
    free = world.root.leaf(world.tsa_key, key_usage=False)
    assert check(world, world.reply(signer=free))
    wrong = world.root.leaf(world.tsa_key, key_usage=usage(signatures=False))
    assert reason_of(world, world.reply(signer=wrong)) is Reason.PURPOSE


def test_unknown_critical_extensions_of_the_signer_are_refused(world):
    extra = [(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)]
    assert reason_of(world, world.reply(signer=world.root.leaf(world.tsa_key, extra=extra))) is Reason.CERTIFICATE


# the path


def below(world, **options):
    """Return a TSA certificate under an intermediate CA with `options`, and that CA."""
    between = Ca("Between", world.rogue_key, parent=world.root, **options)
    return between.leaf(world.tsa_key), between


def through(world, **options):
    signer, between = below(world, **options)
    return world.reply(signer=signer, certificates=[signer, between.certificate])


def test_a_path_through_an_intermediate_is_found_in_the_token_or_among_the_anchors(world):
    assert len(check(world, through(world)).path) == 3
    signer, between = below(world)
    reply = world.reply(signer=signer, certificates=[signer])
    assert reason_of(world, reply) is Reason.CHAIN
    helped = TrustAnchors.parse(world.root.pem, intermediates=between.pem)
    assert len(check(world, reply, helped).path) == 3
    assert helped.intermediates_pem() == between.pem
    assert helped.roots_pem() == world.root.pem


@pytest.mark.parametrize(
    "options",
    [
        {"ca": False},
        {"constraints": False},
        {"key_usage": usage()},
        {"purposes": [SERVER]},
        {"extra": [(x509.NameConstraints([x509.DirectoryName(name("Test TSA"))], None), True)]},
    ],
    ids=["no CA", "no constraints", "key usage", "purpose", "name constraints"],
)
def test_an_intermediate_that_may_not_issue_breaks_the_path(world, options):
    assert reason_of(world, through(world, **options)) is Reason.CHAIN


def test_a_certificate_signed_with_sha1_breaks_the_path(world):
    """No library makes such certificates any more: the signature algorithm is replaced and signed over anew."""
    good = world.tsa.public_bytes(Encoding.DER)
    tbs = world.tsa.tbs_certificate_bytes.replace(SHA256_RSA, SHA1_RSA)
    signature = world.root.key.sign(tbs, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - what is being refused
    der = good.replace(world.tsa.tbs_certificate_bytes, tbs).replace(SHA256_RSA, SHA1_RSA)
    signer = x509.load_der_x509_certificate(der[: -len(signature)] + signature)
    assert signer.signature_hash_algorithm.name == "sha1"
    assert reason_of(world, world.reply(signer=signer)) is Reason.CHAIN


@pytest.mark.parametrize("purpose", [STAMPING[0], ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])
def test_an_intermediate_for_stamping_is_fine(world, purpose):
    assert check(world, through(world, purposes=[purpose]))


def test_an_intermediate_without_key_usage_is_fine(world):
    root = Ca("Old Root", world.rogue.key, constraints=False, extra=[(x509.BasicConstraints(True, None), True)])
    signer = root.leaf(world.tsa_key)
    assert check(world, world.reply(signer=signer, certificates=[signer]), TrustAnchors.parse(root.pem))


def test_an_intermediate_that_ended_before_the_token_breaks_the_path(world):
    assert reason_of(world, through(world, life=(NOW - 90 * DAY, NOW - DAY))) is Reason.VALIDITY


def test_path_length_counts(world):
    upper = Ca("Upper", world.rogue_key, parent=world.root, path_length=0)
    lower = Ca("Lower", world.rogue.key, parent=upper)
    signer = lower.leaf(world.tsa_key)
    reply = world.reply(signer=signer, certificates=[signer, upper.certificate, lower.certificate])
    assert reason_of(world, reply) is Reason.CHAIN


def test_a_path_has_an_end_and_a_crowd_of_names_a_limit(world):
    parent, certificates = world.root, []
    for step in range(6):
        parent = Ca(f"Step {step}", world.rogue_key, parent=parent)
        certificates.append(parent.certificate)
    signer = parent.leaf(world.tsa_key)
    assert reason_of(world, world.reply(signer=signer, certificates=[signer, *certificates])) is Reason.CHAIN
    crowd = [Ca("Crowd", world.rogue_key, parent=world.rogue).certificate for _ in range(40)]
    signer = Ca("Crowd", world.rogue.key, parent=world.rogue).leaf(world.tsa_key)
    assert reason_of(world, world.reply(signer=signer, certificates=[signer, *crowd])) is Reason.CHAIN


# revocation


def with_crl(world, *crls):
    return TrustAnchors.parse(world.root.pem, crls=b"".join(crls))


@pytest.mark.parametrize(
    "flag", [x509.ReasonFlags.key_compromise, x509.ReasonFlags.ca_compromise, x509.ReasonFlags.aa_compromise, None]
)
def test_a_compromise_voids_whenever_it_was_noticed(world, flag):
    crl = world.root.crl((world.tsa, NOW + 300 * DAY, flag))
    assert reason_of(world, world.reply(), with_crl(world, crl)) is Reason.REVOKED


@pytest.mark.parametrize(
    "flag",
    [
        x509.ReasonFlags.affiliation_changed,
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.cessation_of_operation,
        x509.ReasonFlags.certificate_hold,
        x509.ReasonFlags.privilege_withdrawn,
    ],
)
def test_retirement_spares_what_was_stamped_before(world, flag):
    later = world.root.crl((world.tsa, NOW + DAY, flag), issued=NOW + DAY)
    older = world.root.crl(issued=NOW - DAY)
    checked = check(world, world.reply(), with_crl(world, later, older))
    assert checked.revocation_as_of == NOW + DAY
    before = world.root.crl((world.tsa, NOW, flag))
    assert reason_of(world, world.reply(), with_crl(world, before)) is Reason.REVOKED


def test_lists_of_others_or_with_a_foreign_signature_say_nothing(world):
    other = world.rogue.crl((world.tsa, NOW - DAY, x509.ReasonFlags.key_compromise))
    forged = world.root.crl((world.tsa, NOW - DAY, x509.ReasonFlags.key_compromise), key=world.rogue.key)
    foreign = world.root.crl((world.tsa, NOW - DAY, x509.ReasonFlags.key_compromise), key=world.ec_key)
    assert check(world, world.reply(), with_crl(world, other, forged, foreign)).revocation_as_of is None


def test_a_list_signed_with_sha1_says_nothing(world):
    """As for certificates: the signature algorithm is replaced and signed over anew."""
    crl = x509.load_pem_x509_crl(world.root.crl((world.tsa, NOW - DAY, x509.ReasonFlags.key_compromise)))
    good = crl.public_bytes(Encoding.DER)
    tbs = crl.tbs_certlist_bytes.replace(SHA256_RSA, SHA1_RSA)
    signature = world.root.key.sign(tbs, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - what is being refused
    der = good.replace(crl.tbs_certlist_bytes, tbs).replace(SHA256_RSA, SHA1_RSA)[: -len(signature)] + signature
    old = x509.load_der_x509_crl(der).public_bytes(Encoding.PEM)
    assert check(world, world.reply(), with_crl(world, old)).revocation_as_of is None


def test_an_issuer_revoked_without_reason_counts_from_then_on(world):
    signer, between = below(world)
    reply = world.reply(signer=signer, certificates=[signer, between.certificate])
    late = with_crl(world, world.root.crl((between.certificate, NOW + DAY, None)))
    assert check(world, reply, late).revocation_as_of is None
    early = with_crl(world, world.root.crl((between.certificate, NOW - DAY, None)))
    assert reason_of(world, reply, early) is Reason.REVOKED


def point(*, indirect):
    return x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=True,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=indirect,
        only_contains_attribute_certs=False,
    )


def test_indirect_lists_are_refused_at_the_door(world):
    plain = world.root.crl(extra=[(point(indirect=False), True)])
    assert check(world, world.reply(), with_crl(world, plain)).revocation_as_of == NOW
    with pytest.raises(SettingsFault, match="indirect"):
        with_crl(world, world.root.crl(extra=[(point(indirect=True), True)]))


# anchors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"roots": b""}, "roots"),
        ({"roots": b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "roots"),
        ({"intermediates": b"junk"}, "intermediates"),
        ({"crls": b"junk"}, "not PEM"),
        ({"crls": b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"}, "cannot be read"),
        ({"policies": ["1.2.x"]}, "dotted"),
    ],
)
def test_anchors_that_cannot_be_used_are_a_fault_of_the_settings(world, options, words):
    with pytest.raises(SettingsFault, match=words):
        TrustAnchors.parse(**{"roots": world.root.pem, **options})


def test_another_digest_is_expected(world):
    assert reason_of(world, world.reply(), expected=Expected(sha256(b"other"))) is Reason.IMPRINT
