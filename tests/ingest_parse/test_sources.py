"""The declared sources: what is right becomes values, what is wrong is named with line and column."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.declared import NatPorts
from ingest.sources import parse_sources, read_sources
from some import strict_yaml
from some.errors import SettingsFault

DEFAULT = Path(__file__).parents[2] / "config" / "sources.yaml"
GOOD = """\
sites:
  - name: merkez
    ranges: [10.20.0.0/16]
    public_addresses: [198.51.100.10, 198.51.100.16/28]
  - {name: sube}
sources:
  - name: fw-merkez
    match: {listener: syslog_udp, peers: [10.20.0.1, "2001:db8::/64"]}
    site: merkez
    format: fortigate
    timezone: Europe/Berlin
    clock:
      - {from: 2026-01-01, to: 2026-06-01T00:00:00+03:00, offset_s: 1.5, error_s: 1}
      - {from: 2026-06-01T00:00:00+03:00, error_s: 0.5}
    nat_ports: exclusive
  - name: proxy
    match: {paths: [/var/log/squid/*.log]}
    class: hosting
  - name: radius
    class: identity
    nas_sites: {10.30.0.0/16: sube}
  - name: syslog_tcp/192.0.2.9
    class: mail
register:
  - {site: merkez, address: 10.20.1.5, mac: 00:00:5E:00:53:05, host: pc-0005, person: ayse, from: 2026-01-01}
  - {site: merkez, address: 10.20.1.9, multi_user: true}
"""


def test_a_good_file_becomes_values():
    declared = parse_sources(GOOD, "sources.yaml")
    firewall = declared.sources["fw-merkez"]
    assert firewall.nat_ports is NatPorts.EXCLUSIVE
    assert firewall.timezone == ZoneInfo("Europe/Berlin")
    assert firewall.clock[0].start == datetime(2025, 12, 31, 21, tzinfo=UTC)
    assert firewall.clock[0].end == firewall.clock[1].start
    assert firewall.clock[1].offset_s == 0
    assert [str(network) for network in declared.sites["merkez"].public_addresses] == [
        "198.51.100.10/32",
        "198.51.100.16/28",
    ]
    assert [(str(network), site) for network, site in declared.sources["radius"].nas_sites] == [
        ("10.30.0.0/16", "sube")
    ]
    fixed, shared = declared.register
    assert (fixed.mac, fixed.person, fixed.multi_user) == ("00-00-5E-00-53-05", "ayse", False)
    assert shared.multi_user
    assert shared.start is None


@pytest.mark.parametrize(
    ("listener", "peer", "expected"),
    [
        ("syslog_udp", "10.20.0.1", ("fw-merkez", "access")),
        ("syslog_udp", "::ffff:10.20.0.1", ("fw-merkez", "access")),
        ("syslog_udp", "2001:db8::7", ("fw-merkez", "access")),
        ("syslog_tcp", "10.20.0.1", ("syslog_tcp/10.20.0.1", "access")),
        ("file_tail", "/var/log/squid/access.log", ("proxy", "hosting")),
        ("file_tail", "/var/log/other.log", ("file_tail//var/log/other.log", "access")),
        ("syslog_tcp", "192.0.2.9", ("syslog_tcp/192.0.2.9", "mail")),
    ],
)
def test_who_sent_it(listener, peer, expected):
    declared = parse_sources(GOOD, "sources.yaml")
    assert declared.resolve(listener, peer) == declared.resolve(listener, peer) == expected


def test_hints_of_declared_and_undeclared_sources():
    declared = parse_sources(GOOD, "sources.yaml", default_class="hosting")
    hints = declared.hints("fw-merkez", "access")
    assert (hints.format, hints.site, hints.timezone) == ("fortigate", "merkez", ZoneInfo("Europe/Berlin"))
    unknown = declared.hints("syslog_udp/192.0.2.7", "hosting")
    assert (unknown.format, unknown.site, unknown.record_class) == ("auto", None, "hosting")
    assert declared.resolve("syslog_udp", "192.0.2.7") == ("syslog_udp/192.0.2.7", "hosting")


def test_the_default_file_declares_nothing_and_its_examples_are_right():
    declared = read_sources(None)
    assert not declared.sources
    assert not declared.register
    example = []
    for block in DEFAULT.read_text().split("\n\n"):
        lines = block.splitlines()
        start = next((at for at, line in enumerate(lines) if line.endswith(": []")), len(lines))
        example += [line.removesuffix(" []").removeprefix("#") for line in lines[start:]]
    text = "\n".join(example).replace("nas_sites: {10.30.0.0/16: sube}", "nas_sites: {10.30.0.0/16: merkez}")
    commented = parse_sources(text, "example")
    assert set(commented.sources) == {"fw-merkez", "radius"}
    assert len(commented.register) == 2


WRONG = [
    ("sites: [{name: a}, {name: a}]", "1:27: sites[1].name: the name 'a' is there twice"),
    ("sources:\n  - nmae: x", "2:5: sources[0].nmae: no such key"),
    ("sources:\n  - format: auto", "2:5: sources[0]: the key 'name' is missing"),
    ("sources:\n  - {name: x, format: cisco}", "2:23: sources[0].format: expected auto, fortigate"),
    ("sources:\n  - {name: x, site: y}", "2:21: sources[0].site: no such site: 'y'"),
    ("sources:\n  - {name: x, match: {}}", "2:22: sources[0].match: expected listener"),
    ("sources:\n  - {name: x, match: {peers: [10.0.0.1/8]}}", "2:31: sources[0].match.peers[0]: expected an address"),
    ("sources:\n  - {name: x, timezone: Mars/Base}", "2:25: sources[0].timezone: no such time zone"),
    ("sources:\n  - {name: x, class: Access}", "2:22: sources[0].class: expected a record class"),
    ("sources:\n  - {name: x, nat_ports: no}", "2:26: sources[0].nat_ports: expected shared or exclusive"),
    ("sources:\n  - {name: x, clock: [{offset_s: 1}]}", "the key 'error_s' is missing"),
    ("sources:\n  - {name: x, clock: [{error_s: 1}, {error_s: 2}]}", "sources[0].clock[1]: overlaps"),
    (
        "sources:\n  - {name: x, clock: [{error_s: 1, from: 2026-01-02, to: 2026-01-01}]}",
        "expected a time after `from`",
    ),
    ("sources:\n  - {name: x, clock: [{error_s: 1, from: 2026-01-01T00:00:00}]}", "expected a zone after the time"),
    ("sources:\n  - {name: x, nas_sites: {10.0.0.0/8: y}}", "no such site: 'y'"),
    ("sites: [{name: a}]\nregister:\n  - {site: a, address: 10.0.0.300}", "3:24: register[0].address: expected an IP"),
    ("sites: [{name: a}]\nregister:\n  - {site: a, address: 10.0.0.3, mac: 00}", "register[0].mac: expected a MAC"),
    ("sites: [{name: a}]\nregister:\n  - {site: a, address: 10.0.0.3, multi_user: 1}", "expected true or false"),
    ("- a", "1:1: the file: expected a mapping"),
    ("sites: [{name: a}]\nsites: []", "2:1: the key 'sites' is there twice; the first is in line 1"),
]


@pytest.mark.parametrize(("text", "expected"), WRONG)
def test_a_mistake_is_named_with_its_place(text, expected):
    with pytest.raises(SettingsFault) as caught:
        parse_sources(text, "sources.yaml")
    assert str(caught.value).startswith("sources.yaml:")
    assert expected in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(SettingsFault, match="cannot be read"):
        read_sources(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"sites: [\xfe]")
    with pytest.raises(SettingsFault, match="not UTF-8"):
        read_sources(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: &x 1\nb: *x", "1:4: anchors and aliases"),
        ("b: *x", "1:4"),
        ("a: !!python/object:os.system x", "1:4: tags are not taken"),
        ("<<: {a: 1}", "1:1: merge keys"),
        ("? [a]\n: 1", "1:3: a key is one word"),
        (": 1", "1:1"),
        ("a: [1", "1:6"),
        ("a: 1\n---\nb: 2", "2:1"),
        ("a: b: c", "1:5"),
        ("a: \x07", "1:4: a character that YAML does not allow"),
        ("[" * 40 + "]" * 40, "nested deeper than 32"),
        ("a: 1\na: 2", "2:1: the key 'a' is there twice"),
        ("a: " + "x" * strict_yaml.MAX_BYTES, "larger than"),
        ("- a\n" * 600, "more than 500 values"),
        ("a: 1e999", "too large"),
    ],
    ids=lambda value: value[:24],
)
def test_yaml_that_is_refused(text, problem, monkeypatch):
    monkeypatch.setattr(strict_yaml, "MAX_NODES", 500)
    with pytest.raises(SettingsFault) as caught:
        strict_yaml.load(text, "f.yaml")
    assert str(caught.value).startswith("f.yaml:")
    assert problem in str(caught.value)


def test_yaml_values_and_places():
    tree = strict_yaml.load(
        'a: 1\nb: [x, 2.5, {c: no}]\nd: 0750\ne: ~\nf: true\ng: 2026-11-23\nh: "5"\ni: 12:30\n', "f"
    )
    assert tree.value == {
        "a": 1, "b": ["x", 2.5, {"c": "no"}], "d": "0750", "e": None, "f": True, "g": "2026-11-23", "h": "5",
        "i": "12:30",
    }  # fmt: skip
    assert tree.place(("b", 2, "c")) == strict_yaml.Place(2, 17)
    assert tree.key_place(("b",)) == strict_yaml.Place(2, 1)
    assert tree.place(("b", 2, "nosuch")) == tree.place(("b", 2))
    assert str(tree.fault(("b", 2, "c"), "expected x")) == "f:2:17: b[2].c: expected x"
    assert strict_yaml.load("", "f").value is None


@given(st.text(max_size=60))
def test_any_text_is_values_or_a_fault_with_a_place(text):
    try:
        tree = strict_yaml.load(text, "f.yaml")
    except SettingsFault as fault:
        message = str(fault)
    else:
        message = str(tree.fault((), "x"))
    assert re.match(r"f\.yaml:[0-9]+:[0-9]+: .", message, re.DOTALL)
