"""Whether credentials that were shown still hold, asked anew for every look and every decision: weeks lie between.

A verifier of ours is asked by the credential's id and nothing else; what could not be asked is unknown.
"""

import asyncio
from collections.abc import Mapping, Sequence

from proto.ids import CredentialId
from proto.problem import Problem
from proto.wire.applications import HoldsNow
from services.clients.verifier_client import VerifierClient
from services.edge import Log
from services.issuer_gateway.store.applications import SealedEvidence

_SECONDS_MAX = 5.0
_TOGETHER_MAX = 4
_HOLDS: Mapping[str, HoldsNow] = {"valid": "holds", "invalid": "does-not-hold", "indeterminate": "unknown"}


class PresentStatus:
    """Asks a verifier of ours; without one, or where it does not answer in time, nothing is known."""

    def __init__(self, verifier: VerifierClient | None, log: Log) -> None:
        self._verifier = verifier
        self._log = log

    async def of(self, items: Sequence[SealedEvidence]) -> dict[int, HoldsNow]:
        """Return how those pieces of evidence stand that are credentials of this log, by their numbers."""
        places = asyncio.Semaphore(_TOGETHER_MAX)

        async def one(credential_id: CredentialId) -> HoldsNow:
            async with places:
                return await self._ask(credential_id)

        wanted = {item.number: item.credential_id for item in items if item.credential_id is not None}
        found = await asyncio.gather(*map(one, wanted.values()))
        return dict(zip(wanted, found, strict=True))

    async def _ask(self, credential_id: CredentialId) -> HoldsNow:
        if self._verifier is None:
            return "unknown"
        try:
            async with asyncio.timeout(_SECONDS_MAX):
                answer = await self._verifier.status(credential_id)
        except (Problem, TimeoutError) as error:
            self._log.warning("status_not_asked", why=type(error).__name__)
            return "unknown"
        return _HOLDS[answer.verdict]
