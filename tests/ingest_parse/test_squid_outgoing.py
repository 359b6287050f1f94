"""A proxy is a translator too: its own outgoing address and port lead from the public side to the client."""

from __future__ import annotations

import pytest

from ingest.parsing import parse_lines

BEGIN = "1795458943.123    184 10.20.30.41 51022 TCP_MISS/200 4512 GET http://www.example.org/a?b=1 ayse "


def one(line):
    (document,) = parse_lines([line.encode()])
    assert document["event"]["module"] == "squid"
    return document


@pytest.mark.parametrize("tail", ["", " 00:00:5e:00:53:23", " -", " 00:00:5e:00:53:23 more of it"])
@pytest.mark.parametrize("begin", [BEGIN, BEGIN.replace(" 51022", "")], ids=["with the client's port", "without"])
def test_the_outgoing_pair_is_the_public_side(begin, tail):
    document = one(f"{begin}HIER_DIRECT/203.0.113.80 text/html 198.51.100.7 40001{tail}")
    assert document["some"]["fact"] == "session.proxied"
    assert document["source"]["nat"] == {"ip": "198.51.100.7", "port": 40001}
    assert document["source"]["ip"] == "10.20.30.41"
    assert document["source"].get("mac") == ("00-00-5E-00-53-23" if "5e" in tail else None)
    assert (document["destination"]["ip"], document["destination"]["port"]) == ("203.0.113.80", 80)
    assert document["network"]["transport"] == "tcp"
    assert document["http"]["response"]["mime_type"] == "text/html"


def test_ipv6_outside():
    document = one(f"{BEGIN}HIER_DIRECT/2001:db8::80 - 2001:db8:1::7 40001")
    assert document["source"]["nat"] == {"ip": "2001:db8:1::7", "port": 40001}


@pytest.mark.parametrize("tail", ["text/html", "-", "text/html - -", "text/html - 0", "text/html; charset=utf-8"])
def test_a_peer_without_the_pair_is_a_session_without_a_public_side(tail):
    document = one(f"{BEGIN}HIER_DIRECT/203.0.113.80 {tail}")
    assert document["some"]["fact"] == "session.proxied"
    assert document["destination"]["ip"] == "203.0.113.80"
    assert "nat" not in document["source"]


@pytest.mark.parametrize("tail", ["text/html", "text/html - -", "text/html 198.51.100.7 40001"])
def test_what_never_went_out_is_no_session(tail):
    document = one(f"{BEGIN.replace('MISS', 'MEM_HIT')}HIER_NONE/- {tail}")
    assert "fact" not in document.get("some", {})
    assert "nat" not in document["source"]
    assert "network" not in document
