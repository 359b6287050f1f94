"""What lines of leases, logins and packet filters mean: the fields and the word of the interval fact."""

from __future__ import annotations

import pytest
from identity_reading import AT, NOW, SYSLOG, at, fact, one

from ingest.parsing import Parsing, SourceHints, parse_lines


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DHCPACK on 10.0.0.9 to 00:00:5e:00:53:23 (pc) via eth1", "lease.granted"),
        ("DHCPACK to 10.0.0.9 (00:00:5e:00:53:23) via eth1", None),  # the answer to DHCPINFORM
        ("DHCPRELEASE of 10.0.0.9 from 00:00:5e:00:53:23 (pc) via eth1 (found)", "lease.ended"),
        ("DHCPEXPIRE on 10.0.0.9 to 00:00:5e:00:53:23", "lease.ended"),
        ("DHCPDECLINE of 10.0.0.9 from 00:00:5e:00:53:23 via eth1", "lease.ended"),
        ("DHCPREQUEST for 10.0.0.9 from 00:00:5e:00:53:23 via eth1", None),
        ("DHCPOFFER on 10.0.0.9 to 00:00:5e:00:53:23 via eth1", None),
        ("DHCPNAK on 10.0.0.9 to 00:00:5e:00:53:23 via eth1", None),
        ("DHCPDISCOVER from 00:00:5e:00:53:23 via eth1", None),
    ],
)
def test_dhcpd_facts(text, expected):
    assert fact(one(f"{SYSLOG}dhcpd[1204]: {text}")) == expected


HOOK = "2026-11-23 21:35:43 {zone} Address: {ip} has been {what} a device with {device}"
DEVICE = "hardware address: hwtype=1 00:00:5e:00:53:23, client-id: 17:34:e2:ff connected via relay at address: 10.0.0.1"


@pytest.mark.parametrize(
    ("what", "expected", "seconds"),
    [
        ("assigned for 1 hrs 52 min 15 secs to", "lease.granted", 6735),
        ("renewed for 2 days 0 hrs 11 mins 53 secs to", "lease.granted", 173_513),
        ("assigned for infinite duration to", "lease.granted", None),
        ("released from", "lease.ended", None),
    ],
)
def test_kea_hook(what, expected, seconds):
    document = one(HOOK.format(zone="+03", ip="10.0.0.9", what=what, device=DEVICE))
    assert document["event"]["module"] == "kea"
    assert (fact(document), at(document, "some.lease.duration")) == (expected, seconds)
    assert document["client"] == {"ip": "10.0.0.9", "mac": "00-00-5E-00-53-23"}
    assert document["some"]["lease"]["relay"] == "10.0.0.1"
    assert document["@timestamp"] == AT


@pytest.mark.parametrize(
    ("text", "expected", "hardware", "seconds"),
    [
        ("Administrator added a lease of address: 10.0.0.9 to a device with {mac} for 1 days 0 hrs 0 mins 0 secs",
         "lease.granted", "00-00-5E-00-53-23", 86_400),
        ("HA partner updated information on the lease of address: 10.0.0.9 to a device with {mac}, client-id: 12",
         "lease.granted", "00-00-5E-00-53-23", None),
        ("Administrator deleted the lease for address: 10.0.0.9", "lease.ended", None, None),
        ("Address: 10.0.0.9 has been assigned for 6735 seconds to a device with {mac}", "lease.granted",
         "00-00-5E-00-53-23", 6735),
        ("Address:10.0.0.9 has been assigned to a device with {mac}", "lease.granted", "00-00-5E-00-53-23", None),
    ],
)  # fmt: skip
@pytest.mark.parametrize("head", ["2026-11-23 21:35:43 +03 ", f"{SYSLOG}kea-dhcp4[7]: "])
def test_kea_hook_of_the_control_channel_and_of_documented_formats(head, text, expected, hardware, seconds):
    document = one(head + text.format(mac="hardware address: 00:00:5e:00:53:23"))
    assert document["event"]["module"] == "kea"
    assert (fact(document), at(document, "client.mac")) == (expected, hardware)
    assert at(document, "some.lease.duration") == seconds
    assert (document["client"]["ip"], document["@timestamp"]) == ("10.0.0.9", AT)


