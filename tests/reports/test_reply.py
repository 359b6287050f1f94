"""The reply package: what the letter says, in both forms, and that nothing in it can change unnoticed."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import docx
import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reports import package
from reports.reply import EvidenceRecord, Reply, Request, letter, printable
from reports.typesetting import pdf
from some.durable import Disk

MADE = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
REF = "dugum1/000001/000007"
ANSWER = {
    "verdict": "certain",
    "persons": [
        {
            "person": "ayşe.ığdır",
            "kind": "username",
            "from": "2026-11-20T10:00:00.000Z",
            "to": "2026-11-20T10:05:00.000Z",
            "evidence": [REF],
        }
    ],
    "chain": [
        {
            "layer": "nat",
            "statement": "198.51.100.10:40112 adresini o sırada 10.20.30.41:51022 kullanıyordu",
            "from": "2026-11-20T10:00:00.000Z",
            "to": "2026-11-20T10:05:00.000Z",
            "estimated": False,
            "evidence": [REF],
        }
    ],
    "gaps": [],
    "clock_error_s": 1.5,
    "notes": [],
}


def reply(text="date=2026-11-20 srcip=10.20.30.41", **changed):
    request = Request("2026/1234 Muh.", "Soruşturma", {"public_ip": "198.51.100.10", "at": "2026-11-20T10:03:00Z"})
    record = EvidenceRecord(1, REF, "fw-1", MADE, "ab" * 32, text, "deliller/01", 12, None)
    known = {
        "number": "CVP-2026-0001",
        "institution": "Örnek Belediyesi İĞÜŞÖÇ",
        "made_at": MADE,
        "zone": ZoneInfo("Europe/Istanbul"),
        "request": request,
        "answer": ANSWER,
        "evidence": [record],
    }
    return Reply(**{**known, **changed})


def pdf_text(content):
    return " ".join("".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages).split())


def docx_text(content):
    opened = docx.Document(io.BytesIO(content))
    cells = [cell.text for table in opened.tables for row in table.rows for cell in row.cells]
    return " ".join("\n".join([*(one.text for one in opened.paragraphs), *cells]).split())


def made(tmp_path, one):
    folder = tmp_path / one.number
    bundle = folder / "deliller" / "01"
    bundle.mkdir(parents=True)
    (bundle / "kayit.satir").write_bytes(b"x")
    return folder, package.write(one, folder, Disk())


def test_both_letters_say_the_same_facts_in_right_turkish(tmp_path):
    folder, _ = made(tmp_path, reply())

    for text in (pdf_text((folder / "cevap.pdf").read_bytes()), docx_text((folder / "cevap.docx").read_bytes())):
        for words in (
            "CVP-2026-0001",
            "Örnek Belediyesi İĞÜŞÖÇ",
            "2026/1234 Muh.",
            "KESİN",
            "ayşe.ığdır",
            "20.11.2026 13:00:00",
            "198.51.100.10:40112",
            "1,5 saniye",
            REF,
            "ab" * 32,
        ):
            assert words in text


def test_the_pdf_is_archivable_tagged_and_carries_the_answer(tmp_path):
    folder, _ = made(tmp_path, reply())
    read = pypdf.PdfReader(folder / "cevap.pdf")
    catalogue = read.trailer["/Root"]

    assert b'pdfaid:part="3"' in read.xmp_metadata.stream.get_data().replace(b"'", b'"') or (
        b"<pdfaid:part>3</pdfaid:part>" in read.xmp_metadata.stream.get_data()
    )
    assert catalogue["/MarkInfo"]["/Marked"]
    assert catalogue["/Lang"] == "tr"
    attached = json.loads(read.attachments["cevap.json"][0])
    assert attached["answer"]["persons"][0]["person"] == "ayşe.ığdır"


def test_the_same_reply_gives_the_same_pdf():
    texts = letter(reply())

    assert pdf("cevap", texts, answer="{}") == pdf("cevap", texts, answer="{}")


@pytest.mark.parametrize("verdict", ["certain", "candidates", "gap"])
def test_every_verdict_has_its_words(verdict):
    answer = {**ANSWER, "verdict": verdict, "persons": [], "chain": [], "gaps": [
        {"layer": "lease", "reason": "source_silent", "source": "dhcp1", "source_alive": False}
    ]}  # fmt: skip
    text = pdf_text(pdf("cevap", letter(reply(answer=answer, evidence=[])), answer="{}"))

    assert {"certain": "KESİN", "candidates": "ADAYLAR", "gap": "BOŞLUK"}[verdict] in text
    assert "dhcp1" in text
    assert "susmuştu" in text


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=60))
def test_no_text_of_a_record_can_stop_the_letter(text):
    one = reply(text=text)

    assert pdf("cevap", letter(one), answer="{}")


def test_what_the_typeface_lacks_is_written_and_not_dropped():
    assert printable("a\x00日ş") == "a\\u{0}\\u{65e5}ş"


def test_typst_code_in_a_record_stays_text():
    hostile = '#read("/etc/passwd") #panic("x") $x$ *b* [a] `c`'

    assert '#read("/etc/passwd")' in pdf_text(pdf("cevap", letter(reply(text=hostile)), answer="{}"))


def test_a_package_knows_what_was_changed_added_or_taken_away(tmp_path):
    folder, digest = made(tmp_path, reply())
    assert package.faults(folder, digest) == []

    (folder / "cevap.pdf").write_bytes(b"other")
    (folder / "ek.txt").write_bytes(b"new")
    (folder / "deliller" / "01" / "kayit.satir").unlink()

    assert sorted(package.faults(folder, digest)) == [
        "cevap.pdf: değişmiş",
        "deliller/01/kayit.satir: eksik",
        "ek.txt: listede yok",
    ]
    (folder / "SHA256SUMS").write_bytes(b"")
    assert package.faults(folder, digest)[0].startswith("SHA256SUMS")


def test_the_zip_holds_the_folder_and_is_the_same_each_time(tmp_path):
    folder, _ = made(tmp_path, reply())
    once = package.zipped(folder)

    assert once == package.zipped(folder)
    names = zipfile.ZipFile(io.BytesIO(once)).namelist()
    assert "CVP-2026-0001/SHA256SUMS" in names
    assert "CVP-2026-0001/deliller/01/kayit.satir" in names
