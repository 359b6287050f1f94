"""SPEC.md, its vectors and the code say the same."""

from __future__ import annotations

import importlib.util
import json
import re
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from ledger_builder import Builder

from retention import merkle, segment
from retention.checkpoint import Checkpoint, entry_leaf, key_hash, note_with, open_note
from retention.manifest import Manifest
from retention.segment import Frame, FrameTable
from retention.tsa.fault import Reason
from some.record import escape, unescape

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "retention" / "SPEC.md").read_text(encoding="utf-8")
VECTORS_FILE = ROOT / "tests" / "vectors" / "vectors.json"
VECTORS = json.loads(VECTORS_FILE.read_text(encoding="utf-8"))
HEX = re.compile(r"\b[0-9a-f]{64}\b")


def test_remade_vectors_are_the_committed_ones():
    script = importlib.util.spec_from_file_location("remake", ROOT / "tests" / "vectors" / "remake.py")
    module = importlib.util.module_from_spec(script)
    script.loader.exec_module(module)
    assert module.text() == VECTORS_FILE.read_text(encoding="utf-8")


def test_code_agrees_with_the_vectors_of_lines_salts_leaves_and_trees():
    for vector in VECTORS["line_and_escape"]:
        raw = bytes.fromhex(vector["raw"])
        assert escape(raw).hex() == vector["escaped"]
        assert unescape(bytes.fromhex(vector["escaped"])) == raw
    for vector in VECTORS["salt"]:
        assert segment.salt_of(bytes.fromhex(vector["seed"]), vector["position"]).hex() == vector["salt"]
    seed = bytes.fromhex(VECTORS["salt"][0]["seed"])
    for vector in VECTORS["leaf"]:
        salt = segment.salt_of(seed, vector["position"])
        assert segment.leaf(salt, bytes.fromhex(vector["line"])).hex() == vector["leaf"]
    for vector in VECTORS["tree"]:
        lines = [b"record %d" % at for at in range(vector["records"])]
        assert segment.tree_root(lines, seed).hex() == vector["root"]


def test_code_agrees_with_the_vectors_of_rfc_6962():
    leaves = [merkle.leaf_hash(bytes.fromhex(entry)) for entry in VECTORS["rfc6962"]["entries"]]
    assert [merkle.root(leaves[:count]).hex() for count in range(len(leaves) + 1)] == VECTORS["rfc6962"]["roots"]
    # the root that the Certificate Transparency projects publish for these eight entries
    assert VECTORS["rfc6962"]["roots"][8] == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    for vector in VECTORS["path"]:
        leaves = [sha256(b"%d" % at).digest() for at in range(vector["size"])]
        assert [one.hex() for one in merkle.path(leaves, vector["index"])] == vector["path"]
        assert merkle.root(leaves).hex() == vector["root"]


def test_code_agrees_with_the_vector_of_the_table():
    vector = VECTORS["table"]
    table = FrameTable(
        tuple(Frame(*row) for row in vector["frames"]), vector["end"], vector["content"], vector["records"]
    )  # fmt: skip
    assert segment.pack_table(table).hex() == vector["packed"]
    assert segment.parse_table(bytes.fromhex(vector["packed"])) == table


def test_code_agrees_with_the_vectors_of_manifests_and_checkpoints():
    key = load_pem_public_key(VECTORS["key"]["pem"].encode())
    leaves = []
    for vector in VECTORS["manifest"]:
        text = vector["text"].encode()
        assert Manifest.parse(text).to_bytes() == text
        assert sha256(text).hexdigest() == vector["sha256"]
        key.verify(bytes.fromhex(vector["signature"]), text)
        leaves.append(entry_leaf(text))
    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(VECTORS["key"]["private"]))
    assert key_hash("dugum1", key).hex() == VECTORS["key"]["hash"]
    for size, vector in enumerate(VECTORS["checkpoint"]):
        checkpoint = Checkpoint("dugum1", size, merkle.root(leaves[:size]))
        assert checkpoint.to_text() == vector["head"]
        assert note_with(checkpoint, key, private.sign(vector["head"].encode())) == vector["note"]
        assert open_note(vector["note"], key) == checkpoint


def test_examples_in_the_text_are_the_vectors():
    blocks = re.findall(r"^```\n(.*?)^```$", SPEC, re.MULTILINE | re.DOTALL)
    second = VECTORS["manifest"][1]["text"]
    shown = re.sub(r"(?m)^DIGEST(?=  )", "DIGEST", HEX.sub("DIGEST", second)).replace("salt16 DIGEST", "salt16 TREE")
    assert shown in blocks
    note = VECTORS["checkpoint"][2]["note"]
    root = note.split("\n")[2]
    signature = note.split(" ")[-1].strip()
    assert note.replace(root, "ROOT").replace(signature, "SIGNATURE") in blocks


def codes_in_the_text() -> set[str]:
    table = SPEC.split("## 13. Verification")[1].split("\n## 14.")[0]
    rows = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    return {code for row in rows for code in re.findall(r"`([a-z_.*-]+)`", row)}


def codes_in_the_code() -> set[str]:
    """Return every dotted literal that the verifier reports under."""
    groups = (
        "file|key|head|checkpoint|manifest|signature|request|segment|seed|token|stamp|seal|tail|record|ledger|unsealed"
    )
    found = set()
    for path in (ROOT / "retention").glob("verify*.py"):
        found |= set(re.findall(rf'"((?:{groups})\.[a-z_]+)"', path.read_text(encoding="utf-8")))
    assert len(found) > 40
    derived = {f"{name}.{end}" for name in ("head", "checkpoint") for end in ("missing", "origin", "root", "damaged")}
    return found | derived


def test_every_code_of_the_verifier_stands_in_the_text_and_the_reverse():
    plain = {code for code in codes_in_the_text() if not code.endswith("*")}
    assert plain == codes_in_the_code()
    assert codes_in_the_text() - plain == {"token.*", "note.*"}
    assert not {str(reason) for reason in Reason} & plain


@pytest.mark.parametrize(
    "name", [".manifest", ".sig", ".tsq", ".tsr", ".log.zst", ".seed", ".pub.pem", "head", "checkpoint"]
)
def test_every_file_of_a_ledger_stands_in_the_text(tmp_path, name):
    builder = Builder(tmp_path / "dugum1")
    builder.seal(5, after=timedelta(hours=1))
    assert any(path.name.endswith(name) for path in builder.folder.rglob("*"))
    assert name in SPEC.split("## 2. Reference")[0]
