"""What a record attests: word by word, and against a plain reading of the rules row by row."""

from __future__ import annotations

from datetime import UTC
from ipaddress import ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.declared import NatPorts, Source, Sources
from ingest.fact_words import FactWord, LoginMethod
from ingest.parsing import Batch
from some.index.facts.build import facts
from some.index.facts.fact import Fact, Layer
from some.index.facts.persons import Kind, kind, normalised
from some.index.facts.sites import Sites
from some.index.segments import SourceRun
from some.record import RecordRef

AT = 1_795_417_200_250_000
SECOND = 1_000_000


def declared(name: str, site: str | None = None, nas_sites=()) -> Source:
    networks = tuple((ip_network(network), place) for network, place in nas_sites)
    return Source(name, "access", None, site, "auto", UTC, (), NatPorts.SHARED, networks)


SITES = Sites(
    Sources(
        {},
        {
            "fw1": declared("fw1", "merkez"),
            "radius": declared("radius", "merkez", [("10.0.0.0/8", "uzak"), ("10.1.0.0/16", "şube")]),
        },
        (),
    )
)


def of(documents: list[dict], source: str = "fw1") -> list[Fact]:
    """Return the facts of these documents, which stand at positions 100, 101, ... of segment 7."""
    flat = [{"@timestamp": AT, "event.kind": "event", **one} for one in documents]
    names = {name for one in flat for name in one}
    batch = Batch(list(range(len(flat))), {name: [one.get(name) for one in flat] for name in sorted(names)})
    count = len(flat)
    run = SourceRun(source, list(range(100, 100 + count)), [AT + 5] * count, ["udp:x"] * count, [b"x"] * count)
    return facts(batch, run, 7, "deneme1", SITES)


def one(source: str = "fw1", **told) -> Fact:
    (made,) = of([{name.replace("__", "."): value for name, value in told.items()}], source)
    return made


def test_a_session_has_the_ends_that_it_tells():
    made = one(
        some__fact="session", event__start=AT - 7 * SECOND, event__end=AT, source__ip="10.0.0.7", source__port=5000,
        source__nat__ip="203.0.113.5", source__nat__port=40_000, destination__ip="198.51.100.1", destination__port=443,
        network__transport="tcp", source__mac="00-00-5E-00-53-23", some__session__id="77", some__vdom="ana",
        observer__serial_number="FG1", observer__hostname="fw", user__name="DOM\\AYŞE",
    )  # fmt: skip
    assert made == Fact(
        layer=Layer.NAT, word=FactWord.SESSION, ref=RecordRef("deneme1", 7, 100), source="fw1", site="merkez",
        known_from=AT - 7 * SECOND, known_to=AT, opens=True, closes=True, received=AT + 5, whole_seconds=True,
        device="FG1", session="FG1/ana/77", inner_ip="10.0.0.7", inner_port=5000, public_ip="203.0.113.5",
        public_port=40_000, target_ip="198.51.100.1", target_port=443, transport="tcp", mac="00-00-5E-00-53-23",
        person="DOM\\AYŞE",
    )  # fmt: skip
    bare = one(some__fact="session", source__ip="10.0.0.7")
    assert (bare.known_from, bare.known_to, bare.opens, bare.closes) == (AT, AT, False, False)
    assert bare.session is None
    assert not bare.whole_seconds


def test_addresses_and_ports_of_nothing_are_absent():
    made = one(some__fact="session", source__nat__ip="0.0.0.0", source__nat__port=0, source__port=70_000)  # noqa: S104
    assert (made.public_ip, made.public_port, made.inner_port) == (None, None, None)


def test_a_translation_and_a_block_have_no_destination():
    for word in ("translation.opened", "block.opened"):
        made = one(
            some__fact=word, destination__ip="198.51.100.1", destination__port=1, some__nat__port_first=1024,
            some__nat__port_last=2047,
        )  # fmt: skip
        assert (made.target_ip, made.target_port, made.port_first, made.port_last) == (None, None, 1024, 2047)
        assert (made.opens, made.closes) == (True, False)


