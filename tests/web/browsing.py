"""What the browser tests ask a page."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

REF = "dugum1/033637/018270"


def violations(page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html'][:160]} {node['failureSummary'][:200]}" for one in found for node in one["nodes"]
    ]


def troubles(page) -> list[str]:
    """Return what the console said, without the page's own status (a 404 page is one on purpose)."""
    return [one for one in page.troubles if "status of 404" not in one]
