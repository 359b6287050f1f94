"""From bytes to parts. Nothing here believes anything: `retention.tsa.token` does the checking.

Only a small part of asn1crypto is used, on structures written out here. Whatever a signature covers is taken as the
bytes that came: asn1crypto encodes anew what was looked into, and a check over such bytes checks something else.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from asn1crypto import cms, core, tsp

from retention.tsa.fault import Reason, TokenFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_REPLY_BYTES = 64 * 1024
"""A reply has 1 to 8 KiB; the cap is the one of a Kamu SM client in use."""

SIGNED_DATA = "1.2.840.113549.1.7.2"
TST_INFO = "1.2.840.113549.1.9.16.1.4"

_CERTIFICATE_TAG = 0x30
_SET_TAG = b"\x31"
_SHORT = 0x80
_FREE_TEXT = 300
_TIME = re.compile(rb"([0-9]{14})(?:\.([0-9]{1,12}))?Z")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_FAILURES = {
    0: "badAlg",
    2: "badRequest",
    5: "badDataFormat",
    14: "timeNotAvailable",
    15: "unacceptedPolicy",
    16: "unacceptedExtension",
    17: "addInfoNotAvailable",
    25: "systemFailure",
}
_STATUS = {2: "rejection", 3: "waiting", 4: "revocationWarning", 5: "revocationNotification"}
# what asn1crypto lets escape on damaged bytes, found by mutation
_DAMAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, RecursionError)


class Form(StrEnum):
    """How the token came: a whole TimeStampResp (`.tsr`), or the bare CMS token (`.tst`, `.zd`, `.der`)."""

    RESPONSE = "response"
    TOKEN = "token"  # noqa: S105 - the name of a form, no password


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What TSTInfo states (RFC 3161 section 2.4.2), unchecked: for lists and messages only.

    `policy` and `imprint_algorithm` are dotted object identifiers, `serial` may have 160 bits, `accuracy` is None where
    the authority gives none.
    """

    form: Form
    gen_time: datetime
    serial: int
    policy: str
    imprint_algorithm: str
    imprint: bytes
    nonce: int | None
    accuracy: timedelta | None


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An AlgorithmIdentifier: dotted identifier and the DER of its parameters, if any."""

    oid: str
    parameters: bytes | None


@dataclass(frozen=True, slots=True)
class Opened:
    """A token taken apart. `content` is TSTInfo as signed; `signed_attributes` the SET OF as signed (RFC 5652 5.4)."""

    facts: TokenFacts
    token: bytes
    content: bytes
    certificates: tuple[bytes, ...]
    signer_id: bytes
    digest_algorithm: str
    signed_attributes: bytes
    attributes: Mapping[str, tuple[bytes, ...]]
    signature_algorithm: Algorithm
    signature: bytes


class _AnySet(core.SetOf):  # type: ignore[misc]  # asn1crypto has no types
    _child_spec = core.Any


class _Texts(core.SequenceOf):  # type: ignore[misc]  # as above
    _child_spec = core.Any


class _Status(core.Sequence):  # type: ignore[misc]  # as above
    _fields = [  # noqa: RUF012 - how asn1crypto wants it
        ("status", core.Integer),
        ("text", _Texts, {"optional": True}),
        ("failure", core.BitString, {"optional": True}),
    ]


class _Response(core.Sequence):  # type: ignore[misc]  # as above
    _fields = [("status", _Status), ("token", core.Any, {"optional": True})]  # noqa: RUF012 - as above


class _Encapsulated(core.Sequence):  # type: ignore[misc]  # as above
    _fields = [  # noqa: RUF012 - as above
        ("type", core.ObjectIdentifier),
        ("content", core.OctetString, {"explicit": 0, "optional": True}),
    ]


class _AlgorithmIdentifier(core.Sequence):  # type: ignore[misc]  # as above
    _fields = [  # noqa: RUF012 - as above
        ("algorithm", core.ObjectIdentifier),
        ("parameters", core.Any, {"optional": True}),
    ]


class _Attribute(core.Sequence):  # type: ignore[misc]  # as above
    _fields = [("type", core.ObjectIdentifier), ("values", _AnySet)]  # noqa: RUF012 - as above


class _Attributes(core.SetOf):  # type: ignore[misc]  # as above
    _child_spec = _Attribute


class _Signer(core.Sequence):  # type: ignore[misc]  # as above
    _fields = [  # noqa: RUF012 - as above
        ("version", core.Integer),
        ("signer_id", cms.SignerIdentifier),
        ("digest_algorithm", _AlgorithmIdentifier),
        ("signed_attributes", _Attributes, {"implicit": 0, "optional": True}),
        ("signature_algorithm", _AlgorithmIdentifier),
        ("signature", core.OctetString),
        ("unsigned_attributes", _AnySet, {"implicit": 1, "optional": True}),
    ]


class _Signers(core.SetOf):  # type: ignore[misc]  # as above
    _child_spec = _Signer


class _Signed(core.Sequence):  # type: ignore[misc]  # as above
    _fields = [  # noqa: RUF012 - as above
        ("version", core.Integer),
        ("digest_algorithms", _AnySet),
        ("content", _Encapsulated),
        ("certificates", _AnySet, {"implicit": 0, "optional": True}),
        ("crls", _AnySet, {"implicit": 1, "optional": True}),
        ("signers", _Signers),
    ]


class _Envelope(core.Sequence):  # type: ignore[misc]  # as above
    _fields = [("type", core.ObjectIdentifier), ("content", _Signed, {"explicit": 0})]  # noqa: RUF012 - as above


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever damaged bytes make asn1crypto raise into one fault that names the place."""
    try:
        yield
    except _DAMAGE as fault:
        raise TokenFault(Reason.FORM, f"{what} cannot be read as DER: {str(fault)[:120]}") from fault


