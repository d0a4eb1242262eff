"""Names that people take for each other have one skeleton, whatever letters they are written with."""

import pytest

from proto.look_alikes import look_alike, skeleton


@pytest.mark.parametrize(
    "written",
    [
        "Hogeschool W\u0430terland",
        "\u041dogeschool Waterland",
        "\u0397ogeschool Waterland",
        "HOGESCHOOL WATERLAND",
        "Hogesch00l Water1and",
        "Hogeschool  Water-land",
        "Hogeschool Waterland\u200b",
        "Hogeschool\u00a0W\u00e4terl\u00e5nd",
        "Hogeschool VVaterland",
        "Hogeschool Wateriand",
        "\uff28ogeschool Waterland",
        "Hogeschool Wa\u03c4erland",
        "\u13bbogeschool \u13d4aterland",
        "Hogescho\u0585l Waterland",
        "\u2c8eogeschool Waterland",
        "Hogeschool 'Waterland'.",
        "H\u043eg\u0435s\u0441h\u043e\u043el W\u0430t\u0435rl\u0430nd",
    ],
)
def test_what_looks_like_a_name_is_found(written: str) -> None:
    assert look_alike(written, "Hogeschool Waterland")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hogeschool Waterland", "Hogeschool Zeeland"),
        ("Hogeschool Waterland", "Hogeschool Waterlanden"),
        ("Київський університет", "Київський інститут"),
        ("東京大学", "京都大学"),
        ("جامعة القاهرة", "جامعة بنها"),
        ("विश्वविद्यालय", "विद्यालय"),
        ("…", "!"),
    ],
)
def test_other_names_are_told_apart(one: str, other: str) -> None:
    assert not look_alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Modern College", "Modem College"), ("Universität Łódź", "UNIVERSITAT LODZ"), ("Œuvre", "OEUVRE")],
)
def test_letters_that_run_together_and_accents_are_seen_as_they_look(one: str, other: str) -> None:
    assert look_alike(one, other)


def test_marks_without_which_a_script_is_not_written_count() -> None:
    assert skeleton("कि") != skeleton("कु")
