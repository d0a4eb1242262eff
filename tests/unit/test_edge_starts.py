"""Requests begin in rounds: who asks once waits for one round, however much another address asks at the same time."""

import asyncio

from services.edge.starts import Starts


async def _begin(starts: Starts, address: str, begun: list[str]) -> None:
    await starts.turn(lambda: address)
    begun.append(address)


async def test_few_begin_at_once_and_need_no_address() -> None:
    starts, begun = Starts(per_round=3), list[str]()
    for _ in range(3):
        await _begin(starts, "a", begun)
    assert begun == ["a"] * 3


async def test_who_asks_once_begins_among_the_first_of_the_next_round() -> None:
    starts, begun = Starts(per_round=4), list[str]()
    crowd = [asyncio.create_task(_begin(starts, "crowd", begun)) for _ in range(1_000)]
    await asyncio.sleep(0)
    await _begin(starts, "one", begun)
    assert begun.index("one") <= 3 * 4
    await asyncio.gather(*crowd)
    assert len(begun) == 1_001


async def test_each_address_has_its_turn_and_who_went_away_takes_none() -> None:
    starts, begun = Starts(per_round=2), list[str]()
    tasks = [asyncio.create_task(_begin(starts, name, begun)) for name in ("x", "x", "a", "a", "a", "a", "b", "b")]
    await asyncio.sleep(0)
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert begun == ["x", "x", "b", "a", "b", "a", "a"]


async def test_every_round_begins_anew() -> None:
    starts, begun = Starts(per_round=2), list[str]()
    for _ in range(5):
        await asyncio.gather(*(_begin(starts, "a", begun) for _ in range(7)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert len(begun) == 35
    assert not starts._is_round_begun
    assert not starts._waiting
