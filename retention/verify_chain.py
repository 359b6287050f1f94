"""What ties the seals of a ledger to each other: head, links, key, listed files, segment numbers, tokens. Pure."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from retention import merkle
from retention.checkpoint import Checkpoint, note_with, open_note
from retention.finding import Finding, Severity
from retention.layout import manifest_name, parse_token_name, parse_torn_name, token_name
from some.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from retention.manifest import Manifest
    from retention.verify_seals import SealResult

_NEXT_BUT_ONE = 2
_NUMBER = re.compile(r"[0-9]{6,18}")
_NOTE_LINE = re.compile(r"\u2014 \S{1,255} ([A-Za-z0-9+/]{4,400}={0,2})")


@dataclass(frozen=True, slots=True)
class Heads:
    """The two texts that say how long the ledger is; None where one is missing, damaged or not signed."""

    head: Checkpoint | None
    checkpoint: Checkpoint | None

    @property
    def known(self) -> bool:
        """Whether either text can be believed."""
        return self.head is not None or self.checkpoint is not None

    @property
    def size(self) -> int:
        """How many seals were committed, as far as either text says."""
        return max(self.head.size if self.head else 0, self.checkpoint.size if self.checkpoint else 0)


def error(code: str, where: str, text: str) -> Finding:
    """Return a finding that contradicts the evidence."""
    return Finding(code, Severity.ERROR, where, text)


def open_checkpoint(note: bytes, key: Ed25519PublicKey) -> Checkpoint:
    """Return the checkpoint in a signed note, which must be spelled as we write it; raises IntegrityError.

    Lines of other signers (witnesses, C2SP tlog-cosignature) may follow ours.
    """
    try:
        text = note.decode()
    except UnicodeDecodeError as fault:
        raise IntegrityError("the checkpoint is not UTF-8") from fault
    checkpoint = open_note(text, key)
    lines = text.split("\n")
    ours = _NOTE_LINE.fullmatch(lines[4])
    if ours is None or lines[-1] or not all(map(_NOTE_LINE.fullmatch, lines[4:-1])):
        raise IntegrityError("the checkpoint is not a signed note")
    blob = base64.b64decode(ours[1])
    if text.split("\n", 5)[:5] != note_with(checkpoint, key, blob[4:]).split("\n")[:5]:
        raise IntegrityError("the checkpoint's first signature is not spelled as this ledger writes it")
    return checkpoint


def parse_head(text: bytes) -> Checkpoint:
    """Return the unsigned head; raises IntegrityError."""
    try:
        return Checkpoint.parse(text.decode())
    except UnicodeDecodeError as fault:
        raise IntegrityError("the head is not UTF-8") from fault


def missing_seals(numbers: Sequence[int], count: int) -> Iterator[Finding]:
    """Name the seals from 1 to `count` whose manifests are not among `numbers` (ascending), by runs."""
    for before, after in pairwise((0, *numbers, count + 1)):
        if after - before > 1:
            seals = f"seal {before + 1}" if after - before == _NEXT_BUT_ONE else f"seals {before + 1} to {after - 1}"
            code = "tail.missing" if after == count + 1 else "manifest.missing"
            yield error(code, manifest_name(before + 1), f"no manifest of {seals}; {count} seals were committed")


def check_heads(heads: Heads, ledger: str, results: Sequence[SealResult]) -> Iterator[Finding]:
    """Compare head and checkpoint with the manifests as found."""
    digests = [(result.seal, result.manifest_sha256) for result in results if result.manifest_sha256 is not None]
    for where, stated in (("head", heads.head), ("checkpoint", heads.checkpoint)):
        if stated is None:
            continue
        if stated.origin != ledger:
            yield error(f"{where}.origin", where, f"is of ledger {stated.origin}")
        leaves = [merkle.leaf_hash(bytes.fromhex(digest)) for seal, digest in digests if seal <= stated.size]
        if len(leaves) == stated.size and merkle.root(leaves) != stated.root:
            yield error(f"{where}.root", where, f"its root is not that of the {stated.size} manifests")
    if heads.head is None or heads.checkpoint is None:
        return
    if heads.checkpoint.size > heads.head.size:
        text = f"the signed checkpoint counts {heads.checkpoint.size} seals, the head {heads.head.size}"
        yield error("tail.missing", "head", text)
    elif heads.head.size > heads.checkpoint.size + 1:
        text = f"the head counts {heads.head.size} seals, the signed checkpoint {heads.checkpoint.size}"
        yield error("checkpoint.behind", "checkpoint", text)
    elif heads.head.size > heads.checkpoint.size:
        text = f"seal {heads.head.size} was committed, its checkpoint is not signed yet (the next start signs it)"
        yield Finding("checkpoint.behind", Severity.WARNING, "checkpoint", text)


def check_links(results: Sequence[SealResult], ledger: str, key_sha256: str | None) -> Iterator[Finding]:
    """Check what each manifest must list: the ledger's key, always the same, and the manifest before it."""
    key_name = f"{ledger}.pub.pem"
    before: SealResult | None = None
    for result in results:
        manifest = result.manifest
        if manifest is not None:
            where = manifest_name(result.seal)
            stated = manifest.digest_of(key_name)
            if stated is None or (key_sha256 is not None and stated != key_sha256):
                yield error("key.changed", where, f"does not list {key_name} with its digest {key_sha256}")
            yield from _check_link(manifest, before)
        before = result


