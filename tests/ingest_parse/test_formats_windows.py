"""Windows events: what they mean, whichever shipper wrote them."""

from __future__ import annotations

import json
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from identity_reading import AT, SYSLOG, at, fact, one

from ingest.parsers import windows_event

VALUES = {
    "TargetUserName": "ayse", "TargetDomainName": "EXAMPLE", "TargetLogonId": "0x85527", "LogonType": "3",
    "TargetUserSid": "S-1-5-21-1-2-3-1001", "IpAddress": "::ffff:10.0.0.9", "IpPort": "51022", "Status": "0x0",
    "SubjectUserName": "DC1$", "WorkstationName": "PC-1",
}  # fmt: skip
SYSTEM_TIME = "2026-11-23T18:35:43.1234567Z"


def winlogbeat(code, values):
    winlog = {"channel": "Security", "event_id": code, "computer_name": "dc1.example.org", "record_id": 17,
              "time_created": SYSTEM_TIME, "event_data": values}  # fmt: skip
    return json.dumps({"@timestamp": "2026-11-23T19:00:00Z", "winlog": winlog})


def dotted(code, values):
    named = {f"winlog.event_data.{name}": value for name, value in values.items()}
    return json.dumps({"@timestamp": SYSTEM_TIME, "winlog.event_id": str(code), "winlog.record_id": "17",
                       "winlog.computer_name": "dc1.example.org", "winlog.channel": "Security", **named})  # fmt: skip


def nxlog(code, values):
    return json.dumps({"EventTime": "2026-11-23 21:35:43.123456", "Hostname": "dc1.example.org", "EventID": code,
                       "Channel": "Security", "RecordNumber": 17, "EventType": "AUDIT_SUCCESS", **values})  # fmt: skip


def evtx(code, values):
    system = {"EventID": code, "Computer": "dc1.example.org", "Channel": "Security", "EventRecordID": 17,
              "TimeCreated": {"#attributes": {"SystemTime": SYSTEM_TIME}}}  # fmt: skip
    return json.dumps({"Event": {"System": system, "EventData": values}}, indent=1)


def xml(code, values):
    data = "".join(f"<Data Name='{name}'>{value}</Data>\n" for name, value in values.items())
    return (
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>"
        f"<Provider Name='Microsoft-Windows-Security-Auditing'/><EventID Qualifiers=''>{code}</EventID>"
        f"<TimeCreated SystemTime='{SYSTEM_TIME}'/><EventRecordID>17</EventRecordID><Channel>Security</Channel>"
        f"<Computer>dc1.example.org</Computer><Security/></System><EventData>{data}</EventData></Event>"
    )


SHIPPERS = [winlogbeat, dotted, nxlog, evtx, xml]


@pytest.mark.parametrize("shipper", SHIPPERS)
@pytest.mark.parametrize("head", ["", f"{SYSLOG}Security[1]: "])
def test_a_login_of_windows_by_any_shipper(shipper, head):
    document = one(head + shipper(4624, VALUES))
    assert document["event"]["module"] == "windows_security"
    assert (document["event"]["code"], document["event"]["id"]) == ("4624", "17")
    assert document["event"]["outcome"] == "success"
    assert document["@timestamp"] == "2026-11-23T18:35:43.123456Z"
    assert document["source"] == {"ip": "10.0.0.9", "port": 51022, "domain": "PC-1"}
    assert document["user"] == {"name": "ayse", "domain": "EXAMPLE", "id": "S-1-5-21-1-2-3-1001"}
    assert document["observer"]["hostname"] == document["host"]["hostname"] == "dc1.example.org"
    assert document["some"]["session"]["id"] == "0x85527"
    assert document["some"]["login"] == {"type": "3", "method": "directory"}
    assert fact(document) == "login"


