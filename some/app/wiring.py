"""The one place that plugs things together: from a site to the rooms' objects."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.sources import read_sources
from retention import remote
from retention.archive import Archive, no_notes
from retention.lock import ArchiveLock
from retention.options import ArchiveOptions
from retention.reading import ArchiveReader
from retention.remote import RemoteArchive
from retention.socket_server import SocketServer
from some.actor import local_actor
from some.durable import Disk
from some.errors import SettingsFault, SomeError, Unavailable, UnknownState
from some.record import RecordClass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ingest.declared import Sources
    from retention.manifest import Note
    from retention.tsa.authority import Authority
    from retention.tsa.stamping import Stamper
    from retention.tsa.trust import Trust
    from some.app.accounts.desk import AccountsDesk
    from some.app.accounts.roles import RoleBook
    from some.app.settings import Authority as AuthoritySettings
    from some.app.site import Site
    from some.database import Database
    from some.index.attribution.answering import Attribution
    from some.index.elastic.engine import Elastic
    from some.index.embedded import Embedded
    from some.index.follower import Follower

WriteBundle = Callable[[Path], object]
OnFault = Callable[[UnknownState], None]
SEAL_FAULTS = (SomeError, OSError)
"""What a seal may fail with and be tried again; UnknownState is looked at before."""


def sources(site: Site) -> Sources:
    """Return the declared sources: the site's `sources.yaml`, else the default; raises SettingsFault."""
    return read_sources(site.site_file("sources.yaml"), default_class=site.settings.collect.default_class)


def source_names(declared: Sources) -> Callable[[str, str], tuple[str, RecordClass]]:
    """Return how what a listener gets from a peer is named and classed."""

    def resolve(listener: str, peer: str) -> tuple[str, RecordClass]:
        name, record_class = declared.resolve(listener, peer)
        return name, RecordClass(record_class)

    return resolve


def file_names(site: Site, declared: Sources) -> Callable[[str, str], tuple[str, RecordClass]]:
    """Return how followed files are named: as their setting says, else as declared, else after their path."""
    named_files = {file.path: file.source for file in site.settings.collect.files if file.source}

    def resolve(listener: str, path: str) -> tuple[str, RecordClass]:
        name, record_class = declared.resolve(listener, path)
        return named_files.get(path, name), RecordClass(record_class)

    return resolve


def reader(site: Site) -> ArchiveReader:
    """Return the archive's reader; it never locks."""
    return ArchiveReader(site.archive, site.run, site.settings.ledger.name)


def archive_options(site: Site, *, wait_for_space: bool) -> ArchiveOptions:
    """Return what the settings say about the archive."""
    settings = site.settings
    return ArchiveOptions(
        level=settings.archive.frame_level,
        segment_bytes=settings.archive.segment,
        wait_for_space=wait_for_space,
        interval_s=settings.seal.interval_s,
        reserve_bytes=settings.archive.reserve,
    )


def own_archive(site: Site, notes: Callable[[], Iterable[Note]] = no_notes) -> Archive:
    """Return the archive, owned by this process until it is closed; it waits for room on a full disk."""
    options = archive_options(site, wait_for_space=True)
    ledger = site.settings.ledger.name
    return Archive.open(site.archive, site.run, ledger, site.keys, clock=site.clock, options=options, notes=notes)


def archive_socket(site: Site, archive: Archive) -> SocketServer:
    """Return the socket on which other processes reach `archive`; entering it serves, leaving it closes the archive."""
    return SocketServer(archive, site.run / "archive.sock")


def archive_client(site: Site) -> RemoteArchive:
    """Return a connection to the archive process; raises Unavailable where there is none."""
    return RemoteArchive.connect(site.run / "archive.sock")


@contextmanager
def open_sink(site: Site) -> Iterator[Archive | RemoteArchive]:
    """Yield the archive, whether its process runs or not; raises Unavailable."""
    options = archive_options(site, wait_for_space=False)
    ledger = site.settings.ledger.name
    with remote.open_sink(site.archive, site.run, ledger, site.keys, clock=site.clock, options=options) as sink:
        yield sink


def archive_is_owned(site: Site) -> bool:
    """Say whether some process has the archive now."""
    try:
        ArchiveLock(site.run / "archive.lock").release()
    except Unavailable:
        return True
    return False


