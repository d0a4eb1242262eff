"""Standing decisions on achievements: who makes them, on whose, for how long, and how many (DESIGN 9)."""

from typing import Any

import pytest
from msgspec.structs import replace

from proto.lifecycle import StandingDecision, is_in_force, is_live, refusals
from tests.support.statements import SCOPE, Party
from tests.support.worlds import FirstWorld, World


def begun() -> tuple[World, Party, Party]:
    """Return a log of version 2 with an institution that awards and one that recognises."""
    world = World(rules_version=2)
    return world, world.admit("uni"), world.admit("other")


def decided(world: World, speaker: Party, issuer: Party, **fields: Any) -> StandingDecision:
    """Make a standing decision, and return its state."""
    found = world.book.statement(world.event_id(world.say(world.standing_decision(speaker, issuer, **fields))))
    assert isinstance(found, StandingDecision)
    return found


def test_a_decision_stands_for_its_period() -> None:
    world, university, other = begun()
    made = decided(world, other, university, ects_hundredths_min=300, eqf_level_min=6, description_digest="ab" * 32)
    assert (made.recogniser, made.achievement_issuer, made.eqf_level_min) == (other.did, university.did, 6)
    assert is_in_force(world.book, made, made.valid_from)
    assert not is_in_force(world.book, made, made.valid_until)


def test_before_version_2_there_is_none() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    assert not world.refuses(world.standing_decision(other, university), refusals.RulesVersionRefusal).is_final


@pytest.mark.parametrize(
    ("scope", "said", "pointer"),
    [
        ({"may_recognise": False}, {}, "/issuer"),
        ({"ects_hundredths_max": 300}, {}, "/ects_hundredths"),
        ({"eqf_max": 5}, {"eqf_level": 6}, "/eqf_level"),
        ({}, {"programme": "https://uni.example/programmes/1"}, "/programme"),
        ({}, {"achievement": "https://other.example/achievements/1"}, "/achievement"),
    ],
)
def test_a_decision_stays_within_scope_and_prefixes(scope: dict[str, Any], said: dict[str, Any], pointer: str) -> None:
    world = World(rules_version=2)
    university, other = world.admit("uni"), world.admit("other", scope=replace(SCOPE, **scope))
    event = world.standing_decision(other, university, **said)
    found = world.refuses(event, refusals.OutOfScopeRefusal)
    assert (found.pointer, found.is_final) == (pointer, True)


def test_the_registrar_decides_nothing() -> None:
    world, university, _ = begun()
    world.refuses(world.standing_decision(world.registrar, university), refusals.NotAllowedRefusal)


def test_the_awarding_institution_is_admitted_and_not_closed() -> None:
    world, university, other = begun()
    stranger = world.party("stranger")
    found = world.refuses(world.standing_decision(other, stranger), refusals.UnknownIssuerRefusal)
    assert (found.pointer, found.is_final) == ("/achievement_issuer", False)
    registrars = world.standing_decision(other, world.registrar, achievement=f"{university.url}achievements/1")
    world.refuses(registrars, refusals.UnknownIssuerRefusal)
    world.say(world.closing(university))
    assert world.refuses(world.standing_decision(other, university), refusals.ClosedIssuerRefusal).is_final


def test_nobody_decides_on_what_its_own_line_awards() -> None:
    world, university, other = begun()
    world.refuses(world.standing_decision(university, university), refusals.NotAllowedRefusal)
    world.say(world.closing(university, other))
    world.refuses(world.standing_decision(other, university), refusals.NotAllowedRefusal)


def test_a_period_is_five_years_at_most_and_no_less_than_something() -> None:
    world, university, other = begun()
    begin = "2028-02-29T00:00:00.000Z"
    for end in ("2033-03-01T00:00:00.000Z", begin, "2028-02-28T00:00:00.000Z"):
        event = world.standing_decision(other, university, valid_from=begin, valid_until=end)
        assert world.refuses(event, refusals.EffectiveTimeRefusal).pointer == "/valid_until"
    decided(world, other, university, valid_from=begin, valid_until="2033-02-28T00:00:00.000Z")


def test_periods_on_one_achievement_for_one_programme_do_not_overlap() -> None:
    world, university, other = begun()
    start, middle, end = (world.moment(days=days) for days in (10, 20, 30))
    first = decided(world, other, university, valid_from=start, valid_until=end)
    for period in ((middle, world.moment(days=40)), (world.moment(days=1), middle), (start, end)):
        event = world.standing_decision(other, university, valid_from=period[0], valid_until=period[1])
        assert world.refuses(event, refusals.AlreadyExistsRefusal).is_final
    decided(world, other, university, valid_from=world.now, valid_until=start)
    decided(world, other, university, valid_from=end, valid_until=world.moment(days=40))
    decided(world, other, university, valid_from=start, valid_until=end, programme=f"{other.url}programmes/2")
    decided(world, other, university, valid_from=start, valid_until=end, achievement=f"{university.url}a/2")
    decided(world, world.admit("third"), university, valid_from=start, valid_until=end)
    world.say(world.decision_withdrawal(other, first.stamp.event_id))
    decided(world, other, university, valid_from=start, valid_until=end)


def test_so_many_are_kept_ever_for_one_achievement_and_programme() -> None:
    world, university, other = begun()
    for _ in range(16):
        made = decided(world, other, university)
        world.say(world.decision_withdrawal(other, made.stamp.event_id))
    assert world.refuses(world.standing_decision(other, university), refusals.LimitRefusal).is_final
    decided(world, other, university, programme=f"{other.url}programmes/2")


def test_an_institution_has_so_many_live_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proto.lifecycle.decide_recognition.DECISIONS_LIVE_MAX", 3)
    world, university, other = begun()
    over = decided(world, other, university, programme=f"{other.url}over", valid_until=world.moment(days=1))
    made = [decided(world, other, university, programme=f"{other.url}{number}") for number in (1, 2)]
    event = world.standing_decision(other, university, programme=f"{other.url}3")
    world.refuses(event, refusals.LimitRefusal)
    world.advance(days=2)
    assert not is_in_force(world.book, over, world.now)
    decided(world, other, university, programme=f"{other.url}3")
    world.refuses(world.standing_decision(other, university, programme=f"{other.url}4"), refusals.LimitRefusal)
    world.say(world.decision_withdrawal(other, made[0].stamp.event_id))
    decided(world, other, university, programme=f"{other.url}4")


def test_what_a_thief_decided_neither_stands_nor_stands_in_the_way() -> None:
    world, university, other = begun()
    stolen = world.now
    thiefs = [decided(world, other, university)]
    for _ in range(15):
        world.say(world.decision_withdrawal(other, thiefs[-1].stamp.event_id))
        thiefs.append(decided(world, other, university))
    good = other.key("event", 1)
    world.say(world.key_addition(other, other, good), key=other.recovery)
    world.say(world.condemnation(other, other, other.event, stolen), key=other.recovery)
    assert not any(is_live(world.book, each) for each in thiefs)
    gone = world.decision_withdrawal(other, thiefs[-1].stamp.event_id)
    world.refuses(gone, refusals.StatementStateRefusal, key=good)
    world.say(world.standing_decision(other, university), key=good)
