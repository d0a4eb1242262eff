"""Numbers that people write into forms, and what others write there instead."""

import pytest

from proto.problem import InvalidProblem, MalformedProblem
from services.edge import Form
from services.issuer_gateway.http.credential_page_routes import share_terms
from services.issuer_gateway.http.people import level_in

NO_NUMBERS = ["²", "٣", "1e1", "-1", "0x1", "½", "1" * 5_000, "000030" + "9" * 5_000, "0000309", "3.0"]


@pytest.mark.parametrize("days", [*NO_NUMBERS, "0", "000"])
def test_a_share_for_no_number_of_days_is_refused_in_words(days: str) -> None:
    with pytest.raises(InvalidProblem, match="Choose between 1 and"):
        share_terms(Form({"days": days.encode()}))


@pytest.mark.parametrize(("days", "count"), [("", 30), ("7", 7), (" 90 ", 90), ("030", 30)])
def test_a_share_works_for_the_days_that_were_chosen(days: str, count: int) -> None:
    assert share_terms(Form({"days": days.encode()}))[1] == count


@pytest.mark.parametrize("text", [*NO_NUMBERS, "12"])
def test_what_is_no_level_stays_a_text_for_its_type_to_refuse(text: str) -> None:
    assert level_in(text) == text


def test_a_level_is_one_digit() -> None:
    assert [level_in(str(level)) for level in range(1, 9)] == [*range(1, 9)]


def test_no_field_holds_the_null_character() -> None:
    with pytest.raises(MalformedProblem, match="`days` holds the null character"):
        share_terms(Form({"days": b"3\0"}))
