"""One seal, top to bottom in `Sealer.seal`: rotate, close, manifest, commit, sign; `recovery.py` takes steps again."""

from __future__ import annotations

import contextlib
import re
import threading
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from retention.checkpoint import note_with
from retention.layout import manifest_name, parse_token_name, token_name
from retention.manifest import ListedFile, Manifest, Note
from retention.recovery import recover_chain
from retention.reserve import no_room
from some.diagnostics import named
from some.errors import IntegrityError, Unavailable, UnknownState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from retention.chain import Chain
    from retention.head import Head
    from retention.layout import Ledger
    from retention.manifest import SealedSegment
    from retention.reserve import Reserve
    from retention.signer import Signer
    from some.clock import Clock
    from some.durable import Disk

CLOCK_STEP_S = 2.0
"""A difference between wall clock and monotonic clock above this, from one seal to the next, is noted."""

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+")
_LONGEST_NOTE = 400
_log = named("retention.sealing")


@dataclass(frozen=True, slots=True)
class SealMade:
    """A committed and signed seal: its number, how many segments and records it covers."""

    seal: int
    segments: int
    records: int


@dataclass(frozen=True, slots=True)
class Closed:
    """What a seal covers: closed segments, torn tails of them, and what must be noted about them."""

    segments: tuple[SealedSegment, ...]
    torn: tuple[ListedFile, ...] = ()
    notes: tuple[Note, ...] = ()


class SealSource(Protocol):
    """The archive, as sealing sees it."""

    def must_run(self) -> None:
        """Raise where nothing may be written any more."""
        ...

    def rotate(self) -> datetime:
        """Let every open segment end here; returns the time of it."""
        ...

    def close_cut(self) -> Closed:
        """Close what ended and return everything that no manifest lists yet."""
        ...

    def forget(self, chain: Chain) -> None:
        """Take note of what the committed manifests list."""
        ...


