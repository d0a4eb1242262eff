"""Papers: a supplement in the European order, archived and tagged, the document inside; bounded, never code."""

import asyncio
import io
import re
from pathlib import Path
from typing import Any

import msgspec
import pikepdf
import pypdfium2
import pytest
from msgspec.structs import replace
from PIL import Image
from pypdf import PdfReader

from proto.documents.baked_picture import credential_in
from proto.documents.content import content_of
from proto.documents.vocabulary import CONCEPTS, RESULT_STATUS_LABELS
from proto.problem import BusyProblem
from proto.wire.content import Content
from services.edge.qr_code import qr_svg
from services.issuer_gateway.languages import LANGUAGES, LearnerLanguage
from services.issuer_gateway.papers import papers as papers_module
from services.issuer_gateway.papers.papers import PaperProblem, Papers
from services.issuer_gateway.papers.standing import ShownState
from services.issuer_gateway.papers.supplement import CYCLES, Facts, breakable, paper, picture, sections
from tests.support.documents import full_document
from tests.support.made_facts import ID, NOW, made_facts

ENGLISH = LANGUAGES["en"]
DOCUMENT: bytes = msgspec.json.format(msgspec.json.encode(full_document()), indent=2)


async def _pdf(
    content: Content | None = None, facts: Facts | None = None, language: LearnerLanguage = ENGLISH
) -> bytes:
    facts = facts or made_facts()
    said = paper(content or content_of(full_document()), facts, language)
    return await Papers().pdf(said, document=DOCUMENT if facts.is_whole else None, address=facts.check_url)


def _text(pdf: bytes) -> str:
    """Return the text in reading order, its lines joined."""
    return re.sub(r"\s+", " ", " ".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages))


def _text_by_another(pdf: bytes) -> str:
    pages = pypdfium2.PdfDocument(pdf)
    return re.sub(r"\s+", " ", " ".join(page.get_textpage().get_text_bounded() for page in pages))


async def test_the_supplement_says_who_what_level_results_function_and_issuer_in_this_order() -> None:
    pdf = await _pdf()
    ordered = (
        "1. The holder",
        "2. The micro-credential",
        "Politechnika Nadmorska (PL)",
        "3. Level and workload",
        "EQF level 5 of 8",
        "2.5 ECTS",
        "4. Content and results",
        "Judges whether",
        "4.5",
        "5. Function",
        "6. Further information",
        "7. Who issued it",
        ID,
    )
    for text in (_text(pdf), _text_by_another(pdf)):
        place = 0
        for words in ordered:
            place = text.index(words, place)
        assert text.index("Łukasz Ó Briain") < text.index("1. The holder")


async def test_it_is_archived_tagged_titled_and_holds_the_document_as_it_is() -> None:
    pdf = await _pdf()
    with pikepdf.open(io.BytesIO(pdf)) as found:
        with found.open_metadata() as metadata:
            assert metadata.pdfa_status == "3A"
            assert metadata["pdfuaid:part"] == "1"
        assert found.Root.MarkInfo.Marked
        assert found.Root.Lang == "en"
        assert "Data literacy" in str(found.docinfo["/Title"])
        assert found.Root.ViewerPreferences.DisplayDocTitle
        (spec,) = (found.attachments[name] for name in found.attachments)
        assert spec.get_file().read_bytes() == DOCUMENT
        assert spec.obj.AFRelationship == "/Source"
        assert found.check_pdf_syntax() == []
    assert PdfReader(io.BytesIO(pdf)).attachments == {"credential.json": [DOCUMENT]}


@pytest.mark.parametrize("state", ["revoked", "suspended", "expired", "impaired", "unknown"])
async def test_what_does_not_hold_says_so_first(state: str) -> None:
    text = _text(await _pdf(facts=made_facts(state)))
    word = ShownState(state=state, at=NOW).word(ENGLISH)
    assert word in text[: text.index("1. The holder")]


def test_only_what_is_active_is_green() -> None:
    signs = {
        state: ShownState(state=state, at=NOW).sign for state in ("active", "revoked", "suspended", "odd", "impaired")
    }
    assert signs == {
        "active": "valid",
        "revoked": "invalid",
        "suspended": "indeterminate",
        "odd": "indeterminate",
        "impaired": "indeterminate",
    }


