r"""How a person's name is spelled, and what kind of name it is. Pure; knows no engine.

One individual stands in logs as `BELEDIYE\Ayse`, `ayse@belediye.example`, `AYSE`; a guest as `0532 000 00 00` or
`+905320000000`. `normalised` gives one spelling for all: lower case by the rule of `some.index.text.fold` (however one
writes I and its Turkish relatives), no domain, phones in E.164. Whoever compares or shows persons uses it.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from functools import lru_cache
from typing import Final


class Kind(StrEnum):
    """What kind of name somebody goes by."""

    USERNAME = "username"
    PHONE = "phone"
    NATIONAL_ID = "national_id"
    MAC = "mac"  # MAC authentication bypass: a device was let in, nobody signed in
    HOST = "host"  # a machine's own account


_DOTTED = str.maketrans({"\u0130": "i", "I": "i", "\u0131": "i", "\u0307": None})
_NOBODY: Final = frozenset({"", "-", "--", "n/a", "na", "none", "null", "unknown", "anonymous", "anonymous logon"})
_MACHINE_DOMAINS: Final = frozenset({"nt authority", "nt yetkilisi", "window manager", "font driver host"})
"""Windows' own accounts (SYSTEM, DWM-1, UMFD-0, ...) stand under these."""

_HOST_PREFIX: Final = "host/"
_ID: Final = re.compile(r"[1-9][0-9]{10}")
_PHONE: Final = re.compile(r"(?:(?:\+|00)?90|0)?(5[0-9]{9})")
_ABROAD: Final = re.compile(r"(?:\+|00)([1-9][0-9]{7,14})")
_BETWEEN_DIGITS: Final = re.compile(r"[\s().-]")
_PHONE_LIKE: Final = re.compile(r"\+?[0-9(][0-9\s().-]*")
_MAC: Final = re.compile(
    r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}|(?:[0-9a-f]{2}-){5}[0-9a-f]{2}"
    r"|(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}|[0-9a-f]{6}-[0-9a-f]{6}|(?=[0-9]*[a-f])[0-9a-f]{12}"
)


@lru_cache(maxsize=65_536)
def normalised(name: str) -> str | None:
    """Return the one spelling of a person's name; None where it names nobody: no name, a machine's own account.

    A MAC (`kind` says so: it is no person) comes in the form of documents, `00-00-5E-00-53-23`.
    """
    kind_, text = _read(name)
    return None if kind_ is Kind.HOST or text in _NOBODY else text


def kind(name: str) -> Kind:
    """Return what kind of name that is, as written or normalised."""
    return _read(name)[0]


def _read(name: str) -> tuple[Kind, str]:
    text = unicodedata.normalize("NFKC", name).translate(_DOTTED).casefold().strip()
    domain, _, account = text.rpartition("\\")
    account = account.partition("@")[0].strip()
    if account in _NOBODY:
        return Kind.USERNAME, ""
    if account.startswith(_HOST_PREFIX) or account.endswith("$") or domain in _MACHINE_DOMAINS:
        return Kind.HOST, account
    if _MAC.fullmatch(account):
        digits = re.sub(r"[^0-9a-f]", "", account).upper()
        return Kind.MAC, "-".join(digits[at : at + 2] for at in range(0, len(digits), 2))
    if _ID.fullmatch(account):
        return Kind.NATIONAL_ID, account
    phone = _phone(account)
    return (Kind.USERNAME, account) if phone is None else (Kind.PHONE, phone)


def _phone(account: str) -> str | None:
    """Return E.164 (ITU-T), None for what is no phone. Eleven digits that do not begin with 0 never come here."""
    if not _PHONE_LIKE.fullmatch(account):
        return None
    digits = _BETWEEN_DIGITS.sub("", account)
    own = _PHONE.fullmatch(digits)
    if own:
        return f"+90{own[1]}"
    abroad = _ABROAD.fullmatch(digits)
    return f"+{abroad[1]}" if abroad else None
