"""Places are shared between addresses in turns, and nobody waits for ever."""

import asyncio

import pytest

from proto.problem import BusyProblem
from services.edge.places import Places


def places(*, count: int = 2, per_address: int = 1, waiting_max: int = 8, seconds: float = 30) -> Places:
    return Places(count=count, per_address=per_address, waiting_max=waiting_max, wait_seconds_max=seconds)


class Work:
    """Something that holds a place until it is told to end, and writes down when it began."""

    def __init__(self, shared: Places, begun: list[str], address: str) -> None:
        self.end = asyncio.Event()
        self.task = asyncio.create_task(self._run(shared, begun, address))

    async def _run(self, shared: Places, begun: list[str], address: str) -> None:
        async with shared.place(address):
            begun.append(address)
            await self.end.wait()


async def turn() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_address_never_takes_the_places_of_others() -> None:
    shared, begun = places(), list[str]()
    work = [Work(shared, begun, "a") for _ in range(3)] + [Work(shared, begun, "b")]
    await turn()
    assert begun == ["a", "b"]
    for each in work:
        each.end.set()
    await asyncio.gather(*(each.task for each in work))
    assert begun == ["a", "b", "a", "a"]


async def test_addresses_take_turns() -> None:
    shared, begun = places(count=1), list[str]()
    work = [Work(shared, begun, address) for address in "aaabbc"]
    await turn()
    for each in work:
        each.end.set()
    await asyncio.gather(*(each.task for each in work))
    assert "".join(begun) == "aabcab"


async def test_who_waits_behind_too_many_is_told_so_at_once() -> None:
    shared, begun = places(count=1, waiting_max=1), list[str]()
    work = Work(shared, begun, "a")
    await turn()
    waiting = asyncio.create_task(_take(shared, "a"))
    await turn()
    with pytest.raises(BusyProblem, match="Your address"):
        await _take(shared, "a")
    work.end.set()
    await asyncio.gather(work.task, waiting)


async def test_who_waits_too_long_is_told_so_and_the_place_is_free_afterwards() -> None:
    shared, begun = places(count=1, waiting_max=1, seconds=0.0), list[str]()
    work = Work(shared, begun, "a")
    await turn()
    with pytest.raises(BusyProblem, match="worked on"):
        await _take(shared, "a")
    work.end.set()
    await work.task
    await _take(shared, "a")


async def test_who_goes_away_leaves_the_place_to_the_next() -> None:
    shared, begun = places(count=1), list[str]()
    first, second, third = (Work(shared, begun, address) for address in "abc")
    await turn()
    second.task.cancel()
    first.task.cancel()
    await asyncio.gather(first.task, second.task, return_exceptions=True)
    await turn()
    assert begun == ["a", "c"]
    third.task.cancel()
    await asyncio.gather(third.task, return_exceptions=True)
    await _take(shared, "d")


async def test_a_place_that_comes_just_when_one_goes_away_is_not_lost() -> None:
    shared, begun = places(count=1), list[str]()
    first, second = Work(shared, begun, "a"), Work(shared, begun, "b")
    await turn()
    first.end.set()
    first.task.add_done_callback(lambda _: second.task.cancel())
    await asyncio.gather(first.task, second.task, return_exceptions=True)
    await _take(shared, "c")


async def _take(shared: Places, address: str) -> None:
    async with shared.place(address):
        pass
