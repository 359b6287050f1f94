"""Kim kullandı?: asking, the answer with its records and doubts, the package; nothing without the right."""

from __future__ import annotations

import re
from html import unescape

import pytest
from conftest import client_of
from fake_attribution import GAP, NAT

FORM = {
    "public_ip": "198.51.100.14",
    "public_port": "41873",
    "protocol": "tcp",
    "at": "18.11.2026 21:47:12",
    "tolerance": "2,4",
    "dst_ip": "2001:db8::80",
    "dst_port": "443",
    "request_no": "2026/4127 Örnekşehir CBS",
    "purpose": "Soruşturma dosyası",
}


def text_of(page):
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_a_question_is_registered_and_its_address_shows_the_answer(admin, rooms):
    answer = admin.post("/kim-kullandi", data=FORM, follow_redirects=False)

    assert answer.status_code == 303
    assert answer.headers["location"] == "/kim-kullandi?soru=SRG-2026-0001"
    asked = rooms.attribution.asked[0]
    assert asked.question == {
        "public_ip": "198.51.100.14", "public_port": "41873", "protocol": "tcp",
        "at": "2026-11-18T18:47:12+00:00", "tolerance": "2.4", "dst": "[2001:db8::80]:443",
    }  # fmt: skip
    page = admin.get(answer.headers["location"]).text
    words = text_of(page)
    assert "Kesin" in words
    assert "zeynep.celik oturumundaydı" in words
    assert "18.11.2026 21:46:57,800" in words
    assert "tahmin" in words
    assert f'href="/kayitlar/{NAT}"' in page
    assert 'value="18.11.2026 21:47:12"' in page
    assert 'value="2001:db8::80"' in page
    assert "<b>tek</b>" not in page


def test_asking_again_is_a_new_question_and_looking_is_not(admin, rooms):
    admin.post("/kim-kullandi", data=FORM)
    admin.get("/kim-kullandi?soru=SRG-2026-0001")
    assert len(rooms.attribution.asked) == 1
    admin.post("/kim-kullandi", data=FORM)
    assert len(rooms.attribution.asked) == 2
    assert text_of(admin.get("/kim-kullandi?soru=SRG-2026-0002").text).count("198.51.100.14:41873") >= 2


def test_a_gap_names_layer_and_source_and_whether_it_was_alive(admin, rooms):
    rooms.attribution.answer = GAP
    words = text_of(admin.post("/kim-kullandi", data=FORM, follow_redirects=True).text)

    assert "Kayıtlar cevaplayamıyor, eksik katman: Kira" in words
    assert "dhcp-park" in words
    assert "kaynak o sırada susmuştu" in words


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"public_ip": "300.0.0.1"}, "300.0.0.1"),
        ({"at": "yarın"}, "yarın"),
    ],
)
def test_a_mistake_keeps_what_was_typed(admin, rooms, change, told):
    answer = admin.post("/kim-kullandi", data=FORM | change)

    assert answer.status_code == 400
    assert told in text_of(answer.text)
    assert 'value="41873"' in answer.text
    assert rooms.attribution.asked == []


def test_a_package_is_made_shown_taken_again_and_checked(admin, rooms):
    admin.post("/kim-kullandi", data=FORM)
    made = admin.post("/kim-kullandi/SRG-2026-0001/paket")
    assert made.content == b"PK"
    assert "CVP-2026-0001.zip" in made.headers["content-disposition"]
    assert 'href="/kim-kullandi/paket/CVP-2026-0001"' in admin.get("/kim-kullandi?soru=SRG-2026-0001").text
    assert admin.get("/kim-kullandi/paket/CVP-2026-0001").content == b"PK"
    check = "/kim-kullandi/SRG-2026-0001/paket/CVP-2026-0001/dogrula"
    assert "Paket sağlam" in text_of(admin.post(check).text)
    rooms.attribution.findings = ["cevap.pdf: değişmiş"]
    assert "cevap.pdf: değişmiş" in text_of(admin.post(check).text)
    assert admin.get("/kim-kullandi/paket/CVP-2026-0009").status_code == 404


def test_the_interface_answers_like_the_command_line(admin, rooms):
    body = {"public_ip": "198.51.100.14", "public-port": 41873, "at": "2026-11-18T21:47:12+03:00", "tolerance": 2}
    reasons = {"request_no": "2026/1", "purpose": "Soruşturma"}

    assert admin.post("/api/v1/attribution", json=body).status_code == 400
    assert admin.post("/api/v1/attribution", content=b"{").status_code == 400
    assert admin.post("/api/v1/attribution", json=[1]).status_code == 400
    assert admin.post("/api/v1/attribution", json={**body, **reasons, "gizli": 1}).status_code == 400
    answer = admin.post("/api/v1/attribution", json=body | reasons).json()
    assert answer["number"] == "SRG-2026-0001"
    assert answer["verdict"] == "certain"
    assert rooms.attribution.asked[0].question["public_port"] == 41873


def test_an_observer_sees_neither_page_nor_door(app):
    client = client_of(app, "gozlem")
    assert client.get("/kim-kullandi").status_code == 403
    assert client.post("/kim-kullandi", data=FORM).status_code == 403
