"""Windows events, JSON or XML: who signed in where, from which address; other events with their number and computer.

{"winlog":{"channel":"Security","event_id":4624,"computer_name":"dc1.example.org","time_created":\
"2026-11-23T18:35:43.1234567Z","event_data":{"TargetUserName":"ayse","TargetDomainName":"EXAMPLE","TargetLogonId":\
"0x85527","LogonType":"3","IpAddress":"10.20.30.41","IpPort":"51022","WorkstationName":"PC-0412"}}}

What counts (Microsoft, Windows security audit events): 4624 is a login where it names an address; 4634 and 4647 end the
session of their logon id on their computer and name no address, except that 4634 of type 3 ends nothing: the network
logon's connection closed, the person stayed. 4768 and 4769 (Kerberos, at the controller) that succeed say that the
user was at that address then. 4776 names a computer and no address, 4625 is no login. SYSTEM, ANONYMOUS LOGON, DWM-n
and UMFD-n are no persons; computers (`PC-0412$`) keep their name, and whoever builds facts knows what it means.
A local logon has no address: `-`, 127.0.0.1 and ::1 are left out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ingest.fact_words import FactWord, LoginMethod
from ingest.parsers import windows_event
from ingest.parsers.lines import Columns, Parsed, ParseFailure, Part
from ingest.parsers.times import epoch, iso
from ingest.parsers.values import Memo, address, mac, port, word

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from ingest.parsers.lines import Lines
    from ingest.parsers.windows_event import Flat

NAME: Final = "windows_security"
_AUDITING = "Microsoft-Windows-Security-Auditing"
_LOGINS = frozenset({"2", "3", "7", "10", "11"})
_TICKETS = frozenset({"4768", "4769", "4770"})
_TARGETED = frozenset({"4624", "4625", "4634", "4647", "4768", "4769", "4770", "4771", "4776"})
_NAMES: Final = {
    "4624": ("logged-in", "start"), "4625": ("logon-failed", "start"), "4634": ("logged-out", "end"),
    "4647": ("logged-out", "end"), "4648": ("logged-in-explicit", "start"),
    "4768": ("kerberos-authentication-ticket-requested", "start"),
    "4769": ("kerberos-service-ticket-requested", "start"), "4770": ("kerberos-service-ticket-renewed", "start"),
    "4771": ("kerberos-preauth-failed", "start"), "4776": ("credential-validated", "start"),
    "4778": ("session-reconnected", "start"), "4779": ("session-disconnected", "end"),
    "6272": ("network-policy-granted", "start"), "6273": ("network-policy-denied", "start"),
}  # fmt: skip
_FAILURES = frozenset({"4625", "4771", "6273"})
_STATUSES = frozenset({"4768", "4769", "4776"})
_AUDITS = {"0x8020000000000000": "success", "0x8010000000000000": "failure"}
_NOBODY = re.compile(r"(?i:system|anonymous logon|local service|network service|dwm-[0-9]+|umfd-[0-9]+)$")
_NOBODY_SID = re.compile(r"S-1-5-(?:7|18|19|20|90-.*|96-.*)$")
_LOOPBACK = re.compile(r"127\.|::1$")
_GRANTED = re.compile(r"0x0+$|0$")


def _remote(text: str | None) -> str | None:
    """Return the address of another machine, or None."""
    found = address(word(text))
    return None if found is None or _LOOPBACK.match(found) else found


class _Event:
    """One event of the security log, read once."""

    __slots__ = ("audit", "code", "flat", "kind", "source", "user")

    def __init__(self, flat: Flat) -> None:
        self.flat = flat
        self.code = flat["EventID"]
        channel = flat.get("Channel")
        self.audit = channel == "Security" or (channel is None and flat.get("Provider", _AUDITING) == _AUDITING)
        self.kind = self.code if self.audit else ""  # other logs number their events as they like
        self.source = _remote(flat.get("IpAddress") or flat.get("ClientAddress")) if self.audit else None
        self.user = self._user()

    def _user(self) -> tuple[str | None, str | None, str | None]:
        """Return name, domain and SID of whom the event is about."""
        flat = self.flat
        if self.kind in _TARGETED:
            names = ("TargetUserName", "TargetDomainName", "TargetUserSid")
        elif "AccountName" in flat and self.kind in ("4778", "4779"):
            names = ("AccountName", "AccountDomain", "")
        else:
            names = ("SubjectUserName", "SubjectDomainName", "SubjectUserSid")
        name, domain, sid = (word(flat.get(key)) for key in names)
        if name is None and not self.audit:  # Sysmon and others write DOMAIN\\name
            domain, _, name = (word(flat.get("User")) or "").rpartition("\\")
            return name or None, domain or None, None
        if name is not None and "@" in name and self.kind in _TARGETED:  # 4769 writes user@REALM
            name, _, realm = name.partition("@")
            domain = domain or realm or None
        return name or None, domain, sid or word(flat.get("TargetSid") if self.kind in _TARGETED else None)

    def outcome(self) -> str | None:
        """Return `success` or `failure`, as far as the event says so."""
        if self.kind in _FAILURES:
            return "failure"
        if self.kind in _STATUSES and "Status" in self.flat:
            return "success" if _GRANTED.match(self.flat["Status"]) else "failure"
        if self.kind in _NAMES:
            return "success"
        said = self.flat.get("Keywords", "").lower()
        return _AUDITS.get(said) or next((one for one in ("success", "failure") if one in said), None)

    def session(self) -> str | None:
        """Return the logon id that the event is about."""
        name = "LogonID" if self.kind in ("4778", "4779") else "TargetLogonId"
        found = word(self.flat.get(name)) if self.kind in _NAMES else None
        return found and found.lower()

    def fact(self) -> FactWord | None:
        """Return what the event says of a person's presence."""
        name, _, sid = self.user
        if name is None or _NOBODY.match(name) or (sid and _NOBODY_SID.match(sid)):
            return None
        kind = self.flat.get("LogonType")
        if self.kind == "4624":
            return FactWord.LOGIN if self.source and kind in _LOGINS else None
        if self.kind == "4634":
            return FactWord.LOGOUT if kind not in {None, "3"} and self.session() else None
        if self.kind == "4647":
            return FactWord.LOGOUT if self.session() else None
        if self.kind in _TICKETS and self.source and self.outcome() == "success":
            return FactWord.LOGIN_SEEN
        return None


