"""Texts: what nobody can see is refused, what was perhaps not meant is noted, one name is a whole name."""

from typing import Any

import msgspec
import pytest

from proto.documents.annex_i import annex_i
from proto.documents.credential import Achievement, Award
from proto.documents.wording import achievement_slips, check_achievement, check_award
from proto.imports.microhe import NotMicroHeProblem, import_microhe
from proto.problem import InvalidProblem
from proto.tables.awards_csv import parse_awards
from proto.visible_text import (
    fault_of,
    folded,
    has_visible,
    mixed_scripts,
    name_fault_of,
    slip_of,
    within_sentence,
)
from services.verifier.languages import LANGUAGES
from services.verifier.verdict.findings import finding

INVISIBLE = [
    "\u200b",
    "\ufeff",
    "\u00ad",
    " ",
    "\u00a0",
    "\u3000",
    "\u2800",
    "\u3164",
    "\u200e\u200f",
    "\n\t",
    "\U000e0041",
]
UNREADABLE = [*INVISIBLE, "Ma\x00ria", "\x1b[1mMaria"]


def award(**learner: Any) -> Award:
    fields = {"ref": "s-1", "family_name": "Jansen"} | learner
    return msgspec.convert({"learner": fields, "achievement": "soil", "valid_from": "2026-01-01T00:00:00Z"}, Award)


def achievement(**fields: Any) -> Achievement:
    texts = {name: {"en": "Soil"} for name in ("title", "description", "criteria")}
    plain = {"uri": "https://u.example/a/1", "language": "en", "ects_hundredths": 100}
    return msgspec.convert(texts | plain | fields, Achievement)


@pytest.mark.parametrize("text", INVISIBLE)
def test_what_is_drawn_as_nothing_is_nothing(text: str) -> None:
    assert not has_visible(text)


@pytest.mark.parametrize("text", ["Suharto", "李", "O\u200c\u200dm", "ÅÄÖ", "-", "🎓", "अंजलि", "Mü\u00adller"])
def test_what_can_be_seen_is_taken(text: str) -> None:
    assert fault_of(text) is None
    assert slip_of(text) is None


@pytest.mark.parametrize("text", UNREADABLE)
@pytest.mark.parametrize("name", ["given_name", "family_name"])
def test_a_name_that_nobody_can_read_is_refused_with_its_place(name: str, text: str) -> None:
    with pytest.raises(InvalidProblem) as refused:
        check_award(award(**{name: text}))
    assert refused.value.pointer == f"/learner/{name}"
    assert "Maria" not in refused.value.detail


@pytest.mark.parametrize(
    "email", ["ma\u200bria@x.example", "\u200b@\u200b", "maria@x\u00ad.example", "a@\u3000b", "a@b\u3164"]
)
def test_a_mail_address_with_something_invisible_is_refused(email: str) -> None:
    with pytest.raises((InvalidProblem, msgspec.ValidationError)):
        check_award(award(email=email))


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"title": {"en": "Soil", "nl": "\u200b"}}, "/title/nl"),
        ({"description": {"en": " "}}, "/description/en"),
        ({"learning_outcomes": [{"title": {"en": "\ufeff"}}]}, "/learning_outcomes/0/title/en"),
        ({"tags": ["soil", "\x00"]}, "/tags/1"),
    ],
)
def test_texts_of_an_achievement_that_nobody_can_read_are_refused(fields: dict[str, Any], pointer: str) -> None:
    with pytest.raises(InvalidProblem) as refused:
        check_achievement(achievement(**fields))
    assert refused.value.pointer == pointer


SLIPS = [
    *("undefined", "null", "NaN", " None ", "#N/A", "M&uuml;ller", "M&#252;ller", "M\ufffdller"),
    *("MÃ¼ller", "MÃœLLER", "GroÃŸ", "Gro\xc3\x9f", "Å\x81ukasz", "â€œSoilâ€\x9d"),
]


@pytest.mark.parametrize("text", SLIPS)
def test_what_was_perhaps_not_meant_is_noted_and_taken(text: str) -> None:
    (note,) = check_award(award(family_name=text))
    assert note.startswith("The text at /learner/family_name ")
    assert text not in note
    assert achievement_slips(achievement(title={"en": text}))


def test_texts_of_many_languages_are_not_taken_for_slips() -> None:
    for text in ("ESPAÑA", "SÃO PAULO", "São João", "Ångström", "“Ä”", "Ærø", "A & B; C", "Œuvre", "Nullmeier", "Â"):
        assert slip_of(text) is None


def test_one_name_is_a_whole_name() -> None:
    by_name = {"ref": "s-1", "given_name": "Suharto"}
    for learner, state in ((by_name, "present"), ({"ref": "s-1", "email": "a@b.example"}, "doubtful")):
        fields = {"learner": learner, "achievement": "soil", "valid_from": "2026-01-01T00:00:00Z"}
        element = annex_i(achievement(), award=msgspec.convert(fields, Award)).elements[0]
        assert (element.number, element.state) == (1, state)


def test_names_that_look_the_same_are_folded_into_one() -> None:
    assert folded("  MARIA\u00a0 Jan\u00adsen ") == folded("Maria jansen") == "maria jansen"
    assert folded("Zoe\u0308") == folded("Zoë")


def test_a_cell_of_a_table_that_nobody_can_read_is_refused_by_its_column() -> None:
    text = "learner_ref,given_name,family_name,achievement,valid_from\ns-1,\u200b,Jansen,soil,2026-01-01\n"
    (fault,) = parse_awards(text.encode()).faults
    assert (fault.line, fault.field) == (2, "given_name")


@pytest.mark.parametrize("name", ["title", "holder", "familyName"])
def test_an_import_with_a_name_that_nobody_can_read_is_refused(name: str) -> None:
    record = {"title": "Ledgers", "dateOfIssue": "2019-06-30", "holder": "Zoë"} | {name: "\u200b"}
    with pytest.raises(NotMicroHeProblem, match="can be seen"):
        import_microhe(record)


def test_what_others_wrote_turns_nothing_of_the_sentence_that_it_stands_in() -> None:
    name = "Evil \u202e\u2067University\u2028\x9b\uffffof\nX"
    assert within_sentence(name) == "Evil University   of X"
    for language in LANGUAGES.values():
        said = language.check(finding("issuer", "invalid", "issuer-out-of-scope", issuer=name)).detail
        assert "Evil University   of X" in said
        assert "Evil University   of X" in language.word("by {issuer}", issuer=name)


@pytest.mark.parametrize(
    "name", ["Universität", "جامعة القاهرة", "האוניברסיטה\u200f", "クロ\u200dス", "a\u200cb", "😀"]
)
def test_letters_of_any_direction_stay_as_they_are(name: str) -> None:
    assert within_sentence(name) == name
    assert name_fault_of(name) is None


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("Univ\u0435rsity", ("Latin", "Cyrillic")),
        ("\u0391thens", ("Greek", "Latin")),
        ("\uff21\u0392", ("Latin", "Greek")),
        ("東京大学 University", ()),
        ("Київ", ()),
        ("n.º 5 µ", ("Latin", "Greek")),
    ],
)
def test_letters_that_look_alike_are_told_apart(text: str, scripts: tuple[str, ...]) -> None:
    assert mixed_scripts(text) == scripts
