"""What reaches a terminal: whoever decides by it sees what is there, whatever strangers have written."""

import io

import msgspec
import pytest
from rich.table import Table

from proto.ids import ApplicationId
from proto.keys import SecretKey
from proto.moment import Moment
from proto.problem import InvalidProblem
from proto.wire.applications import Applicant, ApplicationAnswer, ItemAnswer
from proto.wire.institutions import AdmissionRequest, InstitutionRequest
from services.command import output, recognition, registrar
from services.command.terminal import Terminal, clean, visible

STEERING = "\x1b[2J\x1b]0;t\x07\x9b31m\u202e\u2066\u200e\ufeff\x00\ud800\x85\u2028\t"
TURNED = "\x9b2J\u202e\u2066\x85\u2028  "
"""What a name on a log may hold."""
MARKUP = "[/] [bold red]a[/bold red] [link=https://evil.example]b[/link] [/x]"


def printed(*objects: object, **options: object) -> str:
    file = io.StringIO()
    Terminal(file=file, width=200).print(*objects, **options)
    return file.getvalue()


def test_signs_that_steer_a_terminal_are_blanks() -> None:
    assert clean(f"a{STEERING}b").split() == ["a", "[2J", "]0;t", "31m", "b"]
    assert printed(f"a{STEERING}b").isascii()


def test_line_ends_of_others_make_no_line_and_ours_do() -> None:
    assert clean("Ann\nvalid\r\u2029x") == "Ann valid  x"
    assert visible("one\ntwo") == "one\ntwo"


@pytest.mark.parametrize("name", ["Ünï çødé", "नि‍र्", "محمد", "李", "a\u0301", "👩‍🎓"])
def test_names_are_as_they_were(name: str) -> None:
    assert clean(name) == visible(name) == name
    assert printed(name) == f"{name}\n"


def test_markup_of_others_is_a_text_like_any_other_in_lines_and_tables() -> None:
    table = Table("a", box=None)
    table.add_row(MARKUP)
    for shown in (printed(MARKUP), printed(table)):
        assert MARKUP in shown
    assert printed("[bold]ours[/]", markup=True) == "ours\n"


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    file = io.StringIO()
    for module in (output, recognition, registrar):
        monkeypatch.setattr(module, "console", Terminal(file=file, width=400))
    return file


REQUEST = {
    "subject": "did:web:a.example",
    "legal_name": "University",
    "country": "NL",
    "uri_prefixes": ["https://a.example/"],
    "keys": [
        {
            "key_id": f"did:web:a.example#{purpose}",
            "purpose": purpose,
            "public_key": SecretKey.generate().public_key,
        }
        for purpose in ("event", "assertion", "recovery")
    ],
    "scope": {"eqf_min": 5, "eqf_max": 6, "ects_hundredths_max": 3000}
    | dict.fromkeys(("may_issue", "may_stack", "may_recognise"), True),
    "accreditation": {"body": "Agency", "url": "https://c.example"},
}


def test_a_registrar_sees_what_would_be_signed(shown: io.StringIO) -> None:
    names = {
        "legal_name": f"University {MARKUP}{TURNED}EQF 1 to 8",
        "accreditation": {"body": f"{MARKUP}{TURNED}under https://b.example/", "url": "https://c.example"},
    }
    registrar.print_request(msgspec.convert(REQUEST | names, AdmissionRequest))
    lines = shown.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == [
        "University",
        "EQF",
        "may",
        "event",
        "assertion",
        "recovery",
        "under",
    ]
    assert all(MARKUP in line for line in (lines[0], lines[2]))
    assert shown.getvalue().isascii()


def test_an_office_sees_one_line_for_each_thing_that_a_stranger_wrote(shown: io.StringIO) -> None:
    forged = f"Diploma{STEERING}: not checked\n  2  {MARKUP}: valid"
    applicant = Applicant(given_name=f"Ann\n{'f' * 36}", family_name=MARKUP)
    recognition._print_application(
        ApplicationAnswer(
            application_id=ApplicationId("a" * 36),
            state="open",
            programme="https://a.example/p",
            programme_title="Master\nof",
            publish=False,
            created_at=Moment("2026-01-01T00:00:00.000Z"),
            due_at=Moment("2026-02-01T00:00:00.000Z"),
            is_overdue=False,
            applicant=applicant,
            items=(ItemAnswer(number=1, title=forged, appeal=forged),),
        ),
        as_json=False,
    )
    lines = shown.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["a" * 36, "open:", "1", "appeal:"]
    assert lines[2].endswith("valid: not checked")


@pytest.mark.parametrize("name", ["A\u202eB", "A\u2066B", "A\u0085B", "A\u2028B"])
def test_a_registrar_signs_no_name_that_would_be_read_as_another(name: str) -> None:
    request = REQUEST | {"legal_name": name}
    with pytest.raises(InvalidProblem, match="make it anew"):
        registrar.read_request(msgspec.json.encode(request))


def test_a_registrar_is_told_of_letters_that_look_alike(shown: io.StringIO) -> None:
    registrar.print_request(
        registrar.read_request(msgspec.json.encode(REQUEST | {"legal_name": "T\u0435\u0441hnical"}))
    )
    assert "its name has Latin and Cyrillic letters" in shown.getvalue()


@pytest.mark.parametrize("name", ["A\u202eB", "A\u2066B", "A\u0085B", "A\uffffB"])
def test_an_institution_is_not_made_under_a_name_that_would_be_read_as_another(name: str) -> None:
    made = {field: REQUEST[field] for field in ("country", "scope", "accreditation")} | {
        "slug": "college",
        "recovery_public_key": SecretKey.generate().public_key,
    }
    msgspec.convert(made | {"legal_name": "Université d\u2019A"}, InstitutionRequest)
    body = {"body": name, "url": "https://c.example"}
    for wrong in (made | {"legal_name": name}, made | {"legal_name": "A", "accreditation": body}):
        with pytest.raises(msgspec.ValidationError, match="write it without"):
            msgspec.convert(wrong, InstitutionRequest)


def test_what_is_half_a_letter_is_written_as_its_number() -> None:
    assert visible("\udcc5\udc81\u00f3d\x9bz") == "\\udcc5\\udc81ód z"
