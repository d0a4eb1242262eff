"""Work that few may do at once: the others wait, so many of them, and who is too many is told so at once."""

import asyncio

import pytest

from proto.problem import BusyProblem
from services import call_context
from services.bounded_program import run_bounded, within
from services.issuer_gateway.waiting.turns import WorkTurns


def turns(count: int = 1, *, waiting_max: int = 1, wait_seconds_max: float = 60.0) -> WorkTurns:
    return WorkTurns(count, waiting_max=waiting_max, wait_seconds_max=wait_seconds_max, busy="others are at it")


async def test_one_more_than_may_wait_is_refused_and_each_who_waits_has_a_turn() -> None:
    places, order = turns(), list[str]()
    may_end = asyncio.Event()

    async def work(name: str) -> None:
        async with places.turn():
            order.append(name)
            await may_end.wait()

    first = asyncio.create_task(work("first"))
    second = asyncio.create_task(work("second"))
    await asyncio.sleep(0)
    with pytest.raises(BusyProblem, match="others are at it"):
        await work("third")
    may_end.set()
    await asyncio.gather(first, second)
    assert order == ["first", "second"]
    await work("third")


async def test_who_waits_too_long_is_refused_and_takes_no_place() -> None:
    places = turns(wait_seconds_max=0.0)
    async with places.turn():
        with pytest.raises(BusyProblem, match="others are at it"):
            async with places.turn():
                pass
    async with places.turn():
        pass


async def test_a_place_is_free_again_after_a_fault_and_after_who_waited_has_left() -> None:
    places = turns()
    with pytest.raises(ZeroDivisionError):
        async with places.turn():
            raise ZeroDivisionError
    async with places.turn():
        waiting = asyncio.create_task(places.turn().__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    async with places.turn():
        pass


async def test_a_program_that_takes_too_long_is_ended_and_one_that_fails_is_heard() -> None:
    with pytest.raises(TimeoutError):
        await run_bounded(("-c", "import time; time.sleep(1000)"), b"", wait=within(0.0))
    ended = await run_bounded(("-c", "import sys; sys.exit('no')"), b"", wait=within(60.0))
    assert (ended.status, ended.said) == (1, "no")
    echo = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
    ended = await run_bounded(("-c", echo), b"x" * 1_000_000, wait=within(60.0))
    assert (ended.status, ended.written) == (0, b"x" * 1_000_000)


async def test_many_of_one_client_leave_room_and_turns_to_others() -> None:
    places, order, may_end = turns(waiting_max=4), list[str](), asyncio.Event()

    async def work(client: str) -> None:
        call_context.begin("id", lambda: client)
        async with places.turn():
            order.append(client)
            await may_end.wait()

    async def begun(client: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work(client))
        await asyncio.sleep(0)
        return task

    greedy = [await begun("greedy") for _ in range(3)]
    with pytest.raises(BusyProblem, match="others are at it"):
        await work("greedy")
    others = [await begun(each) for each in ("one", "other")]
    may_end.set()
    await asyncio.gather(*greedy, *others)
    assert order == ["greedy", "greedy", "one", "other", "greedy"]
