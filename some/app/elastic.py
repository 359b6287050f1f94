"""Elasticsearch at a site: from the settings to the rooms' objects, waiting, rebuilding, comparing, dropping.

It is degraded, never down: collecting, sealing and the embedded index know nothing of it.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from some.app import wiring
from some.durable import Disk
from some.errors import SettingsFault, Unavailable, UsageFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from some.app.site import Site
    from some.index.compare import Difference
    from some.index.elastic.engine import Elastic
    from some.index.elastic.follower import ElasticFollower
    from some.index.elastic.lag import Lag
    from some.index.elastic.transport import Client
    from some.index.engine import IndexFinding

_POLL_S = 0.1


def configured(site: Site) -> bool:
    """Say whether the site uses Elasticsearch."""
    return bool(site.settings.index.elastic.urls)


def folder(site: Site) -> Path:
    """Where the follower's cursor stands."""
    return site.index / "elastic"


@contextmanager
def client(site: Site) -> Iterator[Client]:
    """Yield a client; nothing is contacted yet. Raises UsageFault where none is configured, SettingsFault."""
    from some.index.elastic.names import Period  # noqa: PLC0415 - the library only where it is used
    from some.index.elastic.transport import ElasticSettings, connect  # noqa: PLC0415 - as above

    told = site.settings.index.elastic
    if not told.urls:
        raise UsageFault("index.elastic.urls: no Elasticsearch is configured")
    made = connect(
        ElasticSettings(
            urls=told.urls,
            api_key_file=_path(site, told.api_key_file),
            user=told.user or None,
            password_file=_path(site, told.password_file),
            ca_file=_path(site, told.ca_file),
            fingerprint=told.fingerprint or None,
            proxy=told.proxy or None,
            timeout_s=told.timeout_s,
            period=Period(told.period),
            replicas=told.replicas,
        )
    )
    try:
        yield made
    finally:
        made.close()


@contextmanager
def engine(site: Site) -> Iterator[Elastic]:
    """Yield the engine."""
    from some.index.elastic.engine import Elastic  # noqa: PLC0415 - the library only where it is used

    with client(site) as opened:
        yield Elastic(wiring.reader(site), opened, folder(site), wall=site.clock)


@contextmanager
def follower(site: Site) -> Iterator[ElasticFollower]:
    """Yield the follower, entered; raises Unavailable where another one follows."""
    from ingest.parsing import Parsing  # noqa: PLC0415 - parsers only where records are indexed
    from some.index.elastic.follower import ElasticFollower  # noqa: PLC0415 - as above
    from some.index.facts.sites import Sites  # noqa: PLC0415 - as above

    declared = wiring.sources(site)
    with (
        client(site) as opened,
        ElasticFollower(
            wiring.reader(site), opened, folder=folder(site), lock=site.run / "elastic.lock",
            parse=Parsing().parse_block, hints=declared.hints, sites=Sites(declared), clock=site.clock,
        ) as following,
    ):  # fmt: skip
        yield following


def is_followed(site: Site) -> bool:
    """Say whether a follower writes to Elasticsearch now."""
    from some.index.lock import IndexLock, IndexLocked  # noqa: PLC0415 - only where something is searched

    lock = IndexLock(site.run / "elastic.lock")
    try:
        lock.take()
    except IndexLocked:
        return True
    lock.release()
    return False


def catch_up(site: Site, timeout_s: float) -> None:
    """Return when Elasticsearch has what is durable now, running the follower where none runs; raises Unavailable."""
    from some.index.elastic.cursor import reading  # noqa: PLC0415 - the library only where it is used
    from some.index.lock import IndexLocked  # noqa: PLC0415 - as above
    from some.index.waiting import end_of, passed  # noqa: PLC0415 - as above

    reader = wiring.reader(site)
    ends = time.monotonic() + timeout_s
    with reading(folder(site), reader.ledger) as standing:
        target = end_of(reader, standing.cursor() if standing else None)
    while True:
        with reading(folder(site), reader.ledger) as standing:
            if passed(target, standing.cursor() if standing else None):
                return
        try:
            with follower(site) as following:
                following.run_once()
        except IndexLocked:
            time.sleep(_POLL_S)
        if time.monotonic() > ends:
            msg = f"Elasticsearch did not catch up within {timeout_s:g} s"
            raise Unavailable(msg)


def lag(site: Site) -> Lag:
    """Return how far Elasticsearch is behind what is durable; needs no server."""
    from some.index.elastic.cursor import reading  # noqa: PLC0415 - the library only where it is used
    from some.index.elastic.lag import lag_behind  # noqa: PLC0415 - as above
    from some.record import Cursor  # noqa: PLC0415 - as above

    reader = wiring.reader(site)
    with reading(folder(site), reader.ledger) as standing:
        return lag_behind(reader, standing.cursor() if standing else Cursor(), site.clock)


def rebuild(site: Site) -> int:
    """Drop everything of ours there and write it again; raises Unavailable where a follower runs."""
    from some.index.elastic.retire import wipe  # noqa: PLC0415 - the library only where it is used

    with client(site) as opened:
        wipe(opened, folder(site), site.run / "elastic.lock", Disk())
    with follower(site) as following:
        while following.run_once():
            pass
    with engine(site) as made:
        found = made.status()
    if found.lag_records:
        raise Unavailable(f"{found.lag_records} records could not be indexed; some doctor --es tells why")
    return found.documents


def compare(site: Site, sample: int) -> list[Difference]:
    """Return where the two engines answer differently, asking both the same questions over everything they hold."""
    from some.index.compare import compare as differences  # noqa: PLC0415 - the library only where it is used

    with wiring.embedded(site) as one, engine(site) as other:
        return list(differences(one, other, sample=sample))


def examine(site: Site) -> list[IndexFinding]:
    """Return what an administrator must know of the server."""
    from some.index.elastic.examine import examine as look  # noqa: PLC0415 - the library only where it is used

    with client(site) as opened:
        return look(opened, site.ledger.name, site.clock)


def drop_old(site: Site) -> list[str]:
    """Drop indices whose period ended `keep_days` ago; nothing where that is 0."""
    from some.index.elastic import names, retire  # noqa: PLC0415 - the library only where it is used

    days = site.settings.index.elastic.keep_days
    if not days:
        return []
    before = site.clock.now() - timedelta(days=days)
    with client(site) as opened:
        gone = [name for name in retire.indices(opened) if names.ended(name, before)]
        retire.forget(opened, gone)
    return gone


def _path(site: Site, text: str) -> Path | None:
    """Return a file of the settings, relative to the settings file; raises SettingsFault where it is missing."""
    if not text:
        return None
    beside = site.config.parent if site.config is not None else site.folder / "config"
    path = Path(text) if Path(text).is_absolute() else beside / text
    if not path.is_file():
        raise SettingsFault(f"index.elastic: {path}: no such file")
    return path
