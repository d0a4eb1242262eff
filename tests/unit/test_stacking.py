"""Recipes name every condition that parts leave unmet, and credits are exact integers."""

from typing import Any

import msgspec
import pytest

from proto.ids import CredentialId, Did
from proto.moment import Moment
from proto.stacking import (
    counted,
    ects_remaining,
    ects_text,
    unmet_by_declared,
    unmet_conditions,
)
from tests.support.recipes import NOW, U, again, codes, part, recipe


def test_three_and_three_and_a_half_credits_make_six_and_a_half() -> None:
    assert codes(recipe(ects_hundredths_min=650), part("a", 300), part("b", 350)) == []
    assert codes(recipe(ects_hundredths_min=651), part("a", 300), part("b", 350)) == ["credits-missing"]


def test_the_same_credential_counts_once() -> None:
    assert codes(recipe(ects_hundredths_min=600), part("a"), part("a")) == ["part-counted-twice", "credits-missing"]


def test_one_part_makes_no_stack() -> None:
    assert codes(recipe(), part("a")) == ["part-count"]


def test_a_required_achievement_and_k_of_n_must_be_there() -> None:
    wanted = recipe(
        required_achievements=[U + "a"], groups=[{"name": "elective", "achievements": [U + "b", U + "c"], "needed": 2}]
    )
    assert codes(wanted, part("a"), part("b"), part("c")) == []
    unmet = unmet_conditions(wanted, [part("b"), part("d")], now=NOW)
    assert [item.code for item in unmet] == ["achievement-missing", "group-incomplete"]
    assert "1 given, 2 of 2 are needed" in unmet[1].detail


def test_level_issuer_age_state_and_exclusiveness_are_asked_of_each_part() -> None:
    wanted = recipe(eqf_level_min=6, accepted_issuers=["did:web:u.example"], age_days_max=400, exclusive=True)
    assert codes(wanted, part("a"), part("b", eqf_level=5)) == ["eqf-too-low"]
    assert codes(wanted, part("a"), part("b", eqf_level=None)) == ["eqf-unknown"]
    assert codes(wanted, part("a"), part("b", issuer=Did("did:web:v.example"))) == ["issuer-not-accepted"]
    assert codes(wanted, part("a"), part("b", valid_from=Moment("2024-01-01T00:00:00.000Z"))) == ["part-too-old"]
    assert codes(wanted, part("a"), part("b", is_active=False)) == ["part-not-active"]
    assert codes(wanted, part("a"), part("b", other_stacks=(CredentialId("ab" * 32),))) == ["part-in-other-stack"]


def test_a_part_is_too_old_only_after_the_last_millisecond() -> None:
    wanted = recipe(age_days_max=1)
    at: dict[str, Any] = {"valid_from": Moment("2026-11-22T10:00:00.000Z")}
    before: dict[str, Any] = {"valid_from": Moment("2026-11-22T09:59:59.999Z")}
    assert codes(wanted, part("a", **at), part("b", **at)) == []
    assert codes(wanted, part("a", **at), part("b", **before)) == ["part-too-old"]


def test_a_part_in_another_stack_is_free_where_the_recipe_is_not_exclusive() -> None:
    assert codes(recipe(), part("a"), part("b", other_stacks=(CredentialId("ab" * 32),))) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"groups": [{"name": "g", "achievements": [U + "a"], "needed": 2}]},
        {"groups": [{"name": "g", "achievements": [U + "a", U + "a"], "needed": 1}]},
        {"required_achievements": [U + "a"], "groups": [{"name": "g", "achievements": [U + "a"], "needed": 1}]},
        {"ects_hundredths_min": -1},
        {"eqf_level_min": 9},
        {"colour": "red"},
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        recipe(**fields)


def test_credits_remain_up_to_what_was_declared() -> None:
    assert ects_remaining(650, [300, 350]) == 650
    assert ects_remaining(650, [0, 350]) == 350
    assert ects_remaining(600, [300, 350]) == 600


@pytest.mark.parametrize(
    ("hundredths", "text"), [(650, "6.5"), (600, "6"), (225, "2.25"), (0, "0"), (10, "0.1"), (1000, "10")]
)
def test_credits_are_written_as_people_write_them(hundredths: int, text: str) -> None:
    assert ects_text(hundredths) == text


def test_the_same_achievement_counts_once_with_its_most_credits_unless_the_recipe_allows_it() -> None:
    parts = [again("a", 1, 300), again("a", 2, 350), part("b", 300)]
    assert codes(recipe(ects_hundredths_min=650), *parts) == []
    assert codes(recipe(ects_hundredths_min=651), *parts) == ["credits-missing"]
    assert codes(recipe(ects_hundredths_min=950, allows_repeats=True), *parts) == []
    assert counted(recipe(allows_repeats=True), parts).total == 950


def test_a_stack_declares_no_credits_of_an_achievement_that_is_given_twice() -> None:
    parts = [again("a", 1), again("a", 2), part("b")]
    (unmet,) = unmet_by_declared(None, parts, 900)
    assert (unmet.code, unmet.credentials) == ("credits-counted-once", (parts[0].credential_id, parts[1].credential_id))
    assert not [*unmet_by_declared(recipe(), parts, 600)]
    assert not [*unmet_by_declared(recipe(allows_repeats=True), parts, 900)]
