"""TimeStampReq (RFC 3161 section 2.4.1): made with a random nonce, and read back from a stored `.tsq`.

The nonce is what ties a reply to us: the request is stored before it is sent, and sent again as it stands after a
crash. `certReq` is always true, so that the token holds its signer's certificate and can be checked years later.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from asn1crypto import core, tsp

from some.digest import Algorithm, Digest
from some.errors import BadInput

NONCE_BITS = 127
MAX_REQUEST_BYTES = 4096

_DAMAGE = (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError)


@dataclass(frozen=True, slots=True)
class StampRequest:
    """What is asked: a stamp over `digest`, answered with `nonce`. `policy` is dotted, None asks for the default."""

    digest: Digest
    nonce: int
    policy: str | None = None

    @classmethod
    def make(cls, digest: Digest, *, policy: str | None = None) -> StampRequest:
        """Return a request with a fresh nonce: 127 random bits, so 16 bytes at most in DER and never negative."""
        return cls(digest, secrets.randbits(NONCE_BITS), policy)

    @property
    def der(self) -> bytes:
        """The DER that is sent and stored; equal requests have equal bytes."""
        fields = {
            "version": 1,
            "message_imprint": {
                "hash_algorithm": {"algorithm": str(self.digest.algorithm), "parameters": core.Null()},
                "hashed_message": self.digest.value,
            },
            "nonce": self.nonce,
            "cert_req": True,
        }
        if self.policy is not None:
            fields["req_policy"] = self.policy
        encoded: bytes = tsp.TimeStampReq(fields).dump()
        return encoded

    @classmethod
    def parse(cls, der: bytes) -> StampRequest:
        """Return the request that `der` holds; raises BadInput where it is none of ours (torn, edited, foreign)."""
        if len(der) > MAX_REQUEST_BYTES:
            raise BadInput(f"a time-stamp request has at most {MAX_REQUEST_BYTES} bytes, this has {len(der)}")
        try:
            asked = tsp.TimeStampReq.load(der, strict=True)
            imprint = asked["message_imprint"]
            algorithm = Algorithm(imprint["hash_algorithm"]["algorithm"].native)
            policy = asked["req_policy"]
            found = cls(
                Digest(algorithm, imprint["hashed_message"].native),
                asked["nonce"].native,
                None if isinstance(policy, core.Void) else policy.dotted,
            )
            same = found.der == der
        except _DAMAGE as fault:
            raise BadInput("not a time-stamp request (RFC 3161 section 2.4.1)") from fault
        if not same:
            raise BadInput("not a time-stamp request as we make them: other fields or not DER")
        return found
