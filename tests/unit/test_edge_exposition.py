"""The figures of a service: fresh for whoever watches it, and no burden where somebody asks without end."""

import asyncio

from services.edge.exposition import FRESH_BURST, Exposition


class Figures:
    """Counts how often they were written, and in which turns of the loop."""

    def __init__(self) -> None:
        self.count, self.turns, self.turn = 0, list[int](), 0

    def made(self) -> bytes:
        self.count += 1
        self.turns.append(self.turn)
        return str(self.count).encode()

    async def watch(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


async def test_whoever_asks_now_and_then_gets_what_is_so_now() -> None:
    figures = Figures()
    exposition = Exposition(figures.made)
    assert [await exposition.text() for _ in range(5)] == [b"1", b"2", b"3", b"4", b"5"]


async def test_many_who_ask_at_once_have_them_written_in_turns_and_not_for_each() -> None:
    figures = Figures()
    exposition = Exposition(figures.made)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(figures.watch())
        found = await asyncio.gather(*(exposition.text() for _ in range(1_000)))
        watching.cancel()
    assert len(found) == 1_000
    assert found == sorted(found, key=int)
    assert len(set(figures.turns)) == figures.count, "one at most in each turn of the loop"
    assert figures.count < 1_000
    assert figures.count >= FRESH_BURST
