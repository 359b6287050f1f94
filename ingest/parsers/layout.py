"""Learned layouts of key=value lines: the keys in their order become one compiled pattern.

Two readings of a line. *Strict*: `key=value` pairs with single blanks between them, values bare (no blank, no quote to
begin with, no comma in the first) or quoted (no quote inside). *Tolerant*, for all others: a quoted value ends at the
quote that is followed by a blank and the next key, or by the end; one that is never closed ends where the next `key=`
begins. Lines that begin with `key=value,key=` have commas between their pairs (FortiOS: `set format csv`).
A learned pattern accepts exactly the strict lines whose keys, forms of value and constants are those it was learned
from, and takes the same values from them: so whether a layout is known changes the speed and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import repeat
from typing import TYPE_CHECKING, Final

from ingest.parsers.lines import select

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ingest.parsers.lines import Lines

MOST_LAYOUTS: Final = 256
_MOST_PER_COUNT = 8  # patterns tried on one line before it is read pair by pair
_LEARN_AT = 3  # a layout is worth compiling when it was seen this often
_LEARN_PER_BLOCK = 16  # compiling takes milliseconds: hostile lines must not buy many of them
_MOST_SEEN = 4096

_KEY = r"[A-Za-z_][A-Za-z0-9_.\-]{0,63}+"
_STRICT = re.compile(rf"({_KEY})=(?:\"([^\"]*)\"|(?!\")([^ ]*))(?: |$)")
_BLANKS = re.compile(rf"[\s,]*({_KEY})=(\"|\S*)")
_COMMAS = re.compile(rf"[\s,]*({_KEY})=(\"|[^\s,]*)")
_BEGINS_WITH_COMMAS = re.compile(rf"{_KEY}=(?:\"[^\"]*\"|[^\s,\"]*),{_KEY}=")
_CLOSE = re.compile(rf"\"(?=[\s,]+{_KEY}=|[\s,]*$)")
_NEXT = re.compile(rf"[\s,]{_KEY}=")
_COMMA_FIRST = re.compile(rf"{_KEY}=[^\" ,]*,")
_DIGITS = re.compile(r"[0-9]{1,18}")

Layout = tuple[tuple[str, str], ...]
"""(key, form) in order; form is `b` bare, `q` quoted, `n` bare digits, or `=value`/`"value` for a constant."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """Which keys are taken, which hold whole numbers, which hardly change, which neighbours are read as one text."""

    wanted: frozenset[str]
    whole: frozenset[str]
    constant: frozenset[str]
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Lines of one layout: constants once, the other values as rows of texts in the order of `names`.

    `digits` are the names whose every value is a whole number of 1 to 18 digits.
    """

    keys: frozenset[str]
    constants: Mapping[str, str]
    digits: frozenset[str]
    names: tuple[str, ...]
    positions: list[int] = field(default_factory=list)
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def columns(self) -> dict[str, Sequence[str]]:
        """Return the values by key."""
        return dict(zip(self.names, zip(*self.rows, strict=True), strict=True)) if self.names else {}


@dataclass(frozen=True, slots=True)
class Learned:
    """A compiled layout: `match(text, start)` gives the values of `names`."""

    match: Callable[[str, int], re.Match[str] | None]
    keys: frozenset[str]
    constants: Mapping[str, str]
    digits: frozenset[str]
    names: tuple[str, ...]


@dataclass(slots=True)
class _Reading:
    """One call's lines and what has been read of them."""

    texts: Sequence[str]
    starts: Sequence[int]
    tables: dict[object, Table] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    budget: int = _LEARN_PER_BLOCK

    def take(self, learned: Learned, positions: list[int]) -> list[int]:
        """Read the lines that `learned` fits; return the positions of the others."""
        found = list(map(learned.match, select(self.texts, positions), select(self.starts, positions)))
        if None not in found:
            taken, left = positions, []
        else:
            taken = [at for at, match in zip(positions, found, strict=True) if match is not None]
            left = [at for at, match in zip(positions, found, strict=True) if match is None]
        if taken:
            table = self.tables.get(id(learned))
            if table is None:
                table = Table(learned.keys, learned.constants, learned.digits, learned.names)
                self.tables[id(learned)] = table
            table.positions.extend(taken)
            table.rows.extend([match.groups() for match in found if match is not None])
        return left