def test_kea_hook_of_ipv6_zones_and_prefixes():
    device = "DUID: 17:34:e2:ff:09:92 and hardware address: hwtype=1 00:00:5e:00:53:23 (from DUID)"
    line = HOOK.format(zone="CET", ip="2001:db8:0::9", what="assigned for 0 hrs 11 mins 53 secs to", device=device)
    document = one(line)
    assert document["client"] == {"ip": "2001:db8::9", "mac": "00-00-5E-00-53-23"}
    assert document["@timestamp"] == "2026-11-23T20:35:43.000Z"
    prefix = one(line.replace("Address: 2001:db8:0::9", "Prefix: 2001:db8::/56"))
    assert prefix["event"]["module"] == "kea"
    assert fact(prefix) is None
    unknown = HOOK.format(zone="IST", ip="10.0.0.9", what="released from", device=DEVICE)
    assert one(unknown)["@timestamp"] == AT  # ambiguous: the source's zone


@pytest.mark.parametrize("head", ["2026-11-23 21:35:43.120 INFO  [kea-dhcp4.leases/412.1] ",
                                  f"{SYSLOG}kea-dhcp4[412]: INFO [kea-dhcp4.leases.0x3cbf] "])  # fmt: skip
@pytest.mark.parametrize(
    ("text", "expected", "ip", "seconds"),
    [
        ("DHCP4_LEASE_ALLOC {who}: lease 10.0.0.9 has been allocated for 3600 seconds", "lease.granted", "10.0.0.9",
         3600),
        ("DHCP4_LEASE_OFFER {who}: lease 10.0.0.9 will be offered", None, "10.0.0.9", None),
        ("DHCP4_RELEASE {who}: address 10.0.0.9 was released properly.", "lease.ended", "10.0.0.9", None),
        ("DHCP4_DECLINE_LEASE Received DHCPDECLINE for addr 10.0.0.9 from client {who}. Unavailable for 864 seconds.",
         "lease.ended", "10.0.0.9", None),
        ("DHCP4_SHUTDOWN server shutdown", None, None, None),
    ],
)  # fmt: skip
def test_kea_server(head, text, expected, ip, seconds):
    document = one(head + text.format(who="[hwtype=1 00:00:5e:00:53:23], cid=[no info], tid=0x1"))
    assert document["event"]["module"] == "kea"
    assert (fact(document), at(document, "client.ip"), at(document, "some.lease.duration")) == (expected, ip, seconds)
    if ip:
        assert document["client"]["mac"] == "00-00-5E-00-53-23"
    assert document["@timestamp"].startswith("2026-11-23T18:35:43")


@pytest.mark.parametrize(
    ("line", "expected", "time"),
    [
        ("10,11/23/26,21:35:43,Assign,10.0.0.9,pc-1,00005E005323,,1,0,,,", "lease.granted", AT),
        ("11,11/23/2026,21:35:43,Renew,10.0.0.9,pc-1,00005E005323,", "lease.granted", AT),
        ("12,23/11/26,21:35:43,Release,10.0.0.9,pc-1,00005E005323,", "lease.ended", AT),
        ("18,23.11.26,21:35:43,Expired,10.0.0.9,,,,0,6,,,,,,,,,0", "lease.ended", AT),
        ("17,11/23/26,21:35:43,DNS record not deleted,10.0.0.9,,,,0,6", "lease.ended", AT),
        ("16,11/23/26,21:35:43,Deleted,10.0.0.9,,,,0,6", "lease.ended", AT),
        ("13,11/23/26,21:35:43,In use,10.0.0.9,,BAD,", None, AT),
        ("30,11/12/26,21:35:43,DNS Update Request,10.0.0.9,pc-1,,", None, "2026-11-12T18:35:43.000Z"),
        ("24,11/23/26,21:35:43,Database Cleanup Begin,,,,,0,6", None, AT),
        ("11018,11/23/26,21:35:43,DHCPV6 Expired,2001:db8::9,pc-1,,18,0004A34473BF,,,,,", None, AT),
    ],
)
def test_windows_dhcp(line, expected, time):
    document = one(line)
    assert document["event"]["module"] == "windows_dhcp"
    assert (fact(document), document["@timestamp"]) == (expected, time)
    assert document["event"]["code"] == line.split(",")[0]
    if "00005E005323" in line:
        assert document["client"] == {"ip": "10.0.0.9", "mac": "00-00-5E-00-53-23"}
        assert document["host"]["hostname"] == "pc-1"


