"""Reminds the office of applications that wait: some days before they are due, and once they are overdue.

What was said is kept, so it is said once, whoever restarts meanwhile; if we crash here, it is said by the next look.
"""

from proto.wire.institutions import REMIND_DAYS
from services.issuer_gateway.store import reminders, tenants
from services.persistence.postgres import Pool, transaction

_ROWS = 500


class RemindOffices:
    """Says what is due."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def remind(self) -> int:
        """Add the reminders that are due now, as many days before as each institution says, and return how many."""
        async with transaction(self._pool) as connection:
            own_days = await tenants.own_remind_days(connection)
            return await reminders.remind(connection, days_before=REMIND_DAYS, own_days=own_days, limit=_ROWS)
