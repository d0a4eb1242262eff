"""A bare day where a moment is asked for: over real HTTP, as JSON and as the page's date picker sends it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from proto.moment import Moment, from_ms, to_ms
from tests.support.awarded import Awarded, award
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running
from tests.support.worlds import World, lately

DAY_MS = 86_400_000
DAYS_BEFORE = 5


@pytest.fixture
def world() -> World:
    """A log that began some days ago."""
    return World(start=from_ms(to_ms(lately()) - DAYS_BEFORE * DAY_MS))


@pytest.fixture
def awarded(world: World) -> Awarded:
    return award(world, world.admit("school"))


@pytest.fixture
async def verifier(tmp_path: Path, world: World, awarded: Awarded) -> AsyncIterator[Verifier]:
    """A verifier of that log with all that it says: what a follower had seen it without would be dated back."""
    async with served(world) as log, running(log, tmp_path / "projection.sqlite") as found:
        yield found


def day_of(moment: Moment, days_later: int = 0) -> str:
    return from_ms(to_ms(moment) + days_later * DAY_MS)[:10]


async def test_a_day_is_its_noon_for_what_held_and_its_end_for_what_was_known(
    verifier: Verifier, awarded: Awarded
) -> None:
    await verifier.catches_up()
    day = day_of(verifier.world.now, 1)
    for path in (f"/v1/credentials/{awarded.credential_id}", "/v1/verifications"):
        query = f"?at={day}&known_at={day}"
        answer = await (
            verifier.get(path + query) if "credentials" in path else verifier.post(awarded.data, query=query)
        )
        assert answer["question"] == {"at": f"{day}T12:00:00.000Z", "known_at": f"{day}T23:59:59.999Z"}
        assert answer["verdict"] == "valid"


async def test_the_day_that_is_today_is_now(verifier: Verifier, awarded: Awarded) -> None:
    await verifier.catches_up()
    today = day_of(lately())
    answer = await verifier.get(f"/v1/credentials/{awarded.credential_id}?at={today}&known_at={today}")
    assert "today" not in answer
    assert "known_at" not in answer["question"]


async def test_what_is_neither_a_day_nor_a_time_is_refused_in_words(verifier: Verifier, awarded: Awarded) -> None:
    await verifier.catches_up()
    for wrong in ("2026-02-30", "yesterday", "", "2026-W01-1"):
        refused = await verifier.get(f"/v1/credentials/{awarded.credential_id}?at={wrong}", status=422)
        assert refused["parameter"] == "at"
        assert "a day, as in 2026-11-23" in refused["detail"]


async def test_the_page_asks_again_for_the_day_and_a_field_that_is_left_empty_is_not_asked(
    verifier: Verifier, awarded: Awarded
) -> None:
    await verifier.catches_up()
    day = day_of(verifier.world.now, 1)
    page = await verifier.page(f"/c/{awarded.credential_id}?at={day}&known_at=")
    assert f"Asked for {day}." in page
    assert re.search(rf'name="at" value="{day}"', page)
    assert re.search(r'name="known_at" value=""', page)
    wrong = await verifier.page(f"/c/{awarded.credential_id}?at=yesterday", status=422)
    assert "That is not a day." in wrong
    assert '<span class="word">Valid</span>' in wrong


async def test_a_document_is_judged_as_of_the_day_that_was_named_beside_it(
    verifier: Verifier, awarded: Awarded
) -> None:
    await verifier.catches_up()
    day = day_of(verifier.world.now, -30)
    form = {"document": awarded.data.decode(), "at": day}
    async with verifier.session.post(verifier.url + "/", data=form) as response:
        page = await response.text()
        assert response.status == 200
    assert f"Asked for {day}." in page
    assert "For that time: Not valid." in page
    async with verifier.session.post(verifier.url + "/", data=form | {"at": "soon"}) as response:
        page = await response.text()
        assert response.status == 422
    assert "That is not a day." in page
    assert awarded.credential_id not in page
    assert "OpenBadgeCredential" in page  # what was pasted is still there
