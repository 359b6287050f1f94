"""A bundle is checked by its own guide, with stock tools only: the commands are taken out of DOGRULAMA.md and run."""

from __future__ import annotations

import re
import shutil
import subprocess
import zipfile
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from ledger_builder import Builder, line
from small_authority import Authority

from retention.bundle import Bundle, export_record, export_seal, write_files
from retention.manifest import ListedFile
from retention.proof import Source
from retention.segment import leaf
from retention.tsa.trust import Trust, TrustAnchors
from some.errors import BadInput, IntegrityError, NotFound
from some.record import RecordRef

if TYPE_CHECKING:
    from pathlib import Path

STOCK = [
    "sh",
    "sha256sum",
    "openssl",
    "zstd",
    "grep",
    "od",
    "cat",
    "head",
    "tail",
    "dd",
    "mktemp",
    "mv",
    "rm",
    "wc",
    "printf",
]
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="session")
def stock(tmp_path_factory) -> Path:
    """Give a PATH that holds nothing but stock tools; skip where one is missing."""
    folder = tmp_path_factory.mktemp("stock")
    for tool in STOCK:
        found = shutil.which(tool)
        if found is None:
            pytest.skip(f"{tool} is not installed: the guide's commands cannot be run")
        (folder / tool).symlink_to(found)
    return folder


def run_guide(folder: Path, stock: Path) -> bool:
    """Run the guide's commands in `folder` and say whether every step, and no step twice, printed TAMAM."""
    count = len(BLOCK.findall((folder / "DOGRULAMA.md").read_text()))
    return steps_of(folder, stock) == [(str(number), "TAMAM") for number in range(1, count + 1)]


def steps_of(folder: Path, stock: Path) -> list[tuple[str, str]]:
    """Return what the guide's steps print, one shell for all of them as when a person types."""
    blocks = BLOCK.findall((folder / "DOGRULAMA.md").read_text())
    assert blocks
    done = subprocess.run(
        ["sh", "-c", "\n".join(blocks)],
        cwd=folder,
        env={"PATH": str(stock)},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=60,
    )
    return re.findall(r"^ADIM (\d+) (TAMAM|HATA)$", done.stdout, re.MULTILINE)


def passes(bundle: Bundle | Path, stock: Path, tmp_path: Path) -> bool:
    """Check a copy in a clean folder, so that nothing is left behind in the bundle."""
    origin = bundle.path if isinstance(bundle, Bundle) else bundle
    copy = tmp_path / "clean"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(origin, copy)
    return run_guide(copy, stock)


@pytest.fixture
def builder(tmp_path):
    builder = Builder(tmp_path / "archive" / "dugum1")
    for counts in ((300, 5), (40, 2), (), (7,)):
        builder.seal(*counts)
    return builder


def source_of(builder: Builder, **changes: object) -> Source:
    options = builder.options(**changes)
    return Source.open(builder.folder, builder.name, options.trust, options.as_of)


@pytest.mark.parametrize("seal", [1, 2, 3, 4])
def test_seal_bundle_passes_by_its_own_guide(builder, tmp_path, stock, seal):
    bundle = export_seal(source_of(builder), seal, tmp_path / "bundle")
    assert bundle.stamped
    assert passes(bundle, stock, tmp_path)
    assert not [name for name in bundle.files if name.endswith(".seed")]


@pytest.mark.parametrize("ref", [(1, 0), (1, 299), (1, 123), (2, 4), (3, 39), (4, 1), (5, 6)])
def test_record_bundle_passes_by_its_own_guide(builder, tmp_path, stock, ref):
    bundle = export_record(source_of(builder), RecordRef("dugum1", *ref), tmp_path / "bundle")
    assert passes(bundle, stock, tmp_path)


def test_record_bundle_discloses_no_other_record(builder, tmp_path):
    """No segment, no seed, no line but the one, and no sibling hash that could be guessed without its salt."""
    bundle = export_record(source_of(builder), RecordRef("dugum1", 1, 123), tmp_path / "bundle")
    contents = {name: (bundle.path / name).read_bytes() for name in bundle.files}
    lines = builder.lines(300, builder.start + timedelta(seconds=1))
    assert contents["kayit.satir"] == lines[123]
    for other in lines[:123] + lines[124:]:
        message = other.split(b"\t", 3)[3]
        assert not any(message in content for content in contents.values())
    assert not [name for name in contents if name.startswith("seg-")]
    seed = builder.ledger.seed(1).read_bytes()
    assert not any(seed in content for content in contents.values())
    unsalted = {leaf(b"", other) for other in lines}
    siblings = {contents["kayit.yol"][at : at + 32] for at in range(0, len(contents["kayit.yol"]), 32)}
    assert not siblings & unsalted


