"""A stack as a tree and a bar: where what is drawn, and that nothing is drawn as holding which does not."""

from proto.ids import CredentialId, Did
from proto.moment import Moment
from proto.wire.verifier import ShownState, StackNode
from services.verifier.pages.stack_drawing import (
    BOX_HEIGHT,
    LEAVES_DRAWN_MAX,
    bar_of,
    name_of_achievement,
    tree_of,
)


def node(ects: int, remaining: int, state: ShownState = "active", parts: tuple[StackNode, ...] = ()) -> StackNode:
    return StackNode(
        credential_id=CredentialId("0" * 64),
        issuer=Did("did:web:school.example"),
        achievement="https://school.example/achievements/soil",
        ects_hundredths=ects,
        ects_hundredths_remaining=remaining,
        state=state,
        since=Moment("2026-01-01T00:00:00.000Z"),
        parts=parts,
    )


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


def test_an_achievement_is_called_by_the_end_of_its_address() -> None:
    assert name_of_achievement("https://school.example/a/water-safety") == "water-safety"
    assert name_of_achievement("https://school.example/a/d%C3%A9lta/") == "délta"
    assert (
        name_of_achievement("urn:uuid:6a0f9f5c-5a0e-4c39-9d4e-0d1f4f0a7b11")
        == "uuid:6a0f9f5c-5a0e-4c39-9d4e-0d1f4f0a7b11"
    )
