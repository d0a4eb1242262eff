"""Endorsements: whom an achievement's issuer invites, what the invited stand by, how many; what ends it (DESIGN 9)."""

import contextlib
import sqlite3
from typing import Any

import pytest

from proto import events
from proto.envelope import open_envelope
from proto.ids import CredentialId, EventId, LeafIndex
from proto.lifecycle import Book, Endorsement, decide, evolve, holds, needs, refusals
from services.persistence import sqlite_states
from tests.support.statements import Party
from tests.support.worlds import World


def begun() -> tuple[World, Party, Party, CredentialId]:
    """Return a log of version 2 with a university, an agency that may endorse, and a credential of the former."""
    world = World(rules_version=2)
    university, agency = world.admit("uni"), world.admit("agency")
    world.say(world.committed(university, "a"))
    return world, university, agency, world.committed_id(university, "a")


def said(world: World, event: Any) -> EventId:
    """Say something, and return its event id."""
    return world.event_id(world.say(event))


def endorsed(world: World, speaker: Party, credential: CredentialId, **fields: Any) -> Endorsement:
    """Endorse, and return the endorsement."""
    found = world.book.statement(said(world, world.endorsement(speaker, credential, **fields)))
    assert isinstance(found, Endorsement)
    return found


def test_who_is_invited_endorses_and_the_credential_itself_stays_as_it_was() -> None:
    world, university, agency, credential = begun()
    before = world.book.credential(credential)
    invitation = said(world, world.invitation(university, agency))
    made = endorsed(world, agency, credential)
    assert (made.endorser, made.role, made.invitation) == (agency.did, "quality", invitation)
    assert holds(world.book, made)
    assert world.book.credential(credential) is before


def test_who_is_not_invited_in_this_role_to_this_achievement_does_not_endorse() -> None:
    world, university, agency, credential = begun()
    assert not world.refuses(world.endorsement(agency, credential), refusals.NotInvitedRefusal).is_final
    world.say(world.invitation(university, agency, role="joint-award"))
    world.say(world.invitation(university, agency, achievement=f"{university.url}achievements/2"))
    world.say(world.invitation(university, world.admit("third")))
    world.refuses(world.endorsement(agency, credential), refusals.NotInvitedRefusal)


def test_an_invitation_by_somebody_else_invites_to_nothing() -> None:
    world, university, agency, credential = begun()
    third = world.admit("third")
    event = world.invitation(third, agency, achievement=f"{university.url}achievements/1")
    assert world.refuses(event, refusals.OutOfScopeRefusal).pointer == "/achievement"
    world.say(world.invitation(third, agency))
    world.refuses(world.endorsement(agency, credential), refusals.NotInvitedRefusal)


def test_the_invited_is_another_admitted_and_living_institution() -> None:
    world, university, agency, _ = begun()
    world.refuses(world.invitation(university, university), refusals.NotAllowedRefusal)
    unknown = world.refuses(world.invitation(university, world.party("stranger")), refusals.UnknownIssuerRefusal)
    assert (unknown.pointer, unknown.is_final) == ("/endorser", False)
    world.refuses(world.invitation(university, world.registrar), refusals.UnknownIssuerRefusal)
    world.refuses(world.invitation(world.registrar, agency), refusals.NotAllowedRefusal)
    world.say(world.closing(agency))
    world.refuses(world.invitation(university, agency), refusals.ClosedIssuerRefusal)


def test_one_invitation_for_each_role_stands_at_a_time() -> None:
    world, university, agency, _ = begun()
    first = said(world, world.invitation(university, agency))
    world.refuses(world.invitation(university, agency), refusals.AlreadyExistsRefusal)
    world.say(world.invitation(university, agency, role="joint-award"))
    world.say(world.uninvitation(university, first))
    world.say(world.invitation(university, agency))


def test_an_endorsement_holds_while_it_and_its_invitation_do() -> None:
    world, university, agency, credential = begun()
    invitation = said(world, world.invitation(university, agency))
    first = endorsed(world, agency, credential)
    world.refuses(world.endorsement(agency, credential), refusals.AlreadyExistsRefusal)
    asked = world.now
    world.advance(seconds=1)
    world.say(world.uninvitation(university, invitation))
    assert not holds(world.book, first)
    assert holds(world.book, first, known_at=asked)
    world.refuses(world.endorsement(agency, credential), refusals.NotInvitedRefusal)
    world.say(world.invitation(university, agency))
    assert not holds(world.book, first), "a new invitation is not the one by which it was made"
    second = endorsed(world, agency, credential)
    world.say(world.endorsement_withdrawal(agency, second.stamp.event_id))
    withdrawn = world.book.statement(second.stamp.event_id)
    assert isinstance(withdrawn, Endorsement)
    assert not holds(world.book, withdrawn)