def open_reply(reply: bytes) -> Opened:
    """Take a TimeStampResp or a bare token apart; raises TokenFault where there is no token or its form is wrong."""
    form, token = _unwrap(reply)
    with reading("the token"):
        outer = _Envelope.load(token, strict=True)
        if outer["type"].dotted != SIGNED_DATA:
            raise TokenFault(Reason.CONTENT, "the token is no CMS SignedData (RFC 5652)")
        signed = outer["content"]
        encapsulated = signed["content"]
        content = _primitive(encapsulated["content"])
        if encapsulated["type"].dotted != TST_INFO or content is None:
            raise TokenFault(Reason.CONTENT, "the token holds no TSTInfo (RFC 3161 section 2.4.2)")
        certificates = tuple(part.dump() for part in _present(signed["certificates"]))
        signers = signed["signers"]
        if len(signers) != 1:
            raise TokenFault(
                Reason.SIGNERS, f"a token has exactly one signer (RFC 3161 2.4.2), this has {len(signers)}"
            )
        return _with_signer(signers[0], _facts(form, content), token, content, certificates)


def read_token(reply: bytes) -> TokenFacts:
    """Return what a reply or token states, without believing it; raises TokenFault where there is no token."""
    return open_reply(reply).facts


def _with_signer(
    signer: Any, facts: TokenFacts, token: bytes, content: bytes, certificates: tuple[bytes, ...]
) -> Opened:
    signed_attributes = signer["signed_attributes"]
    if isinstance(signed_attributes, core.Void):
        raise TokenFault(Reason.ATTRIBUTES, "the token has no signed attributes (RFC 3161 section 2.4.2)")
    # before any child is looked at: see the module's docstring
    raw = signed_attributes.contents
    signature = _primitive(signer["signature"])
    if signature is None:
        raise TokenFault(Reason.FORM, "the signature is not one primitive OCTET STRING")
    return Opened(
        facts=facts,
        token=token,
        content=content,
        certificates=tuple(one for one in certificates if one[0] == _CERTIFICATE_TAG),
        signer_id=signer["signer_id"].dump(),
        digest_algorithm=signer["digest_algorithm"]["algorithm"].dotted,
        signed_attributes=_SET_TAG + _length(len(raw)) + raw,
        attributes=_attributes(signed_attributes),
        signature_algorithm=_algorithm(signer["signature_algorithm"]),
        signature=signature,
    )


def _unwrap(reply: bytes) -> tuple[Form, bytes]:
    if len(reply) > MAX_REPLY_BYTES:
        raise TokenFault(Reason.SIZE, f"a reply of {len(reply)} bytes; {MAX_REPLY_BYTES} is the limit")
    with reading("the reply"):
        outer = core.Sequence.load(reply, strict=True)
        if isinstance(outer[0], core.ObjectIdentifier):
            return Form.TOKEN, reply
        response = _Response.load(reply, strict=True)
        _refuse_failure(response["status"])
        if isinstance(response["token"], core.Void):
            raise TokenFault(Reason.MISSING, "the authority says granted, but there is no token in its reply")
        return Form.RESPONSE, response["token"].dump()


