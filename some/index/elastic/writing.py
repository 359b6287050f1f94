"""Bulk requests, bounded in size and number, sent again until every document is there.

A document is *there* when the server says 201, or 409 (it was there before: `create` with an `_id` that is a hash of
the record's reference). What the server refuses for the document's own sake (a mapping conflict) goes to the file of
dead letters and blocks no other. Everything else is the server's trouble, not the document's: too busy, disks full, no
privilege, no shard. Then nothing is given up; the request is repeated for a while, and Unavailable says that the
follower has to come again.
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from some.diagnostics import named
from some.errors import NotPermitted, Unavailable
from some.index.elastic.transport import Refused, blocks, privilege

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from some.index.elastic.documents import Action
    from some.index.elastic.transport import Client

_CREATED, _THERE, _BAD, _FORBIDDEN, _MISSING, _TOO_LARGE, _BUSY, _SERVER = 201, 409, 400, 403, 404, 413, 429, 500
_ATTEMPTS: Final = 8
_FIRST_WAIT_S: Final = 0.25
_LONGEST_WAIT_S: Final = 15.0
_DEAD_BYTES: Final = 16 * 1024 * 1024

_NOT_ITS_FAULT: Final = frozenset(
    {"validation_exception", "index_closed_exception", "process_cluster_event_timeout_exception"}
)
"""Errors of status 400 that tell about the cluster (too many shards, a closed index), not about the document."""

_SAFE: Final = (
    re.compile(r"failed to parse field \[[^\]]{1,120}\] of type \[[a-z_]{1,30}\]"),
    re.compile(r"Limit of [a-z ]{1,30} \[[0-9]+\] has been exceeded"),
    re.compile(r"Document contains at least one immense term in field=\"[^\"]{1,120}\""),
    re.compile(r"object mapping for \[[^\]]{1,120}\] tried to parse field \[[^\]]{1,120}\] as object"),
)
"""Parts of a server's sentence that name fields and never quote a document."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A document that the server refuses: which record, where it should have gone, and why; never what it holds."""

    ref: str
    index: str
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Written:
    """What became of some documents; `waited` counts repetitions."""

    created: int = 0
    there: int = 0
    dead: tuple[DeadLetter, ...] = ()
    waited: int = 0

    def __add__(self, other: Written) -> Written:
        """Return both together."""
        return Written(
            self.created + other.created, self.there + other.there, self.dead + other.dead, self.waited + other.waited
        )


@dataclass(slots=True)
class Bulk:
    """Documents that go together."""

    actions: list[Action] = field(default_factory=list)
    size: int = 0

    def add(self, action: Action) -> None:
        """Take another document."""
        self.actions.append(action)
        self.size += len(action.lines)


