"""Static files under a URL that holds the digest of their folder, so that they can be cached for ever.

One digest covers all files: modules import each other by relative names, and a page never mixes two releases.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from some.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

FOLDER = Path(__file__).parent / "static"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Assets:
    """All static files in memory (some 70 kB) and the digest that names them."""

    digest: str
    files: Mapping[str, bytes]

    def url(self, name: str) -> str:
        """Return the address of a file; raises NotFound for a name that does not exist."""
        if name not in self.files:
            raise NotFound(f"no static file {name!r}")
        return f"/static/{self.digest}/{name}"

    def media_type(self, name: str) -> str:
        """Return the media type, with the character set of text."""
        suffix = Path(name).suffix
        kind = _TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return f"{kind}; charset=utf-8" if suffix in _TYPES else kind


def load(folder: Path = FOLDER) -> Assets:
    """Read every file of `folder` once."""
    files = {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}
    together = hashlib.sha256()
    for name, content in files.items():
        together.update(name.encode() + b"\x00" + hashlib.sha256(content).digest())
    return Assets(together.hexdigest()[:16], files)
