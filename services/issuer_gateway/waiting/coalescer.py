"""Work that concurrent requests have done together: many share one transaction. Knows neither work nor database.

Who comes while nothing is done is served at once; who comes meanwhile goes with the next group, in order of arrival.
Nobody waits for others to come.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from services.call_context import CallContext, carrying, current

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


class Coalescer(Generic[Item, Outcome]):
    """One kind of work. `work` takes 1 to `count_max` items and returns an outcome for each, in their order.

    What it raises, all who had asked are told. A request that is cancelled leaves the work of the others alone.
    As many wait as requests are open, which the edge bounds by its connections.
    """

    def __init__(self, work: Callable[[Sequence[Item]], Awaitable[Sequence[Outcome]]], *, count_max: int) -> None:
        self._work = work
        self._count_max = count_max
        self._waiting: deque[tuple[Item, asyncio.Future[Outcome], CallContext]] = deque()
        self._runner: asyncio.Task[None] | None = None

    async def submit(self, item: Item) -> Outcome:
        """Have `item` done with those of others and return its outcome."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future, current()))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await future

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits and nothing is done."""
        return self._runner is None and not self._waiting

    async def _run(self) -> None:
        try:
            while self._waiting:
                count = min(self._count_max, len(self._waiting))
                await self._settle([self._waiting.popleft() for _ in range(count)])
        finally:
            self._runner = None

    async def _settle(self, group: Sequence[tuple[Item, asyncio.Future[Outcome], CallContext]]) -> None:
        try:
            with carrying(group[0][2]):  # for whom the others come is noted by each of them
                outcomes = await self._work([item for item, _, _ in group])
        except Exception as error:  # noqa: BLE001 - it is raised again, by each who waits
            for _, future, _ in group:
                if not future.done():
                    future.set_exception(error)
        except BaseException:
            for _, future, _ in group:
                future.cancel()
            raise
        else:
            for (_, future, _), outcome in zip(group, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)
