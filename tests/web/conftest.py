"""Fixtures of the web room: the app over fakes, signed-in clients, and a real Chromium where there is one."""

from __future__ import annotations

import sys
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from starlette.testclient import TestClient

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
