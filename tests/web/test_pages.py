"""Bugün, Mühürler, Hesap, Yönetim, Giriş: the sentences and buttons that people act on."""

from __future__ import annotations

import hashlib
import re
from html import unescape

import pytest
from conftest import client_of
from fakes import HEAD, LINK, NOW, PASSWORD, TSA, world

from some.app.web.application import create_app
from some.app.web.ports import ArchiveHealth
from some.errors import Unavailable


def text_of(page: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_today_names_what_waits(admin):
    page = text_of(admin.get("/").text)
    assert "3 iş bugün sizi bekliyor." in page
    assert "2 mühür damga bekliyor" in page
    assert "1 sa 35 dk" in page
    assert f"{TSA} yanıt vermiyor. Kayıt kaybı yok" in page
    assert "12 kayıt hatta yitti" in page
    assert "6 sa 52 dk sessiz" in page
    assert "23 Kasım 2026 Pazartesi 14:36" in page


def test_today_stands_when_the_index_is_away(admin, rooms):
    rooms.engine.fault = Unavailable("index files are not there")
    page = admin.get("/")
    assert page.status_code == 200
    assert "Dizin yanıt vermiyor" in text_of(page.text)


def test_today_says_when_no_authority_is_configured(admin, rooms):
    rooms.archive.changes = {"tsa": None, "trial": False}
    page = text_of(admin.get("/").text)
    assert "Zaman damgası hesabı tanımlı değil" in page
    assert "Deneme damgası" not in page


def test_today_warns_of_the_disk_and_of_lag(admin, rooms):
    disk = rooms.archive.status().disk
    rooms.archive.changes = {"disk": type(disk)(1000, 950, 10)}
    rooms.engine.lag = 4_000
    page = text_of(admin.get("/").text)
    assert "%95,0" in page
    assert "5 gün yeter" in page
    assert "Dizin geride" in page


@pytest.mark.parametrize("path", ["/", "/kayitlar", "/kayitlar/dugum1/033637/018270", "/muhurler?muhur=8410"])
def test_a_trial_ledger_says_so_wherever_stamps_are_shown(admin, rooms, path):
    assert "Deneme damgası, hukuki değeri yoktur" in admin.get(path).text
    rooms.archive.changes = {"trial": False}
    assert "Deneme damgası" not in admin.get(path).text


@pytest.mark.parametrize("health", list(ArchiveHealth))
def test_every_state_of_the_archive_has_its_words(admin, rooms, health):
    rooms.archive.changes = {"health": health}
    assert admin.get("/muhurler").status_code == 200


def test_the_wall_shows_fourteen_days_and_explains_what_is_missing(admin):
    page = admin.get("/muhurler").text
    wall = page[page.index("data-wall") : page.index("</table>")]
    assert wall.count('<tr><th scope="row"') == 14
    assert wall.count('class="tile late"') == 3
    assert wall.count('class="tile gap"') == 1
    told = text_of(page)
    assert "3 geç damga. En çok 3 sa 41 dk gecikti." in told
    assert "boşluk. Bu sürenin mührü yok. Düğüm 58 dk kapalıydı." in told


def test_a_local_seal_is_never_called_stamped(admin):
    page = admin.get(f"/muhurler?muhur={HEAD}").text
    panel = page[page.index('<aside class="panel"') :]
    assert "henüz damga yok" in panel
    assert "seal-committed" in panel
    assert 'chip own">' not in panel
    assert "openssl</span> ts" not in panel


def test_the_hand_check_pins_the_root_and_gives_the_time(admin, rooms):
    page = admin.get("/muhurler?muhur=8410").text
    commands = text_of(page[page.index('id="commands"') : page.index("</pre>", page.index('id="commands"'))])
    digest = hashlib.sha256(b"8410").hexdigest().upper()
    assert "sha256sum -c seal-008410.manifest" in commands
    assert "zstd -dqk" in commands
    assert ":".join(digest[place : place + 2] for place in range(0, 32, 2)) in commands
    stamped = next(row for row in rooms.archive.rows if row.number == 8410).stamped_at
    assert f"-attime {int(stamped.timestamp())}" in commands
    assert "-CAfile tsa-kok.pem" in commands


def test_sealing_and_verifying_from_the_page(admin, rooms):
    assert f"#{HEAD:,} mührü oluştu.".replace(",", ".") in admin.post("/muhurler/simdi").text
    assert "mühür oluşmadı" in admin.post("/muhurler/simdi").text
    assert "İmza: doğrulandı." in admin.post("/muhurler/8410/dogrula").text
    answer = admin.post("/muhurler/8410/paket", data={"request_no": "7", "purpose": "denetim"})
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''m%C3%BCh%C3%BCr-8410.zip"
    assert [entry[1] for entry in rooms.audit.entries] == ["seal.asked", "seal.asked", "seal.verified", "seal.exported"]


@pytest.mark.parametrize("path", ["/muhurler?muhur=999999", "/muhurler?muhur=abc", "/muhurler?muhur=" + "9" * 40])
def test_a_seal_that_does_not_exist_is_not_found(admin, path):
    assert admin.get(path).status_code == 404


@pytest.mark.parametrize(
    ("typed", "target"),
    [
        ("dugum1/033637/018270", "/kayitlar/dugum1/033637/018270"),
        ("8.410", "/muhurler?muhur=8410"),
        ("#8410", "/muhurler?muhur=8410"),
        ("source.ip:10.0.0.1", "/kayitlar?q=source.ip%3A10.0.0.1"),
        ("", "/kayitlar"),
    ],
)
def test_go_to_leads_where_it_should(admin, typed, target):
    assert admin.get("/git", params={"hedef": typed}).headers["location"] == target


def test_signing_in_in_one_step_and_in_two(guest, rooms):
    wrong = guest.post("/giris", data={"name": "elif.aksoy", "password": "x"})
    unknown = guest.post("/giris", data={"name": "yok", "password": "x"})
    assert wrong.status_code == unknown.status_code == 401
    assert "Kullanıcı adı ya da parola yanlış." in wrong.text
    assert wrong.text.replace("elif.aksoy", "") == unknown.text.replace('value="yok"', 'value=""')
    rooms.accounts.codes["elif.aksoy"] = "123456"
    asked = guest.post("/giris", data={"name": "elif.aksoy", "password": PASSWORD, "sonra": "/muhurler"})
    assert 'value="ticket-elif.aksoy"' in asked.text
    step = {"ticket": "ticket-elif.aksoy", "sonra": "/muhurler"}
    assert guest.post("/giris/kod", data={**step, "code": "000000"}).status_code == 401
    entered = guest.post("/giris/kod", data={**step, "code": "123 456"})
    assert entered.headers["location"] == "/muhurler"
    assert guest.get("/muhurler").status_code == 200
    locked = guest.post("/giris", data={"name": "kilitli", "password": "x"})
    assert locked.status_code == 429
    assert "14:37:00 sonrasında yeniden deneyin." in locked.text


def test_signing_out_closes_the_session(app):
    client = client_of(app, "elif.aksoy")
    assert client.get("/").status_code == 200
    assert client.post("/cikis").headers["location"] == "/giris"
    client.cookies.set("some-session", "session-elif.aksoy")
    assert client.get("/").status_code == 303


def test_a_deep_link_survives_signing_in(guest):
    answer = guest.get("/kayitlar?q=a b&suz=user.name:x")
    assert answer.headers["location"] == "/giris?sonra=%2Fkayitlar%3Fq%3Da%2520b%26suz%3Duser.name%3Ax"
    assert 'name="sonra" value="/kayitlar?q=a%20b&amp;suz=user.name:x"' in guest.get(answer.headers["location"]).text


def test_the_one_time_link_makes_the_administrator_once(guest):
    page = guest.get(f"/kurulum/{LINK}")
    assert "30 dakika" in page.text
    assert "<path" in page.text
    weak = guest.post(f"/kurulum/{LINK}", data={"name": "ilk", "display_name": "İlk Kişi", "password": "kısa"})
    assert weak.status_code == 400
    assert 'value="İlk Kişi"' in weak.text
    made = guest.post(
        f"/kurulum/{LINK}", data={"name": "ilk", "display_name": "İlk Kişi", "password": PASSWORD, "code": "123456"}
    )
    assert "aaaa-bbbb" in made.text
    assert guest.get("/").status_code == 200
    again = guest.get(f"/kurulum/{LINK}")
    assert again.status_code == 404
    assert "Bu bağlantı geçerli değil." in again.text


def test_ones_own_account(admin, rooms):
    page = admin.get("/hesap").text
    assert "bu oturum" in page
    assert "nagios" in page
    assert admin.post("/hesap/parola", data={"old": "x", "new": "y" * 12}).status_code == 400
    assert admin.post("/hesap/parola", data={"old": PASSWORD, "new": "y" * 12}).status_code == 303
    assert "karekodu" in admin.post("/hesap/ikinci-adim/ac").text
    assert admin.post("/hesap/ikinci-adim", data={"code": "1"}).status_code == 400
    assert "cccc-dddd" in admin.post("/hesap/ikinci-adim", data={"code": "123 456"}).text
    assert "some_" in admin.post(
        "/hesap/anahtar", data={"token_name": "nagios", "days": "30", "permissions": ["status.read", "seals.read"]}
    ).text  # fmt: skip
    assert rooms.accounts.calls[-1] == ("create_token", "nagios", "30", "status.read", "seals.read")
    admin.post("/hesap/oturum/s-other/kapat")
    assert rooms.accounts.calls[-1] == ("revoke_session", "s-other")


def test_language_and_theme_follow_the_account(admin):
    admin.post("/hesap/gorunum", data={"language": "en", "theme": "dark"})
    page = admin.get("/hesap").text
    assert '<html lang="en" data-theme="dark">' in page
    assert 'data-keys="off"' in page
    assert "Password" in page


@pytest.mark.parametrize("accept", ["", "de,fr", "en-GB,tr;q=0.5", "tr,en"])
def test_a_guest_sees_turkish_whatever_his_browser_says(guest, accept):
    assert '<html lang="tr"' in guest.get("/giris", headers={"accept-language": accept}).text


def test_a_guest_can_choose_the_language(guest):
    guest.get("/giris?dil=en")
    assert '<html lang="en"' in guest.get("/giris").text


@pytest.mark.parametrize(
    "path", ["/", "/kayitlar?alan=source.ip", "/muhurler?muhur=8410", "/hesap", "/yonetim", "/yok"]
)
def test_english_pages_hold_no_turkish_of_ours(admin, turkish, path):
    admin.post("/hesap/gorunum", data={"language": "en", "theme": "system", "shortcuts": "on"})
    page = text_of(admin.get(path).text)
    for word in ("Kayıtlar", "Mühürler", "Doğrula", "Yönetim", "Damga bekleyen", "Çıkış"):
        assert word not in page


def test_accounts_of_the_others(admin, rooms):
    assert "Selim Kurt" in admin.get("/yonetim").text
    made = admin.post("/yonetim/hesap", data={"name": "yeni", "display_name": "Yeni Kişi", "roles": ["analist"]})
    assert "http://127.0.0.1/kurulum/davet-gizlisi" in made.text
    assert admin.post("/yonetim/hesap", data={"name": "YENİ", "display_name": "x", "roles": []}).status_code == 400
    admin.post("/yonetim/hesap/selim.kurt/roller", data={"roles": ["analist", "yonetici"]})
    assert rooms.accounts.calls[-1] == ("set_roles", "selim.kurt", "analist", "yonetici")
    admin.post("/yonetim/hesap/selim.kurt/kapat")
    assert rooms.accounts.calls[-1] == ("set_disabled", "selim.kurt", "True")
    assert "sifirlama-gizlisi" in admin.post("/yonetim/hesap/selim.kurt/sifirla").text


def test_an_error_says_cause_effect_next_step_and_number(admin):
    answer = admin.get("/muhurler?muhur=999999")
    page = text_of(answer.text)
    assert "Bu adreste bir şey yok." in page
    assert "Adresi denetleyin" in page
    assert f"İstek numarası: {answer.headers['x-request-id']}" in page


def test_ready_says_which_part_does_not_answer(guest, rooms):
    assert guest.get("/live").json() == {"live": True}
    assert guest.get("/ready").json() == {"ready": True, "parts": {"archive": True, "index": True}}
    rooms.parts["index"] = False
    answer = guest.get("/ready")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)


