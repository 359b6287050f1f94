"""`some search` and `some index`: questions from the command line, each with its audit entry."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from some import audit
from some.actor import local_actor
from some.app import elastic, wiring
from some.clock import to_text
from some.durable import Disk
from some.errors import Unavailable, UsageFault
from some.index.engine import MAX_PAGE, Document, Query
from some.index.query.bind import Options, understand
from some.index.waiting import wipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from some.app.site import Site

PAGE = 1000
ENGINES = ("embedded", "elastic")
CATCH_UP_S = 600.0
"""Where no follower runs, a search first indexes what is missing: an answer from an old index would look complete."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What `some search` was told; `limit` None means everything."""

    query: str
    start: datetime | None
    end: datetime | None
    limit: int | None
    engine: str


def documents(site: Site, wanted: Wanted) -> Iterator[Document]:
    """Yield the documents, oldest first; the audit entry is written before the first one is given away."""
    name = wanted.engine or site.settings.index.engine
    if name not in ENGINES:
        raise UsageFault(f"--engine {name}: not known; expected {' or '.join(ENGINES)}")
    query = Query(
        wanted.query, understand(wanted.query, Options(site.clock.now(), site.zone)), wanted.start, wanted.end
    )
    note(site, wanted)
    if name == "elastic":
        if not elastic.is_followed(site):
            elastic.catch_up(site, CATCH_UP_S)
    elif not wiring.index_is_followed(site):
        wiring.catch_up(site, CATCH_UP_S)
    with wiring.engine(site, name) as engine:
        cursor: str | None = None
        left = wanted.limit
        while left is None or left > 0:
            page = engine.search(query, limit=min(PAGE, MAX_PAGE, left if left is not None else PAGE), cursor=cursor)
            yield from page.documents
            cursor = page.next_cursor
            if cursor is None:
                return
            left = None if left is None else left - len(page.documents)


def note(site: Site, wanted: Wanted) -> None:
    """Write who searched for what, and witness it in the archive."""
    with wiring.database(site) as database:
        with database.transaction() as session:
            audit.record(
                session, site.clock, local_actor(), "records.searched", query=wanted.query,
                start=to_text(wanted.start) if wanted.start else None, end=to_text(wanted.end) if wanted.end else None,
            )  # fmt: skip
        wiring.witness(site, database)


def wait(site: Site, timeout_s: float) -> int:
    """Return the number of documents once the index has everything durable before the call; raises Unavailable."""
    ends = time.monotonic() + timeout_s
    wiring.catch_up(site, timeout_s)
    if elastic.configured(site):
        elastic.catch_up(site, max(0.0, ends - time.monotonic()))
    with wiring.engine(site) as engine:
        return engine.status().documents


def rebuild(site: Site, name: str = "") -> int:
    """Delete the index of that engine (by default the one that answers) and make it again.

    Raises Unavailable where its follower runs.
    """
    if (name or site.settings.index.engine) == "elastic":
        return elastic.rebuild(site)
    wipe(wiring.index_folder(site), site.run / "index.lock", Disk())
    with wiring.follower(site) as follower:
        while follower.run_once():
            pass
    with wiring.embedded(site) as engine:
        found = engine.status()
    if found.lag_records:
        raise Unavailable(f"{found.lag_records} records could not be indexed; some doctor tells why")
    return found.documents
