"""The owner of a connection: everything that claims its inner address put together, and what stays open said."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from some.index.attribution.answer import Gap, LayerName, Reason, Statement, Step
from some.index.attribution.claims import Claim, Owner
from some.index.attribution.identity import NO_PERSON, Place, of_session, strongest, unproven
from some.index.attribution.lease import macs_of
from some.index.attribution.options import EDGE
from some.index.attribution.register import bounds
from some.index.attribution.window import Grade
from some.index.facts.fact import Layer, Span
from some.index.facts.persons import Kind, kind, normalised
from some.wording import marked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ingest.declared import StaticHost
    from some.index.attribution.alive import Alive
    from some.index.attribution.identity import Logins
    from some.index.attribution.joining import Connection
    from some.index.attribution.lease import Leases
    from some.index.attribution.logins import Stay
    from some.index.attribution.register import Register
    from some.index.facts.fact import Fact, FactStore

REGISTER: Final = "register"
_EVER: Final = 2**53 * 16
"""Later than any record; what the register leaves open."""

_SAID: Final = {
    "session": marked("The session's record names the user %(person)s."),
    "portal": marked("%(person)s had signed in at the portal from %(address)s."),
    "radius": marked("%(person)s had signed in by RADIUS (802.1X) at %(address)s."),
    "directory": marked("%(person)s had signed in at the directory from %(address)s."),
    "fsso": marked("The firewall knew %(person)s at %(address)s from the directory (FSSO)."),
    "firewall": marked("%(person)s had signed in at the firewall from %(address)s."),
    "vpn": marked("The VPN had assigned %(address)s to %(person)s."),
    "register": marked("The register of fixed addresses names %(person)s for %(address)s."),
    "": marked("%(person)s had signed in from %(address)s."),
}
_LEASED: Final = marked("%(address)s was leased to the device %(mac)s (%(host)s).")
_LEASED_NAMELESS: Final = marked("%(address)s was leased to the device %(mac)s.")


class Owners:
    """Finds who held an inner address when a connection was opened."""

    def __init__(self, store: FactStore, leases: Leases, logins: Logins, register: Register, alive: Alive) -> None:
        """Ask these."""
        self._store: Final = store
        self._leases: Final = leases
        self._logins: Final = logins
        self._register: Final = register
        self._alive: Final = alive

    def of(self, connection: Connection) -> Owner:
        """Return who opened the connection, as far as that can be known."""
        lines = self._register.at_address(connection.site, connection.inner_ip, connection.opened)
        place = self._place(connection, lines)
        steps = _lease_steps(place)
        mismatch = _mismatch(connection, place, lines)
        if mismatch:
            gap = self._gap(LayerName.IDENTITY, Reason.MAC_MISMATCH, place, mismatch)
            return Owner((), False, (gap,), steps, mismatch, _hosts(place, lines))
        known = self._logins.stays(place)
        claims = [*self._logins.claims(place, known), *self._registered(place, lines)]
        own = of_session(connection)
        if place.several:
            return self._of_shared_host(connection, place, [*claims, *([own] if own else [])], lines, steps)
        claims = strongest([*claims, *([own] if own else [])])
        steps = (*steps, *_identity_steps(claims, connection, place))
        if not claims:
            gaps = self._nobody(place, known, lines)
            return Owner((), False, gaps, steps, tuple(place.devices), _hosts(place, lines))
        gaps = self._doubts(connection, claims, place)
        return Owner(tuple(claims), not gaps, gaps, steps, tuple(place.devices), _hosts(place, lines))

    def _place(self, connection: Connection, lines: Sequence[tuple[StaticHost, Grade]]) -> Place:
        holders = tuple(self._leases.holders(connection.site, connection.inner_ip, connection.opened))
        devices: dict[str, Grade] = {}
        if connection.mac is not None:
            devices[connection.mac] = Grade.SURE
        else:
            for holder in holders:
                mac = holder.tenure.mac
                devices[mac] = max(holder.grade, devices.get(mac, Grade.NO))
            if not devices:
                devices = {host.mac: grade for host, grade in lines if host.mac is not None}
            elif len(devices) == 1 and holders[0].grade is Grade.EDGE and _narrow(connection):
                devices = dict.fromkeys(devices, Grade.SURE)  # nobody else can have held it
        several = any(host.multi_user for host, _ in lines) or any(
            host.multi_user
            for mac in devices
            for host, _ in self._register.of_mac(connection.site, mac, connection.opened)
        )
        return Place(connection.site, connection.inner_ip, connection.opened, devices, holders, several)

    def _registered(self, place: Place, lines: Sequence[tuple[StaticHost, Grade]]) -> list[Claim]:
        found = [_line_claim(host, grade) for host, grade in lines]
        for mac, through in place.devices.items():
            for host, grade in self._register.of_mac(place.site, mac, place.moment):
                if str(host.address) != place.address:
                    found.append(_line_claim(host, min(grade, through)))
        return [one for one in found if one is not None]

    def _of_shared_host(
        self,
        connection: Connection,
        place: Place,
        claims: Sequence[Claim],
        lines: Sequence[tuple[StaticHost, Grade]],
        steps: tuple[Step, ...],
    ) -> Owner:
        """Answer for a host that several people use at once: only its own record of the session names one of them."""
        own = self._own_record(connection)
        if own is not None:
            steps = (*steps, *_identity_steps([own], connection, place))
            return Owner((own,), True, (), steps, tuple(place.devices), _hosts(place, lines))
        claims = strongest(unproven(one, Reason.SHARED_HOST) for one in claims)
        gap = self._gap(LayerName.IDENTITY, Reason.SHARED_HOST, place, tuple(place.devices), _hosts(place, lines))
        steps = (*steps, *_identity_steps(claims, connection, place))
        return Owner(tuple(claims), False, (gap,), steps, tuple(place.devices), _hosts(place, lines))

    def _own_record(self, connection: Connection) -> Claim | None:
        """Return what the host's own log says of this very session: same endpoints, and not told by who translates."""
        if connection.inner_port is None:
            return None
        moment = connection.opened
        error = moment.error + moment.rounding
        span = Span(moment.at + moment.offset - error, moment.at + moment.offset + error)
        told: dict[str, list[Fact]] = {}
        for fact in self._store.inner_side(
            span, site=connection.site, inner_ip=connection.inner_ip, inner_port=connection.inner_port
        ):
            name = None if fact.person is None else normalised(fact.person)
            if name and kind(name) not in NO_PERSON and fact.source not in connection.sources:
                told.setdefault(name, []).append(fact)
        if len(told) != 1:
            return None
        name, facts = next(iter(told.items()))
        refs = tuple(sorted(one.ref for one in facts))
        claim = of_session(replace(connection, person=name, evidence=refs, opening_known=True))
        return None if claim is None else replace(claim, source=facts[0].source)

    def _doubts(self, connection: Connection, claims: Sequence[Claim], place: Place) -> tuple[Gap, ...]:
        """Return what keeps the claims from proving that exactly one individual held the address."""
        gaps: list[Gap] = []
        macs = tuple(place.devices)
        if len({one.person for one in claims}) > 1:
            gaps.append(self._gap(claims[0].layer, Reason.SEVERAL_HOLDERS, place, macs))
        elif not _holds(connection, claims):
            best = claims[0]
            weakness = best.weakness or Reason.ESTIMATED
            leased = weakness is Reason.LEASE_UNKNOWN
            gaps.append(
                self._gap(LayerName.LEASE if leased else best.layer, weakness, place, macs, sources=best.source)
            )
        if not connection.opening_known:
            gaps.append(self._alive.gap(LayerName.NAT, Reason.ESTIMATED, connection.site, sources=connection.sources))
        bound = {one.device for one in claims} | ({None} if any(one.way == "session" for one in claims) else set())
        unnamed = tuple(mac for mac in macs if len(macs) > 1 and mac not in bound and None not in bound)
        if unnamed:
            gaps.append(self._gap(LayerName.IDENTITY, Reason.CLOCK, place, unnamed))
        return tuple(gaps)

    def _nobody(
        self, place: Place, known: Sequence[Stay], lines: Sequence[tuple[StaticHost, Grade]]
    ) -> tuple[Gap, ...]:
        """Return the missing layers: the lease where no device is known and leases are told there, else the login.

        Both, where the lease that is known had run on in silence: the address may have been another device's by then,
        and no login of either is told.
        """
        hosts = _hosts(place, lines)
        macs = tuple(dict.fromkeys((*place.devices, *(one.person for one in known if one.kind is Kind.MAC))))
        here = [one for one in known if one.address == place.address]
        if not place.devices and not lines and not here and self._alive.speaks(Layer.LEASE, place.site):
            return (self._gap(LayerName.LEASE, Reason.NO_LEASE, place),)
        layer = LayerName.VPN if here and all(one.method == "vpn" for one in here) else LayerName.IDENTITY
        left = any(one.held.latest <= place.moment.at and one.closes for one in here)
        reason = Reason.HOST_ONLY if lines else Reason.LOGGED_OUT if left else Reason.NO_LOGIN
        login = self._gap(layer, reason, place, macs, hosts)
        if any(holder.silent for holder in place.holders) and Grade.SURE not in place.devices.values():
            return (self._gap(LayerName.LEASE, Reason.SOURCE_SILENT, place, macs, hosts), login)
        return (login,)

    def _gap(
        self,
        layer: LayerName,
        reason: Reason,
        place: Place,
        macs: tuple[str, ...] = (),
        hosts: tuple[str, ...] = (),
        *,
        sources: str | None = None,
    ) -> Gap:
        told = () if sources is None or layer is LayerName.LEASE else (sources,)
        gap = self._alive.gap(layer, reason, place.site, sources=told)
        return replace(gap, macs=macs, hosts=hosts, address=place.address, site=place.site)


