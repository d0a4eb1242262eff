"""What is typed into the form that applies for recognition: an application, or every fault at its field."""

import base64
from typing import Any

import pytest

from proto.documents.baked_picture import with_credential
from proto.ids import Did, InstitutionId
from proto.wire.applications import EvidenceSent
from proto.wire.institutions import Programme
from services.edge.form import multipart, urlencoded
from services.issuer_gateway.applications.evidence import document_in
from services.issuer_gateway.applications.typed_application import (
    FILE_BYTES_MAX,
    KEPT_CHARACTERS_MAX,
    TypedApplication,
    body_of,
    faults_in,
    typed_application,
)
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.languages import LANGUAGES
from services.issuer_gateway.pages import application_words
from tests.support.document_files import png
from tests.support.statements import ACCREDITATION, SCOPE

PROGRAMME = "https://school.example/programmes/data"
TENANT = Tenant(
    institution_id=InstitutionId("i"),
    slug="school",
    did=Did("did:web:school.example"),
    legal_name="School",
    country="NL",
    uri_prefixes=("https://school.example/",),
    scope=SCOPE,
    accreditation=ACCREDITATION,
    programmes=(Programme(uri=PROGRAMME, title="Data"),),
)
RIGHT = {"programme": PROGRAMME, "given_name": "Mia", "family_name": "Żółć"}
BADGE = b'{"name": "Soil"}'
SIXTEEN = [b"{%d}" % number for number in range(16)]


def _typed(*files: bytes, kept: tuple[bytes, ...] = (), **texts: str) -> TypedApplication:
    return typed_application(RIGHT | texts, files, kept)


def _wrong(typed: TypedApplication) -> list[str]:
    return [each.what for each in faults_in(TENANT, typed)]


def test_what_is_typed_becomes_an_application() -> None:
    typed = _typed(b"", BADGE, dossier_title=" Sailing ", dossier_description="At sea.\r\nFor years.", publish="yes")
    assert faults_in(TENANT, typed) == []
    body = body_of(TENANT, typed)
    assert (body.institution, body.programme, body.publish) == ("school", PROGRAMME, True)
    assert [document_in(each) for each in body.evidence] == [{"name": "Soil"}, None]
    assert body.evidence[1].dossier is not None
    assert body.evidence[1].dossier.description == "At sea.\nFor years."


def test_a_badge_inside_of_a_picture_is_read_out_of_it() -> None:
    (evidence,) = body_of(TENANT, _typed(with_credential(png(), BADGE))).evidence
    assert document_in(evidence) == {"name": "Soil"}


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        (_typed(), ["files"]),
        (_typed(BADGE, programme="https://school.example/other"), ["programme"]),
        (_typed(BADGE, given_name=" ", family_name="x" * 301), ["given_name", "family_name"]),
        (_typed(BADGE, given_name="\u200b\u200b"), ["given_name"]),
        (_typed(BADGE, email="no mail"), ["email"]),
        (_typed(BADGE, statement="x" * 4_001), ["statement"]),
        (_typed(dossier_title="Sailing"), ["dossier_description"]),
        (_typed(dossier_url="www.example"), ["dossier_title", "dossier_description", "dossier_url"]),
        (_typed(*SIXTEEN, dossier_title="Sailing", dossier_description="At sea."), ["files-many"]),
        (_typed(b"{" + b" " * FILE_BYTES_MAX), ["files-large"]),
        (_typed(BADGE, b"\xff\xd8\xff\xe0 a photograph"), ["files-kind"]),
    ],
)
def test_what_is_wrong_is_said_of_its_field(typed: TypedApplication, wrong: list[str]) -> None:
    assert _wrong(typed) == wrong


def test_files_go_back_with_a_form_in_which_something_is_wrong_unless_they_are_large() -> None:
    kept = _typed(BADGE, given_name="").kept
    assert [base64.b64decode(each) for each in kept] == [BADGE]
    again = _typed(kept=tuple(each.encode() for each in kept))
    assert (again.files, _wrong(again)) == ([BADGE], [])
    assert _typed(BADGE, kept=tuple(each.encode() for each in kept)).files == [BADGE], "chosen once more, it is one"
    assert _typed(kept=(b"no base64!", b"\xff")).files == []
    large = _typed(b"{" + b" " * KEPT_CHARACTERS_MAX, given_name="")
    assert large.kept == ()
    assert _wrong(large) == ["given_name", "files-kept"]


def test_a_file_that_cannot_be_sent_does_not_come_back_with_the_form() -> None:
    typed = _typed(b"plain words", BADGE, b"{" + b" " * FILE_BYTES_MAX)
    assert _wrong(typed) == ["files-kind", "files-large"]
    assert [base64.b64decode(each) for each in typed.kept] == [BADGE]


def test_a_form_keeps_all_that_came_of_one_name_in_its_order() -> None:
    assert urlencoded(b"a=1&b=2&a=3").every == {"a": [b"1", b"3"], "b": [b"2"]}
    part = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n%s\r\n'
    form = multipart(part % b"1" + part % b"2" + b"--x--\r\n", b"x")
    assert (form.fields, form.every) == ({"files": b"2"}, {"files": [b"1", b"2"]})


@pytest.mark.parametrize("words", ["APPLICATION_STATES", "DECISIONS", "EVIDENCE_VERDICTS", "REASON_WORDS", "FAULTS"])
@pytest.mark.parametrize("code", [code for code in LANGUAGES if code != "en"])
def test_states_decisions_reasons_and_faults_are_said_in_every_language(words: str, code: str) -> None:
    said: dict[str, Any] = getattr(application_words, words)
    assert set(said.values()) - LANGUAGES[code].words.keys() == set()


def test_a_document_larger_than_any_is_kept_as_a_file_and_not_read() -> None:
    large = b'{"issuer":"did:web:a","x":"' + b"a" * 1_048_576 + b'"}'
    assert document_in(EvidenceSent(file=base64.b64encode(large).decode())) is None
