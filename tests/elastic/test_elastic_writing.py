"""Whatever a server answers to a bulk request: nothing is lost, nothing is written twice, one blocks no other."""

from __future__ import annotations

import json
import threading

import orjson
import pytest
from elastic_stub import Stub
from hypothesis import given
from hypothesis import strategies as st

from some.errors import NotPermitted, Unavailable
from some.index.elastic.documents import Action
from some.index.elastic.transport import ElasticSettings, connect
from some.index.elastic.writing import Writer, bulks, bury


class Now(threading.Event):
    """Waits are over at once, and counted."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        return False


def action(number: int, index: str = "some-access-2026.11") -> Action:
    head = orjson.dumps({"create": {"_index": index, "_id": str(number)}})
    return Action(index, f"deneme1/000001/{number:06d}", head + b'\n{"n":%d}\n' % number)


class Server:
    """Keeps documents by `_id`; `trouble` may answer an item or a request in its place, once each time it is asked."""

    def __init__(self, trouble=lambda number, tries: None, whole=lambda numbers, tries: None) -> None:
        self.held: dict[str, bytes] = {}
        self.tries: dict[str, int] = {}
        self.requests = 0
        self._trouble, self._whole = trouble, whole

    def __call__(self, seen):
        if seen.path != "/_bulk":
            return None
        lines = seen.body.split(b"\n")[:-1]
        names = [orjson.loads(line)["create"]["_id"] for line in lines[::2]]
        told = self._whole(names, self.requests)
        self.requests += 1
        if told is not None:
            return told
        items = [{"create": self._one(*pair)} for pair in zip(names, lines[1::2], strict=True)]
        return 200, {"errors": any(one["create"]["status"] != 201 for one in items), "items": items}

    def _one(self, name: str, body: bytes):
        tries = self.tries[name] = self.tries.get(name, 0) + 1
        told = self._trouble(int(name), tries)
        if told is not None:
            status, kind, reason = told
            return {"status": status, "error": {"type": kind, "reason": reason}}
        if name in self.held:
            return {"status": 409, "error": {"type": "version_conflict_engine_exception", "reason": ""}}
        self.held[name] = body
        return {"status": 201}


def write(server: Server, actions, attempts: int = 8, stop=None):
    with Stub(server) as stub:
        client = connect(ElasticSettings(urls=(stub.url,), timeout_s=5))
        try:
            return Writer(client, stop or Now(), attempts=attempts).write(actions)
        finally:
            client.close()


def test_a_second_writing_changes_nothing():
    server = Server()
    actions = [action(number) for number in range(5)]
    assert write(server, actions).created == 5
    again = write(server, actions)
    assert (again.created, again.there, again.dead) == (0, 5, ())
    assert len(server.held) == 5


def test_only_what_was_refused_for_being_too_much_is_sent_again():
    busy = (429, "es_rejected_execution_exception", "queue is full")
    server = Server(lambda number, tries: busy if number % 2 and tries < 3 else None)
    stop = Now()
    done = write(server, [action(number) for number in range(6)], stop=stop)
    assert (done.created, done.there) == (6, 0)
    assert server.tries == {str(number): 3 if number % 2 else 1 for number in range(6)}
    assert len(stop.waited) == 2
    assert stop.waited[0] <= 0.25
    assert stop.waited[1] <= 0.5


@pytest.mark.parametrize("status", [429, 502, 503])
def test_a_whole_request_that_was_too_much_is_sent_again(status):
    fault = (status, {"error": {"type": "x", "reason": ""}})
    server = Server(whole=lambda _, request: fault if request < 2 else None)
    assert write(server, [action(1)]).created == 1


def test_patience_ends_and_nothing_is_dead():
    server = Server(lambda *_: (429, "es_rejected_execution_exception", ""))
    with pytest.raises(Unavailable, match="es_rejected"):
        write(server, [action(1)], attempts=3)
    assert server.tries == {"1": 3}


def test_a_document_that_cannot_be_mapped_blocks_no_other_and_is_told_without_its_contents():
    reason = (
        "[1:7] failed to parse field [source.port] of type [long] in document with id 'x'. "
        "Preview of field's value: 'T.C. 10000000146'"
    )
    server = Server(lambda number, _: (400, "document_parsing_exception", reason) if number == 3 else None)
    done = write(server, [action(number) for number in range(6)])
    assert done.created == 5
    assert [(one.ref, one.kind) for one in done.dead] == [("deneme1/000001/000003", "document_parsing_exception")]
    assert done.dead[0].reason == "failed to parse field [source.port] of type [long]"


@pytest.mark.parametrize(
    ("status", "kind", "reason", "told"),
    [
        (403, "cluster_block_exception", "blocked by: [FORBIDDEN/12/index read-only];", "FORBIDDEN/12"),
        (429, "cluster_block_exception", "blocked by: [TOO_MANY_REQUESTS/12/disk usage];", "TOO_MANY_REQUESTS/12"),
        (403, "security_exception", "action [indices:data/write] is unauthorized", "indices:data/write"),
        (404, "index_not_found_exception", "no such index", "index_not_found"),
        (400, "validation_exception", "this action would add [2] shards", "would add"),
    ],
)
def test_trouble_of_the_server_is_never_the_documents_fault(status, kind, reason, told):
    server = Server(lambda *_: (status, kind, reason))
    expected = NotPermitted if kind == "security_exception" else Unavailable
    with pytest.raises(expected, match=told.replace("[", r"\[")):
        write(server, [action(1), action(2)])


def test_a_request_that_is_too_large_is_halved_until_the_one_is_found():
    fault = (413, {"error": {"type": "", "reason": "too large"}})
    server = Server(whole=lambda names, _: fault if "5" in names or len(names) > 3 else None)
    done = write(server, [action(number) for number in range(8)])
    assert sorted(server.held) == ["0", "1", "2", "3", "4", "6", "7"]
    assert [one.ref for one in done.dead] == ["deneme1/000001/000005"]


@given(
    st.lists(st.integers(0, 300), max_size=40),
    st.integers(1, 9),
    st.integers(1, 400),
)
def test_groups_are_bounded_and_complete(sizes, documents, size):
    actions = [Action("i", str(place), b"x" * length) for place, length in enumerate(sizes)]
    groups = list(bulks(actions, documents=documents, size=size))
    assert [one for group in groups for one in group] == actions
    for group in groups:
        assert 1 <= len(group) <= documents
        assert len(group) == 1 or sum(len(one.lines) for one in group) <= size


def test_the_file_of_dead_letters_is_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr("some.index.elastic.writing._DEAD_BYTES", 200)
    server = Server(lambda *_: (400, "mapper_parsing_exception", "secret"))
    letters = write(server, [action(number) for number in range(5)]).dead
    lost = bury(tmp_path / "dead.jsonl", letters)
    lines = [json.loads(line) for line in (tmp_path / "dead.jsonl").read_text().splitlines()]
    assert len(lines) + lost == 5
    assert lost > 0
    assert (tmp_path / "dead.jsonl").stat().st_size <= 200
    assert lines[0] == {
        "ref": "deneme1/000001/000000",
        "index": "some-access-2026.11",
        "type": "mapper_parsing_exception",
        "reason": "",
    }
