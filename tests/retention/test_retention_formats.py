from __future__ import annotations

import base64
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256, shake_256
from pathlib import Path

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from retention import layout, merkle, segment
from retention.checkpoint import Checkpoint, entry_leaf, note_with, open_note
from retention.manifest import MAX_MANIFEST_BYTES, ListedFile, Manifest, Note, SealedSegment
from retention.segment import Frame, FrameTable, GrowingTree
from some.errors import IntegrityError
from some.record import RecordBlock, RecordClass, RecordRef, escape, escape_lines

TIME = datetime(2026, 11, 23, 9, 0, 0, 5, tzinfo=UTC)
REF = RecordRef("dugum1", 1, 0)
ACCESS = RecordClass("access")
names = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
times = st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - zone is given


def mth(entries: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return sha256(b"\x01" + mth(entries[:split]) + mth(entries[split:])).digest()


@given(times, names, names, st.lists(st.binary(max_size=60), min_size=1, max_size=20))
def test_lines_of_a_block_read_back_as_its_records(at, source, origin, raws):
    payload = b"".join(escape(raw) + b"\n" for raw in raws)
    block = RecordBlock(at, source, origin, ACCESS, payload, len(raws))
    lines = segment.lines_of(block)
    assert lines.count(b"\n") == len(raws)
    for line, raw in zip(segment.lines_in(lines), raws, strict=True):
        record = segment.parse_line(line, REF, ACCESS)
        assert (record.received_at, record.source, record.origin, record.raw) == (at, source, origin, raw)
        assert segment.received_at_of(line) == at


@given(st.lists(st.binary(max_size=60).map(lambda raw: raw.replace(b"\n", b"")), min_size=1, max_size=20))
def test_escaping_a_block_is_escaping_each_message(raws):
    assert escape_lines(b"".join(raw + b"\n" for raw in raws)) == b"".join(escape(raw) + b"\n" for raw in raws)


@pytest.mark.parametrize(
    "line", [b"", b"a\tb\tc", b"time\tb\tc\td", b"2026-11-23T09:00:00\tb\tc\td", b"2026-11-23T09:00:00Z\t\xff\tc\td"]
)
def test_other_lines_are_integrity_errors(line):
    with pytest.raises(IntegrityError, match="not a segment line"):
        segment.parse_line(line, REF, ACCESS)


@pytest.mark.parametrize("content", [b"", b"a", b"a\nb"])
def test_a_frame_ends_with_a_whole_line(content):
    with pytest.raises(IntegrityError):
        segment.lines_in(content)


def test_salts_come_from_shake256_by_group():
    seed = bytes(range(32))
    for position in (0, 1, 4095, 4096, 10_000):
        group, index = divmod(position, 4096)
        stream = shake_256(seed + group.to_bytes(8, "big")).digest(4096 * 16)
        assert segment.salt_of(seed, position) == stream[index * 16 : index * 16 + 16]
        assert segment.leaves([b"x"] * (index + 1), seed, group * 4096)[index] == segment.leaf(
            segment.salt_of(seed, position), b"x"
        )
    with pytest.raises(ValueError, match="does not start a group"):
        segment.leaves([b"x"], seed, 5)


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 3 * 4096 + 5), st.lists(st.integers(0, 5000), max_size=6), st.data())
def test_a_growing_tree_is_the_tree_and_its_paths_lead_to_the_root(count, cuts, data):
    seed = os.urandom(32)
    lines = [b"%d" % number for number in range(count)]
    tree, at = GrowingTree(seed), 0
    for cut in [*cuts, count]:
        tree.add(lines[at : at + cut])
        at = min(at + cut, count)
        assert tree.records == at
    root = tree.root()
    assert root == segment.tree_root(lines, seed)
    position = data.draw(st.integers(0, count - 1))
    hashes = segment.leaves(lines, seed, 0)
    groups = [hashes[start : start + 4096] for start in range(0, count, 4096)]
    path = segment.group_paths([merkle.root(group) for group in groups], groups[position // 4096], position)
    assert path == merkle.path(hashes, position)
    assert merkle.root_from_path(hashes[position], position, count, path) == root


def test_the_empty_tree():
    assert GrowingTree(bytes(32)).root() == merkle.EMPTY_ROOT == merkle.root([]) == merkle.Frontier().root() == mth([])


def test_the_reference_vector_of_certificate_transparency():
    entries = [bytes.fromhex(text) for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )]  # fmt: skip
    root = merkle.root([merkle.leaf_hash(entry) for entry in entries])
    assert root.hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_roots_paths_and_frontier_agree_with_the_rfc_for_every_small_size():
    entries = [b"%d" % number for number in range(70)]
    frontier = merkle.Frontier()
    for size in range(1, 71):
        hashes = [merkle.leaf_hash(entry) for entry in entries[:size]]
        copied = frontier.copy()
        frontier.append(hashes[-1])
        assert copied.size == size - 1
        assert frontier.size == size
        assert merkle.root(hashes) == mth(entries[:size]) == frontier.root()
        for index in range(size):
            path = merkle.path(hashes, index)
            assert merkle.root_from_path(hashes[index], index, size, path) == mth(entries[:size])
            assert len(merkle.path_sides(index, size)) == len(path)
            with pytest.raises(ValueError, match="long"):
                merkle.root_from_path(hashes[index], index, size, [*path, bytes(32)])
            if path:
                with pytest.raises(ValueError, match="short"):
                    merkle.root_from_path(hashes[index], index, size, path[:-1])
                node = hashes[index]
                for side, sibling in zip(merkle.path_sides(index, size), path, strict=True):
                    node = merkle.node_hash(sibling, node) if side == "L" else merkle.node_hash(node, sibling)
                assert node == mth(entries[:size])
        for index in (-1, size):
            with pytest.raises(ValueError, match="no leaf"):
                merkle.path(hashes, index)
            with pytest.raises(ValueError, match="no leaf"):
                merkle.root_from_path(hashes[0], index, size, [])


@given(st.binary(min_size=1, max_size=5000))
def test_a_frame_expands_to_what_it_holds_and_every_flip_is_noticed(content):
    frame = segment.compress(content, segment.compressor(1))
    assert segment.expand(frame) == content
    assert segment.frame_length(frame + b"more", 0) == len(frame)
    assert list(segment.frames_of(frame + frame[:-1])) == [(0, frame)]
    for cut in (1, 4, 5, len(frame) // 2, len(frame) - 1):
        assert segment.frame_length(frame[:cut], 0) is None
        with pytest.raises(IntegrityError):
            segment.expand(frame[:cut])
    with pytest.raises(IntegrityError):
        segment.expand(frame + frame)


def test_every_flipped_bit_of_a_frame_is_noticed():
    frame = segment.compress(b"2026-11-23T09:00:00.123456Z\tgw\tudp\tbir\n" * 3, segment.compressor(1))
    for at in range(len(frame)):
        for bit in range(8):
            changed = bytearray(frame)
            changed[at] ^= 1 << bit
            try:
                expanded = segment.expand(bytes(changed))
            except IntegrityError:
                continue
            assert expanded == segment.expand(frame)  # e.g. a reserved bit: harmless


def test_a_frame_that_claims_too_much_or_nothing_is_not_expanded():
    with pytest.raises(IntegrityError, match="claims"):
        segment.expand(zstandard.ZstdCompressor(write_content_size=False).compress(b"x"))
    lying = b"\x28\xb5\x2f\xfd\xe4" + (2**40).to_bytes(8, "little") + b"\x01\x00\x00"
    with pytest.raises(IntegrityError, match="claims"):
        segment.expand(lying)


def test_blocks_of_every_kind_are_walked():
    """Raw, repeated and compressed blocks (RFC 8878 section 3.1.1.2), with and without checksum."""
    for content in (os.urandom(300_000), bytes(300_000), b"abc" * 100_000, b""):
        for checksum in (True, False):
            frame = zstandard.ZstdCompressor(write_checksum=checksum).compress(content)
            assert segment.frame_length(frame, 0) == len(frame)
    assert segment.frame_length(b"\x28\xb5\x2f\xfd\x24", 0) is None


frame_tables = st.lists(st.tuples(*[st.integers(1, 2**40)] * 3), min_size=1, max_size=30).map(
    lambda steps: [tuple(sum(step[k] for step in steps[:n]) for k in range(3)) for n in range(len(steps) + 1)]
)


@given(frame_tables, st.data())
def test_a_table_reads_back_and_finds_every_record(places, data):
    table = FrameTable(tuple(Frame(*place) for place in places[:-1]), *places[-1])
    packed = segment.pack_table(table)
    assert segment.table_length(packed) == len(packed)
    assert segment.parse_table(packed) == table
    position = data.draw(st.integers(0, table.records - 1))
    index = table.find(position)
    assert table.frames[index].first <= position
    assert index + 1 == len(table.frames) or position < table.frames[index + 1].first
    offset, length = table.span(index)
    assert offset == places[index][0]
    assert offset + length == places[index + 1][0]
    for outside in (-1, table.records):
        with pytest.raises(ValueError, match="no record"):
            table.find(outside)
    with pytest.raises(IntegrityError):
        segment.parse_table(packed[:-1])
    assert (
        zstandard.ZstdDecompressor()
        .stream_reader(packed + segment.compress(b"x", segment.compressor(1)), read_across_frames=True)
        .read()
        == b"x"
    )


@pytest.mark.parametrize("packed", [b"", b"x" * 7, b"x" * 100])
def test_other_tables_are_integrity_errors(packed):
    with pytest.raises(IntegrityError):
        segment.parse_table(packed)
    for frames in ((), (Frame(0, 0, 1),), (Frame(0, 0, 0), Frame(5, 5, 0))):
        with pytest.raises(IntegrityError):
            segment.parse_table(segment.pack_table(FrameTable(frames, 10, 10, 10)))


def sealed(number: int = 1, **changes) -> SealedSegment:
    made = SealedSegment(number, "access", 2, 90, TIME, TIME + timedelta(seconds=1), bytes(32), "a" * 64)
    return replace(made, **changes)


def manifest(**changes) -> Manifest:
    files = (ListedFile("b" * 64, "dugum1.pub.pem"),)
    made = Manifest(
        "dugum1", 2, TIME, TIME + timedelta(hours=1), 3600, (sealed(), sealed(2)), files, (Note("torn", "8 bytes"),)
    )
    return replace(made, **changes)


def test_a_manifest_reads_back_and_is_a_sha256sum_file():
    for one in (manifest(), manifest(segments=()), manifest(trial=True), manifest(notes=()), manifest(files=())):
        text = one.to_bytes()
        assert Manifest.parse(text) == one
        listed = [line for line in text.decode().splitlines() if not line.startswith("#")]
        assert listed == [f"{file.sha256}  {file.name}" for file in one.listed]
    assert manifest().records == 4
    assert manifest().digest_of("dugum1.pub.pem") == "b" * 64
    assert manifest().digest_of("other") is None
    assert sealed().torn_name == "seg-000001.access.torn"
    assert "deneme" in manifest(trial=True).to_bytes().decode()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"# some-manifest v1", b"# some-manifest v2"),
        (b"# ledger", b"# Ledger"),
        (b"# seal 2", b"# seal 02"),
        (b"# seal 2", b"# seal two"),
        (b"# records 4", b"# records 5"),
        (b"# opened 2026", b"# opened 2o26"),
        (b"seg-000002.access.log\n", b"seg-000003.access.log\n"),
        (b"  dugum1.pub.pem", b" *dugum1.pub.pem"),
        (b"  dugum1.pub.pem", b"  seg-000001.access.log"),
        (b"bbb  dugum1", b"BBB  dugum1"),
        (b"# note torn", b"# note Torn"),
        (b"rfc6962-sha256-salt16", b"rfc6962-sha256-salt17"),
        (b"\n", b"\r\n"),
        (b"dugum1.pub.pem\n", b"dugum1.pub.pem"),
        (b"8 bytes", b"8 \xff"),
    ],
)
def test_any_other_manifest_is_an_integrity_error(old, new):
    text = manifest().to_bytes()
    assert old in text
    with pytest.raises(IntegrityError):
        Manifest.parse(text.replace(old, new))


