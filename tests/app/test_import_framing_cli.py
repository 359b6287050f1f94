"""`some append --framing` and `some parse --framing`: records of more than a line, byte for byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from some.errors import ExitCode

if TYPE_CHECKING:
    from conftest import Some

START = b'Mon Nov 23 21:35:43 2026\n\tUser-Name = "ayse"\n\tAcct-Status-Type = Start\n\tFramed-IP-Address = 10.20.30.41'
STOP = START.replace(b"Start", b"Stop").replace(b"21:35", b"21:55")
EVENT = (
    b"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'>\r\n<System><EventID>4624</EventID>"
    b"<TimeCreated SystemTime='2026-11-23T18:35:43Z'/><Channel>Security</Channel><Computer>dc1</Computer></System>"
    b"<EventData><Data Name='TargetUserName'>ayse</Data><Data Name='LogonType'>3</Data>"
    b"<Data Name='IpAddress'>10.20.30.41</Data></EventData></Event>"
)
OBJECT = json.dumps({"EventID": 4624, "Hostname": "dc1", "TargetUserName": "ayse", "LogonType": 3,
                     "EventTime": "2026-11-23 21:35:43", "IpAddress": "10.20.30.41"}, indent=2).encode()  # fmt: skip
STAMP = b"2026-11-23T18:40:00.000000Z\t"
FILES = {
    "detail": (START + b"\n\n" + STOP + b"\n\n", [START, STOP], ["login", "logout"]),
    "xml": (b"<?xml version='1.0'?><Events>" + EVENT + b"\n" + EVENT + b"</Events>", [EVENT] * 2, ["login"] * 2),
    "json": (b"[" + OBJECT + b",\n" + OBJECT + b"]", [OBJECT] * 2, ["login"] * 2),
}


@pytest.mark.parametrize("framing", FILES)
def test_records_of_many_lines_are_kept_as_they_stand_and_understood(some: Some, framing: str) -> None:
    text, records, facts = FILES[framing]
    appended = some.told("append", "--source", "kimlik", "--class", "identity", "--framing", framing, stdin=text)
    found = some.documents("search", "some.source:kimlik", "--all")

    assert appended["records"] == len(records)
    assert sorted(one["event"]["original"].encode() for one in found) == sorted(records)
    assert [one["some"]["fact"] for one in found] == facts
    assert {one["user"]["name"] for one in found} == {"ayse"}
    assert [one["some"]["fact"] for one in some.documents("parse", "--framing", framing, stdin=text)] == facts


def test_each_record_may_begin_with_its_receive_time(some: Some) -> None:
    text = b"\n\n".join([STAMP + START, STAMP + STOP])
    some.told("append", "--source", "kimlik", "--framing", "detail", "--received", stdin=text)
    some.told("append", "--source", "kimlik", "--framing", "xml", "--received", stdin=STAMP + EVENT + STAMP + EVENT)
    found = some.documents("search", "some.source:kimlik", "--all")

    assert [one["some"]["claimed_received_at"] for one in found] == ["2026-11-23T18:40:00.000Z"] * 4
    assert [one["some"]["fact"] for one in found] == ["login", "login", "login", "logout"]
    assert all("some.delay" not in one and one["event"]["original"].startswith("2026-11-23T18:40") for one in found)


def test_what_belongs_to_no_record_ends_the_import_and_says_what_is_kept(some: Some) -> None:
    said = some("append", "--source", "kimlik", "--framing", "json", stdin=OBJECT * 3 + b"x", code=ExitCode.BAD_INPUT)

    assert f"byte {len(OBJECT) * 3}" in said.stderr.decode()
    assert "3 records before it are in the archive" in said.stderr.decode()
    assert len(some.documents("search", "some.source:kimlik", "--all")) == 3
