"""Lines that nobody here wrote, against what other people expect of them.

The corpus lies beside the repository (`../shared/corpus`) and is no part of it. A difference is either named in
ACCEPTED with its reason, or a failure; an entry of ACCEPTED that no longer differs is a failure too.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from ingest.parsing import Parsing, SourceHints

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpus"
PAIRS = CORPUS / "pairs"
pytestmark = pytest.mark.skipif(not PAIRS.is_dir(), reason="the third-party corpus is not beside the repository")

FIELDS_5651 = re.compile(
    r"@timestamp|source\.(ip|port|mac|bytes|nat\.ip|nat\.port|user\.name)|destination\.(ip|port|mac|bytes|nat\.ip|nat\.port)"
    r"|event\.(duration|start|end)|user\.name|client\.(ip|mac)|url\.(original|domain|path|scheme|query)"
    r"|dns\.question\.(name|type)|http\.request\.method|http\.response\.status_code|http\.response\.body\.bytes"
    r"|observer\.(name|serial_number|vendor|product|type)|network\.transport"
)
TIMES = {"@timestamp", "event.start", "event.end"}
RECEIVED = datetime(2026, 11, 23, tzinfo=UTC)

ACCEPTED: dict[str, str] = {}
"""`set/field` -> why our answer differs. Reviewed; counts are printed by `-rP`."""


def pairs(name):
    return [json.loads(line) for line in (PAIRS / f"{name}.jsonl").read_text().splitlines()]


def flat(nested, prefix=""):
    found = {}
    for key, value in nested.items():
        if isinstance(value, dict):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def parsed(raws, *, zone=UTC, received=RECEIVED):
    messages = [raw.encode() if isinstance(raw, str) else json.dumps(raw).encode() for raw in raws]
    micro = int(received.timestamp()) * 1_000_000
    batches = Parsing().parse_block(
        messages,
        [micro] * len(messages),
        SourceHints("corpus", "access", timezone=zone),
        ["import:corpus"] * len(messages),
    )
    found = [{} for _ in messages]
    for batch in batches:
        for name, values in batch.columns.items():
            for row, value in zip(batch.rows, values, strict=True):
                if value is not None:
                    found[row][name] = value
    return found


def same(field, ours, theirs):
    if field in TIMES:
        moment = datetime.fromisoformat(theirs)
        return ours is not None and abs(ours / 1e6 - moment.timestamp()) < 1
    if field.endswith(".ip"):
        return ours == str(ip_address(theirs))
    if isinstance(ours, int) and isinstance(theirs, str):
        return str(ours) == theirs
    return ours == theirs


def compared(name, rows, **settings):
    """Return (agreeing, differing) field counts and the differences as `set/field` -> examples."""
    ours = parsed([row["raw"] for row in rows], **settings)
    agreeing = Counter()
    differing = {}
    for row, mine in zip(rows, ours, strict=True):
        for field, theirs in flat(row["expected"]).items():
            if FIELDS_5651.fullmatch(field) is None or theirs in ("-", "", None):
                continue
            if same(field, mine.get(field), theirs):
                agreeing[field] += 1
            else:
                differing.setdefault(f"{name}/{field}", []).append((row["file"], row["n"], mine.get(field), theirs))
    return agreeing, differing, ours


SETS = {
    # name: (which rows, settings under which the other side made its expectations)
    "elastic2__fortinet_fortigate": (lambda row: True, {}),
    "elastic2__apache": (lambda row: "access/" in row["file"], {}),
    "beats_apache2__apache": (lambda row: "access/" in row["file"], {}),
    "elastic2__nginx": (lambda row: "access" in row["file"] and "\n" not in row["raw"], {}),
    "beats_apache2__nginx": (lambda row: "error" not in row["file"], {}),
    "elastic2__infoblox_nios": (
        lambda row: re.search(r"dhcpd\[\d+\]: DHCP[A-Z]+ .*\d+\.\d+\.", row["raw"]) is not None,
        {"received": datetime(2023, 12, 30, tzinfo=UTC)},
    ),
    "elastic2__pfsense": (
        lambda row: "]: DHCP" in row["raw"],
        {"received": datetime(2023, 12, 30, tzinfo=UTC), "zone": ZoneInfo("America/New_York")},
    ),
    "elastic2__system": (lambda row: "syslog/" in row["file"], {"zone": ZoneInfo("Etc/GMT+2")}),
    "beats_apache2__system": (lambda row: "syslog/" in row["file"], {"zone": ZoneInfo("Etc/GMT+2")}),
}
MODULE = {"fortigate": "fortigate", "apache": "access_log", "nginx": "access_log", "nios": "dhcpd", "pfsense": "dhcpd"}

ACCEPTED |= {
    "elastic2__fortinet_fortigate/event.start": "a session began at eventtime - duration, not when its end was written",
    "elastic2__fortinet_fortigate/destination.ip": "who calls in through a tunnel is its source, not its destination",
    "elastic2__fortinet_fortigate/source.user.name": "unauthuser is nobody the firewall authenticated: unverified_user",
    "beats_apache2__nginx/source.ip": "we name the address that connected; a forwarded address is the visitor's claim",
    "elastic2__pfsense/source.ip": "in a lease the client is the client: client.ip",
    "elastic2__pfsense/source.mac": "in a lease the client is the client: client.mac",
    "elastic2__pfsense/observer.type": "the line does not say that dhcpd runs on a firewall",
    "elastic2__pfsense/observer.vendor": "the line does not say that dhcpd runs on a pfSense",
}
SSL_REQUEST = "apache/access/test/ssl-request.log"  # Apache's ssl_request_log: another format, no parser yet


@pytest.mark.parametrize("name", SETS)
def test_the_fields_of_law_5651_are_what_others_expect(name):
    chosen, settings = SETS[name]
    rows = [row for row in pairs(name) if chosen(row) and row["file"] != SSL_REQUEST]
    assert rows, "the corpus has changed: no rows left to compare"
    agreeing, differing, ours = compared(name, rows, **settings)
    module = MODULE.get(name.rsplit("_", 1)[-1], "syslog")
    assert {document.get("event.module") for document in ours} == {module}
    total = agreeing.total() + sum(map(len, differing.values()))
    sys.stdout.write(f"{name}: {agreeing.total()} of {total} fields agree; accepted: {list(differing)}\n")
    unexpected = {key: found[:3] for key, found in differing.items() if key not in ACCEPTED}
    assert not unexpected
    assert {key for key in ACCEPTED if key.startswith(f"{name}/")} == set(differing), "no longer differs"


def test_every_squid_line_is_understood():
    """The corpus expects nothing of these lines, so we hold them to what their own text says."""
    rows = pairs("elastic2__squid")
    for row, document in zip(rows, parsed([row["raw"] for row in rows]), strict=True):
        parts = row["raw"].split()
        assert document["event.module"] == "squid"
        assert document["source.ip"] == parts[2]
        assert document["destination.bytes"] == int(parts[4])
        assert document["url.original"] == parts[6]
        assert document.get("user.name", "-") == parts[7]
        assert document["event.end"] - document["event.start"] == int(parts[1]) * 1000
        assert document["event.end"] == int(parts[0].replace(".", "")) * 1000


FILLED = {
    "mark": "<111>", "bsd": "Nov 22 21:35:43", "host": "testhost-a", "pid": "412", "date": "2026-11-22",
    "time": "21:35:43", "epoch": "1795372543", "iso": "2026-11-22T21:35:43.123Z", "year": "2026", "seq": "17",
    "millisec": "123", "microsec": "123456", "tzname": "UTC",
}  # fmt: skip
_HOLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def test_headers_of_many_devices_are_read():
    """sc4s lines: a BSD time and a host that stand there are found; so is the format where it is one of ours."""
    rows = [row for row in pairs("sc4s") if set(_HOLE.findall(row["raw"])) <= set(FILLED)]
    raws = [_HOLE.sub(lambda hole: FILLED[hole[1]], row["raw"]) for row in rows]
    plain = re.compile(r"<111> ?Nov 22 21:35:43 testhost-a \S")
    checked = 0
    for raw, document in zip(raws, parsed(raws), strict=True):
        if plain.match(raw):
            checked += 1
            assert document["event.kind"] == "event", raw
            assert document["log.syslog.hostname"] == "testhost-a", raw
            assert document["@timestamp"] == 1_795_383_343_000_000, raw
            assert document["log.syslog.priority"] == 111
        if "dhcpd[412]: DHCP" in raw:
            assert document["event.module"] == "dhcpd", raw
        if "devid=F" in raw:
            assert document["event.module"] == "fortigate", raw
            assert document["observer.name"] == "testhost-a"
    assert checked > 200


def test_what_is_another_format_is_not_taken_for_one_of_ours():
    for name, forbidden in (("elastic2__sophos", "fortigate"), ("elastic2__fortinet_fortimail", "fortigate")):
        found = {one.get("event.module") for one in parsed([row["raw"] for row in pairs(name)])}
        assert forbidden not in found, name
    for row, one in zip(pairs("crowdsec_raw"), parsed([row["raw"] for row in pairs("crowdsec_raw")]), strict=True):
        if one.get("event.module") == "fortigate":
            assert row["file"].startswith("fortinet"), row["raw"][:80]


def test_the_access_logs_of_another_project_are_understood():
    rows = [row for row in pairs("crowdsec_raw") if re.match(r"(nginx|apache2)[_-]", row["file"])]
    line = re.compile(r'(\S+ )?(\d+\.\d+\.\d+\.\d+) - \S+ \[\d\d/\w{3}/\d{4}:[^]]+\] "')
    checked = 0
    for row, document in zip(rows, parsed([row["raw"] for row in rows]), strict=True):
        found = line.match(row["raw"])
        if found is not None:
            checked += 1
            assert document.get("event.module") == "access_log", row["raw"][:120]
            assert document["source.ip"] == found[2]
            assert isinstance(document["http.response.status_code"], int)
    assert checked > 100


def test_a_block_of_the_whole_corpus_loses_nothing():
    raws = [row["raw"] for path in sorted(PAIRS.glob("*.jsonl")) for row in pairs(path.stem)]
    found = parsed(raws)
    assert all(one["event.kind"] in {"event", "pipeline_error"} for one in found)
    again = parsed(raws)
    assert again == found
