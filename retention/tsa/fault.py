"""Why a reply is no proof. The reasons are stable: findings, tests and the guide use them."""

from __future__ import annotations

from enum import StrEnum

from some.errors import IntegrityError


class Reason(StrEnum):
    """One name per way in which a reply can fail; `openssl` and others stay silent about some of them."""

    FORM = "token.form"
    SIZE = "token.size"
    REFUSED = "token.refused"
    MISSING = "token.missing"
    CONTENT = "token.content"
    SIGNERS = "token.signers"
    ATTRIBUTES = "token.attributes"
    MESSAGE_DIGEST = "token.message_digest"
    ALGORITHM = "token.algorithm"
    SIGNATURE = "token.signature"
    CERTIFICATE = "token.certificate"
    ESS_MISSING = "token.ess.missing"
    ESS_FOREIGN = "token.ess.foreign"
    PURPOSE = "token.purpose"
    CHAIN = "token.chain"
    VALIDITY = "token.validity"
    REVOKED = "token.revoked"
    POLICY = "token.policy"
    IMPRINT = "token.imprint"
    NONCE = "token.nonce"
    FUTURE = "token.time.future"
    PAST = "token.time.past"
    CROSS_CHECK = "token.cross_check"


class TokenFault(IntegrityError):
    """A reply or token that proves nothing; `code` is the reason's dotted name.

    `Reason.REFUSED` alone is no accusation: the authority answered that it gives no token, and said why.
    """

    code = "token"

    def __init__(self, reason: Reason, text: str) -> None:
        """Say in words what was expected and what was found."""
        super().__init__(text)
        self.reason = reason
        self.code = str(reason)  # type: ignore[misc]  # one class with a code per reason instead of 23 classes
