"""Firewalls and Cisco ISE: lines that nobody here wrote, against what other people expect of them.

As in `test_corpus`: what differs is named in ACCEPTED with its reason, group by group of messages, or is a failure; an
entry that no longer differs is a failure too. Where we differ on purpose the other side's values still
have to be there, at their right place: the last tests hold us to that.
"""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime

import pytest
from test_corpus import CORPUS, compared, flat, pairs, parsed

pytestmark = pytest.mark.skipif(
    not (CORPUS / "pairs").is_dir(), reason="the third-party corpus is not beside the repository"
)
RECEIVED = datetime(2023, 12, 30, tzinfo=UTC)
BUILT, TEARDOWN = r"-3020(13|15):", r"-(3020(14|16)|302304):"
GROUPS = {
    # name: (corpus file, module, which lines)
    "asa built": ("elastic2__cisco_asa", "cisco_asa", BUILT),
    "asa teardown": ("elastic2__cisco_asa", "cisco_asa", TEARDOWN),
    "asa icmp": ("elastic2__cisco_asa", "cisco_asa", r"-30202[01]:"),
    "asa translation": ("elastic2__cisco_asa", "cisco_asa", r"-3050(11|12):"),
    "asa vpn": ("elastic2__cisco_asa", "cisco_asa", r"-(113039|113019|722051):"),
    "asa rules": ("elastic2__cisco_asa", "cisco_asa", r"-(106023|106100|304001):"),
    "ftd built": ("elastic2__cisco_ftd", "cisco_asa", BUILT),
    "ftd teardown": ("elastic2__cisco_ftd", "cisco_asa", TEARDOWN),
    "ftd icmp": ("elastic2__cisco_ftd", "cisco_asa", r"-30202[01]:"),
    "ftd translation": ("elastic2__cisco_ftd", "cisco_asa", r"-3050(11|12):"),
    "ftd rules": ("elastic2__cisco_ftd", "cisco_asa", r"-(106023|106100|304001):"),
    "ise": ("elastic2__cisco_ise", "cisco_ise", r"CISE_(RADIUS_Accounting|Passed_Authentications) "),
    "ise heads": ("elastic2__cisco_ise", "cisco_ise", r"CISE_(?!RADIUS_Accounting|Passed_Authentications)"),
    "sophos sessions": ("elastic2__sophos", "sophos", r'log_type="Firewall"'),
    "sophos web": ("elastic2__sophos", "sophos", r'log_type="Content Filtering"'),
    "sophos others": ("elastic2__sophos", "sophos", r'^(?!.*log_type="(Firewall|Content Filtering)").*SFW'),
}
_MAPPED = "a mapped address is source.nat, as it is in Built lines; nobody was spoken to"
_INNER = (
    "the side that opened it is not told: we take the inner side, which mostly did; theirs is the first in the line"
)
_WAY = "of an outbound connection the second endpoint is the one that opened it; theirs is always the first"
_IDPS = "the line comes from a firewall"
_NAMED = "the line itself says %ASA, or %FTD"
_CEST = "CEST is two hours ahead of UTC, and they read it as UTC"
_ENDED = "the line is written when the session ends; they take that for its start; a denied session has no ends"
_LEASED = "the server's message names the lease; the other keys of this line were changed by whoever hid its addresses"
_UNFILLED = "not a session and no web access: only the head of such a line is read"
_NONE = "0 and 0.0.0.0 are what the firewall writes where there is none"
_DEVICE = "that is the device which asked, or an administrator's address: observer.ip"
ACCEPTED: dict[str, str] = {
    "asa built/observer.product": _NAMED,
    "asa teardown/source.ip": _INNER,
    "asa teardown/source.port": _INNER,
    "asa teardown/destination.ip": _INNER,
    "asa teardown/destination.port": _INNER,
    "asa translation/destination.ip": _MAPPED,
    "asa translation/destination.port": _MAPPED,
    "asa vpn/destination.ip": "who calls in through a tunnel is its source",
    "asa vpn/source.bytes": "`xmt` is what the firewall sent to the client",
    "asa vpn/destination.bytes": "`xmt` is what the firewall sent to the client",
    **{f"ftd {group}/observer.type": _IDPS for group in ("built", "teardown", "icmp", "translation", "rules")},
    **{f"ftd {group}/observer.product": _NAMED for group in ("built", "teardown", "translation", "rules")},
    **{f"ftd built/{side}.{end}": _WAY for side in ("source", "destination") for end in ("ip", "port")},
    "ftd built/source.nat.ip": _WAY,
    "ftd built/destination.nat.ip": _WAY,
    "ftd built/destination.nat.port": _WAY,
    **{f"ftd teardown/{side}.{end}": _INNER for side in ("source", "destination") for end in ("ip", "port")},
    "ftd translation/destination.ip": _MAPPED,
    "ftd translation/destination.port": _MAPPED,
    "ise/user.name": "they keep a list of the one name",
    "ise/client.ip": "Framed-IP-Address is the client's; theirs is the device that asked",
    "ise heads/user.name": "they keep a list of the one name",
    "ise heads/client.ip": _DEVICE,
    "ise heads/destination.ip": _DEVICE,
    "sophos sessions/@timestamp": _CEST,
    "sophos sessions/event.start": _ENDED,
    "sophos sessions/event.end": _ENDED,
    **{
        f"sophos sessions/{field}": _NONE
        for field in (
            "source.ip",
            "source.port",
            "source.mac",
            "source.nat.port",
            "destination.ip",
            "destination.port",
            "destination.nat.port",
            "network.transport",
        )
    },
    "sophos web/@timestamp": _CEST,
    "sophos web/url.query": "a query stays as it was sent, with its escapes",
    "sophos others/@timestamp": _CEST,
    "sophos others/observer.serial_number": "a blank within a bare value ends it",
    "sophos others/source.mac": _LEASED,
    **{
        f"sophos others/{field}": _UNFILLED
        for field in (
            "url.domain",
            "destination.ip",
            "source.ip",
            "event.duration",
            "event.end",
            "event.start",
            "destination.bytes",
            "http.request.method",
            "source.bytes",
        )
    },
}


