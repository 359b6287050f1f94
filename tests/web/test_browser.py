"""In a real Chromium: keyboard, region swaps, brush, suggestions, no JavaScript, print."""

from __future__ import annotations

import pytest
from browsing import REF, troubles, violations
from fakes import PASSWORD


@pytest.mark.parametrize(
    "path", ["/", f"/kayitlar?kayit={REF}", "/muhurler?muhur=8410", "/hesap", "/yonetim", "/giris"]
)
def test_the_keyboard_reaches_everything_and_is_seen(browse, site, path):
    page = browse(site, path)
    wanted = page.evaluate(
        """() => { const all = [...document.querySelectorAll("a[href], button, input, select, summary, [tabindex='0']")]
          .filter((one) => one.tabIndex >= 0 && !one.disabled && one.type !== "hidden" && one.offsetParent !== null
            && one.checkVisibility({ visibilityProperty: true })
            && !one.closest("dialog, details:not([open]) > :not(summary)"));
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
    page.fill("[name=name]", "selim.kurt")
    page.fill("[name=password]", PASSWORD)
    page.click("button")
    assert page.url == site + "/"
    page.click("text=Kayıtlar")
    page.fill("#q", "event.action:deny")
    page.click("button:has-text('Ara')")
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
