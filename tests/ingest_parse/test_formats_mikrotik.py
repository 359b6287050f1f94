"""What MikroTik's lines attest about intervals, on invented lines, whole and broken."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.ecs import flatten
from ingest.parsing import parse_lines

NOW = datetime(2026, 11, 23, 19, tzinfo=UTC)
AT = 1_795_458_943_000_000  # 2026-11-23 21:35:43 in Istanbul
ENDS = ("source.ip", "source.port", "source.nat.ip", "source.nat.port", "destination.ip", "destination.port")


def one(line):
    return flatten(next(parse_lines([line.encode()], now=NOW)))


def told(document, *names):
    return tuple(document.get(name) for name in names)


PACKET = (
    "<134>Nov 23 21:35:43 gw1 firewall,info forward: in:bridge out:ether1, connection-state:{state} "
    "src-mac 00:00:5e:00:53:23, proto TCP (SYN), {packet}, len 60"
)
OUT = "10.20.30.41:51022->203.0.113.80:443"
OUT_NAT = f"{OUT}, NAT (10.20.30.41:51022->198.51.100.10:40112)->203.0.113.80:443"
BACK_NAT = "203.0.113.80:443->198.51.100.10:40112, NAT 203.0.113.80:443->(198.51.100.10:40112->10.20.30.41:51022)"
WHOLE = ("10.20.30.41", 51022, "198.51.100.10", 40112, "203.0.113.80", 443)


@pytest.mark.parametrize(
    ("state", "packet", "word", "ends", "mac"),
    [
        ("new,snat", OUT_NAT, "session.opened", WHOLE, True),
        ("established,snat", OUT_NAT, "session.seen", WHOLE, True),
        ("established,snat", BACK_NAT, "session.seen", WHOLE, False),
        ("new", OUT, "session.opened", ("10.20.30.41", 51022, None, None, "203.0.113.80", 443), True),
        (
            "new,dnat",
            "203.0.113.9:5248->198.51.100.20:443, NAT 203.0.113.9:5248->(198.51.100.20:443->10.0.1.50:8443)",
            "session.opened",
            ("203.0.113.9", 5248, None, None, "198.51.100.20", 443),
            True,
        ),
        (
            "new",
            "[2001:db8::1]:51022->[2001:db8:1::2]:443",
            "session.opened",
            ("2001:db8::1", 51022, None, None, "2001:db8:1::2", 443),
            True,
        ),
    ],
)
@pytest.mark.parametrize("comma", [", ", " "])
def test_mikrotik_packets(state, packet, word, ends, mac, comma):  # noqa: PLR0917 - a row of the table
    document = one(PACKET.format(state=state, packet=packet).replace(" src-mac", f"{comma}src-mac"))
    assert told(document, "some.fact", *ENDS) == (word, *ends)
    assert ("source.mac" in document) is mac, "a reply's sender is not the source"
    assert told(document, "network.transport", "observer.ingress.interface.name", "log.syslog.hostname") == (
        "tcp", "bridge", "gw1",
    )  # fmt: skip


def test_mikrotik_icmp_and_what_goes_to_the_router_itself():
    ping = (
        "proto ICMP (type 8, code 0), 10.20.30.41->203.0.113.80, NAT (10.20.30.41->198.51.100.10)->203.0.113.80, len 84"
    )
    document = one(f"firewall,info my own prefix forward: in:3BEA VLAN out:Fibre Uplink, {ping}")
    assert told(document, "some.fact", *ENDS) == (
        "session.seen", "10.20.30.41", None, "198.51.100.10", None, "203.0.113.80", None,
    )  # fmt: skip
    assert document["observer.egress.interface.name"] == "Fibre Uplink"
    own = one(
        "firewall,info input: in:ether1 out:(unknown 0), proto UDP, 203.0.113.9:49295->198.51.100.10:13231, len 9"
    )
    assert told(own, "some.fact", "source.port", "observer.egress.interface.name") == (None, 49295, None)


def test_mikrotik_lines_broken_anywhere_invent_nothing():
    line = PACKET.format(state="new,snat", packet=OUT_NAT).removeprefix("<134>Nov 23 21:35:43 gw1 ")
    right = {**dict(zip(ENDS, WHOLE, strict=True)), "source.mac": "00-00-5E-00-53-23"}
    seen = set()
    for at in range(1, len(line)):
        for half in (line[:at], line[at:]):
            document = one(half)
            for name in (*right, "client.ip", "client.mac", "some.assigned.ip", "user.name"):
                assert document.get(name) in (None, right.get(name)), (half, name)
            seen.add(tuple(sorted(name for name in right if name in document)))
    assert len(seen) > 3, "halves tell what stands in them whole"
    second = one(line[line.index("NAT") - 5 :])
    assert told(second, "some.fact", *ENDS) == ("session.seen", *WHOLE)


@pytest.mark.parametrize(
    ("head", "host"),
    [
        ("<174>Nov 23 21:35:43 Example Global Office ap-1: ", "Example Global Office ap-1"),
        ("<174>Nov 23 21:35:43 ap-1: ", "ap-1"),
        ("<174>Nov 23 21:35:43 ap-1 dhcp,info ", "ap-1"),
        ("2026-11-23T21:35:43+03:00 ap-1 dhcp,info ", "ap-1"),
        ("<174>Nov 23 21:35:43 Example Office: dhcp,info ", "Example Office"),
        ("", None),
        ("dhcp,info ", None),
    ],
)
@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("assigned 10.20.30.41 for", "lease.granted"),
        ("assigned 10.20.30.41 to", "lease.granted"),
        ("deassigned 10.20.30.41 for", "lease.ended"),
        ("deassigned 10.20.30.41 from", "lease.ended"),
        ("offering lease 10.20.30.41 for", None),
    ],
)
def test_mikrotik_leases_under_every_header(head, host, said, word):
    document = one(f"{head}dhcp-guest {said} 00:00:5E:00:53:23 pc-0412")
    assert told(document, "some.fact", "client.ip", "client.mac", "log.syslog.hostname") == (
        word, "10.20.30.41", "00-00-5E-00-53-23", host,
    )  # fmt: skip
    assert document.get("host.hostname") == ("pc-0412" if word else None)
    assert (document["@timestamp"] == AT) is (host is not None)


@pytest.mark.parametrize(
    ("said", "word", "user"),
    [
        ("ayse (10.20.30.41): logged in", "login", "ayse"),
        ("->: ayse (10.20.30.41): logged in", "login", "ayse"),
        ("1-prefix: ayse (10.20.30.41): logged out: keepalive timeout", "logout", "ayse"),
        ("ayse (10.20.30.41): trying to log in by http-chap", None, "ayse"),
        ("ayse (10.20.30.41): login failed: invalid username or password", None, "ayse"),
        ("00:00:5E:00:53:23 (10.20.30.41): logged in", None, "00:00:5E:00:53:23"),
        ("T-00:00:5E:00:53:23 (10.20.30.41): logged in", None, "T-00:00:5E:00:53:23"),
    ],
)
@pytest.mark.parametrize("head", ["hotspot,account,info,debug ", "<174>Nov 23 21:35:43 My Office ap-1: hotspot,info "])
def test_mikrotik_guests(head, said, word, user):
    document = one(head + said)
    assert told(document, "some.fact", "user.name", "client.ip") == (word, user, "10.20.30.41")
    assert document.get("some.login.method") == ("portal" if word else None)


@pytest.mark.parametrize(
    "said", ["user ayse logged in from 10.20.30.41 via api", "user ayse logged out from 10.20.30.41 via winbox",
             "login failure for user admin from 10.20.30.41 via web"],
)  # fmt: skip
@pytest.mark.parametrize("head", ["system,info,account ", "", "<174>Nov 23 21:35:43 My Office ap-1: "])
def test_mikrotik_administrators_are_never_guests(head, said):
    document = one(head + said)
    assert document["event.module"] == "mikrotik"
    assert told(document, "some.fact", "some.login.method", "source.ip") == (None, None, "10.20.30.41")


def test_mikrotik_dialled_in_users():
    came = one("l2tp,ppp,info,account ayse logged in, 10.99.0.7 from 203.0.113.9")
    assert told(came, "some.fact", "some.assigned.ip", "source.ip") == ("login", "10.99.0.7", "203.0.113.9")
    left = one("l2tp,ppp,info,account ayse logged out, 11 2260 1480 25 19 from 203.0.113.9")
    assert told(left, "some.fact", "some.session.id") == ("logout", came["some.session.id"])
    assert "some.assigned.ip" not in left
