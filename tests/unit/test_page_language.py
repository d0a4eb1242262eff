"""Sentences of pages with values inside: whole in every language, and nobody's text is an element."""

import pytest
from markupsafe import Markup

from services.verifier.languages import LANGUAGES
from services.verifier.pages.said import PageLanguage


@pytest.mark.parametrize("code", LANGUAGES)
def test_a_value_of_a_sentence_is_text_unless_it_is_an_element_of_ours(code: str) -> None:
    page = PageLanguage(language=LANGUAGES[code])
    said = page.phrase("Awarded to {name}, born {day}", name="<b>{day}</b>", day=Markup("<b>2001-02-03</b>"))
    assert "&lt;b&gt;{day}&lt;/b&gt;" in said
    assert "<b>2001-02-03</b>" in said


def test_a_language_puts_values_where_its_sentence_has_them() -> None:
    page = PageLanguage(language=LANGUAGES["fr"])
    assert page.phrase("for the achievement {achievement}", achievement="Jeux") == "pour l\u2019acquis Jeux"
