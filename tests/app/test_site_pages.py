"""The pages over a real site: from the one-time link to a proven record, as a browser goes."""

from __future__ import annotations

import io
import re
import subprocess
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient
from test_asking import DHCP, FIREWALL, RADIUS, SOURCES

from some import audit
from some.app import serving, wiring, working
from some.app.site import Site, open_site
from some.record import RecordBlock, RecordClass, escape

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from some.database import Database

PASSWORD = "dört kelimelik uzun parola"
# The pages ask about the last 24 hours of the machine's own clock: the line is one of today's.
NOW = f"{datetime.now(UTC).astimezone(ZoneInfo('Europe/Istanbul')):date=%Y-%m-%d time=%H:%M:%S}"
LINE = f'<189>{NOW} devname="gw" logid="0000000013" type="traffic" srcip=10.20.14.37 action="deny"'.encode()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return open_site(None, tmp_path / "data")


@pytest.fixture
def browser(site: Site) -> Iterator[TestClient]:
    with serving.application(site) as app:
        client = TestClient(app, base_url="http://127.0.0.1", headers={"sec-fetch-site": "same-origin"})
        with client:
            yield client


def keep(site: Site, *lines: bytes) -> None:
    block = RecordBlock(
        datetime.now(UTC),
        "gw",
        "udp:192.0.2.7:514",
        RecordClass("access"),
        b"".join(x + b"\n" for x in lines),
        len(lines),
    )
    with wiring.open_sink(site) as sink:
        sink.submit(block).result(60)
    wiring.catch_up(site, 60)


def entries(database: Database) -> list[audit.AuditEntry]:
    """Return the audit entries in order."""
    with database.reading() as session:
        return list(session.scalars(sa.select(audit.AuditEntry).order_by(audit.AuditEntry.id)))


def set_up(site: Site, browser: TestClient) -> None:
    with wiring.database(site) as database:
        desk = wiring.accounts(site, database)
        from some.actor import local_actor  # noqa: PLC0415 - the supervisor's own words

        secret = desk.issue_setup_link(local_actor()).secret
    filled = {"name": "elif", "display_name": "Elif Örnek", "password": PASSWORD}
    done = browser.post(f"/kurulum/{secret}", data=filled)
    assert done.status_code == 200, done.text
    assert browser.post(f"/kurulum/{secret}", data=filled).status_code >= 400


def test_the_first_administrator_sees_the_first_record_and_proves_it(site: Site, browser: TestClient) -> None:
    set_up(site, browser)
    empty = browser.get("/kayitlar")
    keep(site, LINE, b"<134>Nov 23 12:00:01 gw deneme: ikinci")
    found = browser.get("/kayitlar", params={"q": "source.ip:10.20.14.0/24"})
    with wiring.open_sink(site) as archive:
        archive.seal()
    place = browser.get("/kayitlar/dugum1/000001/000000")
    proved = browser.post("/kayitlar/dugum1/000001/000000/dogrula")

    assert "logger" in empty.text
    assert "10.20.14.37" in found.text
    assert "ikinci" not in found.text
    assert "srcip=10.20.14.37" in place.text
    assert proved.status_code == 200
    for page in ("/", "/muhurler", "/muhurler?muhur=1", "/hesap", "/yonetim"):
        assert browser.get(page).status_code == 200, page


def test_an_error_in_a_query_names_its_column(site: Site, browser: TestClient) -> None:
    set_up(site, browser)
    keep(site, LINE)

    answer = browser.get("/api/v1/records", params={"q": "source.ip:10.0.0.0/8 and ("})
    assert answer.status_code == 400
    assert re.search(r'"column":\s*\d+', answer.text)


