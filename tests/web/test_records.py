"""The search page: what it asks the engine, what it writes down, what it shows and hides."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from html import unescape

from conftest import client_of
from fakes import HOUR, NOW, document, world
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from ingest.ecs import FIELD
from some.app.web import charts
from some.app.web.application import create_app
from some.app.web.ask import Ask, Filter, read_ask
from some.index.query.bind import Options, understand
from some.index.query.tree import And, Not, Term

ROW = re.compile(r'<tr data-row="([^"]+)"')


def links(page: str, rel: str) -> list[str]:
    return [unescape(one) for one in re.findall(rf'<a class="btn" href="([^"]+)" data-swap="main" rel="{rel}"', page)]


def test_paging_shows_every_record_once_in_order_and_back(admin, rooms):
    path, seen, pages = "/kayitlar?aralik=7g", [], []
    while True:
        page = admin.get(path).text
        pages.append(ROW.findall(page))
        seen += pages[-1]
        older = links(page, "next")
        if not older:
            break
        path = older[0]
    wanted = sorted(rooms.engine.documents, key=lambda one: (one["@timestamp"], one["some"]["ref"]), reverse=True)
    assert seen == [one["some"]["ref"] for one in wanted]
    back = []
    for _ in pages[1:]:
        page = admin.get(path).text
        first = re.findall(r'<nav class="pages"[^>]*><a class="btn" href="([^"]+)"', page)
        path = unescape(first[0])
        back.append(ROW.findall(admin.get(path).text))
    assert back[::-1] == pages[:-1]


def test_oldest_first_turns_the_order(admin):
    newest = ROW.findall(admin.get("/kayitlar?aralik=7g").text)
    oldest = ROW.findall(admin.get("/kayitlar?aralik=7g&sira=eski").text)
    assert newest[0] != oldest[0]
    assert not set(newest) & set(oldest)


def test_a_query_fault_names_its_column_and_asks_nothing(admin, rooms):
    page = admin.get("/kayitlar", params={"q": "source.ip:10.0.0.0/8 and ("})
    assert page.status_code == 200
    assert "27. sütun" in page.text
    assert f"{' ' * 26}^</p>" in page.text
    assert 'aria-invalid="true"' in page.text
    assert not rooms.engine.queries
    assert not rooms.audit.entries


def test_the_column_is_that_of_what_was_typed_also_with_filters(admin):
    page = admin.get("/kayitlar", params={"q": "sourc.ip:10.0.0.1", "suz": "user.name:x"}).text
    assert "1. sütun" in page


def test_every_search_is_written_down_before_it_is_asked(admin, rooms):
    admin.get("/kayitlar", params={"q": "event.action:deny"})
    actor, kind, facts, _subject = rooms.audit.entries[0]
    assert (actor, kind, facts["query"]) == ("account:elif.aksoy", "records.searched", "event.action:deny")
    rooms.engine.queries.clear()
    rooms.audit.away = True
    for path in ("/kayitlar", "/api/v1/records", "/kayitlar/dugum1/033637/018270"):
        assert admin.get(path).status_code == 503
    assert not rooms.engine.queries


def test_opening_and_exporting_are_written_down(admin, rooms):
    ref = "dugum1/033637/018270"
    admin.get(f"/kayitlar/{ref}")
    admin.get(f"/kayitlar?kayit={ref}")
    admin.get(f"/api/v1/records/{ref}")
    assert [entry[3] for entry in rooms.audit.entries if entry[1] == "record.opened"] == [ref] * 3
    answer = admin.post(f"/kayitlar/{ref}/paket", data={"request_no": "2026/4127", "purpose": "savcılık"})
    assert answer.content == b"PK..."
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''delil-33637-18270.zip"
    facts = {"request_no": "2026/4127", "purpose": "savcılık"}
    assert rooms.audit.entries[-1] == ("account:elif.aksoy", "record.exported", facts, ref)
    assert admin.post(f"/kayitlar/{ref}/paket", data={"request_no": "", "purpose": ""}).status_code == 400


def test_watching_live_writes_one_entry_in_five_minutes(admin, rooms):
    for _ in range(5):
        assert admin.get("/kayitlar?canli=1&q=event.action:deny").status_code == 200
    assert len(rooms.audit.entries) == 1
    admin.get("/kayitlar?canli=1&q=event.action:allow")
    assert len(rooms.audit.entries) == 2
    rooms.clock.advance(301)
    admin.get("/kayitlar?canli=1&q=event.action:deny")
    assert len(rooms.audit.entries) == 3
    admin.get("/kayitlar?q=event.action:deny")
    assert len(rooms.audit.entries) == 4


def test_the_panel_alone_asks_no_search(admin, rooms):
    page = admin.get("/kayitlar?kayit=dugum1/033637/018270", headers={"x-some-region": "panel"})
    assert 'id="panel"' in page.text
    assert "dugum1/033637/018270" in page.text
    assert not rooms.engine.queries
    assert [entry[1] for entry in rooms.audit.entries] == ["record.opened"]


def test_records_of_class_audit_need_their_own_permission(admin, analyst, rooms):
    hidden = next(one["some"]["ref"] for one in rooms.engine.documents if one["some"]["class"] == "audit")
    seen = analyst.get("/kayitlar?aralik=7g").text
    assert hidden not in seen
    assert all("audit" not in (query.classes or ()) for query in rooms.engine.queries)
    assert analyst.get(f"/kayitlar/{hidden}").status_code == 404
    assert analyst.get(f"/kayitlar?kayit={hidden}").status_code == 404
    assert analyst.get(f"/api/v1/records/{hidden}").status_code == 404
    assert analyst.post(f"/kayitlar/{hidden}/dogrula").status_code == 404
    assert not any(entry[3] == hidden for entry in rooms.audit.entries)
    assert admin.get(f"/kayitlar/{hidden}").status_code == 200


def test_the_chart_and_its_table_say_the_same(admin, rooms):
    page = admin.get("/kayitlar?aralik=7g").text
    total = len(rooms.engine.documents)
    assert f"{total} kayıt" in page
    table = page[page.index("Aynı sayılar") :]
    rows = re.findall(r'<td class="num">([\d.]+)</td></tr>', table[: table.index("</table>")])
    assert sum(int(row.replace(".", "")) for row in rows) == total
    assert page.count("<title>") == 1 + len(rows)


def test_top_values_say_how_many_records_they_come_from(admin):
    page = admin.get("/kayitlar?alan=source.ip").text
    assert "İlk 5 değer, 400 kayıttan" in page
    assert "suz=source.ip%3A10.20.14." in page
    assert "suz=-source.ip%3A10.20.14." in page


def test_an_empty_archive_shows_the_command_that_makes_a_record(translator):
    rooms = world(translator, records=0)
    page = client_of(create_app(rooms.ports), "elif.aksoy").get("/kayitlar", headers={"host": "some.example:8651"}).text
    command = re.sub(r"<[^>]+>", "", page[page.index("first-command") + 15 : page.index("</code>")])
    assert unescape(" ".join(command.split())) == 'logger -n some.example -P 514 -T --rfc5424 "SOME ilk kayıt"'
    assert "514/udp, 514/tcp dinleniyor · 0 satır geldi" in page
    assert "İlk mühür 15:00." in page
    assert not rooms.engine.queries


def test_a_damaged_segment_is_said_and_the_index_still_shown(admin, rooms):
    rooms.archive.damaged = True
    page = admin.get("/kayitlar/dugum1/033637/018270")
    assert page.status_code == 200
    assert "Arşiv bu kaydı gösteremiyor." in page.text


def test_an_unparsed_line_is_shown_as_it_came(admin):
    page = admin.get("/kayitlar/dugum1/033637/018260").text
    assert "Bu satır ayrıştırılamadı." in page
    assert "bir &lt;b&gt;satır&lt;/b&gt;" in page


def test_verifying_shows_each_step_with_time_and_scope(admin, rooms):
    page = admin.post("/kayitlar/dugum1/033637/018270/dogrula").text
    assert "Satır: doğrulandı." in page
    assert "631 baytın özeti yeniden hesaplandı." in page
    assert "Zaman damgası: bekliyor." in page
    assert page.count("23.11.2026 14:36:00") >= 4
    assert ("record.verified", "dugum1/033637/018270") in [(entry[1], entry[3]) for entry in rooms.audit.entries]


def test_a_range_that_is_none_is_refused_with_its_place(admin):
    assert admin.get("/kayitlar?bas=yarın&son=23.11.2026 11:00").status_code == 400
    answer = admin.get("/kayitlar?bas=23.11.2026 12:00&son=23.11.2026 11:00")
    assert answer.status_code == 400
    assert "aralık başlamadan bitiyor" in answer.text


def test_typed_times_are_those_of_the_readers_zone(admin, rooms):
    admin.get("/kayitlar?bas=23.11.2026 14:00&son=23.11.2026 14:30")
    query = rooms.engine.queries[0]
    assert (query.start, query.end) == (NOW - timedelta(minutes=36), NOW - timedelta(minutes=6))


def test_the_interface_pages_through_everything(admin, rooms):
    seen, cursor = [], ""
    while cursor is not None:
        answer = admin.get("/api/v1/records", params={"limit": 150, "cursor": cursor}).json()
        seen += [one["some"]["ref"] for one in answer["documents"]]
        cursor = answer["next_cursor"]
    assert sorted(seen) == sorted(one["some"]["ref"] for one in rooms.engine.documents)
    fault = admin.get("/api/v1/records", params={"q": "source.ip:("})
    assert (fault.status_code, fault.json()["column"]) == (400, 12)
    assert admin.get("/api/v1/records", params={"limit": 0}).status_code == 400
    assert admin.get("/api/v1/records", params={"from": "2026-11-23"}).status_code == 400


values = st.text(min_size=1, max_size=30).filter(
    lambda text: text.isprintable() and not any("\ud800" <= one <= "\udfff" for one in text)
)


@given(values, st.booleans())
def test_a_filter_asks_for_exactly_its_value(value, negated):
    """Whatever stands in a record's field, the link beside it asks for that value and nothing else."""
    tree = understand(Filter(negated, "user.name", value).query, Options(NOW))
    assert tree == (Not(Term("user.name", value)) if negated else Term("user.name", value))


