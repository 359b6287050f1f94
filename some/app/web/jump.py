"""Where “search or go to” leads: a record reference opens the record, a number the seal, anything else is a query."""

from __future__ import annotations

import re
from urllib.parse import urlencode

from some.errors import BadInput
from some.record import RecordRef

_SEAL = re.compile(r"#?\s*([0-9][0-9.]{0,17})")


def target(text: str) -> str:
    """Return the address for what was typed."""
    typed = text.strip()
    try:
        return f"/kayitlar/{RecordRef.parse(typed)}"
    except BadInput:
        pass
    match = _SEAL.fullmatch(typed)
    if match is not None:
        return f"/muhurler?muhur={match[1].replace('.', '')}"
    return "/kayitlar" + (f"?{urlencode({'q': typed})}" if typed else "")
