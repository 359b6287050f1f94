"""What the pages and the API need to ask who it was; `some/app/attribution_view.py` joins it to the rooms below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from some.actor import Actor
    from some.app.web.ports import Bundle


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """One package that was made for a question; `whole` is False while (or because) it was never finished."""

    number: str
    made_by: str
    made_at: datetime
    whole: bool


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question of the register with its answer: `question` and `answer` in the shapes of `some ask --json`."""

    number: str
    request_no: str
    purpose: str
    asked_by: str
    asked_at: datetime
    question: Mapping[str, Any]
    answer: Mapping[str, Any]
    replies: Sequence[ReplyRow] = ()

    @property
    def verdict(self) -> str:
        """`certain`, `candidates` or `gap`; empty for a question about an inner address."""
        return str(self.answer.get("verdict", ""))


class AttributionPort(Protocol):
    """Questions of attribution. Every method raises NotPermitted without the right, and Unavailable.

    Asking, and looking at a past answer, each leave an audit entry before anything is shown.
    """

    def ask(self, actor: Actor, question: Mapping[str, Any], request_no: str, purpose: str) -> Mapping[str, Any]:
        """Answer and register a question (keys as the options of `some ask`); raises BadInput."""
        ...

    def question(self, actor: Actor, number: str) -> AskedQuestion:
        """Return a question of the register; raises NotFound."""
        ...

    def of_request(self, actor: Actor, request_no: str) -> Sequence[AskedQuestion]:
        """Return the questions of one request, newest first."""
        ...

    def make_reply(self, actor: Actor, number: str) -> Bundle:
        """Write, register and return the package of a question as a zip; raises NotFound."""
        ...

    def reply(self, actor: Actor, number: str) -> Bundle:
        """Return a package again, as it was made; raises NotFound."""
        ...

    def check_reply(self, actor: Actor, number: str) -> Sequence[str]:
        """Return what is wrong with a package now, in Turkish sentences; nothing where it is whole; raises NotFound."""
        ...