def index_folder(site: Site) -> Path:
    """Where the embedded index lives."""
    return site.index / "embedded"


def follower(site: Site) -> Follower:
    """Return the embedded index's follower, not yet entered."""
    from ingest.parsing import Parsing  # noqa: PLC0415 - parsers and Arrow only where records are indexed
    from some.index.facts.sites import Sites  # noqa: PLC0415 - as above
    from some.index.follower import Follower  # noqa: PLC0415 - as above

    declared = sources(site)
    return Follower(
        reader(site), folder=index_folder(site), lock=site.run / "index.lock", parse=Parsing().parse_block,
        hints=declared.hints, sites=Sites(declared), clock=site.clock,
    )  # fmt: skip


def index_is_followed(site: Site) -> bool:
    """Say whether a follower works on the index now."""
    from some.index.lock import IndexLock, IndexLocked  # noqa: PLC0415 - only where something is searched

    lock = IndexLock(site.run / "index.lock")
    try:
        lock.take()
    except IndexLocked:
        return True
    lock.release()
    return False


def catch_up(site: Site, timeout_s: float) -> None:
    """Return when the index has everything that is durable now, running the follower where none runs."""
    from some.index.waiting import wait_for  # noqa: PLC0415 - only where something is searched

    wait_for(reader(site), index_folder(site), follower(site), timeout_s=timeout_s)


@contextmanager
def engine(site: Site, name: str = "") -> Iterator[Embedded | Elastic]:
    """Yield the engine of that name, by default the one that the settings let answer."""
    if (name or site.settings.index.engine) == "embedded":
        with embedded(site) as made:
            yield made
        return
    from some.app import elastic  # noqa: PLC0415 - the library only where it is used

    with elastic.engine(site) as found:
        yield found


@contextmanager
def attribution(site: Site, name: str = "") -> Iterator[Attribution]:
    """Yield who answers questions of attribution, from the facts of that engine."""
    from some.index.attribution.answering import Attribution  # noqa: PLC0415 - only where somebody asks
    from some.index.attribution.options import AttributionOptions  # noqa: PLC0415 - as above

    told = site.settings.attribution
    options = AttributionOptions(
        silence_floor_s=told.silence_s, longest_session_s=told.session_days * 86_400,
        longest_lease_s=told.binding_days * 86_400, longest_login_s=told.binding_days * 86_400,
        unknown_clock_s=told.clock_error_s,
    )  # fmt: skip
    with engine(site, name) as made:
        yield Attribution(made.facts, sources(site), options)


def embedded(site: Site) -> Embedded:
    """Return the embedded engine; use it as a context manager."""
    from some.index.embedded import Embedded  # noqa: PLC0415 - DuckDB only where something is searched

    limits = site.settings.index
    return Embedded(
        reader(site), index_folder(site), memory=f"{limits.memory_mib}MB", time_limit_s=limits.search_s, wall=site.clock
    )


@contextmanager
def database(site: Site) -> Iterator[Database]:
    """Yield the state database, brought to the newest version."""
    from some.app.migrations.run import migrate  # noqa: PLC0415 - SQLAlchemy only where state is touched
    from some.database import connect, sqlite_url  # noqa: PLC0415 - as above

    made = connect(site.settings.state.url or sqlite_url(site.state / "some.sqlite"))
    try:
        migrate(made)
        yield made
    finally:
        made.close()


def accounts(site: Site, made: Database) -> AccountsDesk:
    """Return the accounts desk on an open database."""
    from some.app.accounts.desk import open_desk  # noqa: PLC0415 - argon2 only where somebody signs in

    return open_desk(made, site.clock, roles(site), keys=site.keys, disk=Disk())


def roles(site: Site) -> RoleBook:
    """Return the roles: the site's `roles.yaml`, else the default; raises SettingsFault."""
    from some.app.accounts.roles import read_roles  # noqa: PLC0415 - only where somebody signs in

    path = site.site_file("roles.yaml")
    text, where = (path.read_text(encoding="utf-8"), str(path)) if path else _default("roles.yaml")
    return read_roles(text, where)


