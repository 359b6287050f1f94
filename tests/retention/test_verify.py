"""An honest ledger verifies without a word; what the verifier says about outages, crashes and stray things."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from ledger_builder import HOUR, START, Builder, line
from small_authority import Authority

from retention import verify as verify_module
from retention.finding import Severity
from retention.manifest import ListedFile, Note
from retention.segment import compress, compressor
from retention.tsa.trust import Trust, TrustAnchors
from retention.verify import Progress, Verdict, verify
from retention.verify_times import TimeLimits

QUIET = {"token.revocation"}


@pytest.fixture
def builder(tmp_path):
    return Builder(tmp_path / "dugum1")


def codes(verdict: Verdict) -> list[str]:
    return [finding.code for finding in verdict.findings if finding.code not in QUIET]


def severity_of(verdict: Verdict, code: str) -> Severity:
    return next(finding.severity for finding in verdict.findings if finding.code == code)


def text_of(verdict: Verdict, code: str) -> str:
    return next(finding.text for finding in verdict.findings if finding.code == code)


def test_honest_ledger_has_nothing_to_report(builder):
    for counts in ((1000, 10), (), (1, 1, 1), (4096,), (4097,), (9000,)):
        builder.seal(*counts)
    seen: list[Progress] = []
    verdict = verify(builder.options(), seen.append)
    assert codes(verdict) == []
    assert (verdict.ok, verdict.records, verdict.seals) == (True, 1010 + 3 + 4096 + 4097 + 9000, 6)
    assert {progress.stage for progress in seen} == {"seals", "segments"}
    assert all(progress.done <= progress.total for progress in seen)
    assert seen[-1].done == seen[-1].total


def test_two_processes_find_the_same_as_one(builder, monkeypatch):
    """One big segment is divided by groups of 4,096, so that both cores work on it."""
    builder.seal(30_000, 10)
    monkeypatch.setattr(verify_module, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(verify_module, "_SMALLEST_PART", 300_000)
    options = builder.options(workers=2)
    whole = verify(options)
    assert (codes(whole), whole.records) == ([], 30_010)
    seed = builder.ledger.seed(1)
    seed.write_bytes(seed.read_bytes()[:-1] + b"x")
    assert codes(verify(options)) == codes(verify(replace(options, workers=1))) == ["segment.tree"]


def test_absent_ledger_and_empty_ledger_are_notes(builder):
    missing = verify(builder.options())
    assert (missing.ok, codes(missing)) == (True, ["ledger.empty"])
    builder.put(builder.ledger.public_key, builder.public_pem)
    builder.put_heads()
    builder.ledger.checkpoint.unlink()
    assert codes(verify(builder.options())) == []
    assert codes(verify(builder.options(trust=None))) == []


def test_no_authority_is_one_note(tmp_path):
    builder = Builder(tmp_path / "dugum1", authority=None)
    builder.seal(10)
    builder.seal(10)
    verdict = verify(builder.options())
    assert codes(verdict) == ["stamp.none"]
    assert severity_of(verdict, "stamp.none") is Severity.NOTE


def test_tokens_without_roots_prove_no_time(builder):
    builder.seal(10)
    verdict = verify(builder.options(trust=None))
    assert codes(verdict) == ["token.unpinned"]
    assert severity_of(verdict, "token.unpinned") is Severity.WARNING
    builder.stamp(1, builder.now, manifest=b"something else")
    builder.ledger.request(1).unlink()
    assert "token.imprint" in codes(verify(builder.options(trust=None)))


def test_a_token_without_roots_still_answers_its_request(builder):
    builder.seal(10)
    first = builder.ledger.request(1).read_bytes()
    builder.stamp(1, builder.now)
    builder.ledger.request(1).write_bytes(first[:-5] + bytes([first[-5] ^ 1]) + first[-4:])
    verdict = verify(builder.options(trust=None))
    assert not verdict.ok


def test_trial_ledger_says_deneme(tmp_path):
    builder = Builder(tmp_path / "dugum1", trial=True)
    builder.seal(10)
    verdict = verify(builder.options())
    assert codes(verdict) == ["ledger.trial"]
    assert "deneme damgası, hukuki değeri yoktur" in text_of(verdict, "ledger.trial")
    honest = Builder(tmp_path / "x" / "dugum1")
    honest.seal(10)
    trial = Trust(TrustAnchors.parse(honest.authority.root_pem), trial=True)
    assert codes(verify(honest.options(trust=trial))) == ["ledger.trial"]


def test_outage_of_the_authority_is_waiting_then_late(builder):
    builder.seal(10)
    for _ in range(3):
        builder.seal(10, stamp=False)
    waiting = verify(builder.options())
    assert codes(waiting) == ["stamp.waiting"]
    assert "3 seals" in text_of(waiting, "stamp.waiting")
    assert "2-4" in text_of(waiting, "stamp.waiting")
    assert "7800 s" in text_of(waiting, "stamp.waiting")
    for seal in (2, 3, 4):
        builder.stamp(seal, builder.now + timedelta(minutes=5))
    builder.seal(10)
    late = verify(builder.options())
    assert sorted(codes(late)) == ["stamp.gap", "stamp.late", "stamp.late"]
    assert "7500 s" in text_of(late, "stamp.late")
    assert late.ok


def test_rarer_stamps_cover_the_seals_between(builder):
    for stamp in (True, False, False, True, False):
        builder.seal(10, stamp=stamp)
    rare = TimeLimits(stamp_interval=3 * 3600.0)
    assert codes(verify(builder.options(limits=rare))) == ["stamp.waiting"]
    assert "(5)" in text_of(verify(builder.options(limits=rare)), "stamp.waiting")
    assert "(2-3, 5)" in text_of(verify(builder.options()), "stamp.waiting")


def test_tail_age_and_gap_carry_seconds(builder):
    builder.seal(10)
    builder.seal(10, after=3 * HOUR)
    verdict = verify(builder.options(as_of=builder.now + 2 * HOUR))
    assert codes(verdict) == ["seal.gap", "stamp.gap", "tail.age"]
    assert "10800 s" in text_of(verdict, "seal.gap")
    assert "7200 s" in text_of(verdict, "tail.age")
    assert verdict.ok


def test_clock_step_with_note_raises_no_alarm(builder):
    builder.seal(10)
    builder.seal(10, after=-HOUR / 2, stamp=False, notes=(Note("clock-step", "the wall clock was set by -3600 s"),))
    verdict = verify(builder.options(as_of=builder.now + HOUR / 2))
    assert {"seal.order", "note.clock-step", "record.time", "stamp.waiting"} == set(codes(verdict))
    assert severity_of(verdict, "seal.order") is Severity.NOTE
    assert severity_of(verdict, "record.time") is Severity.NOTE


def test_clock_step_without_note_is_a_warning(builder):
    builder.seal(10)
    builder.seal(10, after=-HOUR / 2, stamp=False)
    verdict = verify(builder.options(as_of=builder.now + HOUR / 2))
    assert severity_of(verdict, "seal.order") is Severity.WARNING
    assert severity_of(verdict, "record.time") is Severity.WARNING


def test_records_from_before_the_seal_before_are_named(builder):
    builder.seal(10)
    old = builder.add_segment([line(builder.start - 2 * HOUR, b"too old"), line(builder.now, b"fits")])
    builder.seal_segments((old,), builder.now + HOUR)
    verdict = verify(builder.options())
    assert codes(verdict) == ["record.time"]
    assert "10500 s too early" in text_of(verdict, "record.time")


def test_stamp_before_the_local_close_says_that_the_clock_was_ahead(builder):
    builder.seal(10, stamped_after=timedelta(minutes=-40))
    verdict = verify(builder.options())
    assert codes(verdict) == ["stamp.early", "record.time"]
    assert "2400 s" in text_of(verdict, "stamp.early")


def test_stamps_out_of_order_are_named(builder):
    builder.seal(10, stamp=False)
    builder.seal(10)
    builder.stamp(1, builder.now + timedelta(minutes=14))
    verdict = verify(builder.options(limits=TimeLimits(late=7200.0)))
    assert codes(verdict) == ["stamp.order"]


def test_torn_tail_is_checked_and_noted(builder):
    torn = builder.ledger.torn(1, "access")
    builder.put(torn, b"half a frame")
    builder.seal(
        10, files=(ListedFile(sha256(b"half a frame").hexdigest(), torn.name),), notes=(Note("torn", "12 bytes"),)
    )
    assert codes(verify(builder.options())) == ["segment.torn", "note.torn"]
    torn.write_bytes(b"half a fraud")
    assert "file.digest" in codes(verify(builder.options()))
    torn.unlink()
    assert "file.missing" in codes(verify(builder.options()))


def test_listed_file_of_unknown_kind_is_an_error(builder):
    builder.seal(10, files=(ListedFile("0" * 64, "seg-1.access.torn"),))
    assert codes(verify(builder.options())) == ["file.unknown"]


def test_dropped_records_are_a_warning(builder):
    builder.seal(10, notes=(Note("dropped", "12 udp datagrams lost in the kernel"),))
    verdict = verify(builder.options())
    assert codes(verdict) == ["note.dropped"]
    assert severity_of(verdict, "note.dropped") is Severity.WARNING


def test_unsealed_records_are_counted_not_judged(builder):
    builder.seal(10)
    frame = compress(line(builder.now, b"one") + b"\n" + line(builder.now, b"two") + b"\n", compressor(1))
    builder.put(builder.ledger.segment(2, "access"), frame + frame + frame[:20])
    builder.put(builder.ledger.seed(2), b"s" * 32)
    builder.put(builder.ledger.segment(3, "audit"), frame)
    verdict = verify(builder.options())
    assert codes(verdict) == ["unsealed.records", "unsealed.tail"]
    assert "2 segments" in text_of(verdict, "unsealed.records")
    assert verdict.records == 10


def test_damaged_frame_with_whole_frames_behind_it_is_an_error(builder):
    builder.seal(10)
    frame = compress(line(builder.now, b"one") + b"\n", compressor(1))
    broken = frame[:-1] + bytes([frame[-1] ^ 1])
    builder.put(builder.ledger.segment(2, "access"), frame + broken)
    assert codes(verify(builder.options())) == ["unsealed.records", "unsealed.tail"]
    builder.put(builder.ledger.segment(2, "access"), broken + frame)
    assert codes(verify(builder.options())) == ["unsealed.damaged", "unsealed.records"]


def test_closed_but_unsealed_segment_has_its_table(builder):
    builder.seal(10)
    builder.add_segment(builder.lines(5, builder.now))
    assert codes(verify(builder.options())) == ["unsealed.records"]


def test_stray_files_are_notes_and_many_are_summed_up(builder):
    builder.seal(10)
    builder.put(builder.folder / "reserve", b"")
    builder.put(builder.folder / "segments" / "000" / "seg-000001.hosting.log.zst", b"")
    for number in range(60):
        builder.put(builder.folder / f"stray-{number:02d}", b"")
    verdict = verify(builder.options())
    assert verdict.ok
    assert codes(verdict) == ["file.stray"] * 51
    assert "11 more" in verdict.findings[-1].text


def test_uncommitted_manifest_is_a_note(builder):
    builder.seal(10)
    builder.put(builder.ledger.manifest(2), builder.manifests[0])
    assert codes(verify(builder.options())) == ["seal.uncommitted"]


def test_seal_made_while_we_read_is_no_fault(builder, monkeypatch):
    """The head is read before the folder is listed; a seal that comes between is simply newer."""
    builder.seal(10)
    early = (builder.ledger.checkpoint.read_bytes(), builder.ledger.head.read_bytes())
    builder.seal(10)
    texts = list(early)
    real = verify_module._Run._text
    monkeypatch.setattr(verify_module._Run, "_text", lambda run, path: texts.pop(0) if texts else real(run, path))
    verdict = verify(builder.options(as_of=builder.now - HOUR / 2))
    assert codes(verdict) == ["unsealed.records"]
    assert verdict.seals == 1


def test_signature_that_comes_while_we_read_is_no_fault(builder, monkeypatch):
    builder.seal(10)
    signature = builder.ledger.signature(1).read_bytes()
    builder.ledger.signature(1).unlink()
    real = verify_module.check_seals

    def then_signed(order):
        found = real(order)
        builder.ledger.signature(1).write_bytes(signature)
        return found

    monkeypatch.setattr(verify_module, "check_seals", then_signed)
    assert codes(verify(builder.options())) == []


def test_crash_between_commit_and_signed_checkpoint_is_a_warning(builder):
    builder.seal(10)
    note = builder.ledger.checkpoint.read_bytes()
    builder.seal(10)
    builder.ledger.checkpoint.write_bytes(note)
    verdict = verify(builder.options())
    assert (verdict.ok, codes(verdict)) == (True, ["checkpoint.behind"])
    builder.seal(10)
    builder.ledger.checkpoint.write_bytes(note)
    assert not verify(builder.options()).ok


def test_gap_in_segment_numbers_is_a_warning_that_a_note_explains(builder):
    builder.seal(10)
    builder.next_segment = 5
    builder.seal(10)
    verdict = verify(builder.options())
    assert codes(verdict) == ["segment.gap"]
    assert "2 to 4" in text_of(verdict, "segment.gap")
    builder.next_segment = 7
    builder.seal(10, notes=(Note("unused", "000006 had no record when the machine stopped"),))
    assert codes(verify(builder.options())) == ["segment.gap", "note.unused"]


def test_key_known_from_elsewhere_is_compared(builder):
    builder.seal(10)
    good = sha256(builder.public_pem).hexdigest()
    assert codes(verify(builder.options(key_sha256=good))) == []
    assert codes(verify(builder.options(key_sha256="0" * 64))) == ["key.changed"]


def test_revoked_list_that_names_the_signer_settles_the_note(builder):
    builder.seal(10)
    assert [finding.code for finding in verify(builder.options(offline=False)).findings] == ["token.revocation"]
    assert "online" in text_of(verify(builder.options(offline=False)), "token.revocation")


def test_pss_tokens_are_taken(tmp_path):
    builder = Builder(tmp_path / "dugum1", authority=Authority(pss=True))
    builder.seal(10)
    builder.seal(10)
    assert codes(verify(builder.options())) == []


def test_thousand_seals_and_start_time(builder):
    """Numbers of more than one folder, and a ledger that starts at any seal count."""
    builder.authority = None
    builder.heads_at_once = False
    for _ in range(1001):
        builder.seal(after=HOUR)
    builder.put_heads()
    verdict = verify(builder.options())
    assert (codes(verdict), verdict.seals) == (["stamp.none"], 1001)
    assert builder.start == START
