"""One real browser for the tests of pages, and a way to speak to the services beside it."""

import shutil
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, sync_playwright

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine: install the package chromium to run the browser tests")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield started
        started.close()


def send(method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Send a request, a body as JSON, and return the answer."""
    data = None if body is None else msgspec.json.encode(body)
    sent = dict(headers or {}) | ({} if data is None else {"Content-Type": "application/json"})
    with urllib.request.urlopen(urllib.request.Request(url, data, sent, method=method), timeout=10) as answer:
        content: bytes = answer.read()
        return content
