"""Settings: pydantic over YAML, environment and systemd credentials; anything unknown or wrong is named with its place.

Order, strongest first: `SOME_SECTION__KEY` in the environment, files of `$CREDENTIALS_DIRECTORY`, the file of
`--config`, `DATA/config/some.yaml`, the defaults below. Rooms get plain values, never this module.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails  # noqa: TC002 - the signature of a function that mypy and readers see
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from some import strict_yaml
from some.errors import SettingsFault

if TYPE_CHECKING:
    from collections.abc import Iterable

Port = Annotated[int, Field(ge=0, le=65535)]
MIB = 1024 * 1024
EVERYWHERE = "0.0.0.0"  # noqa: S104 - firewalls and servers send from elsewhere
FILE_NAME = "some.yaml"
MAX_SETTINGS_BYTES = 1 * MIB


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Institution(_Section):
    """Who runs this."""

    name: str = Field("", max_length=200, description="name of the public body, shown in the rail and on reports")


class Ledger(_Section):
    """The chain of seals that this node keeps."""

    name: str = Field("dugum1", pattern=r"^[a-z0-9][a-z0-9-]{0,62}$", description="name of this node's ledger")
    trial: bool = Field(False, description="a demonstration: its manifests say deneme, without legal value")


class SyslogUdp(_Section):
    """Syslog over UDP."""

    enabled: bool = Field(True, description="listen at all")
    host: str = Field(EVERYWHERE, description="address to listen on; :: for IPv6 too")
    port: Port = Field(5514, description="UDP port; below 1024 needs CAP_NET_BIND_SERVICE")
    receive_buffer: int = Field(256 * MIB, ge=4096, le=1024 * MIB, description="socket buffer to ask for, bytes")


class SyslogTcp(_Section):
    """Syslog over TCP (RFC 6587)."""

    enabled: bool = Field(True, description="listen at all")
    host: str = Field(EVERYWHERE, description="address to listen on; :: for IPv6 too")
    port: Port = Field(5514, description="TCP port")
    framing: Literal["auto", "newline", "octet"] = Field("auto", description="auto decides per connection")
    connections: int = Field(1024, ge=1, le=65536, description="open connections at most")


class Netflow(_Section):
    """NetFlow 9 and IPFIX over UDP."""

    enabled: bool = Field(False, description="listen at all")
    host: str = Field(EVERYWHERE, description="address to listen on; :: for IPv6 too")
    port: Port = Field(4739, description="UDP port; exporters of NetFlow 9 often send to 2055 or 9995")
    receive_buffer: int = Field(64 * MIB, ge=4096, le=1024 * MIB, description="socket buffer to ask for, bytes")


class TailedFile(_Section):
    """A file, or a pattern of files, that is followed."""

    path: str = Field(min_length=1, description="absolute path; * and ? match names")
    source: str = Field("", max_length=200, description="source name; default is the path")


class Collect(_Section):
    """What is collected, and how much may wait for the disk."""

    default_class: str = Field("access", pattern=r"^[a-z][a-z0-9_]{0,31}$", description="class of an undeclared source")
    max_message: int = Field(65536, ge=480, le=16 * MIB, description="longer syslog messages are kept truncated, bytes")
    pending: int = Field(4 * MIB, ge=MIB, le=1024 * MIB, description="received bytes that may wait for the disk")
    syslog_udp: SyslogUdp = SyslogUdp()
    syslog_tcp: SyslogTcp = SyslogTcp()
    netflow: Netflow = Netflow()
    files: tuple[TailedFile, ...] = Field((), description="files to follow")


class Archive(_Section):
    """How records are written."""

    frame_level: int = Field(1, ge=1, le=19, description="zstd level of live frames")
    segment: int = Field(128 * MIB, ge=64 * 1024, le=1024 * MIB, description="a segment closes at this many raw bytes")
    reserve: int = Field(64 * MIB, ge=0, le=1024 * MIB, description="room kept for audit records and seals, bytes")


class Seal(_Section):
    """When seals are made."""

    interval_s: int = Field(3600, ge=1, le=86400, description="seconds between two seals, also when nothing came")


class Authority(_Section):
    """One time-stamping authority."""

    kind: Literal["rfc3161", "kamusm"] = Field("rfc3161", description="protocol")
    url: str = Field("", max_length=500, description="address of the authority; empty = none configured")
    roots: str = Field("", description="PEM file of the roots that tokens must lead to")
    policies: tuple[str, ...] = Field((), description="policy OIDs accepted; empty = any of this authority's")
    timeout_s: float = Field(30.0, gt=0, le=300, description="whole request, seconds")
    user: str = Field("", max_length=200, description="user or customer number")
    password_file: str = Field("", description="file that holds the password")
    proxy: str = Field("", max_length=500, description="HTTP proxy")
    trial: bool = Field(False, description="a test authority: its stamps are shown as deneme, without legal value")

    @field_validator("url")
    @classmethod
    def _http(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("expected http:// or https://")
        return url


class Tsa(Authority):
    """The authority asked first, those asked when it fails, and the limits of the verifier."""

    fallbacks: tuple[Authority, ...] = Field((), description="asked in order when the first fails")
    interval_s: int = Field(0, ge=0, le=86400, description="stamp at most this often; 0 = every seal")
    late_s: int = Field(900, ge=1, le=86400, description="a stamp later than this after the seal is reported")


class Elastic(_Section):
    """Elasticsearch beside the embedded index: servers 8.19 and 9.x."""

    urls: tuple[str, ...] = Field((), description="addresses of its nodes; empty = not used")
    api_key_file: str = Field("", description="file that holds the API key (id:key, base64)")
    user: str = Field("", description="user, where no API key is used")
    password_file: str = Field("", description="file that holds the user's password")
    ca_file: str = Field("", description="PEM file of the authority that signed its certificate")
    fingerprint: str = Field("", description="SHA-256 of its certificate, instead of ca_file")
    proxy: str = Field("", description="HTTP proxy")
    timeout_s: float = Field(30.0, gt=0, le=600, description="whole request, seconds")
    period: Literal["month", "week", "day"] = Field("month", description="an index holds so much")
    replicas: int = Field(0, ge=0, le=10, description="copies of each index beside the first")
    keep_days: int = Field(0, ge=0, le=36_500, description="an index that ended so long ago is dropped; 0 = never")


class Index(_Section):
    """What searches and answers."""

    engine: Literal["embedded", "elastic"] = Field("embedded", description="which engine answers")
    memory_mib: int = Field(512, ge=64, le=65536, description="memory that one search of the embedded index may use")
    search_s: float = Field(30.0, gt=0, le=600, description="a search ends after this many seconds")
    elastic: Elastic = Elastic()

    @model_validator(mode="after")
    def _answers(self) -> Self:
        if self.engine == "elastic" and not self.elastic.urls:
            raise ValueError("engine elastic needs elastic.urls")
        return self


class Attribution(_Section):
    """Who used this address: what counts as silence, and how far back is looked."""

    silence_s: float = Field(300.0, ge=1, le=86_400, description="a source is silent only after this many seconds")
    session_days: float = Field(2.0, gt=0, le=60, description="longest connection that is looked for, days")
    binding_days: float = Field(14.0, gt=0, le=366, description="longest lease or login that is looked for, days")
    clock_error_s: float = Field(120.0, ge=0, le=86_400, description="error of a clock of which nothing is known, s")


class Web(_Section):
    """The pages and the API."""

    host: str = Field("127.0.0.1", description="address to listen on")
    port: Port = Field(8651, description="port")
    hosts: tuple[str, ...] = Field((), description="further host names under which the pages are opened")
    https: bool = Field(False, description="the pages are reached over TLS (a proxy in front): cookies are Secure")


class State(_Section):
    """Accounts, jobs and the text of audit entries."""

    url: str = Field("", description="database URL; empty = SQLite in DATA/state")


class Settings(BaseSettings):
    """Everything that a site may set."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, env_prefix="SOME_", env_nested_delimiter="__")

    institution: Institution = Institution()
    language: Literal["tr", "en"] = Field("tr", description="language of messages where no person chose one")
    time_zone: str = Field("Europe/Istanbul", description="zone of times on screen, and of devices that name none")
    ledger: Ledger = Ledger()
    collect: Collect = Collect()
    archive: Archive = Archive()
    seal: Seal = Seal()
    tsa: Tsa = Tsa()
    index: Index = Index()
    attribution: Attribution = Attribution()
    web: Web = Web()
    state: State = State()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file; no .env file is read."""
        del settings_cls, dotenv_settings
        return env_settings, file_secret_settings, init_settings


def load(config: Path | None, folder: Path) -> Settings:
    """Return the settings of a data directory; raises SettingsFault naming key, file, line and what was expected."""
    path = config or folder / "config" / FILE_NAME
    if config is not None and not config.is_file():
        raise SettingsFault(f"{config}: no such settings file")
    tree = _read(path) if path.is_file() else None
    values = tree.value if tree is not None else {}
    if not isinstance(values, dict):
        raise SettingsFault(f"{path}: expected sections with keys, found {type(values).__name__}")
    _refuse_unknown_environment()
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    try:
        folder_of_secrets = credentials if credentials and Path(credentials).is_dir() else None
        return Settings(_secrets_dir=folder_of_secrets, **values)  # type: ignore[arg-type]  # pydantic checks them
    except ValidationError as fault:
        raise SettingsFault("; ".join(_explain(error, path, tree) for error in fault.errors())) from fault


def _read(path: Path) -> strict_yaml.Located:
    text = path.read_text(encoding="utf-8") if path.stat().st_size <= MAX_SETTINGS_BYTES else None
    if text is None:
        raise SettingsFault(f"{path}: larger than {MAX_SETTINGS_BYTES} bytes")
    return strict_yaml.load(text, str(path))


def _refuse_unknown_environment() -> None:
    """Refuse a mistyped SOME_… variable, as a mistyped key in the file is refused."""
    known = {name.upper() for name in Settings.model_fields}
    own = {"SOME_CONFIG", "SOME_DATA", "SOME_FULL", "SOME_SEED"}
    for name in os.environ:
        if name.startswith("SOME_") and name not in own and not name.startswith("SOME_TEST_"):
            section = name.removeprefix("SOME_").split("__")[0]
            if section not in known:
                raise SettingsFault(f"environment variable {name}: no such setting (sections: {_names(known)})")


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(name.lower() for name in names))


def _explain(error: ErrorDetails, path: Path, tree: strict_yaml.Located | None) -> str:
    keys = tuple(error["loc"])
    key = ".".join(str(part) for part in keys)
    where = str(path)
    name = "SOME_" + "__".join(str(part).upper() for part in keys)
    if any(name == variable or name.startswith(f"{variable}__") for variable in os.environ):
        where = f"environment variable {name}"
    elif tree is not None:
        where = f"{path}, line {tree.key_place(keys).line}"
    if error["type"] == "extra_forbidden":
        return f"{where}: {key}: no such setting{_known_beside(keys)}"
    given: Any = error.get("input")
    return f"{where}: {key}: {error['msg']} (found {str(given)[:80]!r})"


def _known_beside(keys: tuple[int | str, ...]) -> str:
    model: Any = Settings
    for key in keys[:-1]:
        field = model.model_fields.get(str(key)) if hasattr(model, "model_fields") else None
        model = field.annotation if field is not None else None
    fields = getattr(model, "model_fields", None)
    return f" (expected one of: {', '.join(sorted(fields))})" if fields else ""
