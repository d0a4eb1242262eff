"""The office's list of applications to choose from: names are opened, and evidence is counted and left closed."""

import asyncio
from datetime import UTC, datetime

from proto.moment import from_datetime
from services.issuer_gateway.applications.apply import applicant_of
from services.issuer_gateway.domain.listed_application import ListedApplication
from services.issuer_gateway.domain.programmes import title_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import applications
from services.issuer_gateway.store.applications import StoredApplication, WantedApplications
from services.persistence.postgres import Pool


class ListApplications:
    """What an office chooses from."""

    def __init__(self, pool: Pool, learner_keys: LearnerKeys) -> None:
        self._pool = pool
        self._learner_keys = learner_keys

    async def page(
        self, tenant: Tenant, *, wanted: WantedApplications, after: tuple[datetime, str] | None, limit: int
    ) -> tuple[list[ListedApplication], tuple[datetime, str] | None]:
        """Return applications, those that are due first, and behind which the next are to be asked for."""
        found = await applications.page(self._pool, tenant.institution_id, wanted=wanted, after=after, limit=limit + 1)
        shown = found[:limit]
        more = (shown[-1].due_at, shown[-1].application_id) if len(found) > limit else None
        keys, counts = await asyncio.gather(
            self._learner_keys.known(each.learner_id for each in shown if not each.is_erased),
            applications.item_counts(self._pool, tenant.institution_id, [each.application_id for each in shown]),
        )
        rows = [
            _listed(tenant, each, keys.get(each.learner_id), document_count=counts.get(each.application_id, 0))
            for each in shown
        ]
        return rows, more


def _listed(
    tenant: Tenant, stored: StoredApplication, key: DataKey | None, *, document_count: int
) -> ListedApplication:
    return ListedApplication(
        application_id=stored.application_id,
        state=stored.state,
        due_at=from_datetime(stored.due_at),
        is_overdue=stored.state == "open" and stored.due_at < datetime.now(UTC),
        programme=stored.programme,
        programme_title=title_of(tenant, stored.programme),
        applicant=applicant_of(key, stored) if key else None,
        document_count=document_count,
    )
