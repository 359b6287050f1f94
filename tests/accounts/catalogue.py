"""Finds every message that people read: calls in Python, calls and blocks in templates."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from babel.messages.pofile import read_po
from jinja2 import Environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from babel.messages.catalog import Catalog

ROOT = Path(__file__).parents[2]
ROOMS = ("some", "ingest", "retention", "usom_client", "playbooks", "reports")
CATALOGUES = sorted((ROOT / "some" / "locale" / "tr").glob("*.po"))
ONE = frozenset({"_", "marked", "gettext", "translate"})
SEVERAL = frozenset({"ngettext", "plural"})
HOLES = re.compile(r"%\((\w+)\)[sd]|\{(\w*)\}")


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """One message as written in the code: `where` is `path:line`; `plural` is empty for messages without one."""

    where: str
    msgid: str
    plural: str = ""


class UnreadableMessageError(ValueError):
    """A call for a translation whose message cannot be known without running the program."""


def messages() -> list[Message]:
    """Return all messages of all rooms."""
    found: list[Message] = []
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            found += of_python(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
        for path in sorted((ROOT / room).rglob("templates/**/*.html")):
            found += of_template(path.read_text(encoding="utf-8"), str(path.relative_to(ROOT)))
    return found


def of_python(text: str, where: str) -> Iterator[Message]:
    """Yield the messages of one module."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not node.args:
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        place = f"{where}:{node.lineno}"
        if any(isinstance(part, ast.JoinedStr) for part in node.args[:2]) and name in ONE | SEVERAL:
            msg = f"{place}: an f-string cannot be translated; write the values as %(name)s"
            raise UnreadableMessageError(msg)
        texts = [part.value for part in node.args[:2] if isinstance(part, ast.Constant) and isinstance(part.value, str)]
        if name in ONE and texts:
            yield Message(place, texts[0])
        elif name in SEVERAL and len(texts) == 2:
            yield Message(place, *texts)


def of_template(text: str, where: str) -> Iterator[Message]:
    """Yield the messages of one template: `_('…')`, `ngettext('…', '…', n)`, `{% trans %}…{% endtrans %}`."""
    environment = Environment(extensions=["jinja2.ext.i18n"], autoescape=True)
    for line, _, found in environment.extract_translations(text):
        if isinstance(found, str):
            yield Message(f"{where}:{line}", found)
        elif found is not None:
            texts = [part for part in found if part is not None]
            yield Message(f"{where}:{line}", texts[0], texts[1] if len(texts) > 1 else "")


def translations() -> Catalog:
    """Return the Turkish catalogues as one; raises AssertionError where two of them translate the same message."""
    joined, *others = (read_po(BytesIO(path.read_bytes()), locale="tr", abort_invalid=True) for path in CATALOGUES)
    for other in others:
        for message in other:
            if message.id:
                assert joined.get(message.id if isinstance(message.id, str) else message.id[0]) is None, message.id
                joined[message.id] = message
    return joined


def holes(text: str) -> list[str]:
    """Return the names of the values that `text` is filled with."""
    return sorted({first or second for first, second in HOLES.findall(text)})
