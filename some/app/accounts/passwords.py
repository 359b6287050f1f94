"""Argon2id in the low-memory profile of RFC 9106 section 4, and what a password must be."""

from __future__ import annotations

import base64
import re
import secrets
import threading
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from some.app.accounts.outcomes import AccountFault
from some.errors import Unavailable
from some.wording import marked

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST = 12
LONGEST = 256
_QUEUE_LIMIT_S = 15.0
_SALT_BYTES = 16
_HASH_BYTES = 32
_FEWEST_KINDS = 5
_NAME_COUNTS_FROM = 3

_STEMS = """
password passw0rd parola sifre şifre administrator yonetici yönetici belediye belediyesi turkiye türkiye istanbul
ankara galatasaray fenerbahce fenerbahçe besiktas beşiktaş trabzonspor qwerty qwertyuiop asdfgh asdfghjkl zxcvbnm
letmein welcome hosgeldiniz hoşgeldiniz iloveyou seniseviyorum bilgiislem bilgiişlem some usom changeme degistir
değiştir mustafakemal ataturk atatürk
"""
_DECORATION = re.compile(r"[\W\d_]+")
_RUNS = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiopasdfghjklzxcvbnm")


@dataclass(frozen=True, slots=True)
class Checked:
    """What a password check found: does it match, and should the hash be made anew with today's parameters."""

    matches: bool
    stale: bool = False


class Passwords:
    """Hashes and checks passwords, at most `at_once` at a time (each takes `memory_kib` of memory)."""

    def __init__(self, *, time_cost: int = 3, memory_kib: int = 65536, parallelism: int = 4, at_once: int = 2) -> None:
        """Use the parameters t, m, p of RFC 9106; the defaults are its second recommended option."""
        self._parameters = (time_cost, memory_kib, parallelism)
        self._turns = threading.BoundedSemaphore(at_once)
        salt = base64.b64encode(secrets.token_bytes(_SALT_BYTES)).rstrip(b"=").decode()
        tag = base64.b64encode(secrets.token_bytes(_HASH_BYTES)).rstrip(b"=").decode()
        self._nobody = f"$argon2id$v=19$m={memory_kib},t={time_cost},p={parallelism}${salt}${tag}"

    @cached_property
    def _argon2(self) -> PasswordHasher:
        from argon2 import PasswordHasher, Type  # noqa: PLC0415 - only who signs in pays for it

        time_cost, memory_kib, parallelism = self._parameters
        return PasswordHasher(time_cost, memory_kib, parallelism, _HASH_BYTES, _SALT_BYTES, type=Type.ID)

    def hash(self, password: str) -> str:
        """Return the encoded hash of `password`; raises Unavailable where too many wait already."""
        with self._turn():
            return self._argon2.hash(_prepared(password))

    def check(self, encoded: str | None, password: str) -> Checked:
        """Compare; `None` (no such account, no password) costs the same time and never matches."""
        from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - as above

        with self._turn():
            try:
                self._argon2.verify(encoded or self._nobody, _prepared(password)[: LONGEST * 4])
            except (VerificationError, InvalidHashError):
                return Checked(matches=False)
        if encoded is None:
            return Checked(matches=False)
        return Checked(matches=True, stale=self._argon2.check_needs_rehash(encoded))

    def _turn(self) -> _Turn:
        return _Turn(self._turns)


class _Turn:
    """Waits its turn, but not for ever: a flood of sign-ins must not hold every thread of the web process."""

    def __init__(self, turns: threading.BoundedSemaphore) -> None:
        self._turns = turns

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=_QUEUE_LIMIT_S):
            msg = "too many sign-ins at once; try again"
            raise Unavailable(msg)

    def __exit__(self, *_: object) -> None:
        self._turns.release()


def accept_password(password: str, name: str) -> str:
    """Return `password` if it may be used for the account `name`; raises AccountFault saying what is wrong.

    Length counts, composition does not (NIST SP 800-63B section 3.1.1): 12 to 256 characters, not built around the
    account's name, not one well-known word with decoration, not a run of keys, at least five different characters.
    """
    shape = unicodedata.normalize("NFC", password)
    if len(shape) < SHORTEST:
        raise AccountFault(marked("The password is too short; expected at least %(count)s characters."), count=SHORTEST)
    if len(shape) > LONGEST:
        raise AccountFault(marked("The password is too long; expected at most %(count)s characters."), count=LONGEST)
    folded = shape.casefold()
    parts = [part for part in re.split(r"[._@-]+", name.casefold()) if len(part) > _NAME_COUNTS_FROM]
    if name.casefold() in folded or any(part in folded and len(part) * 2 >= len(folded) for part in parts):
        raise AccountFault(marked("The password is built around the user name."))
    if _is_listed(folded):
        raise AccountFault(marked("The password is easy to guess: a well-known word, a repetition or a row of keys."))
    return password


def _is_listed(folded: str) -> bool:
    core = _DECORATION.sub("", folded)
    halves = {core, core[: len(core) // 2]} if core[: len(core) // 2] * 2 == core else {core}
    if halves & set(_STEMS.split()) or len(set(folded)) < _FEWEST_KINDS:
        return True
    return any(folded in run or folded in run[::-1] for run in _RUNS)


def _prepared(password: str) -> str:
    """Return what is hashed: NFC, so that ş typed as one or as two code points is one password (RFC 8265)."""
    return unicodedata.normalize("NFC", password)