def accounts_holding_too_much(desk: AccountsDesk) -> list[str]:
    """Return the accounts that hold roles which one person should not hold together (`apart` in roles.yaml)."""
    return [one.name for one in desk.accounts(local_actor()) if one.enabled and desk.roles.conflicts(one.roles)]


def audit_waits(made: Database) -> bool:
    """Say whether an audit entry waits for its witness."""
    from some import audit, outbox  # noqa: PLC0415 - SQLAlchemy only where state is touched

    with made.reading() as session:
        return bool(outbox.waiting(session, audit.OUTBOX_KIND, 1))


def witness(site: Site, made: Database) -> int:
    """Append waiting audit entries to the archive now; where the archive is away they wait for the worker."""
    from some import audit  # noqa: PLC0415 - SQLAlchemy only where state is touched

    try:
        with open_sink(site) as sink:
            return audit.relay(made, sink, site.clock)
    except Unavailable:
        return 0


def trust(site: Site, settings: AuthoritySettings) -> Trust:
    """Return what is believed about an authority; raises SettingsFault where its roots cannot be read."""
    from retention.tsa.trust import Trust, TrustAnchors  # noqa: PLC0415 - only where tokens are looked at

    if not settings.roots:
        raise SettingsFault("tsa.roots: a PEM file with the authority's roots is needed before its stamps are believed")
    path = Path(settings.roots)
    beside = site.config.parent if site.config is not None else site.folder / "config"
    path = path if path.is_absolute() else beside / path
    try:
        pem = path.read_bytes()
    except OSError as fault:
        raise SettingsFault(f"tsa.roots: {path}: {fault.strerror}") from fault
    return Trust(TrustAnchors.parse(pem, policies=settings.policies), trial=settings.trial)


def authorities(site: Site) -> list[tuple[Authority, Trust]]:
    """Return the configured time-stamping authorities in the order in which they are asked."""
    tsa = site.settings.tsa
    return [(_authority(site, one), trust(site, one)) for one in (tsa, *tsa.fallbacks) if one.url]


def stamper(site: Site) -> Stamper:
    """Return the queue of seals that wait for a stamp."""
    from retention.tsa.openssl import OpensslCheck  # noqa: PLC0415 - only where stamps are asked for
    from retention.tsa.stamping import Stamper  # noqa: PLC0415 - as above

    interval = site.settings.tsa.interval_s
    return Stamper(
        site.ledger, authorities(site), clock=site.clock, disk=Disk(), lock=site.run / "stamp.lock",
        interval=timedelta(seconds=interval) if interval else None, second_opinion=OpensslCheck.find(),
    )  # fmt: skip


def _authority(site: Site, settings: AuthoritySettings) -> Authority:
    from retention.tsa.authority import SHORT_LIMITS, PasswordFile  # noqa: PLC0415 - only where stamps are asked for
    from retention.tsa.kamusm import KamuSm  # noqa: PLC0415 - as above
    from retention.tsa.rfc3161 import Rfc3161  # noqa: PLC0415 - as above
    from some.outbound import Limits, Outbound  # noqa: PLC0415 - as above

    seconds = settings.timeout_s
    limits = Limits(
        min(SHORT_LIMITS.connect_s, seconds), min(SHORT_LIMITS.read_s, seconds), seconds, SHORT_LIMITS.max_bytes
    )
    outbound = Outbound(limits=limits, proxy=settings.proxy or None)
    password = PasswordFile(Path(settings.password_file)) if settings.password_file else None
    if settings.kind == "rfc3161":
        return Rfc3161(settings.url, outbound, settings.user or None, password)
    if password is None or not settings.user.isdecimal():
        raise SettingsFault("tsa: Kamu SM needs user (the customer number, digits) and password_file")
    return KamuSm(settings.url, outbound, int(settings.user), password, site.clock)


def link_address(site: Site, secret: str) -> str:
    """Return the address of a one-time link."""
    return f"http{'s' if site.settings.web.https else ''}://{web_place(site)}/kurulum/{secret}"


def web_place(site: Site) -> str:
    """Return host and port under which the pages are opened."""
    web = site.settings.web
    return web.hosts[0] if web.hosts else f"{web.host}:{web.port}"


def _default(name: str) -> tuple[str, str]:
    return files("config").joinpath(name).read_text(encoding="utf-8"), f"config/{name}"
