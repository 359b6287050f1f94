"""The QR picture of a second factor."""

from __future__ import annotations

from io import BytesIO

import segno
from markupsafe import Markup


def qr(text: str) -> Markup:
    """Return `text` as a QR picture: inline SVG without styles, dark on light whatever the theme."""
    picture = BytesIO()
    segno.make(text, error="m", micro=False).save(
        picture, kind="svg", xmldecl=False, svgns=False, scale=4, border=0, dark="#000", svgclass=None, lineclass=None
    )
    return Markup(picture.getvalue().decode())  # noqa: S704 - segno's own output, made of digits and letters
