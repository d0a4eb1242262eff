"""Sentences in the reader's language, over real HTTP: by header and by name, as JSON, lines and pages."""

import html
import io
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto.documents.vocabulary import CONCEPTS, RESULT_STATUS_LABELS
from proto.visible_text import within_sentence
from services.command import offline_words
from services.verifier import pages
from services.verifier.documents import other_formats
from services.verifier.languages import DEFAULT, ENGLISH, LANGUAGES, Language, log_words, negotiated
from services.verifier.languages.english import FIELDS, OTHER_PURPOSE, PURPOSES, REASONS, SENTENCES, STATES
from services.verifier.pages import list_words, words
from services.verifier.verdict.findings import finding
from tests.support.awarded import Awarded, award, stack
from tests.support.document_files import pdf
from tests.support.served_logs import served
from tests.support.verifiers import Verifier, running
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


def _texts(value: object) -> Iterator[str]:
    """Return every text of a table of words; its keys are codes."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _texts(inner)


@each
def test_a_language_has_every_word_of_the_pages(language: Language) -> None:
    wanted = {*STATES.values(), *REASONS.values(), *log_words.SAID.values(), log_words.OTHER}
    wanted |= {*PURPOSES.values(), OTHER_PURPOSE, *other_formats.SAID, *RESULT_STATUS_LABELS.values()}
    wanted |= {concept.label for concept in CONCEPTS.values()}
    for table in (value for name, value in vars(offline_words).items() if name.isupper() and name != "LATER"):
        wanted |= set(_texts(table))
    wanted |= {sentence for _, sentence in offline_words.LATER.values()}
    for name, table in {**vars(words), **vars(list_words)}.items():
        if name.isupper() and name not in {"MARKS", "SIGNS"}:
            wanted |= set(_texts(table))
    for template in PAGES.glob("*.jinja"):
        wanted |= set(re.findall(r'\b(?:t|phrase)\("([^"]+)"', template.read_text()))
    assert wanted - language.words.keys() == set()


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)
_MOMENT = st.sampled_from(["2026-03-01T10:00:00.000Z", "2026-03-01"])
_OF: dict[str, st.SearchStrategy[Any]] = {
    "age": st.floats(0, 10**7),
    "reason": st.sampled_from(sorted(REASONS)),
    "purpose": st.sampled_from(sorted(PURPOSES)),
    "fields": st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, unique=True).map(tuple),
    "since": _MOMENT,
    "until": _MOMENT,
    "at": _MOMENT,
    "time": _MOMENT,
    "remaining": st.just(350),
    "declared": st.just(700),
}


@each
@given(data=st.data())
def test_every_value_of_a_sentence_comes_through(language: Language, data: st.DataObject) -> None:
    code = data.draw(st.sampled_from(sorted(SENTENCES)))
    values: dict[str, Any] = {name: data.draw(_OF.get(name, _TEXT)) for name in _VALUES.findall(SENTENCES[code])}
    found = finding("status", "unknown", code, **values)
    said, english = language.check(found), ENGLISH.check(found)
    assert (said.check, said.result, said.code) == (english.check, english.result, english.code)
    for name, value in values.items():
        for there in (said, english):
            assert _said(language if there is said else ENGLISH, name, value) in there.detail
    assert said.detail != english.detail


def _said(language: Language, name: str, value: Any) -> str:
    """Return how a value is to stand in a sentence."""
    if name == "age":
        return str(round(value)) if value < 100 else ""
    if name == "reason":
        return language.word(REASONS[value])
    if name == "purpose":
        return language.word(PURPOSES[value])
    if name == "fields":
        return ", ".join(language.word(FIELDS[field]) for field in value)
    if name in {"since", "until", "at", "time"}:
        return f"{value[:10]} {value[11:16]} UTC" if "T" in value else str(value)
    return {350: "3.5", 700: "7"}[value] if name in {"remaining", "declared"} else within_sentence(value)


@pytest.mark.parametrize(
    ("seconds", "english", "german"),
    [
        (0.4, "0 seconds", "0 Sekunden"),
        (1.2, "1 second", "1 Sekunde"),
        (119.0, "119 seconds", "119 Sekunden"),
        (120.0, "2 minutes", "2 Minuten"),
        (7_199.0, "119 minutes", "119 Minuten"),
        (7_200.0, "2 hours", "2 Stunden"),
        (172_800.0, "2 days", "2 Tagen"),
    ],
)
def test_an_age_is_said_in_the_largest_unit_that_it_has_two_of(seconds: float, english: str, german: str) -> None:
    assert (ENGLISH.duration(seconds), LANGUAGES["de"].duration(seconds)) == (english, german)


@each
def test_what_is_only_there_in_english_is_beside_the_sentence_and_never_inside_of_it(language: Language) -> None:
    fault = finding("proof", "invalid", "proof-wrong", fault="the signature is another's")
    said = language.check(finding("status", "unknown", "status-list-refused", fault=fault))
    assert said.detail == language.sentences["status-list-refused"]
    assert said.cause == f"{SENTENCES['proof-wrong']} the signature is another's"
    for code in SENTENCES:
        values = dict.fromkeys(_VALUES.findall(SENTENCES[code]), "")
        assert values.keys() <= _OF.keys() | {"issuer", "count", "fallen"}, "names and numbers, else words of ours"


@each
def test_a_purpose_that_nobody_knows_is_said_in_the_language_too(language: Language) -> None:
    said = language.check(finding("status", "invalid", "status-list-set", purpose="loan"))
    assert language.words[OTHER_PURPOSE] in said.detail
    assert "loan" not in said.detail


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
    assert f'href="?at=2030-01-01T00%3A00%3A00Z&amp;lang={OTHERS[0].code}"' in page  # what was asked for stays
    home = await verifier.page(f"/?lang={language.code}")
    assert word("Check a document").replace("'", "&#39;") in home
    assert f'action="./?lang={language.code}"' in home  # the answer to the form is in the same language
    form = {"document": part.data.decode()}
    async with verifier.session.post(f"{verifier.url}/?lang={language.code}", data=form) as response:
        assert word("The document that you sent") in await response.text()
    counts = await verifier.page(f"/statistics?lang={language.code}")
    for english in ("Statistics of the log", "In numbers", "Revoked", "Institution (its DID)"):
        assert word(english).replace("'", "&#39;") in counts
        assert english not in counts
    wrong = await verifier.page(f"/statistics?lang={language.code}&from=yesterday&country=nl", status=422)
    assert word(words.STATISTICS_FAULTS["from"]).replace("'", "&#39;") in wrong
    assert 'value="yesterday"' in wrong
    assert 'value="NL"' in wrong


async def _sent(verifier: Verifier, text: str | bytes, language: Language) -> str:
    form = aiohttp.FormData()
    form.add_field("file", text if isinstance(text, bytes) else text.encode(), filename="it")
    async with verifier.session.post(f"{verifier.url}/?lang={language.code}", data=form) as response:
        return html.unescape(await response.text())


@each
async def test_why_nothing_was_checked_is_said_in_the_language_and_what_is_in_english_says_so(
    verifier: Verifier, language: Language
) -> None:
    await verifier.catches_up()
    for text, said in (
        ("Dear Sir or Madam", words.REFUSALS["malformed"]),
        ('{"hello": "there"}', words.REFUSALS["not-an-open-badge"]),
        (pdf(), words.REFUSALS["pdf"]),
        ("<svg xmlns='http://www.w3.org/2000/svg'/>", words.REFUSALS["picture"]),
        ("<!doctype html><p>", next(each for each in other_formats.SAID if "XML" in each)),
    ):
        page = await _sent(verifier, text, language)
        assert language.words[said] in page
        (shown,) = re.findall(r'role="alert"[^>]*>(.*?)</div>', page, re.DOTALL)
        ours = re.sub(r'<span lang="en" dir="auto">.*?</span>', "", shown, flags=re.DOTALL)
        assert not re.search(r"\b(the|this|is|not)\b", re.sub(r"<[^>]*>", "", ours)), ours
