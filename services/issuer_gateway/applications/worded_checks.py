"""What was found wrong or unknown in evidence, in the language of the office that reads it.

With an application its answer is kept as it was given, in English. A verifier of ours is asked anew for the words: they
stand only where it finds the same today, and what could not be asked in time stays as it was said.
"""

import asyncio
from collections.abc import Mapping

from proto.problem import Problem
from proto.wire.applications import ApplicationAnswer
from proto.wire.verifier import Answer, CheckName
from services.clients.verifier_client import VerifierClient
from services.edge import Log
from services.issuer_gateway.applications.evidence import file_in, opened_item
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import applications
from services.persistence.postgres import Pool

_SECONDS_MAX = 3.0
_TOGETHER_MAX = 4
_WORDED = frozenset({"invalid", "unknown"})
"""The results of which a page says in words what was found."""
Worded = Mapping[tuple[int, CheckName], str]
"""By the number of a piece of evidence and the check, what it found, in words."""


class WordedChecks:
    """Asks a verifier for words; without one there are none."""

    def __init__(self, pool: Pool, learner_keys: LearnerKeys, verifier: VerifierClient | None, log: Log) -> None:
        self._pool = pool
        self._learner_keys = learner_keys
        self._verifier = verifier
        self._log = log

    async def of(self, tenant: Tenant, shown: ApplicationAnswer, language: str) -> Worded:
        """Return the words for what the evidence of an application was found to lack."""
        wanted = {item.number: item.answer for item in shown.items if item.answer and _lacks(item.answer)}
        if self._verifier is None or not wanted:
            return {}
        documents = await self._documents(tenant, shown, wanted)
        places, verifier = asyncio.Semaphore(_TOGETHER_MAX), self._verifier

        async def one(number: int, document: bytes) -> dict[tuple[int, CheckName], str]:
            async with places:
                return _same(number, wanted[number], await verifier.verify(document, lang=language))

        try:
            async with asyncio.timeout(_SECONDS_MAX):
                found = await asyncio.gather(*(one(number, document) for number, document in documents.items()))
        except (Problem, TimeoutError) as error:
            self._log.warning("words_not_asked", why=type(error).__name__)
            return {}
        return {place: words for each in found for place, words in each.items()}

    async def _documents(
        self, tenant: Tenant, shown: ApplicationAnswer, wanted: Mapping[int, Answer]
    ) -> dict[int, bytes]:
        """Return the files of those pieces of evidence; none of an application that was erased meanwhile."""
        stored = await applications.get(self._pool, tenant.institution_id, shown.application_id)
        if stored is None or stored.is_erased:
            return {}
        key = (await self._learner_keys.known([stored.learner_id]))[stored.learner_id]
        items = await applications.items(self._pool, [shown.application_id]) if key else []
        files = {item.number: file_in(opened_item(key, item).sent) for item in items if item.number in wanted and key}
        return {number: content for number, content in files.items() if content is not None}


def _lacks(answer: Answer) -> bool:
    return any(check.result in _WORDED for check in answer.checks)


def _same(number: int, kept: Answer, now: Answer) -> dict[tuple[int, CheckName], str]:
    """Return the words of those checks that find now what they found then."""
    then = {(check.check, check.result, check.code) for check in kept.checks if check.result in _WORDED}
    return {
        (number, check.check): check.detail for check in now.checks if (check.check, check.result, check.code) in then
    }
