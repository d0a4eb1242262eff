"""Controlled vocabularies are complete, and codes are judged by their form."""

import pytest

from proto.documents import vocabulary as v


def test_every_value_that_an_institution_can_choose_has_a_concept() -> None:
    for kind in (v.AssessmentType, v.ParticipationMode, v.QualityAssuranceType, v.Supervision):
        for item in kind:
            concept = v.CONCEPTS[item]
            assert concept.label
            assert concept.uri == "" or concept.uri.startswith("http://data.europa.eu/snb/")


@pytest.mark.parametrize("tag", ["nl", "nl-NL", "EN-gb", "sr-Latn-RS", "es-419", "ca-ES-valencia", "und"])
def test_language_tags_of_bcp_47_are_read(tag: str) -> None:
    assert v.is_language(tag)


@pytest.mark.parametrize("tag", ["", "n", "dutch-language-x", "nl_NL", "nl-", "nl NL", "en\n", "ελ"])
def test_what_is_no_language_tag_is_not(tag: str) -> None:
    assert not v.is_language(tag)


def test_countries_are_two_capital_letters_and_user_assigned_ones_are_known() -> None:
    assert v.is_country("NL")
    assert not v.is_country("nl")
    assert not v.is_country("NLD")
    assert v.is_user_assigned_country("XX")
    assert v.is_user_assigned_country("QM")
    assert not v.is_user_assigned_country("QA")


@pytest.mark.parametrize(
    ("code", "is_code"), [("06", True), ("061", True), ("0613", True), ("6", False), ("1314", False)]
)
def test_isced_f_codes_have_two_to_four_digits_of_a_broad_field(code: str, is_code: bool) -> None:
    assert v.is_isced_f(code) is is_code


def test_eqf_levels_and_their_uris_belong_together() -> None:
    assert [v.eqf_level_of(v.eqf_uri(level)) for level in range(1, 9)] == list(range(1, 9))
    assert v.eqf_level_of("http://data.europa.eu/snb/eqf/9") is None
    with pytest.raises(ValueError, match="levels 1 to 8"):
        v.eqf_uri(0)


def test_esco_uris_have_the_form_of_esco() -> None:
    assert v.is_esco("http://data.europa.eu/esco/skill/ccd0a1d9-afda-43d9-b901-96344886e14d")
    assert not v.is_esco("http://data.europa.eu/esco/skill/python")
    assert not v.is_esco("https://example.org/esco/skill/ccd0a1d9-afda-43d9-b901-96344886e14d")
