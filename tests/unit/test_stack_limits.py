"""Limits on credits of other institutions, in exact fractions: what is beyond them does not count."""

import msgspec
import pytest

from proto.ids import Did
from proto.stacking import Recipe, StackPart, counted, unmet_by_declared
from tests.support.recipes import U, again, codes, part, recipe

OTHERS = Did("did:web:other.example")


def outside(name: str, hundredths: int) -> StackPart:
    return part(name, hundredths, issuer=OTHERS, is_outside=True)


@pytest.mark.parametrize(
    ("limits", "own", "given", "expected"),
    [
        ({}, 600, 1800, 1800),
        ({"outside_hundredths_max": 1200}, 600, 1800, 1200),
        ({"outside_share_max": "60%"}, 400, 1800, 600),
        ({"outside_share_max": "1/3"}, 400, 1800, 200),
        ({"outside_share_max": "1/3"}, 401, 1800, 200),
        ({"outside_share_max": "1/3"}, 0, 1800, 0),
        ({"outside_share_max": "100%"}, 0, 1800, 1800),
        ({"outside_share_max": "0%"}, 600, 1800, 0),
        ({"outside_share_max": "1/2", "outside_hundredths_max": 250}, 300, 1800, 250),
        ({"outside_share_max": "1/2", "outside_hundredths_max": 350}, 300, 1800, 300),
    ],
)
def test_of_others_credits_count_as_many_as_the_recipe_lets(
    limits: dict[str, object], own: int, given: int, expected: int
) -> None:
    parts = [part("own", own), outside("other", given)]
    found = counted(recipe(**limits), parts)
    assert (found.inside, found.outside, found.outside_given) == (own, expected, given)


def test_what_is_beyond_the_limit_does_not_fill_the_credits_that_are_needed() -> None:
    wanted = recipe(ects_hundredths_min=650, outside_hundredths_max=300)
    assert codes(wanted, part("own", 300), outside("other", 350)) == ["credits-missing"]
    assert codes(wanted, part("own", 350), outside("other", 350)) == []


def test_a_stack_declares_no_credits_that_are_beyond_the_limit() -> None:
    wanted, parts = recipe(outside_share_max="1/3"), [part("own", 400), outside("other", 400)]
    (unmet,) = unmet_by_declared(wanted, parts, 601)
    assert unmet.code == "outside-beyond-limit"
    assert "of 4 ECTS of other institutions 2 count" in unmet.detail
    assert not [*unmet_by_declared(wanted, parts, 600)]


def test_an_achievement_that_both_have_counts_as_the_institutions_own() -> None:
    found = counted(recipe(), [again("a", 1, 300), part("a", 500, is_outside=True)])
    assert (found.inside, found.outside) == (300, 0)


@pytest.mark.parametrize("share", ["3/2", "101%", "0/3", "a third", "33.3%", "1/0"])
def test_a_share_is_a_part_of_the_whole(share: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        recipe(outside_share_max=share)


def test_recipes_of_before_are_read_as_they_were() -> None:
    assert recipe(required_achievements=[U + "a"]) == Recipe(required_achievements=(U + "a",))  # type: ignore[arg-type] # a text is one
