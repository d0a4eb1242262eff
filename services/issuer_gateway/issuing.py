"""Issuing: from an award to a document that only its learner's key opens, and an event in the outbox.

`prepared` does what needs no database, `stored` what must happen in one transaction: learner, event, document.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proto.credential import Award
from proto.envelope import Opened
from proto.ids import CredentialId
from proto.lifecycle import Refusal
from proto.moment import Moment
from proto.problem import NotFoundProblem, Problem
from proto.wire.gateway import EventAnswer
from services.issuer_gateway.domain.awarding import document_of, issued_event
from services.issuer_gateway.domain.tenancy import Tenant
from services.issuer_gateway.gateway import Gateway
from services.issuer_gateway.keystore import DataKey
from services.issuer_gateway.once import Once, said_once
from services.issuer_gateway.saying import Said, admit, book_for, check_followed, common, put, say, signed
from services.issuer_gateway.store import achievements, credentials
from services.postgres import Connection, Pool

_ENCODE = msgspec.json.Encoder().encode


class UnknownAchievementProblem(NotFoundProblem):
    """The institution has described no achievement of that URI."""

    slug = "unknown-achievement"
    title = "The institution has no such achievement"
    status = 422


class Sealed(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sealed of a credential: its document without a proof, and what the institution should know of it."""

    document: dict[str, Any]
    notes: tuple[str, ...] = ()
    unmapped: tuple[str, ...] = ()


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that is ready to be issued: document and signed event belong to each other."""

    award: Award
    achievement: achievements.StoredAchievement
    credential_id: CredentialId
    opened: Opened
    sealed: Sealed
    components: tuple[CredentialId, ...] = ()

    @property
    def said(self) -> Said:
        """The event, in its credential's stream."""
        return Said(opened=self.opened, stream=self.credential_id)


def fresh_document_id() -> str:
    """Return `urn:uuid:` and a random UUID of version 4: 122 bits that nobody can guess (DESIGN 3.1)."""
    return f"urn:uuid:{uuid.uuid4()}"


async def achievement_of(connection: Connection | Pool, tenant: Tenant, uri: str) -> achievements.StoredAchievement:
    """Return the institution's achievement of that URI, or raise `UnknownAchievementProblem`."""
    found = (await achievements.by_uris(connection, tenant.institution_id, [uri])).get(uri)
    if found is None:
        raise unknown_achievement(uri)
    return found


def unknown_achievement(uri: str) -> Problem:
    """Return the refusal of an award for an achievement that was never described."""
    return UnknownAchievementProblem(
        f"No achievement {uri} is described here; POST it to /v1/achievements first", pointer="/achievement"
    )


async def prepared(
    gateway: Gateway,
    tenant: Tenant,
    award: Award,
    achievement: achievements.StoredAchievement,
    *,
    now: Moment,
    notes: tuple[str, ...] = (),
    unmapped: tuple[str, ...] = (),
) -> Prepared:
    """Return the credential of an award: a fresh document, its credential id, its signed event."""
    award = msgspec.structs.replace(award, achievement=achievement.achievement.uri)
    document, credential_id = document_of(tenant, achievement.achievement, award, document_id=fresh_document_id())
    event = issued_event(common(gateway, tenant, now=now), achievement.achievement, award, credential_id)
    return Prepared(
        award=award,
        achievement=achievement,
        credential_id=credential_id,
        opened=await signed(gateway, tenant, event),
        sealed=Sealed(document=document, notes=notes, unmapped=unmapped),
    )


async def learners_for(
    gateway: Gateway, connection: Connection, tenant: Tenant, refs: Sequence[str]
) -> dict[str, credentials.StoredLearner]:
    """Return the institution's learners of these names, made where they are new, and keep them from being erased."""
    wanted = []
    for ref in dict.fromkeys(refs):
        learner_id = str(uuid.uuid4())
        sealed_key = gateway.keystore.new_learner_key(learner_id)
        wanted.append(credentials.NewLearner(learner_id=learner_id, ref=ref, sealed_key=sealed_key))
    return await credentials.learners(connection, tenant.institution_id, wanted)


async def store(
    gateway: Gateway,
    connection: Connection,
    tenant: Tenant,
    items: Sequence[Prepared],
    learners: Mapping[str, credentials.StoredLearner],
) -> None:
    """Store documents under their learners' keys; their events are in the outbox already."""
    keys: dict[str, DataKey] = {}
    rows = []
    for item in items:
        learner = learners[item.award.learner.ref]
        key = keys.get(learner.learner_id)
        if key is None:
            key = keys[learner.learner_id] = gateway.keystore.learner_key(learner.sealed_key, learner.learner_id)
        rows.append(
            credentials.NewCredential(
                credential_id=item.credential_id,
                institution_id=tenant.institution_id,
                learner_id=learner.learner_id,
                achievement_id=item.achievement.achievement_id,
                revision=item.achievement.revision,
                event_id=item.opened.event_id,
                ects_hundredths=item.award.earned_hundredths(item.achievement.achievement),
                components=item.components,
                sealed_document=key.seal(_ENCODE(item.sealed), "document", item.credential_id),
            )
        )
    await credentials.add(connection, rows)


async def issue_now(gateway: Gateway, connection: Connection, tenant: Tenant, item: Prepared) -> Said:
    """In the caller's transaction: decide, put the event into the outbox, store the document."""
    now = max(gateway.now(), item.opened.event.at)
    book = await book_for(connection, [item.opened], now=now)
    await say(gateway, connection, tenant, [item.said], book, now=now)
    learners = await learners_for(gateway, connection, tenant, [item.award.learner.ref])
    await store(gateway, connection, tenant, [item], learners)
    return item.said


async def issue(gateway: Gateway, tenant: Tenant, award: Award, once: Once | None) -> EventAnswer:
    """Issue one credential and return where its event stands (DESIGN 5.1 to 5.3).

    Raises `UnknownAchievementProblem`, a `Refusal` of the rules, and what `said_once` raises.
    """
    check_followed(gateway)
    achievement = await achievement_of(gateway.pool, tenant, award.achievement)
    item = await prepared(gateway, tenant, award, achievement, now=gateway.now())

    async def work(connection: Connection) -> Said:
        return await issue_now(gateway, connection, tenant, item)

    return await said_once(gateway, once, work)


async def issue_many(
    gateway: Gateway, connection: Connection, tenant: Tenant, items: Sequence[Prepared]
) -> dict[CredentialId, Refusal]:
    """In the caller's transaction: issue what the rules admit, in order; return the refusals of the others."""
    now = max(gateway.now(), *(item.opened.event.at for item in items))
    book = await book_for(connection, [item.opened for item in items], now=now)
    refused: dict[CredentialId, Refusal] = {}
    for item in items:
        try:
            admit(book, item.opened, now=now)
        except Refusal as refusal:
            refused[item.credential_id] = refusal
    taken = [item for item in items if item.credential_id not in refused]
    if taken:
        await put(gateway, connection, tenant, [item.said for item in taken])
        learners = await learners_for(gateway, connection, tenant, [item.award.learner.ref for item in taken])
        await store(gateway, connection, tenant, taken, learners)
    return refused
