"""The examples of reverse proxies, started: what reaches the services, what does not, and that nothing is held back."""

import asyncio
import contextlib
import functools
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from yarl import URL

from tests.end_to_end.conftest import Up
from tests.packages.conftest import ROOT, needs
from tests.packages.proxies import Proxied, proxied
from tests.support.ports import free_port
from tests.support.run_folders import make_run_folder

each_proxy = pytest.mark.parametrize("kind", ["nginx", "caddy"])
USUAL = (8101, 8102, 8103)
ROWS = 1_001
"""One more than are answered at once: the others are worked on in the background."""
FIRST, SECOND = b"event: a\ndata: 1\n\n", b"event: b\ndata: 2\n\n"


class Upstream:
    """Stands for all three services: says what it is asked, streams events, and takes bodies piece by piece."""

    def __init__(self) -> None:
        self.port = free_port()
        self.may_go_on = asyncio.Event()
        self.received = asyncio.Queue[bytes]()

    async def _asked(self, request: web.Request) -> web.Response:
        said = {"path": request.raw_path, "host": request.host, "for": request.headers.getall("X-Forwarded-For", [])}
        return web.json_response(said)

    async def _events(self, request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"}
        response = web.StreamResponse(headers=headers)
        await response.prepare(request)
        await response.write(FIRST)
        await self.may_go_on.wait()
        await response.write(SECOND)
        return response

    async def _taken(self, request: web.Request) -> web.Response:
        async for piece in request.content.iter_any():
            self.received.put_nowait(piece)
        return web.Response(text="taken")

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application(client_max_size=0)
        app.router.add_get("/events", self._events)
        app.router.add_post("/{path:.*}", self._taken)
        app.router.add_get("/{path:.*}", self._asked)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", self.port).start()
            yield
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def before(upstream: Upstream, kind: str, folder: Path) -> AsyncIterator[Proxied]:
    needs(kind, "openssl")
    async with upstream.running(), proxied(kind, folder, dict.fromkeys(USUAL, upstream.port)) as proxy:
        yield proxy


@each_proxy
async def test_a_service_is_asked_as_the_client_asked_and_told_the_clients_address_alone(
    kind: str, tmp_path: Path
) -> None:
    async with before(Upstream(), kind, tmp_path) as proxy:
        assert proxy.protocol() == "h2"
        forged = {"X-Forwarded-For": "192.0.2.1"}
        for name, path, seen in (
            ("log.example.org", "/tile/0/000", "/tile/0/000"),
            ("issuer.example.org", "/v1/x?a=%20b", "/v1/x?a=%20b"),
            ("verify.example.org", "/v1/issuers/did:web:x%3A8102:a", "/v1/issuers/did:web:x%3A8102:a"),
            ("example.org", "/verify/v1/credentials/a?b=c", "/v1/credentials/a?b=c"),
            ("example.org", "/issuer/v1/x", "/v1/x"),
            ("example.org", "/log/checkpoint", "/checkpoint"),
        ):
            async with proxy.client.get(proxy.url(name, path), headers=forged) as response:
                said = await response.json()
                assert response.headers["Strict-Transport-Security"]
            assert (said["path"], said["for"]) == (seen, ["127.0.0.1"])
            assert said["host"].partition(":")[0] == name
        for name, path in (
            ("log.example.org", "/metrics"),
            ("verify.example.org", "/readyz"),
            ("example.org", "/verify/metrics"),
        ):
            async with proxy.client.get(proxy.url(name, path)) as response:
                assert response.status == 404
        plain = f"http://verify.example.org:{proxy.http_port}/c/x?y=z"
        async with proxy.client.get(plain, allow_redirects=False) as response:
            assert response.status == 308
            assert response.headers["Location"].startswith("https://verify.example.org")
            assert response.headers["Location"].endswith("/c/x?y=z")


@each_proxy
async def test_neither_events_nor_bodies_are_held_back(kind: str, tmp_path: Path) -> None:
    upstream, may_end = Upstream(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"first"
        await may_end.wait()
        yield b"last"

    async with before(upstream, kind, tmp_path) as proxy:
        for name, path in (("issuer.example.org", "/events"), ("example.org", "/issuer/events")):
            upstream.may_go_on.clear()
            async with proxy.client.get(proxy.url(name, path)) as response:
                assert await response.content.readexactly(len(FIRST)) == FIRST
                upstream.may_go_on.set()
                assert await response.content.readexactly(len(SECOND)) == SECOND
        sending = asyncio.create_task(_sent(proxy, proxy.url("verify.example.org", "/lines"), body()))
        assert await upstream.received.get() == b"first"
        may_end.set()
        assert await upstream.received.get() == b"last"
        assert await sending == 200


async def _sent(proxy: Proxied, url: URL, data: object) -> int:
    async with proxy.client.post(url, data=data) as response:
        return response.status


@each_proxy
async def test_a_body_has_the_bound_that_its_service_has(kind: str, tmp_path: Path) -> None:
    async with before(Upstream(), kind, tmp_path) as proxy:
        assert await _sent(proxy, proxy.url("log.example.org", "/v1/events"), _blank(9_000_000)) == 413
        assert await _sent(proxy, proxy.url("issuer.example.org", "/v1/batches"), _blank(9_000_000)) == 200


@pytest.fixture(scope="module")
def served() -> Iterator[Up]:
    """Return all services, with institutions and credentials of the demo."""
    needs("nginx", "openssl")
    folder = make_run_folder()
    stack = Up(folder / "data")
    stack.start("--demo")
    yield stack
    stack.stop()
    shutil.rmtree(folder)


@each_proxy
async def test_a_batch_is_issued_followed_and_verified_through_a_proxy(kind: str, served: Up, tmp_path: Path) -> None:
    needs(kind)
    keys = msgspec.json.decode((served.data / "demo" / "state.json").read_bytes())["api_keys"]
    sent = {"Authorization": f"Bearer {keys['nadmorska']}", "Content-Type": "text/csv", "Idempotency-Key": kind}
    header, row = (ROOT / "deploy" / "examples" / "awards.csv").read_text().splitlines()[:2]
    rows = "\n".join([header, *(row.replace("pn-000417", f"{kind}-{number}") for number in range(ROWS))])
    async with proxied(kind, tmp_path, dict(zip(USUAL, served.ports, strict=True))) as proxy:
        issuer = functools.partial(proxy.url, "issuer.example.org")
        async with proxy.client.post(issuer("/v1/batches"), data=rows.encode(), headers=sent) as response:
            assert response.status == 202
            batch = (await response.json())["batch_id"]
        async with proxy.client.get(issuer(f"/v1/batches/{batch}/events"), headers=sent) as response:
            events = (await response.read()).decode()
        assert events.startswith("event: progress")
        assert events.endswith("event: end\ndata: {}\n\n")
        async with proxy.client.get(issuer(f"/v1/batches/{batch}/rows"), headers=sent) as response:
            results = [msgspec.json.decode(line) for line in (await response.read()).splitlines()]
        assert len(results) == ROWS
        document = await _read(proxy, issuer(f"/v1/credentials/{results[0]['credential_id']}/document"), sent)
        verifications = proxy.url("example.org", "/verify/v1/verifications")
        async with proxy.client.post(
            verifications, data=document, headers={"Content-Type": "application/vc"}
        ) as response:
            assert (await response.json())["verdict"] in {"valid", "indeterminate"}, "it may not have got there yet"
        for path in ("/verify/", "/verify/docs", "/issuer/docs", "/log/checkpoint"):
            assert await _read(proxy, proxy.url("example.org", path), {})


async def _read(proxy: Proxied, url: URL, headers: Mapping[str, str]) -> bytes:
    async with proxy.client.get(url, headers=headers) as response:
        assert response.status == 200, await response.text()
        return await response.read()


async def _blank(count: int) -> AsyncIterator[bytes]:
    for _ in range(count // 100_000):
        yield bytes(100_000)
