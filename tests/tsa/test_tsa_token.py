"""Single rules of the strict check that the matrix does not reach."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from tsa_forge import (
    DAY,
    NOW,
    encoded,
    ess_v1,
    ess_v2,
    name,
    named,
    rsa_key,
    sign_ecdsa,
    sign_pss,
    without,
)

from retention.tsa.fault import Reason, TokenFault
from retention.tsa.reply import Form, read_token
from retention.tsa.request import StampRequest
from retention.tsa.token import Expected, check_reply
from retention.tsa.trust import TrustAnchors
from some.app.demo.tsa import TRIAL_POLICY
from some.digest import Algorithm, Digest

SHA256_RSA = bytes.fromhex("06092a864886f70d01010b")
SHA1_RSA = bytes.fromhex("06092a864886f70d010105")


def reason_of(world, reply, anchors=None, **options):
    with pytest.raises(TokenFault) as caught:
        check_reply(reply, options.pop("expected", world.expected), anchors or world.anchors, at=NOW, **options)
    return caught.value.reason


def check(world, reply, anchors=None):
    return check_reply(reply, world.expected, anchors or world.anchors, at=NOW)


# what a checked token says


def test_a_checked_token_says_what_was_stamped_when_and_by_whom(world):
    checked = check(world, world.reply())
    assert checked.gen_time == NOW
    assert checked.policy == TRIAL_POLICY
    assert checked.accuracy == timedelta(seconds=1)
    assert checked.nonce == world.request.nonce
    assert checked.authority == "CN=Test TSA"
    assert checked.signer_certificate == world.tsa.public_bytes(Encoding.DER)
    assert checked.path == tuple(one.public_bytes(Encoding.DER) for one in (world.tsa, world.root.certificate))
    assert checked.revocation_as_of is None
    again = check_reply(checked.token, Expected(world.request.digest), world.anchors, at=NOW + 9000 * DAY)
    assert (again.form, again.serial, again.token) == (Form.TOKEN, checked.serial, checked.token)


def test_facts_are_read_without_belief(world):
    facts = read_token(world.reply(state={"nonce": 5, "accuracy": {"millis": 2, "micros": 3}}))
    assert (facts.nonce, facts.accuracy, facts.policy) == (5, timedelta(milliseconds=2, microseconds=3), TRIAL_POLICY)
    assert facts.imprint == world.request.digest.value
    assert read_token(world.reply(unstate=["accuracy", "nonce"])).accuracy is None


def test_sha512_imprints_are_taken(world):
    request = StampRequest.make(Digest(Algorithm.SHA512, hashlib.sha512(world.manifest).digest()))
    reply = world.forge().answer(request)
    assert check_reply(reply, Expected(request.digest, request.nonce), world.anchors, at=NOW).digest == request.digest


def test_without_configured_policies_any_policy_is_taken(world):
    anchors = TrustAnchors.parse(world.root.pem)
    assert check(world, world.reply(state={"policy": "1.2.3.4"}), anchors).policy == "1.2.3.4"


def test_a_clock_within_the_tolerance_is_no_future(world):
    reply = world.reply(at=NOW + timedelta(seconds=59))
    assert check(world, reply).gen_time == NOW + timedelta(seconds=59)
    assert reason_of(world, reply, tolerance=timedelta(seconds=5)) is Reason.FUTURE


# genTime


def statement(world, gen_time):
    """Return a reply whose genTime is `gen_time` as raw bytes."""
    forge = world.forge()
    stated = forge.statement(tsp.TimeStampReq.load(world.request.der))
    content = stated.dump().replace(b"20261123090000Z", gen_time)
    grown = len(gen_time) - len(b"20261123090000Z")
    head = bytearray(content)
    place = content.index(gen_time) - 1
    head[place] += grown
    inner = bytes(head[4:] if head[1] == 0x82 else head[3:])
    return forge.granted(forge.token(core.Sequence(contents=inner).dump()))


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        (b"20261123090000.5Z", datetime(2026, 11, 23, 9, 0, 0, 500_000, tzinfo=UTC)),
        (b"20261123085959.123456789Z", datetime(2026, 11, 23, 8, 59, 59, 123_456, tzinfo=UTC)),
    ],
)
def test_fractions_of_a_second_are_read(world, raw, moment):
    assert check(world, statement(world, raw)).gen_time == moment


@pytest.mark.parametrize("raw", [b"20261123090000", b"20261123120000+0300", b"202611230900Z", b"20261123090000,5Z"])
def test_other_spellings_of_time_are_refused(world, raw):
    assert reason_of(world, statement(world, raw)) is Reason.CONTENT


def test_a_month_that_is_none_is_refused(world):
    assert reason_of(world, statement(world, b"20261323090000Z")) is Reason.FORM


# TSTInfo and CMS


def test_another_version_of_tstinfo_is_refused(world):
    assert reason_of(world, world.reply(state={"version": "v2"})) is Reason.CONTENT


def test_extensions_of_tstinfo_are_taken_unless_critical(world):
    def extension(critical):
        return {"extensions": [{"extn_id": "1.2.3", "critical": critical, "extn_value": b"\x05\x00"}]}

    assert check(world, world.reply(state=extension(False)))
    assert reason_of(world, world.reply(state=extension(True))) is Reason.CONTENT


def retold(world, change):
    """Return the good token's ContentInfo after `change` had it in hand."""
    token = cms.ContentInfo.load(check(world, world.reply()).token)
    change(token)
    return token.dump(force=True)


