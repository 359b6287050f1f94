"""In a real Chromium: axe in both themes and on a phone, reflow, keyboard, no JavaScript, no CSP violation."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from fakes import LINK, PASSWORD

REF = "dugum1/033637/018270"
PATHS = {
    "bugun": "/",
    "kayitlar": "/kayitlar",
    "kayitlar-acik": f"/kayitlar?alan=source.ip&suz=some.class:access&suz=-user.name:z.demir&kayit={REF}",
    "kayitlar-hata": "/kayitlar?q=source.ip:10.0.0.0/8+and+(",
    "kayitlar-yok": "/kayitlar?q=user.name:hickimse",
    "kayit": f"/kayitlar/{REF}",
    "kayit-ham": "/kayitlar/dugum1/033637/018260",
    "muhurler": "/muhurler",
    "muhur": "/muhurler?muhur=8410",
    "hesap": "/hesap",
    "yonetim": "/yonetim",
    "giris": "/giris",
    "kurulum": f"/kurulum/{LINK}",
    "kurulum-gecersiz": "/kurulum/x",
    "yok": "/yok",
}
LOOKS = {"light": {}, "dark": {"dark": True}, "phone": {"width": 390}, "phone-dark": {"width": 390, "dark": True}}


def violations(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}" for one in found for node in one["nodes"]
    ]


def troubles(page) -> list[str]:
    """Return what the console said, without the page's own status (a 404 page is one on purpose)."""
    return [one for one in page.troubles if "status of 404" not in one]


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PATHS)
def test_axe_finds_nothing(browse, site, name, look):
    page = browse(site, PATHS[name], **LOOKS[look])
    page.emulate_media(reduced_motion="reduce")
    assert violations(page) == []
    assert troubles(page) == []


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", ["/", "/kayitlar", "/muhurler"])
def test_axe_finds_nothing_in_an_empty_platform(browse, empty_site, path, look):
    page = browse(empty_site, path, **LOOKS[look])
    page.emulate_media(reduced_motion="reduce")
    assert violations(page) == []
    assert troubles(page) == []


