"""What is answered, as values, and the JSON shape of it that scripts rely on (docs: command line, `ask`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from some.clock import to_text
from some.index.attribution.window import SECOND, as_datetime
from some.index.facts import fact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from some.index.attribution.question import InnerQuestion, Question
    from some.record import RecordRef

    Translate = Callable[[str, Mapping[str, str]], str]

VERSION: Final = 1
"""Of the rules of attribution; stands in every answer, with the version of the facts."""


class Verdict(StrEnum):
    """How sure an answer is."""

    CERTAIN = "certain"
    CANDIDATES = "candidates"
    GAP = "gap"


class LayerName(StrEnum):
    """A step from the public address to a person."""

    NAT = "nat"
    LEASE = "lease"
    IDENTITY = "identity"
    PROXY = "proxy"
    VPN = "vpn"


class Reason(StrEnum):
    """Why a layer names nobody, or does not prove what it names."""

    NO_SESSION = "no_session"  # nobody used it, as far as was told
    SOURCE_SILENT = "source_silent"  # what would tell it was not told: its source was silent
    NO_PUBLIC_PORT = "no_public_port"  # the source tells no public port: found by destination and time only
    ESTIMATED = "estimated"  # an end is not known
    NO_LEASE = "no_lease"  # nobody held the address
    LEASE_UNKNOWN = "lease_unknown"  # held by a lease whose end is not known
    NO_LOGIN = "no_login"  # nobody had signed in there
    LOGGED_OUT = "logged_out"  # whoever had signed in there had signed out before
    MAC_MISMATCH = "mac_mismatch"  # two sources name different devices
    SHARED_HOST = "shared_host"  # several people use the host at once
    HOST_ONLY = "host_only"  # the register knows a host there, and no person
    SEVERAL_HOLDERS = "several_holders"  # several people at one address at one time
    HANDED_ON = "handed_on"  # the address changed hands between sign-in and connection
    CLOCK = "clock"  # it happened closer to a change than the clocks tell
    LOOP = "loop"  # proxies or translations in a circle, or too deep


@dataclass(frozen=True, slots=True)
class Statement:
    """A short sentence: an English msgid with `%(name)s` places, and what stands in them."""

    msgid: str
    values: Mapping[str, str] = field(default_factory=dict)

    def text(self, translate: Translate | None = None) -> str:
        """Return the sentence, translated where a translator is given."""
        return self.msgid % self.values if translate is None else translate(self.msgid, self.values)


@dataclass(frozen=True, slots=True)
class Person:
    """One individual (or, where `kind` is mac or host, a device that no person stands behind). Times: microseconds."""

    person: str
    kind: str
    start: int
    end: int
    evidence: tuple[RecordRef, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the chain. `sources` are those whose facts stand behind it."""

    layer: LayerName
    statement: Statement
    start: int
    end: int
    estimated: bool
    evidence: tuple[RecordRef, ...]
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gap:
    """A layer that is missing, or does not prove. `source_alive`: did all its sources speak around T; None: unknown."""

    layer: LayerName
    reason: Reason
    sources: tuple[str, ...] = ()
    source_alive: bool | None = None
    macs: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    address: str | None = None
    site: str | None = None


@dataclass(frozen=True, slots=True)
class ClockUse:
    """How well the clock of a source was known, around the facts that count. Seconds; offset = its time minus true."""

    source: str
    offset_s: float
    error_s: float
    known: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The whole answer. `persons` are individuals; `devices` are MACs and hosts behind which nobody is known."""

    question: Question
    verdict: Verdict
    persons: tuple[Person, ...]
    devices: tuple[Person, ...]
    chain: tuple[Step, ...]
    gaps: tuple[Gap, ...]
    clock_error_s: float
    clocks: tuple[ClockUse, ...]
    sources: tuple[str, ...]
    notes: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Period:
    """Where and when: one binding of an inner address, a MAC and a person, as far as each is known."""

    layer: LayerName
    start: int
    end: int
    estimated: bool
    site: str | None
    address: str | None
    mac: str | None
    host: str | None
    person: str | None
    kind: str | None
    source: str
    evidence: tuple[RecordRef, ...]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The answer to an inner question: periods in order of their start."""

    question: InnerQuestion
    periods: tuple[Period, ...]
    clocks: tuple[ClockUse, ...]


def as_json(answer: Answer | Whereabouts, translate: Translate | None = None) -> dict[str, Any]:
    """Return the documented shape; times are RFC 3339 UTC. Sentences are English where no translator is given."""
    if isinstance(answer, Whereabouts):
        return _whereabouts(answer)
    asked = answer.question
    return {
        "verdict": answer.verdict.value,
        "persons": [_person(one) for one in (*answer.persons, *answer.devices)],
        "chain": [_step(one, translate) for one in answer.chain],
        "gaps": [_gap(one) for one in answer.gaps],
        "clock_error_s": answer.clock_error_s,
        "question": {
            "public_ip": asked.public_ip,
            "public_port": asked.public_port,
            "protocol": asked.transport,
            "at": to_text(asked.at),
            "tolerance_s": asked.tolerance_s,
            "dst_ip": asked.target_ip,
            "dst_port": asked.target_port,
        },
        "clocks": [_clock(one) for one in answer.clocks],
        "sources": list(answer.sources),
        "notes": [one.text(translate) for one in answer.notes],
        "versions": {"attribution": VERSION, "facts": fact.VERSION},
    }


def _person(one: Person) -> dict[str, Any]:
    return {
        "person": one.person,
        "kind": one.kind,
        "from": _time(one.start),
        "to": _time(one.end),
        "evidence": [str(ref) for ref in one.evidence],
    }


def _step(one: Step, translate: Translate | None) -> dict[str, Any]:
    return {
        "layer": one.layer.value,
        "statement": one.statement.text(translate),
        "from": _time(one.start),
        "to": _time(one.end),
        "estimated": one.estimated,
        "evidence": [str(ref) for ref in one.evidence],
        "sources": list(one.sources),
    }


def _gap(one: Gap) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "layer": one.layer.value,
        "reason": one.reason.value,
        "source": ", ".join(one.sources) or None,
        "source_alive": one.source_alive,
    }
    if one.address is not None:
        shown |= {"address": one.address, "site": one.site}
    if one.macs:
        shown["macs"] = list(one.macs)
    if one.hosts:
        shown["hosts"] = list(one.hosts)
    return shown


def _clock(one: ClockUse) -> dict[str, Any]:
    return {"source": one.source, "offset_s": one.offset_s, "error_s": one.error_s, "known": one.known}


def _whereabouts(answer: Whereabouts) -> dict[str, Any]:
    asked = answer.question
    return {
        "question": {
            "inner_ip": asked.address,
            "mac": asked.mac,
            "person": asked.person,
            "site": asked.site,
            "from": _time(asked.first),
            "to": _time(asked.last),
        },
        "periods": [
            {
                "layer": one.layer.value,
                "from": _time(one.start),
                "to": _time(one.end),
                "estimated": one.estimated,
                "site": one.site,
                "address": one.address,
                "mac": one.mac,
                "host": one.host,
                "person": one.person,
                "kind": one.kind,
                "source": one.source,
                "evidence": [str(ref) for ref in one.evidence],
            }
            for one in answer.periods
        ],
        "clocks": [_clock(one) for one in answer.clocks],
        "versions": {"attribution": VERSION, "facts": fact.VERSION},
    }


def _time(at: int) -> str:
    return to_text(as_datetime(at))


def seconds(microseconds: int) -> float:
    """Return microseconds as seconds, to the millisecond."""
    return round(microseconds / SECOND, 3)
