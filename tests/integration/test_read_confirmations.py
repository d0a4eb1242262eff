"""How many commits it costs that many read at once, and who may rely on which. Real PostgreSQL."""

import asyncio

from services.persistence import postgres
from services.persistence.postgres import Pool
from services.persistence.read_confirmations import ReadConfirmations
from tests.support.databases import MakeDatabase

READERS = 50


class CountedPool:
    """Counts confirmations as they begin: each takes a connection."""

    def __init__(self, pool: Pool) -> None:
        self._pool, self.count = pool, 0

    def acquire(self) -> object:
        self.count += 1
        return self._pool.acquire()


async def test_many_readers_at_once_cost_two_commits_and_one_alone_costs_one(make_database: MakeDatabase) -> None:
    database = await make_database()
    pool = await postgres.create_pool(database.running_url, application_name="test")
    try:
        counted = CountedPool(pool)
        confirmations = ReadConfirmations(counted)  # type: ignore[arg-type] # it needs no more than `acquire`
        await confirmations.confirmed()
        assert counted.count == 1
        first = asyncio.create_task(confirmations.confirmed())
        while counted.count == 1:  # noqa: ASYNC110 - until its commit has begun
            await asyncio.sleep(0)
        late = [asyncio.create_task(confirmations.confirmed()) for _ in range(READERS)]
        late[0].cancel()
        await asyncio.gather(first, *late[1:])
        assert counted.count == 3, "whoever came later has a commit that began after he read"
    finally:
        await postgres.close_pool(pool)


async def test_a_confirmation_that_fails_is_told_to_all_who_wait_and_the_next_one_is_tried(
    make_database: MakeDatabase,
) -> None:
    database = await make_database()
    pool = await postgres.create_pool(database.running_url, application_name="test")
    confirmations = ReadConfirmations(pool)
    await confirmations.confirmed()
    await postgres.close_pool(pool)
    told = await asyncio.gather(*(confirmations.confirmed() for _ in range(3)), return_exceptions=True)
    assert len({type(each) for each in told}) == 1
    assert all(isinstance(each, Exception) for each in told)
    again = await asyncio.gather(confirmations.confirmed(), return_exceptions=True)
    assert isinstance(again[0], Exception)
