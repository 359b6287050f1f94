"""What must hold of every answer: order, unrelated facts, lost evidence, shifted clocks; what is learned of sources."""

from __future__ import annotations

from dataclasses import replace

import pytest
from attribution_kit import DAY0, INNER, M1, M2, M3, Case, at, told, us
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.declared import ClockPeriod
from some.errors import BadInput
from some.index.attribution.answer import as_json
from some.index.attribution.question import InnerQuestion, Question
from some.index.attribution.silence import Silence
from some.index.attribution.speech import Speech
from some.index.facts.fact import Layer
from some.index.facts.memory import MemoryFacts

PEOPLE = ("ayse", "mehmet", "zeynep")
ADDRESSES = (INNER, "10.20.0.6")
MACS = (M1, M2, M3)


@st.composite
def worlds(draw) -> Case:
    case = Case()
    minute = st.integers(8 * 60, 12 * 60)
    for _ in range(draw(st.integers(1, 4))):
        start, length = draw(minute), draw(st.integers(1, 60))
        word = draw(st.sampled_from(["session", "session.seen", "session.opened"]))
        session = _clock(start), _clock(start + length)
        inner = draw(st.sampled_from(ADDRESSES))
        if word == "session.opened":
            case.point(word, session[0], inner=inner)
        else:
            case.session(*session, inner=inner, word=word, closes=word == "session")
    for _ in range(draw(st.integers(0, 5))):
        hours = draw(st.sampled_from([None, 1.0, 8.0]))
        case.lease(
            _clock(draw(minute)), draw(st.sampled_from(MACS)), hours=hours, inner=draw(st.sampled_from(ADDRESSES))
        )
    for _ in range(draw(st.integers(0, 6))):
        start, method = draw(minute), draw(st.sampled_from(["portal", "radius", "directory", "fsso"]))
        end = draw(st.none() | st.integers(1, 180))
        person = draw(st.sampled_from(PEOPLE))
        by_mac = method == "radius" and draw(st.booleans())
        case.login(
            _clock(start), None if end is None else _clock(start + end), person, method=method, source=method,
            inner=None if by_mac else draw(st.sampled_from(ADDRESSES)),
            mac=draw(st.sampled_from(MACS)) if by_mac else None,
        )  # fmt: skip
    return case


def _clock(minute: int) -> str:
    return f"{minute // 60}:{minute % 60:02d}"


MOMENTS = st.integers(8 * 60, 13 * 60).map(_clock)


def shape(answer):
    held = as_json(answer)
    return held["verdict"], held["persons"], held["chain"], held["gaps"], held["clock_error_s"]


@settings(max_examples=60, deadline=None)
@given(worlds(), MOMENTS, st.randoms(use_true_random=False))
def test_the_order_of_facts_never_matters(case, moment, random):
    before = shape(case.ask(moment))
    random.shuffle(case.facts)

    assert shape(case.ask(moment)) == before


@settings(max_examples=60, deadline=None)
@given(worlds(), MOMENTS, st.integers(8 * 60, 12 * 60))
def test_an_unrelated_fact_never_changes_the_answer(case, moment, minute):
    before = shape(case.ask(moment))
    when = _clock(minute)
    case.session(when, _clock(minute + 30), port=40113, inner="10.20.0.44")
    case.session(when, _clock(minute + 30), public_ip="198.51.100.77", inner="10.20.0.44")
    case.lease(when, "00-00-5E-00-53-44", hours=8, inner="10.20.0.44")
    case.login(when, _clock(minute + 30), "baskasi", inner="10.20.0.44")
    case.login(when, _clock(minute + 30), "baskasi", site="sube")

    after = shape(case.ask(moment))

    def unsourced(one):
        return (*one[:3], [{**gap, "source": None, "source_alive": None} for gap in one[3]])

    if before[3] and {gap["reason"] for gap in before[3]} & {"no_login", "no_lease", "logged_out"}:
        assert after[0] == before[0]  # a layer that nobody told before is told now, elsewhere
    else:
        assert unsourced(after) == unsourced(before)


@settings(max_examples=80, deadline=None)
@given(worlds(), MOMENTS, st.data())
def test_lost_sign_ins_never_make_somebody_new_certain(case, moment, data):
    before = case.ask(moment)
    identities = [one for one in case.facts if one.layer is Layer.IDENTITY]
    if not identities:
        return
    case.facts.remove(data.draw(st.sampled_from(identities)))
    after = case.ask(moment)

    if after.verdict == "certain":
        assert set(told(after)[1]) <= set(told(before)[1])