async def test_names_in_latin_greek_and_cyrillic_are_printed_and_letters_without_a_font_are_marked() -> None:
    content = content_of(full_document())
    for name in ("Łącka Ştefan Ængström", "Ελένη Παπαδοπούλου", "Волохонский Юрій", "תמר", "محمد"):
        pdf = await _pdf(replace(content, holder=replace(content.holder, name=name)))
        assert "▯" not in _text(pdf)
    assert "Ελένη" in _text(await _pdf(replace(content, holder=replace(content.holder, name="Ελένη"))))
    text = _text(await _pdf(replace(content, holder=replace(content.holder, name="Anna 王小明"))))
    assert "Anna ▯▯▯" in text
    assert "Letters that could not be printed" in text


async def test_what_a_document_says_is_never_code() -> None:
    words = '#panic("x") #read("/etc/passwd") $x$ *bold* @ref <label> \\ " ``` = heading #import "@preview/a:1.0.0": *'
    content = content_of(full_document())
    content = replace(content, title={"en": words}, narrative=words, holder=replace(content.holder, name=words))
    pdf = await _pdf(content, made_facts(legal_name=words))
    assert '#read("/etc/passwd")' in _text(pdf)


async def test_texts_without_end_stay_within_bounds_or_are_refused_with_words(monkeypatch: pytest.MonkeyPatch) -> None:
    content = replace(content_of(full_document()), narrative="x" * 10_000, description={"en": "y\n" * 5_000})
    assert (await _pdf(content)).startswith(b"%PDF-1.7")
    costly = Papers(program=("-c", "import os, signal; os.kill(os.getpid(), signal.SIGXCPU)"))
    with pytest.raises(PaperProblem, match="too long for a paper"):
        await costly.pdf({}, document=None, address=None)
    monkeypatch.setattr(papers_module, "MAKE_SECONDS_MAX", 0.2)
    slow = Papers(program=("-c", "import time; time.sleep(60)"))
    with pytest.raises(BusyProblem, match="ask again"):
        await slow.pdf({}, document=None, address=None)


async def test_a_program_that_breaks_is_told_in_words_and_others_go_on() -> None:
    broken = Papers(program=("-c", "import sys; sys.stderr.write('MemoryError'); sys.exit(1)"))
    found = await asyncio.gather(
        *(broken.pdf({}, document=None, address=None) for _ in range(3)), return_exceptions=True
    )
    assert all(isinstance(each, PaperProblem) and "MemoryError" in each.detail for each in found)


async def test_a_paper_of_chosen_parts_has_no_document_and_says_so() -> None:
    pdf = await _pdf(facts=made_facts(is_whole=False))
    assert PdfReader(io.BytesIO(pdf)).attachments == {}
    assert "parts that the holder chose to show" in _text(pdf)


async def test_without_a_verifier_there_is_no_code_and_no_address() -> None:
    pdf = await _pdf(facts=made_facts(check_url=None))
    assert "Check it at" not in _text(pdf)


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=lambda language: language.code)
async def test_a_paper_is_in_each_language(language: LearnerLanguage) -> None:
    pdf = await _pdf(language=language)
    assert language.word("The holder") in _text(pdf)
    with pikepdf.open(io.BytesIO(pdf)) as found:
        assert found.Root.Lang == language.code


async def test_a_language_and_a_cycle_are_named_and_a_row_is_not_broken_between_two_pages() -> None:
    content = content_of(full_document())
    assert content.level.cycle == "short-cycle"
    for code, cycle in (("en", "short cycle of higher education"), ("de", "Kurzzyklus der Hochschulbildung")):
        text = _text(await _pdf(language=LANGUAGES[code]))
        assert cycle in text
        assert "Polski" in text
    for lines in (30, 31, 32, 33):
        long = replace(content, description={"en": "\n".join(f"Line {number}" for number in range(lines))})
        pages = [page.extract_text() for page in PdfReader(io.BytesIO(await _pdf(long))).pages]
        (whole,) = (page for page in pages if "EQF level 5 of 8" in page)
        assert "short cycle of higher education" in whole


async def test_long_names_and_titles_leave_room_on_the_first_page() -> None:
    content = content_of(full_document())
    long = replace(
        content,
        title={"de": "Hydrodynamische Deichstabilitätsberechnungsverfahren " * 6},
        holder=replace(content.holder, name="Maximiliane Freifrau von und zu " * 18),
    )
    first = PdfReader(io.BytesIO(await _pdf(long, made_facts("impaired")))).pages[0].extract_text()
    assert "2. The micro-credential" in first


def test_an_empty_section_is_left_out_and_numbers_follow() -> None:
    content = Content(language="und", title={"und": "T"}, holder=replace(content_of(full_document()).holder, name=None))
    content = replace(content, holder=type(content.holder)())
    headings = [section.heading for section in sections(content, made_facts(), ENGLISH)]
    assert headings[0] == "1. The micro-credential"
    assert [heading[0] for heading in headings] == [str(number) for number in range(1, len(headings) + 1)]


