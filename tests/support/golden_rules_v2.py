"""The golden logs of rules version 2: what is said in them, and where they are kept. Run to write them anew.

Four ways to version 2: not yet (what version 1 refuses), changed over to, opened with, and begun with by a log that
continues one of version 1.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from proto import events
from proto.envelope import Envelope, open_envelope
from proto.ids import CredentialId, LeafIndex, Origin
from proto.lifecycle import Book, Refusal, decide
from tests.support import golden_rules_v1
from tests.support.golden_rules_v1 import FOLDER, golden_world, states_of
from tests.support.statements import Party
from tests.support.worlds import FirstWorld, World, replay

REFUSED_FILE = FOLDER / "rules-v1-refused.ndjson"
CONTINUED_ORIGIN = Origin("log.example/credentify-test-2")
_NAMES = [f"student {number}" for number in range(6)]


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """An envelope, and how the rules refuse it after the last entry of a log."""

    code: str
    is_final: bool
    envelope: Envelope


def names_of_files() -> dict[str, tuple[Path, Path]]:
    """Return for each golden log its entries' file and that of the states that follow."""
    return {
        name: (FOLDER / f"rules-{name}.ndjson", FOLDER / f"rules-{name}.json")
        for name in ("v1-to-v2", "v2", "v1-continued-by-v2")
    }


def made() -> dict[str, World]:
    """Return the worlds of these logs; the same bytes every time."""
    return {"v1-to-v2": changed_over(), "v2": opened_with(), "v1-continued-by-v2": continued()}


def replayed(name: str, lines: list[bytes]) -> Book:
    """Return the state after the entries of the golden log of that name."""
    if name != "v1-continued-by-v2":
        return replay(lines)
    before = golden_rules_v1.LOG_FILE.read_bytes().splitlines()
    return replay(lines, CONTINUED_ORIGIN, book=replay(before))


def opened_with() -> World:
    """A log that is opened with version 2, on which all that it admits is said."""
    world = World(step_ms=60_000, rules_version=2)
    _say_all(world, world.admit("university"), world.admit("college"))
    world.say(world.activation(3, world.size + 90_000))
    return world


def changed_over() -> World:
    """A log of version 1 that changes over: each type that is new, or is admitted no more, stands on its side."""
    world = FirstWorld(step_ms=60_000)
    university, college = world.admit("university"), world.admit("college")
    old = [world.issued(university, name) for name in ("old", "old and void", "old part")]
    world.say(world.stack(university, old, "old stack", ects_hundredths=900))
    recognised = world.event_id(world.say(world.recognition(college, old[1], decision="partial")))
    world.say(world.activation(2, world.size + 2))
    world.say(world.revocation(university, old[0]))
    world.say(world.recognition(college, old[1], decision="partial", ects_hundredths=100, replaces=recognised))
    _say_all(world, university, college)
    world.say(world.revoke_many(world.registrar, old[1:], reason="legal-order"))
    return world


def continued() -> World:
    """A log that is opened with version 2 and continues the golden log of version 1, with its states."""
    before = golden_world()
    world = FirstWorld(origin=CONTINUED_ORIGIN, step_ms=60_000, is_open=False)
    world.parties, world.book, world.now_ms = before.parties, before.book, before.now_ms
    registrar = before.registrar
    world.say(
        world.opening(
            rules_version=2,
            keys=(registrar.key("event", 1), registrar.recovery),
            predecessor=events.Predecessor(origin=before.origin, size=before.size, root_hash=before.root_hash().hex()),
        ),
        key=registrar.key("event", 1),
    )
    heir = before.party("heir")
    old = before.credential_id(before.party("university"), "active")
    new = world.issued_together(heir, _NAMES, achievement=f"{heir.url}achievements/1")
    school = world.party("school")
    world.say(world.admission(school), key=registrar.key("event", 1))
    _decide(world, school, heir, new[5])
    _endorse(world, heir, school, new[4:])
    world.say(world.hold(heir, new[0]))
    world.say(world.revocation(heir, old))
    world.say(world.revoke_many(heir, new[1:4]))
    return world


def _say_all(world: World, university: Party, college: Party) -> None:
    registrar = world.registrar
    good, spare = university.key("event", 1), registrar.key("event", 1)
    world.say(world.key_addition(university, university, good), key=university.recovery)
    world.say(world.key_addition(registrar, registrar, spare), key=registrar.recovery)
    world.say(world.form_key(university, university.form_key()), key=university.recovery)
    alone = [_alone(world, university, name) for name in ("alone", "held", "released")]
    world.say(world.hold(university, alone[1]))
    world.say(world.hold(university, alone[2]))
    world.say(world.release(university, alone[2]))
    group = world.issued_together(university, _NAMES, valid_until=world.moment(days=400))
    world.say(world.committed_stack(college, group[:3], "stack", ects_hundredths=1000))
    world.say(world.revoke_many(university, group[2:4], reason="withdrawn"))
    _recognise(world, college, group[0])
    _decide(world, college, university, group[0])
    _endorse(world, university, college, group[:2])
    stolen = world.now
    void = world.issued_together(university, ["new and void", "again"], ects_hundredths=200)
    world.say(world.revoke_many(university, [*group[:2], alone[0]]))
    world.say(world.condemnation(university, university, university.event, stolen), key=university.recovery)
    world.say(world.issue_many(university, ["again", "later"], ects_hundredths=200), key=good)
    world.say(world.revocation(university, group[5], reason="superseded", replaced_by=void[0]), key=good)
    world.say(world.scope_change(college, may_stack=False))
    world.say(world.suspension(college))
    world.say(world.reinstatement(college))
    world.say(world.closing(college, university), key=spare)


