"""Ask again where files were merged away under a question; leave out those that are simply gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from some.errors import Unavailable
from some.index.catalogue import reading
from some.index.scan import FilesChanged

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from some.index.scan import Scan

Answer = TypeVar("Answer")

_ATTEMPTS = 5


def steadily(folder: Path, ledger: str, scan: Scan, answer: Callable[[], Answer]) -> Answer:
    """Return what `answer` returns, which asks the catalogue anew at each call; raises Unavailable after some calls.

    A file that the catalogue still names and the disk no longer has is condemned in `scan`.
    """
    changes = 0
    while True:
        try:
            return answer()
        except FilesChanged as error:
            with reading(folder, ledger) as catalogue:
                lost = catalogue.named_as(str(error)) if catalogue else None
            if lost is not None:
                scan.condemn(lost)
                continue
            changes += 1
            if changes == _ATTEMPTS:
                msg = "the files of the index change faster than they can be read; try again"
                raise Unavailable(msg) from error
