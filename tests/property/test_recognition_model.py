"""Random histories of stacks, recognitions and standing decisions: the rules and a slow model admit the same."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec import UNSET
from msgspec.structs import replace

from proto import events
from proto.events import DEFAULT_PARAMETERS
from proto.ids import CredentialId, EventId
from proto.lifecycle import Refusal, StandingDecision, is_in_force, is_live
from tests.support.recognition_model import Held, RecognitionModel
from tests.support.statements import Party
from tests.support.worlds import World

NUMBERS = st.integers(0, 2**16)
TIMES_MAX, LEVELS_MAX = 4, 2
CREDITS = st.sampled_from([100, 350, 500])
LEVELS = st.sampled_from([None, 5, 6])
LEVEL = st.sampled_from([None, None, 5])
FEWER = st.sampled_from([None, None, 100, 200])
DECISIONS = st.sampled_from(["full", "full", "partial"])
PROGRAMMES = st.integers(1, 2)


class Offices(RuleBasedStateMachine):
    """Three institutions that award, stack, recognise, decide, withdraw and let time pass."""

    def __init__(self) -> None:
        super().__init__()
        parameters = replace(DEFAULT_PARAMETERS, transitions_per_credential_max=TIMES_MAX, stack_levels_max=LEVELS_MAX)
        self.world = World(rules_version=2, parameters=parameters)
        self.parties = [self.world.admit(name) for name in ("uni", "other", "third")]
        self.model = RecognitionModel()
        self.names: list[CredentialId] = []
        for who in range(6):  # to begin with, so that there is something to decide on
            self.award(who, what=1 + who // 5, credits_=(350, 500)[who // 3], level=6, in_days=0)

    def _party(self, number: int) -> Party:
        return self.parties[number % len(self.parties)]

    def _name(self, number: int) -> CredentialId:
        return self.names[number % len(self.names)]

    def _said(self, event: Any, *, is_expected: bool) -> EventId | None:
        """Say it, and return its name where it was admitted, which has to be what the model expects."""
        found, why = None, ""
        try:
            found = self.world.event_id(self.world.say(event))
        except Refusal as refusal:
            why = refusal.detail
        assert (found is not None) == is_expected, why or "admitted"
        return found

    def _held(self, event: Any, speaker: Party, name: str) -> CredentialId:
        credential_id = self.world.committed_id(speaker, name)
        self.model.held[credential_id] = Held(
            speaker.did,
            event.achievement,
            event.ects_hundredths,
            event.eqf_level or None,
            event.valid_from,
            getattr(event, "components", ()),
        )
        self.names.append(credential_id)
        return credential_id

    @rule(who=NUMBERS, what=st.integers(1, 2), credits_=CREDITS, level=LEVELS, in_days=st.sampled_from([0, 0, 0, 5]))
    def award(self, who: int, what: int, credits_: int, level: int | None, in_days: int) -> None:
        speaker, name = self._party(who), f"award {len(self.names)}"
        fields: dict[str, Any] = {"achievement": f"{speaker.url}achievements/{what}", "ects_hundredths": credits_}
        fields |= {"eqf_level": level} if level else {"eqf_level": UNSET}
        event = self.world.committed(speaker, name, valid_from=self.world.moment(days=in_days), **fields)
        assert self._said(event, is_expected=True)
        self._held(event, speaker, name)

    @rule(who=NUMBERS, of=st.sets(NUMBERS, min_size=2, max_size=3), less=st.sampled_from([-1, 0, 0, 100]))
    def stack(self, who: int, of: set[int], less: int) -> None:
        parts = sorted({self._name(number) for number in of})
        if len(parts) < 2:
            return
        speaker, name = self._party(who), f"stack {len(self.names)}"
        declared = sum(self.model.held[each].ects_hundredths for each in parts) - less
        event = self.world.committed_stack(speaker, parts, name, ects_hundredths=declared)
        is_expected = self.model.may_stack(event, self.world.now, levels_max=LEVELS_MAX)
        if self._said(event, is_expected=is_expected):
            self._held(event, speaker, name)

    @rule(which=NUMBERS)
    def revoke(self, which: int) -> None:
        if (name := self._name(which)) in self.model.revoked or which % 3:
            return
        owner = self.world.parties[self.model.held[name].issuer]
        self.world.say(self.world.revocation(owner, name))
        self.model.revoked.add(name)

    @rule(who=NUMBERS, which=NUMBERS, decision=DECISIONS, credits_=FEWER, programme=PROGRAMMES, level=LEVEL)
    def recognise(self, who: int, which: int, **said: Any) -> None:
        name = self._name(which)
        self._recognised(self._another(who, name), name, said)

    @rule(who=NUMBERS, which=NUMBERS, decision=DECISIONS, credits_=FEWER, programme=PROGRAMMES, level=LEVEL)
    def replace_recognition(self, who: int, which: int, **said: Any) -> None:
        if not self.model.recognitions:
            return
        replaced = sorted(self.model.recognitions)[which % len(self.model.recognitions)]
        made = self.model.recognitions[replaced]
        name = made.credential_id if who % 5 != 2 else self._name(which)
        speaker = self.world.parties[made.issuer] if who % 7 != 3 else self._party(who)
        self._recognised(speaker, name, said, replaces=replaced)

    @rule(who=NUMBERS, which=NUMBERS)
    def recognise_under(self, who: int, which: int) -> None:
        if not self.model.decisions:
            return
        under = self._decision(which)
        decision, name = self.model.decisions[under], self._covered(under, who)
        counted = self.model.held[name].ects_hundredths if decision.decision == "full" else decision.ects_hundredths
        said = {
            "decision": decision.decision,
            "credits_": counted + (1 if who % 11 == 5 else 0),
            "programme": 1 + who % 2 if who % 13 == 7 else int(decision.programme[-1]),
            "level": 7 if who % 17 == 9 else decision.eqf_level or None,
        }
        speaker = self.world.parties[decision.issuer] if who % 7 != 3 else self._party(who)
        self._recognised(speaker, name, said, under=under)

    def _recognised(self, speaker: Party, name: CredentialId, said: dict[str, Any], **more: EventId) -> None:
        fields: dict[str, Any] = {
            "decision": said["decision"],
            "ects_hundredths": said["credits_"] or self.model.held[name].ects_hundredths,
            "programme": f"{speaker.url}programmes/{said['programme']}",
            **more,
        }
        fields |= {"eqf_level": said["level"]} if said["level"] else {}
        event = self.world.recognition(speaker, name, **fields)
        assert isinstance(event, events.CredentialRecognisedV2)
        is_expected = self.model.may_recognise(event, self.world.now, times_max=TIMES_MAX)
        if made := self._said(event, is_expected=is_expected):
            self.model.recognitions[made] = event

    def _another(self, number: int, name: CredentialId) -> Party:
        """Return an institution, mostly another than the one that awarded."""
        is_own = self._party(number).did == self.model.held[name].issuer
        return self._party(number + (1 if is_own and number % 5 != 4 else 0))

    def _decision(self, number: int) -> EventId:
        """Return a decision: mostly one that decides now, else one whose period is over or has not begun."""
        model, names = self.model, sorted(self.model.decisions)
        in_force = [name for name in names if model.in_force(name, self.world.now)]
        beside = [name for name in names if name not in in_force and model.stands(name)]
        chosen = (in_force if number % 3 else beside) or names
        return chosen[number % len(chosen)]

    def _covered(self, under: EventId, number: int) -> CredentialId:
        """Return a credential of the achievement that a decision is about, where there is one."""
        decision = self.model.decisions[under]
        about = (decision.achievement_issuer, decision.achievement)
        found = [name for name in self.names if self.model.held[name][:2] == about]
        return found[number % len(found)] if found else self._name(number)

    @rule(
        who=NUMBERS,
        about=NUMBERS,
        what=st.integers(1, 2),
        decision=st.sampled_from(["full", "partial"]),
        programme=st.integers(1, 2),
        begin=st.sampled_from([-10, 0, 0, 0, 20]),
        days=st.sampled_from([-1, 0, 10, 40, 365, 365, 400, 5 * 366]),
        least=st.sampled_from([None, None, None, 350, 500]),
        least_level=st.sampled_from([None, None, 6, 7]),
        level=st.sampled_from([None, None, 5]),
    )
    def decide(self, who: int, about: int, begin: int, days: int, **said: Any) -> None:
        speaker, issuer = self._party(who), self._party(about)
        fields: dict[str, Any] = {
            "achievement": f"{issuer.url}achievements/{said['what']}",
            "programme": f"{speaker.url}programmes/{said['programme']}",
            "decision": said["decision"],
            "ects_hundredths": 350 if said["decision"] == "full" else 200,
            "valid_from": self.world.moment(days=begin),
            "valid_until": self.world.moment(days=begin + days),
        }
        stated = {
            "ects_hundredths_min": said["least"],
            "eqf_level_min": said["least_level"],
            "eqf_level": said["level"],
        }
        fields |= {name: value for name, value in stated.items() if value}
        event = self.world.standing_decision(speaker, issuer, **fields)
        if name := self._said(event, is_expected=self.model.may_decide(event)):
            self.model.decisions[name] = event

    @rule(who=NUMBERS, which=NUMBERS, of_decisions=st.booleans())
    def withdraw(self, who: int, which: int, *, of_decisions: bool) -> None:
        made: dict[EventId, Any] = self.model.decisions if of_decisions else self.model.recognitions
        if not made:
            return
        name = sorted(made)[which % len(made)]
        speaker = self.world.parties[made[name].issuer] if who % 3 != 1 else self._party(who)
        say = self.world.decision_withdrawal if of_decisions else self.world.withdrawal
        if self._said(say(speaker, name), is_expected=self.model.may_withdraw(name, speaker.did, made)):
            self.model.withdrawn.add(name)

    @rule(days=st.sampled_from([1, 9, 15, 200]))
    def pass_days(self, days: int) -> None:
        self.world.advance(days=days)

    @invariant()
    def the_same_stands(self) -> None:
        """A withdrawn decision leaves what it decided: recognitions stand until they are withdrawn themselves."""
        book, model, now = self.world.book, self.model, self.world.now
        for name in model.recognitions:
            made = book.recognition(name)
            assert made is not None
            assert is_live(book, made) == model.stands(name)
        for name in model.decisions:
            decision = book.statement(name)
            assert isinstance(decision, StandingDecision)
            assert is_in_force(book, decision, now) == model.in_force(name, now)

    @invariant()
    def the_same_holds(self) -> None:
        for name in self.names:
            found = self.world.effective(name)
            assert found is not None
            assert (found.state == "active") == self.model.is_active(name, self.world.now)
            assert found.credits_remaining == self.model.remaining(name, self.world.now)


TestOffices = Offices.TestCase
TestOffices.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
