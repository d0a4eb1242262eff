"""What is learned with, what it entitles to, who provides it and what shows it: stated, limited, in the document."""

from typing import Any

import msgspec
import pytest

from proto.documents.annex_i import annex_i
from proto.documents.credential import Achievement, Award
from proto.documents.open_badge_names import IRIS, with_names
from proto.documents.wording import check_achievement, check_award
from proto.problem import InvalidProblem
from proto.tables.awards_csv import parse_awards
from tests.support.documents import full_achievement, full_award, full_document

_HEADER = b"learner_ref,family_name,achievement,valid_from,evidence_url,evidence_text,evidence_kind\n"


def test_a_document_says_them_in_terms_of_open_badges_and_the_european_model() -> None:
    document = full_document()
    achievement = with_names(document["credentialSubject"]["achievement"])
    assert document["evidence"] == [
        {"id": "https://nadmorska.example/e/1", "type": ["Evidence"], "narrative": "Raport", "genre": "portfolio"}
    ]
    assert achievement["learningResource"][0]["titleByLanguage"] == {"pl": "Podręcznik", "en": "Course book"}
    assert achievement["entitlement"][0]["titleByLanguage"] == {"en": "May enter the second module"}
    assert achievement["provider"][0]["name"] == "Port Gdynia"
    assert achievement["providerType"] == "employer"


def test_what_does_not_state_them_has_no_member_for_them() -> None:
    bare: dict[str, Any] = {"learning_resources": [], "entitlements": [], "providers": [], "provider_type": None}
    document = full_document(achievement=full_achievement(**bare), award=full_award(evidence=[]))
    members = {IRIS[name] for name in ("learningResource", "entitlement", "provider", "providerType")}
    assert not members & document["credentialSubject"]["achievement"].keys()
    assert "evidence" not in document


@pytest.mark.parametrize(
    "fields",
    [
        {"learning_resources": [{"title": {}}]},
        {"learning_resources": [{"title": {"en": "a", "EN": "b"}}]},
        {"learning_resources": [{"title": {"en": "a"}, "url": "book"}]},
        {"entitlements": [{"title": {"en": "t", "En": "u"}}]},
        {"entitlements": [{"title": {"en": "x"}}] * 17},
        {"providers": [{"name": ""}]},
        {"providers": [{"name": "Port", "country": "Poland"}]},
        {"provider_type": "a friend"},
    ],
)
def test_what_breaks_their_limits_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        full_achievement(**fields)


@pytest.mark.parametrize("evidence", [[{}], [{"kind": "portfolio"}], [{"text": "x"}] * 17, [{"url": "no address"}]])
def test_evidence_has_an_address_or_a_text(evidence: list[dict[str, str]]) -> None:
    with pytest.raises(msgspec.ValidationError):
        full_award(evidence=evidence)


def test_texts_that_nobody_can_read_are_refused_in_them_too() -> None:
    unreadable = "\u200b\u200b"
    for fields in (
        {"entitlements": [{"title": {"en": unreadable}}]},
        {"learning_resources": [{"title": {"en": unreadable}}]},
        {"providers": [{"name": unreadable}]},
    ):
        with pytest.raises(InvalidProblem):
            check_achievement(full_achievement(**fields))
    with pytest.raises(InvalidProblem):
        check_award(full_award(evidence=[{"text": unreadable}]))


def test_the_annex_answers_them_as_further_information() -> None:
    def further(achievement: Achievement, award: Award | None = None) -> tuple[str, str]:
        element = annex_i(achievement, award=award).elements[15]
        return element.state, element.detail

    state, detail = further(full_achievement(), full_award())
    assert state == "present"
    for said in ("learning resources: 1", "entitlements: 1", "providers: 1", "employer", "pieces of evidence: 1"):
        assert said in detail
    bare: dict[str, Any] = {
        "learning_resources": [],
        "providers": [],
        "provider_type": None,
        "further_information": None,
    }
    assert further(full_achievement(**bare)) == ("present", "entitlements: 1")
    assert further(full_achievement(**bare, entitlements=[]))[0] == "missing"


def test_a_list_of_awards_states_evidence_in_its_columns() -> None:
    row = "s-1,Curie,https://u.example/a/1,2026-10-01,https://u.example/e/1,Final report,portfolio\n"
    (read,) = parse_awards(_HEADER + row.encode()).rows
    (evidence,) = read.award.evidence
    assert (evidence.url, evidence.text, evidence.kind) == ("https://u.example/e/1", "Final report", "portfolio")


@pytest.mark.parametrize(("cells", "column"), [("no address,,", "evidence_url"), (",,portfolio", "evidence_url")])
def test_a_wrong_cell_of_evidence_is_named_by_its_column(cells: str, column: str) -> None:
    row = f"s-1,Curie,https://u.example/a/1,2026-10-01,{cells}\n"
    (fault,) = parse_awards(_HEADER + row.encode()).faults
    assert fault.field == column
