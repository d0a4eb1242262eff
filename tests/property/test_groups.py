"""However a list looks, its groups share what is said, hold no learner twice, and together are the list."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from services.issuer_gateway.domain.groups import groups_of

Item = tuple[int, str, str]
ITEMS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("uvwxyz")), max_size=80)


@given(pairs=ITEMS, count_max=st.integers(1, 7), seed=st.integers(0, 99))
def test_groups_share_what_is_said_and_no_learner(pairs: list[tuple[str, str]], count_max: int, seed: int) -> None:
    items: list[Item] = [(place, said, learner) for place, (said, learner) in enumerate(pairs)]
    groups = groups_of(
        items,
        said=lambda item: item[1],
        learner=lambda item: item[2],
        count_max=count_max,
        shuffle=Random(seed).shuffle,
    )
    assert sorted(item for group in groups for item in group) == items
    for group in groups:
        assert 1 <= len(group) <= count_max
        assert len({said for _, said, _ in group}) == 1
        assert max(Counter(learner for _, _, learner in group).values()) == 1


@given(count=st.integers(0, 600), count_max=st.integers(1, 256), seed=st.integers(0, 99))
def test_of_learners_that_stand_once_there_are_as_few_groups_as_can_be(count: int, count_max: int, seed: int) -> None:
    groups = groups_of(
        list(range(count)),
        said=lambda _: "same",
        learner=lambda item: item,
        count_max=count_max,
        shuffle=Random(seed).shuffle,
    )
    assert len(groups) == -(-count // count_max)


def test_who_is_with_whom_does_not_follow_from_the_order_of_the_list() -> None:
    groups = groups_of(
        list(range(512)),
        said=lambda _: "same",
        learner=lambda item: item,
        count_max=256,
        shuffle=Random(1).shuffle,
    )
    assert 96 < sum(item < 256 for item in groups[0]) < 160