def _alone(world: World, speaker: Party, name: str) -> CredentialId:
    world.say(world.committed(speaker, name))
    return world.committed_id(speaker, name)


def _recognise(world: World, college: Party, credential: CredentialId) -> None:
    made_at = world.say(world.recognition(college, credential, decision="partial", ects_hundredths=100))
    world.say(world.withdrawal(college, world.event_id(made_at)))
    world.say(world.recognition(college, credential))


def _decide(world: World, college: Party, university: Party, credential: CredentialId) -> None:
    """Decisions that stand, are withdrawn, are over; a recognition under one, in the place of an earlier one."""
    earlier = world.say(
        world.recognition(college, credential, decision="partial", ects_hundredths=50, programme=f"{college.url}other")
    )
    decisions = [
        world.standing_decision(college, university, ects_hundredths_min=300, eqf_level_min=5),
        world.standing_decision(college, university, programme=f"{college.url}other", description_digest="ab" * 32),
        world.standing_decision(
            college, university, programme=f"{college.url}over", decision="partial", valid_until=world.moment(seconds=1)
        ),
    ]
    names = [world.event_id(world.say(each)) for each in decisions]
    fields = {"under": names[1], "replaces": world.event_id(earlier), "programme": f"{college.url}other"}
    world.say(world.recognition(college, credential, **fields))
    world.say(world.decision_withdrawal(college, names[1]))


def _endorse(world: World, university: Party, college: Party, credentials: Sequence[CredentialId]) -> None:
    """Endorsements that hold, are withdrawn, and lost their invitation."""
    quality = world.event_id(world.say(world.invitation(university, college)))
    world.say(world.invitation(university, college, role="joint-award"))
    made = [world.event_id(world.say(world.endorsement(college, each))) for each in credentials]
    world.say(world.endorsement(college, credentials[0], role="joint-award"))
    world.say(world.endorsement_withdrawal(college, made[0]))
    world.say(world.uninvitation(university, quality))


def refused_by_v1() -> list[Refused]:
    """What nobody may say after the golden log of version 1, though version 2 has it."""
    world = golden_world()
    heir, old = world.party("heir"), [world.credential_id(world.party("university"), name) for name in ("active", "x")]
    said: Iterable[Any] = (
        world.make(events.IssuerAdmittedV2, world.registrar, **_admission(world)),
        world.form_key(heir, heir.form_key()),
        world.committed(heir, "a"),
        world.committed_stack(heir, old, "b"),
        world.issue_many(heir, _NAMES),
        world.revoke_many(heir, old),
        world.make(
            events.CredentialRecognisedV2,
            heir,
            credential_id=old[0],
            decision="full",
            ects_hundredths=350,
            programme=f"{heir.url}p",
        ),
        world.standing_decision(heir, world.party("college")),
        world.decision_withdrawal(heir, world.event_id(1)),
        world.invitation(heir, world.party("college")),
        world.uninvitation(heir, world.event_id(1)),
        world.endorsement(heir, old[0]),
        world.endorsement_withdrawal(heir, world.event_id(1)),
    )
    return [_refused(world, world.seal(event, key=_signer(world, event))) for event in said]


def _admission(world: World) -> dict[str, Any]:
    fields = msgspec.structs.asdict(world.admission(world.party("newcomer")))
    return {name: value for name, value in fields.items() if name not in {"log", "issuer", "at", "nonce"}}


def _signer(world: World, event: events.Event) -> events.KeyRecord | None:
    if event.issuer == world.registrar.did:
        return world.registrar.key("event", 1)
    return world.parties[event.issuer].recovery if isinstance(event, events.IssuerKeyAddedV2) else None


def _refused(world: World, envelope: Envelope) -> Refused:
    code, is_final = refusal_of(world.book, world, envelope)
    return Refused(code=code, is_final=is_final, envelope=envelope)


def refusal_of(book: Book, world: World, envelope: Envelope) -> tuple[str, bool]:
    """Return code and finality of the refusal of an envelope behind the last entry of a world."""
    try:
        decide(book, open_envelope(envelope), index=LeafIndex(world.size), received_at=world.now)
    except Refusal as refusal:
        return refusal.slug, refusal.is_final
    return "", False


def write() -> None:
    """Write all golden files."""
    for name, world in made().items():
        log, states = names_of_files()[name]
        log.write_bytes(b"".join(line + b"\n" for line in world.entries))
        found = states_of(replayed(name, world.entries), world.entries)
        states.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    REFUSED_FILE.write_bytes(b"".join(msgspec.json.encode(each) + b"\n" for each in refused_by_v1()))


if __name__ == "__main__":
    write()
