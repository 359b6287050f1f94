"""The outermost layer: headers, hosts, other sites' requests, sizes, cookies, hostile contents."""

from __future__ import annotations

import dataclasses
import re

import pytest
from conftest import client_of
from fakes import LINK, NOW, PASSWORD, document, world
from starlette.testclient import TestClient

from some.app.web import answers, security
from some.app.web.application import create_app

PATHS = ["/", "/kayitlar", "/muhurler?muhur=8410", "/hesap", "/yonetim", "/giris", f"/kurulum/{LINK}", "/yok", "/live"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_headers(admin, path):
    answer = admin.get(path)
    assert answer.headers["content-security-policy"].startswith("default-src 'none';")
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "data:" not in answer.headers["content-security-policy"]
    for name, value in security.HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"[0-9a-f]{12}", answer.headers["x-request-id"])


def test_static_files_are_cached_for_ever_under_their_digest(admin, app):
    page = admin.get("/").text
    found = set(re.findall(r'"(/static/[0-9a-f]{16}/[\w.-]+)', page))
    assert {path.rsplit("/", 1)[1] for path in found} == {"some.css", "some.js", "favicon.svg", "sprite.svg"}
    for path in found:
        answer = admin.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"].endswith("immutable")
    assert admin.get("/static/0000000000000000/some.css").status_code == 404
    digest = app.state.edge.assets.digest
    assert admin.get(f"/static/{digest}/..%2fapplication.py").status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "localhost.evil.example:80"])
def test_an_unknown_host_name_is_refused(admin, host):
    assert admin.get("/", headers={"host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8651", "localhost", "[::1]:8651", "some.example", "SOME.example:443"])
def test_a_known_host_name_is_served(admin, host):
    assert admin.get("/live", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
        {"sec-fetch-site": "same-site", "origin": "http://other.127.0.0.1"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {},
    ],
)
def test_a_request_of_another_site_changes_nothing(app, rooms, headers):
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    client.cookies.set("some-session", "session-elif.aksoy")
    assert client.post("/muhurler/simdi", headers=headers).status_code == 403
    assert client.post("/cikis", headers=headers).status_code == 403
    assert rooms.archive.sealed == 0
    assert not rooms.accounts.closed


@pytest.mark.parametrize(
    "headers", [{"sec-fetch-site": "same-origin"}, {"origin": "http://127.0.0.1"}, {"sec-fetch-site": "none"}]
)
def test_our_own_pages_may_post(app, rooms, headers):
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    client.cookies.set("some-session", "session-elif.aksoy")
    assert client.post("/muhurler/simdi", headers=headers).status_code == 200
    assert rooms.archive.sealed == 1


def test_a_browser_that_names_no_origin_sends_the_form_token(app, rooms):
    client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
    client.cookies.set("some-session", "session-elif.aksoy")
    page = client.get("/muhurler").text
    token = re.search(r'name="form_token" value="([0-9a-f]{64})"', page)
    assert token is not None
    assert client.post("/muhurler/simdi", data={"form_token": "0" * 64}).status_code == 403
    assert client.post("/muhurler/simdi", data={"form_token": token[1]}).status_code == 200
    client.cookies.delete("some-form")
    assert client.post("/muhurler/simdi", data={"form_token": token[1]}).status_code == 403
    assert rooms.archive.sealed == 1


def test_a_large_body_is_refused(admin):
    body = b"x" * (security.MAX_BODY + 1)
    assert admin.post("/giris", content=body).status_code == 413
    assert admin.post("/giris", content=iter([body[:-1], b"yy"])).status_code == 413
    assert admin.get("/live", headers={"content-length": "-1"}).status_code == 413


def test_cookies_promise_what_they_should(guest, rooms):
    plain = guest.post("/giris", data={"name": "elif.aksoy", "password": PASSWORD})
    assert plain.status_code == 303
    cookie = plain.headers["set-cookie"]
    assert cookie.startswith("some-session=session-elif.aksoy;")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    settings = dataclasses.replace(rooms.ports.settings, secure=True)
    over_tls = client_of(create_app(dataclasses.replace(rooms.ports, settings=settings)))
    answer = over_tls.post(
        "/giris", data={"name": "elif.aksoy", "password": PASSWORD}, headers={"origin": "https://127.0.0.1"}
    )
    assert answer.headers["set-cookie"].startswith("__Host-some-session=")
    assert "Secure" in answer.headers["set-cookie"]
    assert "Domain" not in answer.headers["set-cookie"]
    assert answer.headers["strict-transport-security"]


@pytest.mark.parametrize(
    "path", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "evil", "/\n/x"]
)
def test_signing_in_leads_nowhere_else(guest, path):
    assert answers.own_path(path) == "/"
    answer = guest.post("/giris", data={"name": "elif.aksoy", "password": PASSWORD, "sonra": path})
    assert answer.headers["location"] == "/"


def test_a_hostile_record_is_only_text(translator):
    rooms = world(translator)
    hostile = document(0)
    for text in ('"><script>alert(1)</script>', "'><img src=x onerror=alert(1)>", "{{ 7*7 }}", "</template></dialog>"):
        hostile["user"]["name"] = hostile["event"]["action"] = hostile["observer"]["name"] = text
        hostile["event"]["original"] = hostile["source"]["ip"] = text
        rooms.engine.documents = [hostile]
        rooms.archive.documents = {hostile["some"]["ref"]: hostile}
        client = client_of(create_app(rooms.ports), "elif.aksoy")
        for path in (f"/kayitlar?alan=user.name&kayit={hostile['some']['ref']}", f"/kayitlar/{hostile['some']['ref']}"):
            page = client.get(path)
            assert page.status_code == 200
            assert text not in page.text or "<" not in text
            assert "<script>alert" not in page.text
            assert "<img src=x" not in page.text
            assert ">49<" not in page.text


def test_hostile_parameters_are_only_text(admin):
    bad = '"><script>alert(1)</script>'
    for path in ("/kayitlar", "/git", "/muhurler", "/giris"):
        for name in ("q", "suz", "alan", "kayit", "imlec", "geri", "hedef", "muhur", "son", "sonra", "dil", "bas"):
            page = admin.get(path, params={name: bad})
            assert page.status_code < 500, (path, name)
            assert "<script>alert" not in page.text, (path, name)


def test_what_nobody_foresaw_is_a_page_with_its_number(admin, rooms):
    rooms.engine.fault = ZeroDivisionError("secret detail")
    answer = admin.get("/kayitlar")
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in answer.text
    assert "secret detail" not in answer.text
    assert answer.headers["content-security-policy"]
    machine = admin.get("/api/v1/records")
    assert machine.status_code == 500
    assert machine.json()["request"] == machine.headers["x-request-id"]


def test_the_day_of_the_fakes_is_the_day_of_the_pages(admin):
    assert f"{NOW.day} Kasım {NOW.year}" in admin.get("/").text
