"""Lists that are answered at once, and large: one is worked on at a time, whoever sent them. Knows no row."""

import contextlib
from collections.abc import AsyncIterator

from services.issuer_gateway.waiting.turns import WorkTurns

LARGE_BYTES = 1_048_576
AT_ONCE_MAX = 1
"""A list takes several times its size while it is worked on, and two at once are done no sooner."""
WAITING_MAX = 16
WAIT_SECONDS_MAX = 60.0


class LargeLists:
    """Gives lists their turn; small ones need none."""

    def __init__(self) -> None:
        self._turns = WorkTurns(
            AT_ONCE_MAX,
            waiting_max=WAITING_MAX,
            wait_seconds_max=WAIT_SECONDS_MAX,
            busy="Other large lists are being worked on; send this one again in a minute, under the same key",
        )

    @contextlib.asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Work on a list of so many bytes while the block runs; raises `BusyProblem` where others take too long."""
        if size <= LARGE_BYTES:
            yield
            return
        async with self._turns.turn():
            yield