def test_the_heading_of_a_windows_dhcp_file_is_refused_as_such():
    for line in (
        "ID,Date,Time,Description,IP Address,Host Name,MAC Address,",
        "\t\tMicrosoft DHCP Service Activity Log",
    ):
        document = one(line, "windows_dhcp")
        assert "heading" in document["error"]["message"]
    assert "MM/DD/YY" in one("10,31/31/26,21:35:43,Assign,10.0.0.9,", "windows_dhcp")["error"]["message"]


@pytest.mark.parametrize(
    ("status", "expected", "outcome"),
    [
        ("USER LOGIN", "login", "success"),
        ("LOGIN", "login", "success"),
        ("ACCEPT", "login", "success"),
        ("Voucher login good for 30 min.", "login", "success"),
        ("LOGOUT", "logout", "success"),
        ("USER LOGOUT", "logout", "success"),
        ("TIMEOUT", "logout", "success"),
        ("SESSION TIMEOUT", "logout", "success"),
        ("DISCONNECT", "logout", "success"),
        ("CONCURRENT LOGIN - TERMINATING OLD SESSION", "logout", "success"),
        ("CONCURRENT LOGIN - REUSING OLD SESSION", "login.seen", "success"),
        ("CONCURRENT LOGIN - NOT ALLOWED KEEPING OLD SESSION", None, "failure"),
        ("FAILURE", None, "failure"),
    ],
)
@pytest.mark.parametrize("hardware", ["", "00:00:5e:00:53:23"])
def test_portal_of_pfsense(status, expected, outcome, hardware):
    document = one(f"{SYSLOG}logportalauth[115]: Zone: guests - {status}: Ayse Yilmaz, {hardware}, 10.0.0.9, why")
    assert document["event"]["module"] == "pfsense_portal"
    assert (fact(document), at(document, "event.outcome")) == (expected, outcome)
    assert at(document, "some.login.method") == ("portal" if expected else None)
    assert document["client"] == {"ip": "10.0.0.9"} | ({"mac": "00-00-5E-00-53-23"} if hardware else {})
    assert document["user"]["name"] == "Ayse Yilmaz"
    assert document["network"]["name"] == "guests"
    assert document["event"]["reason"] == "why"


def test_portal_clients_without_a_name_and_the_portal_of_opnsense():
    for name in ("00:00:5e:00:53:23", "unauthenticated", "anonymous@10.0.0.9", ""):
        document = one(f"{SYSLOG}logportalauth[115]: Zone: guests - ACCEPT: {name}, 00:00:5e:00:53:23, 10.0.0.9")
        assert document["event"]["module"] == "pfsense_portal"
        assert fact(document) is None
    said = {"AUTH": "login", "LOGOUT": "logout", "DENY": None}
    for verb, expected in said.items():
        document = one(f"{SYSLOG}captiveportal[1]: {verb} ayse (10.0.0.9) zone 0")
        assert (fact(document), document["client"]["ip"], document["user"]["name"]) == (expected, "10.0.0.9", "ayse")
    assert fact(one(f"{SYSLOG}captiveportal[1]: AUTH anonymous@10.0.0.9 (10.0.0.9) zone 0")) is None
    # the name of a visitor may not choose the address
    document = one(f"{SYSLOG}logportalauth[1]: Zone: g - USER LOGIN: ayse, , 10.0.0.7, , 10.0.0.9")
    assert document["client"]["ip"] == "10.0.0.9"


