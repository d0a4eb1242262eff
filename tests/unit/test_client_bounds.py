"""Whoever answers our clients is not believed in how much there is, nor in where a line ends."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from proto.problem import MalformedProblem
from proto.wire.gateway import AchievementPage
from services.clients.bodies import body_within, lines_within
from services.clients.http_client import LINE_BYTES_MAX, HttpClient, UnreachableProblem
from services.clients.pages import every_page

REFUSAL = MalformedProblem("more than it may be")


async def _answer(request: web.Request) -> web.StreamResponse:
    """Answer `count` bytes, and then `end`."""
    answer = web.StreamResponse()
    await answer.prepare(request)
    await answer.write(b"x" * int(request.query["count"]) + request.query.get("end", "").encode())
    return answer


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_get("/", _answer)
    server = TestServer(app)
    async with server:
        yield server


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as made:
        yield made


async def test_a_body_is_read_up_to_its_bound_and_no_further(
    server: TestServer, session: aiohttp.ClientSession
) -> None:
    async with session.get(server.make_url("/?count=100000")) as response:
        assert len(await body_within(response, 100_000, refusal=REFUSAL)) == 100_000
    async with session.get(server.make_url("/?count=100001")) as response:
        with pytest.raises(MalformedProblem, match="more than it may be"):
            await body_within(response, 100_000, refusal=REFUSAL)


async def test_a_line_is_read_up_to_its_bound_and_says_whether_it_ended(
    server: TestServer, session: aiohttp.ClientSession
) -> None:
    async with session.get(server.make_url("/?count=200000&end=%0Aab%0Ac")) as response:
        found = [(len(line), is_whole) async for line, is_whole in lines_within(response, 200_000, refusal=REFUSAL)]
    assert found == [(200_000, True), (2, True), (1, False)]
    for end in ("", "%0A"):
        async with session.get(server.make_url(f"/?count=200001&end={end}")) as response:
            with pytest.raises(MalformedProblem, match="more than it may be"):
                [line async for line in lines_within(response, 200_000, refusal=REFUSAL)]


async def test_a_line_without_end_is_no_answer_of_ours(server: TestServer, session: aiohttp.ClientSession) -> None:
    client = HttpClient(session, str(server.make_url("/")))
    assert [len(line) async for line in client.lines("GET", "/", query={"count": LINE_BYTES_MAX})] == [LINE_BYTES_MAX]
    with pytest.raises(UnreachableProblem, match="answered with something else"):
        [line async for line in client.lines("GET", "/", query={"count": LINE_BYTES_MAX + 1})]


async def test_a_list_is_read_page_by_page_to_its_end_and_one_without_an_end_is_refused() -> None:
    asked: list[str | None] = []

    async def pages(cursor: str | None, *, count: int) -> AchievementPage:
        asked.append(cursor)
        return AchievementPage(achievements=(), next_cursor=f"c{len(asked)}" if len(asked) < count else None)

    assert len([page async for page in every_page(lambda cursor: pages(cursor, count=3), pages_max=3)]) == 3
    assert asked == [None, "c1", "c2"]
    asked.clear()
    with pytest.raises(MalformedProblem, match="more than 3 pages"):
        [page async for page in every_page(lambda cursor: pages(cursor, count=4), pages_max=3)]
