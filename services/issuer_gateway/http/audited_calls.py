"""Which requests are recorded in the audit trail: all that may change something, and those that read what is sealed.

What was carried out is recorded with its work. Here is recorded what was refused, what was only read, and what did its
work without a transaction of its own.
"""

from collections.abc import Callable, Sequence

from aiohttp import web

from proto.audit_trail import DONE, AuditRecord
from services.edge import Log, client_address
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.store import audit_trail
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.audited_call import AuditedCall
from services.issuer_gateway.waiting.coalescer import Coalescer
from services.persistence.postgres import Pool
from services.persistence.postgres_errors import DATABASE_ERRORS

READS = frozenset(
    {
        "read_document",
        "read_supplement",
        "read_picture",
        "list_requests",
        "read_request",
        "list_applications",
        "read_application",
        "save_evidence",
        "show_office_applications",
        "show_office_application",
        "save_office_evidence",
        "export_application",
        "export_application_by_link",
        "list_holder_links",
        "read_audit_trail",
        "show_grade_conditions",
    }
)
"""Operations that change nothing and answer what is about a person, or the trail itself."""
SUBJECTS = (
    "slug",
    "achievement_id",
    "credential_id",
    "event_id",
    "agreement_id",
    "api_key_id",
    "application_id",
    "number",
    "request_id",
    "claim_id",
    "batch_id",
    "link_id",
)
"""Placeholders of paths that name something by an id; a learner's name and secrets of links are none of them."""
_ERROR_STATUS_MIN = 400
_SERVER_ERROR_STATUS_MIN = 500


class AuditedCalls:
    """Records requests; `pool` is asked for once the service runs."""

    def __init__(self, pool: Callable[[], Pool], log: Log) -> None:
        self._pool = pool
        self._log = log
        self._records = Coalescer(self._add, count_max=LIMITS.coalesced_max)

    def begin(self, request: web.Request, method: str, operation: str) -> None:
        """Take note of a request that is to be recorded."""
        if method == "GET" and operation not in READS:
            audited_call.begin(None)
            return
        subjects = {name: request.match_info[name] for name in SUBJECTS if name in request.match_info}
        audited_call.begin(AuditedCall(operation, address=client_address(request), subjects=subjects))

    async def end(self, status: int, problem: str | None) -> None:
        """Record what is in no trail yet, and what was refused after its work was done."""
        call = audited_call.current()
        audited_call.begin(None)
        if call is None or call.institution_id is None or status >= _SERVER_ERROR_STATUS_MIN:
            return
        is_refused = status >= _ERROR_STATUS_MIN
        if call.is_recorded and not is_refused:
            return
        record = call.record(answer=problem or DONE, status=status if is_refused else None)
        try:
            await self._records.submit(record)
        except DATABASE_ERRORS as error:
            self._log.failure("audit_record_lost", error, operation=call.operation)

    async def _add(self, records: Sequence[AuditRecord]) -> Sequence[None]:
        await audit_trail.add(self._pool(), records)
        return [None] * len(records)
