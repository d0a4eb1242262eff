"""Requests for achievements as staff see them: listed, accepted - which issues the credential, once - or rejected.

What is true if we crash here: a request is closed in the transaction that issues its credential, so before its COMMIT
it is open and nothing was issued; after it, the same acceptance sent again gets the first answer.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec import UNSET

from proto.documents.credential import Award, Learner
from proto.documents.wording import check_texts
from proto.ids import AchievementUri, LearnerId, RequestId
from proto.moment import from_datetime
from proto.problem import InvalidProblem
from proto.wire.gateway import EventAnswer
from proto.wire.requests import AcceptBody, RequestAnswer, RequestDecision, RequestState, Wish
from services.issuer_gateway.credentials.credential_reader import ErasedProblem
from services.issuer_gateway.credentials.document_store import learners_for
from services.issuer_gateway.credentials.issue_credential import IssueCredential
from services.issuer_gateway.credentials.prepare_award import PrepareAward
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.metrics import AwardMetrics
from services.issuer_gateway.requests.learner_requests import (
    RequestDecidedProblem,
    UnknownRequestProblem,
    key_of,
    leave,
    open_key,
    provisional_ref,
    reason_of,
    sealed_wish,
    wish_of,
)
from services.issuer_gateway.store import achievements, requests
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest, OtherRequestProblem
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence.postgres import Connection, Pool

Answer = TypeVar("Answer")
_NOT_COPIED = {"learner", "valid_from", "prerequisites"}
_AWARD_FIELDS = tuple(name for name in AcceptBody.__struct_fields__ if name not in _NOT_COPIED)


class RequestReader:
    """Requests as staff read them."""

    def __init__(self, pool: Pool, learner_keys: LearnerKeys) -> None:
        self._pool = pool
        self._learner_keys = learner_keys

    async def listed(
        self,
        tenant: Tenant,
        *,
        state: RequestState | None,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> list[requests.StoredRequest]:
        """Return requests to the institution (in one state), the oldest first."""
        return await requests.page(self._pool, tenant.institution_id, state=state, after=after, limit=limit)

    async def described(self, tenant: Tenant, stored: Sequence[requests.StoredRequest]) -> tuple[RequestAnswer, ...]:
        """Return what staff see of requests: what the learners said, as long as they are not erased."""
        named = await achievements.by_uris(
            self._pool, tenant.institution_id, [item.achievement_id for item in stored]
        )  # short ids are found too
        return tuple([await _described(self._learner_keys, item, named[item.achievement_id]) for item in stored])

    async def get(self, tenant: Tenant, request_id: RequestId) -> RequestAnswer:
        """Return a request to the institution; raises `UnknownRequestProblem`."""
        stored = await requests.get(self._pool, tenant.institution_id, request_id)
        if stored is None:
            raise UnknownRequestProblem(f"Nobody asked {tenant.slug} under the id {request_id}")
        return (await self.described(tenant, [stored]))[0]


async def _described(
    learner_keys: LearnerKeys, stored: requests.StoredRequest, achievement: achievements.StoredAchievement
) -> RequestAnswer:
    key = await key_of(learner_keys, stored)
    return RequestAnswer(
        request_id=stored.request_id,
        state=stored.state,
        achievement=achievement.achievement.uri,
        achievement_id=stored.achievement_id,
        title=achievement.achievement.text_in(achievement.achievement.title),
        created_at=from_datetime(stored.created_at),
        decided_at=from_datetime(stored.decided_at) if stored.decided_at else None,
        wish=wish_of(key, stored) if key else None,
        reason=reason_of(key, stored) if key else None,
        credential_id=stored.credential_id,
        is_erased=key is None,
    )


def award_of(uri: AchievementUri, wish: Wish, body: AcceptBody, *, request_id: RequestId, now: str) -> Award:
    """Return the award that an acceptance makes of a request; raises `InvalidProblem` where its dates contradict."""
    learner = body.learner or Learner(
        ref=provisional_ref(request_id), given_name=wish.given_name, family_name=wish.family_name, email=wish.email
    )
    fields = {name: getattr(body, name) for name in _AWARD_FIELDS}
    fields["prerequisites"] = wish.credentials if body.prerequisites is UNSET else body.prerequisites
    try:
        return Award(learner=learner, achievement=uri, valid_from=body.valid_from or now, **fields)
    except ValueError as error:
        raise InvalidProblem(str(error), pointer="") from error


async def _locked(connection: Connection, tenant: Tenant, request_id: RequestId) -> requests.StoredRequest:
    stored = await requests.lock(connection, tenant.institution_id, request_id)
    if stored is None:
        raise UnknownRequestProblem(f"Nobody asked {tenant.slug} under the id {request_id}")
    if stored.state != "open":
        raise RequestDecidedProblem(stored)
    if stored.is_erased:
        raise ErasedProblem("The learner was erased, and with it what was asked for")
    return stored


class DecideRequest:
    """Accepts and rejects requests."""

    def __init__(
        self,
        pool: Pool,
        writer: LogWriter,
        idempotency: Idempotency,
        *,
        prepare: PrepareAward,
        issue: IssueCredential,
        learner_keys: LearnerKeys,
        metrics: AwardMetrics,
    ) -> None:
        self._pool = pool
        self.writer = writer
        self._idempotency = idempotency
        self.prepare = prepare
        self.issue = issue
        self.learner_keys = learner_keys
        self._metrics = metrics

    async def _decided(self, tenant: Tenant, request_id: RequestId, decide: Callable[[], Awaitable[Answer]]) -> Answer:
        """Return what `decide` answers, which does its work once.

        Of two equal decisions at once the second waits for the request, finds it decided, and then its own answer.
        Where another decision, and not another request, has the key, that is said.
        """
        try:
            return await decide()
        except RequestDecidedProblem:
            return await decide()
        except OtherRequestProblem as error:
            stored = await requests.get(self._pool, tenant.institution_id, request_id)
            if stored is None or stored.state == "open":
                raise
            raise RequestDecidedProblem(stored) from error

    async def accept(self, tenant: Tenant, request_id: RequestId, body: AcceptBody, keyed: KeyedRequest) -> EventAnswer:
        """Issue what was asked for, once, and return where the event stands; the same again gets the same answer.

        Raises `UnknownRequestProblem`, `RequestDecidedProblem`, `ErasedProblem`, and what issuing raises: then the
        request stays open.
        """
        self.writer.check_followed()
        acceptance = _Acceptance(self, tenant, request_id, body)
        answer = await self._decided(tenant, request_id, lambda: self._idempotency.append_once(keyed, acceptance.work))
        if acceptance.left_learner is not None:
            await self.learner_keys.destroy_erased(self._pool)
        self._metrics.requests.labels("accepted").inc()
        return answer

    async def reject(self, tenant: Tenant, request_id: RequestId, reason: str, keyed: KeyedRequest) -> RequestDecision:
        """Reject a request; the learner reads the reason. The same again gets the same answer.

        Raises `UnknownRequestProblem`, `RequestDecidedProblem`, `ErasedProblem`, and `InvalidProblem` for a reason that
        nobody can read.
        """
        check_texts([("/reason", reason)])

        async def work(connection: Connection) -> RequestDecision:
            stored = await _locked(connection, tenant, request_id)
            key = open_key(await key_of(self.learner_keys, stored))
            sealed = key.seal(reason.encode(), "request-reason", request_id)
            decided_at = await requests.close(connection, request_id, "rejected", sealed_reason=sealed)
            return RequestDecision(request_id=request_id, state="rejected", decided_at=from_datetime(decided_at))

        decision = await self._decided(
            tenant, request_id, lambda: self._idempotency.run_once(keyed, RequestDecision, work)
        )
        self._metrics.requests.labels("rejected").inc()
        return decision


class _Acceptance:
    """One acceptance, in the transaction that `append_once` gives it."""

    def __init__(self, by: "DecideRequest", tenant: Tenant, request_id: RequestId, body: AcceptBody) -> None:
        self._by = by
        self._tenant = tenant
        self._request_id = request_id
        self._body = body
        self.left_learner: LearnerId | None = None
        """The request's own learner, whose key goes after the commit: what was said lies under another's."""

    async def work(self, connection: Connection) -> OutboxEvent:
        # (1) Nobody else decides; (2) the award; (3) event and document; (4) what was said, under the learner's key.
        self.left_learner = None
        stored = await _locked(connection, self._tenant, self._request_id)
        wish = wish_of(open_key(await key_of(self._by.learner_keys, stored)), stored)
        achievement = await achievements.get(connection, stored.institution_id, stored.achievement_id)
        assert achievement is not None, "a request refers to it"
        now = self._by.writer.now()
        award = award_of(achievement.achievement.uri, wish, self._body, request_id=stored.request_id, now=now)
        item = await self._by.prepare.prepare(self._tenant, award, achievement, now=now)
        said = await self._by.issue.issue_now(connection, self._tenant, item)
        await self._close(connection, stored, wish, item.award.learner.ref, said)
        return said

    async def _close(
        self, connection: Connection, stored: requests.StoredRequest, wish: Wish, ref: str, said: OutboxEvent
    ) -> None:
        learner_id, sealed = stored.learner_id, stored.sealed_content
        if ref != stored.ref:
            learner_id = (await learners_for(connection, self._tenant, [ref]))[ref].learner_id
            key = open_key((await self._by.learner_keys.made([learner_id]))[learner_id])
            sealed = sealed_wish(key, wish, stored.request_id)
            self.left_learner = await leave(connection, stored)
        await requests.accept(
            connection, stored.request_id, learner_id=learner_id, sealed_content=sealed, credential_id=said.stream
        )
