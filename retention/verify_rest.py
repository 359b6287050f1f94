"""What else stands in a ledger's folder: torn tails, records no seal covers yet, uncommitted seals, strays, notes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retention.finding import Finding, Severity
from retention.layout import manifest_name, parse_segment_name, parse_token_name, parse_torn_name, token_name, torn_name
from retention.verify_chain import error
from retention.verify_files import FileFault, Inventory
from retention.verify_segments import MAX_STORED_BYTES, OpenResult, check_open
from some.digest import sha256

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from retention.layout import Ledger
    from retention.manifest import ListedFile, Manifest
    from retention.verify_workers import Workers

_SEAL_FILE = re.compile(r"seal-([0-9]{6,18})\.(manifest|sig|tsq|tsr)")
_STRAYS_SHOWN = 50
MAX_NOTE_BYTES = 64 * 1024
_NOTE_SEVERITY = {"dropped": Severity.WARNING, "token-missing": Severity.WARNING}


@dataclass(frozen=True, slots=True)
class Disk:
    """The numbers of the seals and segments whose files stand where the layout wants them."""

    manifests: frozenset[int]
    signatures: frozenset[int]
    requests: frozenset[int]
    tokens: frozenset[int]
    segments: frozenset[tuple[int, str]]


def contents_of(inventory: Inventory, ledger: Ledger) -> Disk:
    """Return what `inventory` holds, by kind; a name in another folder or spelling than the layout's is left out."""
    found: dict[str, set[int]] = {"manifest": set(), "sig": set(), "tsq": set(), "tsr": set()}
    places = {"manifest": ledger.manifest, "sig": ledger.signature, "tsq": ledger.request, "tsr": ledger.token}
    segments = set()
    for name in inventory.sizes:
        file = name.rpartition("/")[2]
        match = _SEAL_FILE.fullmatch(file)
        if match is not None and inventory.name_of(places[match[2]](int(match[1]))) == name:
            found[match[2]].add(int(match[1]))
        segment = parse_segment_name(file)
        if segment is not None and inventory.name_of(ledger.segment(*segment)) == name:
            segments.add(segment)
    return Disk(
        frozenset(found["manifest"]),
        frozenset(found["sig"]),
        frozenset(found["tsq"]),
        frozenset(found["tsr"]),
        frozenset(segments),
    )


