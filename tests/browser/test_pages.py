"""The verifier's pages as an employer sees them: a real browser, the real services, the demo's documents."""

import re
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Page, expect

from proto.documents.content import content_of
from services.command.home import Addresses
from tests.browser.conftest import send
from tests.end_to_end.conftest import Up
from tests.support.documents import full_document
from tests.support.drawn_stacks import node, page_of_stack


@pytest.fixture(scope="module")
def demo(running: Up) -> tuple[Addresses, dict[str, str]]:
    rows = msgspec.json.decode(running.command("demo", "--json").stdout)["rows"]
    return running.addresses(), {row["step"]: row["id"] for row in rows if row["id"]}


def _document(addresses: Addresses, credential_id: str) -> bytes:
    state = msgspec.json.decode((Path(addresses.data) / "demo" / "state.json").read_bytes())
    headers = {"Authorization": f"Bearer {state['api_keys']['waterland']}"}
    return send("GET", f"{addresses.gateway}/v1/credentials/{credential_id}/document", headers=headers)


def test_a_pasted_document_gets_a_verdict_in_words(page: Page, demo: tuple[Addresses, dict[str, str]]) -> None:
    addresses, ids = demo
    page.goto(addresses.verifier + "/")
    page.locator("textarea").fill(_document(addresses, ids["imported"]).decode())
    page.locator("button[type=submit], input[type=submit]").first.click()
    expect(page.locator(".verdict .word")).to_have_text("Valid")
    expect(page.locator("body")).to_contain_text("Hogeschool Waterland")


def test_a_chosen_file_of_an_altered_document_is_refused(
    page: Page, demo: tuple[Addresses, dict[str, str]], tmp_path: Path
) -> None:
    addresses, ids = demo
    file = tmp_path / "altered.json"
    file.write_bytes(_document(addresses, ids["imported"]).replace(b"Waterland", b"Wasserland", 1))
    page.goto(addresses.verifier + "/")
    page.locator("input[type=file]").set_input_files(file)
    page.locator("button[type=submit], input[type=submit]").first.click()
    expect(page.locator(".verdict .word")).to_have_text("Not valid")


def test_the_public_page_of_an_impaired_stack_says_what_still_holds(
    page: Page, demo: tuple[Addresses, dict[str, str]]
) -> None:
    addresses, ids = demo
    page.goto(f"{addresses.verifier}/c/{ids['stacked']}")
    for words in ("3.5", "6.5", "impaired", "revoked"):
        expect(page.locator("body")).to_contain_text(words, ignore_case=True)


def test_an_unknown_credential_has_a_page_with_words(page: Page, demo: tuple[Addresses, dict[str, str]]) -> None:
    answer = page.goto(f"{demo[0].verifier}/c/{'0' * 64}")
    assert answer is not None
    assert answer.status == 404
    expect(page.locator("h1, .word").first).to_be_visible()


def test_a_verdict_is_reached_and_read_by_keyboard_alone(page: Page, demo: tuple[Addresses, dict[str, str]]) -> None:
    addresses, ids = demo
    page.goto(addresses.verifier + "/")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    _tab_to(page, "textarea#document")
    page.keyboard.insert_text(_document(addresses, ids["imported"]).decode())
    _tab_to(page, "form[method=post] button")
    page.keyboard.press("Enter")
    expect(page.locator(".verdict .word")).to_have_text("Valid")
    checks = page.locator("details:has(#checks)")
    expect(checks.locator("ul")).to_be_hidden()
    _tab_to(page, "details:has(#checks) > summary")
    page.keyboard.press("Enter")
    expect(checks.locator("ul")).to_be_visible()


def test_the_register_is_searched_and_an_institution_opened_by_keyboard_alone(
    page: Page, demo: tuple[Addresses, dict[str, str]]
) -> None:
    page.goto(demo[0].verifier + "/issuers")
    _tab_to(page, "input[name=q]")
    page.keyboard.insert_text("waterland")
    page.keyboard.press("Enter")
    page.wait_for_url("**/issuers?*q=waterland*")
    _tab_to(page, "ul.rows a")
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_contain_text("Hogeschool Waterland")


def test_the_catalogue_is_narrowed_by_keyboard_alone(page: Page, demo: tuple[Addresses, dict[str, str]]) -> None:
    page.goto(demo[0].verifier + "/achievements")
    _tab_to(page, "select[name=level]")
    page.keyboard.press("End")
    _tab_to(page, "main form button")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("level=[1-8]&"))
    expect(page.locator("select[name=level]")).not_to_have_value("")


def test_another_day_is_asked_for_by_the_date_picker(page: Page, demo: tuple[Addresses, dict[str, str]]) -> None:
    addresses, ids = demo
    page.goto(f"{addresses.verifier}/c/{ids['imported']}")
    page.locator("details:has(#history) > summary").click()
    page.locator("#at").fill("2020-02-03")
    page.locator("form.dates button").click()
    expect(page.locator("body")).to_contain_text("Asked for 2020-02-03.")
    expect(page.locator("body")).to_contain_text("This is how it stands today")
    expect(page.locator("#at")).to_have_value("2020-02-03")


def _tab_to(page: Page, selector: str) -> None:
    for _ in range(60):
        if page.locator(f"{selector}:focus").count():
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {selector} by the Tab key")


def test_a_stack_of_as_many_parts_as_there_may_be_is_printed_on_one_sheet(page: Page) -> None:
    title = {"en": "Hydrodynamic dike stability calculation methods for the staff of water boards"}
    fallen = msgspec.structs.replace(node(100, 0, "revoked"), title=title)
    for count, content in ((252, None), (252, content_of(full_document())), (12, None)):
        page.set_content(page_of_stack((fallen,) * count, content))
        assert page.pdf(format="A4").count(b"/Type /Page\n") == 1, (count, content)
