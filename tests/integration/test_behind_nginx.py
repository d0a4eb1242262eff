"""Behind a reverse proxy that has us under a path of its own: links, forms, redirects, DIDs and streams work."""

import asyncio
import contextlib
import io
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from services.edge import EdgeConfig, LineWriter, Log, Media, Route, listening, make_app
from tests.support.ports import free_port
from tests.support.verifiers import Verifier, verifier

__all__ = ["verifier"]

pytestmark = pytest.mark.skipif(
    shutil.which("nginx") is None, reason="nginx is not installed; apt-get install nginx-light gives it"
)
SECONDS_MAX = 120.0
_CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log stderr; worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{ listen 127.0.0.1:{port}; location /verify/ {{ proxy_pass {upstream}/; proxy_http_version 1.1; }} }}
}}
"""


@contextlib.asynccontextmanager
async def nginx(upstream: str, folder: Path) -> AsyncIterator[URL]:
    """Run nginx before a service, which it has under `/verify/`, with what it does by default."""
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, port=port, upstream=upstream))
    process = await asyncio.create_subprocess_exec("nginx", "-e", "stderr", "-p", str(folder), "-c", str(config))
    try:
        async with asyncio.timeout(SECONDS_MAX):
            while not await _listens(port):
                assert process.returncode is None, "nginx ended"
                await asyncio.sleep(0.02)
        yield URL(f"http://127.0.0.1:{port}/verify/")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def test_pages_forms_and_redirects_stay_under_the_path(verifier: Verifier, tmp_path: Path) -> None:
    async with nginx(verifier.url, tmp_path) as base, aiohttp.ClientSession() as session:

        async def page(url: URL, status: int = 200, **sent: str) -> tuple[URL, str]:
            method = "POST" if sent else "GET"
            async with session.request(method, url, data=sent or None) as response:
                assert response.status == status, url
                return response.url, await response.text()

        home, html = await page(base)
        for link in re.findall(r'href="([^"#]+)"', html):
            if not link.startswith(("data:", "http")):
                await page(home.join(URL(link.replace("&amp;", "&"), encoded=True)))
        action = re.findall(r'method="post" action="([^"]*)"', html)[0]
        await page(home.join(URL(action)), status=400, document="no credential")
        looked_up, html = await page(home.update_query(id="0" * 64), status=404)
        assert looked_up.path == f"/verify/c/{'0' * 64}"
        for link in re.findall(r'href="(\.[^"]*)"', html):
            assert looked_up.join(URL(link)).path.startswith("/verify/")
        typed, _ = await page(home.update_query(id="no id"), status=422)
        assert typed.path == base.path
        _, docs = await page(base / "docs")
        assert 'href="openapi.json"' in docs
        async with session.get(base / "openapi.json") as response:
            described = await response.json()
        assert (base / "openapi.json").join(URL(described["servers"][0]["url"])) == base


async def test_an_institution_is_found_by_its_did_through_the_proxy(verifier: Verifier, tmp_path: Path) -> None:
    verifier.world.admit("localhost%3A8102:issuers:waterland", uri_prefixes=("https://waterland.example/",))
    await verifier.catches_up()
    async with nginx(verifier.url, tmp_path) as base, aiohttp.ClientSession() as session:
        for path in (
            "did:web:localhost%3A8102:issuers:waterland.example",
            "did%3Aweb%3Alocalhost%253A8102%3Aissuers%3Awaterland.example",
        ):
            async with session.get(URL(f"{base}v1/issuers/{path}", encoded=True)) as response:
                assert response.status == 200, await response.text()


async def test_a_stream_is_passed_on_as_it_is_made(tmp_path: Path) -> None:
    gate = asyncio.Event()

    async def stream(request: web.Request) -> web.StreamResponse:
        async with LineWriter(request) as lines:
            await lines.write({"line": 1})
            await gate.wait()
            await lines.write({"line": 2})
        return lines.response

    routes = [Route("GET", "/stream", stream, summary="x", response={200: Media("application/x-ndjson")})]
    app = make_app("s", routes, config=EdgeConfig(), log=Log("s", io.BytesIO()), version="1", description="")
    async with (
        asyncio.timeout(SECONDS_MAX),
        listening(app, host="127.0.0.1", port=0) as address,
        nginx(address.url, tmp_path) as base,
        aiohttp.ClientSession() as session,
        session.get(base / "stream") as response,
    ):
        assert await response.content.readline() == b'{"line":1}\n'
        gate.set()
        assert await response.content.readline() == b'{"line":2}\n'
