"""Refusals at the edge as pages: every word in every language, and the language that the reader asks for."""

import re
from pathlib import Path

import pytest
from aiohttp.test_utils import make_mocked_request

import services.edge
from proto.problem import InvalidProblem
from services.edge.page_words import ENGLISH, page_languages, page_words
from services.edge.problem_page import NEXT, SAID, problem_page
from services.edge.problems import (
    BodyTimeoutProblem,
    BodyTooLargeProblem,
    InternalProblem,
    MediaTypeProblem,
    MethodNotAllowedProblem,
    NoRoomProblem,
    RateLimitedProblem,
    UnauthenticatedProblem,
    UnknownPathProblem,
)

AT_THE_EDGE = (
    UnknownPathProblem,
    MethodNotAllowedProblem,
    BodyTooLargeProblem,
    MediaTypeProblem,
    BodyTimeoutProblem,
    UnauthenticatedProblem,
    RateLimitedProblem,
    InternalProblem,
    NoRoomProblem,
)
TEMPLATE = Path(services.edge.__file__).parent / "problem.html.jinja"


@pytest.mark.parametrize("code", sorted({*page_languages()} - {ENGLISH}))
def test_a_language_has_every_word_of_refusals_and_no_other(code: str) -> None:
    in_template = re.findall(r'\bsay\("([^"]+)"', TEMPLATE.read_text(encoding="utf-8"))
    wanted = {*(each.title for each in AT_THE_EDGE), *SAID.values(), *NEXT.values(), *in_template}
    assert page_languages()[code].words.keys() == wanted


@pytest.mark.parametrize(
    ("named", "accepted", "code"),
    [
        (None, None, "en"),
        (None, "de-AT,de;q=0.9,en;q=0.5", "de"),
        (None, "en;q=0.4, fr;q=0.8", "fr"),
        (None, "zh, xx", "en"),
        ("es", "de", "es"),
        ("tlh", "de", "de"),
    ],
)
def test_a_language_is_that_which_was_named_or_else_the_best_liked(
    named: str | None, accepted: str | None, code: str
) -> None:
    assert page_words(named=named, accepted=accepted).code == code


def test_a_refusal_is_said_in_the_readers_language_and_what_is_not_says_so() -> None:
    request = make_mocked_request("POST", "/x", headers={"Accept": "text/html", "Accept-Language": "de"})
    body = problem_page(request, BodyTooLargeProblem(1_048_576)).text
    assert body is not None
    assert '<html lang="de">' in body
    assert "Was geschickt wurde, ist zu groß" in body
    assert 'lang="en"' not in body
    body = problem_page(request, InvalidProblem("No <number>")).text
    assert body is not None
    assert '<span lang="en" dir="auto">No &lt;number&gt;</span>' in body
