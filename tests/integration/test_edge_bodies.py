"""Large bodies go on one at a time: while one is decoded, others are not even read, and small requests are answered."""

import asyncio
import contextlib
import io
import threading
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import web

from services.edge import EdgeConfig, Log, Media, Route, listening, make_app
from services.edge.body import BODY_TURN, HELD_BODIES, off_loop

SECONDS_MAX = 120.0
LARGE = bytes(4_000_000)


class Decoding:
    """A decoder that begins, and ends when the test says so."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()

    def __call__(self, raw: bytes) -> str:
        self.begun.set()
        assert self.may_end.wait(SECONDS_MAX)
        return str(len(raw))


@contextlib.asynccontextmanager
async def served(decoding: Decoding) -> AsyncIterator[tuple[web.Application, aiohttp.ClientSession]]:
    async def decoded(request: web.Request, *, raw: bytes) -> str:
        return await off_loop(request, len(raw), decoding, raw)

    async def counted(request: web.Request, *, raw: bytes) -> str:
        return str(len(raw))

    routes = [
        Route(
            "POST",
            path,
            handler,
            summary="x",
            request=bytes,
            request_media=("text/plain",),
            body_bytes_max=8_000_000,
            response={200: Media("text/plain")},
        )
        for path, handler in (("/decoded", decoded), ("/counted", counted))
    ]
    log = Log("sample", io.BytesIO())
    app = make_app("sample", routes, config=EdgeConfig(), log=log, version="1", description="")
    async with (
        asyncio.timeout(SECONDS_MAX),
        listening(app, host="127.0.0.1", port=0) as address,
        aiohttp.ClientSession(address.url, headers={"Content-Type": "text/plain"}) as client,
    ):
        try:
            yield app, client
        finally:
            decoding.may_end.set()


async def _sent(client: aiohttp.ClientSession, path: str, data: bytes) -> str:
    async with client.post(path, data=io.BytesIO(data)) as response:
        return f"{response.status} {await response.text()}"


def somebody_waits(app: web.Application) -> bool:
    return bool(app[BODY_TURN]._waiters)


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - it is another thread, or the edge itself, that brings it about
        await asyncio.sleep(0)


async def test_while_one_large_body_is_decoded_others_wait_unread_and_small_requests_are_answered() -> None:
    decoding = Decoding()
    async with served(decoding) as (app, client), asyncio.TaskGroup() as tasks:
        first = tasks.create_task(_sent(client, "/decoded", LARGE))
        await until(decoding.begun.is_set)
        held = app[HELD_BODIES]._held_bytes
        second = tasks.create_task(_sent(client, "/counted", LARGE))
        await until(lambda: somebody_waits(app))
        assert app[HELD_BODIES]._held_bytes - held < len(LARGE) / 2
        async with client.get("/livez") as response:
            assert response.status == 200
        assert await _sent(client, "/counted", b"few") == "200 3"
        assert not second.done()
        decoding.may_end.set()
        assert await first == await second == f"200 {len(LARGE)}"


async def test_who_gives_up_while_waiting_leaves_the_turn_to_others() -> None:
    decoding = Decoding()
    async with served(decoding) as (app, client):
        first = asyncio.create_task(_sent(client, "/decoded", LARGE))
        await until(decoding.begun.is_set)
        gone = asyncio.create_task(_sent(client, "/counted", LARGE))
        await until(lambda: somebody_waits(app))
        gone.cancel()
        decoding.may_end.set()
        assert await first == f"200 {len(LARGE)}"
        assert await _sent(client, "/counted", LARGE) == f"200 {len(LARGE)}"
        assert not app[BODY_TURN].locked()
