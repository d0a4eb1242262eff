"""Recipes of stacks and a slow model of them agree, on every condition and to the hundredth, over random parts."""

from collections import Counter
from collections.abc import Iterable
from random import Random

from hypothesis import example, given, settings
from hypothesis import strategies as st

from proto.ids import AchievementUri, CredentialId, Did
from proto.moment import Moment, from_ms, to_ms
from proto.stacking import Group, Recipe, StackPart, Unmet, counted, unmet_by_declared, unmet_conditions
from tests.support import recipe_model

NOW = Moment("2026-11-23T10:00:00.000Z")
DAY_MS = 86_400_000
OWN, OTHER, THIRD = Did("did:web:own.example"), Did("did:web:other.example"), Did("did:web:third.example")
URIS = [AchievementUri(f"https://own.example/a/{letter}") for letter in "abcdef"]
IDS = [CredentialId(f"{number:064x}") for number in range(7)]
CREDITS = st.sampled_from([0, 1, 50, 100, 199, 200, 300, 350, 600, 1200])
SHARES = ["0%", "1%", "1/3", "33%", "1/2", "60%", "2/3", "99%", "100%", "1/1"]


def part(number: int, hundredths: int, *, issuer: Did = OWN, uri: str = URIS[0]) -> StackPart:
    return StackPart(
        credential_id=CredentialId(f"{number:064x}"),
        achievement=AchievementUri(uri),
        issuer=issuer,
        ects_hundredths=hundredths,
        valid_from=NOW,
        is_active=True,
        is_outside=issuer != OWN,
    )


PARTS = st.lists(
    st.builds(
        lambda issuer, age_ms, **fields: StackPart(
            issuer=issuer, is_outside=issuer != OWN, valid_from=from_ms(to_ms(NOW) - age_ms), **fields
        ),
        st.sampled_from([OWN, OWN, OTHER, THIRD]),
        st.sampled_from([-DAY_MS, 0, DAY_MS - 1, DAY_MS, DAY_MS + 1, 30 * DAY_MS, 30 * DAY_MS + 1, 4_000 * DAY_MS]),
        credential_id=st.sampled_from(IDS),
        achievement=st.sampled_from(URIS),
        ects_hundredths=CREDITS,
        is_active=st.sampled_from([True, True, True, False]),
        eqf_level=st.sampled_from([None, 1, 5, 6, 7, 8]),
        other_stacks=st.sampled_from([(), (), (CredentialId("f" * 64),)]),
    ),
    max_size=7,
)
MANY = st.sampled_from([0, 0, 0, 0, 0, 57, 62, 63, 64]).map(
    lambda count: [part(100 + number, 1, uri=f"{URIS[0]}/{number}") for number in range(count)]
)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    uris = draw(st.permutations(URIS))
    places = sorted(draw(st.lists(st.integers(0, len(uris)), min_size=3, max_size=3)))
    groups = [
        Group(name=name, achievements=tuple(named), needed=draw(st.integers(1, len(named))))
        for name, named in (("core", uris[places[0] : places[1]]), ("free", uris[places[1] : places[2]]))
        if named
    ]
    return Recipe(
        ects_hundredths_min=draw(st.one_of(CREDITS, st.integers(0, 2_000))),
        required_achievements=tuple(uris[: places[0]]),
        groups=tuple(groups),
        eqf_level_min=draw(st.sampled_from([None, 1, 6, 8])),
        accepted_issuers=tuple(draw(st.sampled_from([(), (), (OWN,), (OWN, OTHER)]))),
        age_days_max=draw(st.sampled_from([None, 1, 30])),
        exclusive=draw(st.booleans()),
        allows_repeats=draw(st.booleans()),
        outside_hundredths_max=draw(st.sampled_from([None, 0, 150, 1200])),
        outside_share_max=draw(st.sampled_from([None, *SHARES])),
    )


def _said(found: Iterable[Unmet]) -> recipe_model.Found:
    return Counter((each.code, tuple(sorted(each.credentials))) for each in found)


@settings(max_examples=300)
@given(recipes(), PARTS, MANY, st.integers(0, 4_000))
@example(Recipe(outside_share_max="1/3"), [part(1, 400), part(2, 400, issuer=OTHER, uri=URIS[1])], [], 601)
@example(Recipe(outside_share_max="60%"), [part(1, 401), part(2, 900, issuer=OTHER, uri=URIS[1])], [], 1_003)
@example(Recipe(outside_hundredths_max=1_200), [part(1, 1), part(2, 1_300, issuer=OTHER, uri=URIS[1])], [], 1_202)
@example(Recipe(), [part(1, 300), part(2, 500, issuer=OTHER)], [], 700)
def test_the_evaluator_and_a_slow_model_agree(
    recipe: Recipe, parts: list[StackPart], more: list[StackPart], declared: int
) -> None:
    given_parts = [*parts, *more]
    assert _said(unmet_conditions(recipe, given_parts, now=NOW)) == recipe_model.unmet(recipe, given_parts, NOW)
    found = counted(recipe, given_parts)
    assert (found.inside, found.outside, found.outside_given) == recipe_model.carried(recipe, given_parts)
    assert _said(unmet_by_declared(recipe, given_parts, declared)) == recipe_model.declared_too_much(
        recipe, given_parts, declared
    )


@settings(max_examples=150)
@given(recipes(), PARTS, st.randoms(use_true_random=False))
def test_the_order_of_parts_changes_nothing(recipe: Recipe, parts: list[StackPart], random: Random) -> None:
    other = list(parts)
    random.shuffle(other)
    assert counted(recipe, other) == counted(recipe, parts)
    assert _said(unmet_conditions(recipe, other, now=NOW)) == _said(unmet_conditions(recipe, parts, now=NOW))
