"""Issuing: from an award to a document that only its learner's key opens, and an event in the outbox.

`prepare` does what needs no database, `stored` what must happen in one transaction: learner, event, document.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from proto.documents.credential import Award
from proto.documents.vc import check_credential
from proto.documents.wording import check_award, title_slips
from proto.envelope import Opened
from proto.ids import AchievementUri, CredentialId, EventId
from proto.lifecycle import Book, Refusal
from proto.moment import Moment
from proto.problem import BusyProblem, ConflictProblem, InvalidProblem, NotFoundProblem, Problem
from proto.wire.gateway import ChangeRequest, EventAnswer
from services.crypto.rdf_canonical import pinned_contexts
from services.issuer_gateway.achievements.document_parts import Part, without_part
from services.issuer_gateway.credentials.annex_gate import check_complete
from services.issuer_gateway.credentials.change_credential import effective_from
from services.issuer_gateway.credentials.earlier_awards import EarlierAwards
from services.issuer_gateway.credentials.prerequisites import Asking, Holdings
from services.issuer_gateway.credentials.row_faults import problem_of_row
from services.issuer_gateway.domain.awarding import change_event, document_of, issued_event
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.status_lists import Given
from services.issuer_gateway.store import achievements, credentials, document_parts, outbox, status_lists
from services.issuer_gateway.unit_of_work.decision_book import admit, book_for
from services.issuer_gateway.unit_of_work.idempotency import KeyedRequest
from services.issuer_gateway.unit_of_work.log_writer import OutboxEvent
from services.persistence import postgres_states
from services.persistence.postgres import Connection, Pool

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


class PreparedAward(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that is ready to be issued: document and signed event belong to each other."""

    award: Award
    achievement: achievements.StoredAchievement
    credential_id: CredentialId
    opened: Opened
    sealed: Sealed
    part: Part
    place: Given | None
    components: tuple[CredentialId, ...] = ()
    api_key_id: str | None = None
    """The API key that stated the award; None where what it says of the learner are the learner's own words."""
    replaces: tuple[CredentialId, ...] = ()
    """Credentials that it replaces besides those that its award says."""
    revocations: tuple[OutboxEvent, ...] = ()
    """What is said besides: revocations of the credentials that this one replaces."""

    @property
    def event_id(self) -> EventId:
        """The event that issues it."""
        return self.opened.event_id

    @property
    def document(self) -> dict[str, Any]:
        """The document, without a proof."""
        return self.sealed.document

    @property
    def every_said(self) -> list[OutboxEvent]:
        """The event and, behind it, the revocations of what it replaces."""
        return [self.said, *self.revocations]

    @property
    def said(self) -> OutboxEvent:
        """The event, in its credential's stream."""
        return OutboxEvent(opened=self.opened, stream=self.credential_id)

    @property
    def asking(self) -> Asking:
        """What is asked of its learner."""
        return Asking(award=self.award, achievement=self.achievement)

    def noted(self, notes: tuple[str, ...]) -> "PreparedAward":
        """Return the same with notes for the institution added."""
        if not notes:
            return self
        sealed = msgspec.structs.replace(self.sealed, notes=(*self.sealed.notes, *notes))
        return msgspec.structs.replace(self, sealed=sealed)

    @property
    def to_seal(self) -> bytes:
        """What is sealed under the learner's key: all but what the part, which is stored beside, says."""
        return _ENCODE(msgspec.structs.replace(self.sealed, document=without_part(self.sealed.document)))


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
        f"No achievement {uri} is described here; POST it to /v1/achievements first. If several imports call it so, "
        "name the one by its URI or id here",
        pointer="/achievement",
    )


