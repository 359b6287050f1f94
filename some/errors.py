"""The error tree and the exit codes of the command line.

Two kinds matter to an operator: `Unavailable` (try again, nothing is lost) and `UnknownState` (stop; the recovery
path runs at the next start). An integrity finding is neither: somebody has to look at it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What `some` exits with; documented in docs/command-line.md and kept."""

    OK = 0
    NO = 1
    USAGE = 2
    BAD_INPUT = 65
    UNAVAILABLE = 69
    NOT_PERMITTED = 77
    SETTINGS = 78
    INTEGRITY = 90
    UNKNOWN_STATE = 91


class SomeError(Exception):
    """Root of every error that this platform raises on purpose.

    `str(error)` is an English sentence for diagnostics. `code` is a dotted, stable name; the catalogue may hold a
    translation of the sentence. `exit_code` is what the command line ends with when nobody handles the error.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.NO
    code: ClassVar[str] = "error"


class Unavailable(SomeError):
    """Something outside (disk, network, authority, another process) does not answer; nothing is lost, try again."""

    exit_code = ExitCode.UNAVAILABLE
    code = "unavailable"


class UnknownState(SomeError):
    """We cannot say whether the last step persisted: stop, and let the recovery path find out at the next start."""

    exit_code = ExitCode.UNKNOWN_STATE
    code = "unknown_state"


class IntegrityError(SomeError):
    """Bytes contradict what their digest, signature, link or token says."""

    exit_code = ExitCode.INTEGRITY
    code = "integrity"


class BadInput(SomeError):
    """What came in cannot be used; the message names the place and what was expected."""

    exit_code = ExitCode.BAD_INPUT
    code = "bad_input"


class UsageFault(SomeError):
    """The command or call contradicts itself."""

    exit_code = ExitCode.USAGE
    code = "usage"


class NotPermitted(SomeError):
    """The actor may not do this."""

    exit_code = ExitCode.NOT_PERMITTED
    code = "not_permitted"


class SettingsFault(SomeError):
    """A setting is wrong; the message gives key, file, line and what was expected."""

    exit_code = ExitCode.SETTINGS
    code = "settings"


class NotFound(SomeError):
    """What was asked for does not exist (or may not be known to exist)."""

    exit_code = ExitCode.NO
    code = "not_found"
