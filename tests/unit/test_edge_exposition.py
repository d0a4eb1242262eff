"""The figures of a service: fresh for whoever watches it, and no burden where somebody asks without end."""

import asyncio
import itertools
import time

from services.edge.exposition import COUNTED_MS_MAX, UNCOUNTED_MS, WRITING_SHARE, RationedExposition

DEAR_MS = 100.0


class Figures:
    """Counts how often they were written, and in which turns of the loop; each time takes some processor time."""

    def __init__(self, ms: float = 0.0) -> None:
        self.count, self.turns, self.turn = 0, list[int](), 0
        self._seconds = ms / 1_000

    def written(self) -> bytes:
        self.count += 1
        self.turns.append(self.turn)
        until = time.thread_time() + self._seconds
        while time.thread_time() < until:
            pass
        return str(self.count).encode()

    async def watch(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


async def test_whoever_asks_now_and_then_gets_what_is_so_now() -> None:
    exposition = RationedExposition(Figures(DEAR_MS).written)
    assert [await exposition.text() for _ in range(3)] == [b"1", b"2", b"3"]


async def test_figures_that_cost_little_are_fresh_for_many() -> None:
    exposition = RationedExposition(Figures().written)
    found = await asyncio.gather(*(exposition.text() for _ in range(500)))
    assert found[-1] == b"500"


async def test_many_who_ask_at_once_have_them_written_in_turns_and_not_for_each() -> None:
    figures = Figures(DEAR_MS)
    exposition = RationedExposition(figures.written)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(figures.watch())
        found = await asyncio.gather(*(exposition.text() for _ in range(1_000)))
        watching.cancel()
    assert len(found) == 1_000
    assert found == sorted(found, key=int)
    assert len(set(figures.turns)) == figures.count, "one at most in each turn of the loop"
    assert UNCOUNTED_MS / DEAR_MS <= figures.count < 1_000


async def test_figures_are_seconds_old_at_most_however_long_one_writing_took() -> None:
    now, spent, counts = 0.0, itertools.count(0, 3_600), itertools.count(1)
    exposition = RationedExposition(
        lambda: str(next(counts)).encode(), clock=lambda: now, processor=lambda: float(next(spent))
    )
    assert [await exposition.text() for _ in range(3)] == [b"1", b"1", b"1"], "an hour of processor time is owed"
    now = COUNTED_MS_MAX / 1_000 / WRITING_SHARE
    assert await exposition.text() == b"2"


async def test_a_writing_just_above_what_is_not_counted_is_not_the_last() -> None:
    now, spent, counts = 0.0, itertools.count(0, (UNCOUNTED_MS + 50) / 1_000), itertools.count(1)
    exposition = RationedExposition(
        lambda: str(next(counts)).encode(), clock=lambda: now, processor=lambda: next(spent)
    )
    assert [await exposition.text() for _ in range(3)] == [b"1", b"1", b"1"]
    now = 1.0
    assert [await exposition.text() for _ in range(3)] == [b"2", b"2", b"2"]