def test_long_words_may_be_broken_and_ids_stay_whole() -> None:
    assert breakable("a short text") == "a short text"
    assert "\u200b" in breakable("x" * 100)
    assert breakable(f"id: {ID}") == f"id: {ID}"


def test_a_qr_code_is_dark_on_white_with_a_quiet_zone() -> None:
    svg = qr_svg("https://verifier.example/c/" + ID)
    assert svg.startswith("<svg")
    assert 'fill="#fff"' in svg


_SAID_IN_CODE = re.compile(r'(?:\bt|\bphrase|\bword|_row|_yield_row|fault_of)\(\s*"((?:[^"\\]|\\.)+)"')


@pytest.mark.parametrize(
    "language", [item for item in LANGUAGES.values() if item.code != "en"], ids=lambda item: item.code
)
def test_a_language_has_every_word_with_the_same_values(language: LearnerLanguage) -> None:
    words = set(LANGUAGES["de"].words)
    assert set(language.words) == words
    for english, said in language.words.items():
        assert sorted(re.findall(r"\{\w+\}", said)) == sorted(re.findall(r"\{\w+\}", english)), english
    room = Path(papers_module.__file__).parents[1]
    texts = [path.read_text() for path in (*room.glob("papers/*.py"), *room.glob("pages/**/*.jinja"))]
    used = {found for text in texts for found in _SAID_IN_CODE.findall(text)}
    from services.issuer_gateway.papers.standing import WORDS  # noqa: PLC0415 - beside what it is for

    labels = (
        {concept.label for concept in CONCEPTS.values()} | set(RESULT_STATUS_LABELS.values()) | set(CYCLES.values())
    )
    assert (used | set(WORDS) | labels) - words == set()


@pytest.mark.parametrize("form", ["png", "svg"])
async def test_a_picture_holds_the_document_and_shows_no_grade(form: papers_module.PictureForm) -> None:
    content = replace(content_of(full_document()), title={"en": "W" * 300})
    said = picture(content, made_facts("revoked"), ENGLISH)
    made = await Papers().picture(said, form, document=DOCUMENT, address=made_facts().check_url)
    assert credential_in(made) == DOCUMENT
    assert "4.5" not in str(said)
    assert (said["word"], said["sign"]) == ("Revoked", "invalid")
    assert picture(content, made_facts(), ENGLISH)["word"] == ""


@pytest.mark.parametrize("form", ["pdf", "png"])
async def test_a_logo_is_drawn_and_a_broken_one_is_left_out(form: str) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (300, 100), "blue").save(stream, "PNG")
    content, facts = content_of(full_document()), made_facts()

    async def made(logo: bytes | None) -> bytes:
        if form == "pdf":
            return await Papers().pdf(paper(content, facts, ENGLISH), document=None, address=facts.check_url, logo=logo)
        said = picture(content, facts, ENGLISH)
        return await Papers().picture(said, "png", document=DOCUMENT, address=facts.check_url, logo=logo)

    bare, drawn, broken = [await made(logo) for logo in (None, stream.getvalue(), stream.getvalue()[:40])]
    assert drawn != bare
    assert len(broken) == len(bare)


@pytest.mark.parametrize("language", LANGUAGES.values(), ids=lambda item: item.code)
def test_a_supplement_says_terms_and_the_status_of_a_result_in_its_language(language: LearnerLanguage) -> None:
    content = content_of(full_document())
    (result, *_) = content.results
    shown = replace(content, results=(replace(result, value=None, status="InProgress"),))
    texts = [text for part in sections(shown, made_facts(), language) for row in part.rows for text, _ in row.texts]
    assert any(language.word("in progress") in text for text in texts)
    for label in (*content.assessments, *content.participation, *filter(None, [content.supervision])):
        assert any(language.word(label) in text for text in texts), label
    assert not any("InProgress" in text for text in texts)


@pytest.mark.parametrize("title", ["إدارة مخاطر الفيضانات", "ניהול סיכוני שיטפונות"])
async def test_a_title_from_right_to_left_is_as_bold_as_any(title: str) -> None:
    pdf = await _pdf(replace(content_of(full_document()), title={"und": title}))
    used = {str(font["/BaseFont"]) for page in PdfReader(io.BytesIO(pdf)).pages for font in _fonts(page)}
    assert any(name.endswith("DejaVuSans-Bold") for name in used), used


def _fonts(page: Any) -> list[Any]:
    return [font.get_object() for font in page["/Resources"]["/Font"].values()]
