"""Who held an inner address at the moment a connection from it was opened.

Everything that claims to know is asked: the session's own user name, the register, sign-ins at the address, and those
on the device that a lease or the firewall names. Conflicts are facts too: whoever claims the address stays on the list.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from ingest.fact_words import LoginMethod
from some.index.attribution.answer import LayerName, Reason
from some.index.attribution.claims import Claim
from some.index.attribution.logins import WEAK, stays
from some.index.attribution.sightings import presences
from some.index.attribution.window import DAY, Grade, Moment
from some.index.facts.fact import Layer, Span
from some.index.facts.persons import Kind, kind, normalised

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from some.index.attribution.clocks import Clocks
    from some.index.attribution.joining import Connection
    from some.index.attribution.lease import Holder, Leases
    from some.index.attribution.logins import Stay
    from some.index.attribution.silence import Silence
    from some.index.facts.fact import Fact, FactStore

_ROAMING: Final = DAY
"""How far around a moment other addresses of a device are looked at for who signed in there."""
NO_PERSON: Final = frozenset({Kind.MAC, Kind.HOST})


@dataclass(frozen=True, slots=True)
class Place:
    """An inner address when a connection was opened: which devices may have held it (with how well that is known)."""

    site: str | None
    address: str
    moment: Moment
    devices: Mapping[str, Grade]
    holders: tuple[Holder, ...]
    several: bool


class Logins:
    """Sign-ins, read from the store when asked."""

    def __init__(self, store: FactStore, clocks: Clocks, silence: Silence, leases: Leases, longest: int) -> None:
        """Look at most `longest` microseconds back and ahead."""
        self._store: Final = store
        self._clocks: Final = clocks
        self._silence: Final = silence
        self._leases: Final = leases
        self._longest: Final = longest

    def stays(self, place: Place) -> list[Stay]:
        """Return every stay at the address, and on the devices that may have held it, around the moment."""
        span = Span(place.moment.at - self._longest, place.moment.at + self._longest)
        facts = list(self._store.identities(span, site=place.site, addresses=(place.address,)))
        macs = {*place.devices, *(one.mac for one in facts if one.mac is not None)}
        if macs:
            facts += self._store.identities(span, site=place.site, macs=macs)
        facts += self._elsewhere(place)
        facts += self._sign_outs(facts, span)
        return stays(facts, self._clocks, self._longest, several=place.several)

    def claims(self, place: Place, known: Iterable[Stay]) -> list[Claim]:
        """Return what `known` stays claim about the place."""
        found: list[Claim] = []
        on_device: list[Stay] = []
        known = list(known)
        self._leases.expect(
            place.site,
            {one.address for one in known if one.mac is None and one.address is not None},
            [one.held.start for one in known],
        )
        for stay in known:
            device = self.device_of(stay)
            fits = self._fits(stay, device, place)
            if fits and stay.kind not in NO_PERSON:
                on_device.append(stay)
            claim = self._claim(stay, device, place, fits=fits)
            if claim is not None:
                found.append(claim)
        return [*found, *self._of_sightings(on_device, place)]

    def device_of(self, stay: Stay) -> str | None:
        """Return the MAC that a stay is of: as told, else of the lease when it began."""
        if stay.mac is not None or stay.address is None:
            return stay.mac
        held = stay.held
        began = Moment(held.start, held.source, held.offset, held.error, held.rounding)
        return self._leases.mac_at(stay.site, stay.address, began)

    def _fits(self, stay: Stay, device: str | None, place: Place) -> bool:
        """Say whether a stay is of this place: of its address or of its device, and not of another device."""
        known = bool(place.devices)
        if stay.address == place.address:
            return device is None or not known or device in place.devices
        if device is None or device not in place.devices:
            return False
        return stay.weak or stay.address is None or stay.method is LoginMethod.RADIUS

    def _claim(self, stay: Stay, device: str | None, place: Place, *, fits: bool) -> Claim | None:
        grade = stay.held.grade(place.moment)
        if grade is Grade.NO or stay.kind in NO_PERSON:
            return None
        if stay.weak and grade < Grade.EDGE and not place.several:
            return None  # sightings say it better
        weakness = Reason.ESTIMATED if grade is Grade.ESTIMATED else Reason.CLOCK if grade is Grade.EDGE else None
        if not fits:
            if stay.address != place.address or grade is Grade.ESTIMATED or stay.weak:
                return None
            grade, weakness = Grade.ESTIMATED, Reason.HANDED_ON if stay.mac is None else Reason.MAC_MISMATCH
        else:
            grade, weakness = self._through_device(stay, device, place, grade, weakness)
        return Claim(
            person=stay.person,
            kind=stay.kind.value,
            grade=grade,
            start=min(stay.held.start, place.moment.at) if grade is Grade.ESTIMATED else stay.held.start,
            end=stay.held.latest if grade is Grade.ESTIMATED else stay.held.end,
            layer=LayerName.VPN if stay.method is LoginMethod.VPN else LayerName.IDENTITY,
            way="" if stay.method is None else stay.method.value,
            source=stay.source,
            evidence=stay.evidence,
            device=device,
            weakness=weakness,
        )

    @staticmethod
    def _through_device(
        stay: Stay, device: str | None, place: Place, grade: Grade, weakness: Reason | None
    ) -> tuple[Grade, Reason | None]:
        """Weaken what depends on a device that is not surely there.

        A sign-in at the address needs no lease; but where the address was changing hands, nobody is sure.
        """
        if device is None or device not in place.devices:
            return grade, weakness
        through = place.devices[device]
        if stay.address == place.address and len(place.devices) == 1:
            return grade, weakness
        if through >= grade:
            return grade, weakness
        reason = Reason.LEASE_UNKNOWN if through is Grade.ESTIMATED else Reason.CLOCK
        return through, reason

    def _of_sightings(self, on_device: list[Stay], place: Place) -> list[Claim]:
        found = []
        for one in presences(on_device, place.moment, self._longest):
            stay = one.before
            grade = one.grade
            weakness = Reason.ESTIMATED if grade is Grade.ESTIMATED else Reason.CLOCK if grade is Grade.EDGE else None
            if grade is not Grade.ESTIMATED and self._silent(one.start, one.end, stay, one.after):
                grade, weakness = Grade.ESTIMATED, Reason.SOURCE_SILENT
            device = self.device_of(stay)
            grade, weakness = self._through_device(stay, device, place, grade, weakness)
            after = () if one.after is None else one.after.evidence
            found.append(
                Claim(
                    person=stay.person,
                    kind=stay.kind.value,
                    grade=grade,
                    start=one.start,
                    end=one.end,
                    layer=LayerName.IDENTITY,
                    way="" if stay.method is None else stay.method.value,
                    source=stay.source,
                    evidence=tuple(sorted({*stay.evidence, *after})),
                    device=device,
                    weakness=weakness,
                )
            )
        return found

    def _silent(self, start: int, end: int, *seen: Stay | None) -> bool:
        sources = {one.source for one in seen if one is not None}
        return any(
            self._silence.within(one, self._clocks.device_time(one, start), self._clocks.device_time(one, end))
            for one in sources
        )

    def _elsewhere(self, place: Place) -> list[Fact]:
        """Return sign-ins at other addresses that a device of the place held around then: a device roams."""
        found: list[Fact] = []
        start, end = place.moment.at - _ROAMING, place.moment.at + _ROAMING
        tenures = [
            one
            for mac in sorted(place.devices)
            for one in self._leases.of_mac(place.site, mac, start, end)
            if one.address != place.address
        ]
        if tenures:  # read in one go what is asked for tenure by tenure below; the store keeps it
            self._store.identities(Span(start, end), site=place.site, addresses={one.address for one in tenures})
        for tenure in tenures:
            span = Span(max(start, tenure.held.start), min(end, tenure.held.latest))
            if span.start <= span.end:
                facts = self._store.identities(span, site=place.site, addresses=(tenure.address,))
                found += [one for one in facts if one.method in WEAK]
        return found

    def _sign_outs(self, facts: Iterable[Fact], span: Span) -> list[Fact]:
        """Return what else is told of the sessions that somebody opened there: a sign-out may name no address."""
        sessions = {(one.source, one.session) for one in facts if one.session is not None}
        open_ = sessions - {(one.source, one.session) for one in facts if one.session is not None and one.closes}
        people = {
            name
            for one in facts
            if one.person is not None
            and (one.source, one.session) in open_
            and (name := normalised(one.person)) is not None
        }
        if not people:
            return []
        told = self._store.of_persons(span, persons=people, layer=Layer.IDENTITY)
        return [one for one in told if (one.source, one.session) in sessions]


def of_session(connection: Connection) -> Claim | None:
    """Return the claim of the session's own user name, where the firewall or proxy told one."""
    name = None if connection.person is None else normalised(connection.person)
    if not name or kind(name) in NO_PERSON:
        return None
    return Claim(
        person=name,
        kind=kind(name).value,
        grade=Grade.SURE if connection.opening_known else Grade.EDGE,
        start=connection.held.start,
        end=connection.held.end,
        layer=LayerName.IDENTITY,
        way="session",
        source=connection.sources[0],
        evidence=connection.evidence,
        device=connection.mac,
    )


def strongest(claims: Iterable[Claim]) -> list[Claim]:
    """Return each person's best claims first, in a fixed order."""
    return sorted(claims, key=lambda one: (-one.grade, one.person, one.way, one.start, one.evidence))


def unproven(claim: Claim, reason: Reason) -> Claim:
    """Return the claim as one that proves nothing."""
    return replace(claim, grade=Grade.ESTIMATED, weakness=reason)
