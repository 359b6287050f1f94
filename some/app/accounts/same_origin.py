"""Refuses requests that another site made a browser send (pure).

Browsers say where a request comes from (`Sec-Fetch-Site`, W3C Fetch Metadata; `Origin`, RFC 6454). A browser that says
neither must send the form token, which only our own pages know.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from some.errors import NotPermitted

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class CrossSite(NotPermitted):
    """Another site made this request, or nothing proves that ours did."""

    code = "cross_site"


def form_token(session_secret: str) -> str:
    """Return the token for forms of this session; it tells nothing about the session's secret."""
    return hmac.new(session_secret.encode(), b"some form token", hashlib.sha256).hexdigest()


def check_same_origin(
    headers: Mapping[str, str],
    expected_origins: Collection[str],
    *,
    method: str = "POST",
    session_secret: str = "",
    sent_token: str = "",
) -> None:
    """Return if the request comes from our own pages; raises CrossSite.

    `headers` is read by lower-case names. `expected_origins` are like `https://some.example.bel.tr` (no slash at the
    end). Safe methods pass: they change nothing here. `Origin` is asked before `Sec-Fetch-Site: none` is believed.
    """
    if method.upper() in SAFE_METHODS:
        return
    origin = headers.get("origin", "")
    site = headers.get("sec-fetch-site", "")
    if origin and origin in expected_origins:
        return
    if site == "same-origin" and origin in {"", "null"}:
        return
    if not origin and site == "none":
        return
    if not origin and not site and session_secret and hmac.compare_digest(form_token(session_secret), sent_token):
        return
    msg = f"the request comes from {origin or site or 'an unknown place'!r}; expected {', '.join(expected_origins)}"
    raise CrossSite(msg)