def test_a_lease_is_promised_and_a_renewal_opens_nothing():
    made = one(
        some__fact="lease.granted", client__ip="10.0.0.9", client__mac="00-00-5E-00-53-01", some__lease__duration=3600,
        host__hostname="pc-9",
    )  # fmt: skip
    assert (made.layer, made.promised_to, made.opens, made.host) == (Layer.LEASE, AT + 3600 * SECOND, False, "pc-9")
    for lasts in (-1, 2**62, None):
        assert one(some__fact="lease.granted", some__lease__duration=lasts).promised_to is None
    ended = one(some__fact="lease.ended", client__ip="10.0.0.9", some__lease__duration=3600)
    assert (ended.promised_to, ended.closes) == (None, True)


def test_a_vpn_login_holds_the_assigned_address_and_names_the_clients_own():
    made = one(
        some__fact="login", some__assigned__ip="10.9.0.4", source__ip="192.0.2.77", user__name="ayse",
        some__login__method="vpn",
    )  # fmt: skip
    assert (made.inner_ip, made.public_ip, made.target_ip, made.method) == (
        "10.9.0.4", "192.0.2.77", None, LoginMethod.VPN,
    )  # fmt: skip
    plain = one(some__fact="login", source__ip="10.0.0.4", user__name="ayse", some__login__method="weird")
    assert (plain.inner_ip, plain.public_ip, plain.method) == ("10.0.0.4", None, None)


def test_a_start_that_is_the_moment_itself_opens_no_login():
    assert not one(some__fact="logout", event__start=AT).opens
    told = one(some__fact="logout", event__start=AT - 600 * SECOND)
    assert (told.opens, told.closes, told.known_from) == (True, True, AT - 600 * SECOND)


def test_logins_of_machines_are_left_out_and_nameless_ones_kept():
    names = ["PC-1$", "host/pc.ornek.example", None, "-", "00-00-5e-00-53-01", "ayse"]
    made = of([{"some.fact": "login", "source.ip": "10.0.0.4", "user.name": name} for name in names])
    assert [fact.person for fact in made] == [None, None, "00-00-5e-00-53-01", "ayse"]


def test_a_restart_is_of_the_nas_and_of_nobody():
    made = one(some__fact="restart", observer__ip="10.1.0.1", log__syslog__hostname="radius1", user__name="PC$",
               client__ip="10.0.0.1", client__mac="00-00-5E-00-53-01")  # fmt: skip
    assert (made.device, made.person, made.inner_ip, made.mac, made.closes) == ("10.1.0.1", None, None, None, True)


@pytest.mark.parametrize(
    ("observer", "client", "site"),
    [
        ("10.1.0.1", "10.2.0.1", "şube"),  # the NAS first, the most specific network
        ("192.0.2.1", "10.2.0.1", "uzak"),  # a NAS that no network holds: the client's
        (None, "10.1.5.5", "şube"),
        (None, "192.0.2.5", "merkez"),  # neither: the source's own
    ],
)
def test_a_login_is_where_its_nas_or_its_client_is(observer, client, site):
    assert one("radius", some__fact="login", observer__ip=observer, client__ip=client).site == site
    assert one("radius", some__fact="session", observer__ip=observer, source__ip=client).site == "merkez"
    assert one("fw1", some__fact="login", observer__ip=observer, client__ip=client).site == "merkez"
    assert one("other", some__fact="login", observer__ip=observer, client__ip=client).site is None


def test_a_record_without_the_word_attests_nothing():
    assert of([{"source.ip": "10.0.0.1"}]) == []
    assert of([{"some.fact": None}, {"some.fact": "sesion"}]) == []
    assert of([{"some.fact": "session"}, {"some.fact": None}, {"some.fact": "login"}])[1].ref.position == 102