@settings(max_examples=60, deadline=None)
@given(worlds(), MOMENTS, st.sampled_from(["fw", "dhcp", "portal", "radius", "directory"]), st.integers(-7200, 7200))
def test_a_clock_shifted_with_its_declared_offset_leaves_the_answer_alone(case, moment, source, seconds):
    case.source(source)
    before = shape(case.ask(moment))
    shift = seconds * 1_000_000
    case.facts = [_shifted(one, shift) if one.source == source else one for one in case.facts]
    case.source(source, clock=(ClockPeriod(None, None, float(seconds), 0.0),))

    assert shape(case.ask(moment)) == before


def _shifted(fact, shift):
    promised = None if fact.promised_to is None else fact.promised_to + shift
    return replace(fact, known_from=fact.known_from + shift, known_to=fact.known_to + shift, promised_to=promised)


def silences(case: Case, start: str, end: str):
    store = MemoryFacts(case.facts, {name: held.values() for name, held in case.minutes.items()})
    return Silence(Speech(store), 300_000_000), us(start), us(end)


def test_a_nights_lull_is_no_silence():
    case = Case()
    for day in range(4):
        case.speaks("dhcp", f"{day} 07:00", f"{day} 18:00", every=30)
        case.speaks("dhcp", f"{day} 18:00", f"{day + 1} 07:00", every=2400)
    silence, start, end = silences(case, "2 02:00", "2 02:00:01")

    assert silence.within("dhcp", start, end) == []
    assert silence.spoke_around("dhcp", start, end)


def test_a_source_that_is_quiet_every_night_is_not_dead_at_night():
    case = Case()
    for day in range(9):
        case.speaks("dhcp", f"{day} 07:00", f"{day} 18:00", every=30)
    silence, start, end = silences(case, "3 02:00", "3 02:00:01")

    assert silence.within("dhcp", start, end) == []


def test_a_dead_source_is_silent_at_noon():
    case = Case()
    for day in range(4):
        case.speaks("dhcp", f"{day} 07:00", f"{day} {'18:00' if day != 2 else '11:00'}", every=30)
    case.speaks("dhcp", "2 13:00", "2 18:00", every=30)
    silence, start, end = silences(case, "2 12:00", "2 12:00:01")

    assert len(silence.within("dhcp", start, end)) == 1
    assert not silence.spoke_around("dhcp", start, end)


def test_nothing_is_learned_from_a_source_that_said_two_things():
    case = Case()
    case.speaks("fw", "09:00", "09:02")
    silence, start, end = silences(case, "08:00", "11:00")

    assert silence.within("fw", start, end) == []


def test_a_batch_spreads_the_measured_clock():
    case = Case(clocks=False)
    case.session("09:30", "10:00")
    case.speaks("fw", "06:00", "18:00", delays=dict.fromkeys(range(0, 100, 5), 1))

    assert 4 < case.ask("09:45").clocks[0].error_s < 8


def test_a_step_near_the_time_is_not_averaged_away():
    case = Case(clocks=False)
    case.session("09:30", "10:00")
    case.speaks("fw", "06:00", "09:40", delays={600: 5})
    case.speaks("fw", "09:40", "18:00", delays={1: 5})

    assert case.ask("09:45").clocks[0].error_s > 30


def test_a_clock_that_is_late_is_corrected():
    case = Case(clocks=False)
    case.session("09:30", "10:00")
    case.login("09:00", "11:00", "ayse", source="fw", method="firewall")
    case.speaks("fw", "06:00", "18:00", delays={3000: 5})  # 300 s behind

    assert told(case.ask("10:04")) == ("certain", ["ayse"])
    assert told(case.ask("09:34"))[0] == "gap"


@pytest.mark.parametrize(
    "wrong",
    [{"public_ip": "x"}, {"public_port": 0}, {"public_port": 70000}, {"transport": "t c p"}, {"tolerance_s": -1.0},
     {"tolerance_s": float("nan")}, {"target_ip": "y"}, {"target_port": 443}, {"at": DAY0.replace(tzinfo=None)}],
)  # fmt: skip
def test_a_question_that_cannot_be_asked_is_refused(wrong):
    sound = {"public_ip": "198.51.100.10", "public_port": 40112, "transport": "TCP", "at": DAY0}

    with pytest.raises(BadInput, match=next(iter(wrong))):
        Question(**(sound | wrong))


def test_whereabouts_of_address_device_and_person():
    case = Case()
    case.lease("09:00", M1, hours=2)
    case.login("09:05", "10:00", "Ayse", mac=M1)
    attribution = case.attribution()
    over = {"start": at("08:00"), "end": at("12:00")}

    for asked in ({"address": INNER}, {"mac": "00:00:5e:00:53:01"}, {"person": "AYSE"}):
        held = attribution.whereabouts(InnerQuestion(**asked, **over))
        assert ("ayse", INNER, M1) in {(one.person, one.address, one.mac) for one in held.periods}
        assert as_json(held)["periods"]
