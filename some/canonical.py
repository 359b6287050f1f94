"""RFC 8785 (JSON Canonicalization Scheme): one byte string per JSON value, for anything that is hashed.

Numbers: integers up to 2**53 and finite doubles in the ECMAScript form. Object names are sorted by their UTF-16
code units (RFC 8785 section 3.2.3).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias, Union

if TYPE_CHECKING:
    from collections.abc import Sequence

    Json: TypeAlias = Union[bool, int, float, str, Sequence["Json"], Mapping[str, "Json"], None]  # noqa: UP007 - a forward reference cannot be joined by |

_EXACT = 2**53
_FIXED_BELOW = 21
_FIXED_ABOVE = -6


def dumps(value: Json) -> bytes:
    """Return the canonical UTF-8 bytes of `value`; raises ValueError for what JSON cannot say exactly."""
    return _write(value).encode()


def _write(value: Json) -> str:
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if abs(value) > _EXACT:
            msg = f"{value} is beyond 2**53; write it as a string"
            raise ValueError(msg)
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        return "{" + ",".join(f"{json.dumps(name, ensure_ascii=False)}:{_write(value[name])}" for name in names) + "}"
    return "[" + ",".join(_write(part) for part in value) + "]"


def _number(value: float) -> str:
    """Return the ECMAScript Number::toString form (ECMA-262, cited by RFC 8785 section 3.2.2.3)."""
    if not math.isfinite(value):
        msg = "NaN and infinity are not JSON"
        raise ValueError(msg)
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    digits, _, exponent_text = f"{abs(value)!r}".partition("e")
    whole, _, fraction = digits.partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent_text or 0)
    figures = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(figures)
    figures = figures.rstrip("0")
    if len(figures) <= point <= _FIXED_BELOW:
        return sign + figures.ljust(point, "0")
    if 0 < point <= _FIXED_BELOW:
        return f"{sign}{figures[:point]}.{figures[point:]}"
    if _FIXED_ABOVE < point <= 0:
        return f"{sign}0.{'0' * -point}{figures}"
    mantissa = figures[0] + (f".{figures[1:]}" if len(figures) > 1 else "")
    return f"{sign}{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"
