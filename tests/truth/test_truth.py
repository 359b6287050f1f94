"""The attribution truth test: the simulated municipality's lines go in, questions are asked, the truth judges.

`SOME_TRUTH_SEED` plays another town; the seed stands in every failure's text.
"""

from __future__ import annotations

import os
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from judge import RECALL, Asked, Fault, Report, judge
from municipality import Town, play
from truth_plan import Draw
from truth_product import Product

if TYPE_CHECKING:
    from pathlib import Path

SEED = int(os.environ.get("SOME_TRUTH_SEED", "5651"))
FULL = bool(os.environ.get("SOME_FULL"))


def _told(town: Town, asked: list[Asked], product: Product) -> tuple[Report, list[dict[str, Any]]]:
    answers = product.ask([question for question, _, _ in asked])
    report = judge(asked, answers)
    print(f"seed {SEED}, {town.days} days, {len(town.book.lines)} lines\n{report.table()}")  # noqa: T201 - the table is what this test is run for
    return report, answers


def _holds(report: Report) -> None:
    text = f"seed {SEED}\n{report.table()}"
    assert report.count(Fault.MALFORMED) == 0, text
    assert report.count(Fault.WRONG_CERTAIN) == 0, text
    assert report.count(Fault.UNFOUNDED_CERTAIN) == 0, text
    assert report.recall >= RECALL, text
    assert report.count(Fault.WRONG_GAP) == 0, text
    assert report.count(Fault.WRONG_ALIVE) == 0, text
    assert report.count(Fault.LEFT_OUT) == 0, text


def _plain(answer: dict[str, Any]) -> tuple[Any, ...]:
    """Return what of an answer must not depend on the order of import: all but references and the question's number."""
    persons = sorted((one["person"], one["kind"], one["from"], one["to"]) for one in answer["persons"])
    chain = sorted(
        (one["layer"], one["statement"], one["from"], one["to"], one["estimated"]) for one in answer["chain"]
    )
    gaps = sorted((g["layer"], g["reason"], str(g["source"]), str(g["source_alive"])) for g in answer["gaps"])
    return answer["verdict"], persons, chain, gaps, answer["clock_error_s"]


def test_nobody_is_named_wrongly_and_whoever_can_be_known_is_named(tmp_path: Path) -> None:
    town = play(SEED, 2, 40)
    asked = Draw(town, SEED).questions(160)
    product = Product(tmp_path)
    product.declare(town)
    product.take(town)
    report, _ = _told(town, asked, product)

    _holds(report)


def test_the_order_of_sources_and_lines_changes_no_answer(tmp_path: Path) -> None:
    town = play(SEED + 1, 2, 16)
    asked = Draw(town, SEED).questions(50)
    answers = []
    for turn, shuffle in enumerate((None, Random(SEED))):
        product = Product(tmp_path / str(turn))
        product.declare(town)
        product.take(town, shuffle)
        answers.append(product.ask([question for question, _, _ in asked]))

    for (question, _, _), first, second in zip(asked, *answers, strict=True):
        assert _plain(first) == _plain(second), question


@pytest.mark.full
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not FULL, reason="the full count runs with SOME_FULL=1 (make test-full)")
def test_ten_thousand_questions_to_a_fortnight(tmp_path: Path) -> None:
    town = play(SEED + 2, 14, 220)
    asked = Draw(town, SEED).questions(10_000)
    product = Product(tmp_path)
    product.declare(town)
    product.take(town)
    report, _ = _told(town, asked, product)

    assert len(asked) >= 10_000 * 0.97
    _holds(report)
