"""The client of the log against a server that answers badly: every fault has its problem, and nothing is unbounded."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from proto.base64_strict import encode_base64
from proto.depth import is_deep
from proto.ids import EventId, LeafIndex, TreeSize
from services.clients.http_client import AnsweredProblem, HttpClient, UnreachableProblem
from services.clients.log_client import LogAnswerProblem, LogClient, LogProblem, LogUnreachableProblem
from services.clients.tile_client import TileClient
from services.persistence.bucket import Bucket, BucketProblem
from tests.support.loopback import on_loopback
from tests.support.worlds import World

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@contextlib.asynccontextmanager
async def client_of(answer: Answer, *, timeout_seconds: float = 5.0) -> AsyncIterator[LogClient]:
    """A client of a server that answers everything with `answer`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with on_loopback(app) as url, aiohttp.ClientSession() as session:
        yield LogClient(session, url, timeout_seconds=timeout_seconds)


def saying(body: bytes = b"", status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, status=status, headers=headers)

    return answer


async def all_entries(client: LogClient) -> list[bytes]:
    return [line async for line in client.entries(0, 10)]


async def test_entries_come_line_by_line_as_they_were_sent() -> None:
    lines = [b"x" * length for length in (1, 65_535, 3, 70, 65_535)]
    async with client_of(saying(b"".join(line + b"\n" for line in lines))) as client:
        assert await all_entries(client) == lines


@pytest.mark.parametrize("body", [b"x" * 65_536 + b"\ny\n", b"x\nbroken off", b"x" * 200_000])
async def test_lines_that_are_no_entries_are_refused(body: bytes) -> None:
    async with client_of(saying(body)) as client:
        with pytest.raises(LogAnswerProblem):
            await all_entries(client)


async def test_a_checkpoint_without_end_is_refused() -> None:
    async with client_of(saying(b"x" * 1_000_001)) as client:
        with pytest.raises(LogAnswerProblem):
            await client.checkpoint()


async def test_an_answer_of_another_shape_is_refused() -> None:
    async with client_of(saying(b'{"other": 1}')) as client:
        with pytest.raises(LogAnswerProblem):
            await client.log()
        with pytest.raises(LogAnswerProblem):
            await client.consistency(TreeSize(1), TreeSize(2))


@pytest.mark.parametrize("item", ["AAAA", "!", encode_base64(bytes(31))])
async def test_a_proof_of_other_than_hashes_is_refused(item: str) -> None:
    body = b'{"first":1,"second":2,"proof":["' + item.encode() + b'"]}'
    async with client_of(saying(body)) as client:
        with pytest.raises(LogAnswerProblem):
            await client.consistency(TreeSize(1), TreeSize(2))


async def test_a_refusal_is_told_in_the_log_s_own_words() -> None:
    document = b'{"type":"urn:credentify:problem:unknown-key","title":"T","status":403,"detail":"no such key"}'
    world = World()
    envelope = world.seal(world.issue(world.admit("school")))
    async with client_of(saying(document, status=403)) as client:
        with pytest.raises(LogProblem, match="no such key") as caught:
            await client.submit_one(envelope)
    assert (caught.value.log_slug, caught.value.log_status) == ("unknown-key", 403)


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_log_without_room_is_unreachable_and_says_for_how_long_and_why(status: int) -> None:
    for body, members in ((b'{"detail":"Full"}', {"log_problem": {"detail": "Full"}}), (b"<html>", {})):
        async with client_of(saying(body, status=status, headers={"Retry-After": "7"})) as client:
            with pytest.raises(LogUnreachableProblem) as caught:
                await client.checkpoint()
        assert (caught.value.retry_after_seconds, caught.value.members) == (7, members)


async def test_an_event_that_is_not_on_the_log_is_none() -> None:
    async with client_of(saying(b"{}", status=404)) as client:
        assert await client.event(EventId("00" * 32)) is None
        with pytest.raises(LogProblem):
            await client.receipt(LeafIndex(0))


async def test_a_long_poll_that_ends_without_growth_is_none() -> None:
    async with client_of(saying(status=204)) as client:
        assert await client.checkpoint_after(3, wait_seconds=1) is None


