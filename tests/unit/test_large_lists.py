"""Large lists that are answered at once: one is worked on at a time, small ones wait for nobody."""

import asyncio

import pytest

from proto.problem import BusyProblem
from services import call_context
from services.issuer_gateway.batches.large_lists import AT_ONCE_MAX, LARGE_BYTES, WAITING_MAX, LargeLists


class Lists:
    def __init__(self) -> None:
        self.large, self.may_end, self.at_work = LargeLists(), asyncio.Event(), 0

    async def work(self, size: int, client: str = "") -> None:
        call_context.begin("id", lambda: client)
        async with self.large.turn(size):
            self.at_work += 1
            await self.may_end.wait()
            self.at_work -= 1


async def test_large_lists_are_worked_on_one_after_the_other_and_small_ones_besides() -> None:
    lists = Lists()
    async with asyncio.TaskGroup() as group:
        for number in range(AT_ONCE_MAX + WAITING_MAX):
            group.create_task(lists.work(LARGE_BYTES + 1, f"{number % 2}"))
        await asyncio.sleep(0)
        assert lists.at_work == AT_ONCE_MAX
        for _ in range(50):
            group.create_task(lists.work(LARGE_BYTES))
        await asyncio.sleep(0)
        assert lists.at_work == AT_ONCE_MAX + 50
        with pytest.raises(BusyProblem, match="under the same key"):
            await lists.work(LARGE_BYTES + 1)
        lists.may_end.set()
    assert lists.at_work == 0
