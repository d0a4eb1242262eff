"""What is kept for each institution while places on its status list are given: bounded, however many there are."""

import asyncio

from proto.ids import InstitutionId
from services.issuer_gateway.status_lists import Given, Locks, PlacesAtHand


async def test_a_lock_is_there_for_as_long_as_somebody_holds_it_or_waits() -> None:
    locks: Locks[str] = Locks()
    order: list[str] = []
    begun = asyncio.Event()

    async def take(name: str) -> None:
        async with locks.of("school"):
            order.append(f"{name} begins")
            begun.set()
            await asyncio.sleep(0)
            order.append(f"{name} ends")

    async with asyncio.TaskGroup() as group:
        group.create_task(take("first"))
        await begun.wait()
        group.create_task(take("second"))
        waiting = group.create_task(take("third"))
        await asyncio.sleep(0)
        assert len(locks) == 1
        waiting.cancel()
    assert order == ["first begins", "first ends", "second begins", "second ends"]
    assert len(locks) == 0


def test_places_are_kept_for_so_many_institutions_and_the_one_longest_unasked_loses_its_own() -> None:
    places = PlacesAtHand(institutions_max=2)
    a, b, c, d, e = map(InstitutionId, "abcde")
    given = Given(institution_id=a, number=1, index=7, url="https://x.example/1")
    places.of(a).append(given)
    places.of(b)
    assert places.of(a).popleft() is given
    places.of(a).append(given)
    places.of(c)
    assert list(places.of(a)) == [given], "b was asked for longer ago"
    places.of(d)
    places.of(e)
    assert not places.of(a), "lost, and never given: others are taken"
