"""Windows of quotas share a table that is never full, however often the file of keys changes while it lives."""

from services.verifier.limits.quotas import PLACES, PROBES_MAX, Usage, Window

NOW = 1_000_000.0


def _crowded(usage: Usage) -> None:
    """Fill every place of the table, as by keys that were replaced again and again; all are over by now."""
    for place in range(PLACES):
        usage.write(place, PLACES + place, 1.0, 5)


def test_a_window_finds_a_place_in_a_table_that_is_full() -> None:
    usage = Usage()
    _crowded(usage)
    window = Window(usage, "requests", 10, 60)
    assert window.charge(10, NOW) == 0.0
    assert window.charge(1, NOW + 1) == 59.0
    assert Window(usage, "requests", 10, 60).left(NOW + 1) == 0, "who reads the file anew goes on with what is used"


def test_the_window_that_was_begun_first_gives_way() -> None:
    usage = Usage()
    whose = PLACES * 7
    for step in range(PROBES_MAX):
        usage.write(whose % PLACES + step, PLACES + step, 100.0 + (step != 5), 5)
    with usage.alone():
        assert usage.place(whose) == whose % PLACES + 5
        assert usage.place(whose) == whose % PLACES + 5


def test_a_window_whose_place_was_taken_counts_anew_in_another() -> None:
    usage = Usage()
    window = Window(usage, "requests", 10, 60)
    assert window.charge(10, NOW) == 0.0
    _crowded(usage)
    assert window.left(NOW + 1) == 10
    assert window.charge(10, NOW + 1) == 0.0
    assert window.charge(1, NOW + 2) == 59.0
    assert window.words("requests", NOW + 2) == '"requests";r=0;t=59'
