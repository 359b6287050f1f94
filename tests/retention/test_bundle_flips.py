"""Altering any byte of a bundle makes the guide's own commands fail, or the byte is proved harmless right here.

Twice: as it happens to a file, and as an attacker does it, who also corrects DOSYALAR.sha256. The guide is what the
expert holds in hand (its text is read before the alteration).
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from ledger_builder import Builder
from mutation import flipped, places
from test_bundle import BLOCK, relist, source_of, stock

from retention.bundle import export_record, export_seal
from some.record import RecordRef

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["stock"]
# an altered certificate makes the library warn before it refuses
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
SHARES = 8
SUMS, GUIDE = "DOSYALAR.sha256", "DOGRULAMA.md"


class Expert:
    """Runs the guide's commands, stopping at the first step that fails."""

    def __init__(self, folder: Path, tools: Path) -> None:
        self.folder = folder
        self.guide = (folder / GUIDE).read_text()
        self._tools = tools
        self._clean = sorted(path.name for path in folder.iterdir())

    def accepts(self) -> bool:
        try:
            return all(self._step(block, number) for number, block in enumerate(BLOCK.findall(self.guide), 1))
        finally:
            for path in list(self.folder.iterdir()):
                if path.name not in self._clean:
                    path.unlink()

    def _step(self, block: str, number: int) -> bool:
        environment = {"PATH": str(self._tools)}
        done = subprocess.run(["sh", "-c", block], cwd=self.folder, env=environment, capture_output=True, check=False)
        lines = done.stdout.decode(errors="replace").splitlines()
        return [row for row in lines if row.startswith("ADIM ")] == [f"ADIM {number} TAMAM"]


def harmless(name: str, before: bytes, after: bytes) -> str | None:
    """Return why an alteration that the guide accepts changes nothing that it states, None where it does."""
    if name.endswith(".zst"):
        expanded = [
            subprocess.run(["zstd", "-dc"], input=one, capture_output=True, check=True).stdout
            for one in (before, after)
        ]
        return "the same expanded bytes" if expanded[0] == expanded[1] else None
    if name.endswith(".tsr"):
        return "envelope of the newest token: the same statement" if statement(before) == statement(after) else None
    if name == "tsa-kok.pem":
        certificates = [x509.load_pem_x509_certificate(one).public_bytes(Encoding.DER) for one in (before, after)]
        return "the same certificate" if certificates[0] == certificates[1] else None
    if name == "checkpoint":
        parts = [(one.split(b"\n")[:3], signature_of(one)) for one in (before, after)]
        return "the same three lines and the same signature" if parts[0] == parts[1] else None
    return None


def statement(reply: bytes) -> bytes:
    """Return what a token states, as openssl reads it (our own check refuses more envelopes than openssl does)."""
    command = ["openssl", "ts", "-reply", "-in", "/dev/stdin", "-text"]
    text = subprocess.run(command, input=reply, capture_output=True, check=True).stdout
    return text.partition(b"TST info:")[2]


def signature_of(note: bytes) -> bytes:
    """Return what the guide takes for the signature, by the guide's own commands."""
    script = "set -- $(head -n 5 | tail -n 1); printf '%s' \"$3\" | openssl base64 -d -A | tail -c 64"
    return subprocess.run(["sh", "-c", script], input=note, capture_output=True, check=True).stdout


@pytest.fixture(params=["seal", "record"])
def folder(request, tmp_path) -> Path:
    builder = Builder(tmp_path / "archive" / "dugum1")
    for count in (9, 11, 8):
        builder.seal(count, 2)
    out = tmp_path / "bundle"
    source = source_of(builder)
    if request.param == "seal":
        export_seal(source, 2, out)
    else:
        export_record(source, RecordRef("dugum1", 3, 7), out)
    return out


def attack(folder: Path, tools: Path, sample: int | None, *, corrects_sums: bool, share: int | None = None) -> None:
    """Alter bytes; `corrects_sums`: the attacker corrects the list, and the guide is in the expert's hand."""
    expert = Expert(folder, tools)
    assert expert.accepts()
    accepted: dict[str, int] = {}
    sums = (folder / SUMS).read_bytes()
    apart = {GUIDE, SUMS} if corrects_sums else set()
    for path, offset, mask in places(folder, sample=sample, apart=apart)[share :: SHARES if share is not None else 1]:
        before = path.read_bytes()
        after = flipped(before, offset, mask)
        path.write_bytes(after)
        if path.name == SUMS:
            same_digests = before.lower() == after.lower()
            reason = "a hexadecimal digit in upper case" if same_digests else None
        elif corrects_sums:
            relist(folder, path)
            reason = None
        else:
            reason = None
        if expert.accepts():
            reason = reason or (harmless(path.name, before, after) if corrects_sums else None)
            assert reason is not None, f"{path.name}: byte {offset} xor {mask:#x} was accepted"
            accepted[reason] = accepted.get(reason, 0) + 1
        path.write_bytes(before)
        (folder / SUMS).write_bytes(sums)
    print(f"accepted and harmless: {accepted}")  # noqa: T201 - what a reader of the test wants to know


def test_sampled_bytes_damaged(folder, stock):
    attack(folder, stock, 80, corrects_sums=False)


def test_sampled_bytes_forged(folder, stock):
    attack(folder, stock, 40, corrects_sums=True)


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("share", range(SHARES))
def test_every_byte_damaged(folder, stock, share):
    attack(folder, stock, None, corrects_sums=False, share=share)


@pytest.mark.full
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("share", range(SHARES))
def test_every_byte_forged(folder, stock, share):
    attack(folder, stock, None, corrects_sums=True, share=share)
