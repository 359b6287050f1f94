"""What each format's fields mean, on invented lines."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from ingest.parsers import layout
from ingest.parsers.times import DAY, bsd, clf, epoch, iso, zone_of
from ingest.parsers.values import Memo, address, mac, port
from ingest.parsing import Parsing, SourceHints, parse_lines, zone
from some.errors import BadInput

NOW = datetime(2026, 11, 23, 19, tzinfo=UTC)
TRAFFIC = (
    '<189>date=2026-11-23 time=21:35:43 devname="FW-1" devid="FG100TEST0000001" eventtime={eventtime} tz="+0300" '
    'logid="{logid}" type="traffic" subtype="forward" level="notice" vd="root" srcip=10.20.30.41 srcport=51022 '
    "dstip=203.0.113.80 dstport=443 sessionid=105048 proto=6 action={action} policyid=12 "
    'trandisp="snat" transip=198.51.100.10 transport=40112 duration=116 sentbyte=1188 rcvdbyte=1224'
)


def one(line, **settings):
    line = line.encode() if isinstance(line, str) else line
    return next(parse_lines([line], now=settings.pop("now", NOW), **settings))


def traffic(eventtime="1795458943123456789", logid="0000000013", action='"close"'):
    return one(TRAFFIC.format(eventtime=eventtime, logid=logid, action=action))


@pytest.mark.parametrize(
    ("eventtime", "end"),
    [
        ("1795458943", "2026-11-23T18:35:43.000Z"),
        ("1795458943120", "2026-11-23T18:35:43.120Z"),
        ("1795458943123456", "2026-11-23T18:35:43.123456Z"),
        ("1795458943123456789", "2026-11-23T18:35:43.123456Z"),
        ("0", "2026-11-23T18:35:43.000Z"),
        ("nonsense", "2026-11-23T18:35:43.000Z"),
    ],
)
def test_fortigate_eventtime_counts_what_its_digits_say(eventtime, end):
    document = traffic(eventtime)
    assert document["event"]["end"] == document["@timestamp"] == end
    began = datetime.fromisoformat(end) - timedelta(seconds=116)
    assert datetime.fromisoformat(document["event"]["start"]) == began
    assert document["event"]["duration"] == 116_000_000_000


def test_fortigate_interim_statistics_have_no_end():
    document = traffic(logid="0000000020")
    assert document["event"]["start"] == "2026-11-23T18:33:47.123456Z"
    assert "end" not in document["event"]
    assert document["event"]["type"] == ["connection", "info", "allowed"]
    assert traffic()["event"]["type"] == ["connection", "end", "allowed"]
    assert traffic(action='"deny"')["event"]["type"] == ["connection", "end", "denied"]


def test_fortigate_written_time_and_eventtime_that_contradict_each_other_are_both_kept():
    document = traffic(str(1795458943 - 3600))
    assert document["@timestamp"] == "2026-11-23T18:35:43.000Z"
    assert document["event"]["end"] == "2026-11-23T17:35:43.000Z"


def test_fortigate_without_tz_believes_eventtime_not_the_guessed_zone():
    line = (
        'date=2026-11-23 time=18:35:43 devid="F" eventtime=1795458943 type="event" subtype="system" logid="0100000001"'
    )
    assert one(line)["@timestamp"] == "2026-11-23T18:35:43.000Z"
    assert one(line.replace("eventtime=1795458943 ", ""))["@timestamp"] == "2026-11-23T15:35:43.000Z"


def test_fortigate_nat_zero_means_none_and_bad_numbers_are_left_out():
    line = TRAFFIC.format(eventtime="1795458943", logid="0000000013", action='"close"')
    line = line.replace("transip=198.51.100.10", "transip=0.0.0.0").replace("transport=40112", "transport=0")
    line = line.replace("srcport=51022", "srcport=70000").replace("duration=116", "duration=999999999999999999")
    document = one(line)
    assert "nat" not in document["source"]
    assert "port" not in document["source"]
    assert document["source"]["bytes"] == 1188
    assert "start" not in document["event"]


def test_fortigate_unterminated_quote_csv_and_repeated_keys():
    broken = one(
        '<189>date=2026-11-23 time=21:35:43 devid="F" logid="0100000001" type="event" msg="open srcip=10.0.0.1'
    )
    assert broken["message"] == "open"
    assert broken["source"]["ip"] == "10.0.0.1"
    inner = one(
        'date=2026-11-23 time=21:35:43 devid="F" logid="0100000001" type="event" msg="say "hi" now" srcip=10.0.0.1'
    )
    assert inner["message"] == 'say "hi" now'
    commas = one('date=2026-11-23,time=21:35:43,devid="F",logid="0100000001",type="event",srcip=10.0.0.1,msg="a, b=c"')
    assert (commas["source"]["ip"], commas["message"]) == ("10.0.0.1", "a, b=c")
    twice = one('date=2026-11-23 time=21:35:43 devid="F" srcip=10.0.0.1 url="/?x" srcip=10.0.0.2')
    assert twice["source"]["ip"] == "10.0.0.1"


@pytest.mark.parametrize(
    "head",
    [
        "<189>", "", "<189>Nov 23 21:35:43 fw ", "<189>1 2026-11-23T21:35:43+03:00 fw - - - - ",
        '<189>1 2026-11-23T21:35:43+03:00 fw - - - [x@1 a="1"] ', "<189>Nov 23 21:35:43 ",
    ],
)  # fmt: skip
def test_fortigate_under_every_header(head):
    line = TRAFFIC.format(eventtime="1795458943", logid="0000000013", action='"close"').removeprefix("<189>")
    document = one(head + line)
    assert document["event"]["module"] == "fortigate"
    assert document["source"]["nat"] == {"ip": "198.51.100.10", "port": 40112}
    assert document["@timestamp"] == "2026-11-23T18:35:43.000Z"
    assert document.get("log", {}).get("syslog", {}).get("priority") == (189 if head.startswith("<") else None)


def test_fortigate_leases_and_tunnels():
    lease = one(
        'date=2026-11-23 time=21:35:43 devid="F" logid="0100026001" type="event" subtype="system" '
        'logdesc="DHCP Ack log" dhcp_msg="Ack" mac="00:00:5E:00:53:23" ip=10.20.30.41 lease=86400 hostname="pc-0412"'
    )
    assert lease["client"] == {"ip": "10.20.30.41", "mac": "00-00-5E-00-53-23"}
    assert lease["event"]["action"] == "dhcpack"
    assert lease["some"]["lease"]["duration"] == 86400
    assert lease["host"]["hostname"] == "pc-0412"
    assert "url" not in lease
    tunnel = one(
        'date=2026-11-23 time=21:35:43 devid="F" logid="0101039947" type="event" subtype="vpn" action="tunnel-up" '
        'remip=203.0.113.9 tunnelip=10.99.0.7 user="ayse" group="N/A" reason="N/A"'
    )
    assert tunnel["some"]["assigned"]["ip"] == "10.99.0.7"
    assert tunnel["user"]["name"] == "ayse"
    assert tunnel["event"]["type"] == ["start"]
    assert "reason" not in tunnel["event"]


def test_learned_layouts_are_bounded_and_hostile_ones_cost_no_compilation_each():
    lines = [f'date=2026-11-23 time=21:35:43 devid="F" k{number}=1 srcip=10.0.0.1'.encode() for number in range(900)]
    parsing = Parsing()
    hints = SourceHints("fw", "access")
    for _ in range(layout._LEARN_AT + 2):
        parsing.parse_block(lines, [0] * len(lines), hints, ["udp:1"] * len(lines))
    learned = parsing._parsers["fortigate"]._layouts
    assert 0 < len(learned._known) <= layout.MOST_LAYOUTS
    assert sum(map(len, learned._by_count.values())) <= layout.MOST_LAYOUTS


def test_a_learned_layout_reads_what_reading_pair_by_pair_reads():
    text = 'a="1" b=2 c="x y" d='
    pairs = layout.strict(text, 0)
    grammar = layout.Grammar(frozenset("abcd"), frozenset("b"), frozenset("a"))
    learned = layout.compiled(layout.Layouts(grammar)._layout(pairs), grammar)
    assert learned.match(text, 0).groups() == ("2", "x y", "")
    assert learned.constants == {"a": "1"}
    for other in ('a="2" b=2 c="x y" d=', 'a="1" b=x c="x y" d=', 'a="1" b=2 c="x"y" d=', text + " e=1", text[:-2]):
        assert learned.match(other, 0) is None


def test_squid_time_is_the_end_of_the_request():
    document = one(
        "1795458943.123    184 10.20.30.41 TCP_DENIED/407 4512 CONNECT www.example.org:443 EXAMPLE%5Cayse NONE/- "
        "text/html"
    )
    assert document["@timestamp"] == document["event"]["end"] == "2026-11-23T18:35:43.123Z"
    assert document["event"]["start"] == "2026-11-23T18:35:42.939Z"
    assert document["user"]["name"] == "EXAMPLE\\ayse"
    assert document["url"] == {"original": "www.example.org:443", "domain": "www.example.org", "port": 443}
    assert document["event"]["type"] == ["access", "denied"]
    assert "destination" not in document or "ip" not in document["destination"]


def test_squid_long_form_and_port():
    document = one(
        "1795458943.123    104 10.20.30.41 58938 TCP_MISS/200 904 123 364 123 528 GET "
        "http://www.example.org/%C3%B6deme?x=1 1.1 ayse HIER_DIRECT/203.0.113.10 8080 text/html - - "
        '"-" "agent" "www.example.org" "-" 53 -'
    )
    assert document["source"]["port"] == 58938
    assert document["destination"] == {"ip": "203.0.113.10", "port": 8080, "bytes": 904}
    assert document["source"]["bytes"] == 123
    assert document["url"]["path"] == "/ödeme"
    assert document["url"]["query"] == "x=1"


def test_squid_under_syslog_and_a_request_that_was_none():
    document = one(
        "<142>Nov 23 21:35:43 proxy1 (squid-1)[2201]: 1795458943.123 0 10.20.30.41 NONE_NONE/000 0 - "
        "error:bad - HIER_NONE/- -"
    )
    assert document["event"]["module"] == "squid"
    assert document["log"]["syslog"]["hostname"] == "proxy1"
    assert "http" not in document
    assert document["url"]["original"] == "error:bad"


def test_access_log_ports_virtual_host_and_forwarded_address():
    document = one(
        'www.example.org:443 192.0.2.7 - ayse [23/Nov/2026:21:35:43 +0300] "GET /a HTTP/2.0" 200 12 "-" "agent" '
        '"203.0.113.5, 10.0.0.1" 51022 198.51.100.10 443'
    )
    assert document["source"]["ip"] == "192.0.2.7"
    assert document["source"]["port"] == 51022
    assert document["destination"] == {"ip": "198.51.100.10", "port": 443}
    assert document["network"]["forwarded_ip"] == "203.0.113.5"
    assert document["url"]["domain"] == "www.example.org"
    assert document["user"]["name"] == "ayse"
    assert document["@timestamp"] == "2026-11-23T18:35:43.000Z"


@pytest.mark.parametrize(
    ("request_text", "method", "url"),
    [
        ("GET /a", "GET", "/a"), ("-", None, None), ("", None, None), (r"\x16\x03\x01", None, r"\x16\x03\x01"),
        (r"GET /a\"b HTTP/1.1", "GET", r"/a\"b"), ("geti /p HTTP/1.1", "geti", "/p"),
    ],
)  # fmt: skip
def test_access_log_odd_requests_are_kept_as_they_came(request_text, method, url):
    document = one(f'192.0.2.7 - - [23/Nov/2026:21:35:43 +0300] "{request_text}" 400 0')
    assert document["event"]["module"] == "access_log"
    assert document.get("http", {}).get("request", {}).get("method") == method
    assert document.get("url", {}).get("original") == url


def test_access_log_of_a_user_with_a_blank_and_a_client_with_a_name():
    document = one('pc7.example.org - ayse demir [23/Nov/2026:21:35:43 +0300] "GET / HTTP/1.1" 200 5')
    assert document["source"]["address"] == "pc7.example.org"
    assert "ip" not in document["source"]


@pytest.mark.parametrize(
    ("text", "action", "ip", "hardware"),
    [
        ("DHCPDISCOVER from 00:00:5e:00:53:23 via eth1", "dhcpdiscover", None, "00-00-5E-00-53-23"),
        ("DHCPOFFER on 10.0.0.9 to 0:0:5e:0:53:23 via eth1", "dhcpoffer", "10.0.0.9", None),
        ("DHCPREQUEST for 10.0.0.9 (10.0.0.1) from 00:00:5e:00:53:23 (pc) via eth1: wrong network.", "dhcprequest",
         "10.0.0.9", "00-00-5E-00-53-23"),
        ("DHCPACK to 10.0.0.9 (00:00:5e:00:53:23) via eth1", "dhcpack", "10.0.0.9", "00-00-5E-00-53-23"),
        ("DHCPNAK on 10.0.0.9 to 00:00:5e:00:53:23 via eth1", "dhcpnak", "10.0.0.9", "00-00-5E-00-53-23"),
        ("DHCPRELEASE of 10.0.0.9 from 00:00:5e:00:53:23 (pc) via eth1 (found)", "dhcprelease", "10.0.0.9",
         "00-00-5E-00-53-23"),
        ("DHCPINFORM from 10.0.0.9 via 10.0.0.2", "dhcpinform", "10.0.0.9", None),
        ("DHCPEXPIRE on 10.0.0.9 to 00:00:5e:00:53:23", "dhcpexpire", "10.0.0.9", "00-00-5E-00-53-23"),
    ],
)  # fmt: skip
def test_dhcpd_verbs(text, action, ip, hardware):
    document = one(f"<30>Nov 23 21:35:43 dhcp1 dhcpd[1204]: {text}")
    assert document["event"]["module"] == "dhcpd"
    assert document["event"]["action"] == action
    assert document.get("client", {}).get("ip") == ip
    if hardware:
        assert document["client"]["mac"] == hardware
    assert document["@timestamp"] == "2026-11-23T18:35:43.000Z"
    if "wrong network" in text:
        assert document["event"]["reason"] == "wrong network."
        assert document["server"]["ip"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("line", "host", "application", "message", "time"),
    [
        ("<34>Nov 23 21:35:43 gw su: failed", "gw", "su", "failed", "2026-11-23T18:35:43.000Z"),
        ("Nov  3 01:02:03 gw su[7]: failed", "gw", "su", "failed", "2026-11-02T22:02:03.000Z"),
        ("<34>Nov 23 21:35:43 cron[7]: run", None, "cron", "run", "2026-11-23T18:35:43.000Z"),
        ("<34>Nov 23 2025 21:35:43 gw : %ASA-6-1: Built", "gw", "%ASA-6-1", "Built", "2025-11-23T18:35:43.000Z"),
        ("<34>2024 Nov 23 21:35:43 gw a: b", "gw", "a", "b", "2024-11-23T18:35:43.000Z"),
        ("<34>Nov 23 21:35:43.120 UTC gw a: b", "gw", "a", "b", "2026-11-22T21:35:43.120Z"),
        ("<34>17: gw: *Nov 23 21:35:43.120: %SYS-5-X: b", "gw", "%SYS-5-X", "b", "2026-11-23T18:35:43.120Z"),
        ("<34>2026-11-23T21:35:43.120+03:00 gw a[1]: b", "gw", "a", "b", "2026-11-23T18:35:43.120Z"),
        ("<34>1 2026-11-23T21:35:43+03:00 gw a 1 M - b", "gw", "a", "b", "2026-11-23T18:35:43.000Z"),
        ("<34>1 - - - - - - b", None, None, "b", "2026-11-23T19:00:00.000Z"),
        ("<34>1 2026-11-23T18:35:43Z gw a 1 M b", "gw", "a", "b", "2026-11-23T18:35:43.000Z"),
        ("<34>just words", None, None, "just words", "2026-11-23T19:00:00.000Z"),
        ("<34>Nov 23 21:35:43 gw no tag here", "gw", None, "no tag here", "2026-11-23T18:35:43.000Z"),
        ("<34>Nov 23 21:35:43 relay gw a[1]: b", "relay", "a", "b", "2026-11-23T18:35:43.000Z"),
    ],
)
def test_syslog_headers(line, host, application, message, time):
    now = NOW if "UTC" not in line else datetime(2026, 11, 22, 22, tzinfo=UTC)
    document = one(line.replace("Nov 23", "Nov 22") if "UTC" in line else line, now=now)
    assert document["event"]["module"] == "syslog"
    syslog = document.get("log", {}).get("syslog", {})
    assert (syslog.get("hostname"), syslog.get("appname")) == (host, application)
    assert document["message"] == message
    assert document["@timestamp"] == time


@pytest.mark.parametrize("line", ["just words", "2026-11-23T18:35:43Z INFO started", "<34", "<1234>x", "\x00\x00"])
def test_what_is_no_syslog_message_is_a_stated_failure(line):
    document = one(line)
    assert document["event"]["kind"] == "pipeline_error"
    assert document["error"]["message"]


def test_a_year_that_is_missing_is_the_latest_not_after_reception():
    istanbul = ZoneInfo("Europe/Istanbul")
    new_year = int(datetime(2027, 1, 1, 0, 5, tzinfo=UTC).timestamp() * 1e6) // DAY
    december = bsd("Dec 31 23:59:59", istanbul, new_year)
    assert december == int(datetime(2026, 12, 31, 20, 59, 59, tzinfo=UTC).timestamp() * 1e6)
    eve = int(datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp() * 1e6) // DAY
    assert bsd("Jan  1 02:00:10", istanbul, eve) == int(datetime(2026, 12, 31, 23, 0, 10, tzinfo=UTC).timestamp() * 1e6)
    assert bsd("Mar 10 00:00:00", UTC, eve) == int(datetime(2026, 3, 10, tzinfo=UTC).timestamp() * 1e6)
    assert bsd("Feb 29 12:00:00", UTC, eve) == int(datetime(2024, 2, 29, 12, tzinfo=UTC).timestamp() * 1e6)
    assert bsd("Feb 31 12:00:00", UTC, eve) is None


def test_imported_lines_with_their_receive_time_take_the_year_from_it():
    message = b"2021-06-01T08:00:00.000000Z\t<34>May 31 21:35:43 gw su: failed"
    hints = SourceHints("x", "access")
    (batch,) = Parsing().parse_block([message], [1_795_460_400_000_000], hints, ["import:old;received"])
    assert batch.columns["@timestamp"] == [int(datetime(2021, 5, 31, 18, 35, 43, tzinfo=UTC).timestamp() * 1e6)]
    assert batch.columns["some.claimed_received_at"] == [int(datetime(2021, 6, 1, 8, tzinfo=UTC).timestamp() * 1e6)]
    (plain,) = Parsing().parse_block([message], [1_795_460_400_000_000], hints, ["import:old"])
    assert "some.claimed_received_at" not in plain.columns


def test_turkish_text_in_either_encoding():
    text = "<34>Nov 23 21:35:43 gw su: Şükrü Çağlar giriş yaptı"
    assert one(text)["message"] == "Şükrü Çağlar giriş yaptı"
    old = one(text.encode("windows-1254"))
    assert old["message"] == "Şükrü Çağlar giriş yaptı"
    assert old["some"]["encoding"] == "windows-1254"
    cut = one(text.encode()[:-1])
    assert cut["message"].startswith("Şükrü Çağlar")
    assert "some" not in cut


def test_gap_records():
    message = (
        b'{"kind": "gap", "listener": "syslog_udp", "dropped": 12, '
        b'"from": "2026-11-23T18:35:40.000000Z", "to": "2026-11-23T18:35:43.000000Z"}'
    )
    (batch,) = Parsing().parse_block([message], [0], SourceHints("syslog_udp", "access"), ["gap:syslog_udp"])
    assert batch.columns["event.action"] == ["log-gap"]
    assert batch.columns["some.dropped"] == [12]
    assert batch.columns["event.end"][0] - batch.columns["event.start"][0] == 3_000_000


def test_rows_of_many_kinds_in_one_block_keep_their_places():
    session = TRAFFIC.format(eventtime="1795458943", logid="0000000013", action='"close"')
    lines = [
        session.replace("51022", str(5000 + at)) if at % 3 else f"<34>Nov 23 21:35:43 gw su: {at}" for at in range(1500)
    ]
    documents = parse_lines([line.encode() for line in lines], now=NOW)
    for at, document in enumerate(documents):
        if at % 3:
            assert document["source"]["port"] == 5000 + at
        else:
            assert document["message"] == str(at)


def test_single_values():
    assert address("::ffff:192.0.2.7") == "192.0.2.7"
    assert address("2001:DB8:0::1") == "2001:db8::1"
    assert address("fe80::1%eth0") == "fe80::1"
    nothing = ("0.0.0.0", "::", "010.0.0.1", "x", "", None)  # noqa: S104 - an address to read, nothing is bound
    assert [address(text) for text in nothing] == [None] * 6
    assert mac("00:00:5e:00:53:23") == mac("0000.5e00.5323") == mac("00-00-5E-00-53-23") == "00-00-5E-00-53-23"
    assert [port(text) for text in ("0", "65535", "65536", "-1", "x", "٣")] == [None, 65535, None, None, None, None]
    assert iso("2026-11-23T21:35:60+03:00", UTC) == iso("2026-11-23T18:36:00Z", UTC)
    assert iso("2026-13-23T21:35:00Z", UTC) is None
    assert clf("23/Nov/2026:21:35:43 +0300", UTC) == iso("2026-11-23T18:35:43Z", UTC)
    assert epoch("123") is None
    assert zone_of("+05:30") == timezone(timedelta(hours=5, minutes=30))
    assert [zone_of(text) for text in ("IST", "", None, "+9900", "+0٣00")] == [None] * 5


def test_memories_are_bounded(monkeypatch):
    monkeypatch.setattr("ingest.parsers.values._MEMO_LIMIT", 3)
    memo = Memo(str.upper)
    assert memo.column("abcdefa") == list("ABCDEFA")
    assert len(memo) <= 3


def test_zones_by_name():
    assert datetime(2026, 7, 1, tzinfo=zone()).utcoffset() == timedelta(hours=3)
    with pytest.raises(BadInput, match="Europe/Istanbul"):
        zone("Nowhere/Land")
