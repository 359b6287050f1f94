"""Who may call what: every route says so, and the answer is the same for pages and machines."""

from __future__ import annotations

import pytest
from conftest import client_of
from fakes import ALL
from fastapi.routing import APIRoute

from some.actor import Permission
from some.app.web.access import Public, Requires

FILL = {"ledger": "dugum1", "segment": "033637", "position": "018270", "number": "8410", "link": "x", "name": "gozlem",
        "question": "SRG-2026-0001", "session": "s-other", "token": "t1", "digest": "x"}  # fmt: skip
OPEN = {
    "/giris", "/giris/kod", "/kurulum/{link}", "/live", "/ready", "/static/{digest}/{name}", "/api/v1/openapi.json",
}  # fmt: skip


def walk(router):
    """Yield every route, also those that routers inside routers hold."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        elif getattr(route, "original_router", None) is not None:
            yield from walk(route.original_router)
        elif hasattr(route, "routes"):
            yield from walk(route)


def declared(route: APIRoute) -> list:
    return [one.call for one in route.dependant.dependencies if isinstance(one.call, Requires | Public)]


@pytest.fixture
def routes(app):
    found = list(walk(app.router))
    assert len(found) > 30
    return found


def test_every_route_declares_its_permission_once(routes):
    for route in routes:
        assert len(declared(route)) == 1, f"{route.methods} {route.path}"


def test_only_these_routes_are_open(routes):
    opened = {route.path for route in routes if isinstance(declared(route)[0], Public)}
    assert opened == OPEN


def call(client, route: APIRoute):
    path = route.path.format(**FILL)
    form = {"request_no": "1", "purpose": "deneme", "old": "a", "new": "b", "code": "1", "password": "x", "name": "a",
            "display_name": "b", "token_name": "t", "days": "30", "language": "tr", "theme": "dark"}  # fmt: skip
    return client.post(path, data=form) if "POST" in route.methods else client.get(path)


def test_a_role_that_lacks_the_permission_gets_403(rooms, app, routes):
    for route in routes:
        guard = declared(route)[0]
        if not isinstance(guard, Requires):
            continue
        rooms.accounts.closed.clear()  # one of the routes signs out
        rooms.accounts.add("eksik", "Eksik Yetki", "x", "x", ALL - {guard.permission})
        answer = call(client_of(app, "eksik"), route)
        assert answer.status_code == 403, f"{route.methods} {route.path}"
        rooms.accounts.add("tek", "Tek Yetki", "x", "x", frozenset({guard.permission}))
        assert call(client_of(app, "tek"), route).status_code not in {401, 403}, f"{route.methods} {route.path}"


def test_a_guest_is_led_to_sign_in_and_a_machine_gets_401(app, routes):
    for route in routes:
        if isinstance(declared(route)[0], Public):
            continue
        answer = call(client_of(app), route)
        if route.path.startswith("/api/") or route.path == "/metrics":
            assert answer.status_code == 401, route.path
            assert answer.headers["www-authenticate"] == "Bearer"
        else:
            assert answer.status_code == 303, route.path
            assert answer.headers["location"].startswith("/giris"), route.path


def test_a_bearer_token_opens_the_interface_but_no_page(guest):
    bearer = {"authorization": "Bearer token-selim.kurt"}
    assert guest.get("/api/v1/status", headers=bearer).status_code == 200
    assert guest.get("/metrics", headers=bearer).text == "some_records_total 1284306\n"
    assert guest.get("/", headers=bearer).status_code == 303
    assert guest.get("/api/v1/status", headers={"authorization": "Bearer token-nobody"}).status_code == 401


def test_who_must_set_up_a_second_factor_can_do_nothing_else(rooms, app):
    rooms.accounts.add("yeni", "Yeni Kişi", "x", "x", ALL, must_enrol=True)
    client = client_of(app, "yeni")
    for path in ("/", "/kayitlar", "/muhurler", "/yonetim"):
        assert client.get(path).headers["location"] == "/hesap#ikinci-adim"
    assert client.get("/hesap").status_code == 200
    assert client.get("/api/v1/status").status_code == 403


def test_the_rail_shows_only_what_the_visitor_may_enter(admin, analyst, app):
    assert 'href="/yonetim"' in admin.get("/").text
    assert 'href="/yonetim"' not in analyst.get("/").text
    account = client_of(app, "gozlem").get("/hesap").text
    assert 'href="/kayitlar"' not in account


def test_what_is_forbidden_stays_visible_with_its_reason(analyst):
    page = analyst.get("/kayitlar/dugum1/033637/018270").text
    assert "Rolünüz dışa aktarmaya yetkili değil." in page
    assert Permission.SEALS_VERIFY.value not in page
