"""The golden log of rules version 1: what is said in it, what follows, and where it is kept. Run to write it anew."""

import json
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from proto.lifecycle import (
    Book,
    Credential,
    Endorsement,
    Issuer,
    Stamp,
    StandingDecision,
    compromised_from,
    effective,
    holds,
    is_in_force,
    is_live,
    is_live_recognition,
    is_retired,
    is_void,
    living_end,
    profile,
    standing,
)
from proto.log import entry as entries
from proto.moment import Moment
from tests.support.statements import SCOPE, Party
from tests.support.worlds import FirstWorld, World

FOLDER = Path(__file__).parents[1] / "conformance" / "golden"
LOG_FILE = FOLDER / "rules-v1.ndjson"
STATES_FILE = FOLDER / "rules-v1.json"


def golden_world() -> World:
    """Say everything that can be said, so that every state is reached; the same bytes every time."""
    world = FirstWorld(step_ms=60_000)
    university, college, heir = world.admit("university"), world.admit("college"), world.admit("heir")
    _keep_keys(world, university, college)
    _award(world, university, college)
    _stack(world, university, college)
    _recognise(world, university, college, heir)
    _lose_a_key(world, college)
    _lose_the_registrars_key(world)
    _close(world, university, college, heir)
    world.say(world.activation(2, 1_000_000), key=world.registrar.key("event", 1))
    return world


def _keep_keys(world: World, university: Party, college: Party) -> None:
    registrar = world.registrar
    world.say(world.key_addition(registrar, registrar, registrar.key("event", 1)), key=registrar.recovery)
    world.say(world.key_addition(university, university, university.key("event", 1)), key=university.recovery)
    world.say(world.key_addition(registrar, college, college.key("event", 1)))
    world.say(world.rotation(university, university, university.event))
    world.say(world.key_addition(college, college, college.key("recovery", 1)), key=college.recovery)
    world.advance(days=8)


def _award(world: World, university: Party, college: Party) -> None:
    key = university.key("event", 1)

    def issue(name: str, **fields: Any) -> str:
        event = world.issue(university, name, **fields)
        world.say(event, key=key)
        return event.credential_id

    for name in ("active", "part a", "part b", "revoked", "suspended", "reinstated", "by the registrar"):
        issue(name)
    issue("expired", valid_until=world.moment(days=1))
    issue("not yet valid", valid_from=world.moment(days=4000))
    issue("for long", valid_from=world.moment(days=-20), valid_until=world.moment(days=4000))
    issue("without a level", eqf_level=msgspec.UNSET, ects_hundredths=0)

    def named(name: str) -> Any:
        return world.credential_id(university, name)

    world.advance(days=2)
    world.say(world.revocation(university, named("revoked"), reason="superseded", replaced_by=named("active")), key=key)
    world.say(world.hold(university, named("suspended"), reason="invalidated"), key=key)
    world.say(world.hold(university, named("reinstated"), effective_at=world.moment(days=-1)), key=key)
    world.say(world.release(university, named("reinstated"), reason="withdrawn"), key=key)
    world.say(world.revocation(world.registrar, named("by the registrar"), reason="legal-order"))
    world.say(world.suspension(university))
    world.say(world.revocation(university, named("for long"), effective_at=world.moment(days=-15)), key=key)
    world.say(world.reinstatement(university))
    world.say(world.issue(college, "college's"), key=college.key("event", 1))
    world.say(world.scope_change(college, may_recognise=False, eqf_max=7))


def _stack(world: World, university: Party, college: Party) -> None:
    parts = [world.credential_id(university, name) for name in ("part a", "part b")]
    world.say(world.stack(university, parts, "whole"), key=university.key("event", 1))
    inner = world.stack(university, [*parts, world.credential_id(college, "college's")], "inner", ects_hundredths=900)
    world.say(inner, key=university.key("event", 1))
    other = world.issued(college, "to be revoked")
    outer = [world.credential_id(university, "inner"), other]
    world.say(world.stack(university, outer, "impaired", ects_hundredths=1000), key=university.key("event", 1))
    world.say(world.revocation(college, other))


def _recognise(world: World, university: Party, college: Party, heir: Party) -> None:
    credential = world.credential_id(university, "active")
    world.say(world.recognition(heir, credential, decision="partial", ects_hundredths=100, eqf_level=5))
    withdrawn = world.say(world.recognition(heir, world.credential_id(college, "college's")))
    world.say(world.withdrawal(heir, world.event_id(withdrawn)))
    world.say(world.recognition(university, world.credential_id(college, "college's")), key=university.key("event", 1))


