"""The embedded store of facts answers as the plain one does, however its files were cut and merged."""

from __future__ import annotations

import tempfile
from pathlib import Path

import facts_conformance
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from facts_conformance import LEDGER, ORIGIN, attested, questions, spoken
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.fact_words import FactWord
from some.durable import Disk
from some.errors import Unavailable
from some.index import compaction, files
from some.index.catalogue import Catalogue
from some.index.facts.columns import MINUTES, SCHEMAS, table_of
from some.index.facts.embedded import EmbeddedFacts
from some.index.facts.fact import Fact, Layer, Span
from some.index.facts.kept import KeptFacts
from some.index.facts.memory import MemoryFacts
from some.index.facts.shapes import class_of
from some.index.facts.stored import write_facts
from some.index.fields import POSITION, SEGMENT
from some.index.scan import Scan
from some.record import RecordRef

LATER = ORIGIN / 1_000_000 + 400 * 86_400


def flushes(facts: list[Fact], size: int) -> list[dict[Layer, pa.Table]]:
    """Return the facts as flushes of `size` facts each."""
    made = []
    for at in range(0, len(facts), size):
        part = facts[at : at + size]
        held = {layer: [one for one in part if one.layer is layer] for layer in Layer}
        made.append({layer: table_of(layer, some) for layer, some in held.items() if some})
    return made


def write_minutes(place: Path, minutes) -> None:
    """Write the minutes as partial sums: each delay a row, in files of a few rows."""
    rows = []
    for source, held in minutes.items():
        for one in held:
            rest = one.count - sum(one.delays.values())
            for delay, count in [*one.delays.items(), *([(None, rest)] if rest else [])]:
                rows.append(
                    {
                        "source": source, "minute": one.minute, "delay": delay, "first": one.first, "last": one.last,
                        "count": count, SEGMENT: len(rows) % 2, POSITION: len(rows),
                    }
                )  # fmt: skip
    with_ = Catalogue.open_for_writing(place, LEDGER)
    try:
        for at in range(0, len(rows), 5):
            table = pa.Table.from_pylist(rows[at : at + 5], schema=SCHEMAS[MINUTES])
            pile = class_of(MINUTES), ORIGIN // files.HOUR_US // 24 * 24
            with with_.transaction():
                with_.add([files.write_one(place, Disk(), pile, table)])
    finally:
        with_.close()


def merge_all(place: Path) -> int:
    """Merge until there is nothing to merge; returns how often."""
    catalogue = Catalogue.open_for_writing(place, LEDGER)
    merges = 0
    try:
        while (chosen := compaction.choose(catalogue, now=LATER)) is not None:
            made = compaction.merge(place, Disk(), chosen)
            with catalogue.transaction():
                catalogue.retire(chosen, LATER)
                catalogue.add([made])
            merges += 1
        for name in {one.record_class for one in catalogue.every()}:
            piles = [one.hour for one in catalogue.every() if one.record_class == name]
            assert len(piles) == len(set(piles))
    finally:
        catalogue.close()
    return merges


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(attested(), spoken(), st.lists(questions(), min_size=15, max_size=40), st.integers(1, 30))
def test_the_embedded_store_answers_as_the_plain_one(facts, minutes, asked, size):
    plain = MemoryFacts(facts, minutes)
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        write_facts(place, Disk(), LEDGER, flushes(facts, size))
        files.write_schema(place, Disk())
        write_minutes(place, minutes)
        scan = Scan(place, threads=1)
        store = EmbeddedFacts(LEDGER, place, scan)
        facts_conformance.compare(store, plain, asked)
        merge_all(place)
        facts_conformance.compare(store, plain, asked)
        scan.close()


def nat(at: int, **told) -> Fact:
    common = {
        "layer": Layer.NAT, "word": FactWord.SESSION, "ref": RecordRef(LEDGER, 0, at), "source": "fw1", "site": None,
        "known_from": ORIGIN + at, "known_to": ORIGIN + at + 1_000_000, "opens": True, "closes": True,
        "received": ORIGIN + at,
    }  # fmt: skip
    return Fact(**{**common, **told})


def test_an_index_that_is_not_there_has_no_facts(tmp_path):
    store = EmbeddedFacts(LEDGER, tmp_path, Scan(tmp_path))
    assert store.public_side(Span(0, 2**60), public_ip="203.0.113.5") == []
    assert store.speakers() == []
    assert store.minutes("fw1", Span(0, 2**60)) == []


@pytest.mark.parametrize("harm", ["flip", "cut", "remove"])
def test_a_damaged_file_of_facts_is_no_answer_but_an_error(tmp_path, harm):
    write_facts(tmp_path, Disk(), LEDGER, flushes([nat(at, public_ip="203.0.113.5") for at in range(50)], 10))
    files.write_schema(tmp_path, Disk())
    catalogue = Catalogue.open_for_reading(tmp_path, LEDGER)
    path = tmp_path / catalogue.every()[0].path
    catalogue.close()
    content = path.read_bytes()
    if harm == "remove":
        path.unlink()
    else:
        path.write_bytes(content[:20] if harm == "cut" else content[:100] + b"\xff" * 200 + content[300:])
    store = EmbeddedFacts(LEDGER, tmp_path, Scan(tmp_path))
    with pytest.raises(Unavailable, match="damaged"):
        store.public_side(Span(ORIGIN, ORIGIN + 100), public_ip="203.0.113.5")


def test_rows_of_a_merged_file_are_in_the_order_of_their_key(tmp_path):
    facts = [
        nat(at, public_ip=f"203.0.113.{at * 7 % 5}", public_port=1024 + at * 13 % 97, inner_ip="10.0.0.1")
        for at in range(300)
    ]
    write_facts(tmp_path, Disk(), LEDGER, flushes(facts, 20))
    assert merge_all(tmp_path) > 0
    catalogue = Catalogue.open_for_reading(tmp_path, LEDGER)
    (one,) = catalogue.every()
    catalogue.close()
    rows = pq.ParquetFile(tmp_path / one.path).read(["public_ip", "public_port", "known_from"]).to_pylist()
    assert [tuple(row.values()) for row in rows] == sorted(tuple(row.values()) for row in rows)
    assert (one.first_us, one.last_us) == (ORIGIN, ORIGIN + 299 + 1_000_000)
    assert not list(tmp_path.glob("access/*"))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(attested(), spoken(), st.lists(questions(), min_size=15, max_size=60))
def test_what_is_kept_is_what_the_store_says(facts, minutes, asked):
    plain = MemoryFacts(facts, minutes)

    facts_conformance.compare(KeptFacts(plain), plain, asked, unordered=True)


def test_a_device_that_is_asked_for_again_is_read_once_more_and_then_kept():
    class Counting(MemoryFacts):
        calls = 0

        def identities(self, *arguments, **keys):
            self.calls += 1
            return super().identities(*arguments, **keys)

    store = Counting([])
    kept = KeptFacts(store)
    for start in (0, 5, 8, 2):
        kept.identities(Span(start, start + 10), site=None, addresses=["10.0.0.1"])

    assert store.calls == 2