V4 = "7,,,1000000102,igb1,match,{act},{way},4,0x0,,64,19008,0,DF,{tail}"
V6 = "98,,,02f4bab0,igb1,match,{act},{way},6,0x00,0x0ea87,51,{tail}"
TCP, UDP = "6,tcp,60,10.0.0.9,203.0.113.80,42970,443,0,S,52,,64240,,mss", "17,udp,60,10.0.0.9,203.0.113.80,42970,443,40"
ICMP = "1,icmp,84,10.0.0.9,203.0.113.80,request,0,064"
UDP6 = "UDP,17,73,2001:db8::9,2001:db8:1::80,42970,443,73"


@pytest.mark.parametrize(
    ("line", "expected", "transport"),
    [
        (V4.format(act="pass", way="in", tail=TCP), "session.opened", "tcp"),
        (V4.format(act="pass", way="in", tail=UDP), "session.opened", "udp"),
        (V4.format(act="pass", way="out", tail=TCP), None, "tcp"),
        (V4.format(act="block", way="in", tail=TCP), None, "tcp"),
        (V4.format(act="reject", way="in", tail=TCP), None, "tcp"),
        (V4.format(act="pass", way="in", tail=ICMP), None, "icmp"),
        (V6.format(act="pass", way="in", tail=UDP6), "session.opened", "udp"),
        (V6.format(act="block", way="in", tail=UDP6), None, "udp"),
    ],
)
def test_filterlog(line, expected, transport):
    document = one(f"{SYSLOG}filterlog[92653]: {line}")
    assert document["event"]["module"] == "filterlog"
    assert (fact(document), document["network"]["transport"]) == (expected, transport)
    assert document["source"]["ip"] == ("10.0.0.9" if ",4," in line else "2001:db8::9")
    assert document["destination"]["ip"] == ("203.0.113.80" if ",4," in line else "2001:db8:1::80")
    if transport != "icmp":
        assert (document["source"]["port"], document["destination"]["port"]) == (42970, 443)
    assert "nat" not in document["source"]


def test_filterlog_lines_of_all_kinds_in_one_block_and_cut_ones():
    whole = [
        V4.format(act="pass", way="in", tail=TCP), V4.format(act="pass", way="in", tail=ICMP),
        V6.format(act="pass", way="in", tail=UDP6), V4.format(act="block", way="out", tail=UDP),
    ]  # fmt: skip
    lines = [*whole, whole[0][:60], *whole, whole[2][:70]]
    found = list(parse_lines([f"{SYSLOG}filterlog[1]: {line}".encode() for line in lines], now=NOW))
    alone = [one(f"{SYSLOG}filterlog[1]: {line}") for line in lines]
    assert found == alone
    assert [document["event"]["module"] for document in found].count("filterlog") == 8


DETAIL = """Mon Nov 23 21:35:50 2026
\tUser-Name = "ay\\305\\237e"
\tAcct-Status-Type = {status}
\tAcct-Session-Id = "5E-01"
\tNAS-IP-Address = 10.0.0.1
\tFramed-IP-Address = 10.0.0.9
\tCalling-Station-Id = "00-00-5E-00-53-23:guests"
\tAcct-Input-Octets = 1000
\tAcct-Input-Gigawords = 2
\tAcct-Output-Octets = 7
"""
START = "2026-11-23T18:25:43.000Z"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("Start", "login"), ("Interim-Update", "login.seen"), ("Alive", "login.seen"), ("Stop", "logout"),
     ("Accounting-On", "restart"), ("Accounting-Off", "restart"), ("Tunnel-Start", None)],
)  # fmt: skip
def test_radius_detail(status, expected):
    text = DETAIL.format(status=status) + '\tAcct-Session-Time = 600\n\tEvent-Timestamp = "Nov 23 2026 21:35:43 +03"\n'
    document = one(text)
    assert document["event"]["module"] == "radius_detail"
    assert (fact(document), at(document, "some.login.method")) == (expected, "radius" if expected else None)
    assert document["@timestamp"] == AT
    counted = status in ("Interim-Update", "Alive", "Stop")
    assert at(document, "event.start") == (START if counted else None)
    assert at(document, "event.end") == (AT if status == "Stop" else None)
    assert document["client"] == {"ip": "10.0.0.9", "mac": "00-00-5E-00-53-23"}
    assert document["observer"]["ip"] == "10.0.0.1"
    assert document["user"]["name"] == "ayşe"
    assert document["some"]["session"]["id"] == "5E-01"
    assert document["source"]["bytes"] == 2 * 2**32 + 1000
    assert document["destination"]["bytes"] == 7


