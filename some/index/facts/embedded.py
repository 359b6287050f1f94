"""The embedded index's facts: `FactStore` over the files of facts, with DuckDB.

Lists are complete: where a file of facts that a question needs is damaged, Unavailable is raised instead of an answer.
What the follower has not read yet is not there: whoever needs everything waits for the index first
(`some.index.waiting`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ingest.fact_words import FactWord
from some.errors import Unavailable
from some.index.catalogue import reading
from some.index.facts.columns import MINUTES, SCHEMAS, facts_of
from some.index.facts.fact import Fact, Layer, Minute, Span, Speaker
from some.index.facts.memory import MINUTE_US
from some.index.facts.shapes import class_of
from some.index.facts.spoken import SpokenFiles, minutes_of_rows
from some.index.fields import POSITION, SEGMENT
from some.index.query.sql import quoted
from some.index.steady import steadily
from some.index.storage import pack_ip

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from some.index.catalogue import StoredFile
    from some.index.scan import Scan

_SELECT: Final = {
    layer: ", ".join(quoted(name) for name in SCHEMAS[layer].names if name != "person_key") for layer in Layer
}
_ORDER: Final = f"known_from, {quoted(SEGMENT)}, {quoted(POSITION)}"


@dataclass(slots=True)
class _Where:
    """Conditions with their values, all of which must hold."""

    texts: list[str] = field(default_factory=lambda: ["TRUE"])
    values: list[Any] = field(default_factory=list)

    def add(self, text: str, *values: Any) -> None:
        self.texts.append(f"({text})")
        self.values.extend(values)

    def fits(self, name: str, asked: str | int | bytes | None) -> None:
        """Take rows that tell this value, and those that tell none."""
        if asked is not None:
            self.add(f"{name} = ? OR {name} IS NULL", asked)

    def tells(self, *, told: bool, public_ip: bool, public_port: bool) -> None:
        """Take rows that tell the public side that is asked for, or those that do not."""
        parts = ["public_ip IS NOT NULL"] * public_ip
        parts += ["(public_port IS NOT NULL OR port_first IS NOT NULL)"] * public_port
        told_so = " AND ".join(parts) or "TRUE"
        self.add(told_so if told else f"NOT ({told_so})")

    def at(self, site: str | None) -> None:
        """Take rows of this very site."""
        if site is None:
            self.add("site IS NULL")
        else:
            self.add("site = ?", site)

    def among(self, name: str, asked: Collection[str | bytes]) -> None:
        """Take rows that tell one of these values."""
        self.add(_one_of(name, len(asked)), *sorted(asked))

    def held_by(self, addresses: Collection[str] | None, macs: Collection[str] | None, *, also: str = "") -> None:
        """Take rows of one of the addresses or MACs; all where neither is asked."""
        if addresses is None and macs is None:
            return
        packed, told = sorted(pack_ip(one) for one in addresses or ()), sorted(macs or ())
        either = [_one_of("inner_ip", len(packed)), _one_of("mac", len(told)), *([also] if also else [])]
        self.add(" OR ".join(either), *packed, *told)


def _one_of(name: str, count: int) -> str:
    # one value is compared with `=`, by which files are passed over; several by a list
    return f"{name} = ?" if count == 1 else f"{name} IN ({', '.join('?' * count)})" if count else "FALSE"


class EmbeddedFacts:
    """`some.index.facts.fact.FactStore` over the folder of one ledger's follower. Safe to use from several threads."""

    def __init__(self, ledger: str, folder: Path, scan: Scan) -> None:
        """Ask the files in `folder` (`DATA/index/embedded`), which need not exist yet, by `scan`."""
        self._ledger = ledger
        self._folder = folder
        self._scan = scan
        self._spoken = SpokenFiles(folder)

    def public_side(
        self,
        span: Span,
        *,
        public_ip: str | None = None,
        public_port: int | None = None,
        transport: str | None = None,
        target_ip: str | None = None,
        target_port: int | None = None,
        site: str | None = None,
        told: bool | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        where = _Where()
        if told is not None:
            where.tells(told=told, public_ip=public_ip is not None, public_port=public_port is not None)
        where.fits("public_ip", None if public_ip is None else pack_ip(public_ip))
        if public_port is not None:
            where.add(
                "public_port = ? OR port_first <= ? AND port_last >= ? OR public_port IS NULL AND port_first IS NULL",
                *[public_port] * 3,
            )
        where.fits("transport", transport)
        where.fits("target_ip", None if target_ip is None else pack_ip(target_ip))
        where.fits("target_port", target_port)
        if site is not None:
            where.at(site)
        return self._facts(Layer.NAT, span, where)

    def tellers(self, span: Span, *, public_ip: str) -> Sequence[str]:
        """See FactStore."""
        select = "SELECT DISTINCT source FROM documents WHERE known_from <= ? AND known_to >= ? AND public_ip = ?"
        found = self._rows(Layer.NAT, span, select, [span.end, span.start, pack_ip(public_ip)])[1]
        return sorted(source for (source,) in found)

    def inner_side(
        self, span: Span, *, site: str | None, inner_ip: str, inner_port: int | None = None
    ) -> Sequence[Fact]:
        """See FactStore."""
        where = _Where()
        where.at(site)
        where.add("inner_ip = ?", pack_ip(inner_ip))
        where.fits("inner_port", inner_port)
        return self._facts(Layer.NAT, span, where)

    def leases(
        self,
        span: Span,
        *,
        site: str | None,
        addresses: Collection[str] | None = None,
        macs: Collection[str] | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        where = _Where()
        where.at(site)
        where.held_by(addresses, macs)
        return self._facts(Layer.LEASE, span, where, last="greatest(known_to, promised_to)")

    def identities(
        self,
        span: Span,
        *,
        site: str | None,
        addresses: Collection[str] | None = None,
        macs: Collection[str] | None = None,
    ) -> Sequence[Fact]:
        """See FactStore."""
        where = _Where()
        where.at(site)
        where.held_by(addresses, macs, also=f"word = '{FactWord.RESTART}'")
        return self._facts(Layer.IDENTITY, span, where)

    def of_persons(self, span: Span, *, persons: Collection[str], layer: Layer | None = None) -> Sequence[Fact]:
        """See FactStore."""
        where = _Where()
        where.among("person_key", persons)
        layers = (Layer.NAT, Layer.IDENTITY) if layer is None else (layer,)
        found = [fact for one in layers for fact in self._facts(one, span, where)]
        return sorted(found, key=lambda one: (one.known_from, one.ref))

    def minutes(self, source: str, span: Span) -> Sequence[Minute]:
        """See FactStore."""
        first, last = span.start // MINUTE_US, span.end // MINUTE_US
        whole = Span(first * MINUTE_US, (last + 1) * MINUTE_US - 1)

        def answer() -> list[Minute]:
            rows: list[tuple[int, int, int, int, int]] = []
            for one in self._whole(MINUTES, whole):
                try:
                    rows += self._spoken.of(one.path, source).rows(first, last)
                except (pa.ArrowException, OSError):
                    self._scan.condemn(one)
                    self._whole(MINUTES, whole)
            return minutes_of_rows(rows)

        return steadily(self._folder, self._ledger, self._scan, answer)

    def speakers(self) -> Sequence[Speaker]:
        """See FactStore."""
        with reading(self._folder, self._ledger) as catalogue:
            return catalogue.speakers() if catalogue else []

    def _facts(self, layer: Layer, span: Span, where: _Where, last: str = "known_to") -> list[Fact]:
        text = " AND ".join(where.texts)
        names, rows = self._rows(
            layer,
            span,
            f"SELECT {_SELECT[layer]} FROM documents WHERE known_from <= ? AND {last} >= ? AND {text} "  # noqa: S608 - own text
            f"ORDER BY {_ORDER}",
            [span.end, span.start, *where.values],
        )
        return list(facts_of(layer, self._ledger, names, rows)) if rows else []

    def _rows(
        self, table: str, span: Span, select: str, values: Sequence[Any]
    ) -> tuple[list[str], list[tuple[Any, ...]]]:
        def answer() -> tuple[list[str], list[tuple[Any, ...]]]:
            held = self._whole(table, span)
            if not held:
                return [], []
            found = self._scan.ask(held, select, values, alike=True)
            self._refuse_damaged(held)
            return found

        return steadily(self._folder, self._ledger, self._scan, answer)

    def _whole(self, table: str, span: Span) -> list[StoredFile]:
        """Return the files that may tell of the span; raises Unavailable where one of them is known to be damaged."""
        with reading(self._folder, self._ledger) as catalogue:
            held = catalogue.facts(class_of(table), span.start, span.end) if catalogue else []
        self._refuse_damaged(held)
        return held

    def _refuse_damaged(self, held: Sequence[StoredFile]) -> None:
        damaged = self._scan.findings_in(held)
        if damaged:
            places = ", ".join(one.where for one in damaged)
            msg = f"files of facts are damaged ({places}), so the answer would not be whole; run `some index rebuild`"
            raise Unavailable(msg)
