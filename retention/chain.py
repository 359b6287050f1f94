"""What the manifests on the disk and the head say together: where the next seal goes, or why none may be made."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from retention.checkpoint import Checkpoint, entry_leaf
from retention.layout import manifest_name
from retention.manifest import Manifest
from retention.merkle import Frontier
from some.errors import IntegrityError

if TYPE_CHECKING:
    from pathlib import Path

    from retention.layout import Ledger

_MANIFEST = re.compile(r"seal-([0-9]{6,18})\.manifest")
_TORN = re.compile(rb"^[0-9a-f]{64}  (seg-[a-z0-9_.]+\.torn)$", re.MULTILINE)
_SEGMENT = re.compile(rb"^# segment ([0-9]{6,18}) ", re.MULTILINE)


@dataclass(slots=True)
class Chain:
    """The committed seals: their tree, the last manifest, and all segments and torn tails that any of them lists."""

    ledger: str
    frontier: Frontier = field(default_factory=Frontier)
    last: Manifest | None = None
    last_digest: str = ""
    sealed: set[int] = field(default_factory=set)
    torn: set[str] = field(default_factory=set)

    @property
    def size(self) -> int:
        """How many seals there are."""
        return self.frontier.size

    @property
    def checkpoint(self) -> Checkpoint:
        """What the head must say."""
        return Checkpoint(self.ledger, self.size, self.frontier.root())

    def next_checkpoint(self, manifest: bytes) -> Checkpoint:
        """Return what the head will say when `manifest` follows."""
        longer = self.frontier.copy()
        longer.append(entry_leaf(manifest))
        return Checkpoint(self.ledger, longer.size, longer.root())

    def extend(self, manifest: bytes) -> None:
        """Take `manifest` as the next committed one."""
        self.count(manifest)
        self.last = Manifest.parse(manifest)
        self.last_digest = sha256(manifest).hexdigest()

    def count(self, manifest: bytes) -> None:
        """Take what all committed manifests add up to, without parsing this one."""
        self.frontier.append(entry_leaf(manifest))
        self.sealed |= segments_of(manifest)
        self.torn |= {name.decode() for name in _TORN.findall(manifest)}


def segments_of(manifest: bytes) -> set[int]:
    """Return the numbers of the segments that a manifest lists, without parsing the rest of it."""
    return {int(number) for number in _SEGMENT.findall(manifest)}


def manifests_on_disk(ledger: Ledger) -> dict[int, Path]:
    """Return seal number -> path of every manifest that stands where it belongs."""
    found = {}
    for folder in sorted(ledger.seals.iterdir()) if ledger.seals.exists() else []:
        for entry in os.scandir(folder):
            match = _MANIFEST.fullmatch(entry.name)
            if match and ledger.manifest(int(match[1])) == folder / entry.name:
                found[int(match[1])] = folder / entry.name
    return found


def read_chain(ledger: Ledger, head: Checkpoint) -> Chain:
    """Return the chain of the manifests 1 to `head.size`; raises IntegrityError where they do not give the head's root.

    Reads every manifest, about 20 µs each: 0.4 s for two years of hourly seals.
    """
    chain = Chain(ledger.name)
    text = b""
    for seal in range(1, head.size + 1):
        try:
            text = ledger.manifest(seal).read_bytes()
        except FileNotFoundError as fault:
            raise IntegrityError(f"{manifest_name(seal)} is missing, but the head is at seal {head.size}") from fault
        chain.count(text)
    if chain.checkpoint != head:
        raise IntegrityError(f"the manifests do not give the head's root at seal {head.size}")
    if text:
        chain.last, chain.last_digest = Manifest.parse(text), sha256(text).hexdigest()
    return chain


def sealed_anyhow(ledger: Ledger) -> set[int]:
    """Return every segment number that any manifest on the disk lists, for a ledger whose chain is broken."""
    numbers: set[int] = set()
    for path in manifests_on_disk(ledger).values():
        numbers |= segments_of(path.read_bytes())
    return numbers
