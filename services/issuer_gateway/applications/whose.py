"""Which learner of the institution an applicant is, as the office says it: the applicant keeps a key of its own."""

from proto.ids import ApplicationId
from proto.problem import InvalidProblem
from services.issuer_gateway.applications.apply import UnknownApplicationProblem
from services.issuer_gateway.applications.rules import ApplicationClosedProblem
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store import applications, learner_applications
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection


class WhoseApplications:
    """Says whose applications are."""

    def __init__(self, unit_of_work: UnitOfWork) -> None:
        self._unit_of_work = unit_of_work

    async def say(self, tenant: Tenant, application_id: ApplicationId, ref: str | None) -> None:
        """Say which learner of the institution an applicant is; None: that it is none.

        Raises `UnknownApplicationProblem`, `ApplicationClosedProblem`, and `InvalidProblem` for a learner it has not.
        """

        async def work(connection: Connection) -> None:
            stored = await applications.lock(connection, tenant.institution_id, application_id)
            if stored is None:
                raise UnknownApplicationProblem(f"Nobody applied to {tenant.slug} under the id {application_id}")
            if stored.is_erased:
                raise ApplicationClosedProblem("It was withdrawn, or erased with its applicant")
            if not await learner_applications.say_whose(connection, tenant.institution_id, application_id, ref):
                raise InvalidProblem(
                    "The institution has no learner of this name; write it as in the lists of awards",
                    pointer="/learner",
                )

        await self._unit_of_work.in_transaction(work)
