"""Reads files as FileTail does, without event loop and archive."""

from __future__ import annotations

from datetime import UTC, datetime

from collect_sinks import ACCESS

from ingest.collectors.following import TailedFiles
from ingest.collectors.tailing import tail_positions
from some.clock import SimulatedClock
from some.record import RecordBlock, unescape

START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LINGER = 30.0


class Reader:
    """Follows files as FileTail does, without event loop; what it keeps survives `kill`."""

    def __init__(self, *patterns, limit=10**6):
        """Begin to follow `patterns`."""
        self.patterns = [str(pattern) for pattern in patterns]
        self.limit = limit
        self.clock = SimulatedClock(START)
        self.kept = []
        self.files = None
        self.start()

    def start(self):
        """Start, or start again, where the kept blocks end."""
        positions = tail_positions(block.origin for block in self.kept)
        self.files = TailedFiles(self.patterns, self.clock, positions, linger_s=LINGER, limit=self.limit)

    def read(self):
        """Read everything there is and keep it."""
        while (blocks := self.files.step()) or self.files.behind:
            self.keep(blocks)

    def keep(self, blocks):
        """Keep `blocks` as the archive would."""
        for block in blocks:  # what the archive would refuse must not leave here
            RecordBlock(START, "kaynak", block.origin, ACCESS, block.payload, block.count)
            assert block.payload.count(b"\n") == block.count
        self.kept += blocks

    def kill(self, durable_steps=0):
        """Lose everything in memory; of the last steps only `durable_steps` blocks reach the archive."""
        self.keep(self.files.step()[:durable_steps])
        self.files.close()
        self.start()

    def close(self):
        """Let go of the files."""
        self.files.close()

    @property
    def lines(self):
        """Every line kept, as received."""
        return [unescape(line) for block in self.kept for line in block.payload.split(b"\n")[:-1]]

    @property
    def marks(self):
        """The marks of every block kept."""
        return [block.marks for block in self.kept]


def append(path, content):
    """Add `content` to the file at `path`, as its program does."""
    with path.open("ab") as file:
        file.write(content)
