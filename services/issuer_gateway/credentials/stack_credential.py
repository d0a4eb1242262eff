"""Stacking: parts are looked up on the log and held against the achievement's recipe, then a stack is issued."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from proto.documents.credential import Award
from proto.ids import ApiKeyId, CredentialId, LearnerId
from proto.lifecycle import Book, effective
from proto.moment import Moment
from proto.problem import InvalidProblem
from proto.wire.gateway import EventAnswer, StackRequest
from services.issuer_gateway.credentials.decide_awards import DecideAwards
from services.issuer_gateway.credentials.document_store import learners_for
from services.issuer_gateway.credentials.earlier_awards import AlreadyAwardedProblem
from services.issuer_gateway.credentials.issue_credential import IssueCredential
from services.issuer_gateway.credentials.prepare_award import PrepareAward, Stacked, achievement_of
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.domain.awarding import check_recipe, parts_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store import achievements, credentials, followed_log
from services.issuer_gateway.unit_of_work.decision_book import book_for
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence.postgres import Connection, Pool

_LIVE = frozenset({"active", "suspended", "impaired", "not_yet_valid"})


class OtherLearnerProblem(InvalidProblem):
    """A part that this institution issued here belongs to another learner."""

    slug = "other-learner"
    title = "The parts do not belong to one learner"


class StackOutcome(NamedTuple):
    """Where the event of a stack stands, and whether the stack was made before."""

    event: EventAnswer
    is_already_awarded: bool = False


class StackCredentials:
    """Issues stacks: what their parts ask for is done here, all else as for any credential."""

    def __init__(
        self,
        pool: Pool,
        writer: LogWriter,
        idempotency: Idempotency,
        *,
        prepare: PrepareAward,
        decide: DecideAwards,
        issue: IssueCredential,
    ) -> None:
        self._pool = pool
        self._writer = writer
        self._idempotency = idempotency
        self._prepare = prepare
        self._decide = decide
        self._issue = issue

    async def stack(
        self, tenant: Tenant, request: StackRequest, keyed: KeyedRequest | None, *, api_key_id: ApiKeyId | None = None
    ) -> StackOutcome:
        """Issue a credential made of credentials (DESIGN 7) and return where its event stands.

        The same parts for the same learner again are the same stack, and it is returned. Raises `AwardedBeforeProblem`
        for other parts or words, `OtherLearnerProblem`, `StackUnmetProblem`, `UnknownAchievementProblem` and the rules'
        refusals.
        """
        self._writer.check_followed()
        achievement = await achievement_of(self._pool, tenant, request.achievement)
        components = sorted(request.components)
        if len(set(components)) != len(components):
            raise InvalidProblem("A component is named twice", pointer="/components")

        async def work(connection: Connection) -> OutboxEvent:
            return await self._stack_now(
                connection, tenant, request=request, achievement=achievement, components=components, by=api_key_id
            )

        try:
            event = await self._idempotency.append_once(keyed, work, locks=components)
        except AlreadyAwardedProblem as before:
            return StackOutcome(await self._writer.read_state(before.event_id), is_already_awarded=True)
        return StackOutcome(event)

    async def _stack_now(
        self,
        connection: Connection,
        tenant: Tenant,
        *,
        request: StackRequest,
        achievement: achievements.StoredAchievement,
        components: Sequence[CredentialId],
        by: ApiKeyId | None,
    ) -> OutboxEvent:
        now = self._writer.now()
        # (1) What counts the parts already; (2) the parts as the log has them, with what was said here since.
        counting = await followed_log.stacks_of(connection, tenant.did, components)
        stacks = {stack_id for stack_ids in counting.values() for stack_id in stack_ids}
        book = await book_for(connection, [], also=[*components, *stacks], now=now)
        documented, _ = parts_of(book, tenant.did, components, {}, now)
        # (3) One learner; (4) what was stacked before; (5) the recipe, by what else counts the parts.
        learners = await learners_for(connection, tenant, [request.learner.ref])
        notes = await _check_learner(connection, tenant, learners[request.learner.ref].learner_id, components)
        award = Award(**{name: getattr(request, name) for name in Award.__struct_fields__})
        stacked = Stacked(components, documented)
        item = await self._prepare.prepare(
            tenant, award, achievement, now=now, notes=notes, api_key_id=by, stacked=stacked
        )
        replaced = await self._decide.find_replaced(connection, tenant, item, now=now)
        live = {part: live_stacks(book, stack_ids, now, replaced) for part, stack_ids in counting.items()}
        _check_recipe(book, tenant, item, live, now=now)
        # (6) Prerequisites and rules, outbox, document; (7) what counts the parts from now on.
        said = await self._issue.issue_now(connection, tenant, item)
        await followed_log.add_parts(connection, item.credential_id, tenant.did, components)
        return said


def _check_recipe(
    book: Book,
    tenant: Tenant,
    item: PreparedAward,
    live: Mapping[CredentialId, tuple[CredentialId, ...]],
    *,
    now: Moment,
) -> None:
    """Raise `StackUnmetProblem` where the parts do not make the achievement; the rules say of parts not on the log."""
    _, judged = parts_of(book, tenant.did, item.components, live, now)
    if len(judged) == len(item.components):
        achievement = item.achievement.achievement
        declared = item.award.earned_hundredths(achievement)
        check_recipe(achievement, judged, declared_hundredths=declared, now=now)


def live_stacks(
    book: Book, stack_ids: Sequence[CredentialId], now: Moment, replaced: Collection[CredentialId] = ()
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
    connection: Connection, tenant: Tenant, learner_id: LearnerId, components: Sequence[CredentialId]
) -> tuple[str, ...]:
    """Check that the institution's own parts are this learner's; return a note for those of others."""
    owners: Mapping[CredentialId, LearnerId] = await credentials.learners_of(
        connection, tenant.institution_id, components
    )
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