def _lose_a_key(world: World, college: Party) -> None:
    """A thief issues, revokes and plants a key; then both of its keys are condemned, and an id is issued again."""
    good, spare = college.key("event", 1), college.key("recovery", 1)
    stolen = world.now
    world.say(world.issue(college, "void"))
    world.say(world.issue(college, "void, then again"))
    world.say(world.revocation(college, world.credential_id(college, "college's")))
    planted = college.key("event", 9)
    world.say(world.key_addition(college, college, planted), key=college.recovery)
    world.say(world.issue(college, "by a planted key"), key=planted)
    world.say(world.condemnation(college, college, college.event, stolen), key=spare)
    world.say(world.condemnation(college, college, college.recovery, stolen), key=spare)
    world.say(world.issue(college, "void, then again"), key=good)


def _lose_the_registrars_key(world: World) -> None:
    registrar = world.registrar
    stolen = world.now
    fake = world.admit("fake", scope=replace(SCOPE, may_stack=False))
    world.say(world.issue(fake, "fake"))
    world.say(world.condemnation(registrar, registrar, registrar.event, stolen), key=registrar.recovery)


def _close(world: World, university: Party, college: Party, heir: Party) -> None:
    key = world.registrar.key("event", 1)
    world.say(world.closing(university, college), key=key)
    world.say(world.closing(college, heir), key=key)
    world.say(world.revocation(heir, world.credential_id(university, "part a"), reason="key-compromise"))


def states_of(book: Book, lines: list[bytes]) -> dict[str, Any]:
    """Return what follows from a log, in words that any version of the code can say: JSON, by name."""
    now = entries.decode(lines[-1]).received_at
    log = book.opened_log()
    return {
        "log": {
            "origin": log.origin,
            "registrar": log.registrar,
            "rules": [[each.version, each.from_index] for each in log.rules],
        },
        "issuers": {did: _issuer(book, issuer) for did, issuer in sorted(book.issuers.items()) if issuer},
        "credentials": {
            name: _credential(book, credential, now)
            for name, credential in sorted(book.credentials.items())
            if credential
        },
        "recognitions": {
            name: {"by": each.recogniser, "of": each.credential_id, "is_live": is_live_recognition(book, name)}
            for name, each in sorted(book.recognitions.items())
            if each
        },
    } | _statements(book, now)


def _statements(book: Book, now: Moment) -> dict[str, Any]:
    """What rules version 2 brought; nothing where nothing of it was said."""
    made = {name: each for name, each in sorted(book.statements.items()) if each}
    found: dict[str, dict[str, Any]] = {
        name: {"said": json.loads(msgspec.json.encode(each)), "is_live": is_live(book, each)}
        for name, each in made.items()
    }
    for name, each in made.items():
        if isinstance(each, Endorsement):
            found[name] |= {"holds": holds(book, each)}
        if isinstance(each, StandingDecision):
            found[name] |= {"is_in_force": is_in_force(book, each, now)}
    return {"statements": found} if found else {}


def _issuer(book: Book, issuer: Issuer) -> dict[str, Any]:
    known, last = profile(book, issuer), standing(book, issuer)
    return {
        "profile": msgspec.to_builtins(known.scope) | {"legal_name": known.legal_name} if known else None,
        "standing": last.kind if last else None,
        "living_end": living_end(book, issuer.did),
        "keys": {
            key.key_id: {
                "purpose": key.purpose,
                "usable_from": key.usable_from,
                "is_retired": is_retired(book, key),
                "compromised_from": compromised_from(book, key.key_id),
                "is_void": is_void(book, key.added),
            }
            for key in issuer.keys
        },
    }


def _credential(book: Book, credential: Credential, now: Moment) -> dict[str, Any]:
    """The state now, and how it was at each entry that concerned it, on both axes."""
    stamps: list[Stamp] = [life.stamp for life in credential.lives]
    stamps += [change.stamp for change in credential.lives[-1].changes]
    return {
        "issuer": credential.issuer,
        "now": _shown(book, credential, at=now),
        "history": [
            {
                "index": stamp.index,
                "is_void": is_void(book, stamp),
                "by_all_that_is_known": _shown(book, credential, at=stamp.received_at),
                "by_what_was_known": _shown(book, credential, at=stamp.received_at, known_at=stamp.received_at),
            }
            for stamp in sorted(set(stamps), key=lambda each: each.index)
        ],
    }


def _shown(book: Book, credential: Credential, *, at: Moment, known_at: Moment | None = None) -> Any:
    return msgspec.to_builtins(effective(book, credential, at=at, known_at=known_at))


def write() -> None:
    """Write both golden files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    world = golden_world()
    LOG_FILE.write_bytes(b"".join(line + b"\n" for line in world.entries))
    states = states_of(world.book, world.entries)
    STATES_FILE.write_text(json.dumps(states, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
