"""Fold and tokenise: one meaning of a word, whichever way it is computed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from some.index import text

TURKISH = st.text(alphabet="abIiİıĞğŞşÇçÖöÜü 0-./=\"'\n\t_", max_size=40)
MESSAGES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.text(max_size=40).map(lambda one: one.encode("utf-8", "surrogatepass")),
        TURKISH.map(str.encode),
        TURKISH.map(lambda one: one.encode("windows-1254")),
        st.text(alphabet=st.characters(max_codepoint=127), max_size=60).map(str.encode),
    ),
    min_size=1,
    max_size=12,
)


@given(MESSAGES)
@example([b""])
@example([b"", b""])
@example(["İ".encode(), "I\u0307".encode(), "i\u0307".encode(), b"a\nb"])
@example(["c\u0327 ç".encode(), "ŞIĞ".encode(), b"\xfe\xfd"])
def test_a_block_says_the_same_as_each_message(messages):
    made = text.finish(text.block(messages)).to_pylist()
    assert made == [text.of_bytes(one) for one in messages]


@given(st.text(max_size=60))
def test_the_text_of_a_text_is_the_text(written):
    once = text.token_text(written)
    assert once == f" {' '.join(once.split())} " if once.strip() else once == " "
    assert all(token == "".join(character for character in token if character.isalnum()) for token in once.split())


@given(st.text(alphabet=st.characters(max_codepoint=0x24F), max_size=30))
def test_folding_twice_changes_nothing(written):
    assert text.fold(text.fold(written)) == text.fold(written)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("İSTANBUL", "istanbul"),
        ("ISPARTA", "ısparta"),
        ("IĞDIR", "ığdır"),
        ("i\u0307stanbul", "İstanbul"),
        ("I\u0307zmir", "izmir"),
        ("ŞİŞLİ", "şişli"),
        ("ﬁrma", "FİRMA"),
        ("STRASSE", "straße"),
    ],
)
def test_words_that_differ_only_in_writing_are_one(one, other):
    assert text.tokens(one) == text.tokens(other)


def test_marks_of_letters_count():
    assert text.tokens("şık") != text.tokens("sik")


def test_a_message_cut_inside_a_letter_is_still_utf8():
    assert text.of_bytes("giriş hatası: ş".encode()[:-1]) == text.token_text("giriş hatası")


def test_what_is_no_utf8_is_read_as_turkish():
    assert text.of_bytes("GİRİŞ başarısız oldu".encode("windows-1254")) == " giriş başarisiz oldu "


def test_han_and_kana_are_cut_where_the_standard_tokenizer_cuts():
    assert text.tokens("漢字カタカナひらabc12") == ["漢", "字", "カタカナ", "ひ", "ら", "abc12"]


def test_a_flow_record_is_shown_as_hexadecimal_however_it_is_read():
    flow = b"\x00\x0aab\xc4\xb1\n"
    ascii_flow = b"\x00\x09abc"

    assert text.decode(flow) == flow.hex()
    assert text.finish(text.block([flow, ascii_flow, b"A b"])).to_pylist() == [
        text.of_bytes(flow), text.of_bytes(ascii_flow), " a b "
    ]  # fmt: skip
