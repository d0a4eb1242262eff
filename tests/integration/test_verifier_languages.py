"""Sentences in the reader's language, over real HTTP: by header and by name, as JSON, lines and pages."""

import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.wire.verifier import Check
from services.verifier import pages
from services.verifier.languages import DEFAULT, LANGUAGES, Language, negotiated
from services.verifier.verdict.sentences import REASONS, SENTENCES, STATES, duration
from tests.integration.test_verifier_http import Verifier, running
from tests.support.awarded import Awarded, award, stack
from tests.support.served_logs import served
from tests.support.worlds import World, lately

OTHERS = [language for language in LANGUAGES.values() if language.code != DEFAULT]
PAGES = Path(pages.__file__).parent
_VALUES = re.compile(r"\{(\w+)\}")
each = pytest.mark.parametrize("language", OTHERS, ids=lambda language: str(language.code))


@each
def test_a_language_has_every_sentence_with_the_same_values(language: Language) -> None:
    assert language.sentences.keys() == SENTENCES.keys()
    for code, sentence in SENTENCES.items():
        assert sorted(_VALUES.findall(language.sentences[code])) == sorted(_VALUES.findall(sentence)), code
    for english, word in language.words.items():
        assert sorted(_VALUES.findall(word)) == sorted(_VALUES.findall(english)), english


@each
def test_a_language_has_every_word_of_the_pages(language: Language) -> None:
    wanted = {*pages.WORDS.values(), *pages.NAMES.values(), *pages.RESULTS.values(), *STATES.values()}
    wanted |= set(pages.LEVELS.values())
    wanted |= set(REASONS.values())
    for name in ("base", "home", "answer"):
        wanted |= set(re.findall(r't\("([^"]+)"', (PAGES / f"{name}.html.jinja").read_text()))
    assert wanted - language.words.keys() == set()


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


@each
@given(data=st.data())
def test_every_value_of_a_sentence_comes_through(language: Language, data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(sorted(SENTENCES)))
    values: dict[str, Any] = {name: data.draw(_TEXT) for name in _VALUES.findall(SENTENCES[code])}
    if "age" in values:
        values["age"] = duration(data.draw(st.integers(0, 10**7)))
    if "reason" in values:
        values["reason"] = data.draw(st.sampled_from(sorted(REASONS.values())))
    check = Check(check="status", result="unknown", code=code, detail=SENTENCES[code].format(**values))
    said = language.check(check)
    assert (said.check, said.result, said.code) == (check.check, check.result, check.code)
    if len(values) < 2:  # two free texts may be told apart in more than one way where one holds the words between
        for name, value in values.items():
            if name == "age":
                assert value.split()[0] in said.detail
            else:
                assert (language.word(value) if name == "reason" else value) in said.detail
    assert said.detail != check.detail


@pytest.mark.parametrize(
    ("header", "code"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "de"),
        ("de-AT, en;q=0.8", "de"),
        ("pt, fr;q=0.4, de;q=0.5", "de"),
        ("en, de;q=0.9", "en"),
        ("pt-BR, *;q=0.1", "en"),
        ("DE", "de"),
        ("de;q=0", "en"),
        ("de;q=7, ;;;, <script>", "en"),
        ("x" * 100_000, "en"),
    ],
)
def test_a_header_is_negotiated(header: str | None, code: str) -> None:
    assert negotiated(header).code == code


@pytest.fixture
async def verifier(tmp_path: Path) -> AsyncIterator[Verifier]:
    async with served(World(start=lately())) as log, running(log, tmp_path / "projection.sqlite") as found:
        yield found


async def scene(verifier: Verifier) -> tuple[Awarded, Awarded]:
    """Return a revoked part, and the stack of it and another."""
    world = verifier.world
    school = world.admit("school")
    parts = [award(world, school, ects_hundredths=300), award(world, school, ects_hundredths=350)]
    whole = stack(world, school, parts)
    world.advance(seconds=5)
    world.say(world.revocation(school, parts[0].credential_id))
    await verifier.catches_up()
    return parts[0], whole


