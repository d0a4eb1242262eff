"""Work that concurrent requests have done together."""

import asyncio
from collections.abc import Sequence

import pytest

from services.issuer_gateway.waiting.coalescer import Coalescer


class Work:
    """Doubles numbers, in groups; holds the first group until it is let go."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go = asyncio.Event()

    async def double(self, items: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(items))
        await self.go.wait()
        if 13 in items:
            raise ValueError("13")
        return [2 * item for item in items]


async def test_who_comes_first_does_not_wait_and_the_others_go_together_in_their_order() -> None:
    work = Work()
    coalescer = Coalescer(work.double, count_max=3)
    tasks = [asyncio.create_task(coalescer.submit(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    work.go.set()
    assert await asyncio.gather(*tasks) == [2, 4, 6, 8, 10]
    assert work.groups == [[1, 2, 3], [4, 5]]


async def test_what_undoes_a_group_is_told_to_all_of_it_and_to_nobody_else() -> None:
    work = Work()
    work.go.set()
    coalescer = Coalescer(work.double, count_max=2)
    found = await asyncio.gather(*(coalescer.submit(number) for number in (13, 1, 2)), return_exceptions=True)
    assert [type(each) for each in found] == [ValueError, ValueError, int]
    with pytest.raises(ValueError, match="13"):
        await coalescer.submit(13)
    assert await coalescer.submit(4) == 8


async def test_a_request_that_is_cancelled_leaves_the_work_of_the_others_alone() -> None:
    work = Work()
    coalescer = Coalescer(work.double, count_max=8)
    tasks = [asyncio.create_task(coalescer.submit(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    work.go.set()
    assert await tasks[1] == 4
    assert tasks[0].cancelled() or isinstance(await asyncio.gather(tasks[0], return_exceptions=True), list)
