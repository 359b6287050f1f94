"""Everything that the web edge works with, in one frozen value; made once by wiring, shared by every request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ingest.ecs import Field
    from some.app.web.account_port import AccountsDoor
    from some.app.web.assets import Assets
    from some.app.web.attribution_port import AttributionPort
    from some.app.web.ports import ArchiveView, AuditPort, WebSettings
    from some.app.web.render import Renderer
    from some.app.web.tail import TailLog
    from some.clock import Clock
    from some.index.engine import Engine
    from some.wording import Translator


USUAL_CLASSES = frozenset({"access", "hosting", "address", "identity", "audit", "mail", "dns"})


@dataclass(frozen=True, slots=True)
class Ports:
    """The rooms below, as wiring joins them.

    `translator(language)` returns the gettext function of a language; `ready` says which parts can answer; `metrics`
    returns the Prometheus text; `fields` is the ECS registry by name; `classes` returns the record classes that exist.
    """

    settings: WebSettings
    clock: Clock
    archive: ArchiveView
    engine: Engine
    accounts: AccountsDoor
    audit: AuditPort
    attribution: AttributionPort
    translator: Callable[[str], Translator]
    ready: Callable[[], Mapping[str, bool]]
    metrics: Callable[[], bytes]
    fields: Mapping[str, Field]
    classes: Callable[[], frozenset[str]] = lambda: USUAL_CLASSES


@dataclass(frozen=True, slots=True)
class Edge:
    """The ports with what the edge itself owns."""

    ports: Ports
    assets: Assets
    renderer: Renderer
    tails: TailLog
