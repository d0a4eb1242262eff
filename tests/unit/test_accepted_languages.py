"""What an Accept-Language header asks for, however many blanks stand in it."""

import pytest

from services.edge.accepted_languages import accepted_languages


@pytest.mark.parametrize(
    ("header", "ranges"),
    [
        ("de", [("de", 1.0)]),
        (" de-AT ; q=0.5 ,\ten;q=0.1,*", [("de-AT", 0.5), ("en", 0.1), ("*", 1.0)]),
        ("de" + " " * 8_000 + "x, en", [("en", 1.0)]),
        ("de" + " ;" * 4_000 + "q=1, en", [("en", 1.0)]),
        ("de" + " " * 8_000, [("de", 1.0)]),
        ("-".join(["de"] * 2_000) + "!, fr;q=0", [("fr", 0.0)]),
        ("", []),
        (None, []),
    ],
)
def test_ranges_come_in_their_order_and_what_is_none_is_left(
    header: str | None, ranges: list[tuple[str, float]]
) -> None:
    assert list(accepted_languages(header)) == ranges
