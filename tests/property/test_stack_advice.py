"""Advice on stacks agrees with trying every choice of parts; what is proposed is what would be admitted."""

from collections.abc import Iterator, Sequence
from itertools import combinations

from hypothesis import given, settings
from hypothesis import strategies as st

from proto.ids import AchievementUri, CredentialId, Did
from proto.moment import Moment
from proto.stack_advice import advise
from proto.stacking import Group, Recipe, StackPart, counted, unmet_by_declared, unmet_conditions

NOW = Moment("2026-11-23T10:00:00.000Z")
OWN, OTHER = Did("did:web:own.example"), Did("did:web:other.example")
URIS = [AchievementUri(f"https://own.example/a/{letter}") for letter in "abcdef"]


def _part(number: int, uri: AchievementUri, hundredths: int, **other: bool) -> StackPart:
    is_outside = other["is_outside"]
    return StackPart(
        credential_id=CredentialId(f"{number:064x}"),
        achievement=AchievementUri(f"{uri}-of-others") if is_outside else uri,
        issuer=OTHER if is_outside else OWN,
        ects_hundredths=hundredths,
        valid_from=Moment("2026-01-01T00:00:00.000Z"),
        is_active=other["is_active"],
        eqf_level=6,
        is_outside=is_outside,
    )


PARTS = st.lists(
    st.builds(
        lambda uri, hundredths, is_outside, is_active: (uri, hundredths, is_outside, is_active),
        st.sampled_from(URIS),
        st.sampled_from([50, 100, 200, 300]),
        st.booleans(),
        st.sampled_from([True, True, True, False]),
    ),
    max_size=6,
).map(
    lambda found: [
        _part(number, uri, hundredths, is_outside=is_outside, is_active=is_active)
        for number, (uri, hundredths, is_outside, is_active) in enumerate(found)
    ]
)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    uris = draw(st.permutations(URIS))
    groups: tuple[Group, ...] = ()
    if draw(st.booleans()):
        groups = (Group(name="elective", achievements=tuple(uris[2:4]), needed=draw(st.integers(1, 2))),)
    return Recipe(
        ects_hundredths_min=draw(st.sampled_from([0, 200, 400, 700])),
        required_achievements=tuple(uris[: draw(st.integers(0, 2))]),
        groups=groups,
        allows_repeats=draw(st.booleans()),
        outside_hundredths_max=draw(st.sampled_from([None, None, 100, 300])),
        outside_share_max=draw(st.sampled_from([None, None, "1/2", "30%"])),
    )


def _choices(parts: Sequence[StackPart]) -> Iterator[tuple[StackPart, ...]]:
    for size in range(2, len(parts) + 1):
        yield from combinations(parts, size)


def _fits(recipe: Recipe, parts: Sequence[StackPart], declared: int) -> bool:
    unmet = [*unmet_conditions(recipe, parts, now=NOW), *unmet_by_declared(recipe, parts, declared)]
    return not unmet and sum(part.ects_hundredths for part in parts) >= declared


@settings(deadline=None, max_examples=400)
@given(recipes(), PARTS, st.sampled_from([100, 300, 500]))
def test_it_can_be_stacked_where_any_choice_of_parts_can(recipe: Recipe, parts: list[StackPart], declared: int) -> None:
    found = advise(recipe, parts, declared_hundredths=declared, now=NOW)
    assert (not found.unmet) == any(_fits(recipe, choice, declared) for choice in _choices(parts))
    proposed = [item.part for item in found.parts if item.is_proposed]
    assert found.counted == counted(recipe, proposed)
    if not found.unmet:
        assert _fits(recipe, proposed, declared), "what is proposed is admitted"
        assert found.counted.total >= max(declared, recipe.ects_hundredths_min)
    for item in found.parts:
        assert bool(item.unmet) == (not item.part.is_active), "each part that cannot count says why"
