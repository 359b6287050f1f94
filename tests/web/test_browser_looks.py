"""In a real Chromium: axe in both themes and on a phone, size of targets, reflow at 320 pixels."""

from __future__ import annotations

import pytest
from browsing import REF, troubles, violations
from fakes import LINK

PATHS = {
    "bugun": "/",
    "kayitlar": "/kayitlar",
    "kayitlar-acik": f"/kayitlar?alan=source.ip&suz=some.class:access&suz=-user.name:z.demir&kayit={REF}",
    "kayitlar-hata": "/kayitlar?q=source.ip:10.0.0.0/8+and+(",
    "kayitlar-yok": "/kayitlar?q=user.name:hickimse",
    "kayit": f"/kayitlar/{REF}",
    "kayit-ham": "/kayitlar/dugum1/033637/018260",
    "muhurler": "/muhurler",
    "kim": "/kim-kullandi",
    "kim-cevap": "/kim-kullandi?soru=SRG-2025-0007",
    "muhur": "/muhurler?muhur=8410",
    "hesap": "/hesap",
    "yonetim": "/yonetim",
    "giris": "/giris",
    "kurulum": f"/kurulum/{LINK}",
    "kurulum-gecersiz": "/kurulum/x",
    "yok": "/yok",
}
LOOKS = [(1440, "light"), (1440, "dark"), (390, "light")]

WIDE = """() => [...document.querySelectorAll("body *")].filter((one) => {
    const box = one.getBoundingClientRect();
    const scrolls = one.parentElement.closest(".scroll, pre, svg, .rail, .art, .tops, .caret");
    return box.width && box.right > 321 && !scrolls && !one.matches(".caret, .sr");
}).map((one) => one.outerHTML.slice(0, 120))"""
"""What sticks out of 320 pixels, apart from what scrolls by itself."""

SMALL = """() => [...document.querySelectorAll("button, .btn, .rail a, .fields a, .tile:is(a), .row-link, select")]
    .filter((one) => one.offsetWidth && Math.min(one.offsetHeight, one.offsetWidth) < 24)
    .map((one) => one.outerHTML.slice(0, 100))"""
"""Targets below 24 pixels (WCAG 2.2, 2.5.8)."""


def check_looks(page) -> None:
    """Run axe in every look, then the size of targets, then reflow at 320 pixels."""
    page.emulate_media(reduced_motion="reduce")
    for width, theme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(reduced_motion="reduce", color_scheme=theme)
        assert violations(page) == [], (width, theme)
        assert page.evaluate(SMALL) == []
    page.set_viewport_size({"width": 320, "height": 800})
    assert page.evaluate(WIDE) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert troubles(page) == []


@pytest.mark.parametrize("name", PATHS)
def test_every_page_is_accessible_in_every_look(browse, site, name):
    check_looks(browse(site, PATHS[name]))


@pytest.mark.parametrize("path", ["/", "/kayitlar", "/muhurler"])
def test_an_empty_platform_is_accessible_in_every_look(browse, empty_site, path):
    check_looks(browse(empty_site, path))