def _refuse_failure(status: Any) -> None:
    """RFC 3161 section 2.4.2: a token comes with status 0 or 1 only. Kamu SM says its errors here, under HTTP 200."""
    number = status["status"].native
    if number in {0, 1}:
        return
    words = [_STATUS.get(number, f"status {number}")]
    if not isinstance(status["failure"], core.Void):
        bits = status["failure"].native
        words += [_FAILURES.get(place, f"failure {place}") for place, bit in enumerate(bits) if bit]
    texts = [_free_text(part.contents) for part in _present(status["text"])]
    raise TokenFault(
        Reason.REFUSED, f"the authority gives no token ({', '.join(words)}): {' '.join(texts) or 'no text'}"
    )


def _free_text(raw: bytes) -> str:
    """PKIFreeText is UTF-8; a Turkish server that forgets it sends ISO-8859-9, its default elsewhere."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        text = raw.decode("iso-8859-9")
    return _UNPRINTABLE.sub(" ", text).strip()[:_FREE_TEXT]


def _facts(form: Form, content: bytes) -> TokenFacts:
    stated = tsp.TSTInfo.load(content, strict=True)
    if int(stated["version"]) != 1:
        raise TokenFault(Reason.CONTENT, "TSTInfo is not version 1 (RFC 3161 section 2.4.2)")
    for extension in _present(stated["extensions"]):
        if extension["critical"].native:
            name = extension["extn_id"].dotted
            raise TokenFault(Reason.CONTENT, f"TSTInfo has a critical extension that nobody here knows: {name}")
    imprint = stated["message_imprint"]
    digest = _primitive(imprint["hashed_message"])
    if digest is None:
        raise TokenFault(Reason.FORM, "the imprint is not one primitive OCTET STRING")
    return TokenFacts(
        form=form,
        gen_time=_time(stated["gen_time"].contents),
        serial=stated["serial_number"].native,
        policy=stated["policy"].dotted,
        imprint_algorithm=imprint["hash_algorithm"]["algorithm"].dotted,
        imprint=digest,
        nonce=None if isinstance(stated["nonce"], core.Void) else stated["nonce"].native,
        accuracy=_accuracy(stated["accuracy"]),
    )


def _time(raw: bytes) -> datetime:
    """RFC 3161 section 2.4.2: GeneralizedTime in UTC with seconds and perhaps a fraction; below 1 us we cut off."""
    match = _TIME.fullmatch(raw)
    if match is None:
        raise TokenFault(Reason.CONTENT, "genTime is not of the form YYYYMMDDhhmmss[.s...]Z")
    moment = datetime.strptime(match[1].decode(), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return moment + timedelta(microseconds=int((match[2] or b"0").ljust(6, b"0")[:6]))


def _accuracy(stated: Any) -> timedelta | None:
    if isinstance(stated, core.Void):
        return None
    return timedelta(
        seconds=stated["seconds"].native or 0,
        milliseconds=stated["millis"].native or 0,
        microseconds=stated["micros"].native or 0,
    )


def _attributes(stated: Any) -> dict[str, tuple[bytes, ...]]:
    """RFC 5652 section 5.3: an attribute stands in the set once."""
    found: dict[str, tuple[bytes, ...]] = {}
    for attribute in stated:
        name = attribute["type"].dotted
        if name in found:
            raise TokenFault(Reason.ATTRIBUTES, f"the signed attribute {name} stands there twice")
        found[name] = tuple(value.dump() for value in attribute["values"])
    return found


def _algorithm(stated: Any) -> Algorithm:
    parameters = stated["parameters"]
    return Algorithm(stated["algorithm"].dotted, None if isinstance(parameters, core.Void) else parameters.dump())


def _present(stated: Any) -> Any:
    return () if isinstance(stated, core.Void) else stated


def _primitive(stated: Any) -> bytes | None:
    """Return the bytes of an OCTET STRING in one piece; BER would allow many spellings of the same."""
    if isinstance(stated, core.Void) or stated.method != 0:
        return None
    raw: bytes = stated.contents
    return raw


def _length(size: int) -> bytes:
    if size < _SHORT:
        return bytes([size])
    raw = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([_SHORT | len(raw)]) + raw
