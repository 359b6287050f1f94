"""Attacks with names (each one was tried on somebody's product), and what the verifier says to them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from ledger_builder import HOUR, Builder, line, stored
from small_authority import Authority
from test_verify import codes, text_of

from retention import merkle, segment
from retention.checkpoint import Checkpoint, entry_leaf, note_with
from retention.finding import Severity
from retention.manifest import ListedFile, Manifest
from retention.tsa.trust import Trust, TrustAnchors
from retention.verify import verify
from retention.verify_segments import MAX_STORED_BYTES


@pytest.fixture
def builder(tmp_path):
    builder = Builder(tmp_path / "dugum1")
    for _ in range(4):
        builder.seal(300, 5)
    return builder


def errors(verdict):
    return [finding.code for finding in verdict.findings if finding.severity is Severity.ERROR]


def rewrite_segment(builder, number, change):
    """Write a well-formed segment over segment `number`, its lines changed."""
    path = builder.ledger.segment(number, "access")
    content = b"".join(segment.expand(frame) for _, frame in segment.frames_of(path.read_bytes()))
    lines = content.split(b"\n")[:-1]
    path.write_bytes(stored(change(lines))[1])


def test_flip_a_bit_in_a_record(builder):
    rewrite_segment(builder, 3, lambda lines: [lines[0][:-1] + bytes([lines[0][-1] ^ 1]), *lines[1:]])
    verdict = verify(builder.options())
    assert errors(verdict) == ["segment.digest", "segment.tree"]
    assert verdict.records == 4 * 305 - 300


def test_flip_a_bit_in_the_file(builder):
    path = builder.ledger.segment(3, "access")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    verdict = verify(builder.options())
    assert len(errors(verdict)) == 1
    assert "segment.damaged" in errors(verdict)


def test_delete_a_record(builder):
    rewrite_segment(builder, 3, lambda lines: lines[:7] + lines[8:])
    assert errors(verify(builder.options())) == ["segment.digest", "segment.counts", "segment.tree"]


def test_swap_two_records(builder):
    rewrite_segment(builder, 3, lambda lines: [lines[1], lines[0], *lines[2:]])
    assert errors(verify(builder.options())) == ["segment.digest", "segment.tree"]


def test_change_the_first_record_and_its_time(builder):
    rewrite_segment(builder, 3, lambda lines: [line(builder.start, b"new"), *lines[1:]])
    assert "segment.times" in errors(verify(builder.options()))


def test_every_damaged_segment_is_named(builder):
    for number in (1, 3, 7):
        rewrite_segment(builder, number, lambda lines: lines[:-1])
    verdict = verify(builder.options())
    places = {finding.where for finding in verdict.findings if finding.code == "segment.digest"}
    assert len(places) == 3
    assert verdict.records == 300 + 4 * 5


def test_remove_a_segment_in_the_middle(builder):
    builder.ledger.segment(3, "access").unlink()
    builder.ledger.seed(3).unlink()
    assert errors(verify(builder.options())) == ["segment.missing"]


def test_remove_a_seed(builder):
    builder.ledger.seed(3).unlink()
    assert errors(verify(builder.options())) == ["seed.missing"]


def test_shorten_a_seed(builder):
    builder.ledger.seed(3).write_bytes(b"short")
    builder.ledger.seed(5).write_bytes(b"l" * 33)
    assert errors(verify(builder.options())) == ["seed.damaged", "file.size"]


def test_swap_two_seeds(builder):
    one, two = builder.ledger.seed(1), builder.ledger.seed(3)
    first = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(first)
    verdict = verify(builder.options())
    assert errors(verdict) == ["segment.tree", "segment.tree"]


def test_remove_a_seal_in_the_middle(builder):
    for path in (builder.ledger.manifest(2), builder.ledger.signature(2), builder.ledger.token(2)):
        path.unlink()
    found = errors(verify(builder.options()))
    assert found.count("manifest.missing") == 1
    assert "token.number" in found


def test_remove_a_seal_and_close_the_gap_by_renaming(builder):
    for kind in ("manifest", "signature", "token", "request"):
        getattr(builder.ledger, kind)(3).replace(getattr(builder.ledger, kind)(2))
    found = errors(verify(builder.options()))
    assert "manifest.number" in found
    assert "manifest.missing" in found


def test_rewrite_all_with_the_ledgers_key_and_an_honest_authority_now(builder, tmp_path):
    """Root rewrites history, back-dates every close, and has all of it stamped today: the stamps are late."""
    forged = Builder(tmp_path / "forged" / "dugum1", seed=2)
    for _ in range(4):
        forged.seal(300, 5, stamp=False)
    today = forged.now + 6 * HOUR
    for seal in range(1, 5):
        forged.stamp(seal, today + timedelta(seconds=seal))
    verdict = verify(forged.options(as_of=today + HOUR / 6))
    assert codes(verdict).count("stamp.late") == 4
    assert "21604 s" in [finding.text for finding in verdict.findings if finding.code == "stamp.late"][-1]
    assert verdict.ok


def test_rewrite_all_with_the_attackers_own_authority(builder, tmp_path):
    """Back-dated stamps of an authority that nobody pinned; with its root as trust anchor it would pass."""
    rogue = Authority("Rogue TSA")
    forged = Builder(tmp_path / "forged" / "dugum1", seed=2, authority=rogue)
    for _ in range(4):
        forged.seal(300, 5)
    assert codes(verify(forged.options())) == []
    pinned = Trust(TrustAnchors.parse(builder.authority.root_pem))
    verdict = verify(forged.options(trust=pinned))
    assert len(errors(verdict)) == 4
    assert all(code.startswith("token.") for code in errors(verdict))


def test_drop_the_tail_and_go_on_from_there(tmp_path):
    """A fork: the last four hours are cut off, then the ledger continues; the heartbeat is missing."""
    builder = Builder(tmp_path / "dugum1")
    builder.seal(300)
    builder.seal(300, after=4 * HOUR + timedelta(seconds=2))
    verdict = verify(builder.options())
    assert codes(verdict) == ["seal.gap", "stamp.gap"]
    assert "14402 s" in text_of(verdict, "seal.gap")


def test_fork_cannot_widen_its_own_interval(tmp_path):
    builder = Builder(tmp_path / "dugum1")
    builder.seal(300)
    builder.interval_s = 10**6
    builder.seal(300, after=4 * HOUR)
    assert "seal.gap" in codes(verify(builder.options()))


def test_replace_a_token_by_a_later_valid_one(builder):
    builder.stamp(2, builder.now + timedelta(minutes=5))
    verdict = verify(builder.options())
    assert "token.digest" in errors(verdict)
    assert "token.order" in errors(verdict)


def test_replace_a_token_by_that_of_another_seal(builder):
    builder.ledger.token(2).write_bytes(builder.ledger.token(3).read_bytes())
    builder.ledger.request(2).unlink()
    found = errors(verify(builder.options()))
    assert set(found) == {"token.imprint", "token.digest"}


def test_replace_the_newest_token_by_a_late_one(builder):
    builder.stamp(4, builder.now + HOUR)
    verdict = verify(builder.options(as_of=builder.now + HOUR))
    assert codes(verdict) == ["stamp.late", "stamp.gap"]


def test_remove_a_listed_token(builder):
    builder.ledger.token(2).unlink()
    assert errors(verify(builder.options())) == ["token.lost"]


def test_token_that_no_later_seal_lists(builder):
    """Left out of the next manifests, a token could be replaced for ever."""
    builder.seal(5)
    builder.arrived.clear()
    builder.seal(5)
    builder.seal(5)
    assert codes(verify(builder.options())) == ["token.unlisted"]


def test_token_listed_twice_is_harmless(builder):
    builder.arrived.insert(0, 3)
    builder.seal(5)
    assert codes(verify(builder.options())) == ["token.repeated"]


def test_token_of_a_later_seal_cannot_be_listed(builder):
    builder.seal(5, files=(ListedFile("0" * 64, "seal-000009.tsr"),))
    assert errors(verify(builder.options())) == ["token.number"]


def test_edit_metadata_of_a_manifest(builder):
    path = builder.ledger.manifest(2)
    path.write_bytes(path.read_bytes().replace(b"# interval 3600", b"# interval 9999"))
    found = errors(verify(builder.options()))
    assert {
        "signature.wrong",
        "manifest.link",
        "head.root",
        "checkpoint.root",
        "token.imprint",
        "request.damaged",
    } == set(found)


def test_edit_a_manifest_and_everything_that_hangs_on_it_without_the_key(builder):
    thief = Ed25519PrivateKey.from_private_bytes(b"\x66" * 32)
    path = builder.ledger.manifest(4)
    text = path.read_bytes().replace(b"records 305", b"records 304")
    path.write_bytes(text)
    builder.manifests[3] = text
    builder.ledger.signature(4).write_bytes(thief.sign(text))
    builder.key = thief
    builder.put_heads()
    found = errors(verify(builder.options()))
    assert {"manifest.damaged", "signature.wrong", "checkpoint.damaged", "token.imprint"} <= set(found)


def test_exchange_the_ledgers_key(builder):
    other = Ed25519PrivateKey.from_private_bytes(b"\x66" * 32)
    for seal, text in enumerate(builder.manifests, 1):
        builder.ledger.signature(seal).write_bytes(other.sign(text))
    builder.key = other
    builder.put(builder.ledger.public_key, builder.public_pem)
    builder.put_heads()
    assert errors(verify(builder.options())) == ["key.changed"] * 4


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"no key", "key.damaged"),
        (
            X25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
            "key.damaged",
        ),
        (None, "key.missing"),
    ],
)
def test_key_file_that_is_none(builder, content, code):
    builder.ledger.public_key.unlink()
    if content is not None:
        builder.ledger.public_key.write_bytes(content)
    found = errors(verify(builder.options()))
    assert code in found
    assert "segment.digest" not in found


def test_remove_the_tail_with_nothing_outside(builder):
    """No structure shows this; its age does."""
    honest_now = builder.now + timedelta(minutes=10)
    folder = builder.folder
    shorter = Builder(folder.parent / "shorter" / "dugum1")
    shorter.seal(300, 5)
    verdict = verify(shorter.options(as_of=honest_now))
    assert verdict.ok
    assert codes(verdict) == ["tail.age"]


def test_truncated_head_beside_the_signed_checkpoint(builder):
    shorter = Checkpoint("dugum1", 3, merkle.root([entry_leaf(one) for one in builder.manifests[:3]]))
    builder.ledger.head.write_text(shorter.to_text())
    assert errors(verify(builder.options())) == ["tail.missing"]


def test_old_head_and_old_checkpoint_put_back(builder):
    """Both texts are genuine, but a signed seal stands behind them."""
    shorter = Checkpoint("dugum1", 3, merkle.root([entry_leaf(one) for one in builder.manifests[:3]]))
    builder.ledger.head.write_text(shorter.to_text())
    signature = builder.key.sign(shorter.to_text().encode())
    builder.ledger.checkpoint.write_text(note_with(shorter, builder.key.public_key(), signature))
    assert errors(verify(builder.options())) == ["tail.missing"]


def test_head_that_counts_more_than_there_is(builder):
    for size in (5, 10**17):
        builder.ledger.head.write_text(Checkpoint("dugum1", size, b"\0" * 32).to_text())
        found = errors(verify(builder.options()))
        assert "tail.missing" in found
    assert "checkpoint.behind" in found


def test_forged_checkpoint(builder):
    thief = Ed25519PrivateKey.from_private_bytes(b"\x66" * 32)
    checkpoint = Checkpoint("dugum1", 4, merkle.root([entry_leaf(one) for one in builder.manifests]))
    signature = thief.sign(checkpoint.to_text().encode())
    builder.ledger.checkpoint.write_text(note_with(checkpoint, builder.key.public_key(), signature))
    assert errors(verify(builder.options())) == ["checkpoint.damaged"]


def test_checkpoint_of_another_ledger(builder):
    other = Checkpoint("dugum2", 4, b"\0" * 32)
    builder.ledger.head.write_text(other.to_text())
    builder.ledger.checkpoint.write_text(
        note_with(other, builder.key.public_key(), builder.key.sign(other.to_text().encode()))
    )
    found = errors(verify(builder.options()))
    assert found == ["head.origin", "head.root", "checkpoint.origin", "checkpoint.root"]


@pytest.mark.parametrize(("name", "code"), [("head", "head"), ("checkpoint", "checkpoint")])
def test_head_texts_missing_or_damaged(builder, name, code):
    path = builder.folder / name
    text = path.read_bytes()
    for damaged in (b"", b"\xff" + text, text + b"x", text.replace(b"\n", b"\r\n")):
        path.write_bytes(damaged)
        assert errors(verify(builder.options())) == [f"{code}.damaged"]
    path.unlink()
    assert errors(verify(builder.options())) == [f"{code}.missing"]


def test_signatures_of_witnesses_may_follow_ours(builder):
    note = builder.ledger.checkpoint.read_text()
    builder.ledger.checkpoint.write_text(note + "— witness.example AAAAAAAA\n")
    assert codes(verify(builder.options())) == []
    builder.ledger.checkpoint.write_text(note + "stray line\n")
    assert errors(verify(builder.options())) == ["checkpoint.damaged"]
    ours = note.splitlines(keepends=True)
    builder.ledger.checkpoint.write_text("".join([*ours[:4], "— witness.example AAAAAAAA\n", *ours[4:]]))
    assert errors(verify(builder.options())) == ["checkpoint.damaged"]


def test_both_head_texts_gone_with_seals_left(builder):
    builder.ledger.head.unlink()
    builder.ledger.checkpoint.unlink()
    verdict = verify(builder.options())
    assert errors(verdict) == ["head.missing", "checkpoint.missing"]
    assert verdict.seals == 4


def test_missing_signature_and_short_signature(builder):
    builder.ledger.signature(2).unlink()
    builder.ledger.signature(3).write_bytes(b"x" * 63)
    builder.ledger.signature(4).write_bytes(b"x" * 65)
    assert errors(verify(builder.options())) == ["signature.missing", "signature.wrong", "file.size"]


def test_duplicated_segment(builder):
    """A segment is sealed a second time, by someone who holds the key."""
    again = builder.parsed[0].segments[0]
    builder.seal_segments((again,), builder.now + HOUR)
    found = verify(builder.options())
    assert errors(found) == ["segment.repeated"]


def test_same_segment_twice_in_one_manifest_does_not_parse(builder):
    again = builder.parsed[0].segments[0]
    builder.seal_segments((again, again), builder.now + HOUR)
    assert "manifest.damaged" in errors(verify(builder.options()))


def test_manifest_without_back_link_or_key(builder):
    manifest = builder.parsed[-1]
    bare = Manifest(
        "dugum1", 5, builder.now, builder.now + HOUR, 3600, (), (ListedFile("0" * 64, "seal-000001.tsr"),)
    )  # fmt: skip
    builder.commit(bare)
    assert manifest.seal == 4
    found = errors(verify(builder.options()))
    assert {"key.changed", "manifest.link", "token.digest"} <= set(found)


def test_symlinks_are_not_followed(builder, tmp_path):
    """A link instead of a file, of a folder, and of a token: none of them is read."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    segment_path = builder.ledger.segment(3, "access")
    shutil.move(segment_path, elsewhere / "s")
    segment_path.symlink_to(elsewhere / "s")
    token = builder.ledger.token(4)
    shutil.move(token, elsewhere / "t")
    token.symlink_to(elsewhere / "t")
    found = errors(verify(builder.options()))
    assert found.count("file.kind") == 2
    assert "segment.missing" in found
    shutil.move(builder.ledger.seals / "000", elsewhere / "000")
    (builder.ledger.seals / "000").symlink_to(elsewhere / "000")
    assert "tail.missing" in errors(verify(builder.options()))


