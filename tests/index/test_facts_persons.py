"""One individual, one spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from some.index import text
from some.index.facts.persons import Kind, kind, normalised

SAME = [
    ("username", "ayşe.ince", ["AYŞE.İNCE", "ayşe.ince", "Ayşe.Ince", "DOM\\ayşe.ince", "ayşe.ınce@ornek.example",
                              " AYŞE.INCE "]),
    ("username", "1234", ["1234", "1234@ornek.example"]),
    ("username", "905", ["905"]),
    (
        "phone",
        "+905320000000",
        ["+905320000000", "05320000000", "5320000000", "905320000000", "0532 000 00 00", "+90 (532) 000-00-00",
         "00905320000000", "05320000000@hotspot"],
    ),
    ("phone", "+4930000000", ["+4930000000", "004930000000", "+49 30 000000"]),
    ("national_id", "10000000146", ["10000000146", "10000000146@eduroam.example", "DOM\\10000000146"]),
    ("national_id", "12345678901", ["12345678901"]),  # the checksum does not hold
    ("national_id", "53200000001", ["53200000001"]),  # eleven digits, not a phone of ten
    ("mac", "00-00-5E-00-53-23", ["00-00-5e-00-53-23", "00:00:5E:00:53:23", "0000.5e00.5323",
                                  "00005e005323", "00005E-005323"]),
]  # fmt: skip


@pytest.mark.parametrize(("what", "spelling", "written"), SAME, ids=[one[1] for one in SAME])
def test_every_way_of_writing_is_one_spelling(what, spelling, written):
    assert {normalised(one) for one in written} == {spelling}
    assert {kind(one) for one in [*written, spelling]} == {Kind(what)}


@pytest.mark.parametrize(
    "name",
    ["", " ", "-", "N/A", "n/a", "anonymous", "Anonymous@ornek.example", "ANONYMOUS LOGON", "NT AUTHORITY\\SYSTEM"],
)
def test_who_is_nobody(name):
    assert normalised(name) is None


@pytest.mark.parametrize(
    "name", ["PC-0412$", "BELEDIYE\\PC-0412$", "pc-0412$@BELEDIYE.EXAMPLE", "host/pc.ornek.example"]
)
def test_a_machine_account_is_no_person(name):
    assert normalised(name) is None
    assert kind(name) is Kind.HOST


@given(st.text("aAıIiİğĞşŞçÇöÖüÜz. ", min_size=1))
def test_letters_fold_as_in_the_index(name):
    assert (normalised(name) or "") in {text.fold(name).strip(), ""}


@given(st.text("aZ09.:-+@\\/$ ()şI5", max_size=20))
def test_the_spelling_of_a_spelling_is_itself(name):
    spelling = normalised(name)
    assert spelling is None or normalised(spelling) == spelling
