"""What every store of facts must answer: Hypothesis draws facts and questions, and the plain store says what is right.

A store's test draws `attested()` and a list of `questions()`, fills its store, and calls `compare`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from ingest.fact_words import FactWord, LoginMethod
from some.index.facts.fact import Fact, FactStore, Layer, Minute, Span
from some.record import RecordRef

if TYPE_CHECKING:
    from some.index.facts.memory import MemoryFacts

LEDGER = "deneme1"
ORIGIN = 1_795_417_200_000_000
MINUTE_US = 60_000_000

_WORDS = {
    Layer.NAT: [
        word for word in FactWord if word.startswith(("session", "translation", "block"))
    ],
    Layer.LEASE: [FactWord.LEASE_GRANTED, FactWord.LEASE_ENDED],
    Layer.IDENTITY: [FactWord.LOGIN, FactWord.LOGIN_SEEN, FactWord.LOGOUT, FactWord.RESTART],
}  # fmt: skip
_INNER = ["10.0.0.1", "10.0.0.2", "2001:db8::7"]
_PUBLIC = ["203.0.113.5", "203.0.113.6", "2001:db8:1::1"]
_TARGETS = ["198.51.100.1", "198.51.100.2"]
_MACS = ["00-00-5E-00-53-01", "00-00-5E-00-53-02"]
_PERSONS = ["ayse", "AYŞE", "DOM\\ayşe", "ayşe@example.org", "0532 000 00 00", "+905320000000", "00:00:5e:00:53:01"]
_KEYS = ["ayse", "ayşe", "+905320000000", "nobody"]
_METHODS = ("public_side", "tellers", "inner_side", "leases", "identities", "of_persons", "minutes", "speakers")
_SITES = ["merkez", "şube", None]
_PORTS = [1024, 1025, 2048, 65_535]
_MOMENTS = st.integers(0, 40).map(lambda step: ORIGIN + step * 30_000_000)


def _maybe(values):
    return st.none() | st.sampled_from(values)


@st.composite
def _fact(draw, at: int) -> Fact:
    layer = draw(st.sampled_from(Layer))
    begins = draw(_MOMENTS)
    nat, lease = layer is Layer.NAT, layer is Layer.LEASE
    block = draw(st.booleans()) if nat else False
    known_to = begins + draw(st.integers(0, 5)) * 60_000_000
    return Fact(
        layer=layer,
        word=draw(st.sampled_from(_WORDS[layer])),
        ref=RecordRef(LEDGER, draw(st.integers(0, 3)), at),
        source=draw(st.sampled_from(["fw1", "fw2", "radius"])),
        site=draw(st.sampled_from(_SITES)),
        known_from=begins,
        known_to=known_to,
        opens=draw(st.booleans()),
        closes=draw(st.booleans()),
        received=begins + draw(st.integers(0, 3)) * 86_400_000_000,
        whole_seconds=draw(st.booleans()),
        promised_to=known_to + draw(st.integers(0, 10)) * 60_000_000 if lease and draw(st.booleans()) else None,
        device=draw(_maybe(["FW-1", "FW-2"])),
        session=draw(_maybe(["FW-1//1", "FW-1//2"])),
        inner_ip=draw(_maybe(_INNER)),
        inner_port=draw(_maybe(_PORTS)) if nat else None,
        public_ip=None if lease else draw(_maybe(_PUBLIC)),
        public_port=draw(_maybe(_PORTS)) if nat and not block else None,
        port_first=1024 if block else None,
        port_last=2047 if block else None,
        target_ip=draw(_maybe(_TARGETS)) if nat else None,
        target_port=draw(_maybe([80, 443])) if nat else None,
        transport=draw(_maybe(["tcp", "udp"])) if nat else None,
        mac=draw(_maybe(_MACS)),
        host=draw(_maybe(["pc-1"])) if lease else None,
        person=None if lease else draw(_maybe(_PERSONS)),
        method=draw(_maybe(list(LoginMethod))) if layer is Layer.IDENTITY else None,
    )


@st.composite
def attested(draw, most: int = 60) -> list[Fact]:
    """Draw facts of all layers, one for each record."""
    return [draw(_fact(at)) for at in range(draw(st.integers(0, most)))]


@st.composite
def spoken(draw) -> dict[str, list[Minute]]:
    """Draw the minutes of some sources."""
    made: dict[str, list[Minute]] = {}
    for source in ("fw1", "radius"):
        numbers = draw(st.lists(st.integers(0, 30), unique=True, max_size=8))
        made[source] = []
        for number in sorted(numbers):
            minute = ORIGIN // MINUTE_US + number
            delays = draw(st.dictionaries(st.integers(-5, 40), st.integers(1, 9), max_size=4))
            first = minute * MINUTE_US + draw(st.integers(0, 20_000_000))
            last = first + draw(st.integers(0, 20_000_000))
            count = sum(delays.values()) + draw(st.integers(0 if delays else 1, 5))
            made[source].append(Minute(minute, first, last, count, delays))
    return made


@st.composite
def questions(draw) -> tuple[str, tuple, dict]:
    """Draw one call of a store: method, arguments."""
    start = draw(_MOMENTS) + draw(st.integers(-1, 1))
    span = Span(start, start + draw(st.sampled_from([0, 1, 60_000_000, 600_000_000])))
    name = draw(st.sampled_from(_METHODS))
    site = draw(st.sampled_from(_SITES))
    if name == "public_side":
        asked = {
            "public_ip": draw(_maybe(_PUBLIC)),
            "public_port": draw(_maybe([*_PORTS, 1500])),
            "transport": draw(_maybe(["tcp", "udp"])),
            "target_ip": draw(_maybe(_TARGETS)),
            "target_port": draw(_maybe([80, 443])),
            "site": site,
            "told": draw(st.sampled_from([None, True, False])),
        }
        if asked["public_ip"] is None and (asked["target_ip"] is None or site is None):
            asked["public_ip"] = _PUBLIC[0]
        return name, (span,), asked
    if name == "tellers":
        return name, (span,), {"public_ip": draw(st.sampled_from(_PUBLIC))}
    if name == "inner_side":
        asked = {"site": site, "inner_ip": draw(st.sampled_from(_INNER)), "inner_port": draw(_maybe(_PORTS))}
        return name, (span,), asked
    if name in {"leases", "identities"}:
        by = draw(st.sampled_from(["address", "mac", "both"]))
        asked = {"site": site}
        if by != "mac":
            asked["addresses"] = draw(st.lists(st.sampled_from(_INNER), max_size=3, unique=True))
        if by != "address":
            asked["macs"] = draw(st.lists(st.sampled_from(_MACS), max_size=2, unique=True))
        return name, (span,), asked
    if name == "of_persons":
        asked = {
            "persons": draw(st.lists(st.sampled_from(_KEYS), max_size=3, unique=True)),
            "layer": draw(st.sampled_from([None, Layer.NAT, Layer.IDENTITY])),
        }
        return name, (span,), asked
    return (
        (name, (draw(st.sampled_from(["fw1", "radius", "silent"])), span), {}) if name == "minutes" else (name, (), {})
    )


def compare(
    store: FactStore, plain: MemoryFacts, asked: list[tuple[str, tuple, dict]], *, unordered: bool = False
) -> None:
    """Assert that `store` answers as the plain store does."""
    for name, arguments, keys in asked:
        found = list(getattr(store, name)(*arguments, **keys))
        right = list(getattr(plain, name)(*arguments, **keys))
        if name == "speakers" or unordered:
            found, right = sorted(found, key=repr), sorted(right, key=repr)
        assert found == right, (name, arguments, keys)
