"""Escaping is reversible, references read back, blocks refuse what would break a line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from some.errors import BadInput
from some.record import RecordBlock, RecordClass, RecordRef, escape, escape_lines, unescape

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@given(st.binary())
def test_escape_is_reversible_and_leaves_no_control_that_breaks_a_line(raw: bytes) -> None:
    escaped = escape(raw)

    assert unescape(escaped) == raw
    assert not set(escaped) & {0x00, 0x0A, 0x0D}


@given(st.lists(st.binary().filter(lambda raw: b"\n" not in raw)))
def test_a_block_escapes_like_its_lines(raws: list[bytes]) -> None:
    block = b"".join(raw + b"\n" for raw in raws)

    assert escape_lines(block) == b"".join(escape(raw) + b"\n" for raw in raws)


@given(st.integers(0, 10**18 - 1), st.integers(0, 10**18 - 1))
def test_a_reference_reads_back(segment: int, position: int) -> None:
    ref = RecordRef("dugum1", segment, position)

    assert RecordRef.parse(str(ref)) == ref


@pytest.mark.parametrize(
    "text", ["", "dugum1", "dugum1/1/1", "Dugum1/000001/000001", "dugum1/000001/000001/", "../000001/000001"]
)
def test_what_is_not_a_reference_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="reference"):
        RecordRef.parse(text)


@pytest.mark.parametrize(
    "wrong",
    [
        {"source": "a\tb"},
        {"source": ""},
        {"origin": "x\n"},
        {"record_class": RecordClass("Access")},
        {"payload": b"no line end"},
        {"count": 0},
        {"received_at": NOW.replace(tzinfo=None)},
    ],
)
def test_a_block_that_would_break_the_line_format_is_refused(wrong: dict[str, object]) -> None:
    right = {
        "received_at": NOW,
        "source": "gw",
        "origin": "udp:192.0.2.7:514",
        "record_class": RecordClass("access"),
        "payload": b"x\n",
        "count": 1,
    }

    RecordBlock(**right)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"."):
        RecordBlock(**(right | wrong))  # type: ignore[arg-type]
