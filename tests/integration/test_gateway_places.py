"""A place on a status list is used where a credential is made, and by nothing else: what is sent twice costs none.

Of each way to issue, the same is sent several times at once and again, and is refused: the database counts a place for
each credential, the block that the gateway took has the rest, and no second block is taken.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from proto.ids import InstitutionId
from services.issuer_gateway.credentials.prepare_award import PrepareAward
from services.issuer_gateway.domain.places_at_hand import Given, PlacesAtHand
from services.issuer_gateway.status_lists import BLOCK_PLACES
from services.persistence import postgres
from tests.support.gateways import Answered, Office, RunningGateway
from tests.support.ledgers import until

AT_ONCE = 4
ROWS, ROUNDS = 20, 4


async def _places(gateway: RunningGateway) -> tuple[int, int]:
    """Return how many places were taken from lists, and how many credentials have one."""
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        taken: int = await connection.fetchval("SELECT coalesce(sum(allocated_count), 0)::integer FROM status_list")
        used: int = await connection.fetchval("SELECT count(*) FROM status_place")
    return taken, used


async def _at_once(send: Callable[[], Awaitable[Answered]]) -> list[Answered]:
    return list(await asyncio.gather(*(send() for _ in range(AT_ONCE))))


def _list(office: Office, uri: str, count: int = ROWS) -> bytes:
    return b"\n".join(msgspec.json.encode(office.award(uri, f"listed-{number}")) for number in range(count))


async def _send_list(office: Office, body: bytes, key: str) -> Answered:
    return await office.client.send("POST", "/v1/batches", body, media_type="application/x-ndjson", key=key)


@pytest.fixture
def documents_made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """For whom documents were made that were to be stored."""
    made: list[str] = []
    prepare = PrepareAward.prepare

    async def counted(self: PrepareAward, tenant: Any, award: Any, *arguments: Any, **fields: Any) -> Any:
        if not fields.get("is_dry"):
            made.append(award.learner.ref)
        return await prepare(self, tenant, award, *arguments, **fields)

    monkeypatch.setattr(PrepareAward, "prepare", counted)
    return made


async def test_a_list_that_is_sent_several_times_at_once_makes_each_document_once(
    gateway: RunningGateway, documents_made: list[str]
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    body = _list(office, uri)
    answers = await _at_once(lambda: _send_list(office, body, "list"))
    assert {answer.body["accepted_count"] for answer in answers} == {ROWS}, answers
    assert len({msgspec.json.encode(answer.body["rows"]) for answer in answers}) == 1
    assert sorted(documents_made) == sorted(f"listed-{number}" for number in range(ROWS))
    assert await _places(gateway) == (BLOCK_PLACES, ROWS)
    for number in range(AT_ONCE):  # all of it was awarded before
        again = await _send_list(office, body, f"again-{number}")
        assert again.body["already_awarded_count"] == ROWS
    assert await _places(gateway) == (BLOCK_PLACES, ROWS)


async def test_whatever_is_issued_one_by_one_several_times_at_once_or_refused_uses_one_place(
    gateway: RunningGateway,
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe(takes_requests=True)).achievement.uri
    beyond = (await office.describe("beyond", ects_hundredths=90_000)).achievement.uri
    made = await office.client.post("/v1/claims", {"award": office.award(uri, "claims")}, key="claim")
    secret = made.body["link"].rpartition("/")[2]
    asked = await gateway.client().post(
        "/v1/requests",
        {
            "institution": office.slug,
            "achievement": "hydrology",
            "given_name": "Zoë",
            "family_name": "Nowak",
            "email": "zoe@learners.example",
        },
    )
    assert asked.status == 201, asked
    accepted = f"/v1/requests/{asked.body['request_id']}/accept"
    ways: dict[str, Callable[[], Awaitable[Answered]]] = {
        "one by one": lambda: office.client.post("/v1/credentials", office.award(uri, "single"), key="single"),
        "one by one, under keys of their own": lambda: office.client.post("/v1/credentials", office.award(uri, "same")),
        "a claim": lambda: gateway.client().post(f"/v1/claim-links/{secret}", {}),
        "a request": lambda: office.client.post(accepted, {}, key="accepted"),
    }
    for count, (name, send) in enumerate(ways.items(), start=1):
        await _at_once(send)
        assert (await _places(gateway))[1] == count, name
        for _ in range(BLOCK_PLACES // len(ways)):
            await send()
    for number in range(BLOCK_PLACES):
        refused = await office.client.post("/v1/credentials", office.award(beyond, f"refused-{number}"))
        assert refused.status == 403, refused
    assert await _places(gateway) == (BLOCK_PLACES, len(ways))
    assert await gateway.database_count("credential") == len(ways)


@asynccontextmanager
async def _another_process(gateway: RunningGateway) -> AsyncIterator[RunningGateway]:
    config = msgspec.structs.replace(gateway.config, port=0)
    other = RunningGateway(config, gateway.database, gateway.ledger)
    await other.start()
    try:
        yield other
    finally:
        await other.stop()


async def test_two_gateways_that_are_sent_one_list_at_once_make_each_document_once(
    gateway: RunningGateway, documents_made: list[str]
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    body = _list(office, uri)
    async with _another_process(gateway) as other:
        there = Office(other, office.created)
        answers = await asyncio.gather(
            *(_send_list(each, body, "list") for each in (office, there) for _ in range(AT_ONCE))
        )
    assert {answer.body["accepted_count"] for answer in answers} == {ROWS}, answers
    assert len({msgspec.json.encode(answer.body["rows"]) for answer in answers}) == 1
    assert len(documents_made) == ROWS


@pytest.fixture
def given_away(monkeypatch: pytest.MonkeyPatch) -> set[Given]:
    """The places that no gateway has at hand any more."""
    gone: set[Given] = set()
    give, take_back = PlacesAtHand.give, PlacesAtHand.take_back

    def noted(self: PlacesAtHand, institution_id: InstitutionId) -> Given | None:
        place = give(self, institution_id)
        gone.update([place] if place else [])
        return place

    def back(self: PlacesAtHand, places: Iterable[Given]) -> None:
        found = list(places)
        gone.difference_update(found)
        take_back(self, found)

    monkeypatch.setattr(PlacesAtHand, "give", noted)
    monkeypatch.setattr(PlacesAtHand, "take_back", back)
    return gone


async def _taken(office: Office, award: dict[str, Any], key: str) -> Answered:
    """Send an award until it is taken; a busy machine may say for a while that its database is."""

    async def send() -> Answered | None:
        answered = await office.client.post("/v1/credentials", award, key=key)
        return None if answered.status == 503 else answered

    return await until(send, "the award is taken")


async def test_gateways_that_are_sent_one_issue_at_once_use_one_place_for_it(
    gateway: RunningGateway, given_away: set[Given]
) -> None:
    office = await gateway.institution("waterland")
    uri = (await office.describe()).achievement.uri
    async with _another_process(gateway) as other:
        there = Office(other, office.created)
        for number in range(ROUNDS):
            award, key = office.award(uri, f"l-{number}"), f"k-{number}"
            await asyncio.gather(*(_taken(each, award, key) for each in (office, there) * 2))
    async with postgres.connected(gateway.database.owner_url, application_name="test") as connection:
        used = await connection.fetch("SELECT list_number, list_index FROM status_place")
    assert sorted(tuple(row) for row in used) == sorted((place.number, place.index) for place in given_away)
    assert len(used) == ROUNDS
