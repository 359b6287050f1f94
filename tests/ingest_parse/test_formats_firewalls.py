"""What lines of FortiGate, Cisco ASA, Cisco ISE and Sophos attest about intervals, on invented lines."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ingest.ecs import flatten
from ingest.parsing import Parsing, SourceHints, parse_lines, zone

NOW = datetime(2026, 11, 23, 19, tzinfo=UTC)
AT = 1_795_458_943_000_000  # 2026-11-23 21:35:43 in Istanbul
SECOND = 1_000_000


def one(line, **settings):
    return flatten(next(parse_lines([line.encode()], now=NOW, **settings)))


def told(document, *names):
    return tuple(document.get(name) for name in names)


# FortiGate

FORTI = 'date=2026-11-23 time=21:35:43 devid="FG100TEST0000001" eventtime=1795458943123456789 tz="+0300" vd="root" '
SESSION = (
    'logid="{logid}" type="traffic" subtype="{subtype}" srcip=10.20.30.41 srcport=51022 dstip=203.0.113.80 dstport=443 '
    'sessionid=105048 proto=6 action="{action}" trandisp="{trandisp}" transip=198.51.100.10 transport=40112 '
    'duration=116 user="ayse"'
)


def forti(logid="0000000013", action="close", trandisp="snat", subtype="forward"):
    return one(FORTI + SESSION.format(logid=logid, action=action, trandisp=trandisp, subtype=subtype))


@pytest.mark.parametrize(
    ("logid", "action", "word"),
    [
        ("0000000013", "close", "session"),
        ("0000000013", "timeout", "session"),
        ("0000000020", "accept", "session.seen"),
        ("0000000015", "start", "session.opened"),
        ("0000000013", "deny", None),
        ("0000000013", "blocked", None),
    ],
)
def test_fortigate_sessions(logid, action, word):
    document = forti(logid, action)
    assert document.get("some.fact") == word
    assert told(document, "some.session.id", "some.vdom", "observer.serial_number") == (
        "105048", "root", "FG100TEST0000001",
    )  # fmt: skip
    assert document["source.user.name"] == "ayse"
    if word == "session":
        assert document["event.end"] - document["event.start"] == 116 * SECOND


def test_fortigate_names_a_public_side_only_where_it_translated_the_source():
    nat = ("source.nat.ip", "source.nat.port")
    assert told(forti(), *nat) == ("198.51.100.10", 40112)
    assert told(forti(trandisp="snat+dnat"), *nat) == ("198.51.100.10", 40112)
    assert told(forti(trandisp="noop"), *nat) == (None, None)
    assert told(forti(trandisp="dnat"), *nat) == (None, None)


def test_fortigate_sniffed_traffic_is_no_session_of_its_own():
    assert "some.fact" not in forti(subtype="sniffer")


def test_fortigate_refused_and_granted_sessions_of_one_layout():
    lines = [FORTI + SESSION.format(logid="0000000013", action=action, trandisp="snat", subtype="forward")
             for action in ("close", "deny", "close", "client-rst", "deny", "close")]  # fmt: skip
    words = [flatten(one_).get("some.fact") for one_ in parse_lines([line.encode() for line in lines], now=NOW)]
    assert words == ["session", None, "session", "session", None, "session"]


TUNNEL = 'type="event" subtype="vpn" action="{action}" tunnelid=77 remip=203.0.113.9 tunnelip=10.99.0.7 user="ayse" '


@pytest.mark.parametrize(
    ("action", "word", "starts"),
    [("tunnel-up", "login", 0), ("tunnel-stats", "login.seen", -60), ("tunnel-down", "logout", -60)],
)
def test_fortigate_tunnels(action, word, starts):
    document = one(FORTI + 'logid="0101039947" ' + TUNNEL.format(action=action) + ("duration=60" if starts else ""))
    assert told(document, "some.fact", "some.login.method", "some.session.id") == (word, "vpn", "77")
    assert told(document, "some.assigned.ip", "source.ip", "user.name") == ("10.99.0.7", "203.0.113.9", "ayse")
    assert document["event.start"] == document["@timestamp"] + starts * SECOND
    assert document.get("event.end") == (document["@timestamp"] if word == "logout" else None)


@pytest.mark.parametrize(
    "change", [("tunnelip=10.99.0.7", "tunnelip=(null)"), ('"ayse"', '"N/A"'), ("tunnel-up", "ssl-login-fail")]
)
def test_fortigate_tunnels_of_nobody_attest_nothing(change):
    line = FORTI + 'logid="0101039947" ' + TUNNEL.format(action="tunnel-up").replace(*change)
    assert "some.fact" not in one(line)


def test_fortigate_ipsec_takes_the_user_of_the_second_sign_in():
    line = FORTI + 'logid="0101037138" type="event" subtype="vpn" action="tunnel-up" remip=203.0.113.9 '
    document = one(line + 'locip=198.51.100.1 user="N/A" xauthuser="ayse" assignip=10.99.0.7 tunnelid=8')
    assert told(document, "some.fact", "user.name", "some.assigned.ip", "source.ip", "destination.ip") == (
        "login", "ayse", "10.99.0.7", "203.0.113.9", "198.51.100.1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "word", "method"),
    [
        ('action="FSSO-logon"', "login", "fsso"),
        ('action="FSSO-logoff"', "logout", "fsso"),
        ('action="auth-logon" status="logon"', "login", "firewall"),
        ('action="auth-logout" status="logout"', "logout", "firewall"),
        ('action="authentication" status="success"', "login", "firewall"),
        ('action="authentication" status="timed_out"', "logout", "firewall"),
        ('action="authentication" status="failure"', None, None),
        ('action="FSSO-logon" status="failed"', None, None),
    ],
)
def test_fortigate_sign_ins(fields, word, method):
    document = one(f'{FORTI}logid="0102043014" type="event" subtype="user" srcip=10.20.30.41 user="ayse" {fields}')
    assert told(document, "some.fact", "some.login.method") == (word, method)


def test_fortigate_administrators_are_no_guests():
    line = f'{FORTI}logid="0100032001" type="event" subtype="system" user="admin" srcip=10.0.0.9 action="login" '
    assert "some.fact" not in one(line + 'status="success"')


@pytest.mark.parametrize(
    ("message", "word"), [("Ack", "lease.granted"), ("Release", "lease.ended"), ("Request", None), ("Nak", None)]
)
def test_fortigate_leases(message, word):
    line = f'{FORTI}logid="0100026001" type="event" subtype="system" dhcp_msg="{message}" mac="00:00:5E:00:53:23" '
    document = one(line + "ip=10.20.30.41 lease=600")
    assert document.get("some.fact") == word
    assert told(document, "client.ip", "client.mac", "some.lease.duration") == ("10.20.30.41", "00-00-5E-00-53-23", 600)


# Cisco ASA and FTD

ASA = "<166>Nov 23 2026 21:35:43 fw1 : %ASA-6-"
OUTBOUND = (
    "302013: Built outbound TCP connection 77 for outside:203.0.113.80/443 (203.0.113.80/443) to "
    "inside:10.20.30.41/51022 (198.51.100.10/40112)"
)
ENDS = ("source.ip", "source.port", "source.nat.ip", "source.nat.port", "destination.ip", "destination.port")


@pytest.mark.parametrize(
    ("head", "host"),
    [
        ("<166>Nov 23 2026 21:35:43 fw1 : %ASA-6-", "fw1"),
        ("<166>Nov 23 2026 21:35:43 fw1: %ASA-6-", "fw1"),
        ("<166>Nov 23 21:35:43 fw1 %ASA-6-", "fw1"),
        ("<166>Nov 23 2026 21:35:43: %ASA-6-", None),
        ("<166>:Nov 23 18:35:43 UTC: %ASA-session-6-", None),
        ("<166>%ASA-6-", None),
        ("%ASA-6-", None),
        ("<166>2026-11-23T18:35:43Z fw1 : %ASA-6-", "fw1"),
        ("<166>2026-11-23T18:35:43Z: %ASA-6-", None),
        ("2026-11-23T18:35:43Z fw1  %FTD-6-", "fw1"),
        ("Nov 23 2026 21:35:43 fw1 CiscoASA[999]: %ASA-6-", "fw1"),
        ("<166>1 2026-11-23T18:35:43Z fw1 - - - - %ASA-6-", "fw1"),
        ("<166>Nov 23 22:00:00 relay Nov 23 2026 21:35:43: %ASA-6-", "relay"),
    ],
)
def test_asa_headers(head, host):
    document = one(head + OUTBOUND)
    assert document["event.module"] == "cisco_asa"
    assert document.get("log.syslog.hostname") == host
    assert document["some.fact"] == "session.opened"
    stampless = head.removeprefix("<166>").startswith("%")
    assert document["@timestamp"] == (int(NOW.timestamp()) * SECOND if stampless else AT)


def test_asa_built_names_the_one_who_opened():
    document = one(ASA + OUTBOUND)
    assert told(document, *ENDS) == ("10.20.30.41", 51022, "198.51.100.10", 40112, "203.0.113.80", 443)
    assert told(document, "some.session.id", "network.transport") == ("77", "tcp")
    inbound = one(
        f"{ASA}302015: Built inbound UDP connection 78 for outside:203.0.113.9/5248 (203.0.113.9/5248) to "
        "dmz:10.0.1.50/53 (198.51.100.20/53)"
    )
    assert told(inbound, *ENDS) == ("203.0.113.9", 5248, None, None, "10.0.1.50", 53)
    assert told(inbound, "destination.nat.ip", "destination.nat.port") == ("198.51.100.20", 53)


def test_asa_teardown_counts_back_and_knows_the_inner_side():
    line = (
        f"{ASA}302014: Teardown TCP connection 77 for outside:203.0.113.80/8443 to inside:10.20.30.41/40000 "
        "duration 1:01:07 bytes 38110 TCP Reset-I"
    )
    document = one(line)
    assert told(document, *ENDS) == ("10.20.30.41", 40000, None, None, "203.0.113.80", 8443)
    assert told(document, "event.start", "event.end") == (AT - 3667 * SECOND, AT)
    assert told(document, "some.fact", "some.session.id", "network.bytes", "event.reason") == (
        "session.closed", "77", 38110, "TCP Reset-I",
    )  # fmt: skip
    served = one(line.replace("203.0.113.80/8443", "203.0.113.9/5248").replace("10.20.30.41/40000", "10.0.1.50/443"))
    assert served["source.ip"] == "203.0.113.9"
    tunnelled = one(line.replace("203.0.113.80/8443", "10.99.0.7/8443(LOCAL\\ayse)"))
    assert told(tunnelled, "source.ip", "source.user.name") == ("10.99.0.7", "ayse")
    bypassed = one(
        f"{ASA}302304: Teardown TCP state-bypass connection 9 from inside:10.20.30.41/40000 to "
        "outside:203.0.113.80/8443 duration 0:00:02 bytes 245 Connection timeout"
    )
    assert bypassed["source.ip"] == "10.20.30.41"


@pytest.mark.parametrize(
    ("way", "tail", "user", "domain"),
    [
        ("inbound", " (LOCAL\\ayse)", "ayse", None),
        ("outbound", "(EXAMPLE\\ayse)", "ayse", "EXAMPLE"),
        ("outbound", "", None, None),
    ],
)
def test_asa_users(way, tail, user, domain):
    document = one(ASA + OUTBOUND.replace("outbound", way) + tail)
    assert told(document, "source.user.name", "user.domain") == (user, domain)


def test_asa_translations():
    line = f"{ASA}305011: Built dynamic UDP translation from inside:10.20.30.41/51022 to outside:198.51.100.10/40112"
    document = one(line)
    assert told(document, "some.fact", *ENDS) == (
        "translation.opened", "10.20.30.41", 51022, "198.51.100.10", 40112, None, None,
    )  # fmt: skip
    closed = one(line.replace("305011: Built", "305012: Teardown") + " duration 0:00:30")
    assert told(closed, "some.fact", "event.start", "event.end") == ("translation.closed", AT - 30 * SECOND, AT)
    whole = one(f"{ASA}305009: Built dynamic translation from inside(acl_nat):10.20.30.41 to outside:198.51.100.11")
    assert told(whole, "some.fact", *ENDS) == ("translation.opened", "10.20.30.41", None, "198.51.100.11", None, None,
                                               None)  # fmt: skip
    gone = one(
        f"{ASA}305010: Teardown static translation from inside:10.20.30.41 to outside:198.51.100.11 duration 0:01:00"
    )
    assert gone["some.fact"] == "translation.closed"


def test_asa_blocks_of_ports():
    document = one(
        f"{ASA}305014: Allocated TCP block of ports for translation from inside:10.20.30.41 to "
        "outside:198.51.100.10/1024-1535"
    )
    assert told(document, "some.fact", "some.nat.port_first", "some.nat.port_last", "source.ip", "source.nat.ip") == (
        "block.opened", 1024, 1535, "10.20.30.41", "198.51.100.10",
    )  # fmt: skip


def test_asa_icmp_has_no_ports_and_belongs_to_the_local_address():
    ends = "faddr 203.0.113.80/0 gaddr 198.51.100.10/9 laddr 10.20.30.41/9"
    line = f"{ASA}302020: Built outbound ICMP connection for {ends}"
    document = one(line)
    assert told(document, "some.fact", *ENDS) == (
        "session.opened", "10.20.30.41", None, "198.51.100.10", None, "203.0.113.80", None,
    )  # fmt: skip
    closed = one(line.replace("302020: Built outbound", "302021: Teardown"))
    assert told(closed, "some.fact", "source.ip", "event.end") == ("session.closed", "10.20.30.41", AT)


def test_asa_clients_that_call_in():
    started = one(f"{ASA}113039: Group <g> User <ayse> IP <203.0.113.9> AnyConnect parent session started.")
    assert told(started, "some.fact", "user.name", "source.ip") == (None, "ayse", "203.0.113.9")
    assigned = one(
        f"{ASA}722051: Group <g> User <ayse> IP <203.0.113.9> IPv4 Address <10.99.0.7> IPv6 address <::> "
        "assigned to session"
    )
    assert told(assigned, "some.fact", "some.login.method", "some.assigned.ip") == ("login", "vpn", "10.99.0.7")
    left = one(
        f"{ASA}113019: Group = g, Username = ayse, IP = 203.0.113.9, Session disconnected. Session Type: SSL, "
        "Duration: 1d 0h:01m:52s, Bytes xmt: 32452, Bytes rcv: 7, Reason: User Requested"
    )
    assert told(left, "some.fact", "event.start") == ("logout", AT - (86_400 + 112) * SECOND)
    assert left["some.session.id"] == assigned["some.session.id"]


def test_asa_denies_and_unknown_messages_attest_nothing():
    denied = one(
        f'{ASA}106023: Deny tcp src outside:203.0.113.9/80 dst inside:10.20.30.41/8309 by access-group "in" [0x0, 0x0]'
    )
    assert told(denied, "some.fact", "source.ip", "destination.port", "rule.name") == (None, "203.0.113.9", 8309, "in")
    other = one("<165>Nov 23 2026 21:35:43 fw1 : %ASA-5-111010: User 'enable_15', running 'CLI', executed 'clear'")
    assert told(other, "some.fact", "event.code", "log.level") == (None, "111010", "notification")
    assert other["message"].startswith("User")
    url = one(f"{ASA}304001: ayse@10.20.30.41 Accessed URL 203.0.113.80:http://www.example.org/a?b=1")
    assert told(url, "url.domain", "url.path", "user.name", "source.ip") == (
        "www.example.org", "/a", "ayse", "10.20.30.41",
    )  # fmt: skip


# Cisco ISE

ISE = (
    "<181>Nov 23 21:35:44 ise1 CISE_RADIUS_Accounting 0000142672 1 0 2026-11-23 21:35:53.000 +03:00 0000193021 3000 "
    "NOTICE Radius-Accounting: RADIUS Accounting request, ConfigVersionId=35, UserName=ayse, NAS-IP-Address=10.20.0.2, "
    "Framed-IP-Address=10.20.30.41, Calling-Station-ID=00-00-5E-00-53-23, Acct-Status-Type={status}, "
    "Acct-Session-Id=0000AAAA/24927, Acct-Session-Time=600, Acct-Input-Octets=5, Acct-Input-Gigawords=1, "
    "Acct-Delay-Time=10, {last}"
)


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ("Start", "login"),
        ("Interim-Update", "login.seen"),
        ("Stop", "logout"),
        ("Accounting-On", "restart"),
        ("x", None),
    ],
)
@pytest.mark.parametrize("last", ["Event-Timestamp=1795458943,", "Step=11004,"])
def test_ise_accounting(status, word, last):
    document = one(ISE.format(status=status, last=last))
    assert document["@timestamp"] == AT, "the NAS's time, else ISE's less the delay"
    assert told(document, "some.fact", "client.ip", "client.mac", "user.name", "observer.ip", "some.session.id") == (
        word, "10.20.30.41", "00-00-5E-00-53-23", "ayse", "10.20.0.2", "0000AAAA/24927",
    )  # fmt: skip
    assert document["source.bytes"] == 2**32 + 5
    begins = AT - 600 * SECOND if word in {"login.seen", "logout"} else None
    assert document.get("event.start") == begins


def test_ise_devices_without_a_person_and_pieces():
    line = ISE.format(status="Start", last="Event-Timestamp=1795458943,")
    assert "some.fact" not in one(line.replace("UserName=ayse", "UserName=00-00-5E-00-53-23"))
    piece = "<181>Nov 23 21:35:43 ise1 CISE_RADIUS_Accounting 0000142672 3 1 UserName=ayse, Acct-Status-Type=Stop, {}"
    cut = one(piece.format("Calling-Station-ID=00-00-5E-00-53-23, Framed-IP-Address=10.20.30.4"))
    assert told(cut, "client.ip", "client.mac", "some.fact", "@timestamp") == (None, "00-00-5E-00-53-23", "logout", AT)
    assert one(piece.format("Framed-IP-Address=10.20.30.41,"))["client.ip"] == "10.20.30.41"
    last = piece.replace(" 3 1 ", " 3 2 ")
    assert one(last.format("Framed-IP-Address=10.20.30.41"))["client.ip"] == "10.20.30.41"


def test_ise_passed_authentications():
    head = (
        "<181>Nov 23 21:35:43 ise1 CISE_Passed_Authentications 0000077038 1 0 2026-11-23 21:35:43.000 +03:00 "
        "0000077104 {} NOTICE Passed: x, UserName=ayse, {}"
    )
    known = one(head.format("5200", "Calling-Station-ID=00-00-5E-00-53-23, Acct-Session-Id=7,"))
    assert told(known, "some.fact", "some.login.method", "client.mac") == ("login", "radius", "00-00-5E-00-53-23")
    guest = one(head.format("5231", "IpAddress=10.20.30.41,"))
    assert told(guest, "some.fact", "some.login.method", "source.ip") == ("login", "portal", "10.20.30.41")
    nowhere = one(head.format("5200", "NAS-IP-Address=10.20.0.2,"))
    assert "some.fact" not in nowhere


# Sophos

SOPHOS = (
    '<30>device="SFW" date=2026-11-23 time=21:35:43 timezone="{zone}" device_name="XG230" device_id=C1 '
    'log_id=010101600001 log_type="Firewall" log_component="Firewall Rule" log_subtype="{subtype}" duration=30 '
    'user_name="ayse" src_mac={mac} src_ip=10.20.30.41 dst_ip=203.0.113.80 protocol="TCP" src_port=51022 dst_port=443 '
    'sent_pkts=6  recv_pkts=5 tran_src_ip=198.51.100.10 tran_src_port=0 connevent="{event}" connid="16"'
)


def sophos(*, name="+03", subtype="Allowed", mac="00:00:00:00:00:00", event="Stop", **settings):
    return one(SOPHOS.format(zone=name, subtype=subtype, mac=mac, event=event), **settings)


@pytest.mark.parametrize(
    ("event", "word", "start", "end"),
    [
        ("Stop", "session", -30, 0),
        ("", "session", -30, 0),
        ("Interim", "session.seen", -30, None),
        ("Start", "session.opened", 0, None),
    ],
)
def test_sophos_sessions(event, word, start, end):
    document = sophos(event=event)
    assert told(document, "some.fact", *ENDS) == (
        word, "10.20.30.41", 51022, "198.51.100.10", None, "203.0.113.80", 443,
    )  # fmt: skip
    assert document["event.start"] == AT + start * SECOND
    assert document.get("event.end") == (None if end is None else AT)
    assert told(document, "some.session.id", "observer.serial_number", "source.mac") == ("16", "C1", None)
    assert document["source.user.name"] == "ayse"


def test_sophos_denied_is_no_session_and_macs_count():
    document = sophos(subtype="Denied", mac="00:00:5e:00:53:23")
    assert told(document, "some.fact", "source.mac") == (None, "00-00-5E-00-53-23")
    assert document["event.type"] == ["connection", "denied"]


@pytest.mark.parametrize(("name", "hours"), [("IST", 3), ("BST", 3), ("+03", 3), ("CET", 1), ("UTC", 0)])
def test_sophos_believes_no_abbreviation_that_means_several(name, hours):
    assert sophos(name=name, timezone=zone("Europe/Istanbul"))["@timestamp"] == AT + (3 - hours) * 3600 * SECOND


def test_sophos_central_form_with_blanks_in_bare_values():
    document = one(
        '<30>Nov 23 21:40:00 sophos device_name="SFW" timestamp="2026-11-23T21:35:43+0300" device_serial_id="C2" '
        'log_id="010101600001" log_type="Firewall" log_component="Firewall Rule" log_subtype="Allowed" duration=39 '
        'ether_type=IPv4 (0x0800) src_ip="10.20.30.41" dst_ip="203.0.113.80" protocol="ICMP" icmp_type=8 '
        'bytes_sent=168 bytes_received=84 src_trans_ip="198.51.100.10" con_event="Stop" con_id="3153"'
    )
    assert told(document, "some.fact", *ENDS) == (
        "session", "10.20.30.41", None, "198.51.100.10", None, "203.0.113.80", None,
    )  # fmt: skip
    assert told(document, "@timestamp", "event.start", "observer.serial_number") == (AT, AT - 39 * SECOND, "C2")
    assert told(document, "source.bytes", "destination.bytes") == (168, 84)


def test_sophos_sign_ins_and_leases():
    head = '<30>device="SFW" date=2026-11-23 time=21:35:43 timezone="+03" device_id=C1 log_id=1 log_type="Event" '
    left = one(
        f'{head}log_component="Firewall Authentication" log_subtype="Authentication" status="Successful" '
        'user_name="ayse" src_ip=10.20.30.41 message="User ayse was logged out of firewall"'
    )
    assert told(left, "some.fact", "some.login.method", "user.name") == ("logout", "firewall", "ayse")
    lease = one(
        f'{head}log_component="DHCP Server" log_subtype="System" status="Renew" reported_ip="10.20.30.41" '
        'src_mac="00:00:5e:00:53:23" message="Lease IP 10.20.30.41 renewed for MAC 00:00:5e:00:53:23" lease_time="600"'
    )
    assert told(lease, "some.fact", "client.ip", "client.mac", "some.lease.duration") == (
        "lease.granted", "10.20.30.41", "00-00-5E-00-53-23", 600,
    )  # fmt: skip


def test_durations_without_a_header_time_count_back_from_reception():
    line = f"%ASA-6-{OUTBOUND}".encode()
    closed = (
        b"%ASA-6-302014: Teardown TCP connection 7 for o:203.0.113.80/443 to i:10.0.0.1/5000 duration 0:00:09 bytes 1"
    )
    batches = Parsing().parse_block([line, closed], [AT, AT + SECOND], SourceHints("fw", "access"), ["udp:1"] * 2)
    starts = {
        row: start
        for batch in batches
        for row, start in zip(batch.rows, batch.columns.get("event.start", [None] * 2), strict=True)
    }
    assert starts == {0: None, 1: AT - 8 * SECOND}
