"""Derives everything again from the bytes of an archive that is at rest; the tests call it after every operation.

It shares the formats with the writer, but neither its counts nor its order of steps; `verify` is for evidence, this is
for the writer's own invariants (what is published, what is open).
"""

from __future__ import annotations

import os
from hashlib import sha256
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from retention import merkle, published
from retention.checkpoint import Checkpoint, entry_leaf, open_note
from retention.layout import manifest_name, parse_segment_name, parse_token_name, parse_torn_name
from retention.manifest import Manifest
from retention.segment import expand, frames_of, parse_line, parse_table, received_at_of, table_length, tree_root
from some.errors import IntegrityError
from some.record import RecordClass, RecordRef

if TYPE_CHECKING:
    from pathlib import Path

    from retention.layout import Ledger
    from retention.manifest import ListedFile, SealedSegment
    from retention.published import Published


def check_ledger(ledger: Ledger, state: Published, durable: Path) -> None:
    """Raise IntegrityError unless files, head, signatures and `run/durable` agree with each other and with `state`."""
    _must(published.read(durable, ledger.name) == state, "run/durable is not what the archive says")
    manifests = _check_seals(ledger)
    _must(state.seals == len(manifests), f"{state.seals} seals are published, {len(manifests)} are committed")
    sealed = {segment.number: segment for manifest in manifests for segment in manifest.segments}
    _must(len(sealed) == sum(len(manifest.segments) for manifest in manifests), "a segment is sealed twice")
    listed = {file.name for manifest in manifests for file in manifest.files}
    seen = set()
    for path in sorted(ledger.segments.glob("*/*")):
        found = parse_segment_name(path.name)
        if found is not None:
            seen.add(found[0])
            _check_segment(ledger, path, found, sealed.get(found[0]), state)
        elif (torn := parse_torn_name(path.name)) is not None:
            _must(path.name in listed or torn[0] not in sealed, f"{path.name} is not listed")
    _must(sealed.keys() <= seen, "a sealed segment is missing")
    _must(max(seen, default=0) < state.next_number, "the next number is taken")


def _check_seals(ledger: Ledger) -> list[Manifest]:
    head = Checkpoint.parse(ledger.head.read_text())
    key = load_pem_public_key(ledger.public_key.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise IntegrityError("the public key is no Ed25519 key")
    texts = [ledger.manifest(seal).read_bytes() for seal in range(1, head.size + 1)]
    _must(not ledger.manifest(head.size + 1).exists(), "a manifest stands beyond the head")
    _must(merkle.root([entry_leaf(text) for text in texts]) == head.root, "the head's root is wrong")
    manifests = [Manifest.parse(text) for text in texts]
    for seal, (text, manifest) in enumerate(zip(texts, manifests, strict=True), start=1):
        _must((manifest.seal, manifest.ledger) == (seal, ledger.name), f"seal {seal} says it is another")
        try:
            key.verify(ledger.signature(seal).read_bytes(), text)
        except InvalidSignature as fault:
            raise IntegrityError(f"seal {seal} is not signed by the ledger's key") from fault
        before = manifest.digest_of(manifest_name(seal - 1))
        _must(before == (sha256(texts[seal - 2]).hexdigest() if seal > 1 else None), f"seal {seal} lists another past")
        for file in manifest.files:
            _check_file(ledger, file)
    if head.size:
        _must(open_note(ledger.checkpoint.read_text(), key) == head, "the checkpoint is not the head")
    return manifests


def _check_file(ledger: Ledger, file: ListedFile) -> None:
    torn, token = parse_torn_name(file.name), parse_token_name(file.name)
    if torn is not None:
        path = ledger.torn(*torn)
    elif token is not None:
        path = ledger.token(token)
        _must(not (ledger.arrived / file.name).exists(), f"{file.name} is listed and still marked as arrived")
    else:
        path = next(ledger.seals.glob(f"*/{file.name}"), ledger.public_key)
    _must(sha256(path.read_bytes()).hexdigest() == file.sha256, f"{file.name} is not as listed")


def _check_segment(
    ledger: Ledger, path: Path, found: tuple[int, str], sealed: SealedSegment | None, state: Published
) -> None:
    number, record_class = found
    with path.open("rb") as file:  # closing may put another file in this place just now
        stored, inode = file.read(), os.fstat(file.fileno()).st_ino
    part = state.find(number)
    closed = part is None or inode != part.inode
    frames = list(frames_of(stored if closed or part is None else stored[: part.size]))
    content = b"".join(expand(frame) for _, frame in frames)
    lines = content.split(b"\n")[:-1]
    for position, line in enumerate(lines):
        parse_line(line, RecordRef(ledger.name, number, position), RecordClass(record_class))
    if closed:
        table = parse_table(stored[-table_length(stored) :])
        _must([frame.offset for frame in table.frames] == [offset for offset, _ in frames], f"{path.name}: wrong table")
        _must((table.content_bytes, table.records) == (len(content), len(lines)), f"{path.name}: wrong totals")
    if part is not None:
        _must(len(lines) == part.records, f"{path.name}: {len(lines)} records, published {part.records}")
    if sealed is not None:
        again = (
            len(lines),
            len(content),
            sha256(content).hexdigest(),
            tree_root(lines, ledger.seed(number).read_bytes()),
        )
        _must(again == (sealed.records, sealed.size, sealed.sha256, sealed.tree), f"{path.name}: not as sealed")
        _must(sealed.record_class == record_class, f"{path.name}: sealed as {sealed.record_class}")
        times = received_at_of(lines[0]), received_at_of(lines[-1])
        _must(times == (sealed.first_received_at, sealed.last_received_at), f"{path.name}: wrong times")


def _must(holds: bool, words: str) -> None:  # noqa: FBT001 - an assertion that stays in production
    if not holds:
        raise IntegrityError(words)