def _narrow(connection: Connection) -> bool:
    return connection.opened.error + connection.opened.rounding <= EDGE


def _holds(connection: Connection, claims: Sequence[Claim]) -> bool:
    """Say whether the one person there is surely held the address.

    At the edge of his own binding he did too, where the clocks are good: the opening lies inside it as far as they tell
    (5.2b, window), and nobody else's binding is near.
    """
    best = claims[0].grade
    return best is Grade.SURE or (best is Grade.EDGE and connection.opening_known and _narrow(connection))


def _mismatch(connection: Connection, place: Place, lines: Sequence[tuple[StaticHost, Grade]]) -> tuple[str, ...]:
    """Return the devices that two sources name for one address at one moment; nothing where they agree."""
    leased = macs_of([one for one in place.holders if one.grade is Grade.SURE])
    registered = [host.mac for host, grade in lines if host.mac is not None and grade is Grade.SURE]
    if connection.mac is not None and leased and connection.mac not in macs_of(place.holders):
        return tuple(dict.fromkeys((connection.mac, *leased)))
    device = connection.mac or (leased[0] if len(leased) == 1 else None)
    if device is not None and registered and device not in registered:
        return tuple(dict.fromkeys((device, *registered)))
    return ()


def _hosts(place: Place, lines: Sequence[tuple[StaticHost, Grade]]) -> tuple[str, ...]:
    told = [host.host for host, _ in lines] + [one.tenure.host for one in place.holders]
    return tuple(dict.fromkeys(one for one in told if one))


