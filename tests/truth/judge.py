"""Holds answers against the truth, counts failures by kind of question, and prints what is needed to repeat them."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from truth_questions import NOBODY, Question, Truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from truth_world import Conn

RECALL = 0.99
Asked = tuple[Question, Truth, "Conn | None"]


class Fault(StrEnum):
    """What can be wrong with an answer; the first is the one that must never happen."""

    WRONG_CERTAIN = "wrong certain"
    UNFOUNDED_CERTAIN = "unfounded certain"
    MISSED_CERTAIN = "missed certain"
    WRONG_GAP = "wrong gap"
    WRONG_ALIVE = "wrong source_alive"
    LEFT_OUT = "true person left out"
    MALFORMED = "malformed"


@dataclass(slots=True)
class Report:
    """Counts by kind, and the failures themselves."""

    asked: Counter[str] = field(default_factory=Counter)
    knowable: Counter[str] = field(default_factory=Counter)
    certain: Counter[str] = field(default_factory=Counter)
    faults: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    failures: list[tuple[Fault, Asked, Mapping[str, Any], str]] = field(default_factory=list)

    def count(self, fault: Fault) -> int:
        return sum(one[0] is fault for one in self.failures)

    @property
    def recall(self) -> float:
        """Return the share of knowable questions that were answered certain."""
        knowable = sum(self.knowable.values())
        return 1.0 if not knowable else 1 - self.count(Fault.MISSED_CERTAIN) / knowable

    def table(self, most: int = 10) -> str:
        """Return counts by kind and the first failures of each fault."""
        head = f"{'kind':20} {'asked':>6} {'knowable':>8} {'certain':>8}  faults"
        rows = [
            f"{kind:20} {count:6} {self.knowable[kind]:8} {self.certain[kind]:8}  {dict(self.faults[kind]) or ''}"
            for kind, count in sorted(self.asked.items())
        ]
        total = {fault.value: self.count(fault) for fault in Fault}
        text = [head, *rows, f"recall {self.recall:.4f}  {total}"]
        for fault in Fault:
            found = [one for one in self.failures if one[0] is fault]
            text += [_reproducer(*one) for one in found[:most]]
        return "\n".join(text)


def _reproducer(fault: Fault, asked: Asked, answer: Mapping[str, Any], why: str) -> str:
    question, truth, conn = asked
    about = ""
    if conn is not None:
        about = (
            f"  from {conn.nat} {conn.inner_ip}:{conn.inner_port} {conn.mac} -> {conn.target_ip}:{conn.target_port} "
            f"{conn.opened}..{conn.closed} ms, {conn.presence.mode} {conn.presence.start}..{conn.presence.end}\n"
        )
        about += "".join(f"    {'kept' if line.kept else 'LOST'} {line.text}\n" for _, line in conn.lines[:4])
    return (
        f"--- {fault}: {why}\n  question {question.number} ({question.kind}): {json.dumps(question.words())}\n"
        f"  truth: {sorted(truth.openers)} near {sorted(truth.near)} knowable={truth.knowable} "
        f"forbidden={truth.forbidden} gap={truth.gap} {truth.why}\n{about}"
        f"  answer: {json.dumps(answer, ensure_ascii=False)[:2500]}"
    )


def judge(asked: Sequence[Asked], answers: Iterable[Mapping[str, Any]]) -> Report:
    """Return the report; answers come in the order of the questions."""
    report = Report()
    for one, answer in zip(asked, answers, strict=True):
        question, truth, _ = one
        report.asked[question.kind] += 1
        report.knowable[question.kind] += truth.knowable
        report.certain[question.kind] += answer.get("verdict") == "certain"
        for fault, why in _faults(truth, answer):
            report.faults[question.kind][fault.value] += 1
            report.failures.append((fault, one, answer, why))
    return report


def _faults(truth: Truth, answer: Mapping[str, Any]) -> list[tuple[Fault, str]]:
    verdict, persons = answer.get("verdict"), [str(one["person"]) for one in answer.get("persons", [])]
    gaps = answer.get("gaps", [])
    if verdict not in {"certain", "candidates", "gap"} or (verdict == "certain" and len(set(persons)) != 1):
        return [(Fault.MALFORMED, f"verdict {verdict} with persons {persons}")]
    found: list[tuple[Fault, str]] = []
    if verdict == "certain":
        others = truth.openers - {persons[0]}
        if others or persons[0] not in truth.near:
            return [(Fault.WRONG_CERTAIN, f"said {persons[0]}, true is {sorted(truth.openers)}")]
        if truth.forbidden is not None:
            return [(Fault.UNFOUNDED_CERTAIN, truth.forbidden)]
        return []
    if truth.knowable:
        found.append((Fault.MISSED_CERTAIN, f"{verdict} where certain is knowable"))
    if truth.must_list is not None and truth.must_list not in persons:
        found.append((Fault.LEFT_OUT, f"{truth.must_list} is not among {persons}"))
    if truth.gap is not None:
        found += _gap_faults(truth, str(verdict), gaps)
    return found


def _gap_faults(truth: Truth, verdict: str, gaps: Sequence[Mapping[str, Any]]) -> list[tuple[Fault, str]]:
    assert truth.gap is not None
    layer, alive = truth.gap
    if truth.gap_only and verdict != "gap":
        return [(Fault.WRONG_GAP, f"{verdict} where layer {layer} is missing altogether")]
    named = [gap for gap in gaps if gap.get("layer") == layer]
    if not named:
        return [(Fault.WRONG_GAP, f"layer {layer} is missing, named: {[gap.get('layer') for gap in gaps]}")]
    told = {gap.get("source_alive") for gap in named}
    if alive is not None and alive not in told:
        return [(Fault.WRONG_ALIVE, f"layer {layer}: source_alive should be {alive}, said {told}")]
    return []


def oracle(truth: Truth) -> dict[str, Any]:
    """Return the answer of one who knows everything: what a perfect product says, by the truth alone."""
    persons = sorted(name for name in truth.near if not name.startswith(NOBODY))
    if truth.gap is not None:
        layer, alive = truth.gap
        return {"verdict": "gap", "persons": [], "gaps": [{"layer": layer, "reason": "x", "source_alive": alive}]}
    if truth.knowable:
        return {"verdict": "certain", "persons": [{"person": truth.must_list}], "gaps": []}
    named = [{"person": name} for name in persons]
    return {"verdict": "candidates" if named else "gap", "persons": named, "gaps": []}
