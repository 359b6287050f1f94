"""Who was it? From lines on standard input to an answer, a reply package, and its check years later."""

from __future__ import annotations

import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pypdf

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Some

SOURCES = """\
sites:
  - name: merkez
    ranges: [10.20.0.0/16]
    public_addresses: [198.51.100.10]
sources:
  - name: fw
    site: merkez
    format: fortigate
    class: access
    clock: [{error_s: 0.5}]
  - name: dhcp
    site: merkez
    format: dhcpd
    class: address
    clock: [{error_s: 0.5}]
  - name: radius
    site: merkez
    format: radius_detail
    class: identity
    clock: [{error_s: 0.5}]
"""
START = datetime(2026, 11, 20, 10, 0, 30, tzinfo=UTC)
FIREWALL = "".join(
    f'date=2026-11-20 time=13:{at:02d}:30 devname="FW-1" devid="FG100TEST0000001" '
    f'eventtime={int((START + timedelta(minutes=at)).timestamp())}000000000 tz="+0300" logid="0000000013" '
    'type="traffic" subtype="forward" level="notice" vd="root" '
    f'srcip=10.20.30.41 srcport={51000 + at} srcintf="lan" dstip=203.0.113.80 dstport=443 dstintf="wan1" '
    f'sessionid={105000 + at} proto=6 action="close" policyid=12 service="HTTPS" trandisp="snat" '
    f"transip=198.51.100.10 transport={40100 + at} duration=20 sentbyte=1188 rcvdbyte=1224 "
    'srcmac="00:00:5e:00:53:23"\n'
    for at in range(30)
).encode()
DHCP = b"<30>Nov 20 12:50:00 dhcp1 dhcpd[1204]: DHCPACK on 10.20.30.41 to 00:00:5e:00:53:23 (pc-0412) via eth1 \
relay 10.20.30.1 lease-duration 36000\n"
RADIUS = b"""\
Fri Nov 20 12:50:05 2026
\tUser-Name = "ayse.igdir"
\tAcct-Status-Type = Start
\tAcct-Session-Id = "0000A1"
\tNAS-IP-Address = 10.20.0.5
\tFramed-IP-Address = 10.20.30.41
\tCalling-Station-Id = "00-00-5E-00-53-23"
\tEvent-Timestamp = "Nov 20 2026 12:50:05 +03"

Fri Nov 20 18:00:00 2026
\tUser-Name = "ayse.igdir"
\tAcct-Status-Type = Stop
\tAcct-Session-Id = "0000A1"
\tNAS-IP-Address = 10.20.0.5
\tFramed-IP-Address = 10.20.30.41
\tCalling-Station-Id = "00-00-5E-00-53-23"
\tAcct-Session-Time = 18595
\tEvent-Timestamp = "Nov 20 2026 18:00:00 +03"

"""
REASON = ("--request-no", "2026/1234 Muh.", "--purpose", "Soruşturma")
QUESTION = ("--public-ip", "198.51.100.10", "--public-port", "40113", "--protocol", "tcp", *REASON)


def filled(some: Some) -> None:
    """Declare the sources and append what they said."""
    (some.folder / "config").mkdir(parents=True)
    (some.folder / "config" / "sources.yaml").write_text(SOURCES, encoding="utf-8")
    some("append", "--source", "fw", stdin=FIREWALL)
    some("append", "--source", "dhcp", stdin=DHCP)
    some("append", "--source", "radius", "--framing", "detail", stdin=RADIUS)


def test_an_answer_names_the_person_its_records_and_its_clocks(some: Some) -> None:
    filled(some)
    seen = some.documents("search", "source.nat.port:40113")[0]
    at = seen["event"]["start"]

    told = some.told("ask", *QUESTION, "--at", at)
    assert told["verdict"] == "certain", told
    assert [(one["person"], one["kind"]) for one in told["persons"]] == [("ayse.igdir", "username")]
    assert {one["layer"] for one in told["chain"]} >= {"nat", "identity"}
    assert seen["some"]["ref"] in {ref for one in told["chain"] for ref in one["evidence"]}
    assert told["gaps"] == []
    assert told["clock_error_s"] == 0.5
    assert told["number"].startswith("SRG-20")

    nobody = some.told("ask", *QUESTION[:3], "50000", *QUESTION[4:], "--at", at)
    assert (nobody["verdict"], nobody["gaps"][0]["layer"], nobody["gaps"][0]["reason"]) == ("gap", "nat", "no_session")
    asked = some.documents("search", "some.class:audit")
    kinds = [json.loads(one["event"]["original"])["kind"] for one in asked]
    assert kinds.count("attribution.asked") == 2