@pytest.mark.parametrize("state", ["revoked", "suspended", "unknown"])
def test_only_active_credentials_are_endorsed(state: str) -> None:
    world, university, agency, credential = begun()
    world.say(world.invitation(university, agency))
    if state == "unknown":
        unknown = world.endorsement(agency, world.committed_id(university, "unknown"))
        assert not world.refuses(unknown, refusals.UnknownCredentialRefusal).is_final
        return
    world.say((world.revocation if state == "revoked" else world.hold)(university, credential))
    world.refuses(world.endorsement(agency, credential), refusals.CredentialStateRefusal)


def test_so_often_ever_in_one_role() -> None:
    world, university, agency, credential = begun()
    world.say(world.invitation(university, agency))
    world.say(world.invitation(university, agency, role="joint-award"))
    for _ in range(4):
        made = endorsed(world, agency, credential)
        world.say(world.endorsement_withdrawal(agency, made.stamp.event_id))
    assert world.refuses(world.endorsement(agency, credential), refusals.LimitRefusal).is_final
    endorsed(world, agency, credential, role="joint-award")


def test_a_credential_has_so_many_endorsements_that_hold() -> None:
    world, university, _, credential = begun()
    endorsers = [world.admit(f"agency-{number}") for number in range(17)]
    invitations = [said(world, world.invitation(university, each)) for each in endorsers]
    for each in endorsers[:16]:
        endorsed(world, each, credential)
    world.refuses(world.endorsement(endorsers[16], credential), refusals.LimitRefusal)
    world.say(world.uninvitation(university, invitations[0]))
    endorsed(world, endorsers[16], credential)


def test_an_institution_has_so_many_invitations_that_stand() -> None:
    world, university, agency, _ = begun()
    uris = [f"{university.url}achievements/{number}" for number in range(65)]
    made = [said(world, world.invitation(university, agency, achievement=uri)) for uri in uris[:64]]
    assert world.refuses(world.invitation(university, agency, achievement=uris[64]), refusals.LimitRefusal).is_final
    world.say(world.uninvitation(university, made[5]))
    world.say(world.invitation(university, agency, achievement=uris[64]))


def test_invitations_that_a_thief_made_leave_room_and_what_was_endorsed_by_them_falls() -> None:
    world, university, agency, credential = begun()
    stolen = world.now
    made = endorsed(world, agency, credential) if world.say(world.invitation(university, agency)) else None
    for number in range(2, 65):
        world.say(world.invitation(university, agency, achievement=f"{university.url}achievements/{number}"))
    good = university.key("event", 1)
    world.say(world.key_addition(university, university, good), key=university.recovery)
    world.say(world.condemnation(university, university, university.event, stolen), key=university.recovery)
    assert made is not None
    assert not holds(world.book, made)
    world.say(world.invitation(university, agency), key=good)
    assert holds(world.book, endorsed(world, agency, credential))


def test_a_suspended_institution_neither_invites_nor_endorses_for_now() -> None:
    world, university, agency, credential = begun()
    world.say(world.invitation(university, agency))
    world.say(world.suspension(agency))
    assert not world.refuses(world.endorsement(agency, credential), refusals.SuspendedSpeakerRefusal).is_final
    world.say(world.reinstatement(agency))
    endorsed(world, agency, credential)


def test_what_deciding_reads_is_loaded_also_for_what_one_batch_issues_and_endorses() -> None:
    world, university, agency, _ = begun()
    world.say(world.invitation(university, agency))
    second = f"{university.url}achievements/2"
    said: list[events.Event] = [
        world.committed(university, "new"),
        world.issue_many(university, ["x", "y"], achievement=second),
        world.invitation(university, agency, achievement=second),
        world.endorsement(agency, world.committed_id(university, "new")),
        world.endorsement(agency, world.committed_id(university, "x")),
        world.recognition(agency, world.committed_id(university, "new")),
        world.standing_decision(agency, university),
    ]
    batch = [open_envelope(world.seal(event)) for event in said]
    book = Book()
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(sqlite_states.SCHEMA)
        sqlite_states.save(connection, world.book)
        sqlite_states.load_until_complete(connection, book, lambda: needs(book, batch))
    for number, opened in enumerate(batch):
        index = LeafIndex(world.size + number)
        decide(book, opened, index=index, received_at=world.now)
        evolve(book, opened, index=index, received_at=world.now)
    assert sum(isinstance(each, Endorsement) for each in book.statements.values()) == 2