def check_listed(inventory: Inventory, ledger: Ledger, manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Check the files that manifests list beside segments, key, previous manifest and tokens: torn tails."""
    for manifest in manifests:
        known = {f"{ledger.name}.pub.pem", manifest_name(manifest.seal - 1)}
        for file in manifest.files:
            number = parse_token_name(file.name)
            if file.name in known or (number is not None and token_name(number) == file.name):
                continue
            yield from _check_torn(inventory, ledger, manifest, file)


def torn_path(ledger: Ledger, name: str) -> Path | None:
    """Return where a torn tail of that name stands, None where it is no such name."""
    found = parse_torn_name(name)
    return ledger.torn(*found) if found is not None and torn_name(*found) == name else None


def _check_torn(inventory: Inventory, ledger: Ledger, manifest: Manifest, file: ListedFile) -> Iterator[Finding]:
    path = torn_path(ledger, file.name)
    if path is None:
        yield error("file.unknown", manifest_name(manifest.seal), f"lists {file.name}, whose place nobody knows")
        return
    try:
        content = inventory.read(path, MAX_STORED_BYTES)
    except FileFault as fault:
        yield error(fault.code, file.name, str(fault))
        return
    if sha256(content).hex != file.sha256:
        yield error("file.digest", file.name, f"has SHA-256 {sha256(content).hex}, the manifest says {file.sha256}")
    else:
        text = f"a crash left {len(content)} bytes behind the last whole frame; they were kept, never acknowledged"
        yield Finding("segment.torn", Severity.NOTE, file.name, text)


def check_behind(
    pool: Workers, ledger: Ledger, manifests: Sequence[Manifest], disk: Disk, seen: tuple[int, int]
) -> Iterator[Finding]:
    """Look at seals and segments behind the head; `seen`: how many seals it counted first, and how many by now."""
    count, now = seen
    for seal in sorted(disk.manifests):
        if seal > max(count, now) and seal in disk.signatures:
            text = f"is signed, so it was committed, but the head counts {count} seals"
            yield error("tail.missing", manifest_name(seal), text)
        elif seal > max(count, now):
            yield Finding(
                "seal.uncommitted", Severity.NOTE, manifest_name(seal), "was never committed; recovery makes it"
            )
    sealed = {(segment.number, segment.record_class) for manifest in manifests for segment in manifest.segments}
    top = max((number for number, _ in sealed), default=0)
    paths = [ledger.segment(*segment) for segment in sorted(disk.segments - sealed) if segment[0] > top]
    answers = list(pool.answers(check_open, paths))
    yield from (error(code, answer.name, text) for answer in answers for code, text in answer.faults)
    yield from _unsealed(answers)


def _unsealed(answers: Sequence[OpenResult]) -> Iterator[Finding]:
    if not answers:
        return
    records, content = sum(one.records for one in answers), sum(one.content for one in answers)
    oldest = min((one.oldest for one in answers if one.oldest is not None), default="-")
    text = f"{records} records ({content} bytes) in {len(answers)} segments are not sealed yet, the oldest of {oldest}"
    yield Finding("unsealed.records", Severity.NOTE, answers[0].name, text)
    for one in answers:
        if one.trailing:
            text = f"{one.trailing} bytes behind the last whole frame (being written, or left by a crash)"
            yield Finding("unsealed.tail", Severity.NOTE, one.name, text)


def notes_of(manifests: Sequence[Manifest]) -> Iterator[Finding]:
    """Repeat what the manifests themselves note: dropped records, clock steps, outages."""
    for manifest in manifests:
        for note in manifest.notes:
            severity = _NOTE_SEVERITY.get(note.key, Severity.NOTE)
            yield Finding(f"note.{note.key}", severity, manifest_name(manifest.seal), note.text)


def strays(
    inventory: Inventory, ledger: Ledger, manifests: Sequence[Manifest], disk: Disk, count: int
) -> Iterator[Finding]:
    """Name files that nothing explains; they prove nothing and harm nothing."""
    expected = {inventory.name_of(path) for path in (ledger.head, ledger.checkpoint, ledger.public_key)}
    top = max((segment.number for manifest in manifests for segment in manifest.segments), default=0)
    listed = {(segment.number, segment.record_class) for manifest in manifests for segment in manifest.segments}
    for number, record_class in listed | {segment for segment in disk.segments if segment[0] > top}:
        for path in (ledger.segment(number, record_class), ledger.seed(number), ledger.torn(number, record_class)):
            expected.add(inventory.name_of(path))
    for numbers, place in (
        (disk.manifests, ledger.manifest),
        (disk.signatures, ledger.signature),
        (disk.requests, ledger.request),
        (disk.tokens, ledger.token),
    ):
        expected |= {inventory.name_of(place(seal)) for seal in numbers if seal <= count or seal in disk.manifests}
    torn = (torn_path(ledger, file.name) for manifest in manifests for file in manifest.files)
    expected |= {inventory.name_of(path) for path in torn if path is not None}
    unexplained = sorted(name for name in inventory.sizes if name not in expected and not _is_ours(name))
    for name in unexplained[:_STRAYS_SHOWN]:
        yield Finding("file.stray", Severity.NOTE, name, "no manifest and no rule of the layout explains this file")
    if len(unexplained) > _STRAYS_SHOWN:
        text = f"{len(unexplained) - _STRAYS_SHOWN} more files that nothing explains"
        yield Finding("file.stray", Severity.NOTE, unexplained[_STRAYS_SHOWN], text)


def _is_ours(name: str) -> bool:
    """Say whether `name` is the reserve, or the marker of a token that waits to be listed."""
    folder, _, file = name.rpartition("/")
    return name == "reserve" or folder == "reserve" or (folder == "arrived" and parse_token_name(file) is not None)
