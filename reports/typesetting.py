"""Templates and facts to PDF/A-3a, with the facts attached; the same input gives the same bytes."""

from __future__ import annotations

import json
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Any, Final

import typst

from some.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

STANDARD: Final = "a-3a"
"""PDF/A-3a (ISO 19005-3): archived as it is, tagged for screen readers, may carry attachments."""


def pdf(template: str, facts: Mapping[str, Any], **attached: str) -> bytes:
    """Return the PDF of `templates/<template>.typ`; `facts` and each text of `attached` are its inputs.

    Raises Unavailable where the typesetter refuses, which only a fault of ours can cause.
    """
    inputs = {"facts": json.dumps(facts, ensure_ascii=False), **attached}
    with as_file(files("reports").joinpath("templates", f"{template}.typ")) as path:
        try:
            made = typst.compile(str(path), sys_inputs=inputs, pdf_standards=[STANDARD], ignore_system_fonts=True)
        except typst.TypstError as error:
            msg = f"the document {template} cannot be typeset: {error}"
            raise Unavailable(msg) from error
    return bytes(made)
