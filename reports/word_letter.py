"""The same letter as DOCX, for the institution's document system (EBYS), where clerks add to it and sign."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from docx import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Cm, Pt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from docx.document import Document as Letter

_FONT: Final = "Times New Roman"
_MONO: Final = "Consolas"
_PERSON_HEAD: Final = ("Kişi", "Nasıl adlandırıldı", "Bağlantı ile kimliğin ortak süresi", "Delil (ek no)")


def docx(texts: Mapping[str, Any], made_at: datetime) -> bytes:
    """Return the DOCX (ISO/IEC 29500) of a letter's `texts` (`reports.reply.letter`)."""
    letter = Document()
    _page(letter, texts, made_at)
    _head(letter, texts)
    _title(letter, "Sorulan")
    for line in texts["question"]:
        _bullet(letter, f"{line['label']}: ", line["value"])
    _title(letter, "Cevap")
    _bold(letter.add_paragraph(), texts["verdict"]["title"]).add_run(f"\n{texts['verdict']['text']}")
    if texts["persons"]:
        _table(letter, _PERSON_HEAD, texts["persons"])
    _steps(letter, texts["steps"])
    _title(letter, "Bilinmeyenler ve çekinceler")
    for line in [*texts["gaps"], *texts["notes"]] or ["Cevabın dayandığı katmanlarda eksik bilgi saptanmamıştır."]:
        _bullet(letter, "", line)
    _title(letter, "Saatler")
    letter.add_paragraph(texts["clock"])
    _evidence(letter, texts["evidence"])
    _title(letter, "Nasıl doğrulanır")
    letter.add_paragraph("Paketteki her dosyanın özeti SHA256SUMS dosyasındadır; yalnızca yaygın araçlar gerekir:")
    for command in texts["commands"]:
        _mono(letter.add_paragraph(), command)
    _foot(letter, texts)
    made = io.BytesIO()
    letter.save(made)
    return made.getvalue()


def _page(letter: Letter, texts: Mapping[str, Any], made_at: datetime) -> None:
    section = letter.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    section.left_margin = section.right_margin = Cm(2.2)
    section.footer.paragraphs[0].text = texts["number"]
    style = letter.styles["Normal"]
    style.font.name, style.font.size = _FONT, Pt(11)
    properties = style.element.get_or_add_rPr()
    language = properties.makeelement(qn("w:lang"), {qn("w:val"): "tr-TR"})
    properties.append(language)
    core = letter.core_properties
    core.title, core.author, core.language = f"{texts['number']} – {texts['subject']}", texts["institution"], "tr-TR"
    core.created = core.modified = made_at


def _head(letter: Letter, texts: Mapping[str, Any]) -> None:
    head = letter.add_paragraph()
    head.alignment = WD_ALIGN_PARAGRAPH.CENTER
    _bold(head, f"T.C.\n{texts['institution']}").add_run("\nSiber Olaylara Müdahale Ekibi (SOME)")
    if texts["trial"]:
        _bold(head, "\nDENEME – hukuki değeri yoktur")
    letter.add_paragraph(
        f"Sayı: {texts['number']}\nTarih: {texts['date']['text']}\n"
        f"Konu: {texts['subject']}\nİlgi: {texts['request_no']}"
    )


def _title(letter: Letter, text: str) -> None:
    _bold(letter.add_paragraph(), text)


def _bold(paragraph: Any, text: str) -> Any:
    paragraph.add_run(text).bold = True
    return paragraph


def _mono(paragraph: Any, text: str) -> None:
    run = paragraph.add_run(text)
    run.font.name, run.font.size = _MONO, Pt(8)


def _bullet(letter: Letter, label: str, text: str) -> None:
    paragraph = letter.add_paragraph(style="List Bullet")
    paragraph.add_run(label)
    paragraph.add_run(text).bold = bool(label)


def _table(letter: Letter, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = letter.add_table(rows=1, cols=len(head), style="Table Grid")
    for cell, text in zip(table.rows[0].cells, head, strict=True):
        _bold(cell.paragraphs[0], text)
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text


def _steps(letter: Letter, steps: Sequence[Mapping[str, Any]]) -> None:
    _title(letter, "Cevaba nasıl varıldı")
    if not steps:
        letter.add_paragraph("Kayıtlardan bir adım çıkarılamamıştır.")
    for step in steps:
        paragraph = letter.add_paragraph(style="List Number")
        _bold(paragraph, f"{step['layer']}. ").add_run(step["text"])
        after = [f"({step['period']})"] if step["period"] else []
        after += ["— bitişi tahminidir"] if step["estimated"] else []
        after += [f"— ek {step['evidence']}"] if step["evidence"] else []
        paragraph.add_run("".join(f" {part}" for part in after))


def _evidence(letter: Letter, evidence: Sequence[Mapping[str, str]]) -> None:
    _title(letter, "Ekli özgün kayıtlar")
    if not evidence:
        letter.add_paragraph("Ekli kayıt yoktur.")
        return
    letter.add_paragraph(
        "Her ek yalnız bir özgün kaydı içerir; aynı bölümdeki başka kişilere ait kayıtlar pakete konmamıştır."
    )
    for one in evidence:
        paragraph = letter.add_paragraph()
        _bold(paragraph, f"Ek {one['number']}. ").add_run(
            f"Kayıt {one['ref']}, kaynak {one['source']}, alınma {one['received']}. "
            f"Mühür {one['seal']}, zaman damgası {one['stamp']}, klasör {one['folder']}."
        )
        _mono(paragraph, f"\nSHA-256 {one['digest']}\n{one['text']}")


def _foot(letter: Letter, texts: Mapping[str, Any]) -> None:
    sign = letter.add_paragraph(f"\n{texts['signatory']}\n\n\nAd Soyad / İmza")
    sign.alignment = WD_ALIGN_PARAGRAPH.RIGHT
    letter.add_paragraph(texts["privacy"])
