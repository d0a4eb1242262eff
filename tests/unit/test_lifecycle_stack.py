"""Stacks: who may, of what, how deep; and what remains when a part falls away (DESIGN 3.6, 7)."""

import pytest
from msgspec.structs import replace

from proto.events import DEFAULT_PARAMETERS
from proto.ids import CredentialId
from proto.lifecycle import refusals
from tests.support.statements import SCOPE
from tests.support.worlds import FirstWorld, Party, World


def _parts(world: World, university: Party, count: int) -> list[CredentialId]:
    return [world.issued(university) for _ in range(count)]


def _remaining(world: World, credential: CredentialId) -> tuple[str, int]:
    found = world.effective(credential)
    assert found is not None
    return found.state, found.credits_remaining


def test_a_stack_of_active_credentials_is_active_with_all_their_credits() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    first, second = world.issued(university, ects_hundredths=300), world.issued(other)
    stack = world.stacked(university, [first, second], ects_hundredths=650)
    assert _remaining(world, stack) == ("active", 650)
    assert world.book.credentials[stack].lives[0].parts == tuple(sorted([first, second]))  # type: ignore[union-attr] # it was stacked above


def test_who_may_not_stack_does_not_and_who_only_stacks_may() -> None:
    world = FirstWorld()
    university = world.admit("uni", scope=replace(SCOPE, may_stack=False))
    stacker = world.admit("stacker", scope=replace(SCOPE, may_issue=False))
    parts = _parts(world, university, 2)
    assert world.refuses(world.stack(university, parts), refusals.OutOfScopeRefusal).pointer == "/issuer"
    world.say(world.stack(stacker, parts))


def test_a_stack_lies_within_the_scope_too() -> None:
    world = FirstWorld()
    university = world.admit("uni", scope=replace(SCOPE, ects_hundredths_max=600))
    parts = _parts(world, university, 2)
    world.refuses(world.stack(university, parts), refusals.OutOfScopeRefusal)
    world.say(world.stack(university, parts, ects_hundredths=600))


def test_components_are_sorted_and_distinct() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    first, second = sorted(_parts(world, university, 2))
    for components in ((second, first), (first, first)):
        event = replace(world.stack(university, [first, second]), components=components)
        assert world.refuses(event, refusals.StackRefusal).pointer == "/components"


def test_a_stack_is_not_a_part_of_itself() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    [part] = _parts(world, university, 1)
    itself = world.credential_id(university, "s")
    world.refuses(world.stack(university, [part, itself], "s"), refusals.StackRefusal)


def test_an_id_is_stacked_or_issued_once() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    parts = _parts(world, university, 2)
    world.stacked(university, parts, "s")
    world.refuses(world.stack(university, parts, "s"), refusals.AlreadyExistsRefusal)
    world.refuses(world.issue(university, "s"), refusals.AlreadyExistsRefusal)


def test_an_unknown_component_may_be_known_later() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    [part] = _parts(world, university, 1)
    event = world.stack(university, [part, world.credential_id(university, "later")])
    refusal = world.refuses(event, refusals.UnknownCredentialRefusal)
    assert (refusal.is_final, refusal.pointer) == (False, "/components")
    world.issued(university, "later")
    world.say(event)


@pytest.mark.parametrize("state", ["revoked", "suspended", "expired", "not_yet_valid", "impaired", "void"])
def test_a_component_that_is_not_active_is_refused(state: str) -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    good = world.issued(university)
    fallen = {
        "expired": lambda: world.issued(other, valid_until=world.moment(seconds=1)),
        "not_yet_valid": lambda: world.issued(other, valid_from=world.moment(days=1)),
        "impaired": lambda: world.stacked(other, [world.issued(other, "p"), world.issued(other)]),
    }.get(state, lambda: world.issued(other))()
    if state == "revoked":
        world.say(world.revocation(other, fallen))
    if state == "suspended":
        world.say(world.hold(other, fallen))
    if state == "impaired":
        world.say(world.revocation(other, world.credential_id(other, "p")))
    if state == "void":
        world.say(world.condemnation(other, other, other.event, world.received_at(2)), key=other.recovery)
    assert world.state(fallen) == state
    refusal = world.refuses(world.stack(university, [good, fallen]), refusals.CredentialStateRefusal)
    assert (refusal.is_final, refusal.members["state"]) == (True, state)


