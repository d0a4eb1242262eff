"""Issuing: an award that was prepared becomes an event in the outbox and a document that only its learner's key opens.

What is true if we crash here: learner, event and document are of one transaction. Before its COMMIT nothing was issued,
after it the relay carries the event to the log, whoever was told.
"""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from proto.documents.credential import Award
from proto.ids import ApiKeyId, CredentialId
from proto.problem import Problem
from proto.wire.gateway import EventAnswer
from services.issuer_gateway.credentials.decide_awards import DecideAwards
from services.issuer_gateway.credentials.document_store import learners_for, store
from services.issuer_gateway.credentials.prepare_award import PrepareAward, achievement_of
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.domain.places_at_hand import lending
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_behind import Behind


class Issues(msgspec.Struct, frozen=True, kw_only=True):
    """What became of several issues: who was refused; the others with their events, and when they were made."""

    refused: dict[CredentialId, Problem]
    taken: dict[CredentialId, PreparedAward]
    created_at: datetime


class IssueCredential:
    """Issues credentials, one or many, in a transaction of its own or of the caller."""

    def __init__(
        self,
        pool: Pool,
        prepare: PrepareAward,
        decide: DecideAwards,
        *,
        writer: LogWriter,
        idempotency: Idempotency,
        learner_keys: LearnerKeys,
    ) -> None:
        self._pool = pool
        self._prepare = prepare
        self._decide = decide
        self._writer = writer
        self._idempotency = idempotency
        self._learner_keys = learner_keys

    async def issue_now(self, connection: Connection, tenant: Tenant, item: PreparedAward) -> OutboxEvent:
        """In the caller's transaction: decide, put the event into the outbox, store the document; return the event.

        Raises a `Refusal`, and what `Holdings.check` and `EarlierAwards.check` raise.
        """
        issues = await self.issue_many(connection, tenant, [item])
        if issues.refused:
            raise issues.refused[item.credential_id]
        return issues.taken[item.credential_id].said

    async def issue(
        self, tenant: Tenant, award: Award, keyed: KeyedRequest | None, *, api_key_id: ApiKeyId | None = None
    ) -> EventAnswer:
        """Issue one credential and return where its event stands (DESIGN 5.1 to 5.3).

        Raises `UnknownAchievementProblem`, a `Refusal` of the rules, and what `append_once` raises.
        """
        self._writer.check_followed()
        achievement = await achievement_of(self._pool, tenant, award.achievement)
        with lending():
            item = await self._prepare.prepare(
                tenant, award, achievement, now=self._writer.now(), api_key_id=api_key_id
            )

            async def work(connection: Connection) -> OutboxEvent:
                return await self.issue_now(connection, tenant, item)

            return await self._idempotency.append_once(keyed, work)

    async def issue_many(
        self, connection: Connection, tenant: Tenant, items: Sequence[PreparedAward], *, are_alone: bool = False
    ) -> Issues:
        """In the caller's transaction: issue what may be issued, in order; return the refusals of the others.

        What several requests asked for goes out alone; rows of one list that say the same share events (DESIGN 9).
        """
        now = max([self._writer.now(), *(item.opened.event.at for item in items if item.opened)])
        decided = await self._decide.decide_many(connection, tenant, items, now=now, are_alone=are_alone)
        created_at = datetime.fromisoformat(now)
        taken = list(decided.taken.values())
        if taken:
            learners = await learners_for(connection, tenant, [item.award.learner.ref for item in taken])
            async with Behind() as behind:
                await behind.begin(self._writer.enqueue(connection, tenant, decided.said))
                keys = await self._learner_keys.made(learner.learner_id for learner in learners.values())
            created_at = await store(connection, tenant, taken, learners, keys)
        return Issues(refused=decided.refused, taken=decided.taken, created_at=created_at)
