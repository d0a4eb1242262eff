"""Records of the old prototype: all 63 fields have a place or are listed, dates are JavaScript's, people stay apart."""

from typing import Any

import pytest

from proto.imports.imported import Imported
from proto.imports.microhe import NotMicroHeProblem, import_microhe
from tests.support.foreign_documents import PROTOTYPE_RECORD as RECORD
from tests.support.traces import MARK, lost_by_one_change, untraced

Json = dict[str, Any]
_DATE = RECORD["dateIssued"]
VALUES = [MARK, MARK * 200, [MARK], {"en": MARK}, f"{MARK}\n* {MARK}2", "https://x.example/ä" + MARK]


def imported(**changes: Any) -> Imported:
    return import_microhe(RECORD | changes, learner_ref="l-1")


def without(*names: str, **changes: Any) -> Imported:
    return import_microhe({name: value for name, value in (RECORD | changes).items() if name not in names})


def test_the_record_has_all_63_fields() -> None:
    assert len(RECORD) == 63


def test_every_field_is_read_or_listed() -> None:
    found = imported()
    assert found.unmapped == (
        "/$schema",
        "/publicKey",
        "/dateModified",
        "/status",
        "/owner",
        "/creator",
        "/publisher",
        "/studentId",
        "/cheating",
    )
    achievement, award = found.achievement, found.award
    assert (achievement.title, achievement.language) == ({"en": "Ledgers"}, "en")
    assert achievement.description == {"en": "An introduction.\n\nHow ledgers are kept, and why."}
    assert (achievement.ects_hundredths, achievement.workload_hours, achievement.eqf_level) == (500, 125, 6)
    assert achievement.national_level is not None
    assert (achievement.national_level.framework, achievement.national_level.level) == ("DQR", "6")
    assert [each.title["en"] for each in achievement.learning_outcomes] == [
        "Explains ledgers",
        "Builds one",
        "Judges which ledger fits.",
    ]
    assert (achievement.participation_modes, achievement.assessment_types) == (
        ("online",),
        ("oral-exam",),
    )
    assert (achievement.prerequisites, achievement.stackability) == ({"en": "Arithmetic"}, "stackable")
    assert (achievement.quality_assurance[0].name, achievement.tags) == ("NVAO 4711", ("Accounting",))
    assert [each.identifier for each in achievement.other_identifiers] == ["MHE-42", "MICRO-42", "Bookkeeping I"]
    assert achievement.image == "https://microhe.example/badge.png"
    assert achievement.grading_scheme is not None
    assert achievement.grading_scheme.name == "1 to 10"
    assert achievement.further_information is not None
    for line in ("Taught in the evenings.", "Related occupation: Bookkeeper", "Replaces: MHE-41", "Credit points: 5"):
        assert line in achievement.further_information["en"].splitlines()
    assert (award.valid_from, award.valid_until, award.ects_hundredths) == ("2020-06-30", "2023-06-30", 450)
    assert award.result is not None
    assert award.result.value == "8.5"
    assert [each.url for each in award.evidence] == ["https://microhe.example/evidence/7"]
    assert [each.identifier for each in award.other_identifiers] == ["award-1", "Certificate"]
    assert (award.learner.full_name, award.learner.date_of_birth) == ("Zoë Ó Briain", "1998-03-08")
    assert found.issuer.name == "Knowledge College"


def test_no_text_of_a_record_can_change_without_a_trace() -> None:
    assert lost_by_one_change(RECORD, import_microhe) == []


@pytest.mark.parametrize("name", RECORD)
@pytest.mark.parametrize("value", VALUES)
def test_a_field_of_another_kind_is_read_listed_or_refused(name: str, value: Any) -> None:
    assert untraced(RECORD | {name: value}, import_microhe) == []


@pytest.mark.parametrize("name", RECORD)
@pytest.mark.parametrize("value", ["", None, 0, -1, True, [], {}, "undefined"])
def test_a_field_that_says_nothing_is_no_fault_unless_it_is_needed(name: str, value: Any) -> None:
    if name not in {"title", "holder", "dateIssued", "expiryPeriod"}:
        imported(**{name: value})


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (_DATE, "2020-06-30"),
        ("Tue Jun 30 2020 00:00:00 GMT+0200 (Mitteleuropäische Sommerzeit)", "2020-06-30"),
        ("Mon Jun 29 2020 20:00:00 GMT-0400 (Eastern Daylight Time)", "2020-06-30"),
        ("Tue Jun 30 2020 14:05:09 GMT+0200", "2020-06-30T14:05:09+02:00"),
        ("Tue Jun 30 2020 14:05:09 GMT-0330 (NDT)", "2020-06-30T14:05:09-03:30"),
        ("Tue Jun 30 2020", "2020-06-30"),
        ("Tue, 30 Jun 2020 00:00:00 GMT", "2020-06-30"),
        ("Tue, 30 Jun 2020 10:00:01 GMT", "2020-06-30T10:00:01+00:00"),
        (1593475200000, "2020-06-30"),
        ("2020-06-30", "2020-06-30"),
        ("2020-06-30T10:00:00Z", "2020-06-30T10:00:00Z"),
    ],
)
def test_dates_are_read_as_javascript_writes_them(written: Any, read: str) -> None:
    assert imported(dateIssued=written).award.valid_from == read
    assert imported(dateIssued="2019-01-01", expiryPeriod=written).award.valid_until == read


