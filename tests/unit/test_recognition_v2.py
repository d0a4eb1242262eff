"""Recognising by rules version 2: once for each programme, outside one's line, under a decision, in another's place."""

from typing import Any

import pytest

from proto.ids import CredentialId, EventId
from proto.lifecycle import is_live_recognition, refusals
from tests.support.statements import Party
from tests.support.worlds import FirstWorld, World


def begun() -> tuple[World, Party, Party, CredentialId]:
    """Return a log of version 2 with a university, another institution, and a credential of the former."""
    world = World(rules_version=2)
    university, other = world.admit("uni"), world.admit("other")
    world.say(world.committed(university, "a"))
    return world, university, other, world.committed_id(university, "a")


def recognised(world: World, speaker: Party, credential: CredentialId, **fields: Any) -> EventId:
    """Have an institution recognise, and return the event's id."""
    return world.event_id(world.say(world.recognition(speaker, credential, **fields)))


def test_a_recognition_of_version_1_is_admitted_no_more_and_says_what_to_say_instead() -> None:
    world, _, other, credential = begun()
    world_v1 = FirstWorld()
    old = world_v1.recognition(other, credential)
    refusal = world.refuses(old, refusals.RulesVersionRefusal)
    assert refusal.is_final
    assert "credential-recognised.v2" in refusal.detail


def test_a_credential_is_recognised_once_for_each_programme() -> None:
    world, _, other, credential = begun()
    recognised(world, other, credential)
    again = world.refuses(world.recognition(other, credential), refusals.AlreadyExistsRefusal)
    assert again.is_final
    recognised(world, other, credential, programme=f"{other.url}programmes/2")


def test_full_is_what_the_credential_has() -> None:
    world, _, other, credential = begun()
    for credits_ in (349, 351):
        event = world.recognition(other, credential, ects_hundredths=credits_)
        assert world.refuses(event, refusals.FieldRefusal).pointer == "/ects_hundredths"
    recognised(world, other, credential, decision="partial", ects_hundredths=100)


def test_nobody_recognises_what_it_or_its_line_awarded() -> None:
    world, university, _, credential = begun()
    world.refuses(world.recognition(university, credential), refusals.NotAllowedRefusal)
    heir, later = world.admit("heir"), world.admit("later")
    world.say(world.closing(university, heir))
    world.say(world.closing(heir, later))
    assert world.refuses(world.recognition(later, credential), refusals.NotAllowedRefusal).pointer == "/issuer"


def test_who_closed_without_a_successor_has_no_line() -> None:
    world, university, other, credential = begun()
    world.say(world.closing(university))
    recognised(world, other, credential)


def test_a_recognition_replaces_another_by_one_entry() -> None:
    world, _, other, credential = begun()
    first = recognised(world, other, credential)
    second = recognised(world, other, credential, decision="partial", ects_hundredths=200, replaces=first)
    assert [is_live_recognition(world.book, each) for each in (first, second)] == [False, True]
    moved = recognised(world, other, credential, programme=f"{other.url}programmes/2", replaces=second)
    assert [is_live_recognition(world.book, each) for each in (second, moved)] == [False, True]
    recognised(world, other, credential)


def test_what_replaced_another_by_a_thiefs_hand_lets_it_stand_again() -> None:
    world, _, other, credential = begun()
    good = other.key("event", 1)
    world.say(world.key_addition(other, other, good), key=other.recovery)
    first = world.event_id(world.say(world.recognition(other, credential), key=good))
    stolen = world.now
    second = recognised(world, other, credential, decision="partial", ects_hundredths=100, replaces=first)
    world.say(world.condemnation(other, other, other.event, stolen), key=other.recovery)
    assert [is_live_recognition(world.book, each) for each in (first, second)] == [True, False]
    world.refuses(world.recognition(other, credential), refusals.AlreadyExistsRefusal, key=good)