def _check_link(manifest: Manifest, before: SealResult | None) -> Iterator[Finding]:
    if manifest.seal == 1:
        return
    where, name = manifest_name(manifest.seal), manifest_name(manifest.seal - 1)
    stated = manifest.digest_of(name)
    if stated is None:
        yield error("manifest.link", where, f"does not list {name}")
    elif before is not None and before.seal == manifest.seal - 1 and before.manifest_sha256 not in {None, stated}:
        yield error("manifest.link", where, f"lists {name} as {stated}, its digest is {before.manifest_sha256}")


def check_segment_numbers(manifests: Iterable[Manifest]) -> Iterator[Finding]:
    """Check that segment numbers run from 1 through the whole ledger, and that no number is sealed twice.

    A number that nobody sealed is no broken link: a crash may leave an opened segment without a record (its manifest
    then says so in a note `unused`). But it is also what a segment leaves that was taken away before it was sealed.
    """
    expected, listed = 1, set[int]()
    for manifest in manifests:
        where = manifest_name(manifest.seal)
        for segment in manifest.segments:
            if segment.number in listed:
                yield error("segment.repeated", where, f"segment {segment.number} is sealed a second time")
            listed.add(segment.number)
        explained = {torn[0] for file in manifest.files if (torn := parse_torn_name(file.name))}
        explained |= {
            int(match[0]) for note in manifest.notes if note.key == "unused" and (match := _NUMBER.match(note.text))
        }
        top = max((segment.number for segment in manifest.segments), default=expected - 1)
        for before, after in pairwise(
            sorted({expected - 1, *explained, *(one.number for one in manifest.segments), top})
        ):
            if after - before > 1:
                text = (
                    f"segments {before + 1} to {after - 1} were never sealed: empty after a crash, or taken away before"
                )
                yield Finding("segment.gap", Severity.WARNING, where, text)
        expected = max(expected, top + 1)


def check_tokens(results: Sequence[SealResult], slack: timedelta) -> Iterator[Finding]:
    """Check the tokens that later manifests list: digest, listed once, and no manifest older than what it lists."""
    replies = {result.seal: result for result in results}
    listed: dict[int, int] = {}
    for result in results:
        for file in result.manifest.files if result.manifest else ():
            number = parse_token_name(file.name)
            if number is None or file.name != token_name(number):
                continue
            where = token_name(number)
            stamped = replies.get(number)
            if number >= result.seal or stamped is None:
                yield error("token.number", manifest_name(result.seal), f"lists {where}, which is no earlier seal's")
                continue
            if number in listed:
                text = f"seal {result.seal} lists it again, after seal {listed[number]}"
                yield Finding("token.repeated", Severity.NOTE, where, text)
            listed[number] = result.seal
            if stamped.reply_sha256 != file.sha256 and stamped.reply_sha256 is not None:
                text = f"has digest {stamped.reply_sha256}, seal {result.seal} lists {file.sha256}"
                yield error("token.digest", where, text)
            elif stamped.reply_sha256 is None:
                yield error("token.lost", where, f"is missing or unreadable, seal {result.seal} lists it")
            yield from _check_token_order(stamped, result, slack)
    yield from _unlisted(results, listed, slack)


def _check_token_order(stamped: SealResult, lister: SealResult, slack: timedelta) -> Iterator[Finding]:
    """Compare a token with one that its manifest lists: the manifest was made later, its token cannot be older."""
    if stamped.stamp and lister.stamp and lister.stamp.gen_time < stamped.stamp.gen_time - slack:
        seconds = (stamped.stamp.gen_time - lister.stamp.gen_time).total_seconds()
        text = f"is {seconds:.0f} s older than the token of seal {stamped.seal}, which its manifest lists"
        yield error("token.order", token_name(lister.seal), text)


def _unlisted(results: Sequence[SealResult], listed: Mapping[int, int], slack: timedelta) -> Iterator[Finding]:
    """Find tokens that the next seal should have listed; until then they could be replaced unnoticed."""
    last = next((result.manifest for result in reversed(results) if result.manifest), None)
    for result in results:
        if result.stamp is None or result.seal in listed or last is None or result.seal >= last.seal:
            continue
        behind = last.closed_at - result.stamp.gen_time
        if behind > slack:
            text = f"no later seal lists it, although seal {last.seal} closed {behind.total_seconds():.0f} s after it"
            yield Finding("token.unlisted", Severity.WARNING, token_name(result.seal), text)
