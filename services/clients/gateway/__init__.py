"""The issuer gateway's whole HTTP as a typed client: a method for each operation, records in and out.

With the key of a request it is repeated after a crash of either side as if it were the first time.

    async with aiohttp.ClientSession() as session:
        gateway = GatewayClient(session, "https://gateway.example", token=api_key, retry_count_max=5)
        issued = await gateway.issue(award, key="exam-2026-07-17/1001")

Refusals are raised as `AnsweredProblem` (its `answer` is the RFC 9457 document), a gateway that does not answer as
`UnreachableProblem`.
"""

from services.clients.gateway.achievements import AchievementCalls
from services.clients.gateway.agreements import AgreementCalls
from services.clients.gateway.applications import ApplicationCalls
from services.clients.gateway.audit import AuditCalls
from services.clients.gateway.batches import BatchCalls
from services.clients.gateway.credentials import CredentialCalls
from services.clients.gateway.holdings import HoldingCalls
from services.clients.gateway.institutions import InstitutionCalls
from services.clients.gateway.links import LinkCalls
from services.clients.gateway.statements import StatementCalls
from services.clients.http_client import AnsweredProblem, UnreachableProblem


class GatewayClient(
    InstitutionCalls,
    AchievementCalls,
    CredentialCalls,
    LinkCalls,
    HoldingCalls,
    StatementCalls,
    AgreementCalls,
    ApplicationCalls,
    AuditCalls,
    BatchCalls,
):
    """One gateway; `token` is the operator's token or an institution's API key, held in memory only."""


__all__ = ["AnsweredProblem", "GatewayClient", "UnreachableProblem"]
