"""The page for the reader's own browser: sealed, in every language, and with the policy of whoever shows it."""

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest

from proto.log.policy import parse_policy
from services.policy_file import policy_text
from services.verifier import pages
from services.verifier.languages import LANGUAGES
from services.verifier.languages.english import STATES
from services.verifier.pages.offline import UNJUDGED, WORDS, OfflinePage
from services.verifier.pages.said import PageLanguage
from tests.support.bundles import witness_policy_text
from tests.support.worlds import World

POLICY = "# </script><script>alert(1)</script>\nquorum none\n"
TEMPLATE = Path(pages.__file__).parent / "offline.html.jinja"


def _page(code: str = "en") -> tuple[str, str]:
    """Return the page and its policy of content."""
    page = OfflinePage(policy=POLICY)
    return page.html(PageLanguage(language=LANGUAGES[code])), page.seal


def _source(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_page_may_run_its_own_script_and_reach_nothing() -> None:
    html, seal = _page()
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    style = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    assert [len(script), len(style)] == [1, 1]
    assert f"script-src '{_source(script[0])}'" in seal
    assert f"style-src '{_source(style[0])}'" in seal
    assert seal.startswith("default-src 'none'; ")
    assert "connect-src" not in seal
    assert seal.replace("'", "&#39;") in html, "also where it is kept"
    assert not re.search(r'(src|href)="https?:', html)


def test_it_is_one_file_under_the_weight_of_a_page_beside_its_libraries() -> None:
    html, _ = _page()
    assert len(gzip.compress(html.encode())) < 100_000, "as it is sent"


@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_a_language_has_every_word_of_it(code: str) -> None:
    wanted = {*WORDS.values(), *STATES.values(), *re.findall(r't\("([^"]+)"', TEMPLATE.read_text(encoding="utf-8"))}
    assert wanted - LANGUAGES[code].words.keys() == set()
    html, _ = _page(code)
    said = json.loads(re.findall(r'id="words">(.*?)</script>', html, re.DOTALL)[0])
    assert said["why"] == LANGUAGES[code].word("Why")
    assert said["formats"] == {name: LANGUAGES[code].sentences[name] for name in UNJUDGED}


def test_the_policy_is_that_of_the_service_with_what_its_settings_add(tmp_path: Path) -> None:
    world = World()
    file, vkey = tmp_path / "policy", world.log_key.verifier.text
    file.write_text(witness_policy_text(world))
    pin = world.registrar.did
    assert parse_policy(policy_text(None, [vkey], [pin]).encode()).pins == (pin,)
    found = parse_policy(policy_text(file, [vkey], [pin]).encode())
    assert (len(found.logs), found.quorum, found.pins) == (1, "w", (pin,))
