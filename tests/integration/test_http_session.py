"""Our clients go through the proxy that the environment names, and straight to this machine."""

from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

from services.clients.gateway import GatewayClient
from services.clients.http_client import RedirectedProblem
from services.clients.http_session import client_session, is_loopback, proxy_for


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


async def test_a_log_behind_a_proxy_is_reached_and_netrc_is_not_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seen: list[tuple[str, str | None]] = []

    async def proxy(request: web.Request) -> web.Response:
        seen.append((str(request.url), request.headers.get("Proxy-Authorization")))
        assert "Authorization" not in request.headers
        return web.Response(text="from the proxy")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", proxy)
    async with TestServer(app) as server:
        monkeypatch.setenv("HTTP_PROXY", f"http://user:word@127.0.0.1:{server.port}")
        monkeypatch.setenv("NETRC", f"{tmp_path}/netrc")
        async with client_session() as session, session.get("http://log.example/checkpoint") as response:
            assert await response.text() == "from the proxy"
    assert seen[0][0] == "http://log.example/checkpoint"
    assert seen[0][1] == aiohttp.encode_basic_auth("user", "word")


def test_the_proxy_is_chosen_by_scheme_and_exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", ".intern.example,10.0.0.9")
    assert proxy_for(URL("https://log.example")) == URL("http://proxy.example:3128")
    for direct in ("http://log.example", "https://a.intern.example", "https://10.0.0.9", "https://127.0.0.1:8101"):
        assert proxy_for(URL(direct)) is None


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "gateway.localhost"])
def test_this_machine_is_reached_straight(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example", "10.0.0.1", "", "2001:db8::1"])
def test_others_are_not_this_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_nobody_is_followed_elsewhere_with_a_key_or_a_document(status: int) -> None:
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response(status=status, headers={"Location": "/private"}, body=b"")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", elsewhere)
    async with TestServer(app) as server, client_session() as session:
        client = GatewayClient(session, str(server.make_url("")), token="secret", retry_count_max=2)
        with pytest.raises(RedirectedProblem, match="not followed"):
            await client.call("GET", "/v1/keys", dict)
        with pytest.raises(RedirectedProblem):
            await client.call("POST", "/v1/credentials", dict, send={}, key="k")
        with pytest.raises(RedirectedProblem):
            async for _ in client.lines("GET", "/v1/batches/x/rows"):
                pass
    assert asked == ["/v1/keys", "/v1/credentials", "/v1/batches/x/rows"]
