"""The manifest: one text per value, one value per text, and a file for `sha256sum -c`."""

from __future__ import annotations

import contextlib
import subprocess
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retention.layout import (
    Ledger,
    manifest_name,
    parse_seed_name,
    parse_segment_name,
    parse_token_name,
    parse_torn_name,
    segment_name,
    token_name,
    torn_name,
)
from retention.manifest import MAX_MANIFEST_BYTES, ListedFile, Manifest, Note, SealedSegment
from some.errors import IntegrityError

MOMENTS = st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1000 <= moment.year <= 9000)
NUMBERS = st.integers(0, 10**18 - 1)
DIGESTS = st.binary(min_size=32, max_size=32)
CLASSES = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)
SEGMENTS = st.builds(
    SealedSegment, NUMBERS, CLASSES, NUMBERS, NUMBERS, MOMENTS, MOMENTS, DIGESTS, DIGESTS.map(bytes.hex)
)
FILES = st.builds(ListedFile, DIGESTS.map(bytes.hex), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", fullmatch=True))
NOTES = st.builds(
    Note,
    st.from_regex(r"[a-z][a-z0-9-]{0,31}", fullmatch=True),
    st.text(st.characters(blacklist_categories=("Cc", "Cs")), min_size=1, max_size=400),
)
MANIFESTS = st.builds(
    Manifest,
    st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
    st.integers(1, 10**18),
    MOMENTS,
    MOMENTS,
    st.integers(0, 10**6),
    st.lists(SEGMENTS, max_size=4, unique_by=lambda one: one.number).map(tuple),
    st.lists(FILES, min_size=1, max_size=5, unique_by=lambda one: one.name).map(tuple),
    st.lists(NOTES, max_size=4).map(tuple),
    st.booleans(),
)
TIME = datetime(2026, 11, 23, 9, tzinfo=UTC)


def example(**changes) -> Manifest:
    sealed = SealedSegment(2, "access", 3, 99, TIME, TIME + timedelta(hours=1), b"\1" * 32, "ab" * 32)
    values = {
        "ledger": "dugum1", "seal": 2, "opened_at": TIME, "closed_at": TIME + timedelta(hours=1), "interval_s": 3600,
        "segments": (sealed,), "files": (ListedFile("cd" * 32, "dugum1.pub.pem"),),
        "notes": (Note("dropped", "12 udp"),),
    }  # fmt: skip
    return Manifest(**{**values, **changes})


@given(MANIFESTS)
def test_round_trip(manifest):
    assert Manifest.parse(manifest.to_bytes()) == manifest


@given(MANIFESTS, st.data())
def test_no_other_bytes_give_the_same_value(manifest, data):
    text = manifest.to_bytes()
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + bytes([text[at] ^ data.draw(st.integers(1, 255))]) + text[at + 1 :]
    with contextlib.suppress(IntegrityError):
        assert Manifest.parse(changed) != manifest


@given(st.binary(max_size=300))
def test_junk_is_refused_in_words(junk):
    with pytest.raises(IntegrityError):
        Manifest.parse(junk)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"some-manifest v1", b"some-manifest v2"),
        (b"# seal 2", b"# seal 02"),
        (b"# seal 2", b"# seal two"),
        (b"# records 3", b"# records 4"),
        (b"# interval 3600\n", b""),
        (b"# interval 3600", b"# trial something\n# interval 3600"),
        (b"# note dropped 12 udp", b"# note Dropped 12 udp"),
        (b"segment 000002", b"segment 2"),
        (b"\n" + b"ab" * 32 + b"  seg-000002.access.log", b""),
        (b"  seg-000002.access.log", b"  seg-000003.access.log"),
        (b"  dugum1.pub.pem", b"  seg-000002.access.log"),
        (b"  dugum1.pub.pem", b" *dugum1.pub.pem"),
        (b"  dugum1.pub.pem", b"  ../dugum1.pub.pem"),
        (b"cd" * 32, b"CD" * 32),
        (b"opened 2026-11-23T09:00:00.000000Z", b"opened 2026-11-23T12:00:00.000000+03:00"),
        (b"opened 2026-11-23T09:00:00.000000Z", b"opened 2026-11-23T09:00:00.000000"),
        (b"opened 2026-11-23T09:00:00.000000Z", b"opened 2026-13-23T09:00:00.000000Z"),
        (b"dugum1.pub.pem\n", b"dugum1.pub.pem"),
        (b"dugum1.pub.pem\n", b"dugum1.pub.pem\n\n"),
        (b"12 udp", b"12 \xff"),
    ],
)
def test_what_does_not_read_back_is_refused(old, new):
    text = example().to_bytes()
    assert old in text
    with pytest.raises(IntegrityError):
        Manifest.parse(text.replace(old, new))