def without_sentences(answer: dict[str, Any]) -> dict[str, Any]:
    checks = [{name: value for name, value in check.items() if name != "detail"} for check in answer["checks"]]
    return {**answer, "checks": checks, "question": None, "as_of": None}


@each
async def test_an_answer_is_the_same_in_every_language_but_for_its_sentences(
    verifier: Verifier, language: Language
) -> None:
    part, whole = await scene(verifier)
    for path in (f"/v1/credentials/{part.credential_id}", f"/v1/stacks/{whole.credential_id}"):
        async with verifier.session.get(verifier.url + path) as response:
            english, tag = await response.json(), response.headers.get("ETag")
            assert (response.headers["Content-Language"], response.headers["Vary"]) == ("en", "Accept-Language")
        headers = {"Accept-Language": f"{language.code}-XX, en;q=0.5"}
        async with verifier.session.get(verifier.url + path, headers=headers) as response:
            other = await response.json()
            assert response.headers["Content-Language"] == language.code
            assert tag is None or response.headers["ETag"] != tag
        assert without_sentences(other) == without_sentences(english)
        for ours, theirs in zip(english["checks"], other["checks"], strict=True):
            assert ours["detail"] != theirs["detail"]
            assert not _VALUES.search(theirs["detail"])
        named = await verifier.get(f"{path}?lang={language.code}")
        assert [check["detail"] for check in named["checks"][:-1]] == [c["detail"] for c in other["checks"][:-1]]
    sent = await verifier.post(part.data, query=f"?lang={language.code}")
    assert sent["verdict"] == "invalid"
    status = next(check["detail"] for check in sent["checks"] if check["check"] == "status")
    assert status.startswith(language.sentences["status-revoked"].partition("{")[0])
    assert any(status.endswith(f"{language.words[reason]}.") for reason in REASONS.values())
    async with verifier.session.post(
        f"{verifier.url}/v1/verifications?lang={language.code}",
        data=io.BytesIO(part.data.replace(b"\n", b"") + b"\n{}\n"),
        headers={"Content-Type": "application/x-ndjson"},
    ) as response:
        lines = [json.loads(line) for line in (await response.text()).splitlines()]
    assert lines[0]["answer"]["checks"][0]["detail"] == language.sentences["document-matches"]
    assert lines[1]["status"] != 200


async def test_a_kept_answer_of_another_language_is_not_taken_for_ours(verifier: Verifier) -> None:
    part, _ = await scene(verifier)
    url = f"{verifier.url}/v1/credentials/{part.credential_id}"
    async with verifier.session.get(url, headers={"Accept-Language": "de"}) as response:
        tag = response.headers["ETag"]
    async with verifier.session.get(url, headers={"Accept-Language": "de", "If-None-Match": tag}) as response:
        assert response.status == 304
    async with verifier.session.get(url, headers={"Accept-Language": "fr", "If-None-Match": tag}) as response:
        assert response.status == 200


@each
async def test_pages_are_in_the_language_and_link_to_the_others(verifier: Verifier, language: Language) -> None:
    part, _ = await scene(verifier)
    page = await verifier.page(f"/c/{part.credential_id}?lang={language.code}&at=2030-01-01T00:00:00Z")
    word = language.word
    for text in (f'<html lang="{language.code}">', word("Not valid"), word("What was checked"), word("revoked")):
        assert text in page
    for english in ("What was checked", "Put on record", "Asked for", "The institution, by"):
        assert english not in page
    assert f'href="?lang={OTHERS[0].code}"' in page
    home = await verifier.page(f"/?lang={language.code}")
    assert word("Check a document").replace("'", "&#39;") in home
    assert f'action="./?lang={language.code}"' in home  # the answer to the form is in the same language
    form = {"document": part.data.decode()}
    async with verifier.session.post(f"{verifier.url}/?lang={language.code}", data=form) as response:
        assert word("The document that you sent") in await response.text()