class Writer:
    """Sends documents. Safe to use from several threads; `stop` ends waiting."""

    def __init__(self, client: Client, stop: threading.Event, *, attempts: int = _ATTEMPTS) -> None:
        """Write through `client`; a request is sent `attempts` times at most."""
        self._client = client
        self._stop = stop
        self._attempts = attempts
        self._log = named("index.elastic.writing")

    def write(self, actions: Sequence[Action]) -> Written:
        """Return when every document is there or dead; raises Unavailable, NotPermitted, SettingsFault."""
        done = Written()
        left = list(actions)
        why = ""
        for attempt in range(self._attempts):
            if attempt:
                self._wait(attempt)
            try:
                now, left, why = self._once(left)
            except Unavailable as error:
                why = str(error)
                if not self._worth_repeating(error):
                    raise
                now = Written()
            done += now
            if not left:
                return done
            done += Written(waited=1)
        raise Unavailable(f"{len(left)} documents could not be written: {why}")

    @staticmethod
    def _worth_repeating(error: Unavailable) -> bool:
        # a full disk and an absent server are waited for by the follower, which tells about it
        return "(429)" in str(error) or "failed (" in str(error)

    def _wait(self, attempt: int) -> None:
        longest = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (attempt - 1))
        if self._stop.wait(longest * (0.5 + random.random() / 2)):  # noqa: S311 - spreads repetitions, hides nothing
            raise Unavailable("stopped while Elasticsearch was busy; nothing is lost")

    def _once(self, actions: Sequence[Action]) -> tuple[Written, list[Action], str]:
        """Send once: what became of it, what is to be sent again, and why."""
        body = b"".join([action.lines for action in actions])
        try:
            answer = self._client.request("POST", "/_bulk", body)
        except Refused as error:
            return self._refused(actions, error)
        if not answer["errors"]:
            return Written(created=len(actions)), [], ""
        return self._sorted_out(actions, answer["items"])

    def _refused(self, actions: Sequence[Action], error: Refused) -> tuple[Written, list[Action], str]:
        """Look for the document for which the whole request was refused (too large, or not understood)."""
        if error.status not in {_BAD, _TOO_LARGE}:
            raise Unavailable(f"Elasticsearch refuses documents ({error})") from error
        if len(actions) == 1:
            return Written(dead=(_letter(actions[0], error.kind or f"http_{error.status}", error.reason),)), [], ""
        half = len(actions) // 2
        first, again, why = self._once(actions[:half])
        second, more, why_more = self._once(actions[half:])
        return first + second, again + more, why or why_more

    def _sorted_out(
        self, actions: Sequence[Action], answers: Sequence[dict[str, Any]]
    ) -> tuple[Written, list[Action], str]:
        created = there = 0
        again: list[Action] = []
        dead: list[DeadLetter] = []
        troubles: Counter[str] = Counter()
        for action, answer in zip(actions, answers, strict=True):
            status, error = answer["create"]["status"], answer["create"].get("error", {})
            kind, reason = str(error.get("type", "")), str(error.get("reason", ""))
            if status == _CREATED:
                created += 1
            elif status == _THERE:
                there += 1
            elif status == _BUSY or status >= _SERVER or kind == "cluster_block_exception":
                again.append(action)
                troubles[f"{kind} {blocks(reason) if kind == 'cluster_block_exception' else ''}".strip()] += 1
            elif status in {401, _FORBIDDEN}:
                raise NotPermitted(f"Elasticsearch does not permit writing to {action.index}: {privilege(reason)}")
            elif status == _MISSING or kind in _NOT_ITS_FAULT:
                raise Unavailable(f"Elasticsearch does not make the index {action.index}: {kind}: {reason}")
            else:
                dead.append(_letter(action, kind, reason))
        why = ", ".join(sorted(troubles))
        if again and all("cluster_block" in one for one in troubles):
            raise Blocked(f"Elasticsearch refuses to write, its disks may be full ({why})")
        return Written(created, there, tuple(dead)), again, why


class Blocked(Unavailable):
    """An index or the cluster is read-only, mostly because disks are full; somebody has to make room."""

    code = "index.elastic.blocked"


def _letter(action: Action, kind: str, reason: str) -> DeadLetter:
    safe = (match[0] for match in (form.search(reason) for form in _SAFE) if match is not None)
    return DeadLetter(action.ref, action.index, kind, next(safe, ""))


def bulks(actions: Iterable[Action], *, documents: int, size: int) -> Iterator[list[Action]]:
    """Yield the documents in groups of at most so many, and of about so many bytes (at least one document)."""
    held = Bulk()
    for action in actions:
        if held.actions and (len(held.actions) >= documents or held.size + len(action.lines) > size):
            yield held.actions
            held = Bulk()
        held.add(action)
    if held.actions:
        yield held.actions


def bury(path: Path, letters: Sequence[DeadLetter]) -> int:
    """Append to the file of dead letters, durably; returns how many had no room any more (the file is bounded)."""
    lines = [
        json.dumps({"ref": one.ref, "index": one.index, "type": one.kind, "reason": one.reason}).encode() + b"\n"
        for one in letters
    ]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
    try:
        room = _DEAD_BYTES - os.fstat(descriptor).st_size
        kept = 0
        for line in lines:
            if len(line) > room:
                break
            os.write(descriptor, line)
            room -= len(line)
            kept += 1
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return len(lines) - kept
