"""Finds every msgid of the web room: calls of `_`, `call._`, `seen._`, `marked` in Python, `_` in templates."""

from __future__ import annotations

import ast
from pathlib import Path

from jinja2 import Environment

WEB = Path(__file__).parents[2] / "some" / "app" / "web"
NAMES = frozenset({"_", "marked", "translate"})


def msgids() -> dict[str, str]:
    """Return each msgid with the file that holds it."""
    found: dict[str, str] = {}
    for path in sorted(WEB.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            first = node.args[0]
            if name in NAMES and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.setdefault(first.value, f"{path.relative_to(WEB)}")
    environment = Environment(autoescape=True)
    environment.add_extension("jinja2.ext.i18n")
    for path in sorted((WEB / "templates").rglob("*.html")):
        for _line, _function, text in environment.extract_translations(path.read_text(encoding="utf-8")):
            if isinstance(text, str):
                found.setdefault(text, f"{path.relative_to(WEB)}")
    return found