@pytest.mark.parametrize("shipper", [winlogbeat, xml])
@pytest.mark.parametrize(
    ("code", "changed", "expected"),
    [
        (4624, {"LogonType": "10"}, "login"),
        (4624, {"LogonType": "5"}, None),
        (4624, {"IpAddress": "-"}, None),
        (4624, {"IpAddress": "127.0.0.1", "LogonType": "2"}, None),
        (4624, {"IpAddress": "::1"}, None),
        (4624, {"TargetUserName": "ANONYMOUS LOGON"}, None),
        (4624, {"TargetUserName": "ANONIM OTURUM", "TargetUserSid": "S-1-5-7"}, None),
        (4624, {"TargetUserName": "DWM-1", "TargetUserSid": "S-1-5-90-0-1"}, None),
        (4624, {"TargetUserName": "umfd-0"}, None),
        (4624, {"TargetUserName": "PC-1$"}, "login"),
        (4625, {}, None),
        (4634, {"LogonType": "3"}, None),
        (4634, {"LogonType": "2"}, "logout"),
        (4647, {"LogonType": "-"}, "logout"),
        (4768, {}, "login.seen"),
        (4768, {"Status": "0x12"}, None),
        (4769, {"TargetUserName": "ayse@EXAMPLE.ORG"}, "login.seen"),
        (4769, {"IpAddress": "::1"}, None),
        (4776, {}, None),
        (4778, {}, None),
        (6272, {}, None),
        (4688, {}, None),
    ],
)
def test_what_windows_events_mean(shipper, code, changed, expected):
    document = one(shipper(code, VALUES | changed))
    assert document["event"]["module"] == "windows_security"
    assert fact(document) == expected
    assert at(document, "some.login.method") == ("directory" if expected else None)
    if code == 4769:
        assert document["user"]["name"] == "ayse"
    if changed.get("Status") or code == 4625:
        assert document["event"]["outcome"] == "failure"
    if changed.get("IpAddress"):
        assert "ip" not in document["source"]


def test_network_policy_and_remote_desktop_events():
    nps = {"SubjectUserName": "ayse", "CallingStationID": "00-00-5E-00-53-23", "NASIPv4Address": "10.0.0.1"}
    document = one(xml(6272, nps))
    assert document["client"]["mac"] == "00-00-5E-00-53-23"
    assert (document["observer"]["ip"], document["user"]["name"]) == ("10.0.0.1", "ayse")
    desktop = one(xml(4779, {"AccountName": "ayse", "LogonID": "0xAB", "ClientAddress": "10.0.0.9"}))
    assert (desktop["user"]["name"], desktop["source"]["ip"]) == ("ayse", "10.0.0.9")
    assert desktop["some"]["session"]["id"] == "0xab"


def test_xml_is_read_without_expanding_anything():
    document = one(xml(4624, VALUES | {"TargetUserName": "a&amp;b&#x15f;&#99999999;&lol;&lt;"}))
    assert document["user"]["name"] == "a&bş&#99999999;&lol;<"
    bomb = '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]>' + xml(4624, VALUES)
    assert one(bomb)["event"]["kind"] == "pipeline_error"
    assert one(bomb, "windows_security")["event"]["kind"] == "pipeline_error"
    spoofed = xml(4625, VALUES | {"WorkstationName": "&lt;System&gt;&lt;EventID&gt;4624"})
    assert one(spoofed)["event"]["code"] == "4625"
    first = xml(4624, {"TargetUserName": "ayse", "Computer": "pc", "EventID": "1", "SystemTime": "1"} | VALUES)
    assert one(first)["host"]["hostname"] == "dc1.example.org"
    assert windows_event.read("{" + " " * windows_event.MAX_CHARACTERS + "}", 0) is None


def test_json_of_other_makers_is_not_taken():
    for text in ('{"EventID": 7, "who": "x"}', '{"winlog": {"a": 1}}', '{"EventID":' + "[" * 5000, '{"Event": 1}'):
        assert one(text)["event"]["kind"] == "pipeline_error"
    surrogate = winlogbeat(4624, VALUES | {"TargetUserName": "\ud800x"})
    assert one(surrogate)["user"]["name"] == "?x"


def test_times_without_a_zone_are_the_sources():
    for zone, hour in ((ZoneInfo("Europe/Istanbul"), "18"), (UTC, "21")):
        document = one(nxlog(4624, VALUES), timezone=zone)
        assert document["@timestamp"].startswith(f"2026-11-23T{hour}:35:43")
    spaced = nxlog(4624, VALUES).replace("21:35:43.123456", "21:35:43 +0300")
    assert one(spaced)["@timestamp"] == AT