_TIMES = st.none() | st.integers(-5, 5).map(lambda step: AT - AT % SECOND + step * SECOND // 2)
_DOCUMENTS = st.fixed_dictionaries(
    {"some.fact": st.sampled_from([*(word.value for word in FactWord), None])},
    optional={
        "@timestamp": st.integers(-5, 5).map(lambda step: AT - AT % SECOND + step * SECOND // 2),
        "event.start": _TIMES,
        "event.end": _TIMES,
        "source.ip": st.sampled_from(["10.0.0.1", "0.0.0.0", None]),  # noqa: S104 - what a line says
        "client.ip": st.sampled_from(["10.0.0.2", None]),
        "some.assigned.ip": st.sampled_from(["10.0.0.3", "10.0.0.1", None]),
        "source.mac": st.sampled_from(["00-00-5E-00-53-01", None]),
        "client.mac": st.sampled_from(["00-00-5E-00-53-02", None]),
        "user.name": st.sampled_from(["ayse", "PC$", "-", None]),
        "source.user.name": st.sampled_from(["mehmet", "", None]),
        "observer.ip": st.sampled_from(["10.1.0.1", None]),
        "log.syslog.hostname": st.sampled_from(["fw", None]),
        "some.session.id": st.sampled_from(["1", None]),
        "some.lease.duration": st.sampled_from([60, None]),
    },
)


def plainly(flat: dict, position: int, source: str) -> Fact | None:
    """One row by the rules as they are written, without Arrow."""
    if flat.get("some.fact") is None:
        return None
    word = FactWord(flat["some.fact"])
    at, start, end = flat.get("@timestamp", AT), flat.get("event.start"), flat.get("event.end")
    lease = word.startswith("lease")
    login = word in {"login", "login.seen", "logout", "restart"}
    layer = Layer.LEASE if lease else Layer.IDENTITY if login else Layer.NAT
    whole = word in {"session", "session.proxied"}
    closing = word.endswith(".closed")
    since = whole or closing or word in {"session.seen", "login.seen", "logout"}
    begins = start if since and start is not None else at
    ends = end if (whole or closing) and end is not None else at
    early = start is not None and start < at
    opens = (
        word.endswith(".opened") or word == "login"
        or (word in {"login.seen", "logout"} and early)
        or (not login and since and start is not None)
    )  # fmt: skip
    closes = closing or word in {"lease.ended", "logout", "restart"} or (whole and end is not None)
    names = ("user.name", "source.user.name") if login else ("source.user.name", "user.name")
    person = next((flat[name] for name in names if flat.get(name) is not None), None)
    if login and word != "restart" and person is not None and kind(person) is Kind.HOST:
        return None
    person = None if lease or word == "restart" or person is None or normalised(person) is None else person
    own = flat.get("log.syslog.hostname")
    device = (flat.get("observer.ip") or own) if login else (own or flat.get("observer.ip"))
    client, inner, outer = flat.get("client.ip"), flat.get("source.ip"), None
    if lease:
        inner = client
    if login:
        assigned = flat.get("some.assigned.ip")
        outer = (inner or client) if assigned else None
        inner = assigned or client or inner
        outer = None if outer == inner else outer
    mac = flat.get("client.mac") if lease or login else None
    mac = mac if lease or mac else flat.get("source.mac")
    if word == "restart":
        inner = mac = None
    granted = word == "lease.granted" and flat.get("some.lease.duration") is not None
    first, last = min(begins, ends), max(begins, ends)
    return Fact(
        layer=layer, word=word, ref=RecordRef("deneme1", 7, 100 + position), source=source,
        site="merkez", known_from=first, known_to=last, opens=opens, closes=closes, received=AT + 5,
        whole_seconds=at % SECOND == 0 or (since and start is not None and (last - first) % SECOND == 0),
        promised_to=at + 60 * SECOND if granted else None, device=device,
        session=f"{device or source}//1" if flat.get("some.session.id") else None,
        inner_ip=None if inner == "0.0.0.0" else inner,  # noqa: S104 - what a line says
        public_ip=outer, mac=mac, person=person,
    )  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(_DOCUMENTS, min_size=1, max_size=12))
def test_the_rules_row_by_row(documents):
    # a row that tells nothing of an address has none, whatever the others tell
    right = [made for at, flat in enumerate(documents) if (made := plainly(flat, at, "fw1")) is not None]
    found = of([{"@timestamp": AT, **flat} for flat in documents])
    assert sorted(found, key=lambda fact: fact.ref) == right
