"""A part is prepared ahead once, and used only where it still lies there as it was."""

import asyncio
from typing import cast

import pytest

from proto.ids import BatchId
from services.issuer_gateway.batches.parts_ahead import AHEAD_MAX, PartsAhead
from services.issuer_gateway.store.batches import BackgroundBatch


class Batch:
    """What is asked of a batch here: its name."""

    def __init__(self, name: str) -> None:
        self.batch_id = BatchId(name)


class Work:
    """Prepares parts; knows how often, may be told to fail or to wait."""

    def __init__(self) -> None:
        self.prepared: list[tuple[str, int, bytes]] = []
        self.broken: set[int] = set()
        self.may_go = asyncio.Event()
        self.may_go.set()
        self.ahead = PartsAhead(self._prepare)

    async def _prepare(self, batch: BackgroundBatch, number: int, sealed: bytes) -> bytes:
        self.prepared.append((batch.batch_id, number, sealed))
        await self.may_go.wait()
        if number in self.broken:
            raise ValueError(number)
        return sealed.upper()


def named(name: str = "one") -> BackgroundBatch:
    return cast(BackgroundBatch, Batch(name))


async def test_what_was_prepared_ahead_is_not_prepared_again() -> None:
    work = Work()
    await work.ahead.begin(named(), 2, b"two")
    assert await work.ahead.taken(named(), 2, b"two") == b"TWO"
    assert work.prepared == [("one", 2, b"two")]
    assert await work.ahead.taken(named(), 2, b"two") == b"TWO"
    assert len(work.prepared) == 2


@pytest.mark.parametrize(("number", "sealed"), [(2, b"without her"), (3, b"two")])
async def test_a_part_that_is_another_by_now_is_prepared_anew(number: int, sealed: bytes) -> None:
    work = Work()
    await work.ahead.begin(named(), 2, b"two")
    assert await work.ahead.taken(named(), number, sealed) == sealed.upper()
    assert work.prepared[-1] == ("one", number, sealed)


async def test_what_failed_ahead_fails_where_it_is_taken_and_not_before() -> None:
    work = Work()
    work.broken.add(2)
    await work.ahead.begin(named(), 2, b"two")
    with pytest.raises(ValueError, match="2"):
        await work.ahead.taken(named(), 2, b"two")
    await work.ahead.begin(named(), 2, b"two")
    work.broken.clear()
    assert await work.ahead.taken(named(), 2, b"two") == b"TWO"


async def test_no_more_than_a_few_wait_and_none_is_left_behind() -> None:
    work = Work()
    work.may_go.clear()
    for number in range(AHEAD_MAX + 3):
        await work.ahead.begin(named(str(number)), 2, b"two")
        await asyncio.sleep(0)
    waiting = {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}
    assert len(waiting) == AHEAD_MAX
    await work.ahead.close()
    assert all(task.cancelled() for task in waiting)