def test_a_batch_answers_a_line_for_a_line_and_a_mistake_answers_none(some: Some) -> None:
    filled(some)
    at = some.documents("search", "source.nat.port:40113")[0]["event"]["start"]
    good = {"public-ip": "198.51.100.10", "public-port": 40113, "protocol": "tcp", "at": at}
    lines = [good, {**good, "public-port": 50000}, {"inner-ip": "10.20.30.41", "site": "merkez", "from": at, "to": at}]
    batch = "\n".join(map(json.dumps, lines)).encode()

    answers = some.documents("ask", "--batch", "-", *REASON, stdin=batch)
    assert [one.get("verdict") for one in answers] == ["certain", "gap", None]
    assert any(one.get("person") == "ayse.igdir" for one in answers[2]["periods"])
    broken = batch + b'\n{"public-ip": "300.1.1.1", "at": "2026-11-20T10:00:00Z"}'
    assert b"question 4" in some("ask", "--batch", "-", *REASON, stdin=broken, code=65).stderr
    assert b"line 1" in some("ask", "--batch", "-", *REASON, stdin=b'{"gizli": 1}', code=65).stderr


def test_a_reply_is_written_checked_and_its_evidence_verified_with_stock_tools(some: Some, tmp_path: Path) -> None:
    filled(some)
    at = some.documents("search", "source.nat.port:40113")[0]["event"]["start"]
    number = some.told("ask", *QUESTION, "--at", at)["number"]

    made = some.told("report", "reply", number)
    folder = some.folder / "replies" / made["number"]
    assert made["records"] >= 2
    handed_over = tmp_path / "elden"
    shutil.copytree(folder, handed_over)
    subprocess.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], cwd=handed_over, check=True)
    for bundle in sorted((handed_over / "deliller").iterdir()):
        subprocess.run(["sha256sum", "--quiet", "-c", "DOSYALAR.sha256"], cwd=bundle, check=True)
        guide = (bundle / "DOGRULAMA.md").read_text(encoding="utf-8")
        commands = [line for block in guide.split("```")[1::2] for line in block.splitlines()[1:] if line.strip()]
        assert commands
        done = subprocess.run(["sh", "-e", "-c", "\n".join(commands)], cwd=bundle, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode() + guide
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(folder / "cevap.pdf").pages)
    assert "ayse.igdir" in text
    assert "2026/1234 Muh." in text
    assert some.told("report", "check", made["number"])["ok"] is True
    assert [one["number"] for one in some.told("report", "list")["replies"]] == [made["number"]]

    (folder / "cevap.docx").write_bytes(b"")
    found = some.told("report", "check", made["number"], code=90)
    assert found["findings"] == ["cevap.docx: değişmiş"]
    assert some.told("report", "reply", number)["number"] != made["number"]


def test_a_question_needs_its_reason_once_there_is_an_administrator(some: Some) -> None:
    at = ("--at", "2026-11-20T10:00:00Z")
    assert some.told("ask", "--public-ip", "198.51.100.10", *at)["verdict"] == "gap"
    some("user", "add", "yonetici", "--role", "sistem-yoneticisi", stdin=b"uzun-bir-parola-91\n")
    assert b"--request-no" in some("ask", "--public-ip", "198.51.100.10", *at, code=2).stderr
    assert some.told("ask", "--public-ip", "198.51.100.10", *at, *REASON)["verdict"] == "gap"
    assert (
        b"zone" in some("ask", "--public-ip", "198.51.100.10", "--at", "2026-11-20T10:00:00", *REASON, code=65).stderr
    )
