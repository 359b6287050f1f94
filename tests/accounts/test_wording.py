"""The Turkish catalogue is complete and fits the code; numbers and times are written as the house writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import catalogue
import pytest
from catalogue import UnreadableMessageError, holes, messages, of_python, of_template, translations

from some.errors import SettingsFault
from some.wording import ZONE, Calendar, Notation, Translator, marked, translator

TR, EN = Notation("tr"), Notation("en")
NOW = datetime(2026, 11, 23, 11, 36, 7, tzinfo=UTC)
HERE = ZoneInfo(ZONE)


def test_every_message_has_a_turkish_translation():
    known = translations()
    missing = {
        message.msgid: message.where
        for message in messages()
        if message.msgid not in known or not _complete(known[message.msgid].string)
    }
    assert missing == {}, "add these to a catalogue in some/locale/tr"


def test_no_translation_is_left_over():
    used = {message.msgid for message in messages()}
    left = [entry.id for entry in translations() if entry.id and _one(entry.id) not in used]
    assert left == [], "nothing asks for these any more; remove them from a catalogue in some/locale/tr"


def test_translations_fill_the_same_holes():
    for entry in translations():
        texts = entry.string if isinstance(entry.string, tuple) else (entry.string,)
        for text in texts:
            assert set(holes(text)) <= set(holes(_one(entry.id))) | set(holes(_last(entry.id))), entry.id
            if not isinstance(entry.id, tuple):
                assert holes(text) == holes(entry.id), entry.id


def test_no_translation_is_marked_doubtful():
    assert [entry.id for entry in translations() if entry.fuzzy and entry.id] == []


def test_the_house_does_not_shout_or_beg():
    for entry in translations():
        text = " ".join(entry.string if isinstance(entry.string, tuple) else [entry.string]) if entry.id else ""
        assert "!" not in text, entry.id
        for word in ("lütfen", "başarılı", "başarıyla"):
            assert word not in text.casefold(), entry.id


def test_the_search_finds_what_people_read():
    program = """
from some.wording import marked
TEXT = marked("first")
print(_("second"), t.gettext("third"), t.ngettext("one", "many", 3), _(TEXT), other("fourth"))
"""
    assert [message.msgid for message in of_python(program, "x.py")] == ["first", "second", "third", "one"]
    template = (
        "{{ _('a') }} {% trans n=n %}{{ n }} day{% pluralize %}{{ n }} days{% endtrans %} {{ ngettext('b', 'c', 2) }}"
    )
    found = [(message.msgid, message.plural) for message in of_template(template, "x.html")]
    assert found == [("a", ""), ("%(n)s day", "%(n)s days"), ("b", "c")]


def test_a_message_made_when_the_program_runs_is_an_error():
    with pytest.raises(UnreadableMessageError, match=r"x\.py:1"):
        list(of_python('_(f"{n} records")', "x.py"))


def test_english_is_what_stands_in_the_code():
    _ = translator("en")
    assert _("The password is too short; expected at least %(count)s characters.", count=12).endswith("12 characters.")
    assert _("nobody translated this") == "nobody translated this"
    assert translator("tr")("nobody translated this") == "nobody translated this"
    assert _("100 %") == "100 %"


def test_plural_forms(tmp_path, monkeypatch):
    text = """
msgid ""
msgstr ""
"Content-Type: text/plain; charset=utf-8\\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\\n"

