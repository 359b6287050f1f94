"""Leases, logins and packet filters that nobody here wrote, against what other people expect of them.

As in `test_corpus`: a difference is named in ACCEPTED with its reason, or a failure; an entry that no longer differs
is a failure too.
"""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from test_corpus import CORPUS, PAIRS, compared, pairs, parsed

from ingest.import_framing import cut

pytestmark = pytest.mark.skipif(not PAIRS.is_dir(), reason="the third-party corpus is not beside the repository")

NEW_YORK = ZoneInfo("America/New_York")
SETS = {
    # name: (module, which rows, settings under which the other side made its expectations, facts)
    "elastic2__microsoft_dhcp": ("windows_dhcp", lambda row: True, {"zone": NEW_YORK}, {"lease.granted": 3}),
    "elastic2__pfsense": (
        "filterlog",
        lambda row: "filterlog" in row["raw"],
        {"received": datetime(2023, 12, 30, tzinfo=UTC), "zone": NEW_YORK},
        {"session.opened": 3},
    ),
    "elastic2__windows": ("windows_security", lambda row: "security" in row["file"], {}, {"login": 1}),
    "elastic2__system": ("windows_security", lambda row: row["file"].startswith("security/"), {}, {"login": 1}),
}
ACCEPTED = {
    "elastic2__pfsense/observer.vendor": "the line does not say whether the packet filter is pfSense or OPNsense",
    "elastic2__pfsense/observer.name": "the name in the syslog header stays log.syslog.hostname",
    "elastic2__windows/source.ip": "::1 is the computer itself: no source",
    "elastic2__windows/source.port": "port 0 is none",
    "elastic2__system/source.ip": "::1 is the computer itself: no source",
    "elastic2__system/source.port": "port 0 is none",
}


@pytest.mark.parametrize("name", SETS)
def test_the_fields_of_law_5651_are_what_others_expect(name):
    module, chosen, settings, facts = SETS[name]
    rows = [row for row in pairs(name) if chosen(row)]
    assert rows, "the corpus has changed: no rows left to compare"
    agreeing, differing, ours = compared(name, rows, **settings)
    assert {document.get("event.module") for document in ours} == {module}
    assert Counter(one["some.fact"] for one in ours if "some.fact" in one) == facts
    total = agreeing.total() + sum(map(len, differing.values()))
    sys.stdout.write(f"{name}: {agreeing.total()} of {total} fields agree; accepted: {list(differing)}\n")
    unexpected = {key: found[:3] for key, found in differing.items() if key not in ACCEPTED}
    assert not unexpected
    assert {key for key in ACCEPTED if key.startswith(f"{name}/")} == set(differing), "no longer differs"


def test_leases_of_windows_name_who_got_which_address():
    rows = pairs("elastic2__microsoft_dhcp")
    for row, document in zip(rows, parsed([row["raw"] for row in rows], zone=NEW_YORK), strict=True):
        theirs = row["expected"]
        assert document["event.code"] == theirs["event"]["code"]
        assert document.get("client.ip") == theirs.get("host", {}).get("ip")
        mac = theirs.get("host", {}).get("mac", [None])[0]
        assert document.get("client.mac") == (mac if mac != "00-00-00-00-00-00" else None)
        name = theirs.get("host", {}).get("name")
        assert (document.get("host.hostname") or "").lower() == (name or "").lower()


def test_logins_of_windows_are_those_that_others_see():
    rows = [row for row in pairs("elastic2__system") if row["file"].startswith("security/")]
    checked = 0
    for row, document in zip(rows, parsed([row["raw"] for row in rows]), strict=True):
        theirs = row["expected"]
        assert document["event.code"] == theirs["event"]["code"]
        assert document["host.hostname"] == theirs["winlog"]["computer_name"]
        if document["event.code"] in ("4624", "4625", "4634", "4647"):
            checked += 1
            # theirs is the logon id of who asked for the login; the one that a log-off names again is the target's
            assert document["some.session.id"] == row["raw"]["winlog"]["event_data"]["TargetLogonId"]
            assert document["event.outcome"] == theirs["event"]["outcome"]
        if document.get("some.fact"):
            assert "ip" in theirs["source"]
            assert document["user.name"] == theirs["user"]["name"]
    assert checked > 5


def test_filter_logs_of_another_project_are_understood():
    rows = [row for row in pairs("crowdsec_raw") if "filterlog" in row["raw"]]
    assert rows
    for row, document in zip(rows, parsed([row["raw"] for row in rows]), strict=True):
        values = row["raw"].split(",")
        assert document["event.module"] == "filterlog"
        source = 18 if values[8] == "4" else 15
        ports = source + 2
        assert [document["source.ip"], document["destination.ip"]] == values[source:ports]
        assert [document["source.port"], document["destination.port"]] == list(map(int, values[ports : ports + 2]))
        assert (document.get("some.fact") == "session.opened") == (values[6:8] == ["pass", "in"])


def test_events_of_windows_in_xml_and_from_evtx_files():
    rows = [row for row in pairs("crowdsec_raw") if row["raw"].startswith("<Event ")]
    for row, document in zip(rows, parsed([row["raw"] for row in rows]), strict=True):
        assert document["event.module"] == "windows_security", row["raw"][:80]
        if "4625" in document["event.code"]:
            assert '<Data Name="IpAddress">' + document["source.ip"] in row["raw"]
            assert "some.fact" not in document
    assert rows
    count = 0
    for path in sorted((CORPUS / "sigma" / "regression_data").rglob("*.json")):
        raws = [record.decode() for record in cut("json", [Path(path).read_bytes()])]
        for raw, document in zip(raws, parsed(raws), strict=True):
            count += 1
            assert document["event.module"] == "windows_security", path
            assert document["host.hostname"] in raw
    assert count > 100


def test_a_portal_of_pfsense_without_a_mac():
    lines = (CORPUS / "excerpts" / "windows-dns-dhcp-portal.log").read_text().splitlines()
    (login,) = [one for one in parsed(lines) if one.get("event.module") == "pfsense_portal"]
    assert (login["some.fact"], login["client.ip"]) == ("login", "10.2.9.8")
    assert "client.mac" not in login


def test_the_new_formats_take_no_line_of_another():
    found: Counter[tuple[str, str]] = Counter()
    modules = {"kea", "windows_dhcp", "filterlog", "pfsense_portal", "radius_detail", "windows_security"}
    for path in sorted(PAIRS.glob("*.jsonl")):
        for document in parsed([row["raw"] for row in pairs(path.stem)]):
            if document.get("event.module") in modules:
                found[path.stem, document["event.module"]] += 1
    assert found == {
        ("crowdsec_raw", "filterlog"): 29,
        ("crowdsec_raw", "windows_security"): 7,
        ("elastic2__microsoft_dhcp", "windows_dhcp"): 13,
        ("elastic2__pfsense", "filterlog"): 15,
        ("elastic2__sysmon_linux", "windows_security"): 2,
        ("elastic2__system", "windows_security"): 49,
        ("elastic2__windows", "windows_security"): 221,
    }
