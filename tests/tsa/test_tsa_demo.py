"""The trial authority is strict about what it takes, honest about what it is, and goes by the given clock."""

from __future__ import annotations

import http.client
from datetime import timedelta

import pytest
from asn1crypto import tsp
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tsa_forge import DAY, NOW

from retention.tsa.authority import QUERY_TYPE, REPLY_TYPE
from retention.tsa.fault import Reason, TokenFault
from retention.tsa.openssl import OpensslCheck
from retention.tsa.request import StampRequest
from retention.tsa.rfc3161 import Rfc3161
from retention.tsa.token import Expected, check_reply
from retention.tsa.trust import TrustAnchors
from some.app.demo.tsa import MAX_REQUEST, TRIAL_POLICY, TrialAuthority, TrialKeys, TrialStamps
from some.clock import SimulatedClock
from some.digest import sha256
from some.outbound import Outbound


@pytest.fixture(scope="module")
def keys():
    return TrialKeys.make(NOW)


@pytest.fixture
def stamps(keys):
    return TrialStamps(keys, SimulatedClock(NOW))


def taken(keys, reply, request, at):
    anchors = TrustAnchors.parse(keys.roots_pem, policies=[TRIAL_POLICY])
    return check_reply(reply, Expected(request.digest, request.nonce), anchors, at=at)


def test_it_stamps_by_the_given_clock_and_says_trial_in_its_name(keys, stamps):
    request = StampRequest.make(sha256(b"x"), policy=TRIAL_POLICY)
    with TrialAuthority(stamps) as authority:
        transport = Rfc3161(authority.url, Outbound())
        first = taken(keys, transport.ask(request.der), request, NOW)
        stamps.clock.advance(3600)
        reply = transport.ask(request.der)
    second = taken(keys, reply, request, NOW + timedelta(hours=1))
    assert second.gen_time - first.gen_time == timedelta(hours=1)
    assert first.serial != second.serial
    assert "DENEME" in first.authority
    assert "hukuki değeri yoktur" in first.authority
    OpensslCheck.find().agree(reply, request.der, second, TrustAnchors.parse(keys.roots_pem))


def test_its_keys_can_be_kept(keys):
    again = TrialKeys.parse(keys.pem())
    assert (again.root, again.certificate) == (keys.root, keys.certificate)
    request = StampRequest.make(sha256(b"x"))
    clock = SimulatedClock(NOW + 300 * DAY)
    assert taken(keys, TrialStamps(again, clock).reply(request.der), request, clock.now())
    key = ec.generate_private_key(ec.SECP256R1())
    other = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for wrong in (keys.roots_pem + other, keys.roots_pem * 2 + other, b""):
        with pytest.raises(ValueError):  # noqa: PT011 - from two places, and the kind is the promise
            TrialKeys.parse(wrong)


def asked(**fields):
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)}
    return tsp.TimeStampReq({"version": 1, "message_imprint": imprint, "cert_req": True, **fields}).dump()


def imprint(algorithm, size):
    return {"message_imprint": {"hash_algorithm": {"algorithm": algorithm}, "hashed_message": bytes(size)}}


@pytest.mark.parametrize(
    ("request_der", "words"),
    [
        (b"", "badDataFormat"),
        (b"junk", "badDataFormat"),
        (asked()[:-1], "badDataFormat"),
        (asked().replace(b"\x01\x01\xff", b"\x01\x01\x01"), "not DER"),
        (asked(version=2), "badRequest"),
        (asked(**imprint("sha1", 20)), "badAlg"),
        (asked(**imprint("sha256", 20)), "badAlg"),
        (asked(req_policy="1.2.3"), "unacceptedPolicy"),
        (asked(extensions=[{"extn_id": "1.2.3", "extn_value": b"x"}]), "unacceptedExtension"),
    ],
)
def test_what_it_does_not_take_it_rejects_with_the_reason(keys, stamps, request_der, words):
    with pytest.raises(TokenFault, match=words) as caught:
        taken(keys, stamps.reply(request_der), StampRequest.make(sha256(b"x")), NOW)
    assert caught.value.reason is Reason.REFUSED


@pytest.mark.parametrize(("algorithm", "size"), [("sha256", 32), ("sha384", 48), ("sha512", 64)])
def test_the_digests_it_knows_it_stamps_with_and_without_nonce(stamps, algorithm, size):
    for more in ({}, {"nonce": 5}):
        reply = tsp.TimeStampResp.load(stamps.reply(asked(**imprint(algorithm, size), **more)))
        assert reply["status"]["status"].native == "granted"


def test_certificates_come_when_they_are_asked_for(keys, stamps):
    bare = stamps.reply(asked(cert_req=False))
    assert len(stamps.reply(asked())) - len(bare) > 1000
    assert keys.certificate.public_bytes(serialization.Encoding.DER) not in bare


RIGHT = {"Content-Type": QUERY_TYPE}


@pytest.mark.parametrize(
    ("asking", "status"),
    [
        (("POST", "/", asked(), RIGHT), 200),
        (("POST", "/tsa", asked(), RIGHT), 404),
        (("POST", "/", asked(), {"Content-Type": "text/plain"}), 415),
        (("POST", "/", bytes(MAX_REQUEST + 1), RIGHT), 413),
        (("POST", "/", b"", {**RIGHT, "Content-Length": "x"}), 413),
        (("GET", "/", None, {}), 501),
    ],
)
def test_over_http_it_takes_one_kind_of_request(stamps, asking, status):
    with TrialAuthority(stamps) as authority:
        host = authority.url.removeprefix("http://").rstrip("/")
        connection = http.client.HTTPConnection(host, timeout=10)
        connection.request(*asking)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
    assert answer.status == status
    assert (answer.headers["Content-Type"] == REPLY_TYPE) is (status == 200)
    assert content


def test_it_runs_between_start_and_stop_only(stamps):
    authority = TrialAuthority(stamps)
    authority.stop()
    with pytest.raises(RuntimeError):
        assert authority.url
    with authority.start() as running:
        url = running.url
        assert running.start().url == url
    authority.stop()
    host = url.removeprefix("http://").rstrip("/")
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, as the kernel likes
        http.client.HTTPConnection(host, timeout=10).connect()
