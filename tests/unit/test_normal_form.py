"""Normal forms of texts that strangers wrote: as the standard says, but for marks that no writing has."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.fold import fold
from proto.normal_form import MARKS_MAX, normalised
from proto.visible_text import folded

MARKS = ["\u0301\u0316", "\u0f73\u0301", "\uff9e\u0301", "\u0344\u0316", "\u3099\u0301", "\u0f81\u0f71"]
"""Pairs that are sorted, each in its own way: also those that are marks only once they are taken apart."""


@given(st.text(), st.sampled_from(["NFC", "NFKC", "NFD", "NFKD"]))
def test_a_text_is_normalised_as_the_standard_says(text: str, form: Any) -> None:
    long = text + " ü und " * 100
    assert normalised(form, long) == unicodedata.normalize(form, long)


@pytest.mark.parametrize("marks", MARKS)
@pytest.mark.parametrize("form", ["NFC", "NFKC", "NFD", "NFKD"])
def test_marks_beyond_what_any_writing_has_are_left_out_wherever_they_stand(marks: str, form: Any) -> None:
    text = "x" + "a" + marks * 300 + "b" + marks + "c" * 500
    found = normalised(form, text)
    few = "x" + "a" + marks * (MARKS_MAX // 2) + "b" + marks + "c" * 500
    assert found == unicodedata.normalize(form, few)


@pytest.mark.parametrize("marks", MARKS)
def test_names_of_a_hundred_thousand_marks_are_compared(marks: str) -> None:
    name = "Zoë" + marks * 100_000
    assert folded(name) == folded(name.upper())
    assert fold(name) == fold("Zoe" + marks * MARKS_MAX)


def test_no_mark_is_among_the_letters_that_are_passed_over() -> None:
    for sign in map(chr, range(0x300)):
        assert not unicodedata.combining(unicodedata.normalize("NFKD", sign)[0])