def test_segment_without_its_digest_is_refused():
    text = example().to_bytes()
    with pytest.raises(IntegrityError, match="not listed"):
        Manifest.parse(text[: text.index(b"ab" * 32)])


def test_trial_is_said_in_the_text():
    assert b"\n# trial deneme, hukuki degeri yoktur\n" in example(trial=True).to_bytes()
    assert b"trial" not in example().to_bytes()


def test_size_is_bounded():
    with pytest.raises(IntegrityError, match="bytes"):
        Manifest.parse(b"#" * (MAX_MANIFEST_BYTES + 1))


def test_digests_by_name():
    manifest = example()
    assert manifest.digest_of("seg-000002.access.log") == "ab" * 32
    assert manifest.digest_of("dugum1.pub.pem") == "cd" * 32
    assert manifest.digest_of("other") is None
    assert manifest.segments[0].torn_name == "seg-000002.access.torn"


def test_stock_sha256sum_reads_it(tmp_path):
    contents = {"seg-000002.access.log": b"content\n", "dugum1.pub.pem": b"key"}
    digests = {name: sha256(content).hexdigest() for name, content in contents.items()}
    sealed = SealedSegment(2, "access", 1, 8, TIME, TIME, b"\1" * 32, digests["seg-000002.access.log"])
    manifest = example(segments=(sealed,), files=(ListedFile(digests["dugum1.pub.pem"], "dugum1.pub.pem"),))
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "m").write_bytes(manifest.to_bytes())
    command = ["sha256sum", "--strict", "-c", "m"]
    good = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={"LC_ALL": "C"}, check=False)
    assert (good.returncode, good.stdout.count(": OK\n")) == (0, 2)


def test_names_have_one_spelling():
    assert segment_name(33637, "access") == "seg-033637.access.log"
    assert (
        parse_segment_name("seg-033637.access.log.zst")
        == parse_segment_name("seg-033637.access.log")
        == (33637, "access")
    )
    assert parse_torn_name(torn_name(7, "dns")) == (7, "dns")
    assert parse_seed_name("seg-000007.seed") == 7
    assert parse_token_name(token_name(12)) == 12
    assert manifest_name(8409) == "seal-008409.manifest"
    for wrong in ("seg-1.access.log", "seg-000001.Access.log", "seal-1.tsr", "x", "seg-000001.access.log.gz"):
        assert (parse_segment_name(wrong), parse_token_name(wrong)) == (None, None)
        assert (parse_torn_name(wrong), parse_seed_name(wrong)) == (None, None)


def test_places_are_those_of_the_spec(tmp_path):
    ledger = Ledger(tmp_path, "dugum1")
    shown = [
        ledger.public_key, ledger.head, ledger.checkpoint, ledger.reserve, ledger.arrived / token_name(8408),
        ledger.segment(33637, "access"), ledger.seed(33637), ledger.torn(33637, "access"),
        ledger.manifest(8409), ledger.signature(8409), ledger.request(8409), ledger.token(8409),
    ]  # fmt: skip
    assert [str(path.relative_to(tmp_path)) for path in shown] == [
        "dugum1.pub.pem", "head", "checkpoint", "reserve", "arrived/seal-008408.tsr",
        "segments/033/seg-033637.access.log.zst", "segments/033/seg-033637.seed", "segments/033/seg-033637.access.torn",
        "seals/008/seal-008409.manifest", "seals/008/seal-008409.sig", "seals/008/seal-008409.tsq",
        "seals/008/seal-008409.tsr",
    ]  # fmt: skip
