"""Algorithm and bytes together, so that a digest can never be read with the wrong function."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Algorithm(StrEnum):
    """Digest functions that evidence may be made with."""

    SHA256 = "sha256"
    SHA512 = "sha512"


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest value and the function that made it."""

    algorithm: Algorithm
    value: bytes

    def __post_init__(self) -> None:
        """Refuse a value whose length is not the function's."""
        size = hashlib.new(self.algorithm).digest_size
        if len(self.value) != size:
            msg = f"a {self.algorithm} digest has {size} bytes, not {len(self.value)}"
            raise ValueError(msg)

    def __str__(self) -> str:
        """Return `sha256:<hex>`."""
        return f"{self.algorithm}:{self.value.hex()}"

    @property
    def hex(self) -> str:
        """The value in lower-case hexadecimal, as `sha256sum` prints it."""
        return self.value.hex()


def sha256(content: bytes | memoryview) -> Digest:
    """Return the SHA-256 digest of `content` (FIPS 180-4)."""
    return Digest(Algorithm.SHA256, hashlib.sha256(content).digest())


def of_parts(parts: Iterable[bytes], algorithm: Algorithm = Algorithm.SHA256) -> Digest:
    """Return the digest of the concatenation of `parts` without holding more than one of them."""
    running = hashlib.new(algorithm)
    for part in parts:
        running.update(part)
    return Digest(algorithm, running.digest())
