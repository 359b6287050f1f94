"""`some ask`, the API and *Kim kullandı?*: who used this address, for which request, and the register of the answers.

Every question needs a request number and a purpose, stands in the audit chain before it is answered, and gets a number.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from reports import register
from some import audit
from some.actor import Permission
from some.app import wiring
from some.errors import BadInput, UsageFault
from some.wording import translator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from some.actor import Actor
    from some.app.site import Site
    from some.database import Database
    from some.index.attribution.answering import Attribution
    from some.wording import Translator

CATCH_UP_S: Final = 600.0
MOST_QUESTIONS: Final = 100_000

_OPTIONS: Final = frozenset({"public_ip", "public_port", "protocol", "at", "tolerance", "dst"})
_INNER: Final = frozenset({"inner_ip", "mac", "person", "site", "from", "to"})
_REASONS: Final = frozenset({"request_no", "purpose"})
_TARGET: Final = re.compile(r"\[(?P<six>[^\]]+)\](?::(?P<port6>\d{1,5}))?|(?P<four>[^:]+)(?::(?P<port4>\d{1,5}))?")
_PRINTED: Final = re.compile(r"[^\x00-\x1f\x7f]{1,200}")


@dataclass(frozen=True, slots=True)
class Request:
    """On whose behalf: the number of the request (müzekkere) and the purpose."""

    number: str
    purpose: str


def asked(
    site: Site, database: Database, actor: Actor, question: Mapping[str, Any], request: Request
) -> dict[str, Any]:
    """Answer one question and return the answer with its `number`; raises NotPermitted, BadInput, Unavailable."""
    return batch(site, database, actor, [(question, request)])[0]


def batch(
    site: Site, database: Database, actor: Actor, questions: Sequence[tuple[Mapping[str, Any], Request]]
) -> list[dict[str, Any]]:
    """Answer questions in order. All are read before the first is answered: a mistake answers none of them.

    The audit entries are committed before an answer is looked for, so no answer is seen unrecorded.
    """
    actor.require(Permission.ATTRIBUTION_ASK)
    if len(questions) > MOST_QUESTIONS:
        raise BadInput(f"at most {MOST_QUESTIONS} questions at once")
    read = [_read(question, at) for at, (question, _) in enumerate(questions, start=1)]
    with database.transaction() as session:
        for question, request in questions:
            audit.record(
                session, site.clock, actor, "attribution.asked", subject=request.number,
                purpose=request.purpose, **{key: _fact(value) for key, value in sorted(question.items())},
            )  # fmt: skip
    wiring.witness(site, database)
    if not wiring.index_is_followed(site):
        wiring.catch_up(site, CATCH_UP_S)
    with wiring.attribution(site) as attribution:
        answers = [_answer(attribution, one, translator(site.settings.language)) for one in read]
    now = site.clock.now()
    year = now.astimezone(site.zone).year
    with database.transaction() as session:
        rows = register.enter(
            session,
            [
                register.Entry(request.number, request.purpose, actor.id, now, year, dict(question), answer)
                for (question, request), answer in zip(questions, answers, strict=True)
            ],
        )
        numbers = [row.number for row in rows]
    return [{**answer, "number": number} for answer, number in zip(answers, numbers, strict=True)]


def reason_is_needed(site: Site, database: Database) -> bool:
    """Say whether a question needs its request number and purpose: always, once an administrator exists."""
    return not wiring.accounts(site, database).setup_open()


def request(number: str, purpose: str, *, needed: bool) -> Request:
    """Return the request; raises UsageFault where it is needed and not complete, or malformed."""
    if any(text and not _PRINTED.fullmatch(text) for text in (number, purpose)):
        raise UsageFault("--request-no and --purpose: at most 200 printable characters")
    if needed and not (number and purpose):
        raise UsageFault("ask: --request-no and --purpose are needed once an administrator exists")
    return Request(number, purpose)


def split_line(line: Mapping[str, Any], place: str) -> tuple[dict[str, Any], str, str]:
    """Return question, request number and purpose of one line of a batch; option names with - or _; raises BadInput."""
    given = {str(key).replace("-", "_").removeprefix("__"): value for key, value in line.items()}
    unknown = sorted(set(given) - _OPTIONS - _INNER - _REASONS)
    if unknown:
        known = ", ".join(sorted(_OPTIONS | _INNER | _REASONS))
        raise BadInput(f"{place}: no such key: {unknown[0]!r} (expected {known})")
    question = {key: value for key, value in given.items() if key not in _REASONS and value is not None}
    return question, str(given.get("request_no") or ""), str(given.get("purpose") or "")


def _answer(attribution: Attribution, read: Any, translate: Translator) -> dict[str, Any]:
    from some.index.attribution.answer import as_json  # noqa: PLC0415 - only where somebody asks
    from some.index.attribution.question import Question  # noqa: PLC0415 - as above

    found = attribution.answer(read) if isinstance(read, Question) else attribution.whereabouts(read)
    return as_json(found, lambda msgid, values: translate(msgid, **values))


def _read(given: Mapping[str, Any], number: int) -> Any:
    from some.index.attribution.question import InnerQuestion, Question  # noqa: PLC0415 - only where somebody asks

    try:
        if _INNER & set(given):
            return InnerQuestion(
                address=_text(given, "inner_ip"),
                mac=_text(given, "mac"),
                person=_text(given, "person"),
                site=_text(given, "site"),
                start=_time(given, "from"),
                end=_time(given, "to"),
            )
        ip, port = _target(_text(given, "dst"))
        return Question(
            public_ip=_text(given, "public_ip") or "",
            public_port=_whole(given, "public_port"),
            transport=(_text(given, "protocol") or "").lower() or None,
            at=_time(given, "at"),
            tolerance_s=_number(given, "tolerance"),
            target_ip=ip,
            target_port=port,
        )
    except BadInput as fault:
        raise BadInput(f"question {number}: {fault}") from fault


def _fact(value: Any) -> audit.Fact:
    return value if isinstance(value, (str, int, float, bool)) else str(value)


def _text(given: Mapping[str, Any], key: str) -> str | None:
    value = given.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > 256:  # noqa: PLR2004 - no address and no name is longer
        raise BadInput(f"{key}: expected a text of at most 256 characters")
    return value


def _whole(given: Mapping[str, Any], key: str) -> int | None:
    value = given.get(key)
    if value is None or value == "":
        return None
    text = str(value)
    if isinstance(value, (bool, float)) or not (text.isascii() and text.isdigit() and len(text) < 6):  # noqa: PLR2004 - 65535
        raise BadInput(f"{key}: expected a whole number, found {text[:40]!r}")
    return int(text)


def _number(given: Mapping[str, Any], key: str) -> float:
    value = given.get(key)
    if value is None or value == "":
        return 0.0
    try:
        return float(value)
    except (TypeError, ValueError):
        raise BadInput(f"{key}: expected seconds, found {str(value)[:40]!r}") from None


def _time(given: Mapping[str, Any], key: str) -> datetime:
    text = _text(given, key)
    if text is None:
        raise BadInput(f"{key}: missing; expected a time such as 2026-11-20T13:03:12.250+03:00")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{key}: {text!r} is no time; expected 2026-11-20T13:03:12.250+03:00") from None
    if moment.tzinfo is None:
        raise BadInput(f"{key}: {text!r} names no zone; expected +03:00 or Z at its end")
    return moment


def _target(text: str | None) -> tuple[str | None, int | None]:
    """Return address and port of `203.0.113.80`, `203.0.113.80:443`, `2001:db8::1`, `[2001:db8::1]:443`."""
    if text is None:
        return None, None
    try:
        return str(ipaddress.ip_address(text)), None
    except ValueError:
        found = _TARGET.fullmatch(text)
    if found is None:
        raise BadInput(f"dst: {text!r} is no address with a port, such as 203.0.113.80:443")
    port = found["port6"] or found["port4"]
    return found["six"] or found["four"], int(port) if port else None
