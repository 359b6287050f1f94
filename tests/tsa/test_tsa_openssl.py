"""openssl as a source of tokens that we did not write, and as the second opinion before a token is taken."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from tsa_forge import DAY, NOW, Ca, World, sign_pss

from retention.tsa.fault import Reason, TokenFault
from retention.tsa.openssl import OpensslCheck
from retention.tsa.reply import Form
from retention.tsa.request import StampRequest
from retention.tsa.token import Expected, check_reply
from retention.tsa.trust import TrustAnchors
from some.digest import sha256

if TYPE_CHECKING:
    from pathlib import Path

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl program is not installed")

EXTENSIONS = """
[req]
distinguished_name=dn
[dn]
[v3_ca]
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash
[v3_tsa]
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage=critical,timeStamping
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid
[tsa]
default_tsa = c
[c]
serial = ./serial
crypto_device = builtin
signer_cert = ./tsa.pem
certs = ./ca.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1, millisecs:500, microsecs:100
clock_precision_digits = 3
ordering = yes
tsa_name = yes
ess_cert_id_chain = {chain}
ess_cert_id_alg = {ess}
"""


class OpensslTsa:
    """The TSA that openssl makes, in a folder."""

    def __init__(self, folder: Path, *, ess: str = "sha256", chain: str = "no", ec: bool = False) -> None:
        """Make its keys and certificates."""
        self.folder = folder
        (folder / "all.cnf").write_text(EXTENSIONS.format(ess=ess, chain=chain))
        (folder / "serial").write_text("01\n")
        kind = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"] if ec else ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
        self.run("genpkey", "-algorithm", *kind, "-out", "ca.key")
        self.run("genpkey", "-algorithm", *kind, "-out", "tsa.key")
        config = ["-config", "all.cnf"]
        self.run(
            "req",
            "-x509",
            "-new",
            "-key",
            "ca.key",
            "-days",
            "30",
            "-subj",
            "/CN=openssl root",
            *config,
            "-extensions",
            "v3_ca",
            "-out",
            "ca.pem",
        )
        self.run("req", "-new", "-key", "tsa.key", "-subj", "/CN=openssl TSA", *config, "-out", "tsa.csr")
        self.run(
            "x509",
            "-req",
            "-in",
            "tsa.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-days",
            "20",
            "-extfile",
            "all.cnf",
            "-extensions",
            "v3_tsa",
            "-out",
            "tsa.pem",
        )

    def run(self, *arguments: str) -> bytes:
        """Run openssl in the folder."""
        return subprocess.run(["openssl", *arguments], cwd=self.folder, capture_output=True, check=True).stdout

    def reply(self, request: bytes) -> bytes:
        """Answer as openssl does."""
        (self.folder / "q").write_bytes(request)
        self.run("ts", "-reply", "-config", "all.cnf", "-queryfile", "q", "-out", "r")
        return (self.folder / "r").read_bytes()

    @property
    def anchors(self) -> TrustAnchors:
        """Its root."""
        return TrustAnchors.parse((self.folder / "ca.pem").read_bytes(), policies=["1.2.3.4.1"])


@needs_openssl
@pytest.mark.parametrize(
    "options",
    [{}, {"ess": "sha1"}, {"ess": "sha512", "chain": "yes"}, {"ec": True}],
    ids=["plain", "ESS v1", "chain", "EC"],
)
def test_tokens_that_openssl_makes_are_taken(tmp_path, options):
    tsa = OpensslTsa(tmp_path, **options)
    request = StampRequest.make(sha256(b"evidence"))
    reply = tsa.reply(request.der)
    now = datetime.now(UTC)
    checked = check_reply(reply, Expected(request.digest, request.nonce), tsa.anchors, at=now)
    assert checked.form is Form.RESPONSE
    assert checked.authority == "CN=openssl TSA"
    assert checked.accuracy.total_seconds() == 1.5001
    bare = tsa.run("ts", "-reply", "-in", "r", "-token_out")
    assert bare == checked.token
    assert check_reply(bare, Expected(request.digest), tsa.anchors, at=now).form is Form.TOKEN
    for text in (reply, bare):
        OpensslCheck.find().agree(
            text, request.der, check_reply(text, Expected(request.digest), tsa.anchors, at=now), tsa.anchors
        )


@needs_openssl
def test_a_rejection_by_openssl_is_a_refusal(tmp_path):
    tsa = OpensslTsa(tmp_path, ec=True)
    request = StampRequest.make(sha256(b"evidence"), policy="1.9.9.9")
    with pytest.raises(TokenFault) as caught:
        check_reply(tsa.reply(request.der), Expected(request.digest), tsa.anchors, at=datetime.now(UTC))
    assert caught.value.reason is Reason.REFUSED
    assert "policy" in str(caught.value)


def taken(world: World, reply: bytes, anchors: TrustAnchors | None = None):
    return check_reply(reply, world.expected, anchors or world.anchors, at=NOW + 900 * DAY)


@needs_openssl
def test_the_second_opinion_agrees_long_after_the_certificate_ended(world):
    reply = world.reply()
    OpensslCheck.find().agree(reply, world.request.der, taken(world, reply), world.anchors)


@needs_openssl
def test_rsa_pss_tokens_go_the_way_of_cms(world):
    reply = world.reply(sign=sign_pss())
    check = OpensslCheck.find()
    check.agree(reply, world.request.der, taken(world, reply), world.anchors)
    others = TrustAnchors.parse(world.rogue.pem)
    with pytest.raises(TokenFault) as caught:
        check.agree(reply, world.request.der, taken(world, reply), others)
    assert caught.value.reason is Reason.CROSS_CHECK


@needs_openssl
@pytest.mark.parametrize("sign", [None, sign_pss()])
def test_intermediates_reach_openssl(world, sign):
    between = Ca("Between", world.rogue_key, parent=world.root)
    signer = between.leaf(world.tsa_key)
    twists = {"sign": sign} if sign else {}
    reply = world.reply(signer=signer, certificates=[signer], **twists)
    anchors = TrustAnchors.parse(world.root.pem, intermediates=between.pem)
    OpensslCheck.find().agree(reply, world.request.der, taken(world, reply, anchors), anchors)


@needs_openssl
def test_what_openssl_refuses_is_not_taken(world):
    reply = world.reply()
    other = StampRequest.make(world.request.digest)
    with pytest.raises(TokenFault) as caught:
        OpensslCheck.find().agree(reply, other.der, taken(world, reply), world.anchors)
    assert caught.value.reason is Reason.CROSS_CHECK
    assert "nonce" in str(caught.value)


def program(folder: Path, text: str) -> Path:
    path = folder / "openssl"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_without_a_known_openssl_there_is_no_second_opinion(tmp_path):
    assert OpensslCheck.find(path=str(tmp_path)) is None
    program(tmp_path, "echo LibreSSL 3.9.0")
    assert OpensslCheck.find(path=str(tmp_path)) is None
    program(tmp_path, "echo OpenSSL 3.0.19 27 Jan 2026")
    assert OpensslCheck.find(path=str(tmp_path)) is not None
    (tmp_path / "openssl").write_text("#!/nowhere/at/all\n")
    assert OpensslCheck.find(path=str(tmp_path)) is None


def test_an_openssl_that_does_not_end_is_no_opinion(world, tmp_path):
    check = OpensslCheck(program(tmp_path, "exec sleep 60"), limit_s=0.2)
    reply = world.reply()
    check.agree(reply, world.request.der, taken(world, reply), world.anchors)


def test_a_refusal_without_words_is_a_refusal(world, tmp_path):
    check = OpensslCheck(program(tmp_path, "exit 1"))
    reply = world.reply()
    with pytest.raises(TokenFault, match="no reason given"):
        check.agree(reply, world.request.der, taken(world, reply), world.anchors)
