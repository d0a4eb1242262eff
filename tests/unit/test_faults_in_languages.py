"""What a person is told at the office, at a request or a link is in her language, with the values that were found."""

import ast
import importlib
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

import services.issuer_gateway.app
from proto.problem import ConflictProblem, InvalidProblem, Problem
from services.issuer_gateway.languages import DEFAULT, LANGUAGES, LearnerLanguage
from services.issuer_gateway.languages.found_again import sentences
from services.issuer_gateway.pages import Pages
from services.issuer_gateway.pages.fault_words import OWN_FAULTS
from services.issuer_gateway.pages.in_languages import PageReader
from tests.support.problem_kinds import problem_kinds

assert services.issuer_gateway.app, "with it every refusal of the gateway is known"
OTHERS = [language for language in LANGUAGES.values() if language.code != DEFAULT]
each = pytest.mark.parametrize("language", OTHERS, ids=lambda language: str(language.code))
GATEWAY = "services.issuer_gateway"
SAID_TO_PEOPLE = (
    f"{GATEWAY}.applications.agreements",
    f"{GATEWAY}.applications.apply",
    f"{GATEWAY}.applications.decide",
    f"{GATEWAY}.applications.rules",
    f"{GATEWAY}.applications.whose",
    f"{GATEWAY}.credentials.document_store",
    f"{GATEWAY}.credentials.statements",
    f"{GATEWAY}.domain.agreements",
    f"{GATEWAY}.http.application_export_routes",
    f"{GATEWAY}.http.office_agreement_routes",
    f"{GATEWAY}.http.office_routes",
    f"{GATEWAY}.http.office_session",
    f"{GATEWAY}.keys.signing_keys",
    f"{GATEWAY}.requests.learner_requests",
    f"{GATEWAY}.unit_of_work.event_answer",
    f"{GATEWAY}.unit_of_work.log_writer",
    f"{GATEWAY}.unit_of_work.transactions",
    "proto.documents.recognition_agreement",
    "proto.lifecycle.decide_recognition",
    "proto.lifecycle.decide_withdrawal",
)
"""Modules of what is done on the office's pages and by whoever holds a link, and of what the log may say to it."""
SHOWN_NOWHERE = {"not-signed-in", "sign-in"}
"""Their page is that on which one signs in, which has words of its own."""


def _sentence(said: ast.expr) -> str | None:
    """Return a sentence as files of languages have it, with a number for each value; None where it is no sentence."""
    if isinstance(said, ast.Constant):
        return str(said.value)
    if not isinstance(said, ast.JoinedStr):
        return None
    parts, count = list[str](), 0
    for part in said.values:
        if isinstance(part, ast.Constant):
            parts.append(str(part.value))
        else:
            count += 1
            parts.append(f"{{{count}}}")
    return "".join(parts)


def _refused_by(module: str) -> Iterator[str]:
    """Yield every sentence with which a module refuses, of refusals that have no words of their own."""
    kinds = {kind.__name__: kind for kind in problem_kinds()}
    source = Path(importlib.import_module(module).__file__ or "").read_text(encoding="utf-8")
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and call.args and isinstance(call.func, ast.Name | ast.Attribute):
            name = call.func.id if isinstance(call.func, ast.Name) else call.func.attr
            kind, said = kinds.get(name), _sentence(call.args[0])
            if kind is not None and said is not None and kind.slug not in OWN_FAULTS.keys() | SHOWN_NOWHERE:
                yield said


@each
@pytest.mark.parametrize("module", SAID_TO_PEOPLE)
def test_what_a_person_is_refused_with_has_its_sentence_in_every_language(
    module: str, language: LearnerLanguage
) -> None:
    assert {said for said in _refused_by(module) if said not in language.words} == set()


def test_there_is_something_to_be_said() -> None:
    assert sum(len(list(_refused_by(module))) for module in SAID_TO_PEOPLE) > 70


@each
def test_values_stand_where_the_language_has_them(language: LearnerLanguage) -> None:
    refused = "did:web:a.example was retired; sign with another key of did:web:b.example"
    said = language.said(refused)
    assert said is not None
    assert said != refused
    assert "did:web:a.example" in said
    assert "did:web:b.example" in said


def test_a_refusal_within_a_refusal_is_said_in_the_language_too() -> None:
    said = LANGUAGES["de"].said("The log refused this: The recognition was withdrawn already")
    assert said == "Das Log hat dies abgelehnt: Die Anerkennung wurde schon zurückgezogen"
    within = LANGUAGES["fr"].said("The standing decision was withdrawn already, or is void")
    assert within == "Cela a déjà été retiré, ou est nul : décision permanente"


def test_what_somebody_typed_is_a_value_and_no_sentence() -> None:
    german = LANGUAGES["de"]
    assert german.said("{0.__class__} was closed at {9}") == "{0.__class__} wurde am {9} geschlossen"
    assert german.said("was closed at") is None
    assert german.said("Nothing of ours") is None
    assert german.said(" was closed at ".join(["x"] * 3000)) is None, "nobody writes a refusal of that length"


def test_a_sentence_that_says_little_of_its_own_is_found_in_nothing() -> None:
    assert sentences({"{1} {2}": "x", "{1}: {2}.": "y"}) == ()
    (kept,) = sentences({"The {1} holds {2} of it": "z"})
    assert kept.values("The log holds 3 of it") == ["log", "3"]
    assert kept.values("The log has 3 of it") is None
    assert kept.values("The  of it") is None


@each
@pytest.mark.parametrize(
    "problem",
    [
        InvalidProblem("An agreement ends after it begins, and 5 years on at most"),
        ConflictProblem("The standing decision 3c holds from 2026-01-01 to 2027-01-01"),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_the_page_of_a_refusal_says_nothing_in_english(problem: Problem, language: LearnerLanguage) -> None:
    page = Pages(kept_days=90).fault(problem, PageReader(language=language))
    assert page.text is not None
    assert '<span lang="en"' not in page.text
    assert f'<p class="cause"><span dir="auto">{language.said(problem.detail)}</span></p>' in unescape(page.text)
