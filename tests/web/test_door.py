"""The accounts desk behind the pages: the real desk, on SQLite, through the browser's eyes."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pyotp
import pytest
from conftest import client_of
from fakes import NOW, world

from some.actor import Actor, ActorKind, Permission
from some.app.accounts.desk import AccountsDesk
from some.app.accounts.passwords import Passwords
from some.app.accounts.roles import read_roles
from some.app.accounts.second_factor import SecretBox
from some.app.migrations.run import migrate
from some.app.web.application import create_app
from some.app.web.people import DeskDoor
from some.database import connect, sqlite_url

ROLES = Path(__file__).parents[2] / "config" / "roles.yaml"
LOCAL = Actor("os:kurulum", "kurulum", ActorKind.OS, frozenset(), frozenset(Permission))
SECRET = "kırlangıç-deniz-9"


@pytest.fixture
def real(translator, tmp_path):
    """Return the app over a real accounts desk, the desk, and its first link."""
    rooms = world(translator)
    database = connect(sqlite_url(tmp_path / "some.sqlite"))
    migrate(database)
    roles = read_roles(ROLES.read_text(encoding="utf-8"), "roles.yaml")
    cheap = Passwords(time_cost=1, memory_kib=8, parallelism=1)
    desk = AccountsDesk(database, rooms.clock, roles, passwords=cheap, box=SecretBox(bytes(32)))
    link = desk.issue_setup_link(LOCAL).secret
    yield create_app(dataclasses.replace(rooms.ports, accounts=DeskDoor(desk, roles))), desk, link, rooms
    database.close()


def set_up(app, link, **more):
    client = client_of(app)
    filled = {"name": "ayse.yilmaz", "display_name": "Ayşe Yılmaz", "password": SECRET, **more}
    return client, client.post(f"/kurulum/{link}", data=filled)


def test_a_fresh_platform_to_a_second_account(real):
    app, desk, link, _rooms = real
    offered = client_of(app).get(f"/kurulum/{link}").text
    assert "İlk sistem yöneticisi" in offered
    client, entered = set_up(app, link)
    assert entered.status_code == 303
    page = client.get("/yonetim")
    assert page.status_code == 200
    assert "Ayşe Yılmaz" in page.text
    role = next(name for name, _label in DeskDoor(desk, desk.roles).roles("tr") if "anali" in name)
    made = client.post("/yonetim/hesap", data={"name": "murat.sen", "display_name": "Murat Şen", "roles": [role]})
    invitation = re.search(r"/kurulum/([\w-]+)", made.text)
    assert invitation is not None
    other = client_of(app)
    assert "murat.sen" in other.get(f"/kurulum/{invitation[1]}").text
    assert other.post(f"/kurulum/{invitation[1]}", data={"password": "başka-uzun-parola-1"}).status_code == 303
    assert other.get("/kayitlar").status_code == 200
    assert other.get("/yonetim").status_code == 403
    assert client_of(app).get(f"/kurulum/{link}").status_code == 404
    client.post("/yonetim/hesap/murat.sen/kapat")
    assert other.get("/kayitlar").status_code == 303


def test_the_second_factor_from_offer_to_sign_in(real):
    app, _desk, link, rooms = real
    client, _entered = set_up(app, link)
    offer = client.post("/hesap/ikinci-adim/ac").text
    secret = re.search(r'id="totp-secret">([A-Z2-7]+)<', offer)
    assert secret is not None
    totp = pyotp.TOTP(secret[1])
    shown = client.post("/hesap/ikinci-adim", data={"code": totp.at(rooms.clock.now())})
    assert shown.status_code == 200
    rooms.clock.advance(60)
    fresh = client_of(app)
    asked = fresh.post("/giris", data={"name": "ayse.yilmaz", "password": SECRET})
    ticket = re.search(r'name="ticket" value="([^"]+)"', asked.text)
    assert ticket is not None
    step = {"ticket": ticket[1], "code": totp.at(rooms.clock.now())}
    assert fresh.post("/giris/kod", data=step).headers["location"] == "/"
    assert fresh.get("/hesap").status_code == 200


def test_password_preferences_sessions_and_tokens(real):
    app, _desk, link, _rooms = real
    client, _entered = set_up(app, link)
    weak = client.post("/hesap/parola", data={"old": SECRET, "new": "kısa"})
    assert weak.status_code == 400
    assert client.post("/hesap/parola", data={"old": SECRET, "new": "yepyeni-uzun-parola"}).status_code == 303
    assert client.get("/hesap").status_code == 200
    client.post("/hesap/gorunum", data={"language": "en", "theme": "dark", "shortcuts": "on"})
    assert '<html lang="en" data-theme="dark">' in client.get("/hesap").text
    made = client.post("/hesap/anahtar", data={"token_name": "nagios", "days": "30", "permissions": ["status.read"]})
    text = re.search(r'<pre class="secret" id="secrets">([^<]+)</pre>', made.text)
    assert text is not None
    machine = client_of(app)
    bearer = {"authorization": f"Bearer {text[1].strip()}"}
    assert machine.get("/api/v1/status", headers=bearer).status_code == 200
    assert machine.get("/api/v1/records", headers=bearer).status_code == 403


def test_an_idle_session_ends(real):
    app, desk, link, rooms = real
    client, _entered = set_up(app, link)
    assert client.get("/hesap").status_code == 200
    rooms.clock.advance(desk.rules.absolute.total_seconds() + 1)
    assert client.get("/hesap").status_code == 303
    assert rooms.clock.now() > NOW