def test_huge_claims_in_frame_headers(builder):
    """A frame that claims 2**60 bytes, and one that claims little and holds much: neither is expanded."""
    path = builder.ledger.segment(3, "access")
    genuine = path.read_bytes()
    claim = b"\x28\xb5\x2f\xfd" + bytes([0b11000000, 0x50]) + (2**60).to_bytes(8, "little")
    path.write_bytes(claim + b"\x01\x00\x00")
    assert errors(verify(builder.options())) == ["segment.damaged"]
    header = b"\x28\xb5\x2f\xfd" + bytes([0b10000000, 0x50]) + (1 << 20).to_bytes(4, "little")
    run = ((128 * 1024) << 3 | 1 << 1).to_bytes(3, "little") + b"A"
    last = ((128 * 1024) << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"A"
    path.write_bytes(header + run * 20_000 + last)
    assert errors(verify(builder.options())) == ["segment.damaged"]
    builder.put(builder.ledger.segment(99, "access"), header + run * 20_000 + last)
    path.write_bytes(genuine)
    verdict = verify(builder.options())
    assert codes(verdict) == ["unsealed.records", "unsealed.tail"]


def test_more_content_than_the_manifest_states_stops_early(builder):
    rewrite_segment(builder, 3, lambda lines: lines * 50)
    assert errors(verify(builder.options())) == ["segment.damaged"]


def test_lines_that_are_no_lines(builder):
    rewrite_segment(builder, 3, lambda lines: [b"x", *lines[:-2], b""])
    found = errors(verify(builder.options()))
    assert {"segment.digest", "segment.line", "segment.tree", "segment.times"} <= set(found)


def test_frame_that_ends_inside_a_record(builder):
    path = builder.ledger.segment(3, "access")
    content = b"".join(segment.expand(frame) for _, frame in segment.frames_of(path.read_bytes()))
    worker = segment.compressor(1)
    path.write_bytes(segment.compress(content[:101], worker) + segment.compress(content[101:], worker))
    assert errors(verify(builder.options())) == ["segment.damaged"]


def test_frame_table_that_lies(builder):
    """The table is not signed: a reader that believed it would answer with another record."""
    path = builder.ledger.segment(3, "access")
    genuine = path.read_bytes()
    end = sum(len(frame) for _, frame in segment.frames_of(genuine))
    table = segment.parse_table(genuine[end:])
    path.write_bytes(genuine[:end] + segment.pack_table(replace(table, records=299)))
    assert errors(verify(builder.options())) == ["segment.table"]
    path.write_bytes(genuine[:end])
    assert errors(verify(builder.options())) == ["segment.table"]
    path.write_bytes(genuine + b"behind")
    assert errors(verify(builder.options())) == ["segment.table"]


def test_oversized_files_are_refused_unread(builder):
    with builder.ledger.segment(5, "access").open("r+b") as sparse:
        sparse.truncate(MAX_STORED_BYTES + 1)
    with builder.ledger.manifest(2).open("r+b") as sparse:
        sparse.truncate(2**40)
    with builder.ledger.token(1).open("r+b") as sparse:
        sparse.truncate(2**40)
    builder.put(builder.ledger.segment(99, "access"), b"")
    with builder.ledger.segment(99, "access").open("r+b") as sparse:
        sparse.truncate(MAX_STORED_BYTES + 1)
    found = errors(verify(builder.options()))
    assert found.count("file.size") == 4


def test_request_that_is_no_request(builder):
    builder.ledger.request(2).write_bytes(b"0\x00")
    with builder.ledger.request(3).open("r+b") as sparse:
        sparse.truncate(2**30)
    assert sorted(errors(verify(builder.options()))) == ["file.size", "request.damaged"]


def test_waiting_request_is_looked_at_too(builder):
    builder.seal(5, stamp=False)
    builder.put(builder.ledger.request(5), builder.ledger.request(4).read_bytes())
    assert errors(verify(builder.options())) == ["request.damaged"]


def test_digests_speak_of_content_so_recompression_is_seen_only_in_the_table(builder):
    """Other frames with the same content are the same evidence, when the table fits them."""
    path = builder.ledger.segment(3, "access")
    content = b"".join(segment.expand(frame) for _, frame in segment.frames_of(path.read_bytes()))
    path.write_bytes(stored(content.split(b"\n")[:-1], frame_lines=7)[1])
    verdict = verify(builder.options())
    assert codes(verdict) == []
    assert sha256(content).hexdigest() == builder.parsed[1].segments[0].sha256


@pytest.mark.parametrize("moment", [b"0001-01-01T00:00:00.0+23:59", b"9999-12-31T23:59:59.9-23:59"])
def test_times_outside_the_calendar_do_not_stop_the_verifier(builder, moment):
    """Python cannot hold these as UTC; the manifest is damaged, the rest is checked."""
    path = builder.ledger.manifest(2)
    text = path.read_bytes()
    first = text.index(b" first ") + 7
    path.write_bytes(text[:first] + moment + text[first + 27 :])
    verdict = verify(builder.options())
    assert "manifest.damaged" in errors(verdict)
    assert verdict.records == 3 * 305
