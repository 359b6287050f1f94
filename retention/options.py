"""What can be set about an archive, and what it tells about itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from retention.reserve import RESERVE_BYTES
from retention.segment import SEGMENT_BYTES


@dataclass(frozen=True, slots=True)
class ArchiveOptions:
    """Settings of one archive process; sizes in bytes, times in seconds.

    `commit_bytes` bounds the content of one commit; there is no artificial delay, so a lone record is durable at once.
    `wait_for_space` keeps records waiting on a full disk instead of refusing them; it is looked at every `retry_s`.
    Segments of at most `inline_bytes` stored bytes are closed in this process (None: all), larger ones in the tree
    process.
    """

    level: int = 1
    commit_bytes: int = 4 * 1024 * 1024
    segment_bytes: int = SEGMENT_BYTES
    wait_for_space: bool = True
    retry_s: float = 1.0
    interval_s: int = 3600
    reserve_bytes: int = RESERVE_BYTES
    inline_bytes: int | None = 1024 * 1024


class ArchiveState(StrEnum):
    """Whether records can be appended now."""

    OK = "ok"
    DISK_FULL = "disk-full"
    FAILED = "failed"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class OpenFacts:
    """One segment that is not closed: its durable records and stored bytes."""

    number: int
    record_class: str
    records: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class ArchiveStatus:
    """What the archive process says about itself; counts since its start unless said otherwise.

    `unsealed` counts segments that wait for the next seal; `chain_fault` says why no seal can be made; `damaged` names
    segments that cannot be closed; `faults` is what recovery found at the start.
    """

    ledger: str
    state: ArchiveState
    fault: str | None
    records: int
    content_bytes: int
    commits: int
    waiting_blocks: int
    waiting_bytes: int
    open_segments: tuple[OpenFacts, ...]
    unsealed: int
    seals: int | None
    last_closed_at: str | None
    chain_fault: str | None
    damaged: tuple[str, ...]
    faults: tuple[str, ...]
    reserve_bytes: int
    interval_s: int

    def to_json(self) -> dict[str, Any]:
        """Return the same as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ArchiveStatus:
        """Return the status that `to_json` wrote (unknown fields of a newer process are left out)."""
        known = {name: values[name] for name in cls.__dataclass_fields__}
        known["state"] = ArchiveState(known["state"])
        known["open_segments"] = tuple(OpenFacts(**facts) for facts in known["open_segments"])
        known["damaged"], known["faults"] = tuple(known["damaged"]), tuple(known["faults"])
        return cls(**known)
