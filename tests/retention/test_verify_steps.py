"""The steps that a page shows for one record and one seal."""

from __future__ import annotations

import pytest
from ledger_builder import Builder
from test_bundle import source_of
from test_verify_attacks import rewrite_segment

from retention.verify_steps import Name, Result, verify_record, verify_seal
from some.errors import NotFound
from some.record import RecordRef

REF = RecordRef("dugum1", 1, 7)


@pytest.fixture
def builder(tmp_path):
    builder = Builder(tmp_path / "dugum1")
    for _ in range(3):
        builder.seal(30, 5)
    return builder


def results(steps) -> dict[str, str]:
    return {str(step.name): str(step.result) for step in steps}


def test_every_step_of_an_honest_record_holds(builder):
    steps = verify_record(source_of(builder), REF)
    assert [step.name for step in steps] == [Name.RECORD, Name.MANIFEST, Name.CHECKPOINT, Name.TOKEN, Name.RENEWAL]
    assert {step.result for step in steps} == {Result.HOLDS}
    times = {step.name: step.at for step in steps}
    assert times[Name.MANIFEST] < times[Name.TOKEN] < times[Name.RENEWAL]
    assert "dugum1/000001/000007" in steps[0].scope


def test_every_step_of_an_honest_seal_holds(builder):
    assert set(results(verify_seal(source_of(builder), 2)).values()) == {"holds"}
    builder.seal()
    assert verify_seal(source_of(builder), 4)[0].scope == "-"


def test_newest_seal_has_open_steps(builder):
    builder.seal(3, stamp=False)
    found = results(verify_seal(source_of(builder), 4))
    assert (found["token"], found["renewal"]) == ("open", "open")
    assert results(verify_seal(source_of(builder, trust=None), 1))["token"] == "open"
    assert results(verify_seal(source_of(builder, trust=None), 1))["renewal"] == "holds"


def test_damaged_segment_fails_its_step_only(builder):
    rewrite_segment(builder, 1, lambda lines: [lines[1], lines[0], *lines[2:]])
    found = results(verify_seal(source_of(builder), 1))
    assert found == {
        "segment": "fails",
        "manifest": "holds",
        "checkpoint": "holds",
        "token": "holds",
        "renewal": "holds",
    }
    assert results(verify_record(source_of(builder), REF)) == {"record": "fails"}
    assert set(results(verify_record(source_of(builder), RecordRef("dugum1", 2, 1))).values()) == {"holds"}


def test_wrong_signature_ends_the_list(builder):
    source = source_of(builder)
    builder.ledger.signature(2).write_bytes(b"\0" * 64)
    assert results(verify_seal(source, 2)) == {"manifest": "fails"}
    assert results(verify_seal(source, 1))["renewal"] == "fails"


def test_checkpoint_steps(builder):
    source = source_of(builder)
    note = builder.ledger.checkpoint.read_bytes()
    builder.ledger.checkpoint.write_bytes(note[:-3])
    assert results(verify_seal(source, 1))["checkpoint"] == "fails"
    builder.ledger.checkpoint.unlink()
    assert results(verify_seal(source, 1))["checkpoint"] == "open"


def test_replaced_token_fails_its_renewal(builder):
    builder.stamp(1, builder.now)
    found = results(verify_seal(source_of(builder), 1))
    assert (found["token"], found["renewal"]) == ("holds", "fails")


def test_later_seal_without_stamp_still_lists_the_token(tmp_path):
    builder = Builder(tmp_path / "dugum1")
    builder.seal(3)
    builder.seal(3, stamp=False)
    renewal = verify_seal(source_of(builder), 1)[-1]
    assert (renewal.result, renewal.at) == (Result.HOLDS, None)


def test_what_is_not_there_is_not_found(builder):
    with pytest.raises(NotFound):
        verify_seal(source_of(builder), 9)
    with pytest.raises(NotFound):
        verify_record(source_of(builder), RecordRef("dugum1", 1, 99))
