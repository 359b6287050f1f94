"""A time-stamping authority for `some demo` and for tests: right protocol, no standing in law, and it says so.

Law 5070 wants the stamp of an ESHS. A machine that stamps itself proves nothing against whoever owns the machine, so
this room belongs to the demonstration alone; the names in the certificates say DENEME, and the ledger says it too.
It runs on the given clock, which may be simulated: then genTime is simulated time.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar, Self

from asn1crypto import cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from retention.tsa.authority import QUERY_TYPE, REPLY_TYPE

if TYPE_CHECKING:
    from datetime import datetime
    from types import TracebackType

    from some.clock import Clock

TRIAL_POLICY = "1.3.6.1.4.1.99999.5651.1"
"""A policy of nobody (the enterprise number is not assigned): its tokens cannot be taken for an ESHS's."""

NOTICE = "DENEME - hukuki değeri yoktur"

MAX_REQUEST = 4096
_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}
_DAMAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)
_LIFE = timedelta(days=3650)
_DAY = timedelta(days=1)


class Rejected(Exception):
    """The request gets no token: PKIFailureInfo name of asn1crypto and words."""

    def __init__(self, failure: str, text: str) -> None:
        """Take what the reply will say."""
        super().__init__(text)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class TrialKeys:
    """Root and TSA certificate with the TSA's key. The root's key is thrown away when both are signed."""

    root: x509.Certificate
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey

    @classmethod
    def make(cls, now: datetime) -> TrialKeys:
        """Make new ones, valid from the day before `now` for ten years. Takes a second: RSA keys are searched for."""
        root_key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        root_name, name = _subject("Kök"), _subject("Zaman Damgası")
        root = _builder(root_name, root_name, root_key.public_key(), now)
        root = root.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        root = root.add_extension(_usage(signs_certificates=True), critical=True)
        leaf = _builder(name, root_name, key.public_key(), now)
        leaf = leaf.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        leaf = leaf.add_extension(_usage(signs_certificates=False), critical=True)
        leaf = leaf.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
        leaf = leaf.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        return cls(root.sign(root_key, hashes.SHA256()), leaf.sign(root_key, hashes.SHA256()), key)

    @classmethod
    def parse(cls, pem: bytes) -> TrialKeys:
        """Return what `pem()` gave, so that a demonstration can go on tomorrow; raises ValueError."""
        certificates = x509.load_pem_x509_certificates(pem)
        key = serialization.load_pem_private_key(pem, password=None)
        if len(certificates) != 2 or not isinstance(key, rsa.RSAPrivateKey):  # noqa: PLR2004 - root and leaf
            raise ValueError("not the keys of a trial authority")
        return cls(certificates[0], certificates[1], key)

    def pem(self) -> bytes:
        """Return everything as PEM: the private key too, so it belongs into a file of mode 0600."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return self.roots_pem + self.certificate.public_bytes(serialization.Encoding.PEM) + key

    @property
    def roots_pem(self) -> bytes:
        """The root as PEM, for `TrustAnchors.parse`."""
        return self.root.public_bytes(serialization.Encoding.PEM)


class TrialStamps:
    """TimeStampReq to TimeStampResp (RFC 3161), in parts, so that a test can make any one of them wrong."""

    def __init__(self, keys: TrialKeys, clock: Clock, policy: str = TRIAL_POLICY) -> None:
        """Stamp with `keys` by `clock` under `policy`."""
        self.keys = keys
        self.clock = clock
        self.policy = policy

    def reply(self, request: bytes) -> bytes:
        """Return the DER of the reply; what is asked wrongly is rejected in it, with reason."""
        try:
            asked = self.read(request)
            content = self.statement(asked).dump()
            return self.granted(self.token(content, with_certificates=asked["cert_req"].native))
        except Rejected as rejected:
            return self.rejection(rejected.failure, str(rejected))

    def read(self, request: bytes) -> tsp.TimeStampReq:
        """Return the request; raises Rejected for anything but a plain DER request of version 1."""
        try:
            asked = tsp.TimeStampReq.load(request, strict=True)
            plain = asked.native
            if asked.dump(force=True) != request:
                raise Rejected("bad_data_format", "the request is not DER")
        except _DAMAGE as fault:
            raise Rejected("bad_data_format", "the request cannot be read") from fault
        imprint = plain["message_imprint"]
        size = _SIZES.get(imprint["hash_algorithm"]["algorithm"])
        if plain["version"] != "v1":
            raise Rejected("bad_request", "only version 1 is known")
        if size is None or len(imprint["hashed_message"]) != size:
            raise Rejected("bad_alg", "the imprint is no SHA-256, SHA-384 or SHA-512")
        if plain["extensions"] is not None:
            raise Rejected("unaccepted_extensions", "no extension is known here")
        if plain["req_policy"] not in {None, self.policy}:
            raise Rejected("unaccepted_policy", f"the only policy here is {self.policy}")
        return asked

    def statement(self, asked: tsp.TimeStampReq) -> tsp.TSTInfo:
        """Return TSTInfo: what the token states about the request, at the clock's time."""
        fields: dict[str, Any] = {
            "version": "v1",
            "policy": self.policy,
            "message_imprint": asked["message_imprint"],
            "serial_number": secrets.randbits(63) | 1,
            "gen_time": self.clock.now().replace(microsecond=0),
            "accuracy": {"seconds": 1},
            "tsa": asn1_x509.GeneralName("directory_name", _encoded(self.keys.certificate).subject),
        }
        if asked["nonce"].native is not None:
            fields["nonce"] = asked["nonce"]
        return tsp.TSTInfo(fields)

    def token(self, content: bytes, *, with_certificates: bool = True) -> bytes:
        """Return the CMS SignedData over `content` (DER of TSTInfo)."""
        signed: dict[str, Any] = {
            "version": "v3",
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
            "signer_infos": self.signers(content),
        }
        if with_certificates:
            signed["certificates"] = self.certificates()
        info = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(signed)})
        encoded: bytes = info.dump()
        return encoded

    def signers(self, content: bytes) -> list[cms.SignerInfo]:
        """Return the one signer."""
        attributes = cms.CMSAttributes(self.attributes(content))
        algorithm, signature = self.sign(attributes.dump())
        certificate = _encoded(self.keys.certificate)
        name = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
        fields = {
            "version": "v1",
            "sid": cms.SignerIdentifier("issuer_and_serial_number", cms.IssuerAndSerialNumber(name)),
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": attributes,
            "signature_algorithm": algorithm,
            "signature": signature,
        }
        return [cms.SignerInfo(fields)]

    def attributes(self, content: bytes) -> list[cms.CMSAttribute]:
        """Return contentType, messageDigest and signingCertificateV2 (RFC 5816)."""
        der = self.keys.certificate.public_bytes(serialization.Encoding.DER)
        named = tsp.SigningCertificateV2({"certs": [{"cert_hash": hashlib.sha256(der).digest()}]})
        return [
            cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(content).digest()]}),
            cms.CMSAttribute({"type": "signing_certificate_v2", "values": [named]}),
        ]

    def sign(self, attributes: bytes) -> tuple[cms.SignedDigestAlgorithm, bytes]:
        """Return the signature algorithm and the signature over `attributes` (DER SET OF)."""
        algorithm = cms.SignedDigestAlgorithm({"algorithm": "sha256_rsa"})
        return algorithm, self.keys.key.sign(attributes, padding.PKCS1v15(), hashes.SHA256())

    def certificates(self) -> list[asn1_x509.Certificate]:
        """Return what the token carries: the signer and, for convenience, its root."""
        return [_encoded(self.keys.certificate), _encoded(self.keys.root)]

    def granted(self, token: bytes) -> bytes:
        """Return a TimeStampResp with `token`."""
        fields = {"status": {"status": "granted"}, "time_stamp_token": cms.ContentInfo.load(token)}
        encoded: bytes = tsp.TimeStampResp(fields).dump()
        return encoded

    def rejection(self, failure: str, text: str) -> bytes:
        """Return a TimeStampResp without token."""
        status = {"status": "rejection", "status_string": [text], "fail_info": {failure}}
        encoded: bytes = _Rejection({"status": status}).dump()
        return encoded