def test_a_manifest_needs_every_listed_segment_and_has_a_limit():
    text = manifest(files=(), notes=()).to_bytes()
    with pytest.raises(IntegrityError, match="not listed"):
        Manifest.parse(text[: text.rindex(b"a" * 64)])
    with pytest.raises(IntegrityError, match="a manifest of"):
        Manifest.parse(bytes(MAX_MANIFEST_BYTES + 1))
    with pytest.raises(IntegrityError):
        Manifest.parse(b"# some-manifest v1\n")
    with pytest.raises(IntegrityError):
        Manifest.parse(manifest(trial=True).to_bytes().replace(b"deneme", b"ciddi"))


def test_a_checkpoint_and_its_note_read_back():
    key = Ed25519PrivateKey.generate()
    checkpoint = Checkpoint("dugum1", 8412, sha256(b"x").digest())
    assert Checkpoint.parse(checkpoint.to_text()) == checkpoint
    assert Checkpoint.empty("dugum1").root == merkle.EMPTY_ROOT
    assert entry_leaf(b"m") == merkle.leaf_hash(sha256(b"m").digest())
    signature = key.sign(checkpoint.to_text().encode())
    note = note_with(checkpoint, key.public_key(), signature)
    assert open_note(note, key.public_key()) == checkpoint
    cosigned = note + "\u2014 witness.example.org AAAA\n\u2014 dugum1 !!!\n\u2014 dugum1 AAAA\n"
    assert open_note(cosigned, key.public_key()) == checkpoint
    text, _, line = note.partition("\n\n")
    assert open_note(f"{text}\n\n\u2014 dugum1 ?\n\u2014 dugum1 AAAA\n{line}", key.public_key()) == checkpoint
    for other in (note.replace("8412", "8413"), text + "\n", f"{text}\n\n\u2014 other {line.split()[2]}\n"):
        with pytest.raises(IntegrityError):
            open_note(other, key.public_key())
    with pytest.raises(IntegrityError, match="not signed"):
        open_note(note, Ed25519PrivateKey.generate().public_key())


