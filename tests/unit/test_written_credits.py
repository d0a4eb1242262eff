"""Credits as people type them, into the office's form or after an option."""

import click
import pytest

from proto.stacking import ects_of_text
from services.command.ects_option import ECTS


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("3", 300),
        ("2,5", 250),
        (" 2.50 ", 250),
        ("0", 0),
        ("0.00", 0),
        (".5", 50),
        ("12.", 1200),
        ("", None),
        (".", None),
        ("-1", None),
        ("2.505", None),
        ("1.000,00", None),
        ("1e999999", None),
        ("NaN", None),
        ("٣", None),
        ("9" * 4_000, None),
    ],
)
def test_credits_are_read_with_a_point_or_a_comma_and_nothing_else_is(typed: str, found: int | None) -> None:
    assert ects_of_text(typed) == found


@pytest.mark.parametrize("typed", ["nan", "2.505", "-3", "inf"])
def test_an_option_for_credits_rounds_nothing_and_says_how_they_are_written(typed: str) -> None:
    with pytest.raises(click.BadParameter, match="at most two decimals"):
        ECTS.convert(typed, None, None)
    assert ECTS.convert("2,5", None, None) == 250
