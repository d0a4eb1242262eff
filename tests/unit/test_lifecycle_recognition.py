"""Recognitions: who may, of what, once; and who withdraws them (DESIGN 3.6)."""

from msgspec.structs import replace

from proto.events import DEFAULT_PARAMETERS
from proto.lifecycle import is_live_recognition, refusals
from tests.support.statements import SCOPE
from tests.support.worlds import FirstWorld


def test_an_institution_recognises_anothers_credential() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    credential = world.issued(university)
    index = world.say(world.recognition(other, credential, decision="partial", ects_hundredths=200, eqf_level=6))
    recognition = world.book.recognition(world.event_id(index))
    assert recognition is not None
    assert (recognition.recogniser, recognition.decision, recognition.ects_hundredths) == (other.did, "partial", 200)
    assert is_live_recognition(world.book, world.event_id(index))


def test_who_may_not_recognise_does_not() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other", scope=replace(SCOPE, may_recognise=False))
    credential = world.issued(university)
    assert world.refuses(world.recognition(other, credential), refusals.OutOfScopeRefusal).pointer == "/issuer"


def test_a_programme_lies_under_a_registered_prefix() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    credential = world.issued(university)
    event = world.recognition(other, credential, programme=f"{university.url}programmes/1")
    assert world.refuses(event, refusals.OutOfScopeRefusal).pointer == "/programme"


def test_only_known_active_credentials_are_recognised() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    unknown = world.recognition(other, world.credential_id(university, "x"))
    assert not world.refuses(unknown, refusals.UnknownCredentialRefusal).is_final
    credential = world.issued(university)
    world.say(world.hold(university, credential))
    world.refuses(world.recognition(other, credential), refusals.CredentialStateRefusal)


def test_a_credential_is_recognised_once_at_a_time_by_each() -> None:
    world = FirstWorld()
    university, other, third = world.admit("uni"), world.admit("other"), world.admit("third")
    credential = world.issued(university)
    index = world.say(world.recognition(other, credential))
    assert world.refuses(world.recognition(other, credential), refusals.AlreadyExistsRefusal).is_final
    world.say(world.recognition(third, credential))
    world.say(world.withdrawal(other, world.event_id(index)))
    assert not is_live_recognition(world.book, world.event_id(index))
    world.say(world.recognition(other, credential))


def test_a_recognition_is_withdrawn_by_who_made_it_a_successor_or_the_registrar() -> None:
    world = FirstWorld()
    university, other, heir = world.admit("uni"), world.admit("other"), world.admit("heir")
    credentials = [world.issued(university) for _ in range(3)]
    first, second, third = (world.event_id(world.say(world.recognition(other, each))) for each in credentials)
    for speaker in (university, heir):
        assert world.refuses(world.withdrawal(speaker, first), refusals.NotAllowedRefusal).is_final
    world.say(world.withdrawal(other, first))
    world.say(world.withdrawal(world.registrar, second))
    world.say(world.closing(other, heir))
    world.say(world.withdrawal(heir, third))


def test_only_a_known_and_live_recognition_is_withdrawn() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    credential = world.issued(university)
    unknown = world.withdrawal(other, world.event_id(0))
    assert not world.refuses(unknown, refusals.UnknownRecognitionRefusal).is_final
    recognition = world.event_id(world.say(world.recognition(other, credential)))
    world.say(world.withdrawal(other, recognition))
    assert world.refuses(world.withdrawal(other, recognition), refusals.CredentialStateRefusal).is_final


def test_a_recognition_that_a_thief_made_neither_lives_nor_stands_in_the_way() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    credential = world.issued(university)
    stolen = world.now
    index = world.say(world.recognition(other, credential))
    second = other.key("event", 1)
    world.say(world.key_addition(other, other, second), key=other.recovery)
    world.say(world.condemnation(other, other, other.event, stolen), key=other.recovery)
    assert not is_live_recognition(world.book, world.event_id(index))
    assert is_live_recognition(world.book, world.event_id(index), known_at=stolen)
    world.refuses(world.withdrawal(other, world.event_id(index)), refusals.CredentialStateRefusal, key=second)
    world.say(world.recognition(other, credential), key=second)


def test_a_withdrawal_by_a_thief_lapses() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    index = world.say(world.recognition(other, world.issued(university)))
    stolen = world.now
    world.say(world.withdrawal(other, world.event_id(index)))
    world.say(world.condemnation(other, other, other.event, stolen), key=other.recovery)
    assert is_live_recognition(world.book, world.event_id(index))


def test_a_pair_has_only_so_many_recognitions() -> None:
    world = FirstWorld(parameters=replace(DEFAULT_PARAMETERS, transitions_per_credential_max=2))
    university, other = world.admit("uni"), world.admit("other")
    credential = world.issued(university)
    for _ in range(2):
        index = world.say(world.recognition(other, credential))
        world.say(world.withdrawal(other, world.event_id(index)))
    assert world.refuses(world.recognition(other, credential), refusals.LimitRefusal).is_final
