"""The gateway's pages for people: every word in every language, and no refusal that only a program understands."""

import ast
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest

import services.issuer_gateway.app
from proto.ids import AchievementUri, CredentialId
from proto.moment import Moment
from proto.problem import InvalidProblem, UnavailableProblem
from proto.sentence import Sentence
from proto.wire.requests import Claimed, ClaimSeen, ClaimState, RequestSeen
from services.issuer_gateway import pages as pages_module
from services.issuer_gateway.applications import rules
from services.issuer_gateway.http import (
    office_agreement_routes,
    office_endorsement_routes,
    office_grade_routes,
    office_routes,
    office_settings_routes,
    office_statement_routes,
)
from services.issuer_gateway.languages import DEFAULT, LANGUAGES, LearnerLanguage
from services.issuer_gateway.pages import Pages, application_words, office_words, request_words, stack_words
from services.issuer_gateway.pages.fault_words import KINDS_OF_FAULT, OWN_FAULTS, said_fault
from services.issuer_gateway.pages.in_languages import PageReader
from services.issuer_gateway.papers.standing import ShownState
from tests.support.english_on_pages import english_on
from tests.support.problem_kinds import problem_kinds

assert services.issuer_gateway.app, "with it every refusal of the gateway is known"
NOW = Moment("2026-11-23T10:00:00.000Z")
TEMPLATES = sorted(Path(pages_module.__file__).parent.glob("**/*.jinja"))
OTHERS = [language for language in LANGUAGES.values() if language.code != DEFAULT]
NO_WORDS = {"Credentify", "ECTS", "UTC", "recognition"}
"""What stands on pages in every language: names, units, and what programs are told."""
PAGES = Pages(kept_days=90)
each = pytest.mark.parametrize("language", OTHERS, ids=lambda language: str(language.code))


def _raised_by(module: ModuleType) -> Iterator[str]:
    """Yield every sentence without values that a module refuses with."""
    for raised in ast.walk(ast.parse(Path(module.__file__ or "").read_text(encoding="utf-8"))):
        if isinstance(raised, ast.Raise) and isinstance(raised.exc, ast.Call) and raised.exc.args:
            said = (each for each in ast.walk(raised.exc.args[0]) if isinstance(each, ast.Constant))
            yield from (each.value for each in said if isinstance(each.value, str))


def _every_word() -> Iterator[str]:
    for module in (application_words, office_words, request_words, stack_words):
        for name, table in vars(module).items():
            if name.isupper():
                yield from [table] if isinstance(table, str) else table.values()
    for module in (
        office_agreement_routes,
        office_endorsement_routes,
        office_grade_routes,
        office_settings_routes,
        office_statement_routes,
    ):
        yield from vars(module)["_FAULTS"].values()
    yield from vars(office_routes)["_FIELD_FAULTS"].values()
    yield from _raised_by(rules)
    for fault in (*OWN_FAULTS.values(), *KINDS_OF_FAULT.values()):
        yield from (fault.title, fault.said)


