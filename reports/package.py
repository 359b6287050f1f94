"""The reply package (cevap paketi): letter, answer, evidence and their digests in one folder, and as one zip.

    CVP-2026-0001/cevap.pdf  cevap.docx  cevap.json  deliller/01/… (one-record bundles)  SHA256SUMS

`SHA256SUMS` is what the register keeps the digest of: whoever holds the package and the number can check both.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from typing import TYPE_CHECKING, Final

from reports import reply as words
from reports.typesetting import pdf
from reports.word_letter import docx
from some import canonical

if TYPE_CHECKING:
    from pathlib import Path

    from reports.reply import Reply
    from some.durable import Disk

SUMS: Final = "SHA256SUMS"
EVIDENCE: Final = "deliller"
_PIECE = 1024 * 1024
_BEGINNING = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16


def write(reply: Reply, folder: Path, disk: Disk) -> str:
    """Write letter, answer and digests into `folder`, where the bundles stand already; return the digest of SUMS."""
    texts = words.letter(reply)
    answer = canonical.dumps(
        {"number": reply.number, "request": dict(reply.request.question), "answer": dict(reply.answer)}
    )
    disk.write_new(folder / "cevap.json", answer)
    disk.write_new(folder / "cevap.pdf", pdf("cevap", texts, answer=answer.decode()))
    disk.write_new(folder / "cevap.docx", docx(texts, reply.made_at))
    sums = "".join(f"{digest}  {name}\n" for name, digest in digests(folder)).encode()
    disk.write_new(folder / SUMS, sums)
    return hashlib.sha256(sums).hexdigest()


def digests(folder: Path) -> list[tuple[str, str]]:
    """Return name and SHA-256 of every file below `folder` but SUMS itself, by name; raises OSError."""
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        name = path.relative_to(folder).as_posix()
        if name != SUMS:
            with path.open("rb") as source:
                found.append((name, hashlib.file_digest(source, "sha256").hexdigest()))
    return found


def faults(folder: Path, expected: str) -> list[str]:
    """Return what is wrong with a package whose SUMS had the digest `expected`: names with a reason, in Turkish."""
    try:
        sums = (folder / SUMS).read_bytes()
    except OSError:
        return [f"{SUMS}: okunamıyor"]
    wrong = [] if hashlib.sha256(sums).hexdigest() == expected else [f"{SUMS}: kayıt defterindeki özetle uyuşmuyor"]
    lines = [line.partition("  ") for line in sums.decode("utf-8", "replace").splitlines()]
    listed = {name: digest for digest, _, name in lines}
    present = dict(digests(folder))
    wrong += [f"{name}: eksik" for name in listed if name not in present]
    wrong += [f"{name}: listede yok" for name in present if name not in listed]
    wrong += [f"{name}: değişmiş" for name, digest in listed.items() if present.get(name, digest) != digest]
    return wrong


def zipped(folder: Path) -> bytes:
    """Return the package as a zip; the same folder gives the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(one for one in folder.rglob("*") if one.is_file()):
            name = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", _BEGINNING)
            name.external_attr, name.compress_type = _MODE, zipfile.ZIP_DEFLATED
            archive.writestr(name, path.read_bytes())
    return made.getvalue()
