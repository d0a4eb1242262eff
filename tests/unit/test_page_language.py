"""Sentences of pages with values inside: whole in every language, and nobody's text is an element."""

from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup

from proto.moment import Moment
from services.issuer_gateway.pages.in_languages import last_day
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


@pytest.mark.parametrize(
    ("zone", "until"), [("UTC", "2028-07-01T00:00:00.000Z"), ("Europe/Amsterdam", "2028-06-30T22:00:00.000Z")]
)
def test_a_page_says_the_last_day_that_was_typed_not_the_first_one_after_it(zone: str, until: str) -> None:
    assert last_day(Moment(until), ZoneInfo(zone)) == "2028-06-30"
