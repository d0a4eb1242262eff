"""Reminds the office of applications that wait: some days before they are due, and once they are overdue.

What was said is kept, so it is said once, whoever restarts meanwhile; if we crash here, it is said by the next look.
"""

from services.issuer_gateway.store import reminders
from services.persistence.postgres import Pool, transaction

DAYS_BEFORE = 7
_ROWS = 500


class RemindOffices:
    """Says what is due."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def remind(self) -> int:
        """Add the reminders that are due now, and return how many."""
        async with transaction(self._pool) as connection:
            return await reminders.remind(connection, days_before=DAYS_BEFORE, limit=_ROWS)
