"""Damage: one bit of every byte, torn replies, and arbitrary bytes. Nothing but TokenFault may come out."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tsa_forge import NOW

from retention.tsa.fault import Reason, TokenFault
from retention.tsa.reply import MAX_REPLY_BYTES, open_reply, read_token
from retention.tsa.token import check_reply

pytestmark = pytest.mark.filterwarnings("ignore")  # cryptography warns about odd certificates, which mutants have


@pytest.fixture(scope="module")
def reply(world):
    """Return a reply with nothing in it that the check does not need: a byte of an unused root may be anything."""
    return world.reply(certificates=[world.tsa])


def _taken_mutants(world, reply, bits):
    original = open_reply(reply)
    taken = 0
    for place in range(len(reply)):
        for bit in bits(place):
            mutant = bytearray(reply)
            mutant[place] ^= 1 << bit
            try:
                check_reply(bytes(mutant), world.expected, world.anchors, at=NOW)
            except TokenFault:
                continue
            taken += 1
            assert open_reply(bytes(mutant)).content == original.content, f"bit {bit} of byte {place}"
    return taken


def test_no_taken_mutant_changes_what_the_token_states(world, reply):
    """RFC 5652 leaves bytes of the envelope unsigned: such mutants may pass, with the same TSTInfo."""
    taken = _taken_mutants(world, reply, lambda place: [place % 8])
    assert taken < len(reply) // 20


@pytest.mark.full
def test_no_taken_mutant_of_any_bit_changes_what_the_token_states(world, reply):
    _taken_mutants(world, reply, lambda _: range(8))


@pytest.mark.full
def test_no_mutant_of_a_bare_token_changes_what_it_states(world, reply):
    _taken_mutants(world, open_reply(reply).token, lambda _: range(8))


def test_a_torn_reply_is_no_reply(world, reply):
    for size in range(0, len(reply), 7):
        with pytest.raises(TokenFault):
            check_reply(reply[:size], world.expected, world.anchors, at=NOW)


def test_bytes_behind_the_reply_are_refused(world, reply):
    with pytest.raises(TokenFault) as caught:
        check_reply(reply + b"\x00", world.expected, world.anchors, at=NOW)
    assert caught.value.reason is Reason.FORM


@given(junk=st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_arbitrary_bytes_give_a_fault_and_nothing_else(junk):
    with pytest.raises(TokenFault):
        read_token(junk)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_replies_with_a_stretch_replaced_give_a_fault_or_the_same_statement(world, reply, data):
    start = data.draw(st.integers(0, len(reply) - 1))
    piece = data.draw(st.binary(max_size=12))
    mutant = reply[:start] + piece + reply[start + data.draw(st.integers(0, 12)) :]
    try:
        check_reply(mutant, world.expected, world.anchors, at=NOW)
    except TokenFault:
        return
    assert open_reply(mutant).content == open_reply(reply).content


def test_ten_megabytes_are_refused_before_they_are_read():
    with pytest.raises(TokenFault) as caught:
        read_token(b"\x30\x84\x00\xa0\x00\x00" + bytes(10 * 1024 * 1024))
    assert caught.value.reason is Reason.SIZE
    assert MAX_REPLY_BYTES < 10 * 1024 * 1024


def test_sequences_in_sequences_do_not_exhaust_the_stack():
    content = b""
    for _ in range(8000):
        content = b"\x30\x84" + len(content).to_bytes(4, "big") + content
        if len(content) > MAX_REPLY_BYTES - 8:
            break
    with pytest.raises(TokenFault):
        read_token(content)


@pytest.mark.parametrize("text", [b"<html><body>502 Bad Gateway</body></html>", b"User 999 is not known", b""])
def test_text_is_no_reply(text):
    with pytest.raises(TokenFault) as caught:
        read_token(text)
    assert caught.value.reason is Reason.FORM