def test_content_of_another_type_is_refused(world):
    def change(token):
        token["content"]["encap_content_info"]["content_type"] = "data"

    assert reason_of(world, retold(world, change)) is Reason.CONTENT


def test_a_token_without_content_is_refused(world):
    def change(token):
        del token["content"]["encap_content_info"]["content"]

    assert reason_of(world, retold(world, change)) is Reason.CONTENT


def test_a_cms_of_another_kind_is_refused(world):
    other = cms.ContentInfo({"content_type": "data", "content": core.OctetString(b"x")}).dump()
    assert reason_of(world, other) in {Reason.CONTENT, Reason.FORM}


def test_a_token_without_signed_attributes_is_refused(world):
    def change(token):
        del token["content"]["signer_infos"][0]["signed_attrs"]

    assert reason_of(world, retold(world, change)) is Reason.ATTRIBUTES


def test_a_token_without_signer_is_refused(world):
    assert reason_of(world, world.reply(signers=lambda _: [])) is Reason.SIGNERS


def test_an_attribute_twice_is_refused(world):
    def twice(attributes):
        return [*attributes, cms.CMSAttribute({"type": "content_type", "values": ["data"]})]

    assert reason_of(world, world.reply(attributes=twice)) is Reason.ATTRIBUTES


def test_two_values_in_one_attribute_are_refused(world):
    def twofold(attributes):
        return [cms.CMSAttribute({"type": "content_type", "values": ["tst_info", "data"]}), *attributes[1:]]

    assert reason_of(world, world.reply(attributes=twofold)) is Reason.ATTRIBUTES


def test_a_signature_made_for_other_content_is_refused(world):
    def foreign(attributes):
        return [cms.CMSAttribute({"type": "content_type", "values": ["data"]}), *attributes[1:]]

    assert reason_of(world, world.reply(attributes=foreign)) is Reason.ATTRIBUTES


def test_an_imprint_in_pieces_is_refused(world):
    forge = world.forge()
    content = forge.statement(tsp.TimeStampReq.load(world.request.der)).dump()
    pieces = b"\x24\x80\x04\x1c" + bytes(28) + b"\x00\x00"
    raw = content.replace(b"\x04\x20" + world.request.digest.value, pieces)
    assert raw != content
    assert reason_of(world, forge.granted(forge.token(raw))) is Reason.FORM


def test_a_signature_in_pieces_is_refused(world):
    token = check(world, world.reply()).token
    place = token.rindex(b"\x04\x82\x01\x00")
    pieces = b"\x24\x80\x04\x82\x00\xfc" + bytes(252) + b"\x00\x00"
    assert reason_of(world, token[:place] + pieces + token[place + 260 :]) is Reason.FORM


# status


def refused_text(world, status, *, raw_text=None, failure=None):
    fields = {"status": status}
    info = core.Sequence(contents=core.Integer(status).dump() + (raw_text or b"") + (failure or b""))
    reply = core.Sequence(contents=info.dump()).dump()
    with pytest.raises(TokenFault) as caught:
        check(world, reply)
    assert caught.value.reason is Reason.REFUSED, fields
    return str(caught.value)


def free_text(*texts):
    inner = b"".join(b"\x0c" + bytes([len(text)]) + text for text in texts)
    return b"\x30" + bytes([len(inner)]) + inner


def test_the_words_of_a_rejection_reach_the_message(world):
    text = refused_text(world, 2, raw_text=free_text(b"User 999 is not known"), failure=b"\x03\x05\x06\x00\x00\x00\x40")
    assert "User 999 is not known" in text
    assert "rejection, systemFailure" in text