@dataclass(slots=True)
class Sealer:
    """Makes the seals of one ledger, one at a time. Only the holder of `run/archive.lock` has one."""

    ledger: Ledger
    head: Head
    signer: Signer | IntegrityError
    disk: Disk
    clock: Clock
    reserve: Reserve
    interval_s: int
    notes: Callable[[], Iterable[Note]]
    started_at: datetime
    fault: str | None = None
    """Why no seal can be made (None: it can)."""
    _chain: Chain | None = None
    _waiting_notes: list[Note] = field(default_factory=list)
    _offset: tuple[datetime, float] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def seal(self, source: SealSource) -> SealMade:
        """Make the next seal; an empty one is the heartbeat.

        Raises IntegrityError where the chain is broken (nothing is sealed on top of it), Unavailable where the disk is
        full, and UnknownState where a step may or may not have persisted: the next call finds out before it goes on.
        """
        with self._lock, self._outcome():
            source.must_run()
            chain = self._chain if self._chain is not None else self._load()
            source.forget(chain)
            signer = self._signer()
            closed_at = source.rotate()
            closed = source.close_cut()
            text = self._compose(chain, signer, closed_at, closed)
            self.reserve.spend(lambda: self._write_manifest(chain.size + 1, text))
            self.reserve.spend(lambda: self.head.swap(chain.checkpoint, chain.next_checkpoint(text)))  # COMMITTED
            chain.extend(text)
            source.forget(chain)
            self._waiting_notes.clear()
            self.reserve.spend(lambda: finish(self.ledger, chain, signer, self.disk))
            self._offset = closed_at, self.clock.monotonic()
            made = SealMade(chain.size, len(closed.segments), sum(segment.records for segment in closed.segments))
            _log.info("seal.committed", seal=made.seal, segments=made.segments, records=made.records)
            return made

    def note(self, notes: Iterable[Note]) -> None:
        """Keep `notes` for the next manifest; called before the archive runs."""
        self._waiting_notes += notes

    def load(self) -> Chain:
        """Return the chain as the disk says, after finishing what was under way; raises as `seal` does."""
        with self._lock, self._outcome():
            return self._load()

    def _load(self) -> Chain:
        try:
            signer = self._signer()
            chain = self.reserve.spend(lambda: recover_chain(self.ledger, self.head, signer, self.disk, finish))
        except IntegrityError as fault:
            self.fault = str(fault)
            _log.error("chain.broken", text=self.fault)
            raise
        self.fault, self._chain = None, chain
        return chain

    def _signer(self) -> Signer:
        if isinstance(self.signer, IntegrityError):
            raise IntegrityError(str(self.signer))
        return self.signer

    @contextlib.contextmanager
    def _outcome(self) -> Iterator[None]:
        """After any failed step the chain must be read again; says which of the two kinds of failure it was."""
        known = False
        try:
            yield
            known = True
        except OSError as fault:
            if no_room(fault):
                raise Unavailable(f"no room to finish the seal: {fault}") from fault
            raise UnknownState(f"a step of sealing may or may not have persisted: {fault}") from fault
        finally:
            if not known:
                self._chain = None

    @contextlib.contextmanager
    def between_seals(self) -> Iterator[None]:
        """Wait for the seal under way, and hold off the next one."""
        with self._lock:
            yield

    def known_chain(self) -> Chain | None:
        """Return the chain as of the last step, None where it is broken or must be read again."""
        return self._chain

    def _write_manifest(self, seal: int, text: bytes) -> None:
        path = self.ledger.manifest(seal)
        self.disk.make_folder(path.parent)
        self.disk.write_new(path, text)

    def _compose(self, chain: Chain, signer: Signer, closed_at: datetime, closed: Closed) -> bytes:
        last = chain.last
        previous = () if last is None else (ListedFile(chain.last_digest, manifest_name(last.seal)),)
        tokens, token_notes = arrived_tokens(self.ledger, last)
        self._waiting_notes += self.notes()
        manifest = Manifest(
            ledger=self.ledger.name,
            seal=chain.size + 1,
            opened_at=self.started_at if last is None else last.closed_at,
            closed_at=closed_at,
            interval_s=self.interval_s,
            segments=closed.segments,
            files=(
                ListedFile(sha256(signer.public_pem).hexdigest(), self.ledger.public_key.name),
                *previous,
                *tokens,
                *closed.torn,
            ),
            notes=tuple(
                map(
                    _printable, (*closed.notes, *token_notes, *self._clock_notes(last, closed_at), *self._waiting_notes)
                )
            ),
            trial=self.clock.simulated,
        )
        text = manifest.to_bytes()
        Manifest.parse(text)  # what cannot be read back must never be committed
        return text

    def _clock_notes(self, last: Manifest | None, closed_at: datetime) -> Sequence[Note]:
        notes = []
        if self._offset is not None:
            wall, steady = self._offset
            step = (closed_at - wall).total_seconds() - (self.clock.monotonic() - steady)
            if abs(step) > CLOCK_STEP_S:
                notes.append(Note("clock-step", f"the wall clock was set by {step:+.3f} s since the last seal"))
        elif last is not None and closed_at < last.closed_at:
            step = (closed_at - last.closed_at).total_seconds()
            notes.append(Note("clock-step", f"the wall clock stands {-step:.3f} s before the last seal's close"))
        return notes


def finish(ledger: Ledger, chain: Chain, signer: Signer, disk: Disk) -> None:
    """Do for the last committed seal what follows the commit; every step may have been done already."""
    last = chain.last
    if last is None:
        return
    signature = ledger.signature(last.seal)
    if not signature.exists():
        disk.write_new(signature, signer.sign(ledger.manifest(last.seal).read_bytes()))
    checkpoint = chain.checkpoint
    note = note_with(checkpoint, signer.public_key, signer.sign(checkpoint.to_text().encode())).encode()
    if not ledger.checkpoint.exists() or ledger.checkpoint.read_bytes() != note:
        disk.replace(ledger.checkpoint, note)
    for file in last.files:
        if parse_token_name(file.name) is not None:
            disk.remove(ledger.arrived / file.name)


def arrived_tokens(ledger: Ledger, last: Manifest | None) -> tuple[list[ListedFile], list[Note]]:
    """Return the tokens that arrived and that the last manifest does not list yet, oldest seal first, and notes."""
    names = [path.name for path in ledger.arrived.iterdir()] if ledger.arrived.exists() else []
    seals = sorted(seal for seal in map(parse_token_name, names) if seal is not None)
    listed, notes = [], []
    for seal in seals:
        name = token_name(seal)
        if last is not None and last.digest_of(name) is not None:
            continue
        try:
            listed.append(ListedFile(sha256(ledger.token(seal).read_bytes()).hexdigest(), name))
        except FileNotFoundError:
            notes.append(Note("token-missing", f"{name} arrived, but its file is gone"))
    return listed, notes


def _printable(note: Note) -> Note:
    text = _UNPRINTABLE.sub(" ", note.text)[:_LONGEST_NOTE]
    return Note(note.key, text or "-")
