"""One real browser for the tests of pages, the running services that they share, and a way to speak to them."""

import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from tests.end_to_end.conftest import POLL_S, Up
from tests.support.run_folders import make_run_folder

OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


NOT_FOUND = 404
HUNG_MS = 120_000
"""What a browser has not found by then, it never will; a busy machine takes longer than Playwright's own bounds."""
expect.set_options(timeout=HUNG_MS)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option, where `tests/browser` is named on the command line."""
    group = parser.getgroup("pictures")
    group.addoption("--pictures", action="store_true", default=False, help="keep a picture of every page and state")


def chromium() -> str:
    """Return the program of a Chromium, or skip the test."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine: install the package chromium to run the browser tests")
    return program


def context_of(browser: Browser, **options: Any) -> BrowserContext:
    """Return a context of a browser that waits as long for a page, a file or an element as a busy machine may take."""
    context = browser.new_context(**options)
    context.set_default_timeout(HUNG_MS)
    return context


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of one file: while it runs, no other test of this process may run a loop of its own."""
    program = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def running() -> Iterator[Up]:
    """The services as `credentify up --demo` starts them, once for all tests of pages."""
    chromium()  # without one nobody needs them
    folder = make_run_folder()
    stack = Up(folder / "data")
    try:
        stack.start("--demo")
        yield stack
    finally:
        stack.stop()
        shutil.rmtree(folder)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of a telephone's width, without scripts."""
    context = context_of(browser, java_script_enabled=False, viewport={"width": 390, "height": 844})
    opened = context.new_page()
    yield opened
    context.close()


def send(method: str, url: str, body: Any = None, headers: Mapping[str, str] | None = None) -> bytes:
    """Send a request, a body as JSON, and return the answer; a refusal's own words stand under its traceback."""
    data = None if body is None else msgspec.json.encode(body)
    sent = dict(headers or {}) | ({} if data is None else {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, sent, method=method), timeout=120) as answer:
            content: bytes = answer.read()
            return content
    except urllib.error.HTTPError as fault:
        fault.add_note(f"{method} {url}: {fault.read()[:2000]!r}")
        raise


def wait_until_followed(verifier: str, credential_id: str) -> None:
    """Wait until the verifier knows a credential: what was put on the log is shown there a moment later."""
    give_up_at = time.monotonic() + HUNG_MS / 1_000
    while True:
        try:
            send("GET", f"{verifier}/v1/credentials/{credential_id}")
        except urllib.error.HTTPError as fault:
            if fault.code != NOT_FOUND or time.monotonic() > give_up_at:
                raise
            time.sleep(POLL_S)
        else:
            return


def offer_programme(gateway: str, headers: Mapping[str, str], uri: str, title: str) -> None:
    """Let an institution take applications towards one more programme: what other tests said it offers stays."""
    offered = msgspec.json.decode(send("GET", f"{gateway}/v1/settings", headers=headers)).get("programmes") or []
    others = [each for each in offered if each["uri"] != uri]
    send("PUT", f"{gateway}/v1/settings", {"programmes": [*others, {"uri": uri, "title": title}]}, headers)
