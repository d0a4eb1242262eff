"""Takes away what an institution keeps no longer, by its rules, and records that in its audit trail.

Documents go with their learner, whose key they lie under; applications are swept by `applications`, by the same rules.
If we crash here, what is left is taken away by the next sweep.
"""

import asyncio

from proto.audit_trail import AuditRecord
from proto.ids import InstitutionId
from proto.moment import Moment
from proto.wire.retention import RetentionRules
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.learners.learner_erasure import EraseLearner, UnknownLearnerProblem
from services.issuer_gateway.log.log_state import wall_clock
from services.issuer_gateway.store import audit_trail, retention, tenants
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.audited_call import AuditedCall
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection, Pool, transaction

_LEARNERS_AT_ONCE = 500
_ENTRIES_AT_ONCE = 10_000
_SWEEP_SECONDS = 3_600.0


class Retention:
    """An institution's rules, and the sweep that follows them."""

    def __init__(self, pool: Pool, unit_of_work: UnitOfWork, erase_learner: EraseLearner) -> None:
        self._pool = pool
        self._unit_of_work = unit_of_work
        self._erase_learner = erase_learner

    async def rules(self, tenant: Tenant) -> RetentionRules:
        """Return the rules of an institution."""
        return await retention.rules(self._pool, tenant.institution_id)

    async def change(self, tenant: Tenant, new: RetentionRules) -> RetentionRules:
        """Put rules in place of those that an institution had, and return them as they are kept."""

        async def work(connection: Connection) -> RetentionRules:
            await retention.change(connection, tenant.institution_id, new)
            return await retention.rules(connection, tenant.institution_id)

        return await self._unit_of_work.in_transaction(work)

    async def keep_swept(self) -> None:
        """Sweep for ever, each hour; ends by cancellation only."""
        while True:
            await self.sweep()
            await asyncio.sleep(_SWEEP_SECONDS)

    async def sweep(self) -> int:
        """Take away what is kept no longer, and return how many learners' documents and entries of trails went."""
        count = 0
        for institution_id in await retention.with_document_rules(self._pool):
            count += await self._sweep_learners(await tenants.by_id(self._pool, institution_id))
        for institution_id, days in (await retention.audit_days(self._pool)).items():
            count += await self._sweep_trail(institution_id, days)
        return count

    async def _sweep_learners(self, tenant: Tenant) -> int:
        count, after = 0, ""
        while page := await retention.refs(self._pool, tenant.institution_id, after=after, limit=_LEARNERS_AT_ONCE):
            after = page[-1]
            for ref in await retention.outlived(self._pool, tenant.institution_id, page):
                count += await self._erase(tenant, ref)
        return count

    async def _erase(self, tenant: Tenant, ref: str) -> int:
        """Erase a learner as if the institution had asked for it; the record says that its rules did."""
        audited_call.begin(AuditedCall("erase_learner", address="", subjects={}))
        audited_call.speaks(tenant.institution_id, "retention")
        try:
            await self._erase_learner.erase(tenant, ref)
        except UnknownLearnerProblem:
            return 0
        finally:
            audited_call.begin(None)
        return 1

    async def _sweep_trail(self, institution_id: InstitutionId, days: int) -> int:
        async with transaction(self._pool) as connection:
            count = await audit_trail.purge(connection, institution_id, days=days, limit=_ENTRIES_AT_ONCE)
            if count:
                record = by_retention(institution_id, "purge_audit_trail", wall_clock(), count=str(count))
                await audit_trail.add(connection, [record])
        return count


def by_retention(institution_id: InstitutionId, operation: str, now: Moment, **subjects: str) -> AuditRecord:
    """Return the record of what the rules of an institution took away."""
    return AuditRecord(institution=institution_id, at=now, actor="retention", operation=operation, subjects=subjects)
