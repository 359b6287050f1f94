"""Altering any byte of a ledger is an error, or the byte is proved harmless right here."""

from __future__ import annotations

import pytest
from ledger_builder import Builder
from mutation import flipped, places

from retention.segment import expand, frames_of
from retention.tsa.reply import read_token
from retention.verify import verify

# an altered certificate makes the library warn before it refuses
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.fixture
def builder(tmp_path):
    builder = Builder(tmp_path / "dugum1")
    for count in (12, 0, 9):
        builder.seal(*([count, 3] if count else []))
    return builder


def harmless(builder, path, before: bytes, after: bytes) -> str | None:
    """Return why an accepted alteration changes nothing that anybody relies on, None where it does."""
    if path.name.endswith(".log.zst"):
        same = [expand(frame) for _, frame in frames_of(before)] == [expand(frame) for _, frame in frames_of(after)]
        return "the same records: a byte of the compression only" if same else None
    if path == builder.ledger.token(3):
        return "the newest token's envelope: the same statement" if read_token(before) == read_token(after) else None
    return None


def check(builder, sample):
    options = builder.options()
    assert verify(options).ok
    accepted: dict[str, int] = {}
    for path, offset, mask in places(builder.folder, sample=sample):
        before = path.read_bytes()
        after = flipped(before, offset, mask)
        path.write_bytes(after)
        if verify(options).ok:
            reason = harmless(builder, path, before, after)
            assert reason is not None, f"{path.name}: byte {offset} xor {mask:#x} was accepted"
            accepted[reason] = accepted.get(reason, 0) + 1
        path.write_bytes(before)
    print(f"accepted and harmless: {accepted}")  # noqa: T201 - what a reader of the test wants to know
    return accepted


def test_sampled_bytes_of_a_ledger(builder):
    check(builder, 250)


@pytest.mark.full
def test_every_byte_of_a_ledger(builder):
    check(builder, None)


def test_every_file_counts(builder):
    """Emptied, cut by a byte, or with a byte more: every file of a ledger but the markers is evidence."""
    options = builder.options()
    for path in sorted(path for path in builder.folder.rglob("*") if path.is_file() and path.stat().st_size):
        before = path.read_bytes()
        for after in (b"", before[:-1], before + b"\x00"):
            path.write_bytes(after)
            assert not verify(options).ok, f"{path.name} of {len(before)} bytes with {len(after)}"
        path.write_bytes(before)
    assert verify(options).ok
