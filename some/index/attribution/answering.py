"""The answer: who opened every connection that used the public side in the window, and whether that is proven."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeVar

from some.index.attribution.alive import Alive
from some.index.attribution.answer import (
    Answer,
    ClockUse,
    Gap,
    LayerName,
    Person,
    Reason,
    Statement,
    Step,
    Verdict,
    seconds,
)
from some.index.attribution.chain import Behind, Inwards
from some.index.attribution.clocks import Clocks, Known
from some.index.attribution.identity import Logins
from some.index.attribution.lease import Leases
from some.index.attribution.nat import Translations
from some.index.attribution.options import AttributionOptions
from some.index.attribution.owner import Owners
from some.index.attribution.register import Register
from some.index.attribution.silence import Silence
from some.index.attribution.speech import Speech
from some.index.attribution.whereabouts import Traces
from some.index.attribution.window import SECOND
from some.index.facts.kept import KeptFacts
from some.index.facts.persons import Kind
from some.wording import marked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ingest.declared import Sources
    from some.index.attribution.answer import Whereabouts
    from some.index.attribution.claims import Claim, Owner
    from some.index.attribution.joining import Connection
    from some.index.attribution.nat import Found, Used
    from some.index.attribution.question import InnerQuestion, Question
    from some.index.facts.fact import FactStore
    from some.record import RecordRef

_T = TypeVar("_T")

_OPENED: Final = marked("%(inner)s used %(public)s (%(transport)s) towards %(target)s, says %(source)s.")
_OWNED: Final = marked("%(source)s gave %(public)s (%(transport)s) to %(inner)s, for every destination.")
_PROXIED: Final = marked("%(inner)s used the proxy's %(public)s towards %(target)s, says %(source)s.")
_NO_PORT_ASKED: Final = marked("No port was asked for: the answer rests on destination and time.")
_NO_PORT_TOLD: Final = marked("The source tells no public port: the answer rests on destination and time.")
_UNKNOWN_CLOCK: Final = marked("Nothing is known of the clock of %(source)s: an error of %(seconds)s s was assumed.")
_IDLE_SOURCE: Final = marked("%(source)s was silent around that time: that nobody else used the port is not proven.")


@dataclass(frozen=True, slots=True)
class _Result:
    """One way inwards from one connection, with its owner (None where the way ends before an owner)."""

    used: Used
    behind: Behind
    owner: Owner | None
    gaps: tuple[Gap, ...]

    @property
    def last(self) -> Connection:
        return self.behind.path[-1]


class Attribution:
    """Answers questions over a store of facts. Pure but for the store: the same facts give the same answer."""

    def __init__(self, store: FactStore, declared: Sources, options: AttributionOptions | None = None) -> None:
        """Answer with what `store` holds and what is `declared`."""
        chosen = AttributionOptions() if options is None else options
        store = KeptFacts(store)
        speech = Speech(store)
        self._store: Final = store
        self._clocks: Final = Clocks(speech, declared, round(chosen.unknown_clock_s * SECOND))
        self._silence: Final = Silence(speech, round(chosen.silence_floor_s * SECOND))
        self._leases: Final = Leases(store, self._clocks, self._silence, round(chosen.longest_lease_s * SECOND))
        longest_login = round(chosen.longest_login_s * SECOND)
        self._logins: Final = Logins(store, self._clocks, self._silence, self._leases, longest_login)
        self._register: Final = Register(declared)
        self._translations: Final = Translations(
            store, self._clocks, declared, round(chosen.longest_session_s * SECOND)
        )
        self._inwards: Final = Inwards(store, self._translations, chosen.max_depth)
        self._traces: Final = Traces(store, self._clocks, self._leases, self._register, longest_login)

    def answer(self, question: Question) -> Answer:
        """Return who it was, as far as the facts prove; raises Unavailable where the store does."""
        start, end = question.moment - question.tolerance, question.moment + question.tolerance
        alive = Alive(self._store, self._clocks, self._silence, start, end)
        found = self._translations.find(question)
        if not found.used:
            return self._nobody(question, found, alive)
        owners = Owners(self._store, self._leases, self._logins, self._register, alive)
        results = [
            _result(used, behind, owners, alive)
            for used in found.used
            for behind in self._inwards.follow(used.connection, start, end)
        ]
        doubts, notes = self._doubts(question, found, alive, start, end)
        return self._told(question, found, results, doubts, notes)

    def whereabouts(self, question: InnerQuestion) -> Whereabouts:
        """Return where an address, a device or a person was, period by period."""
        return self._traces.of(question)

    def _nobody(self, question: Question, found: Found, alive: Alive) -> Answer:
        spoke = alive.spoke(found.sources)
        reason = Reason.SOURCE_SILENT if spoke is False else Reason.NO_SESSION
        gap = Gap(LayerName.NAT, reason, found.sources, spoke)
        clocks = self._clock_uses(((one, question.moment) for one in found.sources), {})
        return Answer(
            question=question,
            verdict=Verdict.GAP,
            persons=(),
            devices=(),
            chain=(),
            gaps=(gap,),
            clock_error_s=max((one.error_s for one in clocks), default=0.0),
            clocks=clocks,
            sources=found.sources,
            notes=_clock_notes(clocks),
        )

    def _doubts(
        self, question: Question, found: Found, alive: Alive, start: int, end: int
    ) -> tuple[tuple[Gap, ...], tuple[Statement, ...]]:
        """Return what keeps the connections found from being all there were."""
        gaps, notes = [], []
        if found.portless:
            notes.append(Statement(_NO_PORT_ASKED if question.public_port is None else _NO_PORT_TOLD))
            # By §5.2 rule 6 the answer degrades to destination and time. With the whole destination given, every
            # connection towards it in the window was told (its source was alive), so if one individual opened them all
            # it can have been nobody else; without it, others may have used other ports.
            if not question.fully_targeted or any(one.connection.target_ip is None for one in found.used):
                gaps.append(Gap(LayerName.NAT, Reason.NO_PUBLIC_PORT, found.sources, alive.spoke(found.sources)))
        error = max(one.connection.held.error + one.connection.held.rounding for one in found.used)
        silent = alive.broken(found.sources, start - error, end + error)
        if silent and (found.portless or not question.fully_targeted):
            gaps.append(Gap(LayerName.NAT, Reason.SOURCE_SILENT, silent, alive.spoke(silent)))
            notes += [Statement(_IDLE_SOURCE, {"source": one}) for one in silent]
        return tuple(gaps), tuple(notes)

    def _told(
        self,
        question: Question,
        found: Found,
        results: Sequence[_Result],
        doubts: tuple[Gap, ...],
        notes: tuple[Statement, ...],
    ) -> Answer:
        names = {name for one in results if one.owner is not None for name in one.owner.persons}
        gaps = [*doubts, *(gap for one in results for gap in one.gaps)]
        # An estimated connection of the one person who surely opened another in the window names nobody else.
        certain = len(names) == 1 and not gaps and any(one.used.proven and one.behind.proven for one in results)
        if not certain:
            gaps += _estimated(results)
        verdict = Verdict.CERTAIN if certain else Verdict.CANDIDATES if names else Verdict.GAP
        steps = _once(step for one in results for step in _steps(one))
        clocks = self._clock_uses(((source, step.start) for step in steps for source in step.sources), {})
        told = tuple(sorted({*found.sources, *(source for step in steps for source in step.sources)}))
        return Answer(
            question=question,
            verdict=verdict,
            persons=_persons(results),
            devices=_devices(results),
            chain=steps,
            gaps=_once(gaps),
            clock_error_s=max((one.error_s for one in clocks), default=0.0),
            clocks=clocks,
            sources=told,
            notes=(*notes, *_clock_notes(clocks)),
        )

    def _clock_uses(self, uses: Iterable[tuple[str, int]], worst: dict[str, ClockUse]) -> tuple[ClockUse, ...]:
        """Return each source's clock, at its worst of the times it was used for."""
        for source, at in uses:
            reading = self._clocks.at(source, self._clocks.device_time(source, at))
            use = ClockUse(source, seconds(reading.offset), seconds(reading.error), reading.how.value)
            if source not in worst or use.error_s > worst[source].error_s:
                worst[source] = use
        return tuple(worst[source] for source in sorted(worst))


