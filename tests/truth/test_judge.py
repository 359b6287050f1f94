"""The judge and its town judge themselves: the same seed the same town, a perfect witness passes, liars are caught."""

from __future__ import annotations

import itertools
import re
from hashlib import sha256

import pytest
from judge import Fault, judge, oracle
from municipality import Town, play, stream
from truth_plan import SHARES, Draw
from truth_world import SECOND


@pytest.fixture(scope="module")
def town() -> Town:
    return play(11, 3, 40)


def test_the_same_seed_plays_the_same_town(town: Town) -> None:
    again = play(11, 3, 40)

    for spec in town.book.specs.values():
        assert sha256(stream(town, spec)).digest() == sha256(stream(again, spec)).digest()


def test_one_who_knows_everything_passes(town: Town) -> None:
    asked = Draw(town, 1).questions(800)
    report = judge(asked, [oracle(truth) for _, truth, _ in asked])

    assert not report.failures, report.table()
    assert set(report.asked) == set(SHARES)
    assert sum(report.knowable.values()) > len(asked) * 0.35


def test_one_who_names_whoever_held_the_address_at_the_time_is_caught(town: Town) -> None:
    asked = Draw(town, 2).questions(800)
    answers = []
    for question, _truth, conn in asked:
        holders = [
            presence.person.name
            for stay in (town.life.stays if conn is not None else [])
            for presence in stay.presences
            if conn is not None
            and (stay.ip, stay.site) == (conn.inner_ip, conn.presence.stay.site)
            and presence.person is not None
            and presence.start <= question.at <= presence.end
        ]
        named = [{"person": holders[0]}] if holders else []
        answers.append({"verdict": "certain" if named else "gap", "persons": named, "gaps": []})
    report = judge(asked, answers)

    assert report.count(Fault.WRONG_CERTAIN) > len(asked) // 100
    assert report.faults["lingering"]["wrong certain"] > 0


def test_one_who_never_says_certain_has_no_recall(town: Town) -> None:
    asked = Draw(town, 3).questions(300)
    report = judge(asked, [{"verdict": "gap", "persons": [], "gaps": []} for _ in asked])

    assert report.recall == 0


def test_the_town_holds_what_makes_it_hard(town: Town) -> None:
    stays = sorted(
        (s for s in town.life.stays if s.net == "lan" and s.dhcp == "dhcp-merkez" and s.ip),
        key=lambda s: (s.ip, s.start),
    )
    handed_on = [(a, b) for a, b in itertools.pairwise(stays) if a.ip == b.ip and 0 < b.start - a.end < 1800 * SECOND]
    reused = [key for key in town.keys.listed() if len({c.inner_ip for c in town.keys.of_key(key)}) > 1]

    assert len(handed_on) > 5
    assert len(reused) > 100
    assert any(c.closed > c.presence.end + 600 * SECOND for c in town.conns)
    assert sum(not line.kept for line in town.book.lines) > 100


def test_nobody_holds_an_address_together_with_another(town: Town) -> None:
    by_address: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for stay in town.life.stays:
        if stay.net != "squat":
            by_address.setdefault((stay.site, stay.ip), []).append((stay.start, stay.end))
    for spans in by_address.values():
        spans.sort()
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans))


def test_no_public_tuple_is_two_connections_at_once(town: Town) -> None:
    for key in town.keys.listed():
        ends: dict[tuple[str, int], int] = {}
        for conn in town.keys.of_key(key):
            target = (conn.target_ip, conn.target_port) if conn.nat != "fw-kultur" else ("", 0)
            assert ends.get(target, 0) < conn.opened
            ends[target] = conn.closed


@pytest.mark.parametrize(
    ("source", "shape"),
    [
        ("fw-merkez", r'<189>date=\d{4}-\d\d-\d\d time=[\d:]{8} .*eventtime=\d{19} .*(type="traffic"|type="event")'),
        ("dhcp-merkez", r"<30>\d{4}-\S+\+03:00 dhcp-merkez dhcpd\[\d+\]: DHCP(ACK on|RELEASE of) [\d.]+ "),
        ("fw-kultur", r"\S+Z\t<166>Mar \d\d 2026 [\d:]{8} asa-kultur : %ASA-6-30(2013|2014|2015|2016|5011|5012): "),
        ("dhcp-kultur", r"1[012],\d\d/\d\d/26,[\d:]{8},(Assign|Renew|Release),[\d.]+,"),
        (
            "rt-kutuphane",
            r"<134>\S+ rt-kutuphane firewall,info kayit forward: in:.*proto (TCP \(\S+\)|UDP), [\d.]+:\d+->",
        ),
        (
            "squid",
            r"\d{10}\.\d{3} +\d+ [\d.]+ \d+ TCP_MISS/200 \d+ GET \S+ \S+ HIER_DIRECT/[\d.]+ text/html [\d.]+ \d+$",
        ),
    ],
)
def test_lines_have_the_shape_of_their_device(town: Town, source: str, shape: str) -> None:
    text = stream(town, town.book.specs[source]).decode()

    assert all(re.match(shape, line) for line in text.splitlines())
