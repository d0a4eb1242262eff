"""What a person is told at the office, at a request or a link is in her language, with the values that were found."""

import ast
import importlib
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

import services.issuer_gateway.app
from proto.problem import ConflictProblem, InvalidProblem, Problem
from proto.sentence import sentence
from services.issuer_gateway.languages import DEFAULT, LANGUAGES, LearnerLanguage
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
    f"{GATEWAY}.applications.grade_conditions",
    f"{GATEWAY}.applications.rules",
    f"{GATEWAY}.applications.whose",
    f"{GATEWAY}.credentials.document_store",
    f"{GATEWAY}.credentials.statements",
    f"{GATEWAY}.domain.agreements",
    f"{GATEWAY}.domain.programmes",
    f"{GATEWAY}.http.application_export_routes",
    f"{GATEWAY}.http.office_agreement_routes",
    f"{GATEWAY}.http.office_routes",
    f"{GATEWAY}.http.office_session",
    f"{GATEWAY}.http.office_settings_routes",
    f"{GATEWAY}.institutions.institution_settings",
    f"{GATEWAY}.keys.signing_keys",
    f"{GATEWAY}.requests.learner_requests",
    f"{GATEWAY}.unit_of_work.event_answer",
    f"{GATEWAY}.unit_of_work.log_writer",
    f"{GATEWAY}.unit_of_work.transactions",
    "proto.documents.recognition_agreement",
    "proto.lifecycle.decide_credential",
    "proto.lifecycle.decide_endorsement",
    "proto.lifecycle.decide_recognition",
    "proto.lifecycle.decide_withdrawal",
    "proto.lifecycle.scope",
)
"""Modules of what is done on the office's pages and by whoever holds a link, and of what the log may say to it."""
VALUE = re.compile(r"\{\w+\}")
OF_THE_API = re.compile(r"`|[a-z]_[a-z]|/v1/|Idempotency-Key")
SHOWN_NOWHERE = {"not-signed-in", "sign-in"}
"""Their page is that on which one signs in, which has words of its own."""


def _words(said: ast.expr) -> Iterator[str]:
    """Yield the words of the sentences that an expression says, as files of languages have them."""
    match said:
        case ast.Constant(value=str(words)):
            yield words
        case ast.Call(func=ast.Name(id="sentence"), args=[words, *_]):
            yield from _words(words)
            within = (each.value for each in said.keywords if isinstance(each.value, ast.Call))
            yield from (words for each in within for words in _words(each))
        case ast.IfExp(body=one, orelse=other):
            yield from (*_words(one), *_words(other))
        case ast.JoinedStr():
            yield f"{ast.unparse(said)}: no language can place these values, so say it with `sentence`"
        case _:
            return


def _refused_by(module: str) -> Iterator[str]:
    """Yield every sentence with which a module refuses, of refusals that have no words of their own."""
    kinds = {kind.__name__: kind for kind in problem_kinds()}
    source = Path(importlib.import_module(module).__file__ or "").read_text(encoding="utf-8")
    for call in ast.walk(ast.parse(source)):
        if isinstance(call, ast.Call) and call.args and isinstance(call.func, ast.Name | ast.Attribute):
            kind = kinds.get(call.func.id if isinstance(call.func, ast.Name) else call.func.attr)
            if kind is not None and kind.slug not in OWN_FAULTS.keys() | SHOWN_NOWHERE:
                yield from _words(call.args[0])


@each
@pytest.mark.parametrize("module", SAID_TO_PEOPLE)
def test_what_a_person_is_refused_with_has_its_sentence_in_every_language(
    module: str, language: LearnerLanguage
) -> None:
    assert {said for said in _refused_by(module) if said not in language.words} == set()


@pytest.mark.parametrize("module", SAID_TO_PEOPLE)
def test_no_page_says_in_english_what_only_programs_know(module: str) -> None:
    words = LANGUAGES[DEFAULT].words
    said = (VALUE.sub("", words.get(each, each)) for each in _refused_by(module))
    assert {shown for shown in said if OF_THE_API.search(shown)} == set()


