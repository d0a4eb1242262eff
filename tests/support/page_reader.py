"""A browser without scripts, as an office or an applicant uses the gateway's pages."""

import re
from collections.abc import Mapping
from typing import Any, Self

import aiohttp
from yarl import URL

from tests.support.gateways import RunningGateway


class Reader:
    """A browser without scripts: follows redirects, keeps cookies, reads German where it is asked to."""

    def __init__(self, gateway: RunningGateway, language: str = "en") -> None:
        self.url = self._url = gateway.url
        jar = aiohttp.CookieJar(unsafe=True)
        self.session = aiohttp.ClientSession(cookie_jar=jar, headers={"Accept-Language": language})
        self.address, self.status, self.text = "", 0, ""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()

    async def open(self, path: str) -> str:
        async with self.session.get(URL(self._url + path)) as response:
            self.address, self.status, self.text = response.url.path, response.status, await response.text()
            assert "no-store" in response.headers["Cache-Control"]
        return self.text

    async def send(self, path: str, fields: Mapping[str, Any], *files: bytes, under: str = "files") -> str:
        form = aiohttp.FormData()
        for name, value in fields.items():
            form.add_field(name, value)
        for number, content in enumerate(files):
            form.add_field(under, content, filename=f"{number}.json", content_type="application/octet-stream")
        async with self.session.post(self._url + path, data=form if files else dict(fields)) as response:
            self.address, self.status, self.text = response.url.path, response.status, await response.text()
        return self.text

    async def sign_in(self, key: str, then: str = "/office/applications") -> str:
        return await self.send("/office/session", {"key": key, "then": then})

    async def decide(self, path: str, number: int, fields: Mapping[str, str]) -> str:
        return await self.send(f"{path}/items/{number}", {"token": self.token, **fields})

    @property
    def token(self) -> str:
        found = re.search(r'name="token" value="([^"]+)"', self.text)
        assert found, self.text
        return found[1]
