"""The audit trail: text and witness together or not at all; what is taken away, changed or invented is found."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import Future
from dataclasses import replace

import pytest
import sqlalchemy as sa
from conftest import LOCAL, PASSWORD, SEAT

from some import audit, outbox
from some.app.accounts.outcomes import SignedIn
from some.app.audit_check import Witness, compare, witnesses_of
from some.audit import AuditEntry, AuditQuestion
from some.canonical import dumps
from some.clock import to_text
from some.errors import IntegrityError, Unavailable, UnknownState
from some.outbox import OutboxRow
from some.record import Appended, RecordRef, RecordRun, unescape


class MemoryArchive:
    """A sink and reader that keeps segment lines in memory, and refuses or breaks off when told to."""

    ledger = "deneme"

    def __init__(self):
        """Begin empty and sound."""
        self.lines: list[bytes] = []
        self.fault: Exception | None = None
        self.persists = True

    def submit(self, block):
        """Keep the block, or not, and answer at once."""
        future: Future[Appended] = Future()
        first = len(self.lines)
        if self.fault is None or self.persists:
            head = f"{to_text(block.received_at)}\t{block.source}\t{block.origin}\t".encode()
            self.lines += [head + line for line in block.payload.splitlines()]
        if self.fault is not None:
            future.set_exception(self.fault)
        else:
            last = len(self.lines) - 1
            future.set_result(Appended(RecordRef("deneme", 1, first), RecordRef("deneme", 1, last)))
        return future

    def follow(self, cursor, *, max_bytes, classes=None):
        """Yield all lines as one run."""
        if self.lines and (classes is None or audit.AUDIT in classes):
            lines = b"".join(line + b"\n" for line in self.lines)
            yield RecordRun("deneme", 1, 0, len(self.lines), audit.AUDIT, lines)


@pytest.fixture
def archive():
    return MemoryArchive()


def write(database, clock, count=1, kind="test.done"):
    with database.transaction() as session:
        return [audit.record(session, clock, LOCAL, kind, subject="x", number=n) for n in range(count)]


def codes(database, archive):
    return [(finding.code, finding.severity.value) for finding in compare(database, witnesses_of(archive))]


def test_entry_and_outbox_row_persist_together_or_not_at_all(database, clock):
    def broken():
        with database.transaction() as session:
            audit.record(session, clock, LOCAL, "test.done")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    with database.reading() as session:
        assert session.scalars(sa.select(AuditEntry.id)).all() == []
        assert session.scalars(sa.select(OutboxRow.id)).all() == []
    (entry,) = write(database, clock)
    with database.reading() as session:
        assert session.scalars(sa.select(AuditEntry.id)).all() == [entry]
        assert session.scalars(sa.select(OutboxRow.payload)).all() == [entry]


def test_the_line_holds_no_text_and_its_digest_can_be_recomputed_by_hand(database, clock):
    with database.transaction() as session:
        audit.record(session, clock, LOCAL, "test.done", subject="gizli özne", peer="192.0.2.1")
    with database.reading() as session:
        entry = session.scalars(sa.select(AuditEntry)).one()
        line = json.loads(audit.line_of(entry))
    assert set(line) == {"entry", "kind", "time", "actor", "digest"}
    assert "192.0.2.1" not in str(line)
    assert "özne" not in str(line)
    text = {
        "entry": entry.id,
        "kind": "test.done",
        "time": to_text(entry.at),
        "actor": "os:kurulum",
        "actor_kind": "os",
        "actor_name": "kurulum",
        "subject": "gizli özne",
        "facts": '{"peer":"192.0.2.1"}',
    }
    assert line["digest"] == "sha256:" + hashlib.sha256(bytes.fromhex(entry.salt) + dumps(text)).hexdigest()


def test_equal_acts_have_different_digests(database, clock):
    write(database, clock)
    write(database, clock)
    with database.reading() as session:
        first, second = session.scalars(sa.select(AuditEntry))
        assert first.salt != second.salt
        assert audit.digest_of(first) != audit.digest_of(second)


def test_what_waits_is_archived_in_order_and_marked_with_its_reference(database, clock, archive):
    entries = write(database, clock, 7)
    assert audit.relay(database, archive, clock) == 7
    assert audit.relay(database, archive, clock) == 0
    assert [_told(line)["entry"] for line in archive.lines] == entries
    with database.reading() as session:
        rows = session.scalars(sa.select(OutboxRow).order_by(OutboxRow.id)).all()
        assert [row.result for row in rows] == [str(RecordRef("deneme", 1, place)) for place in range(7)]
        assert all(row.done_at for row in rows)
    assert codes(database, archive) == []


def test_many_entries_go_in_batches(database, clock, archive, monkeypatch):
    monkeypatch.setattr(audit, "BATCH", 3)
    entries = write(database, clock, 8)
    assert audit.relay(database, archive, clock) == 8
    assert [_told(line)["entry"] for line in archive.lines] == entries


def test_a_block_says_where_it_comes_from(database, clock):
    write(database, clock, 2)
    with database.reading() as session:
        entries = session.scalars(sa.select(AuditEntry)).all()
        one = audit.block_of(entries[:1], clock.now())
        both = audit.block_of(entries, clock.now())
    assert (one.source, one.record_class, one.origin) == ("some", "audit", f"audit:{entries[0].id}")
    assert (both.origin, both.count) == ("audit:batch", 2)


@pytest.mark.parametrize("fault", [Unavailable("full"), UnknownState("died"), TimeoutError("slow")])
def test_a_full_archive_makes_entries_wait_longer_and_longer(database, clock, archive, fault):
    write(database, clock, 2)
    archive.fault, archive.persists = fault, False
    delays = []
    for _ in range(12):
        assert audit.relay(database, archive, clock) == 0
        with database.reading() as session:
            due = outbox.waiting(session, audit.OUTBOX_KIND, 1)[0].due_at
        delays.append((due - clock.now()).total_seconds())
        clock.advance(delays[-1])
    assert delays == [2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]
    archive.fault = None
    assert audit.relay(database, archive, clock) == 2


def test_before_it_is_due_nothing_is_tried(database, clock, archive):
    write(database, clock)
    archive.fault, archive.persists = Unavailable("full"), False
    audit.relay(database, archive, clock)
    archive.fault = None
    assert audit.relay(database, archive, clock) == 0
    clock.advance(2)
    assert audit.relay(database, archive, clock) == 1


def test_an_administrator_signs_in_while_the_archive_is_full(desk, database, clock, archive):
    desk.create_account(LOCAL, "yonetici", "Bir Yönetici", ["sistem-yoneticisi"], password=PASSWORD)
    archive.fault, archive.persists = Unavailable("full"), False
    audit.relay(database, archive, clock)
    signed_in = desk.sign_in("yonetici", PASSWORD, SEAT)
    assert isinstance(signed_in, SignedIn)
    assert desk.resume(signed_in.secret) is not None
    assert codes(database, archive) == [("audit.waiting", "note")]


def test_a_crash_after_appending_repeats_the_entry_and_that_is_fine(database, clock, archive):
    write(database, clock)
    archive.fault, archive.persists = UnknownState("died after fsync"), True
    audit.relay(database, archive, clock)
    archive.fault = None
    clock.advance(2)
    assert audit.relay(database, archive, clock) == 1
    assert len(archive.lines) == 2
    assert len({_told(line)["entry"] for line in archive.lines}) == 1
    assert codes(database, archive) == [("audit.repeated", "note")]


def test_a_relay_that_dies_leaves_its_work_to_the_next(database, clock, archive):
    write(database, clock, 2)
    whole = archive.submit

    def die(block):
        whole(block)
        raise SystemExit

    archive.submit = die
    with pytest.raises(SystemExit):
        audit.relay(database, archive, clock)
    archive.submit = whole
    assert audit.relay(database, archive, clock) == 0, "the dead one's lease still runs"
    clock.advance(60)
    assert audit.relay(database, archive, clock) == 2
    assert codes(database, archive) == [("audit.repeated", "note")]


def test_relays_beside_each_other_append_nothing_twice(database, clock, archive):
    write(database, clock, 20)
    whole = archive.submit
    beside = []

    def meanwhile(block):
        beside.append(audit.relay(database, archive, clock))
        return whole(block)

    archive.submit = meanwhile
    assert audit.relay(database, archive, clock) == 20
    assert beside == [0]
    assert len(archive.lines) == 20


def test_an_archive_that_counts_wrong_is_not_believed(database, clock, archive):
    write(database, clock, 2)
    whole = archive.submit

    def short(block):
        appended = whole(block).result()
        future: Future[Appended] = Future()
        future.set_result(replace(appended, last=appended.first))
        return future

    archive.submit = short
    with pytest.raises(IntegrityError):
        audit.relay(database, archive, clock)
    with database.reading() as session:
        assert outbox.count_waiting(session, audit.OUTBOX_KIND) == 2


@pytest.mark.parametrize("column", ["kind", "actor", "actor_kind", "actor_name", "subject", "facts", "salt", "at"])
def test_a_changed_text_is_found(database, clock, archive, column):
    write(database, clock, 3)
    audit.relay(database, archive, clock)
    with database.transaction() as session:
        entry = session.scalars(sa.select(AuditEntry)).all()[1]
        clock.advance(1)
        new = {"salt": "00" * 32, "at": clock.now()}.get(column, f"{getattr(entry, column)} ")
        setattr(entry, column, new)
    assert codes(database, archive) == [("audit.digest_mismatch", "error")]


def test_a_removed_text_is_found(database, clock, archive):
    entries = write(database, clock, 3)
    audit.relay(database, archive, clock)
    with database.transaction() as session:
        session.execute(sa.delete(AuditEntry).where(AuditEntry.id == entries[1]))
        session.execute(sa.delete(OutboxRow).where(OutboxRow.payload == entries[1]))
    assert codes(database, archive) == [("audit.text_missing", "error")]


def test_a_removed_record_is_found(database, clock, archive):
    write(database, clock, 3)
    audit.relay(database, archive, clock)
    del archive.lines[1]
    assert codes(database, archive) == [("audit.record_missing", "error")]


def test_an_entry_taken_away_before_it_was_archived_is_found(database, clock, archive):
    entries = write(database, clock, 3)
    with database.transaction() as session:
        session.execute(sa.delete(AuditEntry).where(AuditEntry.id == entries[0]))
    audit.relay(database, archive, clock)
    assert audit.relay(database, archive, clock) == 2
    assert codes(database, archive) == [("audit.entry_lost", "error")]


def test_an_outbox_row_taken_away_is_found(database, clock, archive):
    entries = write(database, clock, 2)
    with database.transaction() as session:
        session.execute(sa.delete(OutboxRow).where(OutboxRow.payload == entries[0]))
    audit.relay(database, archive, clock)
    assert codes(database, archive) == [("audit.outbox_missing", "error")]


def test_invented_and_broken_records_are_found(database, clock):
    def found(message):
        return [finding.code for finding in compare(database, [Witness(RecordRef("d", 1, 0), message)])]

    invented = {"entry": "x", "kind": "a.b", "time": "t", "actor": "os:x", "digest": "sha256:00"}
    assert found(dumps(invented)) == ["audit.text_missing"]
    assert found(b"{") == ["audit.unreadable"]
    assert found(b"[]") == ["audit.unreadable"]
    assert found(dumps({**invented, "entry": 1})) == ["audit.unreadable"]
    assert found(dumps({**invented, "more": "x"})) == ["audit.unreadable"]


def test_what_is_archived_while_the_check_runs_does_not_disturb_it(database, clock, archive):
    write(database, clock)
    audit.relay(database, archive, clock)

    def reading():
        write(database, clock)
        yield from list(witnesses_of(archive))
        audit.relay(database, archive, clock)

    assert [finding.severity.value for finding in compare(database, reading())] == []


def test_entries_are_listed_newest_first_by_kind_actor_and_subject(database, clock):
    for kind in ("account.created", "accounting", "account", "token.issued"):
        write(database, clock, kind=kind)
        clock.advance(1)
    with database.reading() as session:
        told = [entry.kind for entry in audit.listed(session, AuditQuestion())]
        assert told == ["token.issued", "account", "accounting", "account.created"]
        below = audit.listed(session, AuditQuestion(kind="account"))
        assert [entry.kind for entry in below] == ["account", "account.created"]
        assert audit.listed(session, AuditQuestion(actor="os:none")) == []
        assert len(audit.listed(session, AuditQuestion(subject="x"))) == 4


def test_pages_of_entries_join_without_gap_or_repetition(database, clock):
    entries = write(database, clock, 25)
    clock.advance(1)
    entries += write(database, clock, 5)
    seen: list[str] = []
    with database.reading() as session:
        while page := audit.listed(session, AuditQuestion(before=seen[-1] if seen else "", limit=7)):
            seen += [entry.id for entry in page]
    assert len(seen) == 30
    assert set(seen) == set(entries)


def _told(line):
    return json.loads(unescape(line.split(b"\t", 3)[3]))
