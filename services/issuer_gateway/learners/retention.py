"""Takes away what an institution keeps no longer, by its rules, and records that in its audit trail.

Documents go with their learner, whose key they lie under; applications are swept by `applications`, by the same rules.
If we crash here, what is left is taken away by the next sweep.
"""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import UNSET

from proto.audit_trail import AuditRecord
from proto.ids import InstitutionId
from proto.moment import Moment
from proto.problem import BusyProblem, InvalidProblem, OutcomeUnknownProblem
from proto.wire.retention import RULES_MAX, RetentionChange, RetentionRules
from services.edge import Log
from services.edge.log import fault_values
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.learners.learner_erasure import EraseLearner, KeptLearnerError, UnknownLearnerProblem
from services.issuer_gateway.log.log_state import wall_clock
from services.issuer_gateway.store import audit_trail, retention, tenants
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.audited_call import AuditedCall
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection, Pool, transaction
from services.persistence.postgres_errors import is_outage

_LEARNERS_AT_ONCE = 500
ENTRIES_AT_ONCE = 10_000
_SWEEP_SECONDS = 3_600.0


class Retention:
    """An institution's rules, and the sweep that follows them."""

    def __init__(self, pool: Pool, unit_of_work: UnitOfWork, erase_learner: EraseLearner, log: Log) -> None:
        self._pool = pool
        self._log = log
        self._unit_of_work = unit_of_work
        self._erase_learner = erase_learner

    async def rules(self, tenant: Tenant) -> RetentionRules:
        """Return the rules of an institution."""
        return await retention.rules(self._pool, tenant.institution_id)

    async def change(self, tenant: Tenant, anew: Callable[[RetentionRules], RetentionRules]) -> RetentionRules:
        """Put rules in place of those that an institution has now, and return them as they are kept.

        Once it returns, nothing is taken away by the rules before. Raises what `anew` raises.
        """

        async def work(connection: Connection) -> RetentionRules:
            await retention.lock(connection, tenant.institution_id)
            new = anew(await retention.rules(connection, tenant.institution_id))
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
        for institution_id in await retention.with_audit_days(self._pool):
            while purged := await self._sweep_trail(institution_id):
                count += purged
                if purged < ENTRIES_AT_ONCE:
                    break
        return count

    async def _sweep_learners(self, tenant: Tenant) -> int:
        count, after = 0, ""
        while page := await retention.refs(self._pool, tenant.institution_id, after=after, limit=_LEARNERS_AT_ONCE):
            after = page[-1]
            for ref in await retention.outlived(self._pool, tenant.institution_id, page):
                count += await self._erased(tenant, ref)
        return count

    async def _erased(self, tenant: Tenant, ref: str) -> int:
        """Erase a learner; whoever breaks us stays until it is mended, and keeps nobody else's from being erased."""
        try:
            return await self._erase(tenant, ref)
        except Exception as error:
            if is_outage(error):
                raise
            self._log.failure("retention_failed", **fault_values(error))
            return 0

    async def _erase(self, tenant: Tenant, ref: str) -> int:
        """Erase a learner as if the institution had asked for it; the record says that its rules did."""
        audited_call.begin(AuditedCall("erase_learner", address="", subjects={}))
        audited_call.speaks(tenant.institution_id, "retention")
        try:
            await self._erase_learner.erase(tenant, ref, if_still=self._still(tenant, ref))
        except (UnknownLearnerProblem, KeptLearnerError, BusyProblem, OutcomeUnknownProblem):
            return 0  # gone, to be kept, or somebody is at work for the learner: the next sweep sees what is left
        finally:
            audited_call.begin(None)
        return 1

    def _still(self, tenant: Tenant, ref: str) -> Callable[[Connection], Awaitable[bool]]:
        """Return what looks again, in the transaction that erases: rules and documents may have come since."""

        async def is_outlived(connection: Connection) -> bool:
            await retention.hold(connection, [tenant.institution_id])
            return await retention.is_outlived(connection, tenant.institution_id, ref)

        return is_outlived

    async def _sweep_trail(self, institution_id: InstitutionId) -> int:
        """Take away a page of what is kept no longer of a trail, and return how many entries that was."""
        async with transaction(self._pool) as connection:
            await retention.hold(connection, [institution_id])
            days = await retention.audit_days(connection, institution_id)
            if days is None:
                return 0
            count = await audit_trail.purge(connection, institution_id, days=days, limit=ENTRIES_AT_ONCE)
            if count:
                record = by_retention(institution_id, "purge_audit_trail", wall_clock(), count=str(count))
                await audit_trail.add(connection, [record])
        return count


def amended(known: RetentionRules, change: RetentionChange) -> RetentionRules:
    """Return the rules after a change; raises `InvalidProblem` where there would be too many."""
    named = {rule.achievement for rule in change.rules}
    said = [rule for rule in change.rules if rule.document_days or rule.application_days or rule.dossier_days]
    rules = (*(rule for rule in known.rules if rule.achievement not in named), *said)
    if len(rules) > RULES_MAX:
        raise InvalidProblem(
            f"An institution has {RULES_MAX} rules at most: take one away, or say it of all others", pointer="/rules"
        )
    days = known.audit_days if change.audit_days is UNSET else change.audit_days
    return RetentionRules(rules=rules, audit_days=days)


def by_retention(institution_id: InstitutionId, operation: str, now: Moment, **subjects: str) -> AuditRecord:
    """Return the record of what the rules of an institution took away."""
    return AuditRecord(institution=institution_id, at=now, actor="retention", operation=operation, subjects=subjects)
