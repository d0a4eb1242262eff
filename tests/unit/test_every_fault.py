"""Every fault of a value in JSON is named, each where it stands; a right value has none."""

from typing import Any

import msgspec
import pytest

from proto.documents.credential import Award
from proto.problem import InvalidProblem
from services.edge import faults_in
from services.issuer_gateway.batches.row_values import FAULTS_MAX
from services.issuer_gateway.batches.rows import json_row

ROW: dict[str, Any] = {
    "learner": {"ref": "s-1", "given_name": "Zoë"},
    "achievement": "water-management",
    "valid_from": "2026-07-01",
    "evidence": [{"url": "https://hs.example/e"}],
    "result": {"value": 8},
}


def _with(path: str, value: Any) -> dict[str, Any]:
    made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(ROW))
    *above, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    inside: Any = made
    for step in above:
        inside = inside[step]
    inside[last] = value
    return made


@pytest.mark.parametrize(
    ("path", "value", "pointer"),
    [
        ("learner/ref", "a b", "/learner/ref"),
        ("learner/born", "1990-01-01", "/learner"),
        ("valid_from", "01.10.2026", "/valid_from"),
        ("evidence/0/url", "no address", "/evidence/0/url"),
        ("evidence/0", {}, "/evidence/0"),
        ("result/status", "Done", "/result/status"),
        ("activity_end", "2026-02-31", ""),
        ("ects_hundredths", "3", "/ects_hundredths"),
    ],
)
def test_a_single_fault_is_what_the_decoder_says(path: str, value: Any, pointer: str) -> None:
    content = msgspec.json.encode(_with(path, value))
    (fault,) = faults_in(msgspec.json.decode(content), Award)
    said = json_row(1, content).problem
    assert said is not None
    assert (fault.pointer, fault.detail) == (said.pointer, said.detail) == (pointer, fault.detail)


def test_a_right_value_has_no_fault() -> None:
    assert [*faults_in(ROW, Award)] == []


def test_every_fault_of_a_row_in_json_is_named_in_the_order_of_its_fields() -> None:
    wrong = _with("learner/email", "nobody") | {"valid_from": "soon", "ects_hundredths": -1, "grade": "A"}
    del wrong["achievement"]
    row = json_row(7, msgspec.json.encode(wrong))
    assert isinstance(row.problem, InvalidProblem)
    pointers = [error["pointer"] for error in row.problem.members["errors"]]
    assert pointers == ["/learner/email", "", "/valid_from", "/ects_hundredths", ""]
    assert row.problem.detail.startswith("5 faults. ")
    assert "nobody" not in row.problem.detail
    assert row.rest is None


def test_of_a_wrong_row_what_is_right_is_judged_further() -> None:
    row = json_row(7, msgspec.json.encode(_with("learner/email", "nobody") | {"ects_hundredths": -1}))
    assert row.award is None
    assert row.rest == msgspec.convert(ROW, Award)


def test_a_row_of_very_many_faults_names_some() -> None:
    row = json_row(1, msgspec.json.encode(_with("further_results", [{"value": ""}] * 60)))
    assert row.problem is not None
    assert len(row.problem.members["errors"]) == FAULTS_MAX


def test_what_is_no_json_has_one_fault() -> None:
    row = json_row(1, b'{"learner": 1, "achievement": 2, ')
    assert row.problem is not None
    assert "errors" not in row.problem.members
