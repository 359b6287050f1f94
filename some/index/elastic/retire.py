"""Whole indices dropped: by retention when their period is over, all of them when the index is made anew.

Never record by record: deleting in Elasticsearch only marks, and what is marked stays on the disks for a time that
nobody can name. A whole index is gone when the server says so. So a record may outlive its term in Elasticsearch by the
rest of its period, without its text in any answer of ours (that comes from the archive, where it is destroyed).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from some.diagnostics import named
from some.index.elastic import names, templates
from some.index.elastic.cursor import NAME
from some.index.elastic.follower import DEAD
from some.index.lock import IndexLock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from some.durable import Disk
    from some.index.elastic.transport import Client

_FILES: Final = (NAME, f"{NAME}-wal", f"{NAME}-shm", DEAD)


def indices(client: Client) -> list[str]:
    """Return the names of all indices of ours, open or closed."""
    prefix = client.settings.prefix
    params = {"expand_wildcards": "open,closed,hidden"}
    found = client.request("GET", f"/_resolve/index/{prefix}-*", params=params, allow=(404,)) or {}
    held = [str(one["name"]) for one in found.get("indices", ())]
    return sorted(one for one in held if names.class_of(prefix, one) or names.layer_of(prefix, one))


def over(client: Client, before: datetime, *, record_class: str | None = None) -> list[str]:
    """Return the indices of a class, or those of facts (None), in which everything was received before `before`."""
    prefix = client.settings.prefix
    held = indices(client)
    if record_class is None:
        mine = [one for one in held if names.layer_of(prefix, one) is not None]
    else:
        mine = [one for one in held if names.class_of(prefix, one) == record_class]
    return [one for one in mine if names.ended(one, before)]


def retire(client: Client, before: datetime, *, record_class: str | None = None) -> list[str]:
    """Drop what `over` returns, and return it; asking again is harmless.

    Facts are dropped when no class that gives facts is kept longer: the caller knows the terms.
    """
    gone = over(client, before, record_class=record_class)
    forget(client, gone)
    return gone


def forget(client: Client, gone: Sequence[str]) -> None:
    """Drop these indices; one that is not there any more counts as dropped. Raises Unavailable, NotPermitted."""
    log = named("index.elastic.retire")
    for name in gone:
        client.request("DELETE", f"/{name}", allow=(404,))
        log.info("index.elastic_dropped", index=name)


def wipe(client: Client, folder: Path, lock: Path, disk: Disk) -> int:
    """Drop every index and template of ours and the follower's cursor; returns how many indices that were.

    The archive makes them anew. Raises IndexLocked while a follower works. A crash in between leaves a part, which the
    next call finishes; the cursor goes first, so that no follower believes what is gone.
    """
    held = IndexLock(lock)
    held.take()
    try:
        for name in _FILES:
            if (folder / name).exists():
                disk.remove(folder / name)
        dropped = indices(client)
        forget(client, dropped)
        paths = sorted(templates.found(client), reverse=True)
        # an index template holds its parts: it goes first ("/_index…" sorts behind "/_component…")
        for path in paths:
            client.request("DELETE", path, allow=(404,))
    finally:
        held.release()
    return len(dropped)