def test_words_in_iso_8859_9_and_control_characters_are_made_readable(world):
    text = refused_text(world, 2, raw_text=free_text("Kullanıcı\x1b[31m yetkisiz\n".encode("iso-8859-9"), b"2"))
    assert "Kullanıcı [31m yetkisiz 2" in text


def test_an_unknown_status_and_failure_are_told_by_number(world):
    assert "status 9, failure 1): no text" in refused_text(world, 9, failure=b"\x03\x02\x06\x40")


# signatures and keys


@pytest.mark.parametrize("salt", [0, 20, 32])
def test_rsa_pss_is_taken_with_any_sane_salt(world, salt):
    assert check(world, world.reply(sign=sign_pss(salt))).signature_algorithm == "1.2.840.113549.1.1.10"


@pytest.mark.parametrize(
    "signer", [sign_pss(mask="sha1"), sign_pss(digest="sha512"), sign_pss(digest="sha1"), sign_pss(salt=100)]
)
def test_rsa_pss_with_other_digests_or_salts_is_refused(world, signer):
    assert reason_of(world, world.reply(sign=signer)) is Reason.ALGORITHM


def test_rsa_pss_without_parameters_is_refused(world):
    def bare(key, content):
        return core.Sequence, sign_pss()(key, content)[1]

    def sign(key, content):
        algorithm = cms.SignedDigestAlgorithm.load(bytes.fromhex("300b06092a864886f70d01010a"))
        return algorithm, bare(key, content)[1]

    assert reason_of(world, world.reply(sign=sign)) in {Reason.ALGORITHM, Reason.FORM}


def test_ecdsa_is_taken_under_its_own_and_under_the_bare_name(world):
    signer = world.root.leaf(world.ec_key)
    checked = check(world, world.reply(signer=signer, key=world.ec_key, sign=sign_ecdsa()))
    assert checked.signature_algorithm == "1.2.840.10045.4.3.2"


def test_an_algorithm_that_fits_neither_key_nor_digest_is_refused(world):
    signer = world.root.leaf(world.ec_key)
    for algorithm in ("sha512_ecdsa", "sha256_rsa"):
        reply = world.reply(signer=signer, key=world.ec_key, sign=sign_ecdsa(algorithm))
        assert reason_of(world, reply) is Reason.ALGORITHM


def test_the_bare_name_of_rsa_is_taken(world):
    def sign(key, content):
        _, signature = world.forge().sign(content)
        return cms.SignedDigestAlgorithm({"algorithm": "rsassa_pkcs1v15"}), signature

    assert check(world, world.reply(sign=sign)).signature_algorithm == "1.2.840.113549.1.1.1"


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_a_digest_that_is_not_sound_is_refused(world, digest):
    def signers(kept):
        kept[0]["digest_algorithm"] = {"algorithm": digest}
        return kept

    def attributes(kept):
        content = world.forge().statement(tsp.TimeStampReq.load(world.request.der)).dump()
        value = hashlib.new(digest, content).digest()
        return [kept[0], cms.CMSAttribute({"type": "message_digest", "values": [value]}), kept[2]]

    reply = world.reply(state={"serial_number": 1}, signers=signers, attributes=attributes)
    assert reason_of(world, reply) in {Reason.ALGORITHM, Reason.MESSAGE_DIGEST}


def test_sha1_as_the_signers_digest_is_refused(world):
    forge = world.forge(ess=ess_v2)
    content = forge.statement(tsp.TimeStampReq.load(world.request.der)).dump()

    def attributes(kept):
        value = hashlib.sha1(content, usedforsecurity=False).digest()
        return [kept[0], cms.CMSAttribute({"type": "message_digest", "values": [value]}), kept[2]]

    def signers(kept):
        kept[0]["digest_algorithm"] = {"algorithm": "sha1"}
        return kept

    forge.twists |= {"attributes": attributes, "signers": signers}
    assert reason_of(world, forge.granted(forge.token(content))) is Reason.ALGORITHM


@pytest.mark.parametrize("make", [lambda: rsa_key(1024), lambda: ec.generate_private_key(ec.SECP192R1())])
def test_short_keys_are_refused(world, make):
    key = make()
    sign = sign_ecdsa() if isinstance(key, ec.EllipticCurvePrivateKey) else None
    twists = {"sign": sign} if sign else {}
    reply = world.reply(signer=world.root.leaf(key), key=key, **twists)
    assert reason_of(world, reply) is Reason.ALGORITHM