def test_altered_record_is_refused(builder, tmp_path, stock):
    """Also when whoever altered it put the new digest into the list of files."""
    bundle = export_record(source_of(builder), RecordRef("dugum1", 1, 123), tmp_path / "bundle")
    path = bundle.path / "kayit.satir"
    path.write_bytes(path.read_bytes().replace(b"message", b"massage"))
    relist(bundle.path, path)
    assert not passes(bundle, stock, tmp_path)


def test_script_that_prints_what_the_manifest_says_is_not_run_for_proof(builder, tmp_path, stock):
    """An altered record with a script that lies about its path: the guide knows the script's digest."""
    bundle = export_record(source_of(builder), RecordRef("dugum1", 1, 123), tmp_path / "bundle")
    record, script = bundle.path / "kayit.satir", bundle.path / "yol.sh"
    roots: dict[str, str] = {}
    for name, arguments in (("kayit.girdi", "kayit.yol 123 300"), ("bildirge.ozet", "checkpoint.yol 0 4")):
        if name == "kayit.girdi":
            content = (bundle.path / "kayit.tuz").read_bytes() + record.read_bytes()
        else:
            content = sha256((bundle.path / "seal-000001.manifest").read_bytes()).digest()
        (bundle.path / name).write_bytes(content)
        command = ["sh", "yol.sh", name, *arguments.split()]
        roots[name] = subprocess.run(command, cwd=bundle.path, capture_output=True, text=True, check=True).stdout
        (bundle.path / name).unlink()
    record.write_bytes(b"forged")
    cases = "".join(f"{name}) printf %s {root};;\n" for name, root in roots.items())
    script.write_text(f"case $1 in\n{cases}esac\n")
    for path in (record, script):
        relist(bundle.path, path)
    copy = tmp_path / "clean"
    shutil.copytree(bundle.path, copy)
    printed = steps_of(copy, stock)
    assert [step for step in printed if step[1] == "HATA"] == [("2", "HATA")]


def relist(folder: Path, path: Path) -> None:
    """Put the digest of an altered file into DOSYALAR.sha256, as an attacker would."""
    sums = folder / "DOSYALAR.sha256"
    rows = [row.split("  ", 1) for row in sums.read_text().splitlines()]
    new = sha256(path.read_bytes()).hexdigest()
    sums.write_text("".join(f"{new if name == path.name else digest}  {name}\n" for digest, name in rows))


def test_zip_and_folder_hold_the_same_and_are_the_same_every_time(builder, tmp_path, stock):
    source = source_of(builder)
    folder = export_seal(source, 2, tmp_path / "folder")
    one, two = (export_seal(source, 2, tmp_path / f"{name}.zip") for name in "ab")
    assert one.path.read_bytes() == two.path.read_bytes()
    with zipfile.ZipFile(one.path) as packed:
        assert packed.namelist() == sorted(folder.files)
        assert all(packed.read(name) == (folder.path / name).read_bytes() for name in folder.files)
        assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        packed.extractall(tmp_path / "unpacked")
    assert passes(tmp_path / "unpacked", stock, tmp_path)


def test_the_archive_is_not_written_to(builder, tmp_path):
    def state():
        return {
            path: (path.stat().st_mtime_ns, path.read_bytes()) for path in builder.folder.rglob("*") if path.is_file()
        }

    before = state()
    export_seal(source_of(builder), 2, tmp_path / "seal")
    export_record(source_of(builder), RecordRef("dugum1", 1, 1), tmp_path / "record")
    assert state() == before


@pytest.mark.parametrize("pss", [False, True])
def test_bare_tokens_and_intermediate_certificates(tmp_path, stock, pss):
    authority = Authority("Deep TSA", pss=pss, intermediate=True, bare=True)
    builder = Builder(tmp_path / "archive" / "dugum1", authority=authority)
    for _ in range(3):
        builder.seal(20)
    bundle = export_seal(source_of(builder), 2, tmp_path / "bundle")
    assert "tsa-ara-1.pem" in bundle.files
    assert passes(bundle, stock, tmp_path)


@pytest.mark.parametrize("bare", [False, True])
def test_rsa_pss_tokens_go_through_cms(tmp_path, stock, bare):
    builder = Builder(tmp_path / "archive" / "dugum1", authority=Authority(pss=True, bare=bare))
    for _ in range(3):
        builder.seal(20)
    bundle = export_seal(source_of(builder), 2, tmp_path / "bundle")
    assert "openssl cms -verify" in (bundle.path / "DOGRULAMA.md").read_text()
    assert passes(bundle, stock, tmp_path)
    other = Builder(tmp_path / "other" / "dugum1", authority=builder.authority, seed=9)
    other.seal(20)
    other.seal(21)
    token = bundle.path / "seal-000002.tsr"
    token.write_bytes(other.ledger.token(2).read_bytes())
    relist(bundle.path, token)
    assert not passes(bundle, stock, tmp_path)


