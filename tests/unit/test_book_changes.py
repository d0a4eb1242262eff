"""What a book says of its changed credentials: which of them a store has already; the rest is inserted at once."""

import pytest

from tests.support.worlds import World


@pytest.fixture
def world() -> World:
    """A log of rules version 2 with a school on it, whose book has just been saved."""
    world = World(rules_version=2)
    world.admit("school")
    world.book.forget_changes()
    return world


def test_what_is_issued_is_new_also_when_something_is_said_of_it_in_the_same_batch(world: World) -> None:
    school = world.party("school")
    ids = world.issued_together(school, ["a", "b", "c"])
    world.say(world.revoke_many(school, ids[:2]))
    assert world.book.changed_credentials == set(ids)
    assert world.book.earlier_credentials == set()


def test_what_was_saved_before_is_known_to_be_there(world: World) -> None:
    school = world.party("school")
    ids = world.issued_together(school, ["a", "b", "c"])
    world.book.forget_changes()
    fresh = world.issued_together(school, ["d", "e"])
    world.say(world.revoke_many(school, [ids[0], fresh[0]]))
    assert world.book.changed_credentials == {*fresh, ids[0]}
    assert world.book.earlier_credentials == {ids[0]}
