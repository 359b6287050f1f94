"""A data directory with its settings: where things stand, made on first use with safe permissions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from retention.layout import Ledger
from some.app.settings import Settings, load
from some.clock import Clock, SystemClock, TrialClock
from some.errors import SettingsFault, Unavailable

if TYPE_CHECKING:
    from pathlib import Path

_PRIVATE = 0o700
_SHARED = 0o750
_PRIVATE_FOLDERS = ("state", "keys", "run")
_SHARED_FOLDERS = ("archive", "index", "config")


@dataclass(frozen=True, slots=True)
class Site:
    """Everything that depends on `--data` and `--config`."""

    folder: Path
    config: Path | None
    settings: Settings
    clock: Clock

    @property
    def archive(self) -> Path:
        """Evidence."""
        return self.folder / "archive"

    @property
    def index(self) -> Path:
        """Rebuildable: may be deleted at any time."""
        return self.folder / "index"

    @property
    def state(self) -> Path:
        """The database of accounts, jobs and audit texts."""
        return self.folder / "state"

    @property
    def keys(self) -> Path:
        """Secrets."""
        return self.folder / "keys"

    @property
    def run(self) -> Path:
        """Locks, sockets, counters."""
        return self.folder / "run"

    @property
    def ledger(self) -> Ledger:
        """This node's ledger."""
        name = self.settings.ledger.name
        return Ledger(self.archive / name, name)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of times on screen and of devices that name none."""
        return ZoneInfo(self.settings.time_zone)

    def site_file(self, name: str) -> Path | None:
        """Return the site's own `name` (beside `--config`, else in DATA/config), None where the default serves."""
        beside = self.config.parent if self.config is not None else self.folder / "config"
        path = beside / name
        return path if path.is_file() else None


def open_site(config: Path | None, folder: Path, clock: Clock | None = None) -> Site:
    """Return the site of a data directory, making what is missing; raises SettingsFault or Unavailable."""
    folder = folder.absolute()
    try:
        folder.mkdir(mode=_SHARED, parents=True, exist_ok=True)
        for name in _PRIVATE_FOLDERS:
            (folder / name).mkdir(mode=_PRIVATE, exist_ok=True)
        for name in _SHARED_FOLDERS:
            (folder / name).mkdir(mode=_SHARED, exist_ok=True)
    except OSError as fault:
        raise Unavailable(f"{folder}: the data directory cannot be made: {fault.strerror}") from fault
    return open_settings(config, folder, clock)


def open_settings(config: Path | None, folder: Path, clock: Clock | None = None) -> Site:
    """Return the site without making anything, for verbs that only need the settings; raises SettingsFault."""
    settings = load(config, folder.absolute())
    try:
        ZoneInfo(settings.time_zone)
    except (ZoneInfoNotFoundError, ValueError) as fault:
        raise SettingsFault(f"time_zone: no such zone: {settings.time_zone!r}") from fault
    own_clock = TrialClock() if settings.ledger.trial else SystemClock()
    return Site(folder.absolute(), config, settings, clock or own_clock)