def test_who_sends_json_is_told_the_name_of_the_member_and_who_fills_in_a_form_the_words_on_it() -> None:
    known = "{institution} recognised it for this programme already: {recognition}. "
    refused = sentence(
        f"{known}Withdraw that, or name it in `replaces`", institution="did:web:a.example", recognition="4711"
    )
    before = "did:web:a.example recognised it for this programme already: 4711. "
    assert str(refused) == f"{before}Withdraw that, or name it in `replaces`"
    assert LANGUAGES[DEFAULT].said(refused) == f"{before}Withdraw that first, or have this take its place"


def test_there_is_something_to_be_said() -> None:
    assert sum(len(list(_refused_by(module))) for module in SAID_TO_PEOPLE) > 70


REFUSED = "{key} was retired; sign with another key of {institution}"


@each
def test_values_stand_where_the_language_has_them(language: LearnerLanguage) -> None:
    refused = sentence(REFUSED, key="did:web:a.example", institution="did:web:b.example")
    said = language.said(refused)
    assert said is not None
    assert said != str(refused)
    assert "did:web:a.example" in said
    assert "did:web:b.example" in said


@each
def test_a_language_has_the_values_of_each_sentence_and_no_others(language: LearnerLanguage) -> None:
    names = re.compile(r"\{(\w*)\}")
    apart = {words for words, said in language.words.items() if set(names.findall(words)) != set(names.findall(said))}
    assert apart == set()


def test_a_refusal_within_a_refusal_is_said_in_the_language_too() -> None:
    refusal = sentence("The log refused this: {refusal}", refusal=sentence("The recognition was withdrawn already"))
    assert LANGUAGES["de"].said(refusal) == "Das Log hat dies abgelehnt: Die Anerkennung wurde schon zurückgezogen"
    within = sentence("The {called} was withdrawn already, or is void", called=sentence("standing decision"))
    assert LANGUAGES["fr"].said(within) == "Cela a déjà été retiré, ou est nul : décision permanente"


def test_what_a_language_has_not_makes_the_whole_english() -> None:
    refusal = sentence("The log refused this: {refusal}", refusal=sentence("Nothing of ours"))
    assert LANGUAGES["de"].said(refusal) is None
    assert PageReader(language=LANGUAGES["de"]).said(refusal) == ("The log refused this: Nothing of ours", "en")


def test_what_somebody_typed_is_a_value_and_no_sentence() -> None:
    closed = sentence("{institution} was closed at {at}", institution="{0.__class__} {at}", at="{9}")
    assert str(closed) == "{0.__class__} {at} was closed at {9}"
    assert LANGUAGES["de"].said(closed) == "{0.__class__} {at} wurde am {9} geschlossen"
    typed = sentence("{institution} was closed at {at}", institution="standing decision", at="no")
    assert LANGUAGES["de"].said(typed) == "standing decision wurde am no geschlossen"


def test_what_others_wrote_turns_no_sentence_in_any_language() -> None:
    closed = sentence("{institution} was closed at {at}", institution="a\u202eb", at="1")
    assert {"\u202e" in str(language.said(closed)) for language in LANGUAGES.values()} == {False}
    assert "\u202e" in InvalidProblem(closed).detail, "programs are told what was found, as it was found"


def test_a_refusal_says_in_english_what_its_sentence_says() -> None:
    refusal = InvalidProblem(sentence("An agreement ends after it begins, and {years} years on at most", years=5))
    assert refusal.document()["detail"] == "An agreement ends after it begins, and 5 years on at most"
    assert str(refusal) == refusal.detail
    assert InvalidProblem("braces {stay}").detail == "braces {stay}"


@each
@pytest.mark.parametrize(
    "problem",
    [
        InvalidProblem(sentence("An agreement ends after it begins, and {years} years on at most", years=5)),
        ConflictProblem(
            sentence("The standing decision {decision} holds from {begin} to {end}", decision="3c", begin=1, end=2)
        ),
    ],
    ids=lambda problem: type(problem).__name__,
)
def test_the_page_of_a_refusal_says_nothing_in_english(problem: Problem, language: LearnerLanguage) -> None:
    page = Pages(kept_days=90).fault(problem, PageReader(language=language))
    assert page.text is not None
    assert '<span lang="en"' not in page.text
    assert f'<p class="cause"><span dir="auto">{language.said(problem.sentence)}</span></p>' in unescape(page.text)