def _result(used: Used, behind: Behind, owners: Owners, alive: Alive) -> _Result:
    last = behind.path[-1]
    if behind.loop or behind.proxy:
        reason = Reason.LOOP if behind.loop else Reason.NO_SESSION
        gap = alive.gap(LayerName.PROXY, reason, last.site)
        return _Result(used, behind, None, (replace(gap, address=last.inner_ip, site=last.site),))
    owner = owners.of(last)
    return _Result(used, behind, owner, owner.gaps)


def _estimated(results: Sequence[_Result]) -> list[Gap]:
    """Return the gaps of connections that are in the window only by estimate, each at the step that is not attested."""
    layers: dict[LayerName, set[str]] = {}
    for one in results:
        if not one.used.proven:
            layers.setdefault(LayerName.NAT, set()).update(one.used.connection.sources)
        elif not one.behind.proven:
            last = one.behind.path[-1]
            layers.setdefault(_layer(last), set()).update(last.sources)
    return [Gap(layer, Reason.ESTIMATED, tuple(sorted(sources)), None) for layer, sources in sorted(layers.items())]


def _layer(one: Connection) -> LayerName:
    return LayerName.PROXY if one.family == "proxied" else LayerName.NAT


def _steps(result: _Result) -> list[Step]:
    steps = []
    for one in result.behind.path:
        held = one.held
        steps.append(
            Step(
                layer=_layer(one),
                statement=_said(one),
                start=held.earliest,
                end=held.latest,
                estimated=held.estimated,
                evidence=one.evidence,
                sources=one.sources,
            )
        )
    return [*steps, *(result.owner.steps if result.owner is not None else ())]


