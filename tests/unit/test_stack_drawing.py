"""A stack as a tree and a bar: where what is drawn, and that nothing is drawn as holding which does not."""

import pytest

from services.verifier.pages.stack_drawing import (
    BOX_HEIGHT,
    LEAVES_DRAWN_MAX,
    PARTS_LISTED_MAX,
    bar_of,
    count_of,
    fallen_in,
    name_of_achievement,
    tree_of,
)
from tests.support.drawn_stacks import node, page_of_stack

INNER = node(600, 300, "impaired", (node(300, 300), node(300, 0, "revoked")))
WHOLE = node(1000, 700, "impaired", (node(400, 400), INNER))


def test_each_part_has_a_box_of_its_own_numbered_as_in_the_list_and_joined_to_what_it_is_part_of() -> None:
    tree = tree_of(WHOLE)
    assert tree is not None
    assert [part.number for part in tree.parts] == ["", "1", "2", "2.1", "2.2"]
    assert [bool(part.line) for part in tree.parts] == [False, True, True, True, True]
    places = {(part.x, part.y) for part in tree.parts}
    assert len(places) == len(tree.parts)
    assert max(part.y for part in tree.parts) + BOX_HEIGHT < tree.height


def test_a_box_says_what_still_holds_of_it_and_only_an_active_part_has_the_sign_of_what_holds() -> None:
    tree = tree_of(WHOLE)
    assert tree is not None
    assert [(part.sign, part.ects_hundredths) for part in tree.parts] == [
        ("invalid", 700),
        ("valid", 400),
        ("invalid", 300),
        ("valid", 300),
        ("invalid", 0),
    ]
    unsure = tree_of(node(400, 400, "unknown", (node(400, 400, "unknown"),)))
    assert unsure is not None
    assert {part.sign for part in unsure.parts} == {"unknown"}


def test_the_bar_has_all_credits_and_shows_what_fell_away_of_each_part() -> None:
    bar = bar_of(WHOLE)
    assert [(item.width, item.share, item.label) for item in bar] == [
        (40.0, "holds", "1"),
        (30.0, "holds", "2"),
        (30.0, "fallen", ""),
    ]
    assert [item.start for item in bar] == [0.0, 40.0, 70.0]
    assert {item.share for item in bar_of(node(400, 400, "unknown", (node(400, 400, "unknown"),)))} == {"unsure"}
    assert bar_of(node(0, 0, parts=(node(0, 0),))) == ()


def test_what_is_too_wide_to_be_seen_is_not_drawn() -> None:
    assert tree_of(node(0, 0, parts=tuple(node(1, 1) for _ in range(LEAVES_DRAWN_MAX)))) is not None
    assert tree_of(node(0, 0, parts=tuple(node(1, 1) for _ in range(LEAVES_DRAWN_MAX + 1)))) is None


def test_what_fell_away_is_found_by_the_number_that_it_has_in_the_list_and_all_parts_are_counted() -> None:
    assert [(number, part.state) for number, part in fallen_in(WHOLE)] == [("2.2", "revoked")]
    gone = node(400, 0, "suspended", (node(400, 0, "revoked"),))
    assert [number for number, _ in fallen_in(node(800, 400, "impaired", (node(400, 400), gone)))] == ["2"]
    assert list(fallen_in(node(400, 400, "unknown", (node(400, 400, "unknown"),)))) == []
    assert count_of(WHOLE) == 4


def test_a_narrow_stretch_of_the_bar_has_no_number_that_would_stand_in_anothers() -> None:
    labels = [item.label for item in bar_of(node(64, 64, parts=tuple(node(1, 1) for _ in range(64))))]
    assert set(labels) == {""}


@pytest.mark.parametrize(("count", "is_folded"), [(PARTS_LISTED_MAX, False), (PARTS_LISTED_MAX + 1, True)])
def test_many_parts_are_folded_away_and_those_that_fell_stand_before_them(count: int, *, is_folded: bool) -> None:
    html = page_of_stack((*(node(100, 100) for _ in range(count - 1)), node(100, 0, "revoked")))
    made_of = html.partition('id="parts"')[2].partition("</section>")[0]
    before, folded, within = made_of.partition("<details>")
    assert (bool(folded), f"All parts: {count}" in made_of, "What of it fell away" in before) == (is_folded,) * 3
    assert before.count("s-revoked") == 1
    assert within.count("s-revoked") == int(is_folded)


def test_of_many_that_fell_away_the_first_are_named_before_the_list_and_all_are_counted() -> None:
    before = page_of_stack(tuple(node(100, 0, "revoked") for _ in range(252))).partition("<details>")[0]
    assert before.count("s-revoked") == PARTS_LISTED_MAX
    assert f"Fallen away in all: 252. These are the first {PARTS_LISTED_MAX}" in before
    assert "Parts in all: 252. The address at the foot of this sheet lists every one" in before


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("https://[x/a/water", "water"),
        ("https://a]b/c", "c"),
        ("https://a.example", "https://a.example"),
        ("https://a.example/?q=/x", "https://a.example/?q=/x"),
        ("https://a.example/b#/c", "b"),
        ("https://a.example/%E2%80%AEvalid%0Ax%1B", "valid x"),
        ("https://a.example/%00%1b", "https://a.example/%00%1b"),
        ("https://a.example/%zz%ff", "%zz\ufffd"),
    ],
)
def test_any_address_of_a_log_has_a_name_that_turns_nothing(uri: str, name: str) -> None:
    assert name_of_achievement(uri) == name


def test_an_achievement_is_called_by_the_end_of_its_address() -> None:
    assert name_of_achievement("https://school.example/a/water-safety") == "water-safety"
    assert name_of_achievement("https://school.example/a/d%C3%A9lta/") == "délta"
    assert (
        name_of_achievement("urn:uuid:6a0f9f5c-5a0e-4c39-9d4e-0d1f4f0a7b11")
        == "uuid:6a0f9f5c-5a0e-4c39-9d4e-0d1f4f0a7b11"
    )
