"""The attack matrix: our check against openssl, rfc3161-client and pyHanko as independent opinions.

The rule: what we take, all of them take; what we refuse, they refuse too, but for the gaps recorded in LAX. A gap that
a new version closes does no harm; a case that one of them takes and that is not recorded fails the test.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import rfc3161_client
from asn1crypto import cms, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pyhanko.sign.validation.errors import SignatureValidationError
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko.sign.validation.status import TimestampSignatureStatus
from pyhanko_certvalidator import ValidationContext
from rfc3161_client import VerifierBuilder, decode_timestamp_response
from tsa_forge import (
    DAY,
    NOW,
    SERVER,
    STAMPING,
    World,
    ess_v1,
    ess_v2,
    sign_broken,
    sign_ecdsa,
    sign_pss,
    status_of,
    without,
)

from retention.tsa.fault import Reason, TokenFault
from retention.tsa.reply import Form
from retention.tsa.token import Expected, check_reply
from retention.tsa.trust import TrustAnchors

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER = "1.2.3.4.99"


@dataclass(frozen=True)
class Case:
    """A reply, and what we say to it (None: taken)."""

    make: Callable[[World], bytes]
    reason: Reason | None = None
    at: datetime = NOW
    earliest: datetime | None = None
    crls: Callable[[World], bytes] | None = None
    without_oracles: frozenset[str] = field(default_factory=frozenset)


def _leaf(**options: Any) -> Callable[[World], bytes]:
    return lambda world: world.reply(signer=world.root.leaf(world.tsa_key, **options))


def _rogue(*, embed: bool, twin: bool = False) -> Callable[[World], bytes]:
    def make(world: World) -> bytes:
        root = world.twin if twin else world.rogue
        signer = root.leaf(world.rogue_key)
        certificates = [signer, root.certificate] if embed else [signer]
        return world.reply(signer=signer, key=world.rogue_key, certificates=certificates)

    return make


def _token_only(world: World) -> bytes:
    return tsp.TimeStampResp.load(world.reply())["time_stamp_token"].dump()


def _granted_without_token(world: World) -> bytes:
    return bytes.fromhex("30053003020100")


def _revoked(when: datetime, reason: x509.ReasonFlags | None) -> Callable[[World], bytes]:
    return lambda world: world.root.crl((world.tsa, when, reason))


def _swapped_digest(attributes: list[cms.CMSAttribute]) -> list[cms.CMSAttribute]:
    other = cms.CMSAttribute({"type": "message_digest", "values": [bytes(32)]})
    return [other if one["type"].native == "message_digest" else one for one in attributes]


def _confused(world: World) -> bytes:
    imprint = {"hash_algorithm": {"algorithm": "sha512_256"}, "hashed_message": world.request.digest.value}
    return world.reply(state={"message_imprint": imprint})


def _other_manifest(world: World) -> bytes:
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)}
    return world.reply(state={"message_imprint": imprint})


def _ec(world: World) -> bytes:
    return world.reply(signer=world.root.leaf(world.ec_key), key=world.ec_key, sign=sign_ecdsa())


def _foreign_ess(world: World) -> bytes:
    other = world.root.leaf(world.tsa_key)
    return world.reply(ess=lambda _: ess_v2(other))


NO_RFC3161_CLIENT = frozenset({"rfc3161-client"})
CASES: dict[str, Case] = {
    "good": Case(World.reply),
    "bare token": Case(_token_only, without_oracles=NO_RFC3161_CLIENT),
    # rfc3161-client knows no grantedWithMods
    "granted with mods": Case(lambda world: status_of(world.reply(), 1), without_oracles=NO_RFC3161_CLIENT),
    "RSA-PSS": Case(
        lambda world: world.reply(sign=sign_pss()), without_oracles=frozenset({"openssl", "rfc3161-client"})
    ),
    "ECDSA": Case(_ec),
    "ESS version 1": Case(lambda world: world.reply(ess=ess_v1)),
    "certificate ended after the token": Case(_leaf(life=(NOW - 90 * DAY, NOW + DAY)), at=NOW + 400 * DAY),
    "wrong nonce": Case(lambda world: world.reply(state={"nonce": 7}), Reason.NONCE),
    "no nonce": Case(lambda world: world.reply(unstate=["nonce"]), Reason.NONCE),
    "wrong imprint": Case(_other_manifest, Reason.IMPRINT),
    "imprint of another algorithm": Case(_confused, Reason.IMPRINT),
    "rejection with a token": Case(lambda world: status_of(world.reply(), 2), Reason.REFUSED),
    "granted without token": Case(_granted_without_token, Reason.MISSING),
    "rogue TSA": Case(_rogue(embed=False), Reason.CHAIN),
    "rogue TSA with its root": Case(_rogue(embed=True), Reason.CHAIN),
    "rogue TSA with a twin of our root": Case(_rogue(embed=True, twin=True), Reason.CHAIN),
    "EKU not critical": Case(_leaf(critical=False), Reason.PURPOSE),
    "EKU serverAuth": Case(_leaf(purposes=[SERVER]), Reason.PURPOSE),
    "EKU timeStamping and serverAuth": Case(_leaf(purposes=[*STAMPING, SERVER]), Reason.PURPOSE),
    "no EKU": Case(_leaf(purposes=[]), Reason.PURPOSE),
    "genTime after the certificate's end": Case(_leaf(life=(NOW - 90 * DAY, NOW - DAY)), Reason.VALIDITY),
    "genTime before the certificate's start": Case(_leaf(life=(NOW + DAY, NOW + 90 * DAY)), Reason.VALIDITY),
    "ESSCertID missing": Case(lambda world: world.reply(ess=lambda _: []), Reason.ESS_MISSING),
    "ESSCertID foreign": Case(_foreign_ess, Reason.ESS_FOREIGN),
    "two signers": Case(lambda world: world.reply(signers=lambda kept: kept * 2), Reason.SIGNERS),
    "no contentType attribute": Case(lambda world: world.reply(attributes=without("content_type")), Reason.ATTRIBUTES),
    "wrong messageDigest": Case(lambda world: world.reply(attributes=_swapped_digest), Reason.MESSAGE_DIGEST),
    "wrong signature": Case(lambda world: world.reply(sign=sign_broken), Reason.SIGNATURE),
    "genTime in the future": Case(lambda world: world.reply(at=NOW + timedelta(minutes=6)), Reason.FUTURE),
    "genTime before the question": Case(
        lambda world: world.reply(at=NOW - timedelta(hours=6)), Reason.PAST, earliest=NOW - timedelta(minutes=5)
    ),
    "other policy": Case(lambda world: world.reply(state={"policy": OTHER}), Reason.POLICY),
    "revoked: key compromise, later": Case(
        World.reply, Reason.REVOKED, crls=_revoked(NOW + 9 * DAY, x509.ReasonFlags.key_compromise)
    ),
    "revoked: superseded, before": Case(
        World.reply, Reason.REVOKED, crls=_revoked(NOW - DAY, x509.ReasonFlags.superseded)
    ),
    "revoked: superseded, later": Case(World.reply, crls=_revoked(NOW + DAY, x509.ReasonFlags.superseded)),
}

LAX: dict[str, frozenset[str]] = {
    "openssl": frozenset(
        {
            "no contentType attribute",
            "genTime in the future",
            "genTime before the question",
            "other policy",
            "revoked: key compromise, later",
            "revoked: superseded, before",
        }
    ),
    "rfc3161-client": frozenset(
        {
            "ESSCertID missing",
            "ESSCertID foreign",
            "imprint of another algorithm",
            "no contentType attribute",
            "genTime in the future",
            "genTime before the question",
            "other policy",
            "revoked: key compromise, later",
            "revoked: superseded, before",
        }
    ),
    "pyHanko": frozenset(
        {
            "EKU timeStamping and serverAuth",
            "EKU not critical",
            "ESSCertID missing",
            "wrong nonce",
            "no nonce",
            "rejection with a token",
            "genTime in the future",
            "genTime before the question",
            "other policy",
            "revoked: key compromise, later",
            "revoked: superseded, before",
        }
    ),
}


def own(world: World, case: Case, reply: bytes) -> Reason | None:
    anchors = world.anchors
    if case.crls is not None:
        anchors = TrustAnchors.parse(world.root.pem, crls=case.crls(world), policies=anchors.policies)
    expected = Expected(world.request.digest, world.request.nonce, case.earliest)
    try:
        checked = check_reply(reply, expected, anchors, at=case.at)
    except TokenFault as fault:
        return fault.reason
    assert checked.digest == world.request.digest
    return None


def openssl(world: World, reply: bytes, folder: Any) -> bool:
    for file, content in (("q", world.request.der), ("r", reply), ("root.pem", world.root.pem)):
        (folder / file).write_bytes(content)
    bare = ["-token_in"] if reply[4] == 6 else []
    at = str(int(_gen_time(reply).timestamp()))
    command = ["openssl", "ts", "-verify", "-queryfile", "q", "-in", "r", "-CAfile", "root.pem", "-attime", at, *bare]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=60).returncode == 0


def rfc3161(world: World, reply: bytes) -> bool:
    builder = VerifierBuilder().nonce(world.request.nonce).add_root_certificate(world.root.certificate)
    try:
        return builder.build().verify(decode_timestamp_response(reply), world.request.digest.value)
    except (rfc3161_client.VerificationError, ValueError):
        return False


def pyhanko(world: World, reply: bytes) -> bool:
    token = _token(reply)
    if token is None:
        return False
    signed = cms.ContentInfo.load(token)["content"]

    def imprint(algorithm: str) -> bytes:
        return hashlib.new(algorithm, world.manifest).digest()

    root = asn1_x509.Certificate.load(world.root.certificate.public_bytes(Encoding.DER))
    context = ValidationContext(trust_roots=[root], moment=_gen_time(reply), allow_fetching=False)
    try:
        answer = asyncio.run(validate_tst_signed_data(signed, context, imprint))
    except (SignatureValidationError, ValueError):
        return False
    status = TimestampSignatureStatus(**answer)
    return status.valid and status.intact and status.trusted


def _token(reply: bytes) -> bytes | None:
    try:
        if reply[4] == 6:
            return reply
        return tsp.TimeStampResp.load(reply)["time_stamp_token"].dump()
    except (ValueError, IndexError):
        return None


def _gen_time(reply: bytes) -> datetime:
    token = _token(reply)
    if token is None:
        return NOW
    content = cms.ContentInfo.load(token)["content"]["encap_content_info"]["content"]
    return tsp.TSTInfo.load(bytes(content))["gen_time"].native


@pytest.fixture(scope="module")
def replies(world: World) -> dict[str, bytes]:
    return {name: case.make(world) for name, case in CASES.items()}


@pytest.mark.parametrize("name", CASES)
def test_our_own_check_says_what_the_matrix_says(world, replies, name):
    assert own(world, CASES[name], replies[name]) is CASES[name].reason


@pytest.mark.parametrize("oracle", ["openssl", "rfc3161-client", "pyHanko"])
@pytest.mark.filterwarnings("ignore")
def test_no_oracle_refuses_what_we_take_nor_takes_what_we_refuse_unrecorded(world, replies, oracle, tmp_path):
    if oracle == "openssl" and shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    ask = {"openssl": functools.partial(openssl, folder=tmp_path), "rfc3161-client": rfc3161, "pyHanko": pyhanko}[
        oracle
    ]
    unlike = {}
    for name, case in CASES.items():
        if oracle in case.without_oracles:
            continue
        taken = ask(world, replies[name])
        if taken != (case.reason is None) and not (taken and name in LAX[oracle]):
            unlike[name] = taken
    assert unlike == {}


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_is_the_code_of_its_fault(reason):
    assert TokenFault(reason, "words").code == str(reason) == reason.value


def test_the_form_is_told(world, replies):
    forms = {
        name: check_reply(replies[name], world.expected, world.anchors, at=NOW).form for name in ("good", "bare token")
    }
    assert forms == {"good": Form.RESPONSE, "bare token": Form.TOKEN}