async def prepare(
    gateway: Gateway,
    tenant: Tenant,
    award: Award,
    achievement: achievements.StoredAchievement,
    *,
    now: Moment,
    notes: tuple[str, ...] = (),
    unmapped: tuple[str, ...] = (),
    is_dry: bool = False,
    api_key_id: str | None = None,
) -> PreparedAward:
    """Return the credential of an award: a fresh document, judged by the data model, its credential id, signed event.

    `is_dry` takes no place on a status list: what is prepared so is never stored. Raises `DataModelProblem`,
    `AnnexIncompleteProblem`, and `InvalidProblem` for a text that nobody can read.
    """
    award = msgspec.structs.replace(award, achievement=achievement.achievement.uri)
    notes = (*notes, *check_award(award), *title_slips(achievement.achievement))
    notes = (*notes, *check_complete(gateway, tenant, achievement.achievement, award))
    part = gateway.parts.of(tenant, achievement)
    place = None if is_dry else await gateway.statuses.place(tenant)
    document, credential_id = document_of(
        tenant,
        achievement.achievement,
        award,
        document_id=fresh_document_id(),
        credential_status=place.entry if place else None,
        fixed=part.fixed,
        plain=part.plain,
    )
    check_credential(document, contexts=pinned_contexts(), known=part.known)
    part.is_known = True
    said = gateway.writer.common_fields(tenant, now=now)
    event = issued_event(said, achievement.achievement, award, credential_id, zone=tenant.zone)
    return PreparedAward(
        award=award,
        achievement=achievement,
        credential_id=credential_id,
        opened=await gateway.writer.sign(tenant, event),
        sealed=Sealed(document=document, notes=notes, unmapped=unmapped),
        part=part,
        place=place,
        api_key_id=api_key_id,
    )


class Issues(msgspec.Struct, frozen=True, kw_only=True):
    """What became of several issues: who was refused, and when the others were made."""

    refused: dict[CredentialId, Problem]
    created_at: datetime


async def learners_for(
    connection: Connection, tenant: Tenant, refs: Sequence[str]
) -> dict[str, credentials.StoredLearner]:
    """Return the institution's learners of these names, made where they are new, and keep them from being erased."""
    wanted = [credentials.StoredLearner(learner_id=str(uuid.uuid4()), ref=ref) for ref in dict.fromkeys(refs)]
    return await credentials.learners(connection, tenant.institution_id, wanted)


async def store(
    gateway: Gateway,
    connection: Connection,
    tenant: Tenant,
    items: Sequence[PreparedAward],
    learners: Mapping[str, credentials.StoredLearner],
) -> datetime:
    """Store documents under their learners' keys, and their places; their events are in the outbox already.

    Returns when: the transaction's time.
    """
    keys = await gateway.learner_keys.made(learner.learner_id for learner in learners.values())
    rows, places = [], []
    for item in items:
        learner = learners[item.award.learner.ref]
        key = keys[learner.learner_id]
        if key is None:
            raise BusyProblem("The learner is being erased; send this again for a new one")
        assert item.place is not None, "what was prepared dry is not stored"
        places.append(item.place.of(item.credential_id))
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
                part_digest=item.part.digest,
                sealed_document=key.seal(item.to_seal, "document", item.credential_id),
                api_key_id=item.api_key_id,
            )
        )
    await document_parts.keep(connection, {item.part.digest: item.part.stored for item in items})
    created_at = await credentials.add(connection, rows)
    await status_lists.add_places(connection, places)
    return created_at


async def check_not_awarded(gateway: Gateway, connection: Connection, tenant: Tenant, item: PreparedAward) -> None:
    """Raise `AlreadyAwardedProblem` or `AwardedBeforeProblem` where an award could not be issued for that now."""
    now = gateway.writer.now()
    awarded = await EarlierAwards.read(gateway, connection, tenant, [item], is_dry=True)
    book = await book_for(connection, [], also=awarded.credential_ids, now=now)
    awarded.check(item, book, now=now)


async def issue_now(gateway: Gateway, connection: Connection, tenant: Tenant, item: PreparedAward) -> OutboxEvent:
    """In the caller's transaction: earlier awards, prerequisites, the rules, the event into the outbox, the document.

    Raises a `Refusal`, and what `Holdings.check` and `EarlierAwards.check` raise.
    """
    refused = (await issue_many(gateway, connection, tenant, [item])).refused
    if refused:
        raise refused[item.credential_id]
    return item.said


async def issue(
    gateway: Gateway, tenant: Tenant, award: Award, keyed: KeyedRequest | None, *, api_key_id: str | None = None
) -> EventAnswer:
    """Issue one credential and return where its event stands (DESIGN 5.1 to 5.3).

    Raises `UnknownAchievementProblem`, a `Refusal` of the rules, and what `append_once` raises.
    """
    gateway.writer.check_followed()
    achievement = await achievement_of(gateway.pool, tenant, award.achievement)
    item = await prepare(gateway, tenant, award, achievement, now=gateway.writer.now(), api_key_id=api_key_id)

    async def work(connection: Connection) -> OutboxEvent:
        return await issue_now(gateway, connection, tenant, item)

    return await gateway.idempotency.append_once(keyed, work)