@pytest.mark.parametrize("name", PATHS)
def test_pages_reflow_at_320_pixels(browse, site, name):
    page = browse(site, PATHS[name], width=320)
    wide = page.evaluate(
        """() => [...document.querySelectorAll("body *")].filter((one) => {
            const box = one.getBoundingClientRect();
            const out = one.closest(".scroll, pre, svg, .rail, .sr, .art, .tops, .caret");
            return box.width && box.right > 321 && (!out || out === one) && getComputedStyle(one).position !== "absolute";
        }).map((one) => one.outerHTML.slice(0, 120))"""
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert wide == []


@pytest.mark.parametrize("name", PATHS)
def test_targets_are_large_enough(browse, site, name):
    page = browse(site, PATHS[name])
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, .btn, .rail a, .fields a, .tile:is(a), .row-link, select")]
          .filter((one) => { const box = one.getBoundingClientRect(); return box.width && (box.height < 20 || box.width < 20); })
          .map((one) => one.outerHTML.slice(0, 100))"""
    )
    assert small == []


@pytest.mark.parametrize(
    "path", ["/", f"/kayitlar?kayit={REF}", "/muhurler?muhur=8410", "/hesap", "/yonetim", "/giris"]
)
def test_the_keyboard_reaches_everything_and_is_seen(browse, site, path):
    page = browse(site, path)
    wanted = page.evaluate(
        """() => { const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
          .filter((one) => one.tabIndex >= 0 && !one.disabled && one.type !== "hidden" && one.offsetParent !== null
            && one.checkVisibility({ visibilityProperty: true }) && !one.closest("dialog, details:not([open]) > :not(summary)"));
          all.forEach((one, place) => one.setAttribute("data-place", place)); return all.length; }"""
    )
    reached, unseen = set(), []
    page.evaluate("document.activeElement.blur()")
    for _ in range(wanted + 5):
        page.keyboard.press("Tab")
        place, seen, html = page.evaluate(
            """() => { const one = document.activeElement; const style = getComputedStyle(one);
              return [one.dataset.place, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
                one.outerHTML.slice(0, 90)]; }"""
        )
        if place is not None:
            reached.add(place)
            if not seen:
                unseen.append(html)
    assert len(reached) == wanted
    assert unseen == []


def test_the_wall_is_one_tab_stop_and_arrows_move(browse, site):
    page = browse(site, "/muhurler")
    assert page.locator("[data-wall] a.tile[tabindex='0']").count() == 1
    page.locator("[data-wall] a.tile[tabindex='0']").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowLeft")
    assert "22 Kas" in page.evaluate("document.activeElement.title")
    assert page.locator("[data-wall] a.tile[tabindex='0']").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_selector("#panel")
    assert "muhur=" in page.url


def test_a_row_opens_the_panel_without_leaving_and_j_moves_it(browse, site):
    page = browse(site, "/kayitlar")
    page.evaluate("window.stayed = true")
    page.locator("#rows .row-link").nth(2).click()
    page.wait_for_selector("#panel:not([hidden])")
    first = page.locator("#panel-ref").inner_text()
    assert page.locator("tr.on").get_attribute("data-row") == first
    page.keyboard.press("j")
    page.wait_for_function("(old) => document.getElementById('panel-ref').textContent !== old", arg=first)
    second = page.locator("#panel-ref").inner_text()
    assert page.locator("tr.on").get_attribute("data-row") == second
    assert second.replace("/", "%2F") in page.url
    page.keyboard.press("Escape")
    page.wait_for_selector("#panel", state="hidden")
    page.go_back()
    page.wait_for_selector("#panel:not([hidden])")
    assert page.evaluate("window.stayed") is True
    assert troubles(page) == []


def test_verifying_fills_the_steps_in_place(browse, site):
    page = browse(site, f"/kayitlar?kayit={REF}")
    page.evaluate("window.stayed = true")
    page.get_by_role("button", name="Doğrula").click()
    page.wait_for_selector(".steps li")
    assert page.locator(".steps li").count() == 4
    assert page.evaluate("window.stayed") is True


def test_the_brush_fills_the_inputs(browse, site):
    page = browse(site, "/kayitlar")
    box = page.locator("svg[data-brush]").bounding_box()
    before = page.locator("[name=bas]").input_value()
    page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.99, box["y"] + 30)
    page.mouse.up()
    after = page.locator("#brush [name=bas]").input_value()
    assert after != before
    page.locator("#brush button").click()
    page.wait_for_url("**bas=**")
    assert page.locator("#brush [name=bas]").input_value() == after


def test_field_names_are_suggested(browse, site):
    page = browse(site, "/kayitlar")
    page.keyboard.press("/")
    page.keyboard.type("source.i")
    page.wait_for_selector("#q-list li")
    assert violations(page) == []
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.locator("#q").input_value() == "source.ip:"
    page.keyboard.type("10.20.14.8")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=source.ip**")


def test_the_sheet_of_keys_opens_and_single_keys_can_be_switched_off(browse, site):
    page = browse(site, "/")
    page.keyboard.press("?")
    page.wait_for_selector("dialog[open]")
    assert violations(page) == []
    page.keyboard.press("Escape")
    page.evaluate("document.body.dataset.keys = 'off'")
    page.keyboard.press("?")
    assert page.locator("dialog[open]").count() == 0
    page.keyboard.press("Control+k")
    assert page.evaluate("document.activeElement.id") == "jump"


def test_everything_works_without_javascript(browse, site):
    page = browse(site, "/giris", js=False, user="")
    page.fill("[name=name]", "elif.aksoy")
    page.fill("[name=password]", PASSWORD)
    page.click("button")
    assert page.url == site + "/"
    page.click("text=Kayıtlar")
    page.fill("#q", "event.action:deny")
    page.click("text=Ara >> nth=0") if page.locator("button:has-text('Ara')").count() == 0 else page.click(
        "button:has-text('Ara')"
    )
    assert page.locator("#rows tr[data-row]").count() > 10
    page.locator("#rows .row-link").first.click()
    assert page.locator("#panel-ref").count() == 1
    page.click("button:has-text('Doğrula')")
    assert page.locator(".steps li").count() == 4
    page.click("#rail >> text=Mühürler")
    page.locator("#rows .row-link").first.click()
    assert page.locator("#commands").count() == 1
    page.click(".who button")
    assert page.url == site + "/giris"


def test_the_phone_rail_opens_without_javascript(browse, site):
    page = browse(site, "/", width=390, js=False)
    assert not page.locator("#rail").is_visible()
    page.click(".menu")
    assert page.locator("#rail").is_visible()
    page.click("#rail >> text=Kayıtlar")
    assert page.url == site + "/kayitlar"


def test_print_shows_neither_rail_nor_buttons(browse, site):
    page = browse(site, f"/kayitlar/{REF}")
    page.emulate_media(media="print")
    assert not page.locator("#rail").is_visible()
    assert not page.locator(".btn").first.is_visible()
    assert page.locator("#raw-line").is_visible()
    assert page.locator(".trial").is_visible()