class _Rejection(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types, and no TimeStampResp without token
    _fields: ClassVar[list[tuple[str, Any]]] = [("status", tsp.PKIStatusInfo)]


class TrialAuthority:
    """The HTTP side: one POST, one reply, on a thread of its own between `start` and `stop`."""

    def __init__(self, stamps: TrialStamps, *, host: str = "127.0.0.1", port: int = 0) -> None:
        """Serve `stamps` at `host`; port 0 takes a free one at `start`."""
        self._stamps = stamps
        self._place = (host, port)
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> Self:
        """Open the port and begin to answer (again: harmless); raises OSError."""
        if self._server is not None:
            return self
        stamps = self._stamps

        class Door(_Door):
            answer = staticmethod(stamps.reply)

        self._server = ThreadingHTTPServer(self._place, Door)
        self._thread = threading.Thread(target=self._server.serve_forever, name="trial-tsa", daemon=True)
        self._thread.start()
        return self

    @property
    def url(self) -> str:
        """Where it answers; raises RuntimeError before `start`."""
        if self._server is None:
            raise RuntimeError("the trial authority has not been started")
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}/"

    def stop(self) -> None:
        """Close the port and wait for the thread; harmless when nothing runs."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        """Start, where that has not been done yet."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        self.stop()


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 10
    answer: Any

    def _answer_post(self) -> None:
        size = self.headers.get("Content-Length", "")
        if self.path != "/":
            return self._say(404, "there is nothing here")
        if self.headers.get_content_type() != QUERY_TYPE:
            return self._say(415, f"only {QUERY_TYPE} is taken")
        if not size.isdecimal() or int(size) > MAX_REQUEST:
            return self._say(413, f"a request has a length, of at most {MAX_REQUEST} bytes")
        return self._send(200, REPLY_TYPE, self.answer(self.rfile.read(int(size))))

    do_POST = _answer_post  # noqa: N815 - the name that http.server wants

    def _say(self, status: int, text: str) -> None:
        self.close_connection = True
        self._send(status, "text/plain; charset=utf-8", text.encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that http.server wants
        """Say nothing: diagnostics are not http.server's."""


def _subject(role: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "TR"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, NOTICE),
            x509.NameAttribute(NameOID.COMMON_NAME, f"DENEME {role}"),
        ]
    )


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPublicKey, now: datetime) -> x509.CertificateBuilder:
    start = now.replace(microsecond=0) - _DAY
    builder = x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start).not_valid_after(start + _LIFE)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _encoded(certificate: x509.Certificate) -> asn1_x509.Certificate:
    return asn1_x509.Certificate.load(certificate.public_bytes(serialization.Encoding.DER))