async def decide_many(
    gateway: Gateway,
    connection: Connection,
    tenant: Tenant,
    items: Sequence[PreparedAward],
    *,
    now: Moment,
    earlier: Mapping[str, Sequence[AchievementUri]] | None = None,
    pairs_before: Sequence[tuple[str, str]] = (),
    is_dry: bool = False,
) -> tuple[list[PreparedAward], dict[CredentialId, Problem]]:
    """Return what may be issued, judged in order by earlier awards, prerequisites and rules, and why others may not.

    `earlier` is what learners hold besides: in a dry run, what rows before these would give; `pairs_before` the same,
    of these awards' own achievements. An award that was made before is refused with `AlreadyAwardedProblem`.
    """
    awarded = await EarlierAwards.read(gateway, connection, tenant, items, is_dry=is_dry)
    awarded.add_before(pairs_before)
    also = [*awarded.credential_ids, *(each for item in items for each in item.replaces)]
    if not is_dry and any(item.award.on_repeat == "replace" or item.replaces for item in items):
        await outbox.lock_streams(connection, also)
    holdings = await Holdings.read(gateway, connection, tenant, [item.asking for item in items], now=now)
    holdings.add(earlier or {})
    book = await book_for(connection, [item.opened for item in items], also=also, now=now)
    taken: list[PreparedAward] = []
    refused: dict[CredentialId, Problem] = {}
    for place, item in enumerate(items, start=1):
        try:
            replaced = list(dict.fromkeys([*awarded.check(item, book, now=now), *item.replaces]))
            notes = holdings.check(item.asking)
            admit(book, item.opened, now=max(now, item.opened.event.at))
            revocations = await revocations_of(gateway, connection, tenant, book, item=item, replaced=replaced, now=now)
        except (Refusal, InvalidProblem, ConflictProblem) as problem:
            refused[item.credential_id] = problem
            continue
        except Exception as error:  # noqa: BLE001 - whatever one award breaks, the others are issued
            refused[item.credential_id] = problem_of_row(gateway, place, error)
            continue
        holdings.issued(item.asking)
        awarded.issued(item, replaced)
        taken.append(msgspec.structs.replace(item.noted(notes), revocations=revocations))
    return taken, refused


async def revocations_of(
    gateway: Gateway,
    connection: Connection,
    tenant: Tenant,
    book: Book,
    *,
    item: PreparedAward,
    replaced: Sequence[CredentialId],
    now: Moment,
) -> tuple[OutboxEvent, ...]:
    """Return the revocations of what an award replaces, decided by the book; raises a `Refusal`."""
    said = []
    for credential_id in replaced:
        effective_at = effective_from(gateway, book, credential_id, now)
        request = ChangeRequest(reason="superseded", replaced_by=item.credential_id)
        event = change_event(
            gateway.writer.common_fields(tenant, now=now), "revoke", credential_id, request, effective_at=effective_at
        )
        opened = await gateway.writer.sign(tenant, event)
        await postgres_states.load_all(connection, book, [opened])
        admit(book, opened, now=max(now, opened.event.at))
        said.append(OutboxEvent(opened=opened, stream=credential_id))
    return tuple(said)


async def issue_many(
    gateway: Gateway, connection: Connection, tenant: Tenant, items: Sequence[PreparedAward]
) -> Issues:
    """In the caller's transaction: issue what may be issued, in order; return the refusals of the others."""
    now = max(gateway.writer.now(), *(item.opened.event.at for item in items))
    taken, refused = await decide_many(gateway, connection, tenant, items, now=now)
    created_at = datetime.fromisoformat(now)
    if taken:
        await gateway.writer.enqueue(connection, tenant, [said for item in taken for said in item.every_said])
        learners = await learners_for(connection, tenant, [item.award.learner.ref for item in taken])
        created_at = await store(gateway, connection, tenant, taken, learners)
    return Issues(refused=refused, created_at=created_at)