msgid "%(number)s record"
msgid_plural "%(number)s records"
msgstr[0] "%(number)s kayıt"
msgstr[1] "%(number)s kayıt"
"""
    (tmp_path / "locale" / "tr").mkdir(parents=True)
    (tmp_path / "locale" / "tr" / "some.po").write_text(text, encoding="utf-8")
    monkeypatch.setattr("some.wording.files", lambda room: tmp_path)
    say = translator("tr").ngettext
    assert say("%(number)s record", "%(number)s records", 1284306) == "1.284.306 kayıt"
    assert translator("en").ngettext("%(number)s record", "%(number)s records", 1) == "1 record"
    assert translator("en").ngettext("%(number)s record", "%(number)s records", 2000) == "2,000 records"
    assert Translator("tr").plural("%(number)s record", "%(number)s records", 3) == "%(number)s kayıt"


def test_an_unknown_language_is_refused():
    with pytest.raises(SettingsFault, match="tr, en"):
        translator("de")
    assert marked("as it is") == "as it is"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (TR.count(1284306), "1.284.306"),
        (TR.count(-1000), "-1.000"),
        (TR.count(999), "999"),
        (EN.count(1284306), "1,284,306"),
        (TR.decimal(1234.5), "1.234,5"),
        (TR.percent(0.418), "%41,8"),
        (TR.percent(1, 0), "%100"),
        (TR.percent(-0.05), "-%5,0"),
        (EN.percent(0.418), "41.8%"),
        (TR.size(812), "812 B"),
        (TR.size(4404019), "4,2 MiB"),
        (TR.size(1024), "1,0 KiB"),
        (EN.size(3 * 2**60), "3,072.0 PiB"),
        (TR.size(0), "0 B"),
    ],
)
def test_numbers(written, expected):
    assert written == expected


@pytest.mark.parametrize(
    ("length", "turkish", "english"),
    [
        (timedelta(hours=43, minutes=12), "43 sa 12 dk", "43 h 12 min"),
        (timedelta(hours=72), "72 sa", "72 h"),
        (timedelta(hours=76, minutes=5), "3 gün 4 sa", "3 d 4 h"),
        (timedelta(minutes=12), "12 dk", "12 min"),
        (timedelta(minutes=12, seconds=40), "12 dk", "12 min"),
        (timedelta(seconds=45), "45 sn", "45 s"),
        (timedelta(0), "0 sn", "0 s"),
        (timedelta(hours=-2), "-2 sa", "-2 h"),
        (timedelta(days=1200), "1.200 gün", "1,200 d"),
    ],
)
def test_durations(length, turkish, english):
    assert (TR.duration(length), EN.duration(length)) == (turkish, english)


def test_times_are_shown_in_the_zone_that_was_given():
    tr, en = Calendar("tr", HERE), Calendar("en", HERE)
    assert tr.moment(NOW) == "23.11.2026 14:36"
    assert tr.exact(NOW) == "23.11.2026 14:36:07"
    assert tr.long_day(NOW) == "23 Kasım 2026 Pazartesi"
    assert tr.hour(NOW) == "14:36"
    assert en.moment(NOW) == "23 Nov 2026 14:36"
    assert en.long_day(NOW) == "Monday, 23 November 2026"
    assert Calendar("tr", UTC).moment(NOW) == "23.11.2026 11:36"
    late = datetime(2026, 12, 31, 22, 0, tzinfo=UTC)
    assert tr.day(late) == "01.01.2027"


def test_the_zone_stands_beside_ranges():
    assert Calendar("tr", HERE).zone_name(NOW) == "UTC+3"
    assert Calendar("tr", UTC).zone_name(NOW) == "UTC"
    assert Calendar("tr", ZoneInfo("Asia/Kolkata")).zone_name(NOW) == "UTC+5:30"
    assert Calendar("tr", ZoneInfo("America/St_Johns")).zone_name(NOW) == "UTC-3:30"


@pytest.mark.parametrize(
    ("seconds", "turkish", "english"),
    [
        (0, "az önce", "just now"),
        (59, "az önce", "just now"),
        (60, "1 dakika önce", "1 minute ago"),
        (3 * 3600, "3 saat önce", "3 hours ago"),
        (2 * 86400, "2 gün önce", "2 days ago"),
        (-30, "birazdan", "in a moment"),
        (-86400, "1 gün sonra", "in 1 day"),
    ],
)
def test_relative_times(seconds, turkish, english):
    at = NOW - timedelta(seconds=seconds)
    assert Calendar("tr", HERE).relative(at, NOW) == turkish
    assert Calendar("en", HERE).relative(at, NOW) == english


def test_the_catalogue_is_where_the_wheel_takes_it_from():
    assert catalogue.CATALOGUES


def _complete(text):
    return all(text) if isinstance(text, tuple) else bool(text)


def _one(msgid):
    return msgid[0] if isinstance(msgid, tuple) else msgid


def _last(msgid):
    return msgid[-1] if isinstance(msgid, tuple) else msgid
