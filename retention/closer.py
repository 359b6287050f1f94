"""Gives closing orders to the tree process, or runs small ones here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from retention.closing import ClosingOrder, close_segment, from_json
from some.diagnostics import named
from some.errors import IntegrityError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from retention.manifest import SealedSegment
    from some.durable import Disk

_TREE_PROCESS = (sys.executable, "-c", "from retention.closing import main; main()")
_ATTEMPTS = 2
_log = named("retention.closing")


class Closer:
    """Closes segments one at a time; starts its process at the first large one and keeps it until `stop`."""

    def __init__(self, disk: Disk, *, inline_bytes: int | None, command: Sequence[str] = _TREE_PROCESS) -> None:
        """Segments of at most `inline_bytes` stored bytes are closed in this process (None: all of them)."""
        self._disk = disk
        self._inline_bytes = inline_bytes
        self._command = command
        self._lock = threading.Lock()
        self._child: subprocess.Popen[str] | None = None
        self.cpu_s = 0.0
        """CPU seconds that the tree process has used, as it said last."""

    @property
    def child_pid(self) -> int | None:
        """The tree process's id, None while there is none."""
        child = self._child
        return child.pid if child is not None else None

    def close(self, order: ClosingOrder) -> SealedSegment:
        """Return the closed segment; raises IntegrityError, OSError as `close_segment` does, and Unavailable."""
        with self._lock:
            if self._inline_bytes is None or (order.size or order.path.stat().st_size) <= self._inline_bytes:
                return close_segment(order, self._disk)
            for _ in range(_ATTEMPTS):
                line = self._ask(order)
                if line:
                    return self._read(line)
                _log.warning("tree_process.died", segment=order.path.name)
                self._end()
        raise Unavailable(f"the tree process died twice over {order.path.name}")

    def stop(self) -> None:
        """End the tree process; it holds nothing that is not on the disk."""
        with self._lock:
            self._end()

    def _ask(self, order: ClosingOrder) -> str:
        child = self._child
        if child is None:
            roots = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
            child = self._child = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(roots)},
            )  # fmt: skip
        try:
            assert child.stdin is not None  # noqa: S101 - asked for above
            assert child.stdout is not None  # noqa: S101 - asked for above
            child.stdin.write(order.to_json() + "\n")
            child.stdin.flush()
            return child.stdout.readline()
        except BrokenPipeError:
            return ""

    def _read(self, line: str) -> SealedSegment:
        said = json.loads(line)
        self.cpu_s = said["cpu_s"]
        if "integrity" in said:
            raise IntegrityError(said["integrity"])
        if "errno" in said:
            raise OSError(said["errno"], said["text"])
        return from_json(said["sealed"])

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.communicate()  # closes its stdin: it leaves at the end of its orders
