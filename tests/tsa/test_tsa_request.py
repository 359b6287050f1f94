"""TimeStampReq: made, stored, read back; the nonce is what a reply is tied to."""

from __future__ import annotations

import contextlib
import subprocess

import pytest
from asn1crypto import core, tsp
from hypothesis import given
from hypothesis import strategies as st

from retention.tsa.request import MAX_REQUEST_BYTES, StampRequest
from some.digest import Algorithm, Digest, sha256
from some.errors import BadInput

digests = st.one_of(
    st.binary(min_size=32, max_size=32).map(lambda value: Digest(Algorithm.SHA256, value)),
    st.binary(min_size=64, max_size=64).map(lambda value: Digest(Algorithm.SHA512, value)),
)


@given(
    digest=digests,
    nonce=st.integers(0, 2**127 - 1),
    policy=st.sampled_from([None, "1.2.3.4", "2.16.792.1.2.1.1.5.7.3.1"]),
)
def test_a_request_reads_back_as_it_was_made(digest, nonce, policy):
    request = StampRequest(digest, nonce, policy)
    assert StampRequest.parse(request.der) == request


def test_nonces_are_long_positive_and_never_the_same():
    nonces = {StampRequest.make(sha256(b"x")).nonce for _ in range(200)}
    assert len(nonces) == 200
    assert max(nonces).bit_length() > 100
    assert min(nonces) >= 0


def test_a_request_says_what_the_knowledge_of_kamu_sm_wants():
    asked = tsp.TimeStampReq.load(StampRequest.make(sha256(b"x"), policy="1.2.3").der, strict=True)
    algorithm = asked["message_imprint"]["hash_algorithm"]
    assert asked["version"].native == "v1"
    assert algorithm["algorithm"].native == "sha256"
    assert isinstance(algorithm["parameters"], core.Null)
    assert asked["cert_req"].native is True
    assert asked["req_policy"].dotted == "1.2.3"


def test_openssl_reads_our_request(tmp_path):
    request = StampRequest.make(sha256(b"x"))
    (tmp_path / "q").write_bytes(request.der)
    text = subprocess.run(
        ["openssl", "ts", "-query", "-in", tmp_path / "q", "-text"], capture_output=True, check=True, text=True
    ).stdout
    assert "Hash Algorithm: sha256" in text
    assert "Certificate required: yes" in text
    assert f"{request.nonce:X}" in text.upper()


@pytest.mark.parametrize(
    "damage",
    [
        lambda der: b"",
        lambda der: der[:-1],
        lambda der: der + b"\x00",
        lambda der: b"junk",
        lambda der: bytes(MAX_REQUEST_BYTES + 1),
        lambda der: der.replace(b"\x01\x01\xff", b"\x01\x01\x01"),
        lambda der: tsp.TimeStampReq(
            {"version": 1, "message_imprint": {"hash_algorithm": {"algorithm": "sha1"}, "hashed_message": bytes(20)}}
        ).dump(),
        lambda der: tsp.TimeStampReq(
            {"version": 1, "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": bytes(32)}}
        ).dump(),
    ],
)
def test_what_is_not_ours_is_bad_input(damage):
    with pytest.raises(BadInput):
        StampRequest.parse(damage(StampRequest.make(sha256(b"x")).der))


@given(place=st.integers(0, 70), bit=st.integers(0, 7))
def test_a_damaged_request_is_refused_or_asks_for_something_else(place, bit):
    request = StampRequest(sha256(b"x"), 2**126 + 5)
    der = bytearray(request.der)
    if place >= len(der):
        return
    der[place] ^= 1 << bit
    with contextlib.suppress(BadInput):
        assert StampRequest.parse(bytes(der)) != request
