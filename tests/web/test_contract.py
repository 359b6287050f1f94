"""What holds for every page at once: contexts, catalogue, sizes, the sheet of keys."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from jinja2 import Environment, meta, nodes
from web_messages import msgids

from some.app.web import assets, words
from some.app.web.pages import Page
from some.app.web.ports import SealState
from some.app.web.render import FOLDER, GLOBALS
from some.app.web.routes import pages as _routes

PAGES = [page for _name, page in sorted({page.__name__: page for page in Page.__subclasses__()}.items())]
CSS_LIMIT, JS_LIMIT = 30_000, 40_000


def tree(name: str) -> nodes.Template:
    return Environment(autoescape=True).parse((FOLDER / name).read_text(encoding="utf-8"))


def reached(name: str) -> set[str]:
    """Return `name` with what it extends and includes (imports see globals only)."""
    found = {name}
    for node in tree(name).find_all((nodes.Extends, nodes.Include)):
        for constant in [node.template, *node.template.find_all(nodes.Const)]:
            if isinstance(constant, nodes.Const) and str(constant.value).endswith(".html"):
                found |= reached(constant.value)
    return found


def given(name: str) -> set[str]:
    """Return the names that a template imports or defines itself; blocks of a child see them too."""
    own = {macro.name for macro in tree(name).find_all(nodes.Macro)}
    own |= {one.target for one in tree(name).find_all(nodes.Import)}
    for one in tree(name).find_all(nodes.FromImport):
        own |= {text if isinstance(text, str) else text[1] for text in one.names}
    return own


def test_the_walk_finds_every_page():
    assert _routes.router.routes
    assert len(PAGES) == 11


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.__name__)
def test_a_template_uses_all_fields_of_its_context_and_nothing_else(page):
    used = set().union(*(meta.find_undeclared_variables(tree(name)) - given(name) for name in reached(page.template)))
    assert used - set(GLOBALS) == {field.name for field in dataclasses.fields(page)}


def test_imported_parts_use_globals_only():
    for path in sorted((FOLDER / "parts").glob("*.html")):
        assert meta.find_undeclared_variables(tree(f"parts/{path.name}")) <= set(GLOBALS), path.name


def test_every_message_has_its_turkish(turkish):
    lacking = [text for text in msgids() if turkish.gettext(text) == text]
    same = {
        "{n} million",
        "dns",
        "Disk",
        "VPN",
        "Port",
        "Query, for example: source.ip : 10.0.0.0/8 and event.action : deny",
    }
    assert set(lacking) <= same


def test_a_translation_fills_the_same_places(turkish):
    for text in msgids():
        places = sorted(re.findall(r"\{\w+\}", text))
        assert sorted(re.findall(r"\{\w+\}", turkish.gettext(text))) == places, text


def test_turkish_words_keep_the_tone(turkish):
    for text in msgids():
        told = turkish.gettext(text).lower()
        assert "!" not in told
        assert "lütfen" not in told
        assert "başarılı" not in told
        assert "başarıyla" not in told


def test_style_and_scripts_stay_small():
    files = assets.load().files
    assert len(files["some.css"]) <= CSS_LIMIT
    assert sum(len(content) for name, content in files.items() if name.endswith(".js")) <= JS_LIMIT


def test_the_style_sheet_names_no_colour_outside_its_tokens():
    text = assets.load().files["some.css"].decode()
    parts = text[text.index("@layer base{") : text.index("@layer print{")]
    allowed = {"#fff", "#2c4f86", "#0006", "#3d2500", "#132342", "#000"}  # on navy, on saffron fill, backdrop, QR
    assert set(re.findall(r"#[0-9a-f]{3,8}\b", parts)) <= allowed


def test_every_icon_that_a_template_names_stands_in_the_sprite():
    sprite = assets.load().files["sprite.svg"].decode()
    known = set(re.findall(r'<symbol id="([\w-]+)"', sprite))
    assert {f"seal-{state.value}" for state in SealState} <= known
    for path in [*FOLDER.rglob("*.html"), *Path(_routes.__file__).parents[1].glob("*.py")]:
        text = path.read_text(encoding="utf-8")
        assert set(re.findall(r"""icon\("([\w-]+)["']\s*[,)]""", text)) <= known, path
        assert set(re.findall(r"sprite\.svg'\) \}\}#([\w-]+)\"", text)) <= known | {"seal-"}, path


def test_templates_hold_no_inline_style_or_script():
    for path in FOLDER.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\sstyle=|<style|\son\w+=|javascript:|\|\s*safe", text), path
        for tag in re.findall(r"<script[^>]*>", text):
            assert "src=" in tag, path


def test_the_sheet_lists_the_keys_that_the_script_acts_on():
    script = assets.load().files["keys.js"].decode()
    listed = {" ".join(shortcut.keys) for shortcut in words.SHORTCUTS}
    literal = re.search(r"export const registry = \[(.*?)\];", script, re.DOTALL)
    assert literal is not None
    named = set(re.findall(r'"([^"]+)"', literal[1])) - {"g "}
    goes = re.search(r"const go = \{(.*?)\};", script)
    assert goes is not None
    named |= {f"g {key}" for key in re.findall(r"(\w): ", goes[1])}
    assert named == listed


def test_modules_import_only_files_that_exist():
    files = assets.load().files
    for name, content in files.items():
        if name.endswith(".js"):
            assert {f"{one}.js" for one in re.findall(r'from "\./(\w+)\.js"', content.decode())} <= set(files)
