"""Which form of an answer an Accept header asks for."""

import pytest

from services.edge.media_type import preferred

OFFERED = ("application/json", "application/ld+json", "text/html")


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("image/png", "application/json"),
        ("application/ld+json", "application/ld+json"),
        ("Application/LD+JSON; profile=x", "application/ld+json"),
        ("application/ld+json, application/json", "application/ld+json"),
        ("application/json, application/ld+json", "application/json"),
        ("application/json;q=0.5, application/ld+json;q=0.9", "application/ld+json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("application/ld+json, text/html;q=0.1", "application/ld+json"),
        ("text/*", "text/html"),
        ("application/*", "application/json"),
        ("application/ld+json;q=0, */*", "application/json"),
        ("application/ld+json;q=many", "application/ld+json"),
    ],
)
def test_what_is_asked_for_most_is_answered_and_of_equals_what_is_named_first(accept: str, form: str) -> None:
    assert preferred(accept, OFFERED) == form


def test_a_header_full_of_separators_is_read_at_once() -> None:
    assert preferred("," * 8_000 + ";" * 8_000, OFFERED) == "application/json"
