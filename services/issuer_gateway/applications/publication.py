"""Decisions that their applicants want on the log: put there one by one, at a random time of the next two days.

So nobody who reads the log sees which recognitions belong to one application (DESIGN 11).
"""

import secrets
from datetime import datetime, timedelta

from msgspec import UNSET

from proto.lifecycle import Refusal
from proto.problem import Problem, UnavailableProblem
from proto.wire.gateway import RecognitionRequest
from services.edge import Log
from services.issuer_gateway.credentials.statements import MakeStatements
from services.issuer_gateway.store import application_publication, tenants
from services.issuer_gateway.store.application_publication import ToPublish
from services.issuer_gateway.unit_of_work.idempotency import Idempotency
from services.persistence.postgres import Pool

SPREAD_SECONDS = 2 * 86_400
_ROWS = 100
_CALLER = b"applications"


def publish_at(now: datetime, *, spread_seconds: int = SPREAD_SECONDS) -> datetime:
    """Return a time for the log: any second of the spread, each as likely."""
    return now + timedelta(seconds=secrets.randbelow(spread_seconds + 1))


class PublishRecognitions:
    """Says on the log what is to be said of applications, once each, whatever happens meanwhile."""

    def __init__(self, pool: Pool, statements: MakeStatements, idempotency: Idempotency, log: Log) -> None:
        self._pool = pool
        self._statements = statements
        self._idempotency = idempotency
        self._log = log

    async def publish_due(self) -> int:
        """Say what is due now; return how much. What the log cannot take for now is tried again later."""
        found = await application_publication.to_publish(self._pool, limit=_ROWS)
        for each in found:
            await self._publish(each)
        return len(found)

    async def _publish(self, found: ToPublish) -> None:
        tenant = await tenants.by_id(self._pool, found.institution_id)
        body = RecognitionRequest(
            credential_id=found.credential_id,
            decision="full" if found.decision == "full" else "partial",
            ects_hundredths=found.ects_hundredths or 0,
            eqf_level=found.eqf_level if found.eqf_level is not None else UNSET,
            programme=found.programme,
            under=found.under_event or UNSET,
        )
        name = f"{found.application_id}/{found.number}/{found.round}"
        keyed = self._idempotency.keyed(tenant.institution_id, name, _CALLER, name.encode())
        try:
            said = await self._statements.recognise(tenant, body, keyed)
        except UnavailableProblem:
            return
        except Problem as problem:
            if isinstance(problem, Refusal) and not problem.is_final:
                return
            self._log.warning("recognition_not_published", problem=problem.slug)
            await application_publication.published(self._pool, found, None)
            return
        await application_publication.published(self._pool, found, said.event_id)
