"""Results are signed under the descriptions that they name: several, in any order, with status, as numbers."""

import itertools
from typing import Any

import pytest

from tests.support.foreign_documents import elm, open_badge
from tests.support.gateways import RunningGateway
from tests.support.judged import Verifier, judge_for

Json = dict[str, Any]
ATTENDANCE = {
    "id": "https://badges.example/results/attendance",
    "type": ["ResultDescription"],
    "name": "Attendance",
    "resultType": "Percent",
    "valueMin": 0,
    "valueMax": 100.0,
}
GRADE = {
    "id": "https://badges.example/results/grade",
    "type": ["ResultDescription"],
    "name": "Grade",
    "resultType": "LetterGrade",
    "allowedValue": ["A", "B", 3],
}


def _result(of: Json | None, **members: Any) -> Json:
    named = {} if of is None else {"resultDescription": of["id"]}
    return {"type": ["Result"]} | named | members


def _badge(descriptions: list[Json], results: list[Json]) -> Json:
    badge = open_badge(result=results)
    badge["credentialSubject"]["achievement"]["resultDescription"] = descriptions
    return badge


def _signed(document: Json) -> list[tuple[str | None, str | None, str | None]]:
    """Return name of the description, value and status of every result."""
    subject = document["credentialSubject"]
    names = {each["id"]: each["name"] for each in subject["achievement"].get("resultDescription", [])}
    assert len(names) == len(subject["achievement"].get("resultDescription", []))
    return [
        (
            names[each["resultDescription"]] if "resultDescription" in each else None,
            each.get("value"),
            each.get("status"),
        )
        for each in subject.get("result", [])
    ]


async def test_a_result_belongs_to_the_description_that_it_names(gateway: RunningGateway, verifier: Verifier) -> None:
    office = await gateway.institution("waterland")
    judged = judge_for(verifier, office)
    cases: list[tuple[list[Json], list[Json], list[tuple[str | None, str | None, str | None]]]] = [
        ([ATTENDANCE, GRADE], [_result(GRADE, value="A")], [("Grade", "A", None)]),
        ([ATTENDANCE, GRADE], [_result(ATTENDANCE, value=92.5)], [("Attendance", "92.5", None)]),
        ([ATTENDANCE], [_result(ATTENDANCE, value=0, status="Completed")], [("Attendance", "0", "Completed")]),
        ([GRADE], [_result(None, value="B")], [("Grade", "B", None)]),
        ([GRADE], [_result(ATTENDANCE, value="B")], [(None, "B", None)]),
        ([ATTENDANCE, GRADE], [_result(None, value="A")], [(None, "A", None)]),
        ([], [_result(None, status="Completed")], [(None, None, "Completed")]),
        ([ATTENDANCE, GRADE], [_result(GRADE, value="")], []),
    ]
    both = [_result(ATTENDANCE, value=92, status="Provisional"), _result(GRADE, value="A", status="Completed")]
    expected = [("Attendance", "92", "Provisional"), ("Grade", "A", "Completed")]
    orders: list[list[Json]] = [[ATTENDANCE, GRADE], [GRADE, ATTENDANCE]]
    cases += [
        (order, [both[each] for each in places], [expected[each] for each in places])
        for places in itertools.permutations(range(2))
        for order in orders
    ]
    for number, (descriptions, results, wanted) in enumerate(cases):
        answered = await office.client.post(
            f"/v1/imports/open-badges?learner_ref=s-{number}", _badge(descriptions, results)
        )
        assert answered.status == 201, answered
        assert _signed(await judged(answered.body["credential_id"])) == wanted
    assert await gateway.database_count("achievement") == 1


async def test_an_institution_awards_several_results(gateway: RunningGateway, verifier: Verifier) -> None:
    office = await gateway.institution("waterland")
    judged = judge_for(verifier, office)
    await office.describe(
        "soil", grading_scheme={"name": "Grade"}, further_grading_schemes=[{"name": "Attendance", "type": "Percent"}]
    )
    further = [{"value": "92", "scheme": "Attendance"}]
    issued = await office.issue("soil", result={"value": "A", "status": "Completed"}, further_results=further)
    found = [("Grade", "A", "Completed"), ("Attendance", "92", None)]
    assert _signed(await judged(issued.credential_id)) == found
    award = office.award("soil", further_results=[{"value": "92", "scheme": "Punctuality"}])
    refused = await office.client.post("/v1/credentials", award)
    assert (refused.status, refused.slug) == (422, "unknown-grading-scheme")
    assert refused.body["pointer"] == "/further_results/0/scheme"


def _assessment(title: str, grade: Any, scheme: str | None = None) -> Json:
    spec: Json = {"type": "LearningAssessmentSpecification", "title": {"en": title}}
    if scheme:
        spec["gradingScheme"] = {"type": "GradingScheme", "title": {"en": scheme}}
    return {"type": "LearningAssessment", "title": {"en": title}, "specifiedBy": spec, "grade": grade}


@pytest.mark.parametrize(
    ("assessments", "expected"),
    [
        ([_assessment("Exam", {"type": "Note", "noteLiteral": {"en": "8.5"}})], [(None, "8.5", None)]),
        ([_assessment("Exam", 8.0)], [(None, "8", None)]),
        ([_assessment("Exam", "A", "A to F")], [("A to F", "A", None)]),
        (
            [_assessment("Attendance", {"noteLiteral": 92}, "Percent"), _assessment("Exam", "A")],
            [("Attendance: Percent", "92", None), ("Exam", "A", None)],
        ),
    ],
)
async def test_a_grade_of_the_learning_model_belongs_to_its_assessment(
    gateway: RunningGateway, verifier: Verifier, assessments: list[Json], expected: list[Any]
) -> None:
    office = await gateway.institution("waterland")
    document = elm()
    document["credentialSubject"]["hasClaim"][0]["provenBy"] = assessments
    answered = await office.client.post("/v1/imports/elm", document)
    assert answered.status == 201, answered
    assert _signed(await judge_for(verifier, office)(answered.body["credential_id"])) == expected
