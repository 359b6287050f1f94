"""Fixtures of the web room: the app over fakes, signed-in clients, and a real Chromium where there is one."""

from __future__ import annotations

import shutil
import socket
import sys
import threading
from contextlib import contextmanager
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import uvicorn
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from playwright.sync_api import sync_playwright
from starlette.testclient import TestClient

if TYPE_CHECKING:
    from collections.abc import Iterator

sys.path.insert(0, str(Path(__file__).parent))

from fakes import catalogues, world

from some.app.web.application import create_app

LOCALE = Path(__file__).parents[2] / "some" / "locale" / "tr"


@pytest.fixture(scope="session")
def turkish() -> GNUTranslations:
    """Return the web room's catalogue."""
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO((LOCALE / "web.po").read_bytes()), locale="tr"))
    compiled.seek(0)
    return GNUTranslations(compiled)


@pytest.fixture(scope="session")
def translator(turkish):
    """Return `translator(language)` over the web room's catalogue."""
    return catalogues([turkish, NullTranslations()])


@pytest.fixture
def rooms(translator):
    """Return the fakes behind the app; turn them before or between requests."""
    return world(translator)


@pytest.fixture
def app(rooms):
    """Return the application over the fakes."""
    return create_app(rooms.ports)


def client_of(app, name="") -> TestClient:
    """Return a client that comes as a browser of our own pages, signed in as `name`."""
    client = TestClient(
        app, base_url="http://127.0.0.1", headers={"sec-fetch-site": "same-origin"}, follow_redirects=False,
        raise_server_exceptions=False,
    )  # fmt: skip
    if name:
        client.cookies.set("some-session", f"session-{name}")
    return client


@pytest.fixture
def guest(app):
    """Return a browser that nobody signed in."""
    return client_of(app)


@pytest.fixture
def admin(app):
    """Return a browser signed in as the administrator."""
    return client_of(app, "elif.aksoy")


@pytest.fixture
def analyst(app):
    """Return a browser signed in as an analyst without exports, audit records and accounts."""
    return client_of(app, "selim.kurt")


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def served(app) -> Iterator[str]:
    """Serve `app` on a free port of loopback; yield its address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    listener.listen(64)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


# Ends with its file: a running Playwright keeps an event loop in this thread, which other files must not find.
@pytest.fixture(scope="module")
def chromium():
    """Return a real headless Chromium; skips with the reason where there is none."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def site(translator):
    """Return the address of a served app with records."""
    with served(create_app(world(translator).ports)) as address:
        yield address


@pytest.fixture(scope="module")
def empty_site(translator):
    """Return the address of a served app whose archive is empty."""
    with served(create_app(world(translator, records=0).ports)) as address:
        yield address


@pytest.fixture
def browse(chromium):
    """Return a function that opens a page: `browse(address, path, width=…, dark=…, js=…)`; troubles are collected."""
    opened = []

    def open_page(address, path, *, width=1440, height=900, dark=False, js=True, user="elif.aksoy"):
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            java_script_enabled=js,
            locale="tr-TR",
        )
        opened.append(context)
        if user:
            context.add_cookies([{"name": "some-session", "value": f"session-{user}", "url": address}])
        page = context.new_page()
        page.troubles = []
        page.on("console", lambda message: page.troubles.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: page.troubles.append(str(error)))
        page.on("requestfailed", lambda request: page.troubles.append(f"failed: {request.url}"))
        page.on(
            "request", lambda request: None if request.url.startswith(address) else page.troubles.append(request.url)
        )
        page.goto(address + path)
        return page

    yield open_page
    for context in opened:
        context.close()
