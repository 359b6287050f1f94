"""Questions of attribution without rooms below: invented answers of all three kinds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from some.actor import Permission
from some.app.web.attribution_port import AskedQuestion, ReplyRow
from some.app.web.ports import Bundle
from some.errors import BadInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from some.actor import Actor

NAT, LOGIN = "dugum1/033637/018270", "dugum1/033638/000320"
CERTAIN = {
    "verdict": "certain",
    "persons": [
        {
            "person": "zeynep.celik",
            "kind": "username",
            "from": "2026-11-18T18:46:57.800Z",
            "to": "2026-11-18T18:48:20.100Z",
            "evidence": [NAT, LOGIN],
        }
    ],
    "chain": [
        {
            "layer": "nat",
            "statement": "198.51.100.14:41873 → 10.44.7.91:52144",
            "from": "2026-11-18T18:46:57.800Z",
            "to": "2026-11-18T18:48:20.100Z",
            "estimated": False,
            "evidence": [NAT],
        },
        {
            "layer": "identity",
            "statement": "10.44.7.91 → zeynep.celik",
            "from": "2026-11-18T18:02:31.000Z",
            "to": None,
            "estimated": True,
            "evidence": [LOGIN],
        },
    ],
    "gaps": [],
    "notes": ["Oturum <b>tek</b> kişiye ait."],
    "clock_error_s": 2.4,
}
GAP = {
    "verdict": "gap",
    "persons": [],
    "chain": [],
    "gaps": [{"layer": "lease", "reason": "source_silent", "source": "dhcp-park", "source_alive": False}],
    "notes": [],
    "clock_error_s": 120,
}


@dataclass
class FakeAttribution:
    """`AttributionPort` in memory. `answer` is what the next question gets; `findings` what a check finds."""

    clock: Any
    answer: Mapping[str, Any] = field(default_factory=lambda: CERTAIN)
    findings: list[str] = field(default_factory=list)
    asked: list[AskedQuestion] = field(default_factory=list)
    replies: dict[str, list[ReplyRow]] = field(default_factory=dict)

    @property
    def past(self) -> AskedQuestion:
        """A question of last year, for whoever only looks."""
        question = {"public_ip": "198.51.100.14", "public_port": 41873, "at": "2026-11-18T18:47:12+00:00"}
        return AskedQuestion("SRG-2025-0007", "2025/9", "Tatbikat", "account:1", self.clock.now(), question, CERTAIN)

    def ask(self, actor: Actor, question: Mapping[str, Any], request_no: str, purpose: str) -> Mapping[str, Any]:
        actor.require(Permission.ATTRIBUTION_ASK)
        if question.get("public_ip") == "300.0.0.1":
            raise BadInput("public_ip: '300.0.0.1' is no IP address")
        number = f"SRG-2026-{len(self.asked) + 1:04d}"
        now: datetime = self.clock.now()
        self.asked.append(AskedQuestion(number, request_no, purpose, actor.id, now, dict(question), dict(self.answer)))
        return {**self.answer, "number": number}

    def question(self, actor: Actor, number: str) -> AskedQuestion:
        for one in [*self.asked, self.past]:
            if one.number == number:
                rows = self.replies.get(number, ())
                return AskedQuestion(
                    one.number, one.request_no, one.purpose, one.asked_by, one.asked_at, one.question, one.answer, rows
                )
        raise NotFound(f"there is no question {number!r}")

    def of_request(self, actor: Actor, request_no: str) -> list[AskedQuestion]:
        return [one for one in reversed(self.asked) if one.request_no == request_no]

    def make_reply(self, actor: Actor, number: str) -> Bundle:
        if not any(one.number == number for one in self.asked):
            raise NotFound(f"there is no question {number!r}")
        made = f"CVP-2026-{sum(map(len, self.replies.values())) + 1:04d}"
        self.replies.setdefault(number, []).append(ReplyRow(made, actor.id, self.clock.now(), whole=True))
        return Bundle(f"{made}.zip", "application/zip", iter([b"PK"]))

    def reply(self, actor: Actor, number: str) -> Bundle:
        if not any(row.number == number for rows in self.replies.values() for row in rows):
            raise NotFound(f"there is no reply {number!r}")
        return Bundle(f"{number}.zip", "application/zip", iter([b"PK"]))

    def check_reply(self, actor: Actor, number: str) -> list[str]:
        return self.findings