def test_only_its_own_live_recognition_of_this_credential_is_replaced() -> None:
    world, university, other, credential = begun()
    third = world.admit("third")
    world.say(world.committed(university, "b"))
    elsewhere = recognised(world, other, world.committed_id(university, "b"))
    foreign = recognised(world, third, credential)
    gone = recognised(world, other, credential)
    world.say(world.withdrawal(other, gone))
    replaced: list[tuple[EventId, type[refusals.Refusal]]] = [
        (elsewhere, refusals.FieldRefusal),
        (foreign, refusals.NotAllowedRefusal),
        (gone, refusals.CredentialStateRefusal),
        (world.event_id(0), refusals.UnknownRecognitionRefusal),
    ]
    for name, refusal in replaced:
        found = world.refuses(world.recognition(other, credential, replaces=name), refusal)
        assert found.pointer == "/replaces"
        assert found.is_final is (refusal is not refusals.UnknownRecognitionRefusal)


def test_a_recognition_follows_a_decision_of_its_own() -> None:
    world, university, other, credential = begun()
    under = world.event_id(world.say(world.standing_decision(other, university)))
    made = world.book.recognition(recognised(world, other, credential, under=under))
    assert made is not None
    assert made.under == under


@pytest.mark.parametrize(
    ("decided", "said", "differs"),
    [
        ({"decision": "partial", "ects_hundredths": 100}, {}, "decision"),
        (
            {"decision": "partial", "ects_hundredths": 100},
            {"decision": "partial", "ects_hundredths": 200},
            "ects_hundredths",
        ),
        ({"eqf_level": 5}, {"eqf_level": 6}, "eqf_level"),
        ({"ects_hundredths_min": 351}, {}, "ects_hundredths_min"),
        ({"eqf_level_min": 7}, {}, "eqf_level_min"),
        ({"achievement": "https://uni.example/achievements/2"}, {}, "the achievement"),
        ({}, {"programme": "https://other.example/programmes/2"}, "programme"),
    ],
)
def test_what_does_not_follow_the_decision_is_refused(
    decided: dict[str, Any], said: dict[str, Any], differs: str
) -> None:
    world, university, other, credential = begun()
    under = world.event_id(world.say(world.standing_decision(other, university, **decided)))
    found = world.refuses(world.recognition(other, credential, under=under, **said), refusals.FieldRefusal)
    assert (found.pointer, found.is_final) == ("/under", True)
    assert differs in found.detail


def test_a_decision_about_another_institutions_credentials_covers_none_of_this_one() -> None:
    world, _, other, credential = begun()
    academy = world.admit("academy")
    under = world.event_id(world.say(world.standing_decision(other, academy)))
    found = world.refuses(world.recognition(other, credential, under=under), refusals.FieldRefusal)
    assert "the achievement's issuer" in found.detail


def test_only_a_live_decision_of_its_own_in_its_period_is_followed() -> None:
    world, university, other, credential = begun()
    third = world.admit("third")
    foreign = world.event_id(world.say(world.standing_decision(third, university)))
    gone = world.event_id(world.say(world.standing_decision(other, university)))
    world.say(world.decision_withdrawal(other, gone))
    later = world.standing_decision(
        other, university, valid_from=world.moment(days=10), valid_until=world.moment(days=20)
    )
    under: list[tuple[EventId, type[refusals.Refusal]]] = [
        (foreign, refusals.NotAllowedRefusal),
        (gone, refusals.StatementStateRefusal),
        (world.event_id(world.say(later)), refusals.EffectiveTimeRefusal),
        (world.event_id(0), refusals.UnknownStatementRefusal),
    ]
    for name, refusal in under:
        assert world.refuses(world.recognition(other, credential, under=name), refusal).pointer == "/under"


def test_what_was_decided_under_a_decision_outlives_its_withdrawal() -> None:
    world, university, other, credential = begun()
    under = world.event_id(world.say(world.standing_decision(other, university)))
    made = recognised(world, other, credential, under=under)
    world.say(world.decision_withdrawal(other, under))
    assert is_live_recognition(world.book, made)


def test_a_recognition_from_before_the_activation_is_withdrawn_and_replaced_after_it() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    old = recognised(world, other, world.issued(university, "a"))
    named = world.credential_id(university, "a")
    world.say(world.activation(2, world.size + 1))
    world.refuses(world.recognition(other, named), refusals.AlreadyExistsRefusal)
    new = recognised(world, other, named, replaces=old)
    assert [is_live_recognition(world.book, each) for each in (old, new)] == [False, True]