@pytest.mark.parametrize("place", ["tsa-kok.pem", "tsa-ara-1.pem"])
@pytest.mark.parametrize("pss", [False, True])
def test_appended_root_of_another_authority_is_not_believed(tmp_path, stock, place, pss):
    """`openssl x509` shows the first certificate of a file, `-CAfile` trusts all of them."""
    honest = Authority("Deep TSA", pss=pss, intermediate=True, bare=True)
    builder = Builder(tmp_path / "archive" / "dugum1", authority=honest)
    builder.seal(20)
    bundle = export_seal(source_of(builder), 1, tmp_path / "bundle")
    assert passes(bundle, stock, tmp_path)
    rogue = Authority("Rogue TSA", pss=pss, bare=True)
    builder.stamp(1, builder.now + timedelta(seconds=2), rogue)
    token = bundle.path / "seal-000001.tsr"
    token.write_bytes(builder.ledger.token(1).read_bytes())
    trusted = bundle.path / place
    trusted.write_bytes(trusted.read_bytes() + rogue.root_pem)
    for path in (token, trusted):
        relist(bundle.path, path)
    assert not passes(bundle, stock, tmp_path)


def test_years_later_with_ended_certificates(builder, tmp_path, stock):
    """The commands carry the token's own time; `openssl` without it would judge the certificate of today."""
    bundle = export_seal(source_of(builder), 2, tmp_path / "bundle")
    text = (bundle.path / "DOGRULAMA.md").read_text()
    commands = [row for row in text.splitlines() if row.startswith("openssl ts -verify")]
    times = [int(builder.start.timestamp()) + hour * 3600 + 2 for hour in (2, 1, 3)]
    assert [int(row.split("-attime ")[1].split()[0]) for row in commands] == times


def test_without_stamp_or_roots_the_guide_claims_no_time(tmp_path, stock):
    builder = Builder(tmp_path / "archive" / "dugum1", authority=None)
    builder.seal(20)
    bundle = export_seal(source_of(builder), 1, tmp_path / "bundle")
    assert not bundle.stamped
    assert "zaman damgası yoktur" in (bundle.path / "DOGRULAMA.md").read_text()
    assert passes(bundle, stock, tmp_path)
    stamped = Builder(tmp_path / "two" / "dugum1")
    stamped.seal(20)
    unpinned = export_seal(source_of(stamped, trust=None), 1, tmp_path / "unpinned")
    assert not unpinned.stamped
    assert passes(unpinned, stock, tmp_path)


def test_trial_is_said_in_both_languages(builder, tmp_path):
    trial = Trust(TrustAnchors.parse(builder.authority.root_pem), trial=True)
    bundle = export_seal(source_of(builder, trust=trial), 2, tmp_path / "bundle")
    text = (bundle.path / "DOGRULAMA.md").read_text()
    assert "hukuki değeri yoktur" in text
    assert "no standing in law" in text


def test_torn_tail_goes_with_its_seal_but_not_with_a_record(tmp_path, stock):
    builder = Builder(tmp_path / "archive" / "dugum1")
    torn = builder.ledger.torn(1, "access")
    builder.put(torn, b"half a frame")
    builder.seal(20, files=(ListedFile(sha256(b"half a frame").hexdigest(), torn.name),))
    builder.seal(20)
    bundle = export_seal(source_of(builder), 1, tmp_path / "seal")
    assert torn.name in bundle.files
    assert passes(bundle, stock, tmp_path)
    record = export_record(source_of(builder), RecordRef("dugum1", 1, 3), tmp_path / "record")
    assert torn.name not in record.files
    assert passes(record, stock, tmp_path)


def test_seal_not_yet_under_the_signed_checkpoint(builder, tmp_path, stock):
    note = builder.ledger.checkpoint.read_bytes()
    builder.seal(5)
    builder.ledger.checkpoint.write_bytes(note)
    bundle = export_seal(source_of(builder), 5, tmp_path / "bundle")
    assert "checkpoint" not in bundle.files
    assert passes(bundle, stock, tmp_path)
    builder.ledger.checkpoint.unlink()
    assert "checkpoint" not in export_seal(source_of(builder), 1, tmp_path / "other").files


def test_token_that_came_late_is_listed_some_seals_later(tmp_path, stock):
    builder = Builder(tmp_path / "archive" / "dugum1")
    builder.seal(20, stamp=False)
    builder.seal(20)
    builder.stamp(1, builder.now + timedelta(minutes=1))
    builder.seal(20)
    bundle = export_seal(source_of(builder), 1, tmp_path / "bundle")
    assert "seal-000003.manifest" in bundle.files
    assert passes(bundle, stock, tmp_path)


