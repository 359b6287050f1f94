"""Facts in a few words, and questions about them, for the tests of attribution."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

from ingest.declared import ClockPeriod, NatPorts, Site, Source, Sources, StaticHost
from ingest.fact_words import FactWord, LoginMethod
from some.index.attribution.answering import Attribution
from some.index.attribution.question import Question
from some.index.facts.fact import Fact, Layer, Minute
from some.index.facts.memory import MemoryFacts
from some.record import RecordRef

DAY0 = datetime(2026, 3, 10, tzinfo=UTC)
PUBLIC = "198.51.100.10"
INNER = "10.20.0.5"
TARGET = "203.0.113.80"
M1, M2, M3 = (f"00-00-5E-00-53-{n:02X}" for n in (1, 2, 3))


def us(text: str | int) -> int:
    """Microseconds of `09:30`, `09:30:05`, `09:30:05.5`, or of `2 09:30` on a later day; numbers pass."""
    if isinstance(text, int):
        return text
    day, _, clock = text.rpartition(" ")
    parts = [float(part) for part in clock.split(":")]
    seconds = parts[0] * 3600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0)
    start = DAY0 + timedelta(days=int(day or 0))
    return int(start.timestamp()) * 1_000_000 + round(seconds * 1_000_000)


def at(text: str) -> datetime:
    return datetime.fromtimestamp(us(text) / 1e6, UTC)


class Case:
    """A little world: facts, minutes, declarations. Every source's clock is right unless said otherwise."""

    def __init__(self, *, clocks: bool = True) -> None:
        self.facts: list[Fact] = []
        self.minutes: dict[str, dict[int, Minute]] = {}
        self.sources: dict[str, Source] = {}
        self.sites: dict[str, Site] = {}
        self.register: list[StaticHost] = []
        self._clocks = clocks
        self._next = 0

    def fact(
        self, layer: Layer, word: FactWord, source: str, start: str | int, end: str | int | None = None, **more
    ) -> Fact:
        first, last = us(start), us(start if end is None else end)
        opens, closes = more.pop("opens", False), more.pop("closes", False)
        self._next += 1
        one = Fact(
            layer, word, RecordRef("deneme", 1, self._next), source, more.pop("site", None), first, last, opens, closes,
            last, **more,
        )  # fmt: skip
        self.facts.append(one)
        self.source(source)
        return one

    def source(self, name: str, **more) -> Source:
        clock = (ClockPeriod(None, None, 0.0, 0.0),) if self._clocks else ()
        made = self.sources.get(name) or Source(name, "access", None, None, "auto", UTC, clock, NatPorts.SHARED, ())
        self.sources[name] = replace(made, **more)
        return self.sources[name]

    def session(self, start, end, *, port=40112, source="fw", inner=INNER, inner_port=51022, **more) -> Fact:
        more = {"target_ip": TARGET, "target_port": 443, "transport": "tcp", "opens": True, "closes": True} | more
        return self.fact(
            Layer.NAT, more.pop("word", FactWord.SESSION), source, start, end, inner_ip=inner, inner_port=inner_port,
            public_ip=more.pop("public_ip", PUBLIC), public_port=port, **more,
        )  # fmt: skip

    def point(self, word, moment, **more) -> Fact:
        opens, closes = word.endswith("opened"), word.endswith("closed")
        if word.startswith(("translation", "block")):
            more = {"target_ip": None, "target_port": None} | more
        return self.session(moment, None, word=FactWord(word), **({"opens": opens, "closes": closes} | more))

    def lease(self, moment, mac, *, hours: float | None = None, inner=INNER, source="dhcp", **more) -> Fact:
        promised = None if hours is None else us(moment) + round(hours * 3_600_000_000)
        return self.fact(
            Layer.LEASE, FactWord.LEASE_GRANTED, source, moment, inner_ip=inner, mac=mac, promised_to=promised, **more
        )

    def release(self, moment, mac, *, inner=INNER, source="dhcp", **more) -> Fact:
        return self.fact(
            Layer.LEASE, FactWord.LEASE_ENDED, source, moment, inner_ip=inner, mac=mac, closes=True, **more
        )

    def sign(self, word, moment, person, *, method="portal", source="portal", inner=INNER, **more) -> Fact:
        told = FactWord(word)
        opens, closes = told is FactWord.LOGIN, told is FactWord.LOGOUT
        return self.fact(
            Layer.IDENTITY, told, source, moment, inner_ip=inner, person=person, method=LoginMethod(method),
            **({"opens": opens, "closes": closes} | more),
        )  # fmt: skip

    def login(self, start, end, person, **more) -> None:
        """Add a login with its logout (None: never told)."""
        self.sign("login", start, person, **more)
        if end is not None:
            self.sign("logout", end, person, **more)

    def host(
        self, address=INNER, person=None, *, site="merkez", mac=None, host=None, multi_user=False, start=None, end=None
    ):
        self.register.append(
            StaticHost(
                site, ip_address(address), mac, host, person, multi_user,
                None if start is None else at(start), None if end is None else at(end),
            )
        )  # fmt: skip

    def site(self, name: str, *public: str) -> None:
        self.sites[name] = Site(name, (), tuple(ip_network(one) for one in public))

    def speaks(self, source: str, start, end, *, every: int = 60, delays=None) -> None:
        """Let a source speak every so many seconds (device time)."""
        held = self.minutes.setdefault(source, {})
        for moment in range(us(start), us(end), every * 1_000_000):
            minute = moment // 60_000_000
            known = dict(delays) if delays else {}
            old = held.get(minute)
            if old is None:
                held[minute] = Minute(minute, moment, moment, 1, known)
            else:
                held[minute] = Minute(minute, min(old.first, moment), max(old.last, moment), old.count + 1, known)
        if source not in self.sources:
            self.source(source)

    def declared(self) -> Sources:
        return Sources(self.sites, self.sources, tuple(self.register))

    def attribution(self, options=None) -> Attribution:
        store = MemoryFacts(self.facts, {name: held.values() for name, held in self.minutes.items()})
        return Attribution(store, self.declared(), options)

    def ask(self, moment, *, port=40112, transport="tcp", target=None, tolerance=0.0, public=PUBLIC, options=None):
        ip, target_port = target or (None, None)
        question = Question(
            public, port, transport, at(moment) if isinstance(moment, str) else moment, tolerance, ip, target_port
        )
        return self.attribution(options).answer(question)


def told(answer) -> tuple[str, list[str]]:
    """Verdict and names."""
    return answer.verdict.value, [one.person for one in answer.persons]


def gaps(answer) -> list[tuple[str, str]]:
    return [(one.layer.value, one.reason.value) for one in answer.gaps]
