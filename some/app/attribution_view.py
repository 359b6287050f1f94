"""`AttributionPort` on a site: the registers, the answers, the packages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports import package, register
from some import audit
from some.actor import Permission
from some.app import asking, replying
from some.app.web.attribution_port import AskedQuestion, ReplyRow
from some.app.web.ports import Bundle
from some.errors import NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from some.actor import Actor
    from some.app.site import Site
    from some.database import Database


class SiteAttribution:
    """See `some.app.web.attribution_port.AttributionPort`."""

    def __init__(self, site: Site, database: Database) -> None:
        """Answer from `site`, with the registers in `database`."""
        self._site, self._database = site, database

    def ask(self, actor: Actor, question: Mapping[str, Any], request_no: str, purpose: str) -> Mapping[str, Any]:
        """Answer and register a question."""
        request = asking.request(request_no, purpose, needed=True)
        return asking.asked(self._site, self._database, actor, question, request)

    def question(self, actor: Actor, number: str) -> AskedQuestion:
        """Return a question of the register; that it was looked at stands in the audit chain first."""
        actor.require(Permission.ATTRIBUTION_ASK)
        with self._database.transaction() as session:
            row = register.find_question(session, number)
            audit.record(session, self._site.clock, actor, "attribution.read", subject=number)
            return _told(row, register.replies_to(session, number))

    def of_request(self, actor: Actor, request_no: str) -> Sequence[AskedQuestion]:
        """Return the questions of one request, newest first."""
        actor.require(Permission.ATTRIBUTION_ASK)
        with self._database.reading() as session:
            return [_told(row, ()) for row in register.of_request(session, request_no)]

    def make_reply(self, actor: Actor, number: str) -> Bundle:
        """Write, register and return the package of a question."""
        made = replying.make(self._site, self._database, actor, number)
        return _zip(made.number, package.zipped(made.folder))

    def reply(self, actor: Actor, number: str) -> Bundle:
        """Return a package again."""
        actor.require(Permission.ATTRIBUTION_ASK)
        actor.require(Permission.RECORDS_EXPORT)
        with self._database.transaction() as session:
            found = register.find_reply(session, number)
            audit.record(session, self._site.clock, actor, "reply.taken", subject=number)
            whole = bool(found.sums_sha256)
        folder = self._site.folder / replying.FOLDER / number
        if not whole or not folder.is_dir():
            raise NotFound(f"the package {number} was never finished")
        return _zip(number, package.zipped(folder))

    def check_reply(self, actor: Actor, number: str) -> Sequence[str]:
        """Return what is wrong with a package now."""
        actor.require(Permission.ATTRIBUTION_ASK)
        return replying.check(self._site, self._database, number)


def _told(row: register.RegisteredQuestion, replies: Sequence[register.RegisteredReply]) -> AskedQuestion:
    return AskedQuestion(
        number=row.number,
        request_no=row.request_no,
        purpose=row.purpose,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        question=row.asked,
        answer=row.told,
        replies=[ReplyRow(one.number, one.made_by, one.made_at, bool(one.sums_sha256)) for one in replies],
    )


def _zip(number: str, content: bytes) -> Bundle:
    return Bundle(f"{number}.zip", "application/zip", iter([content]))
