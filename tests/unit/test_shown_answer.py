"""What `credentify verify` prints: the page's order and words, in its languages, and nothing that steers a terminal."""

import io
import re

import msgspec
import pytest
from rich.console import Console

from proto.ids import CredentialId, Did, EventId, Origin, TreeSize
from proto.moment import Moment
from proto.wire.content import Content, HolderContent, LevelContent, OutcomeContent, ReferenceContent, ResultContent
from proto.wire.statements import EndorsementFacts, StandingDecisionFacts
from proto.wire.verifier import Answer, AsOf, Check, IssuerFacts, Question, RecognitionFacts, StackNode, Status, Today
from services.command.shown_answer import ShownAnswer
from services.verifier.languages import LANGUAGES
from services.verifier.pages.stack_drawing import count_of

NOW = Moment("2026-03-01T10:00:00.000Z")
SCHOOL = Did("did:web:school.example")
CONTENT = Content(
    language="pl",
    title={"pl": "Ryzyko powodzi", "en": "Flood risk"},
    holder=HolderContent(name="Zoë \x1b[2J\u202eBriain"),
    learning_outcomes=(OutcomeContent(title={"en": "speaks of risk\nand of hope"}),),
    skills=(ReferenceContent(name="assess flood risk"),),
    ects_hundredths=350,
    workload_hours=98,
    level=LevelContent(eqf=6, framework="NLQF", national="6"),
    results=(ResultContent(value="8.5", scheme="Dutch grade", lowest="1", highest="10", required="5.5"),),
    assessments=("Project work",),
    supervision="Supervised on site with identity verification",
    awarded_at="2026-01-15",
)


def part(
    state: str, remaining: int, parts: tuple[StackNode, ...] = (), title: dict[str, str] | None = None
) -> StackNode:
    return StackNode(
        credential_id=CredentialId("0" * 64),
        issuer=SCHOOL,
        achievement="https://school.example/achievements/soil",
        ects_hundredths=350,
        ects_hundredths_remaining=remaining,
        state=state,  # type: ignore[arg-type] # one of them
        since=NOW,
        issuer_name="School",
        title=title or {},
        parts=parts,
    )


SOIL = {"en": "Soil \u202eand water", "de": "Boden und Wasser"}
ANSWER = Answer(
    verdict="invalid",
    checks=(
        Check(check="document", result="not_applicable", code="no-document", detail="Only the id was given."),
        Check(check="components", result="invalid", code="components-impaired", detail="One fell away."),
        Check(check="freshness", result="valid", code="fresh-log", detail="Read just now."),
    ),
    question=Question(at=NOW),
    as_of=AsOf(
        origin=Origin("log.example"),
        size=TreeSize(3),
        root_hash="",
        time=NOW,
        time_source="log",
        age_seconds=1.0,
    ),
    status=Status(state="impaired", since=NOW, ects_hundredths_remaining=350),
    issuer=IssuerFacts(did=SCHOOL, state="active", legal_name="School", country="NL"),
    stack=part("impaired", 350, (part("active", 350, title=SOIL), part("revoked", 0))),
    recognitions=(
        RecognitionFacts(
            event_id=EventId("e"),
            recogniser=SCHOOL,
            recogniser_name="Academy",
            decision="partial",
            ects_hundredths=300,
            programme="https://academy.example/p",
            received_at=NOW,
            state="withdrawn",
        ),
    ),
    content=CONTENT,
)


def printed(language: str) -> str:
    file = io.StringIO()
    ShownAnswer(Console(file=file, width=200, highlight=False, soft_wrap=True), LANGUAGES[language]).show(ANSWER)
    return file.getvalue()


