"""Counts and their nouns: one is said as one, in commands, on pages and on papers."""

import re
from pathlib import Path

import pytest

from proto.number_words import number_of, number_of_entries
from services.issuer_gateway import languages as gateway_languages
from services.verifier import languages as verifier_languages
from services.verifier.languages.english import SENTENCES
from services.verifier.languages.log_words import SAID

SERVICES = Path(verifier_languages.__file__).parents[2]
_COUNTED = re.compile(r"\{(?:count|size|hours|days|rows|stacks|credentials|number|fallen|total)\} [a-z]{3,}")
"""A number that a noun follows: with the number one, it would be wrong."""
BOUNDS = {
    "{days} days",
    "Send at most {count} documents in one application.",
    "A stack has at most {count} levels",
    "At most {count} conditions are kept: take one away first",
    "At most {count} programmes are named: take one away first",
    "A stack has at most {count} parts in all",
    "End some: {count} that one institution proposed are kept at once",
    "The credential has {count} endorsements already",
    "{institution} has {count} invitations that stand: withdraw some of them",
    "{institution} has {count} standing decisions: withdraw some of them",
    "{statement} was withdrawn {count} times by events that are void: no more are kept",
}
"""Their numbers are bounds, and none of those is one."""
_NEVER_ONE = {"{count} more", "{count} credentials that this one is made of"}


@pytest.mark.parametrize(("count", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (1000, "1000 rows")])
def test_one_is_said_as_one(count: int, said: str) -> None:
    assert number_of(count, "row") == said


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert (number_of_entries(1), number_of_entries(7)) == ("1 entry", "7 entries")


def test_no_text_of_a_page_or_paper_puts_a_noun_behind_a_number_that_may_be_one() -> None:
    found = {*SENTENCES.values(), *SAID.values()}
    for languages in (gateway_languages.LANGUAGES, verifier_languages.LANGUAGES):
        found |= {text for language in languages.values() for text in language.words}
    for template in SERVICES.glob("**/*.jinja"):
        found |= set(re.findall(r'\bt\("([^"]+)"', template.read_text(encoding="utf-8")))
    wrong = {text for text in found if _COUNTED.search(text) and not any(each in text for each in _NEVER_ONE)}
    assert wrong == BOUNDS