class Layouts:
    """The layouts learned so far, for one grammar. Bounded: when full it starts anew."""

    def __init__(self, grammar: Grammar) -> None:
        """Know nothing yet."""
        self._grammar = grammar
        self._by_count: dict[int, list[Learned]] = {}
        self._known: dict[Layout, Learned] = {}
        self._seen: dict[Layout, int] = {}

    def read(self, lines: Lines) -> tuple[list[Table], list[int]]:
        """Return the lines by layout, and the positions of those that hold no key=value pair."""
        reading = _Reading(lines.texts, lines.starts)
        by_count: dict[int, list[int]] = {}
        # lines of one layout mostly have the same number of equals signs: it tells which patterns are worth trying
        for at, count in enumerate(map(str.count, lines.texts, repeat("="), lines.starts)):
            if count in by_count:
                by_count[count].append(at)
            else:
                by_count[count] = [at]
        for count, positions in by_count.items():
            left = positions
            for learned in tuple(self._by_count.get(count, ())):
                left = reading.take(learned, left)
                if not left:
                    break
            while left:
                left = self._read_cold(left, count, reading)
        return list(reading.tables.values()), reading.refused

    def _read_cold(self, positions: list[int], count: int, reading: _Reading) -> list[int]:
        """Read lines pair by pair until a layout is learned; return what is left for other ways."""
        for done, at in enumerate(positions, start=1):
            pairs = strict(reading.texts[at], reading.starts[at])
            layout = self._layout(pairs) if pairs else None
            learned = None if layout is None else self._note(layout, count, reading)
            self._keep_pairs(at, pairs or tolerant(reading.texts[at], reading.starts[at]), reading)
            if learned is not None:
                return reading.take(learned, positions[done:]) if done < len(positions) else []
        return []

    def _keep_pairs(self, at: int, pairs: Sequence[tuple[str, str, str]], reading: _Reading) -> None:
        grammar = self._grammar
        values: dict[str, str] = {}
        for key, _, value in pairs:
            values.setdefault(key, value)  # the first wins: a value further on may hold what looks like a key
        if not values:
            reading.refused.append(at)
            return
        names = tuple(key for key in values if key in grammar.wanted)
        constants = {key: value for key, value in values.items() if key in grammar.constant}
        digits = frozenset(key for key in names if key in grammar.whole and _DIGITS.fullmatch(values[key]))
        for first, second in grammar.pairs:
            if first in values and second in values:
                names = (*(name for name in names if name not in (first, second)), f"{first} {second}")
                values[f"{first} {second}"] = f"{values[first]} {second}={values[second]}"
        keys = frozenset(values)
        signature = (names, tuple(constants.items()), digits, keys)
        table = reading.tables.get(signature)
        if table is None:
            table = reading.tables[signature] = Table(keys, constants, digits, names)
        table.positions.append(at)
        table.rows.append(tuple(values[name] for name in names))

    def _note(self, layout: Layout, count: int, reading: _Reading) -> Learned | None:
        """Count a sight of `layout`; compile it at the right one, while this block's budget lasts."""
        if layout in self._known:
            return None
        seen = self._seen.get(layout, 0) + 1
        if seen >= _LEARN_AT and reading.budget:
            reading.budget -= 1
            return self._keep(layout, count)
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen[layout] = seen
        return None

    def _layout(self, pairs: Sequence[tuple[str, str, str]]) -> Layout | None:
        """Return the layout of a strict line; None where a key comes twice, which no firmware does."""
        grammar = self._grammar
        layout = []
        for key, form, value in pairs:
            if key in grammar.constant:
                layout.append((key, f'"{value}' if form == "q" else f"={value}"))
            elif form == "b" and key in grammar.whole and _DIGITS.fullmatch(value):
                layout.append((key, "n"))
            else:
                layout.append((key, form))
        return tuple(layout) if len({key for key, _ in layout}) == len(layout) else None

    def _keep(self, layout: Layout, count: int) -> Learned:
        if len(self._known) >= MOST_LAYOUTS:
            self._known.clear()
            self._by_count.clear()
            self._seen.clear()
        learned = self._known[layout] = compiled(layout, self._grammar)
        tried = self._by_count.setdefault(count, [])
        tried.insert(0, learned)
        del tried[_MOST_PER_COUNT:]
        return learned