@each
def test_a_language_has_every_word_of_pages_states_and_faults(language: LearnerLanguage) -> None:
    assert set(_every_word()) - language.words.keys() == set()


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: str(path.name))
def test_a_page_has_no_word_that_is_not_translated(template: Path) -> None:
    text = re.sub(r"\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}", "", template.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = re.findall(r'\b(?:alt|title|placeholder|aria-label)="([^"]*[^\W\d_][^"]*)"', text)
    shown = re.sub(r'<[^>]*>|[\w-]+="[^"]*"', " ", text)
    assert {*re.findall(r"[^\W\d_]{2,}", " ".join([shown, *named]))} - NO_WORDS == set()


def _shown(reader: PageReader) -> Iterator[str]:
    """Yield every page of requests and claims, in each of its states."""
    titles = {"en": "Flood risk", "fr": "Les crues"}
    uri, until = AchievementUri("https://waterland.example/achievements/flood"), NOW
    for state in ("open", "accepted", "rejected", "withdrawn", "lapsed"):
        seen = RequestSeen(
            state=state,
            institution="waterland",
            legal_name="Hogeschool Waterland",
            achievement=uri,
            title="Flood risk",
            titles=titles,
            created_at=NOW,
            decided_at=NOW,
            credential_id=CredentialId("0" * 64),
            document="x/document",
            is_erased=state == "withdrawn",
        )
        held = ShownState(state="suspended", at=NOW) if state == "accepted" else None
        yield PAGES.request(seen, reader, secret="s", state=held).text or ""
    claims: tuple[tuple[ClaimState, bool], ...] = (("open", False), ("used", True), ("used", False), ("expired", False))
    for claim_state, may_fetch_again in claims:
        link = ClaimSeen(
            state=claim_state,
            institution="waterland",
            legal_name="Hogeschool Waterland",
            achievement=uri,
            title="Flood risk",
            titles=titles,
            expires_at=until,
            may_bind=False,
            may_fetch_again=may_fetch_again,
        )
        yield PAGES.claim(link, reader).text or ""
    for held_state in ("active", "expired", "impaired"):
        claimed = Claimed(credential_id=CredentialId("0" * 64), document={}, state=held_state, page="https://g/x")
        yield PAGES.claimed(claimed, reader).text or ""


@each
def test_no_page_of_requests_and_claims_says_anything_in_english(language: LearnerLanguage) -> None:
    for html in _shown(PageReader(language=language, is_named=True)):
        assert f'<html lang="{language.code}">' in html
        assert list(english_on(html)) == []
        for form in re.findall(r'action="([^"]*)"', html):
            assert form.endswith(f"?lang={language.code}"), "the answer is in the same language"


def test_what_is_english_is_found_on_a_page_in_another_language() -> None:
    words = "<p>It was decided already</p><p lang='en'>Go back, and see</p><code>This link only shows</code>"
    assert list(english_on(f'<html lang="de">{words}<img alt="This did not work">')) == [
        "It was decided already",
        "This did not work",
    ]
    assert list(english_on(f'<html lang="en">{words}')) == []


def test_a_title_is_in_the_readers_language_where_it_is_written_in_it_and_says_so_where_not() -> None:
    french, german = (next(iter(_shown(PageReader(language=LANGUAGES[code])))) for code in ("fr", "de"))
    assert '<span dir="auto">Les crues</span>' in french
    assert '<span lang="en" dir="auto">Flood risk</span>' in german


def test_a_page_is_asked_for_again_in_another_language_with_all_else_that_it_was_asked_for() -> None:
    _, german, *_ = PageReader(asked=(("state", "all"), ("programme", "https://x/?a=b&c"))).choices
    assert german == ("de", "Deutsch", "state=all&programme=https%3A%2F%2Fx%2F%3Fa%3Db%26c&lang=de")
    assert PageReader(asked=None).choices == [], "what answers a form is at no address of its own"


def test_every_refusal_is_said_in_words_for_people_and_no_words_are_of_none() -> None:
    slugs = {kind.slug for kind in problem_kinds()}
    assert OWN_FAULTS.keys() - slugs == set()
    assert KINDS_OF_FAULT.keys() - slugs == set()
    assert said_fault(UnavailableProblem("it restarts")).cause == Sentence("it restarts")


@each
def test_what_exactly_was_found_stands_beside_a_refusal_and_says_that_it_is_english(language: LearnerLanguage) -> None:
    page = PAGES.fault(InvalidProblem("No <number>"), PageReader(language=language))
    assert page.status == InvalidProblem.status
    assert page.text is not None
    found = unescape(language.word("In detail:"))
    assert f'<p class="cause"><span>{found}</span> <span lang="en" dir="auto">No &lt;number&gt;</span></p>' in page.text
    assert language.word("This was not understood") in unescape(page.text)
