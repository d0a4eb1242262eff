"""Stacking: parts are looked up on the log and held against the achievement's recipe, then a stack is issued."""

from collections.abc import Collection, Mapping, Sequence

from msgspec.structs import replace

from proto.documents.credential import Award
from proto.documents.open_badge import Component
from proto.documents.vc import check_credential
from proto.documents.wording import check_award, title_slips
from proto.ids import CredentialId
from proto.lifecycle import Book, effective
from proto.moment import Moment
from proto.problem import InvalidProblem
from proto.wire.gateway import EventAnswer, StackRequest
from services.crypto.rdf_canonical import pinned_contexts
from services.issuer_gateway.credentials.annex_gate import check_complete
from services.issuer_gateway.credentials.earlier_awards import EarlierAwards
from services.issuer_gateway.credentials.issuance import (
    PreparedAward,
    Sealed,
    achievement_of,
    fresh_document_id,
    learners_for,
    revocations_of,
    store,
)
from services.issuer_gateway.credentials.prerequisites import Holdings
from services.issuer_gateway.domain.awarding import check_recipe, document_of, parts_of, stacked_event
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.store import achievements, credentials, followed_log, outbox
from services.issuer_gateway.unit_of_work.decision_book import book_for
from services.issuer_gateway.unit_of_work.idempotency import KeyedRequest
from services.issuer_gateway.unit_of_work.log_writer import OutboxEvent
from services.persistence.postgres import Connection

_LIVE = frozenset({"active", "suspended", "impaired", "not_yet_valid"})


class OtherLearnerProblem(InvalidProblem):
    """A part that this institution issued here belongs to another learner."""

    slug = "other-learner"
    title = "The parts do not belong to one learner"


async def stack(
    gateway: Gateway,
    tenant: Tenant,
    request: StackRequest,
    keyed: KeyedRequest | None,
    *,
    api_key_id: str | None = None,
) -> EventAnswer:
    """Issue a credential made of credentials (DESIGN 7) and return where its event stands.

    The same parts for the same learner again are the same stack: `AlreadyAwardedProblem` names it. Raises
    `AwardedBeforeProblem` for other parts or words, `OtherLearnerProblem`, `StackUnmetProblem`,
    `UnknownAchievementProblem` and the rules' refusals.
    """
    gateway.writer.check_followed()
    achievement = await achievement_of(gateway.pool, tenant, request.achievement)
    components = sorted(request.components)
    if len(set(components)) != len(components):
        raise InvalidProblem("A component is named twice", pointer="/components")

    async def work(connection: Connection) -> OutboxEvent:
        return await _stack_now(
            gateway,
            connection,
            tenant,
            request=request,
            achievement=achievement,
            components=components,
            api_key_id=api_key_id,
        )

    return await gateway.idempotency.append_once(keyed, work, locks=components)


async def _stack_now(
    gateway: Gateway,
    connection: Connection,
    tenant: Tenant,
    *,
    request: StackRequest,
    achievement: achievements.StoredAchievement,
    components: Sequence[CredentialId],
    api_key_id: str | None,
) -> OutboxEvent:
    now = gateway.writer.now()
    # (1) What counts the parts already; (2) the parts as the log has them, with what was said here and is on its way.
    counting = await followed_log.stacks_of(connection, tenant.did, components)
    stacks = {stack_id for stack_ids in counting.values() for stack_id in stack_ids}
    book = await book_for(connection, [], also=[*components, *stacks], now=now)
    documented, judged = parts_of(book, components, {}, now)
    # (3) One learner; (4) what was stacked before; (5) the recipe; (6) prerequisites and rules; (7) outbox, document.
    learners = await learners_for(connection, tenant, [request.learner.ref])
    notes = await _check_learner(connection, tenant, learners[request.learner.ref].learner_id, components)
    item = await _prepared(
        gateway,
        tenant,
        request=request,
        achievement=achievement,
        documented=documented,
        components=components,
        now=now,
        notes=notes,
    )
    item = replace(item, api_key_id=api_key_id)
    replaced = await _replaced(gateway, connection, tenant, item, now=now)
    if len(judged) == len(components):
        live = {part: _live(book, stack_ids, now, replaced) for part, stack_ids in counting.items()}
        _, judged = parts_of(book, components, live, now)
        declared = request.earned_hundredths(achievement.achievement)
        check_recipe(achievement.achievement, judged, declared_hundredths=declared, now=now)
    holdings = await Holdings.read(gateway, connection, tenant, [item.asking], now=now)
    item = item.noted(holdings.check(item.asking))
    await _say(gateway, connection, tenant, item, replaced, now=now)
    await followed_log.add_parts(connection, item.credential_id, tenant.did, components)
    await store(gateway, connection, tenant, [item], learners)
    return item.said