class WindowsSecurity:
    """Records that hold one Windows event as a JSON object or an XML element."""

    name = NAME
    begins = (
        r"\{(?=[\s\S]{0,65536}?\"(?:winlog(?:\.event_id)?|EventI[Dd])\"\s*:)"
        r"|(?:<\?xml [^<>]{0,200}\?>\s{0,16})?<Event(?=[\s>])"
    )

    def __init__(self) -> None:
        """Start with empty memories."""
        self._times: Memo[tuple[str, tzinfo], int | None] = Memo(lambda key: _time(*key))
        self._macs: Memo[str | None, str | None] = Memo(mac)
        self._addresses: Memo[str | None, str | None] = Memo(address)

    def parse(self, lines: Lines) -> Parsed:
        """Return one part for all events; JSON and XML of other makers is refused."""
        positions: list[int] = []
        events: list[_Event] = []
        refused: list[int] = []
        for at, (text, start) in enumerate(zip(lines.texts, lines.starts, strict=True)):
            flat = windows_event.read(text, start)
            if flat is None:
                refused.append(at)
            else:
                positions.append(at)
                events.append(_Event(flat))
        return Parsed([Part(positions, self._columns(events, lines.zone))] if events else [], refused)

    def _columns(self, events: Sequence[_Event], zone: tzinfo) -> Columns:
        count = len(events)

        def of(name: str) -> list[Any]:
            return [word(event.flat.get(name)) for event in events]

        facts = [event.fact() for event in events]
        named = [_NAMES.get(event.kind) for event in events]
        computers = of("Computer")
        return {
            "@timestamp": [self._times[event.flat.get("SystemTime", ""), zone] for event in events],
            "event.module": [NAME] * count,
            "event.code": [event.code for event in events],
            "event.id": of("EventRecordID"),
            "event.action": [name[0] if name else None for name in named],
            "event.category": [["authentication"] if name else ["host"] for name in named],
            "event.type": [[name[1]] if name else ["info"] for name in named],
            "event.outcome": [event.outcome() for event in events],
            "event.reason": [event.flat.get("Status") if event.outcome() == "failure" else None for event in events],
            "host.hostname": computers,
            "observer.hostname": computers,
            "event.provider": of("Provider"),
            "user.name": [event.user[0] for event in events],
            "user.domain": [event.user[1] for event in events],
            "user.id": [event.user[2] for event in events],
            "source.ip": [event.source for event in events],
            "source.port": [port(event.flat.get("IpPort")) if event.source else None for event in events],
            "source.domain": [
                word((event.flat.get("WorkstationName") or event.flat.get("Workstation") or "").strip("\\"))
                for event in events
            ],
            "client.mac": self._macs.column(of("CallingStationID")),
            "observer.ip": self._addresses.column(of("NASIPv4Address")),
            "some.session.id": [event.session() for event in events],
            "some.login.type": [event.flat.get("LogonType") for event in events],
            "some.fact": [fact and fact.value for fact in facts],
            "some.login.method": [fact and LoginMethod.DIRECTORY.value for fact in facts],
        }

    def failure(self, line: str) -> ParseFailure:
        """Say what was expected."""
        return ParseFailure(NAME, f"expected one Windows event as a JSON object or `<Event …>`, found {line[:40]!r}")


def _time(text: str, zone: tzinfo) -> int | None:
    """Return the time of `2026-11-23T18:35:43.1234567Z`, with a blank for the T or before the zone, or of digits."""
    return epoch(text) or iso(text.strip().replace(" ", "T", 1).replace(" ", ""), zone)
