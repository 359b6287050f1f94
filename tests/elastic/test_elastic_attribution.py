"""Who was it? The embedded index and a real Elasticsearch give one answer, roll-ups or not, and after a rebuild.

The lines are those of the simulated municipality; what is compared is the whole answer, references and all.
"""

from __future__ import annotations

import itertools
import os
import shutil
import sys
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "truth"))

from municipality import Town, play
from truth_plan import Draw
from truth_product import Product

from ingest.parsing import Parsing
from some.app import elastic as site_elastic
from some.app import wiring
from some.app.site import Site, open_site
from some.clock import SimulatedClock
from some.durable import Disk
from some.index.attribution.answer import Verdict, as_json
from some.index.attribution.answering import Attribution
from some.index.attribution.question import Question
from some.index.attribution.window import as_datetime
from some.index.elastic import retire
from some.index.elastic.facts import ElasticFacts
from some.index.elastic.follower import ElasticFollower
from some.index.elastic.rollup import RollUps
from some.index.elastic.transport import ElasticSettings, connect
from some.index.facts.sites import Sites

if TYPE_CHECKING:
    from collections.abc import Iterator

    from truth_questions import Question as Drawn

FULL = os.environ.get("SOME_FULL") == "1"
SEED = 5651
DAYS, PEOPLE, QUESTIONS = (4, 60, 400) if FULL else (1, 12, 60)
_prefixes = (f"kim{number}" for number in itertools.count())


def asked(drawn: Drawn) -> Question:
    """Return a question as the product takes it."""
    words = drawn.words()
    at = datetime.fromisoformat(words["at"])
    address, _, port = words.get("dst", "").partition(":")
    return Question(
        words["public-ip"],
        words["public-port"],
        words["protocol"],
        at,
        float(words["tolerance"]),
        address or None,
        int(port) if port else None,
    )


class Both:
    """A site's archive, indexed by both followers."""

    def __init__(self, server: Any, folder: Path, town: Town) -> None:
        self.site: Site = open_site(None, folder)
        self.client = connect(ElasticSettings((server.url,), prefix=next(_prefixes), replicas=0))
        self.asked = [asked(question) for question, _, _ in Draw(town, SEED).questions(QUESTIONS)]
        self.after = as_datetime(max(line.at for line in town.book.lines) * 1_000) + timedelta(days=2)
        self.follow()

    @contextmanager
    def follower(self) -> Iterator[ElasticFollower]:
        declared = wiring.sources(self.site)
        with ElasticFollower(
            wiring.reader(self.site),
            self.client,
            folder=site_elastic.folder(self.site),
            lock=self.site.run / "elastic.lock",
            parse=Parsing().parse_block,
            hints=declared.hints,
            sites=Sites(declared),
        ) as made:
            yield made

    def follow(self) -> None:
        with self.follower() as following:
            following.run_once()
            assert following.steps.dead == 0

    def roll_up(self) -> int:
        rolls = RollUps(self.client, SimulatedClock(self.after))
        while rolls.turn():
            pass
        assert rolls.made.failed == 0
        return rolls.made.days

    def embedded(self) -> list[dict[str, Any]]:
        with wiring.attribution(self.site, "embedded") as engine:
            return [as_json(engine.answer(one)) for one in self.asked]

    def elastic(self) -> list[dict[str, Any]]:
        engine = Attribution(ElasticFacts(self.client), wiring.sources(self.site))
        return [as_json(engine.answer(one)) for one in self.asked]

    def alone(self, count: int) -> list[dict[str, Any]]:
        """Ask each of the first questions of a store of its own."""
        declared = wiring.sources(self.site)
        return [as_json(Attribution(ElasticFacts(self.client), declared).answer(one)) for one in self.asked[:count]]

    def wipe(self) -> None:
        retire.wipe(self.client, site_elastic.folder(self.site), self.site.run / "elastic.lock", Disk())


@pytest.fixture(scope="module")
def town() -> Town:
    return play(SEED, DAYS, PEOPLE)


@pytest.fixture(scope="module")
def archived(town, tmp_path_factory):
    """Give a data directory whose archive and embedded index hold the town's lines."""
    folder = tmp_path_factory.mktemp("kim")
    product = Product(folder)
    product.declare(town)
    product.take(town)
    return folder


@pytest.fixture
def both(elastic, archived, town, tmp_path):
    shutil.copytree(archived, tmp_path / "site")
    made = Both(elastic, tmp_path / "site", town)
    yield made
    made.wipe()
    made.client.close()


def same(one: list[dict[str, Any]], other: list[dict[str, Any]], questions: list[Question]) -> None:
    for question, mine, theirs in zip(questions, one, other, strict=False):
        assert theirs == mine, question


@pytest.mark.timeout(1800)
def test_both_engines_name_the_same_persons_for_the_same_reasons(both):
    embedded = both.embedded()
    assert {answer["verdict"] for answer in embedded} == {one.value for one in Verdict}
    same(embedded, both.elastic(), both.asked)
    assert both.roll_up() > 0
    same(embedded, both.elastic(), both.asked)
    same(embedded, both.alone(8), both.asked)

    shutil.rmtree(both.site.index / "embedded")
    with wiring.follower(both.site) as following:
        following.run_once()
    same(embedded, both.embedded(), both.asked)

    both.wipe()
    both.follow()
    same(embedded, both.elastic(), both.asked)