async def _replaced(
    gateway: Gateway, connection: Connection, tenant: Tenant, item: PreparedAward, *, now: Moment
) -> list[CredentialId]:
    """Return what the stack takes the place of; raises what `EarlierAwards.check` raises."""
    awarded = await EarlierAwards.read(gateway, connection, tenant, [item])
    if item.award.on_repeat == "replace":
        await outbox.lock_streams(connection, awarded.credential_ids)
    book = await book_for(connection, [], also=awarded.credential_ids, now=now)
    return awarded.check(item, book, now=now)


async def _say(
    gateway: Gateway,
    connection: Connection,
    tenant: Tenant,
    item: PreparedAward,
    replaced: Sequence[CredentialId],
    *,
    now: Moment,
) -> None:
    """Put the stack into the outbox and, behind it, the revocations of what it takes the place of."""
    book = await book_for(connection, [item.opened], also=replaced, now=now)
    await gateway.writer.append(connection, tenant, [item.said], book, now=now)
    await gateway.writer.enqueue(
        connection,
        tenant,
        await revocations_of(gateway, connection, tenant, book, item=item, replaced=replaced, now=now),
    )


def _live(
    book: Book, stack_ids: Sequence[CredentialId], now: Moment, replaced: Collection[CredentialId]
) -> tuple[CredentialId, ...]:
    """Return those of the stacks that still count their parts, but for those that are replaced now."""
    found = []
    for stack_id in stack_ids:
        if stack_id in replaced:
            continue
        credential = book.credential(stack_id)
        state = effective(book, credential, at=now) if credential else None
        if state is not None and state.state in _LIVE:
            found.append(stack_id)
    return tuple(found)


async def _check_learner(
    connection: Connection, tenant: Tenant, learner_id: str, components: Sequence[CredentialId]
) -> tuple[str, ...]:
    """Check that the institution's own parts are this learner's; return a note for those of others."""
    owners: Mapping[CredentialId, str] = await credentials.learners_of(connection, tenant.institution_id, components)
    others = [part for part in components if part in owners and owners[part] != learner_id]
    if others:
        raise OtherLearnerProblem(
            f"{len(others)} of the components belong to another learner of this institution",
            pointer="/components",
            members={"credentials": others},
        )
    foreign = len(components) - len(owners)
    counted = f"{foreign} of {len(components)} components were not issued here by this institution"
    return (f"{counted}: that they are the learner's is the institution's word",) if foreign else ()


async def _prepared(
    gateway: Gateway,
    tenant: Tenant,
    *,
    request: StackRequest,
    achievement: achievements.StoredAchievement,
    documented: Sequence[Component],
    components: Sequence[CredentialId],
    now: Moment,
    notes: tuple[str, ...],
) -> PreparedAward:
    fields = {name: getattr(request, name) for name in Award.__struct_fields__}
    award = Award(**(fields | {"achievement": achievement.achievement.uri}))
    notes = (*notes, *check_award(award), *title_slips(achievement.achievement))
    notes = (*notes, *check_complete(gateway, tenant, achievement.achievement, award))
    part = gateway.parts.of(tenant, achievement)
    place = await gateway.statuses.place(tenant)
    document, credential_id = document_of(
        tenant,
        achievement.achievement,
        award,
        document_id=fresh_document_id(),
        credential_status=place.entry,
        components=documented,
        fixed=part.fixed,
        plain=part.plain,
    )
    check_credential(document, contexts=pinned_contexts(), known=part.known)
    part.is_known = True
    said = gateway.writer.common_fields(tenant, now=now)
    event = stacked_event(said, achievement.achievement, award, credential_id, components, zone=tenant.zone)
    return PreparedAward(
        award=award,
        achievement=achievement,
        credential_id=credential_id,
        opened=await gateway.writer.sign(tenant, event),
        sealed=Sealed(document=document, notes=notes),
        part=part,
        place=place,
        components=tuple(components),
    )