@pytest.mark.parametrize(
    "written",
    ["Tue Jun 31 2020 02:00:00 GMT+0200", "Tue Jux 30 2020", "30.06.2020", "soon", "Invalid Date", "2 years", 5],
)
def test_what_is_no_date_is_refused_with_its_field(written: Any) -> None:
    with pytest.raises(NotMicroHeProblem) as refused:
        imported(dateIssued=written)
    assert refused.value.pointer == "/dateIssued"
    if written != "Invalid Date":
        with pytest.raises(NotMicroHeProblem) as refused:
            imported(expiryPeriod=written)
        assert refused.value.pointer == "/expiryPeriod"


def test_an_end_that_javascript_had_not_is_none_and_is_said() -> None:
    found = imported(expiryPeriod="Invalid Date")
    assert found.award.valid_until is None
    assert "/expiryPeriod" in found.unmapped
    assert any(doubt.pointer == "/expiryPeriod" for doubt in found.doubtful)


def test_an_identifier_names_the_achievement_or_the_award_and_not_both() -> None:
    address = "https://microhe.example/q/42"
    found = imported(identifier=address)
    assert found.achievement.uri == address
    assert address not in {each.identifier for each in found.award.other_identifiers}
    named = imported(courseIdentifier=address, identifier="c-9")
    assert named.achievement.uri == address
    assert "c-9" in {each.identifier for each in named.award.other_identifiers}
    assert "c-9" not in {each.identifier for each in named.achievement.other_identifiers}
    assert imported().achievement.uri == imported(title="Ledgers 2").achievement.uri
    assert imported().achievement.uri != imported(identifier="MHE-44").achievement.uri


@pytest.mark.parametrize(
    ("system", "points", "hundredths"),
    [("ECTS", "2,5", 250), ("European Credit Transfer System", 3, 300), ("ECVET", 3, 0), ("", 3, 0)],
)
def test_credit_points_are_ects_only_if_their_system_is(system: str, points: Any, hundredths: int) -> None:
    found = without("ECTSCreditPoints", "creditsAwarded", "creditSysTitle", creditSystem=system, numCreditPoints=points)
    assert found.achievement.ects_hundredths == hundredths
    assert f"Credit points: {points}" in (found.achievement.further_information or {})["en"]


@pytest.mark.parametrize(
    ("written", "level", "is_listed"),
    [
        ("6", 6, False),
        ("EQF 6", 6, False),
        ("EQF level 6", 6, False),
        (6, 6, False),
        ("Bachelor (6)", 6, True),
        ("6-7", None, True),
    ],
)
def test_a_level_in_a_longer_text_is_read_and_listed(written: Any, level: int | None, *, is_listed: bool) -> None:
    found = imported(EQFLevel=written)
    assert found.achievement.eqf_level == level
    assert ("/EQFLevel" in found.unmapped) is is_listed


@pytest.mark.parametrize(
    ("written", "framework", "level"),
    [("DQR 6", "DQR", "6"), ("NLQF level 4+", "NLQF", "4+"), ("6", "National qualifications framework", "6")],
)
def test_a_national_level_is_no_eqf_level(written: str, framework: str, level: str) -> None:
    found = without("EQFLevel", NQFLevel=written).achievement
    assert found.eqf_level is None
    assert found.national_level is not None
    assert (found.national_level.framework, found.national_level.level) == (framework, level)


@pytest.mark.parametrize(("written", "tag"), [("en", "en"), ("English", "en"), ("nl-NL", "nl-NL"), ("Klingon!", "und")])
def test_a_language_is_a_code_or_its_english_name(written: str, tag: str) -> None:
    found = imported(refLanguage=written)
    assert found.achievement.language == tag
    assert ("/refLanguage" in found.unmapped) is (tag == "und")


def test_an_occupation_of_esco_is_one_and_another_stays_a_text() -> None:
    esco = "http://data.europa.eu/esco/occupation/00030d09-2b3a-4efd-87cc-c4ea39d27c34"
    assert [each.uri for each in imported(relatedOccupation=esco).achievement.esco] == [esco]
    assert imported().achievement.esco == ()


def test_eighty_records_of_eighty_people_are_of_eighty_people() -> None:
    names = ["Anna Nowak", "Jan Nowak", "Zoë", "Siân ap Rhys"]
    found = [
        import_microhe(RECORD | {"holder": names[number % 4], "studentId": f"s-{number}", "uniqueId": f"u-{number}"})
        for number in range(80)
    ]
    assert len({each.award.learner.ref for each in found}) == 80
    assert all(each.identity.is_enough for each in found)
    assert len({each.achievement.uri for each in found}) == 1
