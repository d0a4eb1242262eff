"""A learner in a real browser without scripts: asks, is accepted, saves the credential; claims one by a link."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Page, expect

from proto.documents.open_badge_names import IRIS
from services.command.home import Addresses
from tests.browser.conftest import context_of, send
from tests.end_to_end.conftest import Up

ACHIEVEMENT = {
    "id": "clinic",
    "title": {"en": "Water clinic"},
    "description": {"en": "Asks about <water>"},
    "criteria": {"en": "Be there"},
    "language": "en",
    "ects_hundredths": 100,
    "takes_requests": True,
}


class Waterland:
    """An institution of a running gateway that takes requests for one achievement."""

    def __init__(self, addresses: Addresses) -> None:
        state = msgspec.json.decode((Path(addresses.data) / "demo" / "state.json").read_bytes())
        self._headers = {"Authorization": f"Bearer {state['api_keys']['waterland']}"}
        self.url = addresses.gateway
        self.achievement: dict[str, Any] = self.send("POST", "/v1/achievements", ACHIEVEMENT)["achievement"]

    def send(self, method: str, path: str, body: Any = None) -> Any:
        return msgspec.json.decode(send(method, self.url + path, body, self._headers))

    def asked_by(self, name: str) -> dict[str, Any]:
        """Return the open request of somebody of this family name; others may wait beside it."""
        found = self.send("GET", "/v1/requests?state=open&limit=100")["requests"]
        (request,) = (each for each in found if each["wish"].get("family_name") == name)
        return dict(request)


@pytest.fixture(scope="module")
def waterland(running: Up) -> Waterland:
    return Waterland(running.addresses())


def _ask(page: Page, waterland: Waterland, name: str) -> None:
    page.goto(f"{waterland.url}/issuers/waterland/achievements/clinic/page")
    expect(page.locator("h1")).to_have_text("Water clinic")
    page.get_by_label("Family name").fill(name)
    page.get_by_role("button", name="Ask for it").click()
    expect(page.locator(".verdict .word")).to_have_text("Waiting for the institution")
    assert re.search(r"/requests/cfr_[\w-]{43}$", page.url)


def test_a_learner_asks_and_saves_the_credential_once_it_was_accepted(page: Page, waterland: Waterland) -> None:
    _ask(page, waterland, "Ó Briain")
    request = waterland.asked_by("Ó Briain")
    waterland.send("POST", f"/v1/requests/{request['request_id']}/accept", {})
    page.reload()
    expect(page.locator(".verdict .word")).to_have_text("Accepted")
    with page.expect_download() as download:
        page.get_by_role("link", name="Save the credential").click()
    document = msgspec.json.decode(download.value.path().read_bytes())
    assert document["credentialSubject"][IRIS["familyName"]] == "Ó Briain"


def test_a_form_without_a_name_is_explained_and_what_was_typed_stays(page: Page, waterland: Waterland) -> None:
    page.goto(f"{waterland.url}/issuers/waterland/achievements/clinic/page")
    page.get_by_label("What the institution should know").fill("s-77")
    page.get_by_role("button", name="Ask for it").click()
    expect(page.get_by_role("alert")).to_contain_text("State a given or a family name")
    expect(page.get_by_label("What the institution should know")).to_have_value("s-77")


def test_a_learner_reads_the_reason_and_another_withdraws(page: Page, waterland: Waterland) -> None:
    _ask(page, waterland, "Rejected")
    request = waterland.asked_by("Rejected")
    waterland.send("POST", f"/v1/requests/{request['request_id']}/reject", {"reason": "You were not there"})
    page.reload()
    expect(page.locator(".reason")).to_have_text("You were not there")
    _ask(page, waterland, "Withdrawn")
    page.get_by_role("button", name="Withdraw and erase").click()
    expect(page.locator(".verdict .word")).to_have_text("Withdrawn")
    expect(page.locator("body")).to_contain_text("What you wrote was erased")


def test_a_link_gives_its_credential_once(page: Page, waterland: Waterland) -> None:
    award = {
        "learner": {"ref": "s-1", "family_name": "Ó Briain"},
        "achievement": waterland.achievement["uri"],
        "valid_from": "2026-01-01T00:00:00Z",
    }
    link = waterland.send("POST", "/v1/claims", {"award": award})["link"]
    page.goto(link)
    page.get_by_role("button", name="Get my credential").click()
    expect(page.locator(".verdict .word")).to_have_text("It is yours")
    with page.expect_download() as download:
        page.locator("#document").click()
    document = msgspec.json.decode(download.value.path().read_bytes())
    assert document["credentialSubject"][IRIS["familyName"]] == "Ó Briain"
    assert re.fullmatch(r"credential-[0-9a-f]{12}\.json", download.value.suggested_filename)
    page.goto(link)
    expect(page.locator(".verdict .word")).to_have_text("Used by you")
    page.get_by_role("button", name="Get my credential again").click()
    expect(page.locator(".verdict .word")).to_have_text("It is yours")
    browser = page.context.browser
    assert browser is not None
    somebody_else = context_of(browser).new_page()
    somebody_else.goto(link)
    expect(somebody_else.locator(".verdict .word")).to_have_text("Used already")
    somebody_else.context.close()