def test_it_says_whose_what_how_much_and_how_well_before_why() -> None:
    text = printed("en")
    places = [
        text.index(words)
        for words in (
            "INVALID",
            "One fell away.",
            "Do not rely on it as it stands. The institution can say more.",
            "Flood risk",
            "Awarded to Zoë",
            "by School (NL), 2026-01-15",
            "- speaks of risk and of hope",
            "Skills (ESCO): assess flood risk",
            "Credits: 3.5 ECTS",
            "Workload: 98 h",
            "Level: EQF level 6 of 8: as a bachelor's degree; NLQF, level 6",
            "Result: 8.5, Dutch grade: from 1 to 10, passed from 5.5",
            "Supervision and identity: Supervised on site",
            "Academy (withdrawn): 3 ECTS, in part",
            "1 Soil  and water: active, 3.5 ECTS, School",
            "2 soil: revoked, 0 of 3.5 ECTS still hold",
            "The parts' titles are the institutions' words",
            "The document is as it was issued: not checked.",
            "State: impaired since 2026-03-01 10:00 UTC",
            "The institution, by the register",
            "Log log.example, entries: 3",
        )
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_no_word_of_ours_is_english_in_another_language(language: str) -> None:
    today = Today(
        verdict="invalid", at=NOW, state="revoked", since=NOW, reason="error", replaced_by=None, checks=ANSWER.checks
    )
    for answer in (ANSWER, msgspec.structs.replace(ANSWER, today=today)):
        out = io.StringIO()
        ShownAnswer(Console(file=out, width=200, soft_wrap=True), LANGUAGES[language]).show(answer)
        others = ("fell away", "Only the id", "Read just now", "speaks of risk", "Soil")
        ours = [line for line in out.getvalue().splitlines() if not any(text in line for text in others)]
        assert not re.search(r"\b(the|this|is|not|of|today|for|as)\b", "\n".join(ours)), ours


def test_it_says_the_same_in_other_languages_and_titles_in_that_which_suits() -> None:
    german = printed("de")
    for words in (
        "Verliehen an",
        "Ryzyko powodzi",
        "Leistungspunkte: 3.5 ECTS",
        "Arbeitsaufwand: 98 h",
        "Projektarbeit",
        "nicht geprüft",
        "1 Boden und Wasser",
    ):
        assert words in german
    for words in ("Awarded to", "Project work", "not checked"):
        assert words not in german


def test_a_name_of_others_does_not_steer_a_terminal() -> None:
    text = printed("en")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "Briain" in text


def test_each_part_says_whose_word_it_is() -> None:
    text = printed("en")
    assert "How much, how well (The institution says this, in the document.)" in text
    assert "What is on record (The public log says this.)" in text


def test_nothing_says_that_an_institution_awarded_what_is_not_proven() -> None:
    altered = msgspec.structs.replace(ANSWER, content=None, status=None, credential=None)
    out = io.StringIO()
    ShownAnswer(Console(file=out, width=200, soft_wrap=True), LANGUAGES["en"]).show(altered)
    assert "What is on record" not in out.getvalue()
    assert "Awarded by" not in out.getvalue()
    assert "The institution, by the register" in out.getvalue()


def test_who_endorses_it_and_who_counts_its_achievement_is_printed_in_the_language() -> None:
    said = msgspec.structs.replace(
        ANSWER,
        endorsements=(
            EndorsementFacts(
                event_id=EventId("e"),
                endorser=SCHOOL,
                endorser_name="Agency \x1b[31m",
                role="quality",
                invitation=EventId("i"),
                received_at=NOW,
                state="live",
            ),
        ),
        standing_decisions=(
            StandingDecisionFacts(
                event_id=EventId("d"),
                recogniser=SCHOOL,
                recogniser_name="Academy",
                decision="full",
                ects_hundredths=350,
                programme="https://academy.example/p/1",
                valid_from=NOW,
                valid_until=NOW,
                covers=False,
                state="unknown",
            ),
        ),
    )
    out = io.StringIO()
    ShownAnswer(Console(file=out, width=200), LANGUAGES["de"]).show(said)
    assert "Bestätigt von" in out.getvalue()
    assert "Agency" in out.getvalue()
    assert "hat die Qualität gesichert" in out.getvalue()
    assert "3.5 ECTS, ganz, https://academy.example/p/1 (nicht diesen Nachweis" in out.getvalue()
    assert "\x1b[31m" not in out.getvalue()


def test_of_a_stack_of_many_parts_those_that_fell_away_are_printed_first() -> None:
    stack = ANSWER.stack
    assert stack is not None
    fallen = msgspec.structs.replace(stack.parts[0], state="revoked", title={"en": "Tides"})
    whole = msgspec.structs.replace(stack, parts=(*(stack.parts[:1] * 30), fallen))
    out = io.StringIO()
    ShownAnswer(Console(file=out, width=200), LANGUAGES["en"]).show(msgspec.structs.replace(ANSWER, stack=whole))
    before, _, after = out.getvalue().partition("All parts: ")
    assert before.count("31 Tides") == after.count("31 Tides") == 1
    assert after.startswith(f"{count_of(whole)}\n")