def test_a_stack_declares_at_most_the_sum_of_its_components() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    parts = _parts(world, university, 2)
    over = world.stack(university, parts, ects_hundredths=701)
    assert world.refuses(over, refusals.StackRefusal).pointer == "/ects_hundredths"
    world.say(world.stack(university, parts, ects_hundredths=700))


def test_stacks_have_three_levels() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    top = world.issued(university)
    for _ in range(3):
        top = world.stacked(university, [top, world.issued(university)], ects_hundredths=10)
    world.refuses(world.stack(university, [top, world.issued(university)], ects_hundredths=1), refusals.StackRefusal)


def test_levels_and_parts_are_parameters_of_the_log() -> None:
    world = FirstWorld(parameters=replace(DEFAULT_PARAMETERS, stack_levels_max=1, parts_per_stack_max=3))
    university = world.admit("uni")
    world.refuses(world.stack(university, _parts(world, university, 4)), refusals.StackRefusal)
    stack = world.stacked(university, _parts(world, university, 3))
    world.refuses(world.stack(university, [stack, *_parts(world, university, 1)]), refusals.StackRefusal)


def test_parts_are_counted_on_all_levels() -> None:
    world = FirstWorld(parameters=replace(DEFAULT_PARAMETERS, parts_per_stack_max=5))
    university = world.admit("uni")
    inner = world.stacked(university, _parts(world, university, 3))
    world.refuses(world.stack(university, [inner, *_parts(world, university, 2)]), refusals.StackRefusal)
    world.say(world.stack(university, [inner, *_parts(world, university, 1)]))


def test_no_part_counts_twice_inside_a_stack() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    first, second, third = _parts(world, university, 3)
    inner = world.stacked(university, [first, second])
    other = world.stacked(university, [second, third])
    world.refuses(world.stack(university, [inner, first]), refusals.StackRefusal)
    world.refuses(world.stack(university, [inner, other]), refusals.StackRefusal)
    world.say(world.stack(university, [inner, third]))


def test_a_part_may_count_in_two_stacks() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    first, second, third = _parts(world, university, 3)
    world.say(world.stack(university, [first, second]))
    world.say(world.stack(university, [second, third]))


def test_a_stack_is_impaired_while_a_part_is_fallen_and_returns_with_it() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    first, second = world.issued(university, ects_hundredths=300), world.issued(other)
    stack = world.stacked(university, [first, second], ects_hundredths=650)
    upper = world.stacked(university, [stack, world.issued(university)], ects_hundredths=1000)
    fallen_at = world.now
    world.say(world.hold(other, second))
    assert _remaining(world, stack) == ("impaired", 300)
    assert _remaining(world, upper) == ("impaired", 650)
    found = world.effective(upper)
    assert found is not None
    assert found.since == fallen_at
    world.say(world.release(other, second))
    assert _remaining(world, upper) == ("active", 1000)
    world.say(world.revocation(university, first))
    assert _remaining(world, stack) == ("impaired", 350)


def test_what_remains_is_never_more_than_was_declared() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    parts = _parts(world, university, 3)
    stack = world.stacked(university, parts, ects_hundredths=500)
    world.say(world.revocation(university, parts[0]))
    assert _remaining(world, stack) == ("impaired", 500)
    world.say(world.revocation(university, parts[1]))
    assert _remaining(world, stack) == ("impaired", 350)


def test_an_impaired_stack_is_revoked_but_not_suspended() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    parts = _parts(world, university, 2)
    stack = world.stacked(university, parts)
    world.say(world.revocation(university, parts[0]))
    world.refuses(world.hold(university, stack), refusals.CredentialStateRefusal)
    world.say(world.revocation(university, stack))
    assert _remaining(world, stack) == ("revoked", 0)


def test_an_expired_part_impairs_its_stack() -> None:
    world = FirstWorld()
    university = world.admit("uni")
    end = world.moment(days=10)
    short, lasting = world.issued(university, valid_until=end), world.issued(university)
    stack = world.stacked(university, [short, lasting])
    assert world.state(stack) == "active"
    assert world.state(stack, at=end) == "impaired"
    assert world.state(stack, at=world.moment(days=1)) == "active"
