"""YAML as this platform reads it: plain values, and for each of them the place where it was written.

Stricter than YAML 1.2 where files of people go wrong silently: a key twice in a mapping, aliases and merge keys (a few
lines that expand without bound), tags, more than one document, keys that are not text, and files, nesting or counts
beyond the limits are refused. `no`, `on` and `12:30` are text, as in YAML 1.2; null, booleans, decimal integers and
floats are what they look like. Every refusal is a SettingsFault that names file, line, column and what was expected.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

import yaml

from some.errors import SettingsFault

if TYPE_CHECKING:
    from collections.abc import Mapping

Key = str | int
Path = tuple[Key, ...]
"""How to reach a value from the top: names of keys and indices of lists."""

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]

MAX_BYTES: Final = 4 * 1024 * 1024
MAX_DEPTH: Final = 32
MAX_NODES: Final = 200_000

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18}|[0-9]{1,18}(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?")
_NUMBER_LIKE_TEXT = re.compile(r"0[0-9]+")  # 0750 or 0532…: a mode or a telephone number, never a decimal number


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Line and column, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Located:
    """A document: its plain values, and where each value and each key stands. `where` names the file in messages."""

    where: str
    value: Plain
    values: Mapping[Path, Place] = field(repr=False)
    keys: Mapping[Path, Place] = field(repr=False)

    def place(self, path: Path) -> Place:
        """Return where the value at `path` stands; of what is missing, the nearest thing around it that is there."""
        for length in range(len(path), -1, -1):
            found = self.values.get(path[:length])
            if found is not None:
                return found
        return Place(1, 1)

    def key_place(self, path: Path) -> Place:
        """Return where the key at the end of `path` stands (what to point at when the key itself is wrong)."""
        return self.keys.get(path) or self.place(path)

    def fault(self, path: Path, expected: str, *, at_key: bool = False) -> SettingsFault:
        """Return the fault to raise for the value at `path`: file, line, column, key, what was expected."""
        place = self.key_place(path) if at_key else self.place(path)
        dotted = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
        return SettingsFault(f"{self.where}:{place.line}:{place.column}: {dotted or 'the file'}: {expected}")


def load(text: str, where: str) -> Located:
    """Return what `text` says; raises SettingsFault. `where` is the name to use for the file in messages."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise SettingsFault(f"{where}:1:1: the file is larger than {MAX_BYTES} bytes")
    try:
        node = _Composer(text, where).only_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        problem = error.problem or error.context or "not YAML"
        raise SettingsFault(f"{where}:{place}: {problem}") from error
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        raise SettingsFault(f"{where}:{line}:{column}: a character that YAML does not allow") from error
    reading = _Reading(where)
    value = None if node is None else reading.value(node, ())
    return Located(where, value, reading.values, reading.keys)


class _Composer(yaml.SafeLoader):
    """PyYAML's parser up to the node tree: no constructor ever runs. Refuses anchors, aliases and deep nesting."""

    def __init__(self, text: str, where: str) -> None:
        super().__init__(text)
        self._where = where
        self._depth = 0
        self._nodes = 0

    def only_node(self) -> yaml.Node | None:
        """Return the root of the only document, None for an empty file."""
        node: yaml.Node | None = self.get_single_node()
        return node

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Compose one node, within the limits."""
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call] # types-PyYAML leaves it untyped
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            _refuse(self._where, event, "anchors and aliases are not taken; write the value out")
        if getattr(event, "tag", None) is not None:
            _refuse(self._where, event, "tags are not taken; write the plain value")
        self._nodes += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(self._where, event, f"nested deeper than {MAX_DEPTH}")
        if self._nodes > MAX_NODES:
            _refuse(self._where, event, f"more than {MAX_NODES} values")
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reading:
    """Turns nodes into values and keeps their places."""

    def __init__(self, where: str) -> None:
        self._where = where
        self.values: dict[Path, Place] = {}
        self.keys: dict[Path, Place] = {}

    def value(self, node: yaml.Node, path: Path) -> Plain:
        self.values[path] = _place(node)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, at)) for at, child in enumerate(node.value)]
        mapping: dict[str, Plain] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                _refuse(self._where, key_node, "a key is one word, not a list or a mapping")
            key = key_node.value
            if key == "<<":
                _refuse(self._where, key_node, "merge keys are not taken; write the values out")
            if not key:
                _refuse(self._where, key_node, "a key is missing before the colon")
            if key in mapping:
                first = self.keys[(*path, key)]
                _refuse(self._where, key_node, f"the key {key!r} is there twice; the first is in line {first.line}")
            self.keys[(*path, key)] = _place(key_node)
            mapping[key] = self.value(value_node, (*path, key))
        return mapping

    def _scalar(self, node: yaml.ScalarNode) -> Plain:
        text: str = node.value
        if node.style is not None:  # quoted or a block: always text
            return text
        if text in _NULLS:
            return None
        if text in _TRUE or text in _FALSE:
            return text in _TRUE
        if _INTEGER.fullmatch(text) and not _NUMBER_LIKE_TEXT.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if not math.isfinite(number):
                _refuse(self._where, node, "the number is too large")
            return number
        return text


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _refuse(where: str, node: yaml.Node | yaml.Event, problem: str) -> NoReturn:
    mark = node.start_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    raise SettingsFault(f"{where}:{line}:{column}: {problem}")
