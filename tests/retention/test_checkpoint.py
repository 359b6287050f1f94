"""Head texts and signed notes (C2SP tlog-checkpoint, signed-note)."""

from __future__ import annotations

import base64
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from retention import merkle
from retention.checkpoint import Checkpoint, entry_leaf, key_hash, note_with, open_note
from some.errors import IntegrityError

KEY = Ed25519PrivateKey.from_private_bytes(b"\x05" * 32)
PUBLIC = KEY.public_key()
CHECKPOINTS = st.builds(
    Checkpoint,
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
    st.integers(0, 10**18 - 1),
    st.binary(min_size=32, max_size=32),
)


def signed(checkpoint: Checkpoint) -> str:
    return note_with(checkpoint, PUBLIC, KEY.sign(checkpoint.to_text().encode()))


@given(CHECKPOINTS)
def test_round_trip(checkpoint):
    assert Checkpoint.parse(checkpoint.to_text()) == checkpoint
    assert open_note(signed(checkpoint), PUBLIC) == checkpoint


@given(CHECKPOINTS, st.text(max_size=200))
def test_only_the_canonical_text_parses(checkpoint, other):
    text = checkpoint.to_text()
    for changed in (other, text + other, other + text, text.replace("\n", "\r\n"), text[:-1]):
        if changed != text:
            try:
                parsed = Checkpoint.parse(changed)
            except IntegrityError:
                continue
            assert parsed.to_text() == changed


def test_stray_bits_in_base64_are_refused():
    text = Checkpoint("dugum1", 1, b"\0" * 32).to_text()
    assert text.endswith("AAA=\n")
    with pytest.raises(IntegrityError, match="stray bits"):
        Checkpoint.parse(text.replace("AAA=\n", "AAB=\n"))


def test_numbers_are_written_in_one_way():
    text = Checkpoint("dugum1", 12, b"\0" * 32).to_text()
    for wrong in ("012", "+12", "-12", "1_2", "", " 12", "1" * 19):
        with pytest.raises(IntegrityError):
            Checkpoint.parse(text.replace("\n12\n", f"\n{wrong}\n"))


def test_empty_ledger():
    assert Checkpoint.empty("dugum1") == Checkpoint("dugum1", 0, merkle.EMPTY_ROOT)
    assert entry_leaf(b"m") != entry_leaf(b"n")


def test_other_signers_lines_are_left_alone():
    checkpoint = Checkpoint("dugum1", 3, b"\1" * 32)
    text, line = signed(checkpoint).split("\n\n")
    others = "— witness.example AAAAAAAA\n— dugum1 !!!\n— dugum1 AAAAAAAA\n"
    assert open_note(f"{text}\n\n{others}{line}", PUBLIC) == checkpoint
    for note in (f"{text}\n\n{others}", text, f"{text}\n\n"):
        with pytest.raises(IntegrityError, match="not signed"):
            open_note(note, PUBLIC)


def test_wrong_signature_and_wrong_key():
    checkpoint = Checkpoint("dugum1", 3, b"\1" * 32)
    with pytest.raises(IntegrityError, match="wrong"):
        open_note(note_with(checkpoint, PUBLIC, b"\0" * 64), PUBLIC)
    other = Ed25519PrivateKey.from_private_bytes(b"\x06" * 32).public_key()
    with pytest.raises(IntegrityError, match="not signed"):
        open_note(signed(checkpoint), other)


def test_openssl_checks_the_signature(tmp_path):
    checkpoint = Checkpoint("dugum1", 3, b"\1" * 32)
    note = signed(checkpoint)
    blob = base64.b64decode(note.splitlines()[4].split(" ")[2])
    assert blob[:4] == key_hash("dugum1", PUBLIC)
    (tmp_path / "text").write_text(checkpoint.to_text())
    (tmp_path / "signature").write_bytes(blob[4:])
    (tmp_path / "key.pem").write_bytes(PUBLIC.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    command = "openssl pkeyutl -verify -pubin -inkey key.pem -rawin -in text -sigfile signature"
    done = subprocess.run(command.split(), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