async def test_a_log_that_never_answers_is_unreachable_in_time() -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with client_of(never, timeout_seconds=0.2) as client:
        with pytest.raises(LogUnreachableProblem, match="in time"):
            await client.checkpoint()
        with pytest.raises(LogUnreachableProblem, match="in time"):
            await all_entries(client)


async def test_fewer_answers_than_envelopes_are_refused() -> None:
    world = World()
    school = world.admit("school")
    envelopes = [world.seal(world.issue(school)) for _ in range(2)]
    async with client_of(saying(b'{"line":1,"status":503}\n')) as client:
        with pytest.raises(LogAnswerProblem):
            await client.submit(envelopes)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(status: int) -> None:
    """Into which network it leads, who follows does not know: nothing of what lies there is fetched."""
    inner: list[str] = []

    async def secret(request: web.Request) -> web.Response:
        inner.append(request.path)
        return web.Response(body=b"what is inside")

    async with client_of(secret) as within, client_of(saying(status=status, headers={"Location": within.url})) as log:
        asked: list[Callable[[], Awaitable[object]]] = [
            log.log,
            log.checkpoint,
            lambda: log.checkpoint_after(1, wait_seconds=1),
            lambda: log.consistency(TreeSize(1), TreeSize(2)),
            lambda: all_entries(log),
            lambda: log.receipt(LeafIndex(0)),
            lambda: log.event(EventId("0" * 64)),
            lambda: log.submit_one(World().seal(World().opening())),
            TileClient(log._session, log.url).refresh,
            lambda: TileClient(log._session, log.url).bundle(0),
        ]
        for ask in asked:
            with pytest.raises(LogAnswerProblem, match="a redirect"):
                await ask()
        assert await log.held_size(TreeSize(7)) is None
    assert inner == []


@pytest.mark.parametrize("status", [200, 404, 422, 503])
@pytest.mark.parametrize("body", [b"[" * 15_000, b'{"a":' * 100_000, b'{"detail":' + b"[" * 900 + b"]" * 900 + b"}"])
async def test_json_without_end_ends_nobody(status: int, body: bytes) -> None:
    async with client_of(saying(body, status=status)) as client:
        for ask in (client.log, lambda: client.consistency(TreeSize(1), TreeSize(2)), lambda: all_entries(client)):
            with contextlib.suppress(LogAnswerProblem, LogProblem, LogUnreachableProblem):
                await ask()
        with pytest.raises((LogAnswerProblem, LogProblem, LogUnreachableProblem)) as caught:
            await client.log()
        msgspec.json.encode(caught.value.document())
        gateway = HttpClient(client._session, client.url)
        with pytest.raises((UnreachableProblem, AnsweredProblem)) as answered:
            await gateway.call("GET", "/v1/any", dict[str, Any])
        msgspec.json.encode(answered.value.document())


def test_depth_is_counted_outside_of_strings() -> None:
    assert not is_deep(b'{"a":"' + b"[" * 1_000 + b'"}')
    assert not is_deep(b'"\\"' + b"{" * 100 + b'\\\\"')
    assert not is_deep(b"[" * 64 + b"]" * 64)
    assert not is_deep(b"[" + b"[1,{}]," * 5_000 + b"[]]")
    assert is_deep(b"[" * 65 + b"]" * 65)
    assert is_deep(b'{"a":[' * 40 + b"]}" * 40)


async def test_a_bucket_that_names_another_place_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    inner: list[str] = []

    async def secret(request: web.Request) -> web.Response:
        inner.append(request.path)
        return web.Response(body=b"what is inside")

    async with client_of(secret) as within, client_of(saying(status=307, headers={"Location": within.url})) as store:
        for name, value in (("ACCESS_KEY_ID", "a"), ("SECRET_ACCESS_KEY", "b"), ("REGION", "eu-west-1")):
            monkeypatch.setenv(f"AWS_{name}", value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", store.url)
        with pytest.raises(BucketProblem, match="a redirect, which is not followed"):
            await Bucket("s3://bucket/folder").read("checkpoint")
    assert inner == []
