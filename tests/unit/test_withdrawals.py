"""Withdrawing what stands: by whom, how often, what a void withdrawal leaves; alike for all that can be withdrawn."""

from collections.abc import Callable

import pytest

from proto import events
from proto.ids import EventId
from proto.lifecycle import is_live, refusals
from proto.lifecycle.statements import Withdrawable
from tests.support.statements import Party
from tests.support.worlds import FirstWorld, World

KINDS = ("recognition", "decision", "invitation", "endorsement")


class Case:
    """A log of version 2 on which `speaker` said something that can be withdrawn."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.world = World(rules_version=2)
        self.university, self.other, self.heir = (self.world.admit(name) for name in ("uni", "other", "heir"))
        self.speaker = self.university if kind == "invitation" else self.other
        self.world.say(self.world.committed(self.university, "a"))
        self.world.say(self.world.invitation(self.university, self.other, role="joint-award"))
        self.name = self.world.event_id(self.world.say(self._made()))

    def _made(self) -> events.Event:
        credential = self.world.committed_id(self.university, "a")
        makers: dict[str, Callable[[], events.Event]] = {
            "recognition": lambda: self.world.recognition(self.other, credential),
            "decision": lambda: self.world.standing_decision(self.other, self.university),
            "invitation": lambda: self.world.invitation(self.university, self.other),
            "endorsement": lambda: self.world.endorsement(self.other, credential, role="joint-award"),
        }
        return makers[self.kind]()

    def withdrawal(self, speaker: Party, name: EventId | None = None) -> events.Event:
        """Return the event by which somebody withdraws it, or another of its kind."""
        makers: dict[str, Callable[[Party, EventId], events.Event]] = {
            "recognition": self.world.withdrawal,
            "decision": self.world.decision_withdrawal,
            "invitation": self.world.uninvitation,
            "endorsement": self.world.endorsement_withdrawal,
        }
        return makers[self.kind](speaker, name or self.name)

    def stands(self) -> bool:
        """Whether it stands."""
        book = self.world.book
        found: Withdrawable | None = book.recognition(self.name) or book.statement(self.name)
        assert found is not None
        return is_live(book, found)

    @property
    def gone(self) -> type[refusals.Refusal]:
        """How withdrawing what does not stand is refused."""
        is_recognition = self.kind == "recognition"
        return refusals.CredentialStateRefusal if is_recognition else refusals.StatementStateRefusal


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest) -> Case:
    """Return something of each kind that can be withdrawn."""
    return Case(request.param)


def test_who_said_it_withdraws_it_once(case: Case) -> None:
    assert case.stands()
    case.world.say(case.withdrawal(case.speaker))
    assert not case.stands()
    assert case.world.refuses(case.withdrawal(case.speaker), case.gone).is_final


def test_the_registrar_withdraws_it(case: Case) -> None:
    case.world.say(case.withdrawal(case.world.registrar))
    assert not case.stands()


def test_nobody_else_does(case: Case) -> None:
    stranger = case.world.admit("stranger")
    other = case.university if case.speaker is case.other else case.other
    for speaker in (stranger, other, case.heir):
        assert case.world.refuses(case.withdrawal(speaker), refusals.NotAllowedRefusal).pointer == "/issuer"


def test_the_living_end_of_its_successors_does(case: Case) -> None:
    last = case.world.admit("last")
    case.world.say(case.world.closing(case.speaker, case.heir))
    case.world.say(case.world.closing(case.heir, last))
    assert case.world.refuses(case.withdrawal(case.speaker), refusals.ClosedIssuerRefusal).is_final
    case.world.refuses(case.withdrawal(case.heir), refusals.ClosedIssuerRefusal)
    case.world.say(case.withdrawal(last))


def test_of_who_closed_without_a_successor_the_registrar_alone_withdraws(case: Case) -> None:
    case.world.say(case.world.closing(case.speaker))
    case.world.refuses(case.withdrawal(case.speaker), refusals.ClosedIssuerRefusal)
    case.world.refuses(case.withdrawal(case.heir), refusals.NotAllowedRefusal)
    case.world.say(case.withdrawal(case.world.registrar))


def test_a_suspended_institution_withdraws_nothing_for_now(case: Case) -> None:
    case.world.say(case.world.suspension(case.speaker))
    assert not case.world.refuses(case.withdrawal(case.speaker), refusals.SuspendedSpeakerRefusal).is_final
    case.world.say(case.world.reinstatement(case.speaker))
    case.world.say(case.withdrawal(case.speaker))


def test_what_is_unknown_or_of_another_kind_may_come_yet(case: Case) -> None:
    strangers = [case.world.event_id(0), *(Case(kind).name for kind in KINDS if kind != case.kind)]
    is_recognition = case.kind == "recognition"
    refusal = refusals.UnknownRecognitionRefusal if is_recognition else refusals.UnknownStatementRefusal
    for name in strangers:
        assert not case.world.refuses(case.withdrawal(case.speaker, name), refusal).is_final


def test_a_void_withdrawal_lapses_and_so_many_are_kept(case: Case) -> None:
    world, speaker = case.world, case.speaker
    for number in range(4):
        key, stolen = speaker.key("event", number), world.now
        world.say(case.withdrawal(speaker), key=key)
        assert not case.stands()
        following = speaker.key("event", number + 1)
        world.say(world.key_addition(speaker, speaker, following), key=speaker.recovery)
        world.say(world.condemnation(speaker, speaker, key, stolen), key=speaker.recovery)
        assert case.stands()
    last = world.refuses(case.withdrawal(speaker), refusals.LimitRefusal, key=speaker.key("event", 4))
    assert last.is_final
    world.refuses(case.withdrawal(world.registrar), refusals.LimitRefusal)


def test_version_1_keeps_as_many_withdrawals_as_there_are() -> None:
    world = FirstWorld()
    university, other = world.admit("uni"), world.admit("other")
    made = world.event_id(world.say(world.recognition(other, world.issued(university))))
    for number in range(6):
        key, stolen = other.key("event", number), world.now
        world.say(world.withdrawal(other, made), key=key)
        world.say(world.key_addition(other, other, other.key("event", number + 1)), key=other.recovery)
        world.say(world.condemnation(other, other, key, stolen), key=other.recovery)
    found = world.book.recognition(made)
    assert found is not None
    assert len(found.withdrawals) == 6
    assert is_live(world.book, found)
