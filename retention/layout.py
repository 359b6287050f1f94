"""Where each file of a ledger stands. Paths only: nothing here touches the disk."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_PER_FOLDER = 1000
_SEGMENT = re.compile(r"seg-([0-9]{6,18})\.([a-z][a-z0-9_]{0,31})\.log(\.zst)?")
_TORN = re.compile(r"seg-([0-9]{6,18})\.([a-z][a-z0-9_]{0,31})\.torn")
_SEED = re.compile(r"seg-([0-9]{6,18})\.seed")
_TOKEN = re.compile(r"seal-([0-9]{6,18})\.tsr")


@dataclass(frozen=True, slots=True)
class Ledger:
    """One ledger's folder, `DATA/archive/<name>`, and the names in it (SPEC.md, Files)."""

    folder: Path
    name: str

    @property
    def head(self) -> Path:
        """The last committed checkpoint, unsigned: replaced by compare-and-swap."""
        return self.folder / "head"

    @property
    def checkpoint(self) -> Path:
        """The last committed checkpoint as a signed note."""
        return self.folder / "checkpoint"

    @property
    def public_key(self) -> Path:
        """The ledger's public key, PEM."""
        return self.folder / f"{self.name}.pub.pem"

    @property
    def arrived(self) -> Path:
        """Folder of empty markers: tokens that no manifest lists yet."""
        return self.folder / "arrived"

    @property
    def reserve(self) -> Path:
        """Preallocated room for audit records and seals when the disk is full."""
        return self.folder / "reserve"

    @property
    def segments(self) -> Path:
        """Folder of the segments' folders."""
        return self.folder / "segments"

    @property
    def seals(self) -> Path:
        """Folder of the seals' folders."""
        return self.folder / "seals"

    def segment(self, number: int, record_class: str) -> Path:
        """Return the path of the compressed segment."""
        return self._segment_folder(number) / f"{segment_name(number, record_class)}.zst"

    def seed(self, number: int) -> Path:
        """Return the path of the secret that the salts come from; it is destroyed with the segment."""
        return self._segment_folder(number) / f"seg-{number:06d}.seed"

    def torn(self, number: int, record_class: str) -> Path:
        """Bytes behind the last whole frame of a segment, kept by recovery."""
        return self._segment_folder(number) / torn_name(number, record_class)

    def manifest(self, seal: int) -> Path:
        """Return the path of one seal's manifest."""
        return self._seal_folder(seal) / manifest_name(seal)

    def signature(self, seal: int) -> Path:
        """Return the path of the Ed25519 signature over the manifest, 64 raw bytes."""
        return self._seal_folder(seal) / f"seal-{seal:06d}.sig"

    def request(self, seal: int) -> Path:
        """Return the path of the time-stamp request as sent (it holds the nonce)."""
        return self._seal_folder(seal) / f"seal-{seal:06d}.tsq"

    def token(self, seal: int) -> Path:
        """Return the path of the time-stamping authority's reply, byte for byte."""
        return self._seal_folder(seal) / token_name(seal)

    def _segment_folder(self, number: int) -> Path:
        return self.segments / f"{number // _PER_FOLDER:03d}"

    def _seal_folder(self, seal: int) -> Path:
        return self.seals / f"{seal // _PER_FOLDER:03d}"


def segment_name(number: int, record_class: str) -> str:
    """Return the name of a segment's content, as a manifest lists it (without `.zst`)."""
    return f"seg-{number:06d}.{record_class}.log"


def torn_name(number: int, record_class: str) -> str:
    """Return the name of a segment's torn tail."""
    return f"seg-{number:06d}.{record_class}.torn"


def manifest_name(seal: int) -> str:
    """Return the name of a seal's manifest."""
    return f"seal-{seal:06d}.manifest"


def token_name(seal: int) -> str:
    """Return the name of a seal's time-stamp reply."""
    return f"seal-{seal:06d}.tsr"


def parse_segment_name(name: str) -> tuple[int, str] | None:
    """Return number and record class of a segment's file name (with or without `.zst`), or None."""
    match = _SEGMENT.fullmatch(name)
    return (int(match[1]), match[2]) if match else None


def parse_torn_name(name: str) -> tuple[int, str] | None:
    """Return number and record class of a torn tail's file name, or None."""
    match = _TORN.fullmatch(name)
    return (int(match[1]), match[2]) if match else None


def parse_seed_name(name: str) -> int | None:
    """Return the segment number of a seed's file name, or None."""
    match = _SEED.fullmatch(name)
    return int(match[1]) if match else None


def parse_token_name(name: str) -> int | None:
    """Return the seal number of a token's file name, or None."""
    match = _TOKEN.fullmatch(name)
    return int(match[1]) if match else None