@pytest.mark.parametrize(
    ("lines", "time"),
    [
        ('\tEvent-Timestamp = "Nov 23 2026 21:35:43 CET"\n\tAcct-Delay-Time = 9\n', "2026-11-23T20:35:43.000Z"),
        ('\tEvent-Timestamp = "Nov 23 2026 21:35:43 XYZ"\n', AT),
        ("\tEvent-Timestamp = 1795458943\n", AT),
        ('\tEvent-Timestamp = "2026-11-23T21:35:43+03:00"\n', AT),
        ('\tEvent-Timestamp = "Jan  1 1970 02:00:10 EET"\n\tAcct-Delay-Time = 7\n', AT),
        ('\tEvent-Timestamp = "февр. 11 2026 16:56:02 EET"\n\tTimestamp = 1795458950\n\tAcct-Delay-Time = 7\n', AT),
        ("\tTimestamp = 1795458943\n", AT),
        ("\tAcct-Delay-Time = 7\n", AT),
        ("", "2026-11-23T18:35:50.000Z"),
    ],
)
def test_the_time_of_a_radius_packet(lines, time):
    assert one(DETAIL.format(status="Start") + lines)["@timestamp"] == time


def test_radius_records_of_no_person_or_cut_into_lines():
    by_mac = DETAIL.format(status="Start").replace('"ay\\305\\237e"', '"00005e005323"')
    assert fact(one(by_mac)) is None
    assert "--framing detail" in one('\tUser-Name = "ayse"', "radius_detail")["error"]["message"]
    weekdays = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    for weekday in weekdays:  # none of them is a month, whatever the header of syslog looks for
        text = DETAIL.format(status="Start").replace("Mon ", f"{weekday} ", 1)
        assert one(text)["event"]["module"] == "radius_detail"
        assert one(text.replace("\n", "\r\n"))["user"]["name"] == "ayşe"
    received = f"2026-11-23T18:35:51.000000Z\t{DETAIL.format(status='Start')}".encode()
    (batch,) = Parsing().parse_block([received], [0], SourceHints("nas", "identity"), ["import:nas;received"])
    assert batch.columns["event.module"] == ["radius_detail"]
    assert batch.columns["some.delay"] == [1000]


HOSTILE = [
    "<Event ><System>" + "<System>" * 100_000,
    "<Event ><System></System>" + "<EventData>" * 80_000,
    "<Event ><System><EventID>1</EventID></System><EventData>" + "<Data Name='a'>" * 60_000 + "</EventData>",
    "<Event ><System>" + "<Provider " * 100_000 + "</System>",
    '{"a": "' + '"' * 900_000,
    '{"EventID":' * 80_000,
    "Mon Nov 23 21:35:43 2026\n\tUser-Name = x" + " " * 900_000 + "x",
    "Mon Nov 23 21:35:43 2026\n\tUser-Name" + "\n " * 400_000,
    "Zone: " + " - " * 300_000,
    "Zone: a - b: " + ", " * 400_000,
    "LOGIN: " + ", " * 400_000,
    "2026-11-23 21:35:43 Address: 10.0.0.9 has been released from a device with " + "hwtype=1 00:" * 80_000,
    "1,,,1,igb1,match,pass,in,4," + "," * 900_000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_records_of_a_megabyte_cost_linear_time(text):
    """Nothing is measured: a quadratic pattern would need hours here."""
    for format_name in ("auto", "kea", "filterlog", "pfsense_portal", "radius_detail", "windows_security"):
        assert one(text, format_name)["event"]["kind"] in {"event", "pipeline_error"}
