"""How credentials stand now, for pages and papers: by the followed log and by what was said here since."""

from collections.abc import Sequence

from proto.ids import CredentialId
from proto.lifecycle import effective
from services.issuer_gateway.log.log_state import FollowedLogState, LogNotFollowedProblem
from services.issuer_gateway.papers.standing import ShownState
from services.issuer_gateway.unit_of_work.decision_book import book_for
from services.persistence.postgres import Connection, Pool, transaction


class Standings:
    """Asks how credentials stand; refuses nothing, for a page says that it is not known."""

    def __init__(self, pool: Pool, log_state: FollowedLogState) -> None:
        self._pool = pool
        self._log_state = log_state

    async def of(self, credential_ids: Sequence[CredentialId]) -> dict[CredentialId, ShownState]:
        """Return the standing of each; `unknown` where the log was not followed lately: a revocation may be missing."""
        now = self._log_state.now()
        unknown = {name: ShownState(state="unknown", at=now) for name in credential_ids}
        if not credential_ids:
            return unknown
        try:
            self._log_state.check_fresh("Whether the credential still holds")
            async with transaction(self._pool) as connection:
                return unknown | await self._read(connection, credential_ids)
        except LogNotFollowedProblem:
            return unknown

    async def _read(
        self, connection: Connection, credential_ids: Sequence[CredentialId]
    ) -> dict[CredentialId, ShownState]:
        now = self._log_state.now()
        book = await book_for(connection, [], also=credential_ids, now=now)
        found = {}
        for name in credential_ids:
            credential = book.credential(name)
            status = effective(book, credential, at=now) if credential else None
            if status is not None:
                found[name] = ShownState(
                    state=status.state,
                    at=now,
                    since=status.since,
                    ects_hundredths_remaining=status.credits_remaining,
                )
        return found