def test_the_interface_tells_seals_and_status(admin, guest):
    seals = admin.get("/api/v1/seals", params={"from": "2026-11-15T00:00:00Z", "to": "2026-11-16T00:00:00Z"}).json()[
        "seals"
    ]
    assert [seal["state"] for seal in seals].count("gap") == 1
    assert next(seal for seal in seals if seal["state"] == "gap")["number"] is None
    one = admin.get("/api/v1/seals/8410").json()
    assert one["number"] == 8410
    assert one["manifest"].startswith("# some-manifest v1\n")
    status = admin.get("/api/v1/status").json()
    assert status["archive"]["health"] == "sound"
    assert status["index"]["documents"] == 400
    assert [row["drops"] for row in status["collectors"]] == [0, 12, 0, 0]
    described = guest.get("/api/v1/openapi.json").json()
    assert all(path.startswith("/api/v1/") for path in described["paths"])
    assert len(described["paths"]) == 6


def test_an_empty_platform_stands_on_every_page(translator):
    client = client_of(create_app(world(translator, records=0).ports), "elif.aksoy")
    for path in ("/", "/kayitlar", "/muhurler", "/hesap", "/yonetim", "/api/v1/status", "/api/v1/seals"):
        assert client.get(path).status_code == 200, path
    assert "ilk mühür" in client.get("/").text
    assert NOW.year == 2026
