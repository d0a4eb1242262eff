"""What is kept for each institution while places on its status list are given: bounded, however many there are."""

import asyncio
import contextlib

import pytest

from proto.ids import InstitutionId
from services.issuer_gateway.domain.places_at_hand import Given, PlacesAtHand, before_commit, lending, stored
from services.issuer_gateway.status_lists import Locks


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


ISSUER = InstitutionId("a")


def _at_hand(count: int) -> PlacesAtHand:
    places = PlacesAtHand()
    url = "https://x.example/1"
    places.take_back(Given(institution_id=ISSUER, number=1, index=index, url=url) for index in range(count))
    return places


def _given(places: PlacesAtHand) -> Given:
    place = places.give(ISSUER)
    assert place is not None
    return place


def test_what_work_is_given_and_stores_nowhere_goes_back_whatever_ends_it() -> None:
    places = _at_hand(3)
    kept, left = _given(places), _given(places)

    def work() -> None:
        nonlocal kept, left
        with lending():
            kept, left = _given(places), _given(places)
            stored([kept])
            raise ZeroDivisionError

    places.take_back([kept, left])
    with pytest.raises(ZeroDivisionError):
        work()
    assert kept not in places.of(ISSUER)
    assert left in places.of(ISSUER)
    _given(places)
    assert len(places.of(ISSUER)) == 1, "outside of such work nothing goes back by itself"


def test_a_place_that_was_given_before_an_attempt_is_kept_by_the_work_around_it() -> None:
    places = _at_hand(2)
    with lending():
        outer = _given(places)
        with lending():
            inner = _given(places)
        assert list(places.of(ISSUER)) == [inner], "the attempt came to nothing, and the work goes on with its own"
        with lending():
            stored([outer])
    assert list(places.of(ISSUER)) == [inner]


async def test_two_who_work_at_the_same_time_give_back_each_their_own() -> None:
    places = _at_hand(2)
    is_stored = asyncio.Event()

    async def stores() -> Given:
        with lending():
            place = _given(places)
            stored([place])
            is_stored.set()
            return place

    async def fails() -> Given:
        with lending():
            place = _given(places)
            await is_stored.wait()
            return place

    lost, back = await asyncio.gather(stores(), fails())
    assert list(places.of(ISSUER)) == [back]
    assert lost != back


def test_what_was_stored_goes_back_where_no_commit_was_sent_and_is_kept_where_one_was() -> None:
    places = _at_hand(2)
    undone = sent = _given(places)
    places.take_back([undone])

    def work(*, is_undone: bool) -> None:
        nonlocal undone, sent
        with lending():
            with before_commit():
                place = _given(places)
                stored([place])
                undone, sent = (place, sent) if is_undone else (undone, place)
                if is_undone:
                    raise ZeroDivisionError
            raise EOFError  # the COMMIT was not answered

    with pytest.raises(ZeroDivisionError):
        work(is_undone=True)
    assert undone in places.of(ISSUER)
    with pytest.raises(EOFError):
        work(is_undone=False)
    assert sent not in places.of(ISSUER)
    assert len(places.of(ISSUER)) == 1


def test_who_tries_again_after_an_attempt_that_was_undone_has_the_same_place_and_keeps_it() -> None:
    places = _at_hand(1)
    with lending():
        place = _given(places)
        with contextlib.suppress(ZeroDivisionError), lending(), before_commit():
            stored([place])
            raise ZeroDivisionError
        assert not places.of(ISSUER), "the work that was given it goes on"
        with lending(), before_commit():
            stored([place])
    assert not places.of(ISSUER)