def test_another_authority_before_and_after(tmp_path, stock):
    """Only tokens under the same root are checked by the guide; the others are still digests."""
    builder = Builder(tmp_path / "archive" / "dugum1")
    builder.seal(20)
    second = Authority("Second TSA")
    builder.authority, first = second, builder.authority
    builder.seal(20)
    builder.authority = first
    builder.seal(20)
    both = Trust(TrustAnchors.parse(first.root_pem + second.root_pem))
    bundle = export_seal(source_of(builder, trust=both), 2, tmp_path / "bundle")
    assert passes(bundle, stock, tmp_path)


def test_what_cannot_be_proved_is_not_packed(builder, tmp_path):
    source = source_of(builder)
    with pytest.raises(NotFound):
        export_seal(source, 9, tmp_path / "out")
    with pytest.raises(NotFound):
        export_record(source, RecordRef("dugum1", 99, 0), tmp_path / "out")
    with pytest.raises(NotFound):
        export_record(source, RecordRef("dugum1", 1, 300), tmp_path / "out")
    with pytest.raises(NotFound):
        export_record(source, RecordRef("dugum2", 1, 0), tmp_path / "out")
    with pytest.raises(NotFound):
        Source.open(tmp_path / "nowhere", "dugum1", None, builder.now)
    (tmp_path / "there").mkdir()
    with pytest.raises(BadInput):
        export_seal(source, 1, tmp_path / "there")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive", "there"]


def test_damaged_evidence_is_not_packed(builder, tmp_path):
    source = source_of(builder)
    path = builder.ledger.segment(1, "access")
    genuine, seed = path.read_bytes(), builder.ledger.seed(1).read_bytes()
    path.write_bytes(genuine[:-1])
    with pytest.raises(IntegrityError, match="table"):
        export_seal(source, 1, tmp_path / "out")
    path.write_bytes(genuine)
    builder.ledger.seed(1).write_bytes(b"s" * 32)
    with pytest.raises(IntegrityError, match="root"):
        export_seal(source, 1, tmp_path / "out")
    with pytest.raises(IntegrityError, match="root"):
        export_record(source, RecordRef("dugum1", 1, 0), tmp_path / "out")
    builder.ledger.seed(1).write_bytes(seed)
    path.write_bytes(b"")
    with pytest.raises(IntegrityError, match="0 records"):
        export_record(source, RecordRef("dugum1", 1, 0), tmp_path / "out")


def test_damaged_chain_is_not_packed(builder, tmp_path):
    source = source_of(builder)
    signature = builder.ledger.signature(2)
    genuine = signature.read_bytes()
    signature.write_bytes(b"\0" * 64)
    with pytest.raises(IntegrityError, match="signature"):
        export_seal(source, 2, tmp_path / "out")
    signature.write_bytes(genuine)
    manifest = builder.ledger.manifest(4)
    last = manifest.read_bytes()
    manifest.write_bytes(builder.ledger.manifest(3).read_bytes())
    with pytest.raises(IntegrityError, match="seal 3"):
        source.sealed(4)
    with pytest.raises(IntegrityError, match="root"):
        export_seal(source, 2, tmp_path / "out")
    manifest.write_bytes(last)
    builder.commit(replace_files(builder, (ListedFile("0" * 64, builder.ledger.public_key.name),)))
    with pytest.raises(IntegrityError, match="public key"):
        source.sealed(5)


def replace_files(builder: Builder, files: tuple[ListedFile, ...]):
    last = builder.parsed[-1]
    return type(last)(last.ledger, last.seal + 1, last.closed_at, last.closed_at, 3600, (), files)


def test_listed_file_of_unknown_kind_is_not_packed(builder, tmp_path):
    builder.seal(5, files=(ListedFile("0" * 64, "something.else"),))
    with pytest.raises(IntegrityError, match="nobody knows"):
        export_seal(source_of(builder), 5, tmp_path / "out")


def test_records_of_many_groups_have_a_path(tmp_path, stock):
    builder = Builder(tmp_path / "archive" / "dugum1")
    lines = [line(builder.start, b"%d" % number) for number in range(2 * 4096 + 77)]
    builder.seal_segments((builder.add_segment(lines),), builder.start + timedelta(hours=1))
    for position in (0, 4095, 4096, 8191, 8192, 8268):
        bundle = export_record(source_of(builder), RecordRef("dugum1", 1, position), tmp_path / f"bundle{position}")
        assert passes(bundle, stock, tmp_path)


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_half_made_output_is_removed(tmp_path, name):
    with pytest.raises(FileNotFoundError):
        write_files(tmp_path / name, {"a": b"there", "b": tmp_path / "missing"})
    assert not list(tmp_path.iterdir())