def chosen(group):
    name, module, lines = GROUPS[group]
    rows = [row for row in pairs(name) if isinstance(row["raw"], str) and re.search(lines, row["raw"])]
    assert rows, "the corpus has changed: no rows left to compare"
    return name, module, rows


@pytest.mark.parametrize("group", GROUPS)
def test_the_fields_of_law_5651_are_what_others_expect(group):
    name, module, rows = chosen(group)
    agreeing, differing, ours = compared(name, rows, received=RECEIVED)
    assert {document.get("event.module") for document in ours} == {module}
    differing = {f"{group}/{key.rpartition('/')[2]}": found for key, found in differing.items()}
    total = agreeing.total() + sum(map(len, differing.values()))
    counts = {key.rpartition("/")[2]: len(found) for key, found in differing.items()}
    sys.stdout.write(f"{group}: {len(rows)} lines, {agreeing.total()} of {total} fields agree; accepted: {counts}\n")
    unexpected = {key: found[:3] for key, found in differing.items() if key not in ACCEPTED}
    assert not unexpected
    assert {key for key in ACCEPTED if key.startswith(f"{group}/")} == set(differing), "no longer differs"


@pytest.mark.parametrize("group", ["asa teardown", "ftd built", "ftd teardown"])
def test_both_endpoints_are_the_others_endpoints_whichever_opened(group):
    _, _, rows = chosen(group)
    for row, ours in zip(rows, parsed([row["raw"] for row in rows], received=RECEIVED), strict=True):
        theirs = flat(row["expected"])
        sides = [
            {(one.get(f"{side}.ip"), one.get(f"{side}.port")) for side in ("source", "destination")}
            for one in (ours, theirs)
        ]
        assert sides[0] == sides[1], row["raw"]


@pytest.mark.parametrize("group", ["asa translation", "ftd translation"])
def test_the_mapped_side_is_what_others_take_for_a_destination(group):
    _, _, rows = chosen(group)
    for row, ours in zip(rows, parsed([row["raw"] for row in rows], received=RECEIVED), strict=True):
        theirs = flat(row["expected"])
        assert (ours["source.nat.ip"], ours["source.nat.port"]) == (
            theirs["destination.ip"],
            theirs["destination.port"],
        )
        assert ours["some.fact"].startswith("translation.")


_ASSERTED = re.compile(r'\[(\d+)\]\.Evt\.Parsed\["(\w+)"\] == "(.*)"$')
_MEANT = {
    "source_ip": "source.ip", "dst_ip": "destination.ip", "src_port": "source.port", "dst_port": "destination.port",
    "chain": "event.action", "if_in": "observer.ingress.interface.name",
}  # fmt: skip


def test_mikrotik_packets_are_read_as_another_project_reads_them():
    folder = CORPUS / "crowdsec" / "mikrotik-logs"
    wanted = {}
    for line in (folder / "parser.assert").read_text().splitlines():
        found = _ASSERTED.search(line) if 'a1ad/mikrotik-logs"]' in line else None
        if found is not None:
            wanted.setdefault(int(found[1]), {})[found[2]] = found[3]
    documents = {one["message"]: one for one in wanted.values() if "message" in one and "chain" in one}
    assert len(documents) >= 6
    for (text, theirs), ours in zip(documents.items(), parsed(list(documents)), strict=True):
        assert ours["event.module"] == "mikrotik"
        for name, field in _MEANT.items():
            if theirs.get(name):
                assert str(ours[field]) == theirs[name].strip("[]"), (text, name)
        if theirs.get("src_mac"):
            assert ours["source.mac"] == theirs["src_mac"].upper().replace(":", "-")


def test_every_mikrotik_excerpt_is_taken_and_no_administrator_is_a_guest():
    texts = [
        line
        for name in ("dhcp-hotspot", "firewall-nat", "split-line-quirk")
        for line in (CORPUS / "excerpts" / f"{name}.log").read_text().splitlines()
    ]
    for text, document in zip(texts, parsed(texts), strict=True):
        assert document["event.module"] == "mikrotik", text
        if ", NAT " in text:
            assert {"source.nat.ip", "some.fact"} <= document.keys(), text
        if " via " in text:
            assert "some.fact" not in document
