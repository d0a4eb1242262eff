"""Whether anything is confirmed while no synchronous standby is there; it must not be. Stops no standby."""

from collections.abc import AsyncIterator

from services.persistence.postgres import Connection, confirm_commits
from services.persistence.postgres_errors import NotConfirmedProblem

WAIT_MS = 2_000
ABOUT = "confirmation"


async def nothing_is_confirmed(one: Connection, other: Connection) -> AsyncIterator[tuple[str, str, str, str]]:
    """Yield whether a commit is confirmed without standbys: in vain, and in vain again when its wait is cancelled."""
    for connection in (one, other):
        await connection.execute(f"SET statement_timeout = {WAIT_MS}")
        try:
            await confirm_commits(connection)
        except NotConfirmedProblem:
            continue
        yield (
            ABOUT,
            "bad",
            "a commit is confirmed though no standby is there",
            "Let commits wait for standbys strictly (Patroni: synchronous_mode_strict), or were they not all stopped?",
        )
        return
    yield ABOUT, "good", "without a standby nothing is confirmed, so nothing is acknowledged or signed", ""