def _said(one: Connection) -> Statement:
    msgid = _PROXIED if one.family == "proxied" else _OWNED if one.covers_all_targets else _OPENED
    ports = f"{one.port_first}-{one.port_last}" if one.port_first is not None else one.public_port
    return Statement(
        msgid,
        {
            "inner": _endpoint(one.inner_ip, one.inner_port),
            "public": _endpoint(one.public_ip, ports),
            "target": _endpoint(one.target_ip, one.target_port),
            "transport": one.transport or "?",
            "source": ", ".join(one.sources),
        },
    )


def _endpoint(address: str | None, port: int | str | None) -> str:
    host = "?" if address is None else f"[{address}]" if ":" in address else address
    return host if port is None else f"{host}:{port}"


def _persons(results: Sequence[_Result]) -> tuple[Person, ...]:
    found: dict[str, Person] = {}
    for result in results:
        for claim in () if result.owner is None else result.owner.claims:
            start, end = _together(claim, result.last)
            mine = Person(claim.person, claim.kind, start, end, tuple(sorted({*claim.evidence, *_path(result)})))
            found[claim.person] = _joined(found.get(claim.person), mine)
    return tuple(found[name] for name in sorted(found))


def _devices(results: Sequence[_Result]) -> tuple[Person, ...]:
    """Return the devices of connections that name nobody."""
    found: dict[str, Person] = {}
    for result in results:
        owner = result.owner
        if owner is None or owner.claims:
            continue
        held = result.last.held
        macs = {mac for gap in owner.gaps for mac in gap.macs}
        names = [(mac, Kind.MAC.value) for mac in sorted(macs)] + [(host, Kind.HOST.value) for host in owner.hosts]
        evidence = tuple(sorted({ref for step in owner.steps for ref in step.evidence} | set(_path(result))))
        for name, kind in names:
            found[name] = _joined(found.get(name), Person(name, kind, held.start, held.end, evidence))
    return tuple(found[name] for name in sorted(found))


def _path(result: _Result) -> list[RecordRef]:
    return [ref for one in result.behind.path for ref in one.evidence]


def _together(claim: Claim, connection: Connection) -> tuple[int, int]:
    """Return the intersection of session and binding; where they only touch within the clocks' error, the opening."""
    held = connection.held
    start, end = max(claim.start, held.start), min(claim.end, held.end)
    return (start, end) if start <= end else (connection.opened.at, connection.opened.at)


def _joined(one: Person | None, other: Person) -> Person:
    if one is None:
        return other
    evidence = tuple(sorted({*one.evidence, *other.evidence}))
    return replace(one, start=min(one.start, other.start), end=max(one.end, other.end), evidence=evidence)


def _clock_notes(clocks: Sequence[ClockUse]) -> tuple[Statement, ...]:
    return tuple(
        Statement(_UNKNOWN_CLOCK, {"source": one.source, "seconds": f"{one.error_s:.0f}"})
        for one in clocks
        if one.known == Known.UNKNOWN
    )


def _once(many: Iterable[_T]) -> tuple[_T, ...]:
    found: list[_T] = []
    for one in many:
        if one not in found:
            found.append(one)
    return tuple(found)
