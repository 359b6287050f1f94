"""RFC 6962 section 2.1 Merkle trees over SHA-256: roots, inclusion paths, and a frontier that grows.

Pairing a level and promoting its odd last node gives the same root as the RFC's recursive definition.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

EMPTY_ROOT = sha256(b"").digest()
"""MTH({}) of RFC 6962."""


def leaf_hash(entry: bytes) -> bytes:
    """Return SHA-256(0x00 || entry)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def root(hashes: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes (32 bytes each); EMPTY_ROOT for none."""
    if not hashes:
        return EMPTY_ROOT
    level = hashes
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def path(hashes: Sequence[bytes], index: int) -> list[bytes]:
    """Return the inclusion path of leaf `index`, lowest sibling first (RFC 6962 section 2.1.1)."""
    if not 0 <= index < len(hashes):
        msg = f"no leaf {index} in a tree of {len(hashes)}"
        raise ValueError(msg)
    siblings = []
    level = hashes
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            siblings.append(level[sibling])
        level = _parents(level)
        index //= 2
    return siblings


def root_from_path(leaf: bytes, index: int, size: int, siblings: Sequence[bytes]) -> bytes:
    """Return the root that `leaf` at `index` of `size` and its path lead to; raises ValueError on a wrong length."""
    if not 0 <= index < size:
        msg = f"no leaf {index} in a tree of {size}"
        raise ValueError(msg)
    remaining = list(reversed(siblings))
    last = size - 1
    node = leaf
    while last > 0:
        if index & 1 or index < last:
            if not remaining:
                raise ValueError("the path is too short")
            sibling = remaining.pop()
            node = node_hash(sibling, node) if index & 1 else node_hash(node, sibling)
        index //= 2
        last //= 2
    if remaining:
        raise ValueError("the path is too long")
    return node


def path_sides(index: int, size: int) -> str:
    """Return, for each step of a path, on which side the sibling stands: a string of `L` and `R`."""
    sides = []
    last = size - 1
    while last > 0:
        if index & 1:
            sides.append("L")
        elif index < last:
            sides.append("R")
        index //= 2
        last //= 2
    return "".join(sides)


class Frontier:
    """The right edge of a growing tree: appends a leaf and gives the root in O(log n) space and time."""

    def __init__(self) -> None:
        """Start with the empty tree."""
        self._size = 0
        self._peaks: list[bytes] = []

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._size

    def copy(self) -> Frontier:
        """Return an independent tree with the same leaves."""
        other = Frontier()
        other._size, other._peaks = self._size, list(self._peaks)
        return other

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash at the right."""
        node = leaf
        size = self._size
        while size & 1:
            node = node_hash(self._peaks.pop(), node)
            size >>= 1
        self._peaks.append(node)
        self._size += 1

    def root(self) -> bytes:
        """Return the root over all leaves so far."""
        if not self._peaks:
            return EMPTY_ROOT
        node = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            node = node_hash(peak, node)
        return node


def _parents(level: Sequence[bytes]) -> list[bytes]:
    parents = [sha256(b"\x01" + left + right).digest() for left, right in zip(level[::2], level[1::2], strict=False)]
    if len(level) & 1:
        parents.append(level[-1])
    return parents
