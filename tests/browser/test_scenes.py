"""Every page and state as an employer, a learner and somebody with a screen reader meet it.

Small, wide, dark and printed. Each state is opened once, without scripts; all tests are about what was found then.
`make pictures` keeps pictures of all of them in `browser-results` at the root of the repository, to be looked at.
"""

import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import context_of
from tests.browser.looks import Lens, Look
from tests.browser.scenes import Scenes, every_scene
from tests.end_to_end.conftest import ROOT, Up
from tests.support.english_on_pages import english_on

AXE = ROOT / "tests" / "interop" / "judges" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / "browser-results"
WEIGHT_MAX = 150_000
_DEAD = 400
_WITH_TEXT_OF_A_DOCUMENT = {"claim-mine", "claim-expired-taken", "home-json-of-nothing"}
Looks = Mapping[str, Look]


@pytest.fixture(scope="module")
def scenes(browser: Browser, running: Up) -> Iterator[Scenes]:
    folder = Path(tempfile.mkdtemp(prefix="credentify-test-"))
    with every_scene(running.addresses(), folder) as made:
        yield made
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def looks(browser: Browser, scenes: Scenes, pytestconfig: pytest.Config) -> Iterator[Looks]:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `make interop-judges` installs it")
    pictures = PICTURES if pytestconfig.getoption("pictures", default=False) else None
    if pictures is not None:
        shutil.rmtree(pictures, ignore_errors=True)
        pictures.mkdir()
    context = context_of(browser, locale="en-GB")
    lens = Lens(context.new_page(), AXE.read_text(encoding="utf-8"), pictures)
    yield {name: lens.look(name, opened) for name, opened in scenes.states.items()}
    context.close()


def test_axe_holds_nothing_against_any_page_in_light_or_dark(looks: Looks) -> None:
    assert {name: look.axe for name, look in looks.items() if look.axe} == {}


def test_nothing_scrolls_sideways_on_a_telephone_or_a_desk(looks: Looks) -> None:
    assert {name: look.wide for name, look in looks.items() if look.wide} == {}


def test_no_page_is_heavy_asks_others_or_is_refused_anything_by_its_own_policy(looks: Looks) -> None:
    assert {name: look.weight for name, look in looks.items() if not look.weight < WEIGHT_MAX} == {}
    assert {name: look.outside for name, look in looks.items() if look.outside} == {}
    assert {name: look.refused for name, look in looks.items() if look.refused} == {}


def test_a_verdict_is_printed_on_one_sheet(looks: Looks) -> None:
    assert {name: look.sheets for name, look in looks.items() if look.sheets > 1} == {}
    assert {name for name, look in looks.items() if look.sheets} >= {"sent-en", "sent-impaired", "record-revoked"}


def test_no_page_shows_a_regular_expression_or_the_inside_of_a_program(looks: Looks) -> None:
    for name, look in looks.items():
        if not name.startswith("docs-") and name not in _WITH_TEXT_OF_A_DOCUMENT:
            found = [text for text in ("matching regex", "\\Z", "^[", "Traceback", '{"', "None,") if text in look.text]
            assert not found, name


def test_records_that_are_old_call_nothing_active(looks: Looks) -> None:
    for name in ("stale-sent", "stale-record", "stale-stack"):
        assert "Cannot be confirmed" in looks[name].text
        assert "active since" not in looks[name].text
        assert "still hold." not in looks[name].text
    assert "Nicht zu bestätigen" in looks["stale-record-de"].text


def test_refusals_are_pages_with_their_status(looks: Looks) -> None:
    expected = {"lost-verifier": 404, "lost-gateway": 404, "lost-ledger": 404, "lost-method": 405, "lost-key": 401}
    expected |= {"statistics-wrong": 422, "record-wrong-time": 422, "home-unreadable": 400, "achievement-no-name": 422}
    expected |= {"recognition-form-faults": 422, "office-sign-in": 401, "office-refused": 401, "office-lost": 404}
    assert {name: looks[name].status for name in expected} == expected


def test_a_proven_document_says_whose_it_is_and_one_that_is_not_shows_nothing_of_it(looks: Looks) -> None:
    for words in (
        "Flood risk communication",
        "Awarded to Zoë van den Broecke-Wiśniewska",
        "Hogeschool Waterland",
        "Valid",
    ):
        assert words in looks["sent-en"].text
    for name in ("sent-altered", "sent-stranger"):
        assert "Broecke" not in looks[name].text
    for name in ("record-en", "record-revoked"):
        assert "holds no name" in looks[name].text
        assert "Broecke" not in looks[name].text


def test_no_page_in_another_language_says_anything_of_ours_in_english(looks: Looks, scenes: Scenes) -> None:
    seen = {name: list(english_on(look.html)) for name, look in looks.items()}
    assert {name: found for name, found in seen.items() if found} == {}
    asked = {
        name: look.url
        for name, look in looks.items()
        if look.url.startswith("http") and "lang=" not in look.url and not name.startswith("docs-")
    }
    languages = {name: ("de", "es", "fr")[number % 3] for number, name in enumerate(asked)}
    pages = {f"{name} {languages[name]}": scenes.page_in(languages[name], url) for name, url in asked.items()}
    assert {name for name, html in pages.items() if f'<html lang="{name[-2:]}">' not in html} == set()
    assert {name: found for name, html in pages.items() if (found := list(english_on(html)))} == {}


def test_no_link_leads_nowhere(looks: Looks) -> None:
    links = {
        link: name
        for name, look in looks.items()
        for link in look.links
        if link.startswith("http") and not (look.status >= _DEAD and "lang=" in link)  # the same again
    }
    of_office = {link for link in links if "/office" in link}
    assert {link: name for link, name in links.items() if link not in of_office and _status(link) >= _DEAD} == {}
    assert {_status(link) for link in of_office} == {401}, "who is not signed in is asked to"


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
