"""Re-derives everything from bytes. Reads one ledger's folder and nothing else; writes nothing; asks nobody.

The verifier shares formats with the writer, not code: it may import neither archive, sealing, signer, head, durable nor
database (the import contract holds it to that). What it cannot show stands in SPEC.md, "What is not protected".

    verify_files     reads without following links and with limits
    verify_segments  one segment: content, tree, counts, table
    verify_seals     one seal: manifest, signature, token
    verify_chain     seals together: head, links, key, listed files, segment numbers
    verify_times     late stamps, gaps, age
    verify_rest      what no seal covers, and what does not belong there
    verify_steps     one record or one seal, as named steps for a reader
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from retention import verify_chain, verify_rest
from retention.finding import Finding, Severity
from retention.layout import Ledger, manifest_name
from retention.segment import GROUP
from retention.verify_chain import Heads, error, open_checkpoint, parse_head
from retention.verify_files import FileFault, Inventory, read_whole, take_inventory
from retention.verify_seals import MAX_KEY_BYTES, PackedAnchors, SealResult, SealsOrder, check_seals, load_key
from retention.verify_segments import PartOrder, PartResult, check_part, tree_of_groups
from retention.verify_times import RecordSpan, TimeLimits, check_times
from retention.verify_workers import Workers, workers
from some.clock import from_text
from some.digest import sha256
from some.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from retention.manifest import Manifest, SealedSegment
    from retention.tsa.trust import Trust
    from retention.verify_rest import Disk

_SEALS_PER_ORDER = 64
_WORTH_PROCESSES = 4 * 1024 * 1024
_SEALS_WORTH_PROCESSES = 1000
_SMALLEST_PART = 8 * 1024 * 1024
_PARTS_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class VerifyOptions:
    """What to check and against what.

    `folder` is `DATA/archive/<ledger>`; `as_of` (aware) is the time against which ages count; `trust` holds the pinned
    roots of the time-stamping authority (None: none is configured); `workers` is how many processes may run. `offline`
    says that the caller fetched no fresh revocation lists: the verifier itself never asks anybody. `key_sha256` is the
    digest of the ledger's public key file as the reader has it from elsewhere (None: the one found is taken).
    """

    folder: Path
    ledger: str
    as_of: datetime
    trust: Trust | None = None
    limits: TimeLimits = field(default_factory=TimeLimits)
    workers: int = 1
    offline: bool = True
    key_sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: `stage` is `seals` or `segments`, counts are seals, or bytes of content."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run found. `records` counts sealed records whose segment agrees with its manifest in every respect."""

    records: int
    seals: int
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """True where nothing contradicts the evidence; warnings and notes do not."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)


def verify(options: VerifyOptions, progress: Callable[[Progress], None] = lambda _: None) -> Verdict:
    """Check the whole ledger and return every finding; one damaged file never hides another.

    The argument, in its order: (1) only regular files inside the folder count; (2) one public key; (3) head and signed
    checkpoint say how many seals there are; (4) every seal's manifest reads back, is signed by that key, and its token
    is genuine, over this manifest, from a pinned root; (5) every manifest lists the key and the manifest before it, and
    the RFC 6962 root over all of them is the head's: so none was changed, removed, inserted or reordered; (6) tokens
    and torn tails that manifests list are there, with the listed digest; (7) every sealed segment's content has the
    listed digest, counts and times, its salted tree the listed root, its frame table the derived one; (8) segment
    numbers run without gaps, each sealed once; (9) times: late stamps, gaps, waiting stamps, record times, age of the
    tail; (10) what lies behind the head is counted; (11) notes of the manifests, and files that do not belong there,
    are named.
    """
    return _Run(options, progress).verdict()


class _Run:
    """One run. The methods bear the numbers of the argument in `verify`."""

    def __init__(self, options: VerifyOptions, progress: Callable[[Progress], None]) -> None:
        self._options = options
        self._progress = progress
        self._ledger = Ledger(options.folder, options.ledger)
        self._findings: list[Finding] = []
        self._records = 0
        self._spans: dict[int, RecordSpan] = {}
        self._last_order: SealsOrder | None = None

    def verdict(self) -> Verdict:
        """Follow the argument from (1) to (11)."""
        # (1) only regular files inside the folder count. The texts that grow are read before the folder is listed, and
        # the signed one before the head, so that a seal made meanwhile looks like one that is not there yet.
        note, text = self._text(self._ledger.checkpoint), self._text(self._ledger.head)
        inventory = take_inventory(self._options.folder)
        self._findings += [error("file.kind", name, f"{name} is no regular file") for name in inventory.others]
        disk = verify_rest.contents_of(inventory, self._ledger)
        # (2) one public key
        key, key_sha256 = self._key(inventory)
        # (3) head and signed checkpoint say how many seals there are
        heads = self._heads(text, note, key, started=bool(disk.manifests) or not isinstance(text, FileFault))
        count = heads.size if heads.known else max(disk.manifests, default=0)
        numbers = sorted(number for number in disk.manifests if 1 <= number <= count)
        self._findings += verify_chain.missing_seals(numbers, count)
        with workers(self._processes(inventory, len(numbers))) as pool:
            # (4) every seal by itself
            results = self._seals(pool, numbers, disk, key)
            manifests = [result.manifest for result in results if result.manifest is not None]
            # (5) seals together
            self._findings += verify_chain.check_heads(heads, self._ledger.name, results)
            self._findings += verify_chain.check_links(results, self._ledger.name, key_sha256)
            # (6) listed tokens and torn tails
            self._findings += verify_chain.check_tokens(results, timedelta(seconds=self._options.limits.slack))
            self._findings += verify_rest.check_listed(inventory, self._ledger, manifests)
            # (7) every sealed segment
            self._segments(pool, inventory, manifests)
            # (8) segment numbers
            self._findings += verify_chain.check_segment_numbers(manifests)
            # (9) times
            self._times(results, disk)
            # (10) what lies behind the head
            seen = count, self._moved_to()
            self._findings += verify_rest.check_behind(pool, self._ledger, manifests, disk, seen)
        # (11) notes, and files that do not belong there
        self._findings += self._trust_notes(results, manifests)
        self._findings += verify_rest.notes_of(manifests)
        self._findings += verify_rest.strays(inventory, self._ledger, manifests, disk, count)
        self._findings += self._seal_findings(results)
        return Verdict(self._records, len(results), tuple(self._findings))

    def _processes(self, inventory: Inventory, seals: int) -> int:
        """Return how many processes are worth their start."""
        stored = sum(size for name, size in inventory.sizes.items() if name.startswith("segments/"))
        return self._options.workers if stored > _WORTH_PROCESSES or seals > _SEALS_WORTH_PROCESSES else 1

    def _key(self, inventory: Inventory) -> tuple[Ed25519PublicKey | None, str | None]:
        path = self._ledger.public_key
        try:
            pem = inventory.read(path, MAX_KEY_BYTES)
        except FileFault as fault:
            code = "key.missing" if fault.code == "file.missing" else fault.code
            if inventory.sizes:
                self._findings.append(error(code, path.name, str(fault)))
            else:
                text = f"{self._ledger.name}: nothing is there; a ledger that was removed whole leaves no trace here"
                self._findings.append(Finding("ledger.empty", Severity.NOTE, self._ledger.name, text))
            return None, None
        digest = sha256(pem).hex
        if self._options.key_sha256 not in {None, digest}:
            text = f"has SHA-256 {digest}, you expect {self._options.key_sha256}"
            self._findings.append(error("key.changed", path.name, text))
        try:
            return load_key(pem), digest
        except IntegrityError as fault:
            self._findings.append(error("key.damaged", path.name, str(fault)))
            return None, digest

    def _text(self, path: Path) -> bytes | FileFault:
        try:
            return read_whole(path, verify_rest.MAX_NOTE_BYTES)
        except FileFault as fault:
            return fault

    def _heads(
        self, text: bytes | FileFault, note: bytes | FileFault, key: Ed25519PublicKey | None, *, started: bool
    ) -> Heads:
        """Parse both; before the first seal there is no signed checkpoint, and before the first start no head."""
        head = checkpoint = None
        try:
            head = parse_head(text) if isinstance(text, bytes) else None
        except IntegrityError as fault:
            self._findings.append(error("head.damaged", "head", str(fault)))
        try:
            checkpoint = open_checkpoint(note, key) if isinstance(note, bytes) and key is not None else None
        except IntegrityError as fault:
            self._findings.append(error("checkpoint.damaged", "checkpoint", str(fault)))
        sealed = started and (head is None or head.size > 0)
        for name, found, expected in (("head", text, started), ("checkpoint", note, sealed)):
            if isinstance(found, FileFault) and expected:
                code = f"{name}.missing" if found.code == "file.missing" else found.code
                self._findings.append(error(code, name, str(found)))
        return Heads(head, checkpoint)

    def _moved_to(self) -> int:
        """Return how many seals the head counts now: a running archive goes on while we read."""
        text = self._text(self._ledger.head)
        try:
            return parse_head(text).size if isinstance(text, bytes) else 0
        except IntegrityError:
            return 0

    def _seals(self, pool: Workers, numbers: list[int], disk: Disk, key: Ed25519PublicKey | None) -> list[SealResult]:
        raw = key.public_bytes_raw() if key else None
        anchors = PackedAnchors.pack(self._options.trust.anchors) if self._options.trust else None
        orders = [
            SealsOrder(
                folder=self._options.folder,
                ledger=self._ledger.name,
                seals=tuple(part),
                stamped=frozenset(disk.tokens.intersection(part)),
                requested=frozenset(disk.requests.intersection(part)),
                key=raw,
                anchors=anchors,
                as_of=self._options.as_of,
            )
            for part in (numbers[at : at + _SEALS_PER_ORDER] for at in range(0, len(numbers), _SEALS_PER_ORDER))
        ]
        results: list[SealResult] = []
        for answer in pool.answers(check_seals, orders):
            results += answer
            self._progress(Progress("seals", len(results), len(numbers)))
        self._last_order = replace(orders[-1], seals=orders[-1].seals[-1:]) if orders else None
        return results

    def _seal_findings(self, results: Sequence[SealResult]) -> Iterator[Finding]:
        """Give what was found on each seal; a seal that was being signed when the run began is looked at again."""
        for result in results[:-1]:
            yield from result.findings
        if self._last_order is not None:
            last = results[-1]
            if any(finding.code == "signature.missing" for finding in last.findings):
                last = check_seals(self._last_order)[0]
            yield from last.findings

    def _segments(self, pool: Workers, inventory: Inventory, manifests: Sequence[Manifest]) -> None:
        total = sum(segment.size for manifest in manifests for segment in manifest.segments)
        aim = max(_SMALLEST_PART, total // (_PARTS_PER_WORKER * self._options.workers))
        plan = [
            (manifest.seal, segment, self._orders(inventory, segment, aim))
            for manifest in manifests
            for segment in manifest.segments
        ]
        answers = pool.answers(check_part, (order for _, _, orders in plan for order in orders))
        done = 0
        for seal, segment, orders in plan:
            self._judge(seal, segment, [next(answers) for _ in orders])
            done += segment.size
            self._progress(Progress("segments", done, total))

    def _orders(self, inventory: Inventory, segment: SealedSegment, aim: int) -> list[PartOrder]:
        """Divide one segment into parts of about `aim` bytes; none where its file is missing (that is a finding)."""
        path = self._ledger.segment(segment.number, segment.record_class)
        seed = self._ledger.seed(segment.number)
        if not inventory.holds(path):
            self._findings.append(error("segment.missing", path.name, f"{path.name} is missing"))
            return []
        groups = -(-segment.records // GROUP)
        step = max(1, -(-groups // max(1, min(segment.size // aim, self._options.workers * _PARTS_PER_WORKER))))
        return [
            PartOrder(path, seed if inventory.holds(seed) else None, segment, at, at + step, leading=at == 0)
            for at in range(0, max(1, groups), step)
        ]

    def _judge(self, seal: int, segment: SealedSegment, parts: Sequence[PartResult]) -> None:
        if not parts:
            return
        faults = dict.fromkeys(fault for part in parts for fault in part.faults)
        whole = not any(part.stopped for part in parts)
        if whole and tree_of_groups([group for part in parts for group in part.groups]) != segment.tree:
            faults[("segment.tree", "the salted tree over the records has another root than the manifest states")] = (
                None
            )
        where = f"{segment.name} (seal {seal})"
        self._findings += [error(code, where, text) for code, text in faults]
        if not faults:
            self._records += segment.records
        times = [from_text(text) for part in parts for text in (part.earliest, part.latest) if text is not None]
        if times:
            known = self._spans.get(seal)
            times += [known.earliest, known.latest] if known else []
            self._spans[seal] = RecordSpan(min(times), max(times))

    def _times(self, results: Sequence[SealResult], disk: Disk) -> None:
        stamping = self._options.trust is not None or bool(disk.tokens or disk.requests)
        options = self._options
        self._findings += check_times(results, self._spans, options.as_of, options.limits, stamping=stamping)

    def _trust_notes(self, results: Sequence[SealResult], manifests: Sequence[Manifest]) -> Iterator[Finding]:
        stamps = [result.stamp for result in results if result.stamp is not None]
        if any(not stamp.checked for stamp in stamps):
            text = f"no pinned roots were given: {len(stamps)} tokens were read, but they prove no time"
            yield Finding("token.unpinned", Severity.WARNING, "tsa", text)
        elif stamps and all(stamp.revocation_as_of is None for stamp in stamps):
            asked = "offline" if self._options.offline else "online"
            text = f"no revocation list speaks about the authority's certificate ({asked}): revocation is not known"
            yield Finding("token.revocation", Severity.NOTE, "tsa", text)
        trial = [manifest.seal for manifest in manifests if manifest.trial]
        if trial or (self._options.trust is not None and self._options.trust.trial):
            text = "deneme damgası, hukuki değeri yoktur (trial stamp, no standing in law)"
            yield Finding("ledger.trial", Severity.NOTE, manifest_name(trial[0]) if trial else "tsa", text)