def strict(text: str, start: int) -> list[tuple[str, str, str]]:
    """Return (key, `q` or `b`, value) for a line that is strict from `start` to its end; else nothing."""
    pairs: list[tuple[str, str, str]] = []
    end = len(text)
    if _COMMA_FIRST.match(text, start):  # pairs with commas between them are read by `tolerant`
        return pairs
    while start < end:
        found = _STRICT.match(text, start)
        if found is None:
            return []
        key, quoted, bare = found.groups()
        pairs.append((key, "b", bare) if quoted is None else (key, "q", quoted))
        start = found.end()
    return pairs


def tolerant(text: str, start: int) -> list[tuple[str, str, str]]:
    """Return (key, `t`, value) for whatever can be read from `start` on; passes over what is no pair. Linear time."""
    pairs = []
    closing = True  # False: no quote further on closes anything
    pair = _COMMAS if _BEGINS_WITH_COMMAS.match(text, start) else _BLANKS
    while (found := pair.match(text, start) or _after(pair, text, start)) is not None:
        key, value = found.groups()
        start = found.end()
        if value[:1] == '"':
            start = found.start(2) + 1
            close = _CLOSE.search(text, start) if closing else None
            if close is None:
                closing = False
                follows = _NEXT.search(text, start)
                end = next_start = follows.start() if follows else len(text)
            else:
                end, next_start = close.start(), close.end()
            value, start = text[start:end], next_start
        pairs.append((key, "t", value))
    return pairs


def _after(pair: re.Pattern[str], text: str, start: int) -> re.Match[str] | None:
    """Return the next pair beyond words that belong to none: `ether_type=IPv4 (0x0800) in_interface=…`."""
    follows = _NEXT.search(text, start)
    return None if follows is None else pair.match(text, follows.start())


def compiled(layout: Layout, grammar: Grammar) -> Learned:
    """Return the pattern of `layout` and what it yields."""
    pieces: list[str] = []
    names: list[str] = []
    constants: dict[str, str] = {}
    skip = False
    for at, (key, form) in enumerate(layout):
        if skip:
            skip = False
            continue
        comma = "" if at else '(?![^" ,]*,)'
        after = layout[at + 1] if at + 1 < len(layout) else ("", "")
        if (key, after[0]) in grammar.pairs and form == after[1] == "b":
            pieces.append(f'{key}=(?!"){comma}([^ ]* {after[0]}=(?!")[^ ]*)')
            names.append(f"{key} {after[0]}")
            skip = True
        elif form[0] in '"=':
            constants[key] = form[1:]
            value = f'"{form[1:]}"' if form[0] == '"' else form[1:]
            pieces.append(f"{key}={re.escape(value)}")
        else:
            value = {"q": '[^"]*', "b": "[^ ]*", "n": "[0-9]{1,18}"}[form]
            taken = key in grammar.wanted
            names += [key] if taken else []
            value = f"({value})" if taken else value
            pieces.append(f"{key}=" + {"q": f'"{value}"', "b": f'(?!"){comma}{value}', "n": value}[form])
    keys = frozenset(key for key, _ in layout)
    digits = frozenset(key for key, form in layout if form == "n")
    match = re.compile(" ".join(pieces)).fullmatch
    return Learned(match, keys, constants, digits, tuple(names))
