"""Every page and state as an employer, a learner and somebody with a screen reader meet it.

Small, wide, dark and printed. Each state is opened once, without scripts; all tests are about what was found then.
Pictures of all of them are kept in `browser-results` at the root of the repository, to be looked at.
"""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.looks import Lens, Look
from tests.browser.scenes import every_scene
from tests.end_to_end.conftest import ROOT, Up

AXE = ROOT / "tests" / "interop" / "judges" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / "browser-results"
WEIGHT_MAX = 150_000
Looks = Mapping[str, Look]


@pytest.fixture(scope="module")
def looks(browser: Browser, running: Up) -> Iterator[Looks]:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `make interop-judges` installs it")
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir()
    folder = Path(tempfile.mkdtemp(prefix="credentify-test-"))
    context = browser.new_context(locale="en-GB")
    with every_scene(running.addresses(), folder) as scenes:
        lens = Lens(context.new_page(), AXE.read_text(encoding="utf-8"), PICTURES)
        yield {name: lens.look(name, opened) for name, opened in scenes.states.items()}
    context.close()
    shutil.rmtree(folder)


def test_axe_holds_nothing_against_any_page_in_light_or_dark(looks: Looks) -> None:
    assert {name: look.axe for name, look in looks.items() if look.axe} == {}


def test_nothing_scrolls_sideways_on_a_telephone_or_a_desk(looks: Looks) -> None:
    assert {name: look.wide for name, look in looks.items() if look.wide} == {}


def test_no_page_is_heavy_asks_others_or_is_refused_anything_by_its_own_policy(looks: Looks) -> None:
    assert {name: look.weight for name, look in looks.items() if not look.weight < WEIGHT_MAX} == {}
    assert {name: look.outside for name, look in looks.items() if look.outside} == {}
    assert {name: look.refused for name, look in looks.items() if look.refused} == {}
