"""Fold and tokenise: the one meaning of a word, for documents and for questions.

`fold` removes what differs only in writing: NFKC, then I and the two Turkish letters U+0130 and U+0131 become `i`, the
combining dot that bad lower-casing leaves behind (U+0307) goes, then full case folding. So however one writes Isparta
or izmir, with or without dots and in whatever case, it is one word; ş, ğ, ç, ö, ü keep their marks. Python's `lower()`
is never used on text of users: it makes two code points of İ.

A token is a run of letters and digits. Han and Hiragana characters stand alone and Katakana runs by themselves, because
Elasticsearch's `standard` tokenizer (UAX 29) cuts there. The text of a document is its tokens, each with one space
before and after it, so a phrase is a plain substring: ` a b ` is in it when the tokens a and b follow each other.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Sequence

_TO_DOTTED = str.maketrans({"\u0130": "i", "I": "i", "\u0131": "i", "\u0307": None})
_HAN = "\u2e80-\u303f\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U0001b100-\U0001b12f\U00020000-\U0003ffff"
_KANA = "\u30a0-\u30ff\u31f0-\u31ff"
_TOKEN = re.compile(rf"[{_HAN}](?<=[^\W_])|[{_KANA}]+|(?:(?![{_HAN}{_KANA}])[^\W_])+")


FLOW_RECORD = (b"\x00\x09", b"\x00\x0a")
"""How NetFlow 9 (RFC 3954) and IPFIX (RFC 7011) messages begin."""


def fold(text: str) -> str:
    """Return `text` as it is compared: see the module."""
    return unicodedata.normalize("NFKC", text).translate(_TO_DOTTED).casefold()


def tokens(text: str) -> list[str]:
    """Return the folded tokens of `text`, in order."""
    return _TOKEN.findall(fold(text))


def spans(text: str) -> list[tuple[int, int, str]]:
    """Return the tokens with their places in the folded text: start, end, token."""
    return [(match.start(), match.end(), match[0]) for match in _TOKEN.finditer(fold(text))]


def token_text(text: str) -> str:
    """Return the tokens of `text`, each between single spaces (one space where there is none)."""
    found = tokens(text)
    return f" {' '.join(found)} " if found else " "


def decode(raw: bytes) -> str:
    """Return a message as text, by the rule of the parsers: UTF-8, else windows-1254 (Turkish).

    A message that was cut inside its last character is still UTF-8. A flow record (IPFIX, NetFlow 9: it begins with
    its version in two bytes) is no text: it is shown as hexadecimal digits.
    """
    if raw.startswith(FLOW_RECORD):
        return raw.hex()
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        cut = error.start >= len(raw) - 3
        return raw.decode("utf-8" if cut else "windows-1254", "replace")


def of_bytes(raw: bytes) -> str:
    """Return the token text of a message."""
    return token_text(decode(raw))


def _ascii_table() -> bytes:
    def mapped(byte: int) -> int:
        character = chr(byte)
        if byte >= 0x80 or character == "\n" or (character.isalnum() and not character.isupper()):  # noqa: PLR2004
            return byte
        return byte + 32 if character.isalnum() else 0x20

    return bytes(mapped(byte) for byte in range(256))


_ASCII = _ascii_table()
"""Folds ASCII byte by byte; LF stays (it parts messages), bytes from 0x80 stay (they are folded already)."""


_ASCII_BYTES = bytes(range(0x80))
_TURKISH = re.compile("(?:Ç|ç|Ğ|ğ|İ|ı|Ö|ö|Ş|ş|Ü|ü)*".encode())
_TURKISH_FOLDS = [(letter.encode(), fold(letter).encode()) for letter in "ÇĞİıÖŞÜ"]


def block(messages: Sequence[bytes]) -> bytes:
    """Return messages as one LF-joined string of half-made token text; `finish` does the rest outside the GIL.

    Messages that are ASCII but for Turkish letters are folded byte by byte, a block at a time; the others, and those
    with LF, take the exact path. What either yields passes the table unchanged.
    """
    joined = b" \n ".join(messages)
    if not joined.isascii() or b"\x00" in joined or joined.count(b"\n") != len(messages) - 1:
        joined = b" \n ".join(_without_odd(messages))
    return b" " + joined.translate(_ASCII) + b" "


def _without_odd(messages: Sequence[bytes]) -> list[bytes]:
    """Return messages whose bytes beyond ASCII are folded letters, and which hold no LF."""
    made = list(messages)
    turkish: list[int] = []
    for row, raw in enumerate(messages):
        if b"\n" in raw or raw.startswith(FLOW_RECORD):
            made[row] = of_bytes(raw).encode()
        elif not raw.isascii():
            if _TURKISH.fullmatch(raw.translate(None, _ASCII_BYTES)):
                turkish.append(row)
            else:
                made[row] = of_bytes(raw).encode()
    if turkish:
        joined = b"\n".join([messages[row] for row in turkish])
        for letter, folded in _TURKISH_FOLDS:
            joined = joined.replace(letter, folded)
        for row, line in zip(turkish, joined.split(b"\n"), strict=True):
            made[row] = line
    return made


def finish(made: bytes) -> pa.Array:
    """Return the token texts of `block`'s messages (at least one) as Arrow strings, runs of spaces collapsed."""
    lines = pc.split_pattern(pa.array([made], pa.string()), "\n").flatten()
    words = pc.ascii_split_whitespace(lines)
    return pc.binary_join(words, " ")