def test_keys_of_another_kind_are_refused(world):
    key = ed25519.Ed25519PrivateKey.generate()

    def sign(_, content):
        return cms.SignedDigestAlgorithm({"algorithm": "ed25519"}), key.sign(content)

    assert reason_of(world, world.reply(signer=world.root.leaf(key), key=key, sign=sign)) is Reason.ALGORITHM


# the signer and its ESSCertID


def test_a_token_without_certificate_needs_it_among_the_anchors(world):
    reply = world.reply(certificates=[])
    assert reason_of(world, reply) is Reason.CERTIFICATE
    helped = TrustAnchors.parse(world.root.pem, intermediates=world.tsa.public_bytes(Encoding.PEM))
    assert check(world, reply, helped).authority == "CN=Test TSA"
    pinned = TrustAnchors.parse(world.tsa.public_bytes(Encoding.PEM))
    assert len(check(world, reply, pinned).path) == 1


def test_a_signer_named_by_key_identifier_is_found(world):
    def signers(kept):
        key_id = x509.SubjectKeyIdentifier.from_public_key(world.tsa_key.public_key()).digest
        kept[0]["sid"] = cms.SignerIdentifier("subject_key_identifier", core.OctetString(key_id))
        kept[0]["version"] = "v3"
        return kept

    assert check(world, world.reply(signers=signers))
    bare = x509.CertificateBuilder(name("x"), name("x"), world.ec_key.public_key(), 5, NOW, NOW + DAY)
    other = bare.sign(world.ec_key, hashes.SHA256())
    assert reason_of(world, world.reply(signers=signers, certificates=[other])) is Reason.CERTIFICATE


def test_a_certificate_that_cannot_be_read_is_passed_over(world):
    der = world.root.certificate.public_bytes(Encoding.DER)
    place = der.index(b"Test TSA Root") - 2
    forge = world.forge()
    forge.certificates = lambda: [
        encoded(world.tsa),
        asn1_x509.Certificate.load(der[:place] + b"\x0d" + der[place + 1 :]),
    ]
    assert check(world, forge.answer(world.request)).authority == "CN=Test TSA"


def test_attribute_certificates_are_passed_over(world):
    token = check(world, world.reply(certificates=[world.tsa])).token
    outer = cms.ContentInfo.load(token)
    other = cms.CertificateChoices(
        "other", cms.OtherCertificateFormat({"other_cert_format": "1.2.3", "other_cert": core.Null()})
    )
    outer["content"]["certificates"].append(other)
    assert check(world, outer.dump(force=True)).authority == "CN=Test TSA"


def test_ess_with_the_right_issuer_and_serial_is_taken(world):
    for ess in (lambda one: ess_v2(one, issuer_serial=named(one)), ess_v1, lambda one: ess_v1(one) + ess_v2(one)):
        assert check(world, world.reply(ess=ess))
    assert check(world, world.reply(ess=lambda one: ess_v1(one, issuer_serial=False)))
    assert check(world, world.reply(ess=lambda one: ess_v2(one, algorithm="sha512")))


def test_ess_with_another_name_is_refused(world):
    other = world.root.leaf(world.tsa_key)
    two = named(world.tsa)
    two["issuer"] = [*two["issuer"], *named(world.tsa)["issuer"]]
    mail = {"issuer": [tsp.GeneralName("rfc822_name", "a@example.org")], "serial_number": world.tsa.serial_number}
    for wrong in (named(other), two, mail):
        reply = world.reply(ess=lambda one, wrong=wrong: ess_v2(one, issuer_serial=wrong))
        assert reason_of(world, reply) is Reason.ESS_FOREIGN


def test_both_versions_of_ess_must_fit(world):
    other = world.root.leaf(world.tsa_key)
    for ess in (lambda one: ess_v1(other) + ess_v2(one), lambda one: ess_v1(one) + ess_v2(other)):
        assert reason_of(world, world.reply(ess=ess)) is Reason.ESS_FOREIGN


def test_ess_by_a_digest_that_is_not_sound_is_refused(world):
    assert reason_of(world, world.reply(ess=lambda one: ess_v2(one, algorithm="md5"))) is Reason.ALGORITHM


def test_an_empty_ess_is_refused(world):
    empty = cms.CMSAttribute({"type": "signing_certificate_v2", "values": [tsp.SigningCertificateV2({"certs": []})]})
    assert reason_of(world, world.reply(ess=lambda _: [empty])) is Reason.FORM


def test_without_the_message_digest_nothing_is_bound(world):
    assert reason_of(world, world.reply(attributes=without("message_digest"))) is Reason.ATTRIBUTES
