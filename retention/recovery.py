"""What an archive does at its start: it finds out how the last run ended, and takes the same steps again.

Nothing that was acknowledged is dropped: torn bytes are kept in `.torn`, a manifest is never overwritten, and one that
cannot be adopted is set aside under another name.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from retention.chain import manifests_on_disk, read_chain
from retention.closing import ClosingOrder, close_segment
from retention.layout import manifest_name, parse_seed_name, parse_segment_name, parse_torn_name
from retention.manifest import ListedFile, Manifest, Note
from retention.published import OpenPart
from retention.segment import expand, lines_in
from retention.segment_file import read_table, walk
from some.diagnostics import named
from some.durable import STAGE_SUFFIX
from some.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from retention.chain import Chain
    from retention.head import Head
    from retention.layout import Ledger
    from retention.published import Published
    from retention.signer import Signer
    from some.durable import Disk

_OURS = (".manifest.", ".sig.", ".seed.", ".torn.", ".zst.", ".head.", ".checkpoint.", ".pem.")
_log = named("retention.recovery")


class Finish(Protocol):
    """`sealing.finish`: signature, checkpoint note, markers."""

    def __call__(self, ledger: Ledger, chain: Chain, signer: Signer, disk: Disk) -> None:
        """Do what follows the commit of the chain's last seal."""
        ...


@dataclass(frozen=True, slots=True)
class Unsealed:
    """A segment with its table that no manifest lists."""

    number: int
    record_class: str


@dataclass(slots=True)
class Leftover:
    """What the last run left: segments without a seal, the next free number, torn tails, and what to tell a person.

    An `OpenPart` must still be closed; `torn` names the torn tails of all runs.
    """

    ended: list[OpenPart | Unsealed] = field(default_factory=list)
    next_number: int = 1
    torn: list[Path] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


def remove_stages(ledger: Ledger, disk: Disk) -> None:
    """Remove our half-made files. Those of the stamping process (tokens, requests, markers) are its own business."""
    for root in (ledger.folder, ledger.segments, ledger.seals):
        folders = [root, *(path for path in root.iterdir() if path.is_dir())] if root.exists() else []
        for folder in folders:
            for entry in list(os.scandir(folder)):
                ours = any(part in entry.name for part in _OURS)
                if entry.name.startswith(".") and entry.name.endswith(STAGE_SUFFIX) and ours:
                    with contextlib.suppress(FileNotFoundError):
                        disk.remove(folder / entry.name)


def recover_segments(ledger: Ledger, sealed: set[int], published: Published | None, disk: Disk) -> Leftover:
    """Bring every segment that no manifest lists to a whole last frame; raises OSError.

    `published` is the last run's word about durable lengths: fewer whole records than it says is an integrity fault.
    """
    left = Leftover(next_number=max(sealed, default=0) + 1)
    seeds, numbers = {}, set(sealed)
    for path in list(_segment_files(ledger)):
        if (seed := parse_seed_name(path.name)) is not None:
            seeds[seed] = path
        found = parse_segment_name(path.name)
        if found is not None and (found[0] in sealed or _recover_segment(ledger, found, published, disk, left)):
            numbers.add(found[0])
    for number in seeds.keys() - numbers:
        disk.remove(seeds[number])  # made for a segment that never came to be; it may be gone already
    torn = [(path, found) for path in _segment_files(ledger) if (found := parse_torn_name(path.name)) is not None]
    left.torn = [path for path, _ in torn]
    left.next_number = max(
        [left.next_number, *(number + 1 for number in numbers), *(found[0] + 1 for _, found in torn)]
    )
    return left


