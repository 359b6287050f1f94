"""Jinja: one environment per language, autoescape on, undefined names an error, one context dataclass per page."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from some.app.web.display import Display
from some.app.web.words import SHORTCUTS, Words
from some.wording import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from some.app.web.assets import Assets
    from some.app.web.pages import Page
    from some.wording import Translator

FOLDER = Path(__file__).parent / "templates"
GLOBALS = ("_", "asset", "show", "words", "shortcuts")
"""What every template may use besides its context."""


class Renderer:
    """Draws pages in every language of the catalogue."""

    def __init__(self, assets: Assets, translator: Callable[[str], Translator], zone: str) -> None:
        """Prepare one environment per language."""
        self._environments: dict[str, Environment] = {}
        self._displays: dict[str, Display] = {}
        for language in LANGUAGES:
            translate = translator(language)
            self._displays[language] = Display(language, ZoneInfo(zone), translate)
            self._environments[language] = self._environment(language, assets, translate)

    def _environment(self, language: str, assets: Assets, translate: Translator) -> Environment:
        environment = Environment(
            loader=FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals |= {
            "_": translate,
            "asset": assets.url,
            "show": self._displays[language],
            "words": Words(translate),
            "shortcuts": SHORTCUTS,
        }
        return environment

    def display(self, language: str) -> Display:
        """Return how numbers and times look in `language`."""
        return self._displays[language]

    def words(self, language: str) -> Words:
        """Return the words of `language`."""
        return Words(self._displays[language].translate)

    def environment(self, language: str) -> Environment:
        """Return the environment of `language`; the contract test reads templates through it."""
        return self._environments[language]

    def page(self, page: Page) -> str:
        """Return the HTML of `page`, drawn by the template that its class names."""
        return self._environments[page.frame.language].get_template(page.template).render(context(page))


def context(page: Page) -> Mapping[str, object]:
    """Return the fields of a page by name, unconverted: the whole of what its template sees."""
    return {field.name: getattr(page, field.name) for field in fields(page)}