@given(values, values)
def test_filters_stand_beside_any_query(first, second):
    ask = Ask(
        text="event.action:deny or event.action:drop",
        filters=(Filter(False, "user.name", first), Filter(True, "observer.name", second)),
    )
    tree = understand(ask.query, Options(NOW))
    assert isinstance(tree, And)
    assert tree.parts[-1] == Not(Term("observer.name", second))


@given(values, st.booleans(), st.booleans(), st.sampled_from(["15dk", "7g", "30g"]))
def test_the_address_holds_the_whole_state(text, oldest, live, quick):
    ask = Ask(
        text=text.strip(), quick=quick, filters=(Filter(oldest, "user.name", text),), oldest_first=oldest, live=live
    )
    assert read_ask(QueryParams(ask.href().partition("?")[2]), display=None) == ask


def test_a_frozen_range_reads_back(app):
    show = app.state.edge.renderer.display("tr")
    ask = dataclasses.replace(Ask(), start=NOW - HOUR, end=NOW)
    assert read_ask(QueryParams(ask.href().partition("?")[2]), show) == ask


@given(st.integers(min_value=1, max_value=10**12))
def test_the_axis_ends_just_above_the_largest_bar(largest):
    top = charts.ceiling(largest)
    assert largest <= top <= max(2, largest * 5 // 2 + 2)


def test_every_field_mark_is_known():
    assert "source.ip" in FIELD
    assert document(13)["event"]["kind"] == "pipeline_error"
