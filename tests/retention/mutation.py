"""Which bytes to alter, and how: all of them, or a seeded sample whose seed is printed."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

# lowest bit; the case of a letter, and what keeps a hexadecimal digit one; highest bit
MASKS = (0x01, 0x20, 0x80)


def seed_of_this_run() -> int:
    """Return SOME_SEED, else a fresh seed; it is printed, and pytest shows it when the test fails."""
    seed = int(os.environ.get("SOME_SEED") or random.SystemRandom().randrange(2**32))
    print(f"SOME_SEED={seed}")  # noqa: T201 - to run the same sample again
    return seed


def places(folder: Path, *, sample: int | None, apart: Collection[str] = ()) -> list[tuple[Path, int, int]]:
    """Return (file, offset, mask): every byte of every file once, or `sample` of them and every file at least twice.

    Files named in `apart` are left alone.
    """
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.stat().st_size and path.name not in apart
    )
    every = [(path, offset) for path in files for offset in range(path.stat().st_size)]
    count = "all" if sample is None else sample
    print(f"{len(every)} bytes in {len(files)} files, altered: {count}")  # noqa: T201 - how much was tried
    chooser = random.Random(seed_of_this_run())
    if sample is not None and sample < len(every):
        chosen = chooser.sample(every, sample)
        for path in files:
            chosen += [(path, chooser.randrange(path.stat().st_size)) for _ in range(2)]
        every = sorted(set(chosen))
    return [(path, offset, chooser.choice(MASKS)) for path, offset in every]


def flipped(content: bytes, offset: int, mask: int) -> bytes:
    """Return `content` with one byte altered."""
    return content[:offset] + bytes([content[offset] ^ mask]) + content[offset + 1 :]
