"""Trees against the RFC's own recursive words, paths that lead to roots, and the shell script beside them."""

from __future__ import annotations

import random
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mutation import seed_of_this_run

from retention import merkle
from retention.merkle import Frontier, node_hash, path, path_sides, root, root_from_path

SCRIPT = Path(merkle.__file__).with_name("yol.sh")
SIZES = st.integers(1, 70).flatmap(lambda size: st.tuples(st.integers(0, size - 1), st.just(size)))


def leaves_of(size: int) -> list[bytes]:
    return [sha256(b"\x00%d" % number).digest() for number in range(size)]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, recursively."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(mth(leaves[:split]), mth(leaves[split:]))


def test_empty_tree():
    assert root([]) == merkle.EMPTY_ROOT == sha256(b"").digest()
    assert Frontier().root() == merkle.EMPTY_ROOT


def test_levels_give_the_root_of_the_recursive_definition():
    for size in [*range(1, 130), 255, 256, 257, 600]:
        assert root(leaves_of(size)) == mth(leaves_of(size))


def test_frontier_agrees_with_the_whole_tree_at_every_size():
    frontier = Frontier()
    for size, leaf in enumerate(leaves_of(200), 1):
        frontier.append(leaf)
        copy = frontier.copy()
        copy.append(leaf)
        assert frontier.size == size
        assert frontier.root() == root(leaves_of(size))


@given(SIZES)
def test_path_leads_to_the_root(shape):
    index, size = shape
    leaves = leaves_of(size)
    siblings = path(leaves, index)
    assert root_from_path(leaves[index], index, size, siblings) == root(leaves)
    assert len(path_sides(index, size)) == len(siblings)
    node = leaves[index]
    for side, sibling in zip(path_sides(index, size), siblings, strict=True):
        node = node_hash(sibling, node) if side == "L" else node_hash(node, sibling)
    assert node == root(leaves)


@given(SIZES, st.data())
def test_another_leaf_index_or_sibling_misses_the_root(shape, data):
    index, size = shape
    leaves = leaves_of(size)
    siblings = path(leaves, index)
    assert root_from_path(b"\1" * 32, index, size, siblings) != root(leaves)
    if siblings:
        at = data.draw(st.integers(0, len(siblings) - 1))
        changed = [*siblings[:at], b"\2" * 32, *siblings[at + 1 :]]
        assert root_from_path(leaves[index], index, size, changed) != root(leaves)


def test_paths_of_wrong_length_and_places_outside_are_refused():
    leaves = leaves_of(5)
    siblings = path(leaves, 2)
    for wrong in (siblings[:-1], [*siblings, b"\0" * 32]):
        with pytest.raises(ValueError, match="too"):
            root_from_path(leaves[2], 2, 5, wrong)
    for index in (-1, 5):
        with pytest.raises(ValueError, match="no leaf"):
            path(leaves, index)
        with pytest.raises(ValueError, match="no leaf"):
            root_from_path(leaves[0], index, 5, siblings)


def walk(entry: bytes, siblings: list[bytes], index: int, size: int, folder: Path) -> str | None:
    """Let the shell script walk a path; None where it refuses."""
    (folder / "entry").write_bytes(entry)
    (folder / "path").write_bytes(b"".join(siblings))
    command = ["sh", str(SCRIPT), "entry", "path", str(index), str(size)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def shell_agrees(size: int, index: int, folder: Path) -> None:
    leaves = leaves_of(size)
    assert walk(b"%d" % index, path(leaves, index), index, size, folder) == root(leaves).hex()


def test_shell_and_python_agree_on_sampled_trees(tmp_path):
    chooser = random.Random(seed_of_this_run())
    sizes = [1, 2, 3, 4, 5, 8, 9, 1023, 1024, 1025, *chooser.sample(range(6, 1023), 15)]
    for size in sizes:
        shell_agrees(size, chooser.randrange(size), tmp_path)
        shell_agrees(size, size - 1, tmp_path)


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_shell_and_python_agree_on_every_size(tmp_path):
    for size in range(1, 1026):
        for index in {0, size // 2, size - 1}:
            shell_agrees(size, index, tmp_path)


def test_shell_refuses_a_path_of_wrong_length(tmp_path):
    leaves = leaves_of(5)
    siblings = path(leaves, 2)
    assert walk(b"2", [*siblings, b"\0" * 32], 2, 5, tmp_path) is None
    assert walk(b"2", siblings[:-1], 2, 5, tmp_path) != root(leaves).hex()
    assert walk(b"3", siblings, 2, 5, tmp_path) != root(leaves).hex()


def test_script_is_short_enough_to_be_read():
    assert len(SCRIPT.read_text().splitlines()) <= 20
