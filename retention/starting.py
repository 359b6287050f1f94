"""The steps of an archive's start, up to the point where its disk thread may run."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from retention import published
from retention.chain import manifests_on_disk, sealed_anyhow
from retention.head import Head
from retention.layout import Ledger
from retention.lock import ArchiveLock
from retention.manifest import Note
from retention.recovery import recover_segments, remove_stages
from retention.reserve import Reserve
from retention.sealing import Sealer
from retention.signer import Signer
from some.durable import SHARED
from some.errors import IntegrityError, SettingsFault, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from retention.options import ArchiveOptions
    from retention.recovery import Leftover
    from some.clock import Clock
    from some.durable import Disk

_LEDGER = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class Started:
    """What an archive holds after its start: the lock, the descriptor of `run/durable`, and what the last run left."""

    ledger: Ledger
    run: Path
    lock: ArchiveLock
    durable: int
    reserve: Reserve
    sealer: Sealer
    left: Leftover

    def release(self) -> None:
        """Let the next process in."""
        os.close(self.durable)
        self.lock.release()


def start(
    folder: Path, run: Path, name: str, keys: Path, *, clock: Clock, disk: Disk, options: ArchiveOptions,
    notes: Callable[[], Iterable[Note]],
) -> Started:  # fmt: skip
    """Take the lock, make what is missing, finish the last run's seal, and bring every segment to a whole last frame.

    Raises ArchiveHeld, SettingsFault, OSError and UnknownState; a broken chain is told by `Sealer.fault`.
    """
    if _LEDGER.fullmatch(name) is None:
        raise SettingsFault(f"not a ledger name: {name!r} (lower-case letters, digits and '-', at most 63)")
    ledger = Ledger(folder / name, name)
    disk.make_folder(run)
    with contextlib.ExitStack() as undo:
        lock = ArchiveLock(run / "archive.lock")
        undo.callback(lock.release)
        for path in (ledger.segments, ledger.seals, ledger.arrived):
            disk.make_folder(path)
        remove_stages(ledger, disk)
        reserve = Reserve(ledger.reserve, options.reserve_bytes, disk)
        reserve.refill()
        head = Head(ledger.head, name, disk)
        if not ledger.public_key.exists() and not manifests_on_disk(ledger):
            head.create()  # a new ledger: from now on a missing head is a finding
        signer = _signer(ledger, keys, disk)
        sealer = Sealer(ledger, head, signer, disk, clock, reserve, options.interval_s, notes, clock.now())
        sealed = _sealed(ledger, sealer)
        last_word = published.read(run / "durable", name)
        left = reserve.spend(lambda: recover_segments(ledger, sealed, last_word, disk))
        sealer.note(Note("damaged", fault) for fault in left.faults)
        durable = os.open(run / "durable", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, SHARED)
        undo.callback(os.close, durable)
        os.posix_fallocate(durable, 0, published.ROOM)
        undo.pop_all()
        return Started(ledger, run, lock, durable, reserve, sealer, left)


def _signer(ledger: Ledger, keys: Path, disk: Disk) -> Signer | IntegrityError:
    try:
        return Signer.open(keys / f"{ledger.name}.key", ledger.public_key, disk)
    except IntegrityError as fault:
        return fault


def _sealed(ledger: Ledger, sealer: Sealer) -> set[int]:
    """Return the segments that need nothing any more; where the chain is broken, those that any manifest names."""
    try:
        return sealer.load().sealed
    except (IntegrityError, Unavailable):  # told by the status; records must be kept all the same
        return sealed_anyhow(ledger)
