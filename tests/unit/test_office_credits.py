"""Credits as people type them into the office's form."""

import pytest

from services.issuer_gateway.http.office_routes import hundredths


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
    assert hundredths(typed) == found