@pytest.mark.parametrize(
    "change", [("dugum1", "Dugum1"), ("\n5\n", "\n05\n"), ("\n5\n", "\n-5\n"), ("=\n", "\n"), ("=\n", "=\n\n")]
)
def test_any_other_checkpoint_is_an_integrity_error(change):
    text = Checkpoint("dugum1", 5, bytes(32)).to_text()
    assert change[0] in text
    with pytest.raises(IntegrityError):
        Checkpoint.parse(text.replace(*change))


def test_a_checkpoint_with_stray_bits_is_an_integrity_error():
    text = Checkpoint("dugum1", 5, bytes(32)).to_text()
    stray = text.replace("A=", "B=")
    assert base64.b64decode(stray.splitlines()[2]) == bytes(32)
    with pytest.raises(IntegrityError, match="stray bits"):
        Checkpoint.parse(stray)


def test_names_of_files_are_those_of_the_layout():
    ledger = layout.Ledger(Path("/d/archive/dugum1"), "dugum1")
    expected = {
        ledger.segment(33637, "access"): "segments/033/seg-033637.access.log.zst",
        ledger.seed(33637): "segments/033/seg-033637.seed",
        ledger.torn(33637, "access"): "segments/033/seg-033637.access.torn",
        ledger.manifest(8409): "seals/008/seal-008409.manifest",
        ledger.signature(8409): "seals/008/seal-008409.sig",
        ledger.request(8409): "seals/008/seal-008409.tsq",
        ledger.token(8409): "seals/008/seal-008409.tsr",
        ledger.arrived: "arrived",
        ledger.public_key: "dugum1.pub.pem",
        ledger.head: "head",
        ledger.checkpoint: "checkpoint",
        ledger.reserve: "reserve",
        ledger.segment(1_234_567, "dns"): "segments/1234/seg-1234567.dns.log.zst",
    }
    assert {path: str(path.relative_to(ledger.folder)) for path in expected} == expected
    assert layout.parse_segment_name("seg-033637.access.log.zst") == (33637, "access")
    assert layout.parse_segment_name(layout.segment_name(7, "dns")) == (7, "dns")
    assert layout.parse_torn_name(layout.torn_name(7, "dns")) == (7, "dns")
    assert layout.parse_token_name(layout.token_name(7)) == 7
    assert layout.parse_seed_name("seg-000007.seed") == 7
    for junk in ("", "seg-7.access.log", ".seg-000001.access.log.zst.5.new", "seal-1.tsr"):
        assert layout.parse_segment_name(junk) is None
        assert layout.parse_torn_name(junk) is None
        assert layout.parse_token_name(junk) is None
        assert layout.parse_seed_name(junk) is None
