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


def places(folder: Path, *, sample: int | None, apart: Collection[str] = ()) -> list[tuple[Path, int, int]]:
    """Return (file, offset, mask): every byte of every file once, or `sample` of them and every file at least twice.

    Files named in `apart` are left alone.
    """
    files = sorted(
        path for path in folder.rglob("*") if path.is_file() and path.stat().st_size and path.name not in apart
    )
    every = [(path, offset) for path in files for offset in range(path.stat().st_size)]
    seed = int(os.environ.get("SOME_SEED", random.SystemRandom().randrange(2**32)))
    print(f"mutations: SOME_SEED={seed}, {len(every)} bytes in {len(files)} files, sample {sample or 'all'}")  # noqa: T201 - the seed must be seen when a test fails
    chooser = random.Random(seed)
    if sample is not None and sample < len(every):
        chosen = chooser.sample(every, sample)
        for path in files:
            chosen += [(path, chooser.randrange(path.stat().st_size)) for _ in range(2)]
        every = sorted(set(chosen))
    return [(path, offset, chooser.choice(MASKS)) for path, offset in every]


def flipped(content: bytes, offset: int, mask: int) -> bytes:
    """Return `content` with one byte altered."""
    return content[:offset] + bytes([content[offset] ^ mask]) + content[offset + 1 :]
