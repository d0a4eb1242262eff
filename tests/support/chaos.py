"""Random statements on a small log: mostly plausible, often wrong, so that histories are deep and refusals frequent.

The universe is small on purpose (four institutions, few keys, few credentials), so that what is said meets what was
said before: keys condemn each other, ids are issued again, admissions turn out to be void.
"""

import contextlib
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from proto import events
from proto.event_fields import Purpose
from proto.ids import CredentialId, EventId, Origin
from proto.lifecycle import Endorsement, Invitation, Refusal, StandingDecision, is_retired, is_void
from proto.moment import Moment, from_ms
from tests.support.statements import SCOPE, Party
from tests.support.worlds import World

PARAMETERS = replace(
    events.DEFAULT_PARAMETERS,
    registrar_key_delay_seconds=60,
    keys_per_issuer_max=10,
    transitions_per_credential_max=4,
    parts_per_stack_max=6,
)
KEYS = 5
PURPOSES: tuple[Purpose, ...] = ("event", "event", "recovery")
NAMES = ("a", "b", "c", "d", "e", "f", "g")
Said = tuple[events.Event, events.KeyRecord]


class Chaos:
    """Makes one random statement after the other for a world, and knows nothing of what the rules say to them."""

    def __init__(self, world: World, rng: Random) -> None:
        self.world = world
        self.rng = rng
        self.registrar = world.registrar
        self.institutions = [world.party(name) for name in ("uni", "college", "school", "stranger")]
        self.named = {make(party, name): (party, name) for party, name, make in self._universe()}
        self.credentials = list(self.named)
        self.moments: list[Moment] = [world.now]

    def _universe(self) -> Iterator[tuple[Party, str, Callable[[Party, str], CredentialId]]]:
        """Every credential that is spoken of: by ids that events say, by ids that follow from commitments, or both."""
        versions = {rule.version for rule in self.world.book.opened_log().rules}
        for party in self.institutions[:2]:
            for number, name in enumerate(NAMES):
                if versions == {1} or (1 in versions and number % 2):
                    yield party, name, self.world.credential_id
                else:
                    yield party, name, self.world.committed_id

    def statement(self) -> Said:
        """Return the next event and the key to sign it with; the clock may have moved on."""
        self.world.advance(seconds=self.rng.choice([0, 0, 0.001, 1, 30, 61]))
        self.moments.append(self.world.now)
        kinds = [self._keys] * 6 + [self._credential] * 12 + [self._standing] * 2 + [self._recognition] * 2
        kinds += [self._statement] * 3 if self.world.rules_version > 1 else []
        event, purpose = self.rng.choice(kinds)()
        if self.rng.random() < 0.02:
            event = self._spoilt(event)
        party = self.world.parties[event.issuer]
        return event, self._key(party, purpose)

    def _key(self, party: Party, purpose: Purpose) -> events.KeyRecord:
        """A key that may sign now if there is one, seldom any key."""
        if self.rng.random() < 0.05:
            purpose = self.rng.choice(["event", "recovery", "assertion"])
        usable = [key for key in map(party.key, [purpose] * KEYS, range(KEYS)) if self._is_usable(key)]
        if usable and self.rng.random() < 0.9:
            return self.rng.choice(usable)
        return party.key(purpose, self.rng.randrange(KEYS))

    def _is_usable(self, record: events.KeyRecord) -> bool:
        book = self.world.book
        key = book.key(record.key_id)
        is_good = key is not None and not is_retired(book, key) and not is_void(book, key.added)
        return is_good and key is not None and key.usable_from <= self.world.now

    def _spoilt(self, event: Any) -> Any:
        fault = self.rng.randrange(3)
        if fault == 0:
            return replace(event, log=Origin("other.example"))
        return replace(event, at=self.world.moment(days=-31 if fault == 1 else 1))

    def _institution(self) -> Party:
        return self.rng.choice(self.institutions[: self.rng.choice([2, 2, 3, 4])])

    def _anybody(self) -> Party:
        return self.rng.choice([self.registrar, *self.institutions])

    def _past(self) -> Moment:
        return self.rng.choice(self.moments[-30:])

    def _credential_id(self) -> CredentialId:
        return self.rng.choice(self.credentials[: self.rng.choice([4, 9, len(self.credentials)])])

    def _owner(self, credential_id: CredentialId) -> Party:
        if self.rng.random() < 0.2:
            return self._anybody()
        return self.named[credential_id][0]

    def _is_committed(self, credential_id: CredentialId) -> bool:
        party, name = self.named[credential_id]
        return credential_id == self.world.committed_id(party, name)

    def _companions(self, credential_id: CredentialId) -> set[CredentialId]:
        """Some credentials of the same owner, this one among them; seldom of anybody."""
        owner = self.named[credential_id][0]
        own = [each for each in self.credentials if self.named[each][0] is owner and self._is_committed(each)]
        state = self.world.state(credential_id)
        alike = [each for each in own if self.world.state(each) == state]
        others: list[CredentialId] = self.rng.choice([own, alike, alike, alike, self.credentials])
        return {credential_id, *self.rng.sample(others, k=min(len(others), self.rng.choice([1, 2, 4])))}

    def _keys(self) -> tuple[Any, Purpose]:
        """Keys are added, rotated and condemned, most often by the recovery key of their owner."""
        subject = self.rng.choice([self.registrar, *self.institutions[:2] * 3, self._institution()])
        speaker: Party = self.rng.choice([subject] * 6 + [self.registrar, self._anybody()])
        purpose: Purpose = "event" if speaker is self.registrar and self.rng.random() < 0.6 else "recovery"
        wanted: Purpose = self.rng.choice(PURPOSES)
        key, act = subject.key(wanted, self.rng.randrange(KEYS)), self.rng.randrange(12)
        if act < 6:
            unknown = [each for each in range(KEYS) if not self._ring_key(subject.key(wanted, each))]
            number = self.rng.choice(unknown) if unknown else 0
            return self.world.key_addition(speaker, subject, subject.key(wanted, number)), purpose
        known = [each for each in map(subject.key, [wanted] * KEYS, range(KEYS)) if self._ring_key(each)]
        key = self.rng.choice(known) if known and self.rng.random() < 0.9 else key
        if act < 7:
            return self.world.rotation(speaker, subject, key), self.rng.choice([purpose, "event"])
        return self.world.condemnation(speaker, subject, key, self.rng.choice(self.moments[-25:])), purpose

    def _ring_key(self, record: events.KeyRecord) -> bool:
        return self.world.book.key(record.key_id) is not None

    def _standing(self) -> tuple[Any, Purpose]:
        subject, heir, world = self._institution(), self.rng.choice([None, self._institution()]), self.world
        width = {"may_issue": self.rng.random() < 0.9, "eqf_max": self.rng.choice([5, 8, 8, 8, 8])}
        fresh = tuple(subject.key(purpose, self.rng.randrange(4)) for purpose in ("event", "recovery"))
        [event] = self.rng.choices(
            [
                world.admission(subject),
                world.admission(subject, keys=fresh),
                world.scope_change(subject, **width),
                world.suspension(subject),
                world.reinstatement(subject),
                world.reinstatement(subject),
                world.closing(subject, heir),
                world.admission(subject, uri_prefixes=(f"{self._institution().url}{self.rng.choice(['', 'a/'])}",)),
                world.activation(self.rng.choice([2, 3]), world.size + 99_000),
            ],
            [3, 3, 1, 2, 2, 2, 2, 2, 1],
        )
        return (replace(event, issuer=subject.did) if self.rng.random() < 0.05 else event), "event"

    def _in_state(self, *states: str | None) -> CredentialId:
        """A credential in one of these states if there is one, seldom any."""
        found = [each for each in self.credentials if self.world.state(each) in states]
        return self.rng.choice(found) if found and self.rng.random() < 0.8 else self._credential_id()

    def _credential(self) -> tuple[Any, Purpose]:
        if any(map(self._is_committed, self.credentials)) and self.rng.random() < 0.3:
            return self._many(), "event"
        act = self.rng.randrange(12)
        if act < 7:
            credential_id = self._in_state("void") if self.rng.random() < 0.5 else self._in_state(None)
            fields: dict[str, Any] = {"credential_id": credential_id}
            maker = self._stack if act > 3 else self._issue
            return maker(self._owner(credential_id), fields), "event"
        makers = [self.world.hold, self.world.hold, self.world.revocation, self.world.release, self.world.release]
        credential_id = self._in_state("suspended") if act > 9 else self._in_state("active")
        speaker = self.rng.choice([self._owner(credential_id), self._owner(credential_id), self.registrar])
        when = self.rng.choice([self.world.now, self.world.now, self.world.now, self._past()])
        return makers[act - 7](speaker, credential_id, effective_at=when), "event"

    def _many(self) -> Any:
        """Issue or revoke several at once."""
        event: Any
        void = [each for each in self.credentials if self._is_committed(each) and self.world.state(each) == "void"]
        if void and self.rng.random() < 0.3:
            owner = self.named[self.rng.choice(void)][0]
            event = self.world.issue_many(owner, [self.named[each][1] for each in void if self.named[each][0] is owner])
        elif self.rng.random() < 0.6:
            first = self._in_state("void") if self.rng.random() < 0.4 else self._in_state(None)
            names = {self.named[each][1] for each in self._companions(first)}
            event = self.world.issue_many(self._owner(first), names, ects_hundredths=self.rng.choice([100, 300, 350]))
        else:
            first = self._in_state("active")
            when = self.rng.choice([self.world.now, self.world.now, self._past()])
            event = self.world.revoke_many(self._owner(first), self._companions(first), effective_at=when)
        return event if len(self._several(event)) > 1 else self._standing()[0]

    def _several(self, event: Any) -> tuple[str, ...]:
        found: tuple[str, ...] = getattr(event, "commitments", ()) or event.credential_ids
        return found

    def _issue(self, speaker: Party, fields: dict[str, Any]) -> Any:
        begin = self.rng.choice([self.world.now, self.world.now, self._past(), self.world.moment(seconds=20)])
        end: Any = self.rng.choice([UNSET, UNSET, UNSET, self.world.moment(seconds=900)])
        claimed = self.rng.choice([100, 300, 300, 350, 350, 350, SCOPE.ects_hundredths_max + 1])
        self.moments += [end] if end else []
        dated: dict[str, Any] = {"valid_from": begin, "valid_until": end, "ects_hundredths": claimed}
        if self._is_committed(fields["credential_id"]):
            return self.world.committed(speaker, self.named[fields["credential_id"]][1], **dated)
        return self.world.issue(speaker, **fields, **dated)

    def _stack(self, speaker: Party, fields: dict[str, Any]) -> Any:
        components = {self._in_state("active") for _ in range(self.rng.choice([2, 2, 3, 3, 4]))}
        known = self.world.book.credential(fields["credential_id"])
        if known and known.lives[0].components and self.rng.random() < 0.8:
            components = set(known.lives[0].components)
        components |= set(self.credentials[:2]) if len(components) == 1 else set()
        declared = self.rng.choice([50, 200, 700])
        if self._is_committed(fields["credential_id"]):
            name = self.named[fields["credential_id"]][1]
            return self.world.committed_stack(speaker, components, name, ects_hundredths=declared)
        return self.world.stack(speaker, components, **fields, ects_hundredths=declared)

    def _recognition(self) -> tuple[Any, Purpose]:
        speaker = self.rng.choice([self._institution(), self._institution(), self._anybody()])
        if self.rng.random() < 0.6:
            return self.world.recognition(speaker, self._in_state("active")), "event"
        made = sorted(self.world.book.recognitions) or [self.world.event_id(0)]
        return self.world.withdrawal(speaker, self.rng.choice(made)), "event"

    def _statement(self) -> tuple[Any, Purpose]:
        """Standing decisions, invitations and endorsements, and what takes them back."""
        speaker, subject = self._institution(), self._institution()
        programme = f"{speaker.url}programmes/{self.rng.randrange(2)}"
        if self.rng.random() < 0.3 and (made := sorted(self.world.book.statements)):
            endorsed = [each for each in made if isinstance(self.world.book.statements[each], Endorsement)]
            name = self.rng.choice(self.rng.choice([made, endorsed or made]))
            return self._taken_back(self.rng.choice([speaker, self._anybody()]), name), "event"
        begin, end = (
            self.rng.choice([self.world.now, self._past()]),
            self.world.moment(seconds=self.rng.choice([20, 900])),
        )
        makers: list[Callable[[], Any]] = [
            lambda: self.world.standing_decision(
                speaker, subject, programme=programme, valid_from=begin, valid_until=end, ects_hundredths_min=200
            ),
            lambda: self.world.invitation(speaker, subject, role=self.rng.choice(["quality", "joint-award"])),
            lambda: self._endorsement(speaker),
            lambda: self._endorsement(speaker),
            lambda: self._recognition_under(speaker),
        ]
        return self.rng.choice(makers)(), "event"

    def _taken_back(self, speaker: Party, name: EventId) -> Any:
        """Take back a statement, most often by who made it, seldom by the event of another kind."""
        made = self.world.book.statements[name]
        if made is not None and self.rng.random() < 0.8:
            speaker = self.world.parties[made.stamp.speaker]
        kinds = {
            StandingDecision: self.world.decision_withdrawal,
            Invitation: self.world.uninvitation,
            Endorsement: self.world.endorsement_withdrawal,
        }
        kind = type(made) if self.rng.random() < 0.9 else self.rng.choice(list(kinds))
        return kinds[kind](speaker, name)  # type: ignore[index] # every name is that of a statement

    def about_new(self, credential_id: CredentialId) -> Said:
        """Say something of a credential that is not on the log yet: it may be by the time that this is decided."""
        speaker = self._institution()
        made = [each for each in self.world.book.statements.values() if isinstance(each, Invitation)]
        event: Any = self.world.recognition(speaker, credential_id, ects_hundredths=self.rng.choice([100, 300, 350]))
        if self.world.rules_version > 1 and made and self.rng.random() < 0.7:
            by = self.rng.choice(made)
            speaker = self.world.parties[by.endorser]
            event = self.world.endorsement(speaker, credential_id, role=by.role)
        return event, self._key(speaker, "event")

    def _endorsement(self, speaker: Party) -> Any:
        """Endorse, most often by an invitation."""
        made = [each for each in self.world.book.statements.values() if isinstance(each, Invitation)]
        if not made or self.rng.random() < 0.2:
            return self.world.endorsement(speaker, self._in_state("active"))
        by = self.rng.choice(made)
        return self.world.endorsement(self.world.parties[by.endorser], self._in_state("active"), role=by.role)

    def _recognition_under(self, speaker: Party) -> Any:
        """Recognise under a decision, or in place of a recognition, that may be anybody's."""
        credential = self._in_state("active")
        decisions = [each for each in self.world.book.statements.values() if isinstance(each, StandingDecision)]
        recognitions = [each for each in self.world.book.recognitions.values() if each is not None]
        fields: dict[str, Any] = {}
        if decisions and self.rng.random() < 0.7:
            under = self.rng.choice(decisions)
            speaker = self.world.parties[under.recogniser]
            fields |= {"under": under.stamp.event_id, "programme": under.programme}
        if recognitions and self.rng.random() < 0.5:
            replaced = self.rng.choice(recognitions)
            speaker, credential = self.world.parties[replaced.recogniser], replaced.credential_id
            fields |= {"replaces": replaced.stamp.event_id}
        known = self.world.book.credential(credential)
        fields |= {"ects_hundredths": known.lives[-1].ects_hundredths} if known else {}
        return self.world.recognition(speaker, credential, **fields)

    def any_moment(self) -> Moment:
        """Return a moment to ask about: one that something happened at, one beside it, or the future."""
        near = self._past()
        return self.rng.choice([near, near, self.world.moment(seconds=300), from_ms(self.world.now_ms - 1)])


def history(rng: Random, statements: int) -> Chaos:
    """Return chaos after so many statements, of which the rules have refused some."""
    chaos = begin(rng)
    for _ in range(statements):
        event, key = chaos.statement()
        with contextlib.suppress(Refusal):
            chaos.world.say(event, key=key)
    return chaos


def begin(rng: Random) -> Chaos:
    """Return chaos on a log with two institutions that have a second key of each kind, by rules of either version."""
    version, activated_after = rng.choice([1, 2]), rng.choice([None, 3, 20])
    world = World(parameters=PARAMETERS, rules_version=version)
    for name in ("uni", "college"):
        party = world.admit(name)
        if rng.random() < 0.8:
            world.say(world.key_addition(party, party, party.key("event", 1)), key=party.recovery)
            world.say(world.key_addition(party, party, party.key("recovery", 1)), key=party.recovery)
    second = world.registrar.key("event", 1)
    world.say(world.key_addition(world.registrar, world.registrar, second), key=world.registrar.recovery)
    if version == 1 and activated_after is not None:
        world.say(world.activation(2, world.size + activated_after))
    return Chaos(world, rng)