def _recover_segment(
    ledger: Ledger, found: tuple[int, str], published: Published | None, disk: Disk, left: Leftover
) -> bool:
    """Bring one segment to a whole last frame; returns False where no record of it is left (nor was acknowledged)."""
    number, record_class = found
    path = ledger.segment(number, record_class)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if read_table(descriptor) is not None:
            left.ended.append(Unsealed(number, record_class))
            return True
        size, records = _whole(descriptor)
        inode, length = os.fstat(descriptor).st_ino, os.fstat(descriptor).st_size
        if length > size:
            _keep_torn(ledger.torn(number, record_class), os.pread(descriptor, length - size, size), disk)
            disk.truncate(path, size)
            _log.warning("segment.torn", segment=path.name, torn_bytes=length - size, records=records)
    finally:
        os.close(descriptor)
    part = published.find(number) if published is not None else None
    if part is not None and part.records > records:
        left.faults.append(f"{path.name}: {part.records} records were durable, {records} can be read")
    if records:
        left.ended.append(OpenPart(number, record_class, inode, size, records))
        return True
    disk.remove(path)
    disk.remove(ledger.seed(number))
    return False


def _whole(descriptor: int) -> tuple[int, int]:
    """Return how many bytes from the start are whole frames that expand, and how many records they hold."""
    size = records = 0
    for offset, frame in walk(descriptor, 0, os.fstat(descriptor).st_size):
        try:
            count = len(lines_in(expand(frame)))
        except IntegrityError:
            break
        size, records = offset + len(frame), records + count
    return size, records


def _keep_torn(path: Path, torn: bytes, disk: Disk) -> None:
    """Keep torn bytes durably before they are cut off; an earlier run may have got as far as this."""
    if path.exists() and path.read_bytes() == torn:
        return
    disk.write_new(path, torn)


def list_torn(paths: Iterable[Path]) -> tuple[list[ListedFile], list[Note]]:
    """Return the torn tails that the next manifest must list, with a note for each."""
    listed, notes = [], []
    for path in paths:
        content = path.read_bytes()
        listed.append(ListedFile(sha256(content).hexdigest(), path.name))
        notes.append(Note("torn", f"{path.name} {len(content)} bytes behind the last whole frame"))
    return listed, notes


def recover_chain(ledger: Ledger, head: Head, signer: Signer, disk: Disk, finish: Finish) -> Chain:
    """Return the chain after finishing what was under way: a manifest beyond the head is adopted or set aside.

    Raises IntegrityError where head and manifests contradict each other; then nothing is touched.
    """
    chain = read_chain(ledger, head.read())
    for seal, path in sorted(manifests_on_disk(ledger).items()):
        if seal <= chain.size:
            continue
        text = path.read_bytes()
        reason = why_not(ledger, chain, text, signer, disk)
        if reason is None:
            head.swap(chain.checkpoint, chain.next_checkpoint(text))
            chain.extend(text)
            _log.warning("seal.adopted", seal=seal)
        else:
            disk.rename(path, _free_name(path))
            _log.warning("seal.set_aside", seal=seal, text=reason)
    finish(ledger, chain, signer, disk)
    return chain


def why_not(ledger: Ledger, chain: Chain, text: bytes, signer: Signer, disk: Disk) -> str | None:
    """Return why the manifest `text` beyond the head cannot be the next committed one, None where it can."""
    try:
        manifest = Manifest.parse(text)
        if (manifest.ledger, manifest.seal) != (ledger.name, chain.size + 1):
            return f"it is not seal {chain.size + 1} of {ledger.name}"
        if chain.last is not None and manifest.digest_of(manifest_name(chain.size)) != chain.last_digest:
            return "it does not list the last committed manifest"
        if manifest.digest_of(ledger.public_key.name) != sha256(signer.public_pem).hexdigest():
            return "it does not list this ledger's public key"
        for segment in manifest.segments:
            path = ledger.segment(segment.number, segment.record_class)
            if (
                close_segment(
                    ClosingOrder(path, ledger.seed(segment.number), segment.number, segment.record_class), disk
                )
                != segment
            ):
                return f"{segment.name} is not as listed"
    except IntegrityError as fault:
        return str(fault)
    return None


def _free_name(path: Path) -> Path:
    count = 1
    while (aside := path.with_name(f"{path.name}.uncommitted-{count}")).exists():
        count += 1
    return aside


def _segment_files(ledger: Ledger) -> Iterator[Path]:
    for folder in sorted(ledger.segments.iterdir()) if ledger.segments.exists() else []:
        yield from sorted(folder.iterdir())