def test_what_was_seen_and_taken_is_witnessed_in_the_archive(site: Site, browser: TestClient) -> None:
    set_up(site, browser)
    keep(site, LINE)
    browser.get("/kayitlar", params={"q": "10.20.14.37"})
    with wiring.open_sink(site) as archive:
        archive.seal()
    answer = browser.post(
        "/kayitlar/dugum1/000001/000000/paket", data={"request_no": "2026/4127", "purpose": "Savcılık talebi"}
    )
    assert answer.status_code == 200, answer.text
    names = zipfile.ZipFile(io.BytesIO(answer.content)).namelist()
    assert any(name.endswith("DOGRULAMA.md") for name in names)

    working.relay(site)
    kinds = subprocess.run(
        ["sh", "-c", f"zstd -dcq {site.ledger.segments}/*/seg-*.audit.log.zst"], capture_output=True, check=True
    ).stdout.decode()
    for kind in ("setup.completed", "records.searched", "exported"):
        assert kind in kinds, kinds


def test_nobody_sees_anything_without_signing_in(browser: TestClient) -> None:
    for page in ("/", "/kayitlar", "/muhurler", "/hesap", "/yonetim"):
        answer = browser.get(page, follow_redirects=False)
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/giris")
    assert browser.get("/api/v1/records").status_code == 401
    assert browser.get("/api/v1/openapi.json").status_code == 200


def test_metrics_and_readiness_speak_of_the_parts(site: Site, browser: TestClient) -> None:
    set_up(site, browser)
    keep(site, LINE)

    assert b"some_index_documents" in serving.metrics(site)
    assert browser.get("/live").status_code == 200
    assert browser.get("/ready").json()["parts"] == {"state": True, "archive": False}


def test_who_it_was_is_asked_answered_and_handed_over_on_the_pages(site: Site, browser: TestClient) -> None:
    set_up(site, browser)
    (site.folder / "config" / "sources.yaml").write_text(SOURCES, encoding="utf-8")
    for at, (source, record_class, raw) in enumerate(
        [("fw", "access", line) for line in FIREWALL.splitlines()]
        + [("dhcp", "address", DHCP.strip()), ("radius", "identity", RADIUS.split(b"\n\n", maxsplit=1)[0])]
    ):
        block = RecordBlock(
            datetime.now(UTC), source, f"import:{at}", RecordClass(record_class), escape(raw) + b"\n", 1
        )
        with wiring.open_sink(site) as sink:
            sink.submit(block).result(60)
    wiring.catch_up(site, 60)
    form = {
        "public_ip": "198.51.100.10", "public_port": "40113", "protocol": "tcp", "at": "20.11.2026 13:13:20",
        "request_no": "2026/4127 CBS", "purpose": "Soruşturma",
    }  # fmt: skip

    page = browser.post("/kim-kullandi", data=form, follow_redirects=True)
    assert page.status_code == 200
    assert "ayse.igdir" in page.text
    assert "RADIUS (802.1X) ile oturum açmıştı" in page.text
    number = re.search(r"SRG-\d{4}-\d{4}", page.text)
    assert number
    made = browser.post(f"/kim-kullandi/{number[0]}/paket")
    names = zipfile.ZipFile(io.BytesIO(made.content)).namelist()
    assert {name.split("/")[1] for name in names} == {"SHA256SUMS", "cevap.docx", "cevap.json", "cevap.pdf", "deliller"}
    again = browser.get(f"/kim-kullandi?soru={number[0]}").text
    package = re.search(r"CVP-\d{4}-\d{4}", again)
    assert package
    assert browser.get(f"/kim-kullandi/paket/{package[0]}").content == made.content
    assert "Paket sağlam" in browser.post(f"/kim-kullandi/{number[0]}/paket/{package[0]}/dogrula").text
    with wiring.database(site) as database:
        kinds = [one.kind for one in entries(database)]
    assert [kind for kind in kinds if kind.startswith(("attribution", "reply"))] == [
        "attribution.asked", "attribution.read", "reply.made", "reply.finished", "attribution.read", "reply.taken",
        "attribution.read",
    ]  # fmt: skip
