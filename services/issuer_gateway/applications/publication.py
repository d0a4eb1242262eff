"""Decisions that their applicants want on the log: put there one by one, at a random time of the next two days.

So nobody who reads the log sees which recognitions belong to one application (DESIGN 11).
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec
from msgspec import UNSET

from proto.events import RecognitionWithdrawn
from proto.ids import EventId
from proto.lifecycle import Refusal
from proto.problem import Problem, UnavailableProblem
from proto.wire.gateway import RecognitionRequest
from services.edge import Log
from services.edge.log import fault_values
from services.issuer_gateway.credentials.statements import MakeStatements
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store import application_publication, tenants
from services.issuer_gateway.store.application_publication import ToPublish
from services.issuer_gateway.unit_of_work.idempotency import Idempotency
from services.persistence.postgres import Pool, kept_alive, transaction
from services.persistence.postgres_errors import is_outage

SPREAD_SECONDS = 2 * 86_400
_ROWS = 100
_PUT_OFF_SECONDS = 300.0
"""What the log does not take now, or what breaks us, lets the others that are due go first."""
_CALLER = b"applications"
_LEFT_OUT: Mapping[str, str] = {"/under": "under_event", "/replaces": "replaces"}
"""What a recognition is said without where the log refuses it for that."""


class _NotYetError(Exception):
    """The log does not take it now; it is tried again later."""


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
        """Say what is due now; return how much. What cannot be said for now is tried again later."""
        found = await application_publication.to_publish(self._pool, limit=_ROWS)
        for each in found:
            try:
                await self._publish(each)
            except Exception as error:
                if is_outage(error):
                    raise
                self._log.failure("recognition_put_off", **fault_values(error))
                await application_publication.put_off(self._pool, each, seconds=_PUT_OFF_SECONDS)
        return len(found)

    async def _publish(self, found: ToPublish) -> None:
        """Put one decision on the log, unless its applicant has appealed or withdrawn meanwhile: both wait for this."""
        async with transaction(self._pool) as connection:
            if await application_publication.lock_due(connection, found):
                # If we crash behind the log's answer, the same name finds what was said, and it is noted then.
                try:
                    async with kept_alive(connection):
                        said = await self._said(found)
                except _NotYetError:
                    await application_publication.put_off(connection, found, seconds=_PUT_OFF_SECONDS)
                else:
                    await application_publication.published(connection, found, said)

    async def _said(self, found: ToPublish) -> EventId | None:
        """Say a decision; return the recognition that it is on the log, if it is one there. Raises `_NotYetError`.

        What it follows may have been withdrawn meanwhile, and what it replaces too: then it is said without. Before
        rules version 2 nothing replaces anything: then that is taken back first.
        """
        tenant = await tenants.by_id(self._pool, found.institution_id)
        try:
            return await self._say(tenant, found)
        except UnavailableProblem as problem:
            raise _NotYetError from problem
        except Problem as problem:
            if isinstance(problem, Refusal) and not problem.is_final:
                raise _NotYetError from problem
            name = _LEFT_OUT.get(problem.pointer or "")
            if name is None or getattr(found, name) is None or found.decision == "refused":
                self._log.warning("recognition_not_published", problem=problem.slug)
                return None
        if name == "replaces":
            await self._said(msgspec.structs.replace(found, decision="refused"))
        return await self._said(msgspec.structs.replace(found, **{name: None}))

    async def _say(self, tenant: Tenant, found: ToPublish) -> EventId | None:
        name = f"{found.application_id}/{found.number}/{found.round}"
        keyed = self._idempotency.keyed(tenant.institution_id, name, _CALLER, name.encode())
        if found.decision == "refused":
            await self._take_back(tenant, found)
            return None
        body = RecognitionRequest(
            credential_id=found.credential_id,
            decision=found.decision,
            ects_hundredths=found.ects_hundredths or 0,
            eqf_level=found.eqf_level if found.eqf_level is not None else UNSET,
            programme=found.programme,
            under=found.under_event or UNSET,
            replaces=found.replaces or UNSET,
        )
        return (await self._statements.recognise(tenant, body, keyed)).event_id

    async def _take_back(self, tenant: Tenant, found: ToPublish) -> None:
        """Withdraw what an earlier decision has put on the log; what was withdrawn already is left as it is."""
        if found.replaces is None:
            return
        name = f"{found.application_id}/{found.number}/{found.round}/withdrawal"
        keyed = self._idempotency.keyed(tenant.institution_id, name, _CALLER, name.encode())
        try:
            await self._statements.withdraw(tenant, RecognitionWithdrawn, found.replaces, keyed)
        except Refusal as refusal:
            if not refusal.is_final:
                raise
            self._log.event("recognition_withdrawn_before", problem=refusal.slug)