def _line_claim(host: StaticHost, grade: Grade) -> Claim | None:
    name = None if host.person is None else normalised(host.person)
    if not name:
        return None
    start, end = bounds(host)
    return Claim(
        person=name,
        kind=kind(name).value,
        grade=grade,
        start=0 if start is None else start,
        end=_EVER if end is None else end,
        layer=LayerName.IDENTITY,
        way=REGISTER,
        source=None,
        evidence=(),
        device=host.mac,
        weakness=Reason.CLOCK if grade is Grade.EDGE else Reason.LEASE_UNKNOWN if grade < Grade.SURE else None,
    )


def _lease_steps(place: Place) -> tuple[Step, ...]:
    return tuple(
        Step(
            layer=LayerName.LEASE,
            statement=Statement(
                _LEASED if one.tenure.host else _LEASED_NAMELESS,
                {"address": place.address, "mac": one.tenure.mac, "host": one.tenure.host or ""},
            ),
            start=one.tenure.held.start,
            end=one.tenure.held.latest,
            estimated=one.grade is Grade.ESTIMATED,
            evidence=one.tenure.evidence,
            sources=one.tenure.sources,
        )
        for one in place.holders
    )


def _identity_steps(claims: Sequence[Claim], connection: Connection, place: Place) -> tuple[Step, ...]:
    steps = []
    for one in claims:
        start, end = max(one.start, connection.held.earliest), min(one.end, connection.held.latest)
        steps.append(
            Step(
                layer=one.layer,
                statement=Statement(_SAID[one.way], {"person": one.person, "address": place.address}),
                start=min(start, place.moment.at),
                end=max(end, place.moment.at),
                estimated=one.grade < Grade.EDGE,
                evidence=one.evidence,
                sources=() if one.source is None else (one.source,),
            )
        )
    return tuple(steps)
